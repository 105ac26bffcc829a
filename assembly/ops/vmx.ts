/**
 * VMX instructions (SDM Vol. 3C, "VMX Instruction Reference"). Success and the two kinds of failure are told in the
 * arithmetic flags.
 */
import { cpu, Gpr, gpr, Seg } from '../cpu/state';
import { Exit } from '../cpu/exit';
import { recordFailure } from '../cpu/exit-records';
import { inGuest } from '../cpu/intercepts';
import { abandoned, attend, Attention, raise, Vector } from '../cpu/pending';
import { clearArithmeticFlags, Flag, setArithmeticFlags } from '../cpu/flags';
import { Cr4 } from '../cpu/control';
import { modelWord } from '../cpu/features';
import { in64, inLongMode, inProtected, isCanonical, Rights, segRights } from '../cpu/segments';
import { beganInStackShadow } from '../cpu/rflags';
import { Capability, capability, Misc, offersEptVpid, Secondary } from '../vmx/controls';
import { beginEntry, hasGuest, VmError } from '../vmx/begin-entry';
import { hasSecondary } from '../vmx/guest';
import { entered, setEntered } from '../vmx/entered';
import { Field, fieldOffset, isRegionAddress, NO_VMCS, readField, Region, regionHost, revision, setCurrent, setField, SHADOW_VMCS, typeOf, writeField } from '../vmx/vmcs';
import { Rule } from '../vmx/fields.gen';
import { isEptPointer } from '../vmx/eptp';
import { flushAllVpids, flushEpt, flushVpid, flushVpidPage, selectBank } from '../mmu/tlb';
import { flushNested, useEptPointer } from '../mmu/ept';
import { physRead } from '../cpu/phys';
import { commitPointer, readPointer, writePointer } from '../isa/operand';
import { nextRip, Rec } from '../isa/record';
import { displacement, instructionExit, operandInformation, registerNumber } from './exits';

const FEATURE_LOCKED: u64 = 1;
const FEATURE_VMX: u64 = 4;

function succeed(): void { clearArithmeticFlags(); }
function failInvalid(): void { setArithmeticFlags(Flag.CF); }
function fail(error: VmError): void {
  if (cpu.vmcs == 0) {
    failInvalid();
    return;
  }
  setArithmeticFlags(Flag.ZF);
  setField<u32>(Field.VM_INSTRUCTION_ERROR, error);
}

/** Outside protected mode, and in compatibility mode, VMX instructions do not exist. */
function isUndefined(): bool {
  if (inProtected() && (!inLongMode() || (segRights(Seg.CS) & Rights.L) != 0)) return false;
  raise(Vector.UD);
  return true;
}
/** What VMX instructions but VMXON check first. True: an event is pending. */
function forbidden(i: Rec, reason: Exit, reg2: u32 = 0): bool {
  if (cpu.vmxOn == 0) {
    raise(Vector.UD);
    return true;
  }
  if (isUndefined()) return true;
  if (inGuest()) instructionExit(i, reason, displacement(i), operandInformation(i, reg2));
  else if (cpu.cpl != 0) raise(Vector.GP, 0);
  return abandoned();
}

/** The physical address in the 64-bit memory operand; test abandoned(). */
function addressOperand(i: Rec): u64 {
  const p = readPointer(i, 8);
  return p == 0 ? 0 : load<u64>(p);
}

export function opVmxon(i: Rec): void {
  if ((cpu.cr4 & Cr4.VMXE) == 0) {
    raise(Vector.UD);
    return;
  }
  if (isUndefined()) return;
  if (cpu.vmxOn != 0) {
    if (!forbidden(i, Exit.VMON)) fail(VmError.VMXON_IN_ROOT);
    return;
  }
  const cr0 = modelWord(Capability.CR0_FIXED0), cr4 = modelWord(Capability.CR4_FIXED0);
  const enabled = (cpu.featureControl & (FEATURE_LOCKED | FEATURE_VMX)) == (FEATURE_LOCKED | FEATURE_VMX);
  if (cpu.cpl != 0 || (cpu.cr0 & cr0) != cr0 || (cpu.cr4 & cr4) != cr4 || !enabled || cpu.a20Mask != u64.MAX_VALUE) {
    raise(Vector.GP, 0);
    return;
  }
  const pa = addressOperand(i);
  if (abandoned()) return;
  if (!isRegionAddress(pa) || physRead<u32>(pa) != revision()) {
    failInvalid();
    return;
  }
  cpu.vmxOn = 1;
  cpu.vmxonPa = pa;
  setCurrent(NO_VMCS, 0);
  succeed();
}

export function opVmxoff(i: Rec): void {
  if (forbidden(i, Exit.VMOFF)) return;
  cpu.vmxOn = 0;
  setCurrent(NO_VMCS, 0);
  succeed();
  // INIT waits in VMX operation.
  if (cpu.initPending != 0) attend(Attention.INTERRUPT);
}

export function opVmclear(i: Rec): void {
  if (forbidden(i, Exit.VMCLEAR)) return;
  const pa = addressOperand(i);
  if (abandoned()) return;
  if (!isRegionAddress(pa)) fail(VmError.CLEAR_ADDRESS);
  else if (pa == cpu.vmxonPa) fail(VmError.CLEAR_VMXON);
  else {
    const host = regionHost(pa);
    if (host != 0) store<u32>(host, 0, Region.LAUNCHED);
    if (pa == cpu.vmcsPa) setCurrent(NO_VMCS, 0);
    succeed();
  }
}

export function opVmptrld(i: Rec): void {
  if (forbidden(i, Exit.VMPTRLD)) return;
  const pa = addressOperand(i);
  if (abandoned()) return;
  if (!isRegionAddress(pa)) fail(VmError.LOAD_ADDRESS);
  else if (pa == cpu.vmxonPa) fail(VmError.LOAD_VMXON);
  else {
    const host = regionHost(pa);
    const id = physRead<u32>(pa);
    const shadowing = (capability(Capability.SECONDARY) & Secondary.VMCS_SHADOWING) != 0;
    if (host == 0 || (shadowing ? id & ~SHADOW_VMCS : id) != revision()) fail(VmError.LOAD_REVISION);
    else {
      setCurrent(pa, host);
      succeed();
    }
  }
}

export function opVmptrst(i: Rec): void {
  if (forbidden(i, Exit.VMPTRST)) return;
  const p = writePointer(i, 8, false);
  if (p == 0) return;
  store<u64>(p, cpu.vmcsPa);
  commitPointer(p);
  succeed();
}

/**
 * The region that VMREAD and VMWRITE mean: the current VMCS, or in non-root operation under VMCS shadowing the one that
 * the link pointer names. 0: the instruction is done with, or an event is pending.
 */
function region(i: Rec, encoding: u64, reason: Exit, bitmap: u32, reg2: u32): u32 {
  if (cpu.vmcs != 0 && (cpu.nonRoot | cpu.cpl) == 0 && in64()) return abandoned() ? 0 : cpu.vmcs;
  if (inGuest() && hasSecondary(Secondary.VMCS_SHADOWING) && !isUndefined() && encoding >> 15 == 0) {
    const at = entered<u64>(bitmap) + (encoding >> 3);
    if ((physRead<u8>(at) >> <u8>(encoding & 7) & 1) == 0) {
      if (cpu.cpl != 0) {
        raise(Vector.GP, 0);
        return 0;
      }
      if (cpu.shadowVmcs == 0) failInvalid();
      return cpu.shadowVmcs;
    }
  }
  if (abandoned() || forbidden(i, reason, reg2)) return 0;
  if (cpu.vmcs == 0) failInvalid();
  return cpu.vmcs;
}
export function opVmread<T, D, S>(i: Rec): void {
  const encoding = <u64>changetype<S>(0).read<T>(i);
  const host = region(i, encoding, Exit.VMREAD, Field.VMREAD_BITMAP_ADDRESS, registerNumber(i.a));
  if (host == 0) return;
  const offset = fieldOffset(encoding);
  if (offset < 0) {
    fail(VmError.UNSUPPORTED_FIELD);
    return;
  }
  changetype<D>(0).write<T>(i, <T>readField(host, offset, <u32>encoding));
  if (!abandoned()) succeed();
}

export function opVmwrite<T, D, S>(i: Rec): void {
  const encoding = <u64>changetype<D>(0).read<T>(i);
  const host = region(i, encoding, Exit.VMWRITE, Field.VMWRITE_BITMAP_ADDRESS, registerNumber(i.a));
  if (host == 0) return;
  const value = <u64>changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const offset = fieldOffset(encoding);
  if (offset < 0) fail(VmError.UNSUPPORTED_FIELD);
  else if (typeOf(<u32>encoding) == 1 && (modelWord(Capability.MISC) & Misc.WRITE_ALL) == 0) fail(VmError.READ_ONLY_FIELD);
  else {
    writeField(host, offset, <u32>encoding, value);
    succeed();
  }
}

export function opVmlaunch(i: Rec): void { enter(i, Exit.VMLAUNCH, false); }
export function opVmresume(i: Rec): void { enter(i, Exit.VMRESUME, true); }

/** SDM Vol. 3C, "VM Entries": what fails here leaves the processor where it is; what fails later is a VM exit. */
function enter(i: Rec, reason: Exit, resume: bool): void {
  if (forbidden(i, reason)) return;
  const error = !hasGuest() ? VmError.NO_VMCS : beganInStackShadow() ? VmError.BLOCKED_BY_MOV_SS : beginEntry(resume);
  if (error == VmError.NONE) return;
  if (error == VmError.NO_VMCS || error == VmError.BLOCKED_BY_MOV_SS) cpu.brokenRule = Rule.NONE;
  if (error == VmError.NO_VMCS) failInvalid();
  else fail(error);
  recordFailure(error);
  cpu.blockRip = nextRip(i);
}

/** VMCALL in root operation would be for a dual-monitor treatment of SMIs, which there is not. */
export function opVmcall(i: Rec): void {
  if (cpu.vmxOn == 0) raise(Vector.UD);
  else if (inGuest()) instructionExit(i, Exit.VMCALL);
  else if (!isUndefined()) {
    if (cpu.cpl != 0) raise(Vector.GP, 0);
    else fail(VmError.VMCALL_IN_ROOT);
  }
}

const enum Invept { SINGLE = 1, ALL = 2 }
const enum Invvpid { ADDRESS, CONTEXT, ALL, CONTEXT_BUT_GLOBALS }
const enum InvalidateCap { INVEPT = 20, INVEPT_TYPES = 24, INVVPID = 32, INVVPID_TYPES = 40 }

/** Is type `type` one that bits from `first` on of IA32_VMX_EPT_VPID_CAP offer? */
@inline function offersType(type: u64, first: u32): bool { return type < 4 && offersEptVpid(first + <u32>type); }

export function opInvept<T, A>(i: Rec): void {
  if (!offersEptVpid(InvalidateCap.INVEPT)) raise(Vector.UD);
  else if (!forbidden(i, Exit.INVEPT, registerNumber(i.a))) {
    const type = <u64>changetype<A>(0).read<T>(i);
    const p = readPointer(i, 16);
    if (p == 0) return;
    const eptp = load<u64>(p);
    const upper = load<u64>(p + 8);
    if (!offersType(type, InvalidateCap.INVEPT_TYPES) || upper != 0) fail(VmError.INVALIDATE_OPERAND);
    else if (type == Invept.SINGLE && !isEptPointer(eptp)) fail(VmError.INVALIDATE_OPERAND);
    else {
      flushEpt(type == Invept.SINGLE, eptp);
      flushNested();
      succeed();
    }
  }
}

export function opInvvpid<T, A>(i: Rec): void {
  if (!offersEptVpid(InvalidateCap.INVVPID)) raise(Vector.UD);
  else if (!forbidden(i, Exit.INVVPID, registerNumber(i.a))) {
    const type = <u64>changetype<A>(0).read<T>(i);
    const p = readPointer(i, 16);
    if (p == 0) return;
    const vpid = load<u64>(p);
    const la = load<u64>(p + 8);
    if (!offersType(type, InvalidateCap.INVVPID_TYPES) || vpid > 0xffff || (vpid == 0 && type != Invvpid.ALL) || (type == Invvpid.ADDRESS && !isCanonical(la))) {
      fail(VmError.INVALIDATE_OPERAND);
    } else {
      if (type == Invvpid.ADDRESS) flushVpidPage(<u32>vpid, la);
      else if (type == Invvpid.ALL) flushAllVpids();
      else flushVpid(<u32>vpid, type == Invvpid.CONTEXT);
      succeed();
    }
  }
}

const EPTP_SWITCHING: u32 = 0;
const EPTP_LIST_ENTRIES: u32 = 512;
const FUNCTIONS: u32 = 64;

/** SDM Vol. 3C, "VM Functions": the one there is, EPTP switching. */
export function opVmfunc(i: Rec): void {
  if (!inGuest() || !hasSecondary(Secondary.VM_FUNCTIONS) || <u32>gpr(Gpr.RAX) >= FUNCTIONS) {
    raise(Vector.UD);
    return;
  }
  const index = <u32>gpr(Gpr.RCX);
  const enabled = <u32>gpr(Gpr.RAX) == EPTP_SWITCHING && (entered<u64>(Field.VM_FUNCTION_CONTROLS) & 1) != 0;
  const eptp = enabled && index < EPTP_LIST_ENTRIES ? physRead<u64>(entered<u64>(Field.EPTP_LIST_ADDRESS) + (index << 3)) : u64.MAX_VALUE;
  if (!isEptPointer(eptp)) {
    instructionExit(i, Exit.VMFUNC);
    return;
  }
  setEntered<u64>(Field.EPTP, eptp);
  setField<u64>(Field.EPTP, eptp);
  if ((capability(Capability.SECONDARY) & Secondary.EPT_VIOLATION_VE) != 0) setField<u32>(Field.EPTP_INDEX, index);
  useEptPointer(eptp);
  selectBank();
}
