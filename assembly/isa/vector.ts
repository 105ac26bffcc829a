/**
 * Operand access for vector instructions. One body serves SSE, AVX-128 and AVX-256: the record tells at run time. `a` is
 * the destination register's address, `b` that of the first source (VEX.vvvv; for SSE it equals `a`), r/m a register at
 * `base` or memory. An operation on 128 bits is a class with one method, its handler a line:
 *
 *   class Paddb { @inline apply(a: v128, b: v128): v128 { return i8x16.add(a, b); } }
 *   export function opPaddbX(i: Rec): void { packed<Paddb>(i); }
 *
 * and a scalar one, or any other:
 *
 *   export function opSqrtss(i: Rec): void {
 *     const p = sourceOf(i, 4);
 *     if (p == 0) return;
 *     putScalar<f32>(i, sqrt<f32>(load<f32>(p)));
 *   }
 *
 * A source pointer of 0 means that an event is pending: return. SSE keeps bits 255:128 of its destination, VEX clears them
 * (SDM Vol. 1, "Programming with Intel AVX"), and 128-bit memory operands of SSE must be aligned (SDM Vol. 2A,
 * "Exceptions Type 4").
 */
import { BOUNCE } from '../cpu/state';
import { isIntel } from '../cpu/features';
import { abandoned, raise, Vector } from '../cpu/pending';
import { commitBounce, leaveIf, readMiss, readUnaligned, writeMiss, writeUnaligned } from '../mmu/access';
import { Access, lookup } from '../mmu/tlb';
import { flatAddress, memoryAddress, stackBit, unlimitedAddress } from './operand';
import { Info, isLong, isMemory, isVex, Rec } from './record';

/** Alignment that nothing needs, and that of a whole vector. */
export const UNALIGNED: u32 = 0;
@inline export function wholeSize(i: Rec): u32 { return isLong(i) ? 32 : 16; }
@inline export function wholeMask(i: Rec): u32 { return isLong(i) ? 31 : 15; }
@inline export function zero128(): v128 { return i64x2.splat(0); }

/** Is `la` misaligned, with #GP(0) pending? Silicon asks this before it asks whether the address is canonical. */
@inline function misaligned(la: u64, mask: u32): bool {
  if ((<u32>la & mask) == 0) return false;
  raise(Vector.GP, 0);
  return true;
}
/** Intel's processors ask it before they ask whether the operand is inside its segment. */
function misalignedFirst(i: Rec, mask: u32, plus: u64): bool {
  return mask != 0 && isIntel() && misaligned(unlimitedAddress(i, plus), mask);
}

/**
 * Host pointer to `size` bytes of the memory operand, `plus` bytes on, whose linear address has no bit of `mask`
 * (else #GP(0)), for reading.
 */
export function readVector(i: Rec, size: u32, mask: u32, plus: u64 = 0): u32 {
  if ((i.info & Info.FLAT) != 0) {
    const la = flatAddress(i, plus);
    if (misaligned(la, mask)) return 0;
    const hit = lookup(la, size, Access.READ);
    if (hit != 0) return hit;
  }
  if (misalignedFirst(i, mask, plus)) return 0;
  const la = memoryAddress(i, size, false, plus);
  if (abandoned()) return 0;
  if (misaligned(la, mask)) return 0;
  const p = lookup(la, size, Access.READ);
  return p != 0 ? p : vectorReadMiss(la, size, 0, stackBit(i));
}
/** Pointer for reading what the TLB does not have or what may be misaligned; `stack` selects #SS. */
export function vectorReadMiss(la: u64, size: u32, mask: u32, stack: u32): u32 {
  return misaligned(la, mask) ? 0 : readMiss(la, size, stack);
}
/** vectorReadMiss for writing. */
export function vectorWriteMiss(la: u64, size: u32, mask: u32, stack: u32, keep: bool): u32 {
  return misaligned(la, mask) ? 0 : writeMiss(la, size, stack, keep);
}
/** readVector for writing; what it gives must be committed by commitVector. */
export function writeVector(i: Rec, size: u32, mask: u32, plus: u64 = 0, keep: bool = false): u32 {
  if ((i.info & Info.FLAT) != 0) {
    const la = flatAddress(i, plus);
    if (misaligned(la, mask)) return 0;
    const hit = lookup(la, size, Access.WRITE);
    if (hit != 0) return hit;
  }
  if (misalignedFirst(i, mask, plus)) return 0;
  const la = memoryAddress(i, size, true, plus);
  if (abandoned()) return 0;
  if (misaligned(la, mask)) return 0;
  const p = lookup(la, size, Access.WRITE);
  return p != 0 ? p : vectorWriteMiss(la, size, 0, stackBit(i), keep);
}
/** readVector for what has no alignment check at all: elements of masked moves. */
export function readElement(i: Rec, size: u32, plus: u64 = 0): u32 {
  const la = memoryAddress(i, size, false, plus);
  if (abandoned()) return 0;
  const p = lookup(la, size, Access.READ);
  return p != 0 ? p : readUnaligned(la, size, stackBit(i));
}
/** readElement for writing. */
export function writeElement(i: Rec, size: u32, plus: u64 = 0, keep: bool = false): u32 {
  const la = memoryAddress(i, size, true, plus);
  if (abandoned()) return 0;
  const p = lookup(la, size, Access.WRITE);
  return p != 0 ? p : writeUnaligned(la, size, stackBit(i), keep);
}
@inline export function commitVector(p: u32): void {
  if (p == <u32>BOUNCE) leaveIf(commitBounce());
}

/** The r/m operand, a whole vector. */
@inline export function source(i: Rec): u32 {
  return isMemory(i) ? readVector(i, wholeSize(i), isVex(i) ? UNALIGNED : 15) : i.base;
}
/** The r/m operand of `size` bytes; never needs to be aligned. */
@inline export function sourceOf(i: Rec, size: u32): u32 { return isMemory(i) ? readVector(i, size, UNALIGNED) : i.base; }
/** The r/m operand of 16 bytes whatever the vector length is. */
@inline export function source128(i: Rec): u32 { return isMemory(i) ? readVector(i, 16, isVex(i) ? UNALIGNED : 15) : i.base; }

/** Writes a 128-bit result to the register at `to`. */
@inline export function put128To(i: Rec, to: u32, value: v128): void {
  v128.store(to, value);
  if (isVex(i)) v128.store(to, zero128(), 16);
}
@inline export function put128(i: Rec, value: v128): void { put128To(i, i.a, value); }
@inline export function put256(i: Rec, low: v128, high: v128): void {
  v128.store(i.a, low);
  v128.store(i.a, high, 16);
}
/** Writes a scalar: the rest of the 128 bits comes from the first source. */
@inline export function putScalar<T>(i: Rec, value: T): void {
  const rest = v128.load(i.b);
  v128.store(i.a, rest);
  store<T>(i.a, value);
  if (isVex(i)) v128.store(i.a, zero128(), 16);
}

/** DEST := first source OP r/m, in each 128-bit half. */
@inline export function packed<Op>(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = changetype<Op>(0).apply(v128.load(i.b), v128.load(p));
  if (!isVex(i)) {
    v128.store(i.a, low);
    return;
  }
  const high = isLong(i) ? changetype<Op>(0).apply(v128.load(i.b, 16), v128.load(p, 16)) : zero128();
  put256(i, low, high);
}
/** DEST := OP r/m, in each 128-bit half. */
@inline export function packed1<Op>(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = changetype<Op>(0).apply(v128.load(p));
  if (!isVex(i)) {
    v128.store(i.a, low);
    return;
  }
  const high = isLong(i) ? changetype<Op>(0).apply(v128.load(p, 16)) : zero128();
  put256(i, low, high);
}

/** The r/m operand of an MMX instruction: `size` bytes of memory or a register. */
@inline export function sourceMmx(i: Rec, size: u32 = 8): u32 { return isMemory(i) ? readVector(i, size, UNALIGNED) : i.base; }
/** Writes an MMX register: the exponent and sign of the x87 register become ones. */
@inline export function putMmxTo(to: u32, value: u64): void {
  store<u64>(to, value);
  store<u16>(to, 0xffff, 8);
}
@inline export function putMmx(i: Rec, value: u64): void { putMmxTo(i.a, value); }
/** MMX DEST := DEST OP r/m, where the low halves of a 128-bit operation are the 64-bit one. */
@inline export function mmx<Op>(i: Rec): void {
  const p = sourceMmx(i);
  if (p == 0) return;
  putMmx(i, i64x2.extract_lane(changetype<Op>(0).apply(v128.load64_zero(i.a), v128.load64_zero(p)), 0));
}
/** mmx with one operand. */
@inline export function mmx1<Op>(i: Rec): void {
  const p = sourceMmx(i);
  if (p == 0) return;
  putMmx(i, i64x2.extract_lane(changetype<Op>(0).apply(v128.load64_zero(p)), 0));
}
