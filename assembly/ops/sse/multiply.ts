/** Packed integer products, sums of products and differences, signs. */
import { mmx, mmx1, packed, packed1, zero128 } from '../../isa/vector';
import { Rec } from '../../isa/record';

@inline function highWords(low: v128, high: v128): v128 {
  return v128.shuffle<u16>(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
}
@inline function evens(a: v128): v128 { return v128.shuffle<u32>(a, a, 0, 2, 0, 2); }
/** wasm saturates the one product that does not fit; PMULHRSW wraps it. */
@inline function mulRounded(a: v128, b: v128): v128 {
  const least = i16x8.splat(-0x8000);
  return v128.xor(i16x8.q15mulr_sat_s(a, b), v128.and(i16x8.eq(a, least), i16x8.eq(b, least)));
}
@inline function maddBytes(a: v128, b: v128): v128 {
  const even = i16x8.mul(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8));
  return i16x8.add_sat_s(even, i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8)));
}
@inline function sumDifferences(a: v128, b: v128): v128 {
  const difference = i8x16.sub(i8x16.max_u(a, b), i8x16.min_u(a, b));
  const sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(difference));
  return i64x2.add(v128.and(sums, i64x2.splat(0xffffffff)), i64x2.shr_u(sums, 32));
}
@inline function sign(a: v128, negated: v128, negative: v128, none: v128): v128 {
  return v128.andnot(v128.bitselect(negated, a, negative), none);
}

class Pmullw { @inline apply(a: v128, b: v128): v128 { return i16x8.mul(a, b); } }
class Pmulhw { @inline apply(a: v128, b: v128): v128 { return highWords(i32x4.extmul_low_i16x8_s(a, b),
  i32x4.extmul_high_i16x8_s(a, b)); } }
class Pmulhuw { @inline apply(a: v128, b: v128): v128 { return highWords(i32x4.extmul_low_i16x8_u(a, b),
  i32x4.extmul_high_i16x8_u(a, b)); } }
class Pmaddwd { @inline apply(a: v128, b: v128): v128 { return i32x4.dot_i16x8_s(a, b); } }
class Pmuludq { @inline apply(a: v128, b: v128): v128 { return i64x2.extmul_low_i32x4_u(evens(a), evens(b)); } }
class Pmuldq { @inline apply(a: v128, b: v128): v128 { return i64x2.extmul_low_i32x4_s(evens(a), evens(b)); } }
class Pmulld { @inline apply(a: v128, b: v128): v128 { return i32x4.mul(a, b); } }
class Pmulhrsw { @inline apply(a: v128, b: v128): v128 { return mulRounded(a, b); } }
class Pmaddubsw { @inline apply(a: v128, b: v128): v128 { return maddBytes(a, b); } }
class Psadbw { @inline apply(a: v128, b: v128): v128 { return sumDifferences(a, b); } }
class Psignb { @inline apply(a: v128, b: v128): v128 { return sign(a, i8x16.neg(a), i8x16.shr_s(b, 7),
  i8x16.eq(b, zero128())); } }
class Psignw { @inline apply(a: v128, b: v128): v128 { return sign(a, i16x8.neg(a), i16x8.shr_s(b, 15),
  i16x8.eq(b, zero128())); } }
class Psignd { @inline apply(a: v128, b: v128): v128 { return sign(a, i32x4.neg(a), i32x4.shr_s(b, 31),
  i32x4.eq(b, zero128())); } }
class Pabsb { @inline apply(a: v128): v128 { return i8x16.abs(a); } }
class Pabsw { @inline apply(a: v128): v128 { return i16x8.abs(a); } }
class Pabsd { @inline apply(a: v128): v128 { return i32x4.abs(a); } }

export function opPmullwX(i: Rec): void { packed<Pmullw>(i); }
export function opPmulhwX(i: Rec): void { packed<Pmulhw>(i); }
export function opPmulhuwX(i: Rec): void { packed<Pmulhuw>(i); }
export function opPmaddwdX(i: Rec): void { packed<Pmaddwd>(i); }
export function opPmuludqX(i: Rec): void { packed<Pmuludq>(i); }
export function opPmuldq(i: Rec): void { packed<Pmuldq>(i); }
export function opPmulld(i: Rec): void { packed<Pmulld>(i); }
export function opPmulhrswX(i: Rec): void { packed<Pmulhrsw>(i); }
export function opPmaddubswX(i: Rec): void { packed<Pmaddubsw>(i); }
export function opPsadbwX(i: Rec): void { packed<Psadbw>(i); }
export function opPsignbX(i: Rec): void { packed<Psignb>(i); }
export function opPsignwX(i: Rec): void { packed<Psignw>(i); }
export function opPsigndX(i: Rec): void { packed<Psignd>(i); }
export function opPabsbX(i: Rec): void { packed1<Pabsb>(i); }
export function opPabswX(i: Rec): void { packed1<Pabsw>(i); }
export function opPabsdX(i: Rec): void { packed1<Pabsd>(i); }

export function opPmullw(i: Rec): void { mmx<Pmullw>(i); }
export function opPmulhw(i: Rec): void { mmx<Pmulhw>(i); }
export function opPmulhuw(i: Rec): void { mmx<Pmulhuw>(i); }
export function opPmaddwd(i: Rec): void { mmx<Pmaddwd>(i); }
export function opPmuludq(i: Rec): void { mmx<Pmuludq>(i); }
export function opPmulhrsw(i: Rec): void { mmx<Pmulhrsw>(i); }
export function opPmaddubsw(i: Rec): void { mmx<Pmaddubsw>(i); }
export function opPsadbw(i: Rec): void { mmx<Psadbw>(i); }
export function opPsignb(i: Rec): void { mmx<Psignb>(i); }
export function opPsignw(i: Rec): void { mmx<Psignw>(i); }
export function opPsignd(i: Rec): void { mmx<Psignd>(i); }
export function opPabsb(i: Rec): void { mmx1<Pabsb>(i); }
export function opPabsw(i: Rec): void { mmx1<Pabsw>(i); }
export function opPabsd(i: Rec): void { mmx1<Pabsd>(i); }
