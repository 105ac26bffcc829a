/**
 * RDMSR and WRMSR (SDM Vol. 4, "Model-Specific Registers (MSRs)"). What the model does not have, reserved bits and
 * values that the manual forbids are #GP(0).
 */
import { cpu, Gpr, gpr, Seg, setGpr } from '../cpu/state';
import { Exit } from '../cpu/exit';
import { Intercept, intercepts } from '../cpu/intercepts';
import { raise, Vector } from '../cpu/pending';
import { Cr0, Cr4, Efer } from '../cpu/control';
import { segBase, setSegBase } from '../cpu/segments';
import { isCanonicalForRegister, isIntel, modelWord, Offer, offers, Word } from '../cpu/features';
import { areMtrrTypes, DEBUGCTL_WRITABLE, heldMsr, holdMsr, isMtrrType, isPat, MC_BANKS, Msr, MsrSlot, MTRR_PAIRS } from '../cpu/msr';
import { apicBaseChanged, resetApic, setTscDeadline, x2apicFault, x2apicRead, x2apicWrite } from '../apic/apic';
import { flushAll, flushEverything, flushKeyed } from '../mmu/tlb';
import { updateMode } from '../mmu/mode';
import { FEATURE_BYTES } from '../isa/decoder';
import { Feature } from '../isa/tables.gen';
import { Rec } from '../isa/record';
import { capabilityMsr } from '../vmx/controls';
import { exitsOnMsr } from '../vmx/intercepts';
import { readsVirtualMsr, virtualMsr, writesVirtualMsr, writeVirtualMsr } from '../vmx/virtual-apic';
import { clockAt, seenTsc } from './time';
import { instructionExit } from './exits';

const enum ApicBase { BSP = 0x100, X2APIC = 0x400, ENABLE = 0x800 }
/** IA32_MTRRCAP: write combining, fixed ranges, and the number of variable ones. */
const MTRR_CAPABILITIES: u64 = 0x500 | MTRR_PAIRS;
/** IA32_MCG_CAP: MCG_CTL present, and the number of banks. */
const MCG_CAPABILITIES: u64 = 0x100 | MC_BANKS;
/** Ratio of the 100 MHz bus clock that makes the TSC's 1 GHz. */
const RATIO: u64 = 10;
const FEATURE_CONTROL_WRITABLE: u64 = 7;
const MICROCODE_REVISION: u64 = 1;
const ALL: u64 = 0xffffffffffffffff;

@inline function has(feature: u32): bool { return load<u8>(FEATURE_BYTES + feature) != 0; }
@inline function hasTscAux(): bool { return has(Feature.RDTSCP) || has(Feature.RDPID); }

/** What the last readMsr found. */
export let msrValue: u64 = 0;
@inline function found(value: u64): bool {
  msrValue = value;
  return true;
}

/** Reads MSR `index` at virtual time `time` into msrValue. False: there is none, which is #GP(0). */
export function readMsr(index: u32, time: u64): bool {
  switch (index) {
    case Msr.FS_BASE: return offers(Offer.LONG_MODE) && found(segBase(Seg.FS));
    case Msr.GS_BASE: return offers(Offer.LONG_MODE) && found(segBase(Seg.GS));
    case Msr.KERNEL_GS_BASE: return offers(Offer.LONG_MODE) && found(cpu.kernelGsBase);
    case Msr.EFER: return modelWord(Word.EFER) != 0 && found(cpu.efer);
    case Msr.STAR: return has(Feature.SYSCALL) && found(cpu.star);
    case Msr.LSTAR: return offers(Offer.LONG_MODE) && found(cpu.lstar);
    case Msr.CSTAR: return offers(Offer.LONG_MODE) && found(cpu.cstar);
    case Msr.SFMASK: return offers(Offer.LONG_MODE) && found(cpu.sfmask);
    case Msr.TSC_AUX: return hasTscAux() && found(cpu.tscAux);
    case Msr.TSC: return has(Feature.TSC) && found(time + cpu.tscOffset);
    case Msr.TSC_ADJUST: return offers(Offer.TSC_ADJUST) && found(cpu.tscAdjust);
    case Msr.TSC_DEADLINE: return offers(Offer.TSC_DEADLINE) && found(cpu.tscDeadline);
    case Msr.PKRS: return offers(Offer.PKS) && found(cpu.pkrs);
    case Msr.APIC_BASE: return offers(Offer.APIC) && found(cpu.apicBase);
    case Msr.SYSENTER_CS: return has(Feature.SEP) && found(cpu.sysenterCs);
    case Msr.SYSENTER_ESP: return has(Feature.SEP) && found(cpu.sysenterEsp);
    case Msr.SYSENTER_EIP: return has(Feature.SEP) && found(cpu.sysenterEip);
    case Msr.PAT: return offers(Offer.PAT) && found(cpu.pat);
    case Msr.MTRRCAP: return offers(Offer.MTRR) && found(MTRR_CAPABILITIES);
    case Msr.MTRR_DEF_TYPE: return offers(Offer.MTRR) && found(cpu.mtrrDefType);
    case Msr.MCG_CAP: return offers(Offer.MCA) && found(MCG_CAPABILITIES);
    case Msr.MCG_STATUS: return offers(Offer.MCA) && found(heldMsr(MsrSlot.MCG_STATUS));
    case Msr.MCG_CTL: return offers(Offer.MCA) && found(heldMsr(MsrSlot.MCG_CTL));
    case Msr.XSS: return offers(Offer.XSAVES) && found(heldMsr(MsrSlot.XSS));
    case Msr.BIOS_SIGN_ID: return found(isIntel() ? MICROCODE_REVISION << 32 : MICROCODE_REVISION);
    case Msr.P5_MC_ADDR:
    case Msr.P5_MC_TYPE: return found(0);
    case Msr.ARCH_CAPABILITIES: return offers(Offer.ARCH_CAPABILITIES) && found(modelWord(Word.ARCH_CAPABILITIES));
    default: break;
  }
  if (index - Msr.X2APIC < 0x100) {
    if (!offers(Offer.X2APIC)) return false;
    msrValue = x2apicRead(index - Msr.X2APIC);
    return !x2apicFault;
  }
  const slot = heldSlot(index);
  if (slot >= 0) return found(heldMsr(slot));
  return isIntel() && readIntel(index);
}

function readIntel(index: u32): bool {
  switch (index) {
    case Msr.PLATFORM_ID:
    case Msr.EBL_CR_POWERON:
    case Msr.FSB_FREQ:
    case Msr.LASTBRANCH_FROM:
    case Msr.LASTBRANCH_TO:
    case Msr.LASTINT_FROM:
    case Msr.LASTINT_TO:
    case Msr.SMI_COUNT: return found(0);
    case Msr.FEATURE_CONTROL: return offers(Offer.VMX) && found(cpu.featureControl);
    case Msr.PLATFORM_INFO:
    case Msr.PERF_STATUS: return found(RATIO << 8);
    case Msr.PERF_CTL: return found(heldMsr(MsrSlot.PERF_CTL));
    case Msr.MISC_ENABLE: return found(cpu.miscEnable);
    case Msr.DEBUGCTL: return found(heldMsr(MsrSlot.DEBUGCTL));
    default: break;
  }
  if (!offers(Offer.VMX) || index > <u32>Msr.VMX_VMFUNC || index < <u32>Msr.VMX_BASIC) return false;
  const word = capabilityMsr(index);
  return word != 0 && found(modelWord(word));
}

/** Slot of an MSR that gives back what was written (MTRRs, machine-check banks, AMD's configuration); -1 for others. */
function heldSlot(index: u32): i32 {
  if (index >= <u32>Msr.MTRR_PHYSBASE0 && index <= <u32>Msr.MTRR_FIX4K + 7) {
    if (!offers(Offer.MTRR)) return -1;
    const n = index - Msr.MTRR_PHYSBASE0;
    if (n < 2 * MTRR_PAIRS) return MsrSlot.MTRR_VARIABLE + n;
    if (index == Msr.MTRR_FIX64K) return MsrSlot.MTRR_FIXED;
    if (index - Msr.MTRR_FIX16K < 2) return MsrSlot.MTRR_FIXED + 1 + (index - Msr.MTRR_FIX16K);
    return index >= <u32>Msr.MTRR_FIX4K ? MsrSlot.MTRR_FIXED + 3 + (index - Msr.MTRR_FIX4K) : -1;
  }
  if (index - Msr.MC0_CTL < 4 * MC_BANKS) return offers(Offer.MCA) ? MsrSlot.MC + (index - Msr.MC0_CTL) : -1;
  if (isIntel()) return -1;
  if (index - Msr.K7_EVNTSEL0 < 8) return MsrSlot.AMD + (index - Msr.K7_EVNTSEL0);
  switch (index) {
    case Msr.K8_SYSCFG: return MsrSlot.AMD + 8;
    case Msr.K7_HWCR: return MsrSlot.AMD + 9;
    case Msr.K8_TOP_MEM1: return MsrSlot.AMD + 10;
    case Msr.K8_TOP_MEM2: return MsrSlot.AMD + 11;
    case Msr.NB_CFG: return MsrSlot.AMD + 12;
    case Msr.K8_INT_PENDING: return MsrSlot.AMD + 13;
    case Msr.DE_CFG: return MsrSlot.AMD + 14;
    default: return -1;
  }
}

/** Writes `value` to a slot of heldSlot if the manual allows it there. */
function hold(slot: u32, value: u64): bool {
  if (slot < <u32>MsrSlot.MTRR_FIXED) {
    const reserved = (slot & 1) == 0 ? ~cpu.physMask | 0xf00 : ~cpu.physMask | 0x7ff;
    if ((value & reserved) != 0 || ((slot & 1) == 0 && !isMtrrType(<u32>value & 0xff))) return false;
  } else if (slot < <u32>MsrSlot.DEBUGCTL) {
    if (!areMtrrTypes(value)) return false;
  } else if (slot >= <u32>MsrSlot.MC) {
    const kind = slot & 3;
    if (kind == 0 && value != 0 && value != ALL) return false;
    if (kind == 1 && value != 0) return false;
  }
  holdMsr(slot, value);
  return true;
}

/** IA32_EFER (SDM Vol. 3A, "Extended Feature Enable Register"). */
function writeEfer(value: u64): bool {
  const changed = (cpu.efer ^ value) & ~(<u64>Efer.LMA);
  if ((value & ~(modelWord(Word.EFER) | Efer.LMA)) != 0) return false;
  if ((changed & Efer.LME) != 0 && (cpu.cr0 & Cr0.PG) != 0) return false;
  cpu.efer = (value & ~(<u64>Efer.LMA)) | (cpu.efer & Efer.LMA);
  if ((changed & Efer.NXE) != 0) flushAll();
  updateMode();
  return true;
}

/** IA32_APIC_BASE (SDM Vol. 3A, "x2APIC State Transitions"). */
function writeApicBase(value: u64): bool {
  const modes: u64 = ApicBase.ENABLE | ApicBase.X2APIC;
  let allowed = (cpu.physMask & ~0xfff) | ApicBase.BSP | ApicBase.ENABLE;
  if (offers(Offer.X2APIC)) allowed |= ApicBase.X2APIC;
  if ((value & ~allowed) != 0 || (value & modes) == ApicBase.X2APIC) return false;
  const was = cpu.apicBase & modes;
  const will = value & modes;
  if ((was == modes && will == ApicBase.ENABLE) || (was == 0 && will == modes)) return false;
  cpu.apicBase = value;
  if (was != 0 && will == 0) resetApic();
  apicBaseChanged();
  flushEverything();
  return true;
}

function setTscOffset(offset: u64): void {
  cpu.tscAdjust += offset - cpu.tscOffset;
  cpu.tscOffset = offset;
  if (cpu.tscDeadline != 0) setTscDeadline(cpu.tscDeadline, offset);
}

@inline function isDword(value: u64): bool { return value >> 32 == 0; }

/** Writes `value` to MSR `index` at virtual time `time`. False: it is #GP(0), and nothing changed. */
export function writeMsr(index: u32, value: u64, time: u64): bool {
  switch (index) {
    case Msr.FS_BASE:
      if (!offers(Offer.LONG_MODE) || !isCanonicalForRegister(value)) return false;
      setSegBase(Seg.FS, value);
      return true;
    case Msr.GS_BASE:
      if (!offers(Offer.LONG_MODE) || !isCanonicalForRegister(value)) return false;
      setSegBase(Seg.GS, value);
      return true;
    case Msr.KERNEL_GS_BASE:
      if (!offers(Offer.LONG_MODE) || !isCanonicalForRegister(value)) return false;
      cpu.kernelGsBase = value;
      return true;
    case Msr.EFER: return modelWord(Word.EFER) != 0 && writeEfer(value);
    case Msr.STAR:
      if (!has(Feature.SYSCALL)) return false;
      cpu.star = value;
      return true;
    case Msr.LSTAR:
      if (!offers(Offer.LONG_MODE) || !isCanonicalForRegister(value)) return false;
      cpu.lstar = value;
      return true;
    case Msr.CSTAR:
      if (!offers(Offer.LONG_MODE) || !isCanonicalForRegister(value)) return false;
      cpu.cstar = value;
      return true;
    case Msr.SFMASK:
      if (!offers(Offer.LONG_MODE) || !isDword(value)) return false;
      cpu.sfmask = value;
      return true;
    case Msr.TSC_AUX:
      if (!hasTscAux() || !isDword(value)) return false;
      cpu.tscAux = value;
      return true;
    case Msr.TSC:
      if (!has(Feature.TSC)) return false;
      setTscOffset(value - time);
      return true;
    case Msr.TSC_ADJUST:
      if (!offers(Offer.TSC_ADJUST)) return false;
      setTscOffset(cpu.tscOffset + value - cpu.tscAdjust);
      return true;
    case Msr.TSC_DEADLINE:
      if (!offers(Offer.TSC_DEADLINE)) return false;
      setTscDeadline(value, cpu.tscOffset);
      return true;
    case Msr.PKRS:
      if (!offers(Offer.PKS) || !isDword(value)) return false;
      cpu.pkrs = <u32>value;
      flushKeyed(Cr4.PKS);
      return true;
    case Msr.APIC_BASE: return offers(Offer.APIC) && writeApicBase(value);
    case Msr.SYSENTER_CS:
      if (!has(Feature.SEP)) return false;
      cpu.sysenterCs = value & 0xffffffff;
      return true;
    case Msr.SYSENTER_ESP:
      if (!has(Feature.SEP) || !isCanonicalForRegister(value)) return false;
      cpu.sysenterEsp = value;
      return true;
    case Msr.SYSENTER_EIP:
      if (!has(Feature.SEP) || !isCanonicalForRegister(value)) return false;
      cpu.sysenterEip = value;
      return true;
    case Msr.PAT:
      if (!offers(Offer.PAT) || !isPat(value)) return false;
      cpu.pat = value;
      return true;
    case Msr.MTRR_DEF_TYPE:
      if (!offers(Offer.MTRR) || (value & ~0xcff) != 0 || !isMtrrType(<u32>value & 0xff)) return false;
      cpu.mtrrDefType = value;
      return true;
    case Msr.MCG_STATUS:
      if (!offers(Offer.MCA) || (value & ~15) != 0) return false;
      holdMsr(MsrSlot.MCG_STATUS, value);
      return true;
    case Msr.MCG_CTL:
      if (!offers(Offer.MCA) || (value != 0 && value != ALL)) return false;
      holdMsr(MsrSlot.MCG_CTL, value);
      return true;
    case Msr.XSS: return offers(Offer.XSAVES) && value == 0;
    // A microcode update that is not there: software writes 0 before it reads the revision.
    case Msr.BIOS_SIGN_ID:
    case Msr.BIOS_UPDT_TRIG:
    case Msr.P5_MC_ADDR:
    case Msr.P5_MC_TYPE: return true;
    default: break;
  }
  if (index - Msr.X2APIC < 0x100) {
    if (!offers(Offer.X2APIC)) return false;
    x2apicWrite(index - Msr.X2APIC, value);
    return !x2apicFault;
  }
  const slot = heldSlot(index);
  if (slot >= 0) return hold(slot, value);
  return isIntel() && writeIntel(index, value);
}

function writeIntel(index: u32, value: u64): bool {
  switch (index) {
    case Msr.EBL_CR_POWERON: return true;
    case Msr.FEATURE_CONTROL:
      if (!offers(Offer.VMX) || (cpu.featureControl & 1) != 0 || (value & ~FEATURE_CONTROL_WRITABLE) != 0) return false;
      cpu.featureControl = value;
      return true;
    case Msr.PERF_CTL:
      holdMsr(MsrSlot.PERF_CTL, value);
      return true;
    case Msr.MISC_ENABLE:
      cpu.miscEnable = value;
      return true;
    case Msr.DEBUGCTL:
      if ((value & ~DEBUGCTL_WRITABLE) != 0) return false;
      holdMsr(MsrSlot.DEBUGCTL, value);
      return true;
    default: return false;
  }
}

/** True: accessing MSR `index` causes a VM exit. */
function msrExits(i: Rec, index: u32, write: bool): bool {
  if (!intercepts(Intercept.MSRS) || !exitsOnMsr(index, write)) return false;
  instructionExit(i, write ? Exit.MSR_WRITE : Exit.MSR_READ);
  return true;
}

export function opRdmsr(i: Rec): void {
  const index = <u32>gpr(Gpr.RCX);
  if (msrExits(i, index, false)) return;
  if (readsVirtualMsr(index)) msrValue = virtualMsr(index);
  else if (!readMsr(index, clockAt(i))) {
    raise(Vector.GP, 0);
    return;
  }
  if (index == Msr.TSC) msrValue = seenTsc(msrValue);
  setGpr(Gpr.RAX, msrValue & 0xffffffff);
  setGpr(Gpr.RDX, msrValue >> 32);
}
export function opWrmsr(i: Rec): void {
  const index = <u32>gpr(Gpr.RCX);
  if (msrExits(i, index, true)) return;
  const value = (gpr(Gpr.RDX) << 32) | (gpr(Gpr.RAX) & 0xffffffff);
  if (!(writesVirtualMsr(index) ? writeVirtualMsr(index, value) : writeMsr(index, value, clockAt(i)))) raise(Vector.GP, 0);
}
