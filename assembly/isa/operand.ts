/**
 * Operand access for handlers. An operand form is a class without fields; handlers take forms as type parameters, so
 * that one body serves every encoding and nobody in it knows memory from register:
 *
 *   read     the value (test abandoned() afterwards)
 *   rmw      the value of an operand that will be written: the destination is checked for writing first
 *   commit   writes the operand that rmw checked; cannot fault (but where LOCK is legal, test abandoned() before
 *            committing more: with shared memory the instruction may have to restart)
 *   write    writes without reading (test abandoned() afterwards)
 */
import { cpu, BOUNCE, Seg, setReg } from '../cpu/state';
import { abandon, abandoned, Pending } from '../cpu/pending';
import { in64, linearAddress, segBase } from '../cpu/segments';
import { Access, lookup } from '../mmu/tlb';
import { commitBounce, leaveIf, readMiss, writeMiss } from '../mmu/access';
import { addressMask, Info, isMemory, Rec, segmentOf } from './record';

/** Offset of the memory operand in its segment. */
@inline export function effectiveOffset(i: Rec): u64 {
  return (load<u64>(i.base) + (load<u64>(i.index) << i.scale) + <u64><i64>i.disp) & addressMask(i);
}
/** 1 when the memory operand is in the stack segment. */
@inline export function stackBit(i: Rec): u32 { return i.scale >> 6; }

/** Linear address of a memory operand with Info.FLAT, unchecked: what the TLB knows is canonical. */
@inline export function flatAddress(i: Rec, plus: u64): u64 {
  return (load<u64>(i.base) + (load<u64>(i.index) << i.scale) + <u64><i64>i.disp + plus) & cpu.laMask;
}

/** Linear address of the memory operand, checked for `size` bytes; a #GP(0) or #SS(0) may be pending. */
export function memoryAddress(i: Rec, size: u32, write: bool, plus: u64 = 0): u64 {
  return linearAddress(segmentOf(i), (effectiveOffset(i) + plus) & addressMask(i), size, write, stackBit(i) != 0);
}

/** Linear address of the memory operand, `plus` bytes on, whatever the segment's limit says. */
export function unlimitedAddress(i: Rec, plus: u64): u64 {
  const s = segmentOf(i), offset = (effectiveOffset(i) + plus) & addressMask(i);
  return in64() && s != Seg.FS && s != Seg.GS ? offset : (segBase(s) + offset) & cpu.laMask;
}

/** Host pointer to the memory operand, `plus` bytes on, for reading; 0 with an event pending. */
export function readPointer(i: Rec, size: u32, plus: u64 = 0): u32 {
  if ((i.info & Info.FLAT) != 0) {
    const hit = lookup(flatAddress(i, plus), size, Access.READ);
    if (hit != 0) return hit;
  }
  const la = memoryAddress(i, size, false, plus);
  if (abandoned()) return 0;
  const p = lookup(la, size, Access.READ);
  return p != 0 ? p : readMiss(la, size, stackBit(i));
}
/** Host pointer to the memory operand for writing (maybe BOUNCE: finish with commitPointer); 0 with an event pending. */
export function writePointer(i: Rec, size: u32, keep: bool, plus: u64 = 0): u32 {
  if ((i.info & Info.FLAT) != 0) {
    const hit = lookup(flatAddress(i, plus), size, Access.WRITE);
    if (hit != 0) return hit;
  }
  const la = memoryAddress(i, size, true, plus);
  if (abandoned()) return 0;
  const p = lookup(la, size, Access.WRITE);
  return p != 0 ? p : writeMiss(la, size, stackBit(i), keep);
}
@inline export function commitPointer(p: u32): void {
  if (p == <u32>BOUNCE) leaveIf(commitBounce());
}

/** Is this a LOCKed read-modify-write (XCHG with memory always is)? Only the build with shared memory asks. */
@inline function isLocked(i: Rec): bool { return (i.info & Info.LOCK) != 0; }

/** Remembers what a LOCKed instruction starts from, for the case that another vCPU gets in between. */
@inline function beginLocked<T>(old: T): void {
  cpu.lockedOld = <u64>old;
  cpu.lockedResult = cpu.lazyResult;
  cpu.lockedCarry = cpu.lazyCarry;
}
/**
 * Stores the result of a LOCKed instruction where memory still holds what it started from; otherwise the instruction
 * restarts with its flags as they were. Misaligned operands are not atomic (quirks.md).
 */
function commitLocked<T>(p: usize, value: T): void {
  if (p == BOUNCE || (p & (sizeof<T>() - 1)) != 0) {
    store<T>(p, value);
    commitPointer(<u32>p);
    return;
  }
  if (atomic.cmpxchg<T>(p, <T>cpu.lockedOld, value) == <T>cpu.lockedOld) return;
  cpu.lazyResult = cpu.lockedResult;
  cpu.lazyCarry = cpu.lockedCarry;
  abandon(Pending.RESTART);
}

/** r/m: a register or memory. */
export class Rm {
  @inline isRm(): bool { return true; }
  @inline read<T>(i: Rec): T {
    if (!isMemory(i)) return load<T>(i.base);
    const p = readPointer(i, sizeof<T>());
    return p == 0 ? <T>0 : load<T>(p);
  }
  /** `plus`: bytes from the memory operand to the one meant. */
  @inline rmw<T>(i: Rec, plus: u64 = 0): T {
    const p = isMemory(i) ? writePointer(i, sizeof<T>(), true, plus) : i.base;
    cpu.operand = p;
    if (p == 0) return <T>0;
    const value = load<T>(p);
    if (ASC_FEATURE_THREADS && isLocked(i)) beginLocked<T>(value);
    return value;
  }
  @inline commit<T>(i: Rec, value: T): void {
    if (!isMemory(i)) setReg<T>(i.base, value);
    else if (ASC_FEATURE_THREADS && isLocked(i)) commitLocked<T>(cpu.operand, value);
    else {
      store<T>(cpu.operand, value);
      commitPointer(cpu.operand);
    }
  }
  @inline write<T>(i: Rec, value: T): void {
    if (!isMemory(i)) setReg<T>(i.base, value);
    else {
      const p = writePointer(i, sizeof<T>(), false);
      if (p == 0) return;
      store<T>(p, value);
      commitPointer(p);
    }
  }
}

/** Register at `a`: modrm.reg, the register in the opcode, or the first implied one. */
export class A {
  @inline isImmediate(): bool { return false; }
  @inline isRm(): bool { return false; }
  @inline read<T>(i: Rec): T { return load<T>(i.a); }
  @inline rmw<T>(i: Rec): T { return load<T>(i.a); }
  @inline commit<T>(i: Rec, value: T): void { setReg<T>(i.a, value); }
  @inline write<T>(i: Rec, value: T): void { setReg<T>(i.a, value); }
}
/** Register at `b`: VEX.vvvv or the second implied one. */
export class B {
  @inline isImmediate(): bool { return false; }
  @inline isRm(): bool { return false; }
  @inline read<T>(i: Rec): T { return load<T>(i.b); }
  @inline rmw<T>(i: Rec): T { return load<T>(i.b); }
  @inline commit<T>(i: Rec, value: T): void { setReg<T>(i.b, value); }
  @inline write<T>(i: Rec, value: T): void { setReg<T>(i.b, value); }
}
/** Immediate, sign-extended. */
export class Imm {
  @inline isImmediate(): bool { return true; }
  @inline read<T>(i: Rec): T { return <T>i.imm; }
}
/** The constant 1 of shifts. */
export class One {
  @inline isImmediate(): bool { return false; }
  @inline read<T>(i: Rec): T { return <T>1; }
}
