/**
 * Masked and gathered accesses. Elements that the mask leaves out are not accessed and cannot fault. A gather that
 * faults keeps what it has loaded and the mask says what is left, so that it goes on where it was (SDM Vol. 2C,
 * "VPGATHERDD"). Alignment is never checked (ibidem, and "VMASKMOV—Conditional SIMD Packed Loads and Stores").
 */
import { isIntel } from '../../cpu/features';
import { abandoned } from '../../cpu/pending';
import { linearAddress } from '../../cpu/segments';
import { readUnaligned } from '../../mmu/access';
import { Access, lookup } from '../../mmu/tlb';
import { addressMask, isLong, Rec, segmentOf } from '../../isa/record';
import { effectiveOffset, stackBit } from '../../isa/operand';
import { commitVector, put128, put256, readElement, writeElement, zero128 } from '../../isa/vector';

const RESULT: usize = memory.data(32);

@inline function isSet<T>(mask: u32, n: u32): bool {
  return sizeof<T>() == 4 ? load<i32>(mask + n) < 0 : load<i64>(mask + n) < 0;
}
@inline function maskedLoad<T>(i: Rec): void {
  const bytes: u32 = isLong(i) ? 32 : 16;
  for (let n: u32 = 0; n < bytes; n += sizeof<T>()) {
    let value: T = 0;
    if (isSet<T>(i.b, n)) {
      const p = readElement(i, sizeof<T>(), n);
      if (p == 0) return;
      value = load<T>(p);
    }
    store<T>(RESULT + n, value);
  }
  if (isLong(i)) put256(i, v128.load(RESULT), v128.load(RESULT, 16));
  else put128(i, v128.load(RESULT));
}
/** Every element that the mask names must be writable before any is written. */
@inline function maskedStore<T>(i: Rec): void {
  const bytes: u32 = isLong(i) ? 32 : 16;
  for (let n: u32 = 0; n < bytes; n += sizeof<T>()) {
    if (isSet<T>(i.b, n) && writeElement(i, sizeof<T>(), n, true) == 0) return;
  }
  for (let n: u32 = 0; n < bytes; n += sizeof<T>()) {
    if (!isSet<T>(i.b, n)) continue;
    const p = writeElement(i, sizeof<T>(), n, false);
    if (p == 0) return;
    store<T>(p, load<T>(i.a + n));
    commitVector(p);
  }
}
export function opVpmaskmovd(i: Rec): void { maskedLoad<u32>(i); }
export function opVpmaskmovq(i: Rec): void { maskedLoad<u64>(i); }
export function opVmaskmovps(i: Rec): void { opVpmaskmovd(i); }
export function opVmaskmovpd(i: Rec): void { opVpmaskmovq(i); }
export function opVpmaskmovdStore(i: Rec): void { maskedStore<u32>(i); }
export function opVpmaskmovqStore(i: Rec): void { maskedStore<u64>(i); }
export function opVmaskmovpsStore(i: Rec): void { opVpmaskmovdStore(i); }
export function opVmaskmovpdStore(i: Rec): void { opVpmaskmovqStore(i); }

/**
 * Elements of type T at the memory operand plus indices of type I: as many as fit in the vector with the wider of both.
 * What a fault leaves shows that Intel's processors first spread the signs of a whole XMM mask and clear its upper
 * half; that of the destination is cleared with the first element.
 */
@inline function gather<T, I>(i: Rec): void {
  const to = i.a, mask = i.b, indices = <u32>i.imm;
  const vector: u32 = isLong(i) ? 32 : 16;
  const count: u32 = vector / (sizeof<T>() > sizeof<I>() ? sizeof<T>() : sizeof<I>());
  const elements: u32 = isIntel() ? max<u32>(count, 16 / sizeof<T>()) : count;
  for (let n: u32 = 0; n < elements; n++) {
    const e = mask + n * sizeof<T>();
    store<T>(e, isSet<T>(mask, n * sizeof<T>()) ? <T>-1 : 0);
  }
  const isShort = isIntel() && count * sizeof<T>() <= 16;
  if (isShort) v128.store(mask, zero128(), 16);
  const base = effectiveOffset(i);
  for (let n: u32 = 0; n < count; n++) {
    const e = n * sizeof<T>();
    if (!isSet<T>(mask, e)) continue;
    const index = sizeof<I>() == 4 ? <u64><i64>load<i32>(indices + n * 4) : load<u64>(indices + n * 8);
    const offset = (base + (index << (i.scale & 3))) & addressMask(i);
    const la = linearAddress(segmentOf(i), offset, sizeof<T>(), false, stackBit(i) != 0);
    if (abandoned()) return;
    let p = lookup(la, sizeof<T>(), Access.READ);
    if (p == 0) p = readUnaligned(la, sizeof<T>(), stackBit(i));
    if (p == 0) return;
    store<T>(to + e, load<T>(p));
    if (isShort) v128.store(to, zero128(), 16);
    store<T>(mask + e, 0);
  }
  const end = count * sizeof<T>();
  for (let n = end; n < 32; n += 8) store<u64>(to + n, 0);
  v128.store(mask, zero128());
  v128.store(mask, zero128(), 16);
}
export function opVpgatherdd(i: Rec): void { gather<u32, u32>(i); }
export function opVpgatherdq(i: Rec): void { gather<u64, u32>(i); }
export function opVpgatherqd(i: Rec): void { gather<u32, u64>(i); }
export function opVpgatherqq(i: Rec): void { gather<u64, u64>(i); }
export function opVgatherdps(i: Rec): void { opVpgatherdd(i); }
export function opVgatherdpd(i: Rec): void { opVpgatherdq(i); }
export function opVgatherqps(i: Rec): void { opVpgatherqd(i); }
export function opVgatherqpd(i: Rec): void { opVpgatherqq(i); }
