/**
 * Fused multiply-add with the host's operations, which have none: rounding to odd before the last rounding makes it the
 * only one (docs/decisions/0005). For rounding to nearest.
 */
import { isOrdinary128, least } from './fast';

/** Is the last result right in value, and in flags but for PE? And is it exact? */
export let fits: bool = false;
export let exact: bool = false;

/** The error of s = a + b, which is exact (Knuth's TwoSum). */
@inline function errorOf(a: v128, b: v128, s: v128): v128 {
  const t = f64x2.sub(s, a);
  return f64x2.add(f64x2.sub(a, f64x2.sub(s, t)), f64x2.sub(b, t));
}
/** The sum s, whose error is e, rounded to odd: an inexact even sum moves by one towards the exact one. */
@inline function toOdd(s: v128, e: v128): v128 {
  const one = i64x2.splat(1), zero = i64x2.splat(0);
  const moves = v128.and(f64x2.ne(e, zero), i64x2.eq(v128.and(s, one), zero));
  return i64x2.add(s, v128.and(moves, v128.or(i64x2.shr_s(v128.xor(e, s), 63), one)));
}
@inline function addToOdd(a: v128, b: v128): v128 {
  const s = f64x2.add(a, b);
  return toOdd(s, errorOf(a, b, s));
}
@inline function product(a: v128, b: v128): v128 {
  return f64x2.mul(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b));
}
@inline function upper(x: v128): v128 { return i64x2.shuffle(x, x, 1, 1); }
/** Is single r the sum s, whose error is e? */
@inline function isSame(r: v128, s: v128, e: v128): v128 {
  return v128.and(f64x2.eq(e, i64x2.splat(0)), f64x2.eq(f64x2.promote_low_f32x4(r), s));
}

/** a * b + c in four singles. Without zeros but those of exact sums. */
export function fused32x4(a: v128, b: v128, c: v128): v128 {
  const none = i64x2.splat(0);
  const p = product(a, b), pu = product(upper(a), upper(b)), d = f64x2.promote_low_f32x4(c),
    du = f64x2.promote_low_f32x4(upper(c));
  const s = f64x2.add(p, d), su = f64x2.add(pu, du), e = errorOf(p, d, s), eu = errorOf(pu, du, su);
  const low = f32x4.demote_f64x2_zero(toOdd(s, e)), high = f32x4.demote_f64x2_zero(toOdd(su, eu));
  const r = i64x2.shuffle(low, high, 0, 2);
  const m = f32x4.abs(r), zero = i32x4.shuffle(f64x2.eq(s, none), f64x2.eq(su, none), 0, 2, 4, 6);
  const normal = v128.and(f32x4.gt(m, f32x4.splat(least<f32>())), f32x4.lt(m, f32x4.splat(f32.POSITIVE_INFINITY)));
  fits = isOrdinary128<f32>(a) && isOrdinary128<f32>(b) && isOrdinary128<f32>(c)
    && i32x4.all_true(v128.or(normal, zero));
  exact = i64x2.all_true(v128.and(isSame(low, s, e), isSame(high, su, eu)));
  return r;
}

/** Factors from 2^-450 to 2^450 and addends from 2^-900 to 2^900: no part of the calculation under- or overflows. */
const FACTOR_LEAST: u64 = <u64>(1023 - 450) << 52, FACTOR_MOST: u64 = <u64>(1023 + 450) << 52;
const ADDEND_LEAST: u64 = <u64>(1023 - 900) << 52, ADDEND_MOST: u64 = <u64>(1023 + 900) << 52;
@inline function within(x: v128, low: u64, high: u64): v128 {
  const m = f64x2.abs(x);
  return v128.and(
    v128.or(f64x2.ge(m, f64x2.splat(reinterpret<f64>(low))), f64x2.eq(x, i64x2.splat(0))),
    f64x2.le(m, f64x2.splat(reinterpret<f64>(high))),
  );
}
/** The high half of a double's significand (Veltkamp). */
@inline function high(x: v128): v128 {
  const c = f64x2.mul(x, f64x2.splat(134217729));
  return f64x2.sub(c, f64x2.sub(c, x));
}
/** a * b + c in two doubles. */
export function fused64x2(a: v128, b: v128, c: v128): v128 {
  const p = f64x2.mul(a, b);
  const ah = high(a), al = f64x2.sub(a, ah), bh = high(b), bl = f64x2.sub(b, bh);
  const middle = f64x2.add(f64x2.add(f64x2.sub(f64x2.mul(ah, bh), p), f64x2.mul(ah, bl)), f64x2.mul(al, bh));
  const q = f64x2.add(middle, f64x2.mul(al, bl));
  const t = f64x2.add(c, q), v = f64x2.add(p, t);
  const e = errorOf(c, q, t), f = errorOf(p, t, v), none = i64x2.splat(0);
  const r = f64x2.add(v, addToOdd(e, f));
  exact = i64x2.all_true(v128.and(f64x2.eq(e, none), f64x2.eq(f, none)));
  const sources = v128.and(
    v128.and(within(a, FACTOR_LEAST, FACTOR_MOST), within(b, FACTOR_LEAST, FACTOR_MOST)),
    within(c, ADDEND_LEAST, ADDEND_MOST),
  );
  fits = i32x4.all_true(v128.and(sources, f64x2.gt(f64x2.abs(r), f64x2.splat(least<f64>()))));
  return r;
}
