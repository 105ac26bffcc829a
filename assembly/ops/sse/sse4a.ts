/** SSE4a, of AMD's processors only (APM Vol. 4, "EXTRQ", "INSERTQ", "MOVNTSD", "MOVNTSS"). */
import { Rec } from '../../isa/record';
import { commitVector, UNALIGNED, writeVector } from '../../isa/vector';

/** As many low bits as six bits of `length` say: 0 stands for 64. */
@inline function lowBits(length: u64): u64 {
  return (length & 63) == 0 ? u64.MAX_VALUE : ((<u64>1) << (length & 63)) - 1;
}

/** Bits 127:64 of the destinations, which the manual leaves undefined, stay. */
@inline function extract(to: u32, length: u64, index: u64): void {
  store<u64>(to, (load<u64>(to) >> (index & 63)) & lowBits(length));
}
@inline function insert(to: u32, field: u64, length: u64, index: u64): void {
  const mask = lowBits(length);
  store<u64>(to, (load<u64>(to) & ~(mask << (index & 63))) | ((field & mask) << (index & 63)));
}
export function opExtrq(i: Rec): void {
  const control = load<u64>(i.base);
  extract(i.a, control, control >> 8);
}
export function opExtrqImm(i: Rec): void { extract(i.base, <u64>i.imm, <u64>i.disp); }
export function opInsertq(i: Rec): void {
  const control = load<u64>(i.base, 8);
  insert(i.a, load<u64>(i.base), control, control >> 8);
}
export function opInsertqImm(i: Rec): void { insert(i.a, load<u64>(i.base), <u64>i.imm, <u64>i.disp); }

@inline function storeLow<T>(i: Rec): void {
  const p = writeVector(i, sizeof<T>(), UNALIGNED);
  if (p == 0) return;
  store<T>(p, load<T>(i.a));
  commitVector(p);
}
export function opMovntss(i: Rec): void { storeLow<u32>(i); }
export function opMovntsd(i: Rec): void { storeLow<u64>(i); }
