/**
 * System instructions beside control registers, MSRs and I/O: descriptor-table registers, translation invalidation,
 * time, idling, protection keys, segment bases.
 */
import { cpu, Gpr, gpr, Seg, setGpr } from '../cpu/state';
import { Exit, lastExit } from '../cpu/exit';
import { Intercept, intercepts } from '../cpu/intercepts';
import { abandoned, Activity, attend, Attention, Pending, raise, Vector } from '../cpu/pending';
import { Cr4 } from '../cpu/control';
import { Flag, setArithmeticFlags } from '../cpu/flags';
import { in64, isCanonical, linearAddress, segBase, setSegBase } from '../cpu/segments';
import { isCanonicalForRegister, modelWord, Offer, offers, Word } from '../cpu/features';
import { flushAll, flushKeyed, flushPage, flushSpace } from '../mmu/tlb';
import { checkAlignment, read, writeUnaligned } from '../mmu/access';
import { updateMode } from '../mmu/mode';
import { addressMask, operandSize, Rec, segmentOf } from '../isa/record';
import { commitPointer, memoryAddress, readPointer, stackBit } from '../isa/operand';
import { preventedByUmip } from './control-regs';
import { exitsInPauseLoop } from '../vmx/intercepts';
import { displacement, exitsIf, exitsOnTable, instructionExit, operandInformation, operandLinear, registerNumber } from './exits';
import { clockAt, tscAt } from './time';
import { inUse } from './xsave';

/** What the VM-exit instruction information calls them. */
const enum Table { SGDT, SIDT, LGDT, LIDT }

/** Base of a table as operand size T loads it: 16-bit operands have 24 bits. */
@inline function tableBase<T>(p: u32): u64 {
  return sizeof<T>() == 8 ? load<u64>(p + 2) : sizeof<T>() == 4 ? load<u32>(p + 2) : load<u32>(p + 2) & 0xffffff;
}
@inline function tableOperand<T>(i: Rec, identity: Table): u32 {
  if (exitsOnTable(i, Exit.GDTR_IDTR, identity)) return 0;
  const p = readPointer(i, sizeof<T>() == 8 ? 10 : 6);
  if (p != 0 && sizeof<T>() == 8 && !isCanonicalForRegister(load<u64>(p + 2))) {
    raise(Vector.GP, 0);
    return 0;
  }
  return p;
}
export function opLgdt<T>(i: Rec): void {
  const p = tableOperand<T>(i, Table.LGDT);
  if (p == 0) return;
  cpu.gdtrLimit = load<u16>(p);
  cpu.gdtrBase = tableBase<T>(p);
}
export function opLidt<T>(i: Rec): void {
  const p = tableOperand<T>(i, Table.LIDT);
  if (p == 0) return;
  cpu.idtrLimit = load<u16>(p);
  cpu.idtrBase = tableBase<T>(p);
}
/** All 32 bits of the base are stored whatever the operand size, as on every processor since the 386. */
function storeTable(i: Rec, limit: u32, base: u64, identity: Table): void {
  if (preventedByUmip() || exitsOnTable(i, Exit.GDTR_IDTR, identity)) return;
  const size: u32 = in64() ? 10 : 6;
  const la = memoryAddress(i, size, true);
  if (abandoned() || !checkAlignment(la, 4)) return;
  const p = writeUnaligned(la, size, stackBit(i), false);
  if (p == 0) return;
  store<u16>(p, <u16>limit);
  if (in64()) store<u64>(p + 2, base);
  else store<u32>(p + 2, <u32>base);
  commitPointer(p);
}
export function opSgdt(i: Rec): void { storeTable(i, cpu.gdtrLimit, cpu.gdtrBase, Table.SGDT); }
export function opSidt(i: Rec): void { storeTable(i, cpu.idtrLimit, cpu.idtrBase, Table.SIDT); }

/** A non-canonical address makes INVLPG do nothing; limits and types of segments are not looked at. */
export function opInvlpg<M>(i: Rec): void {
  const la = operandLinear(i);
  if (intercepts(Intercept.INVLPG)) {
    instructionExit(i, Exit.INVLPG, la);
    return;
  }
  if (in64() && !isCanonical(la)) return;
  flushPage(la);
}

const enum Invpcid { ADDRESS, CONTEXT, ALL, ALL_BUT_GLOBAL }

/** SDM Vol. 2A, "INVPCID—Invalidate Process-Context Identifier". */
export function opInvpcid<T, A>(i: Rec): void {
  if (intercepts(Intercept.NO_INVPCID)) raise(Vector.UD);
  else if (cpu.cpl != 0) raise(Vector.GP, 0);
  else if (intercepts(Intercept.INVPCID)) instructionExit(i, Exit.INVPCID, displacement(i), operandInformation(i, registerNumber(i.a)));
  if (abandoned()) return;
  const type = <u64>changetype<A>(0).read<T>(i);
  const p = readPointer(i, 16);
  if (p == 0) return;
  const pcid = load<u64>(p);
  const la = load<u64>(p + 8);
  const pcidOff = (cpu.cr4 & Cr4.PCIDE) == 0;
  if (type > <u64>Invpcid.ALL_BUT_GLOBAL || pcid > 0xfff || inV86()
    || (type <= <u64>Invpcid.CONTEXT && pcidOff && pcid != 0)
    || (type == Invpcid.ADDRESS && !isCanonicalForRegister(la))) {
    raise(Vector.GP, 0);
    return;
  }
  switch (<u32>type) {
    case Invpcid.ADDRESS: flushPage(la); break;
    case Invpcid.CONTEXT: flushSpace(pcid); break;
    default: flushAll();
  }
}
@inline function inV86(): bool { return (cpu.rflags & Flag.VM) != 0; }

/** Caches have no contents of their own here, so that writing back and dropping them are both nothing. */
export function opInvd(i: Rec): void { exitsIf(i, Intercept.INVD, Exit.INVD); }
export function opWbinvd(i: Rec): void { exitsIf(i, Intercept.WBINVD, Exit.WBINVD); }
export function opWbnoinvd(i: Rec): void { exitsIf(i, Intercept.WBINVD, Exit.WBINVD); }

function timeForbidden(): bool {
  if ((cpu.cr4 & Cr4.TSD) == 0 || cpu.cpl == 0) return false;
  raise(Vector.GP, 0);
  return true;
}
@inline function setEdxEax(value: u64): void {
  setGpr(Gpr.RAX, value & 0xffffffff);
  setGpr(Gpr.RDX, value >> 32);
}
export function opRdtsc(i: Rec): void {
  if (!timeForbidden() && !exitsIf(i, Intercept.RDTSC, Exit.RDTSC)) setEdxEax(tscAt(i));
}
export function opRdtscp(i: Rec): void {
  if (intercepts(Intercept.NO_RDTSCP)) raise(Vector.UD);
  if (abandoned() || timeForbidden() || exitsIf(i, Intercept.RDTSCP, Exit.RDTSCP)) return;
  setEdxEax(tscAt(i));
  setGpr(Gpr.RCX, cpu.tscAux & 0xffffffff);
}
/** There are no performance counters, so that every index is out of range. */
export function opRdpmc(i: Rec): void {
  const forbidden = cpu.cpl != 0 && (cpu.cr4 & Cr4.PCE) == 0;
  if (forbidden || !exitsIf(i, Intercept.RDPMC, Exit.RDPMC)) raise(Vector.GP, 0);
}

export function opHlt(i: Rec): void {
  if (exitsIf(i, Intercept.HLT, Exit.HLT)) return;
  cpu.activity = Activity.HLT;
  attend(Attention.INACTIVE);
}
export function opPause(i: Rec): void {
  if (exitsIf(i, Intercept.PAUSE, Exit.PAUSE_INSTRUCTION) || !intercepts(Intercept.PAUSE_LOOP) || cpu.cpl != 0) return;
  if (exitsInPauseLoop(clockAt(i))) instructionExit(i, Exit.PAUSE_INSTRUCTION);
}

/** MONITOR and MWAIT outside CPL 0 are #UD (SDM Vol. 2B), and so are they where IA32_MISC_ENABLE switched them off. */
function monitorForbidden(): bool {
  if (cpu.cpl == 0 && (cpu.miscEnable & 1 << 18) != 0) return false;
  raise(Vector.UD);
  return true;
}
/** In the exit qualification of APIC-access exits: access for monitoring. */
const APIC_ACCESS_MONITOR: u64 = 4 << 12;
export function opMonitor(i: Rec): void {
  if (monitorForbidden() || exitsIf(i, Intercept.MONITOR, Exit.MONITOR_INSTRUCTION)) return;
  if (<u32>gpr(Gpr.RCX) != 0) {
    raise(Vector.GP, 0);
    return;
  }
  const la = linearAddress(segmentOf(i), gpr(Gpr.RAX) & addressMask(i), 1, false, false);
  if (abandoned()) return;
  read<u8>(la);
  if (!abandoned()) cpu.monitorPa = la;
  else if (cpu.pending == Pending.VM_EXIT && lastExit.reason == Exit.APIC_ACCESS) {
    lastExit.qualification |= APIC_ACCESS_MONITOR;
  }
}
/** Wakes at once, which is one of the implementation-dependent wake-ups: who waits looks at the line again. */
export function opMwait(i: Rec): void {
  if (monitorForbidden()) return;
  if (intercepts(Intercept.MWAIT)) instructionExit(i, Exit.MWAIT_INSTRUCTION, cpu.monitorPa != 0 ? 1 : 0);
  else if ((<u32>gpr(Gpr.RCX) & ~1) != 0) raise(Vector.GP, 0);
}

function basesForbidden(): bool {
  if ((cpu.cr4 & Cr4.FSGSBASE) != 0) return false;
  raise(Vector.UD);
  return true;
}
@inline function readBase<T, D>(i: Rec, s: u32): void {
  if (!basesForbidden()) changetype<D>(0).write<T>(i, <T>segBase(s));
}
@inline function writeBase<T, S>(i: Rec, s: u32): void {
  if (basesForbidden()) return;
  const base = <u64>changetype<S>(0).read<T>(i);
  if (isCanonicalForRegister(base)) setSegBase(s, base);
  else raise(Vector.GP, 0);
}
export function opRdfsbase<T, D>(i: Rec): void { readBase<T, D>(i, Seg.FS); }
export function opRdgsbase<T, D>(i: Rec): void { readBase<T, D>(i, Seg.GS); }
export function opWrfsbase<T, S>(i: Rec): void { writeBase<T, S>(i, Seg.FS); }
export function opWrgsbase<T, S>(i: Rec): void { writeBase<T, S>(i, Seg.GS); }

function setAc(on: bool): void {
  if (cpu.cpl != 0) {
    raise(Vector.UD);
    return;
  }
  cpu.rflags = on ? cpu.rflags | Flag.AC : cpu.rflags & ~(<u64>Flag.AC);
  updateMode();
}
export function opStac(i: Rec): void { setAc(true); }
export function opClac(i: Rec): void { setAc(false); }

function keysForbidden(write: bool): bool {
  if ((cpu.cr4 & Cr4.PKE) == 0) raise(Vector.UD);
  else if (<u32>gpr(Gpr.RCX) != 0 || (write && <u32>gpr(Gpr.RDX) != 0)) raise(Vector.GP, 0);
  return abandoned();
}
export function opRdpkru(i: Rec): void {
  if (!keysForbidden(false)) setEdxEax(cpu.pkru);
}
export function opWrpkru(i: Rec): void {
  if (keysForbidden(true)) return;
  const value = <u32>gpr(Gpr.RAX);
  if (value == cpu.pkru) return;
  cpu.pkru = value;
  flushKeyed(Cr4.PKE);
}
export function opRdpid<T, D>(i: Rec): void {
  if (intercepts(Intercept.NO_RDTSCP)) raise(Vector.UD);
  else changetype<D>(0).write<T>(i, <T>(cpu.tscAux & 0xffffffff));
}

const enum Xcr0 { X87 = 1, SSE = 2, AVX = 4 }

export function opXgetbv(i: Rec): void {
  if ((cpu.cr4 & Cr4.OSXSAVE) == 0) raise(Vector.UD);
  else if (<u32>gpr(Gpr.RCX) == 0) setEdxEax(cpu.xcr0);
  else if (<u32>gpr(Gpr.RCX) == 1 && offers(Offer.XGETBV1)) setEdxEax(cpu.xcr0 & inUse());
  else raise(Vector.GP, 0);
}
export function opXsetbv(i: Rec): void {
  if ((cpu.cr4 & Cr4.OSXSAVE) == 0) {
    raise(Vector.UD);
    return;
  }
  if (cpu.cpl == 0 && exitsIf(i, Intercept.XSETBV, Exit.XSETBV)) return;
  const value = (gpr(Gpr.RDX) << 32) | (gpr(Gpr.RAX) & 0xffffffff);
  if (cpu.cpl != 0 || <u32>gpr(Gpr.RCX) != 0 || (value & ~modelWord(Word.XCR0)) != 0 || (value & Xcr0.X87) == 0
    || (value & (Xcr0.SSE | Xcr0.AVX)) == Xcr0.AVX) raise(Vector.GP, 0);
  else {
    cpu.xcr0 = value;
    updateMode();
  }
}

/** splitmix64: any state is a good state, so that a snapshot of it is enough to go on. */
function random(): u64 {
  cpu.random += 0x9e3779b97f4a7c15;
  let z = cpu.random;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}
@inline function randomTo<T, D>(i: Rec, what: Intercept, reason: Exit): void {
  if (exitsIf(i, what, reason, (registerNumber(i.base) << 3) | (operandSize(i) << 11))) return;
  changetype<D>(0).write<T>(i, <T>random());
  setArithmeticFlags(Flag.CF);
}
export function opRdrand<T, D>(i: Rec): void { randomTo<T, D>(i, Intercept.RDRAND, Exit.RDRAND); }
export function opRdseed<T, D>(i: Rec): void { randomTo<T, D>(i, Intercept.RDSEED, Exit.RDSEED); }

export function opNop(i: Rec): void {}
export function opEndbr32(i: Rec): void {}
export function opEndbr64(i: Rec): void {}
export function opSerialize(i: Rec): void {}
export function opUd0(i: Rec): void { raise(Vector.UD); }
export function opUd1(i: Rec): void { raise(Vector.UD); }
export function opUd2(i: Rec): void { raise(Vector.UD); }
/** There is no system-management mode to come back from. */
export function opRsm(i: Rec): void { raise(Vector.UD); }
