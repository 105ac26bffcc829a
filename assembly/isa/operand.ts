/**
 * Operand access for handlers. An operand form is a class without fields; handlers take forms as type parameters, so
 * that one body serves every encoding and nobody in it knows memory from register:
 *
 *   read     the value (test abandoned() afterwards)
 *   rmw      the value of an operand that will be written: the destination is checked for writing first
 *   commit   writes the operand that rmw checked; cannot fail
 *   write    writes without reading (test abandoned() afterwards)
 */
import { cpu, BOUNCE, setReg } from '../cpu/state';
import { abandoned } from '../cpu/pending';
import { linearAddress } from '../cpu/segments';
import { Access, lookup } from '../mmu/tlb';
import { commitBounce, leaveIfChanged, readMiss, writeMiss } from '../mmu/access';
import { addressMask, isMemory, Rec, segmentOf } from './record';

/** Offset of the memory operand in its segment. */
@inline export function effectiveOffset(i: Rec): u64 {
  return (load<u64>(i.base) + (load<u64>(i.index) << i.scale) + <u64><i64>i.disp) & addressMask(i);
}
/** 1 when the memory operand is in the stack segment. */
@inline export function stackBit(i: Rec): u32 { return i.scale >> 6; }

/** Linear address of the memory operand, checked for `size` bytes; a #GP(0) or #SS(0) may be pending. */
export function memoryAddress(i: Rec, size: u32, write: bool, plus: u64 = 0): u64 {
  return linearAddress(segmentOf(i), (effectiveOffset(i) + plus) & addressMask(i), size, write, stackBit(i) != 0);
}

/** Host pointer to the memory operand, `plus` bytes on, for reading; 0 with an event pending. */
export function readPointer(i: Rec, size: u32, plus: u64 = 0): u32 {
  const la = memoryAddress(i, size, false, plus);
  if (abandoned()) return 0;
  const p = lookup(la, size, Access.READ);
  return p != 0 ? p : readMiss(la, size, stackBit(i));
}
/** Host pointer to the memory operand for writing (maybe BOUNCE: finish with commitPointer); 0 with an event pending. */
export function writePointer(i: Rec, size: u32, keep: bool, plus: u64 = 0): u32 {
  const la = memoryAddress(i, size, true, plus);
  if (abandoned()) return 0;
  const p = lookup(la, size, Access.WRITE);
  return p != 0 ? p : writeMiss(la, size, stackBit(i), keep);
}
@inline export function commitPointer(p: u32): void {
  if (p == <u32>BOUNCE) leaveIfChanged(commitBounce());
}

/** r/m: a register or memory. */
export class Rm {
  @inline read<T>(i: Rec): T {
    if (!isMemory(i)) return load<T>(i.base);
    const p = readPointer(i, sizeof<T>());
    return p == 0 ? <T>0 : load<T>(p);
  }
  @inline rmw<T>(i: Rec): T {
    const p = isMemory(i) ? writePointer(i, sizeof<T>(), true) : i.base;
    cpu.operand = p;
    return p == 0 ? <T>0 : load<T>(p);
  }
  @inline commit<T>(i: Rec, value: T): void {
    if (!isMemory(i)) setReg<T>(i.base, value);
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
  @inline read<T>(i: Rec): T { return load<T>(i.a); }
  @inline rmw<T>(i: Rec): T { return load<T>(i.a); }
  @inline commit<T>(i: Rec, value: T): void { setReg<T>(i.a, value); }
  @inline write<T>(i: Rec, value: T): void { setReg<T>(i.a, value); }
}
/** Register at `b`: VEX.vvvv or the second implied one. */
export class B {
  @inline read<T>(i: Rec): T { return load<T>(i.b); }
  @inline rmw<T>(i: Rec): T { return load<T>(i.b); }
  @inline commit<T>(i: Rec, value: T): void { setReg<T>(i.b, value); }
  @inline write<T>(i: Rec, value: T): void { setReg<T>(i.b, value); }
}
/** Immediate, sign-extended. */
export class Imm {
  @inline read<T>(i: Rec): T { return <T>i.imm; }
}
/** The constant 1 of shifts. */
export class One {
  @inline read<T>(i: Rec): T { return <T>1; }
}
