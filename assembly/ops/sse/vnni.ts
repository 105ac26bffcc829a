/** AVX-VNNI (SDM Vol. 2C, "VPDPBUSD" to "VPDPWSSDS"): sums of products that are added to the destination. */
import { isLong, Rec } from '../../isa/record';
import { put256, source, zero128 } from '../../isa/vector';

/**
 * a + b in each lane, or what is nearest to it: where both signs differ from the sum's, the largest
 * number of that sign.
 */
@inline function addSaturated(a: v128, b: v128): v128 {
  const sum = i32x4.add(a, b);
  const overflows = i32x4.shr_s(v128.and(v128.xor(a, sum), v128.xor(b, sum)), 31);
  return v128.bitselect(v128.xor(i32x4.shr_s(sum, 31), i32x4.splat(i32.MIN_VALUE)), sum, overflows);
}
/** Sums of four products of an unsigned byte of `a` and a signed one of `b`: at most 18 bits. */
@inline function fourProducts(a: v128, b: v128): v128 {
  const even = i32x4.dot_i16x8_s(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8));
  return i32x4.add(even, i32x4.dot_i16x8_s(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8)));
}

class Dpbusd { @inline apply(sum: v128, a: v128, b: v128): v128 { return i32x4.add(sum, fourProducts(a, b)); } }
class Dpbusds { @inline apply(sum: v128, a: v128, b: v128): v128 { return addSaturated(sum, fourProducts(a, b)); } }
class Dpwssd { @inline apply(sum: v128, a: v128, b: v128): v128 { return i32x4.add(sum, i32x4.dot_i16x8_s(a, b)); } }
/** wasm's dot product wraps where all four words are -2^15: -2^31 stands for 2^31. */
class Dpwssds {
  @inline apply(sum: v128, a: v128, b: v128): v128 {
    const products = i32x4.dot_i16x8_s(a, b), least = i32x4.splat(i32.MIN_VALUE);
    // 2^31 added: only a negative sum has room for it
    const raised = v128.bitselect(v128.xor(sum, least), i32x4.splat(i32.MAX_VALUE), i32x4.shr_s(sum, 31));
    return v128.bitselect(raised, addSaturated(sum, products), i32x4.eq(products, least));
  }
}

@inline function accumulate<Op>(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = changetype<Op>(0).apply(v128.load(i.a), v128.load(i.b), v128.load(p));
  const high = isLong(i) ? changetype<Op>(0).apply(v128.load(i.a, 16), v128.load(i.b, 16), v128.load(p, 16))
    : zero128();
  put256(i, low, high);
}
export function opVpdpbusd(i: Rec): void { accumulate<Dpbusd>(i); }
export function opVpdpbusds(i: Rec): void { accumulate<Dpbusds>(i); }
export function opVpdpwssd(i: Rec): void { accumulate<Dpwssd>(i); }
export function opVpdpwssds(i: Rec): void { accumulate<Dpwssds>(i); }
