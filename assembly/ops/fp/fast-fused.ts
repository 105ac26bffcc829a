/**
 * Fused multiply-add with the host's operations, which have none: rounding to odd before the last rounding makes it the only
 * one (docs/decisions/0005). For rounding to nearest, with PE set; `fits` says whether the result counts.
 */
import { isOrdinary128, least } from './fast';

/** Is the last result right in value and flags? */
export let fits: bool = false;

/** The error of s = a + b, which is exact (Knuth's TwoSum). */
@inline function errorOf(a: v128, b: v128, s: v128): v128 {
  const t = f64x2.sub(s, a);
  return f64x2.add(f64x2.sub(a, f64x2.sub(s, t)), f64x2.sub(b, t));
}
/** a + b rounded to odd: an inexact even sum moves by one towards the exact one. */
@inline function addToOdd(a: v128, b: v128): v128 {
  const s = f64x2.add(a, b), e = errorOf(a, b, s), one = i64x2.splat(1), zero = i64x2.splat(0);
  const moves = v128.and(f64x2.ne(e, zero), i64x2.eq(v128.and(s, one), zero));
  return i64x2.add(s, v128.and(moves, v128.or(i64x2.shr_s(v128.xor(e, s), 63), one)));
}
@inline function single(a: v128, b: v128, c: v128): v128 {
  return f32x4.demote_f64x2_zero(
    addToOdd(f64x2.mul(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b)), f64x2.promote_low_f32x4(c)),
  );
}
@inline function upper(x: v128): v128 { return i64x2.shuffle(x, x, 1, 1); }

/** a * b + c in four singles. */
export function fused32x4(a: v128, b: v128, c: v128): v128 {
  const r = i64x2.shuffle(single(a, b, c), single(upper(a), upper(b), upper(c)), 0, 2);
  const m = f32x4.abs(r);
  const good = v128.and(f32x4.gt(m, f32x4.splat(least<f32>())), f32x4.lt(m, f32x4.splat(f32.POSITIVE_INFINITY)));
  fits = isOrdinary128<f32>(a) && isOrdinary128<f32>(b) && isOrdinary128<f32>(c) && i32x4.all_true(good);
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
  const r = f64x2.add(v, addToOdd(errorOf(c, q, t), errorOf(p, t, v)));
  const sources = v128.and(
    v128.and(within(a, FACTOR_LEAST, FACTOR_MOST), within(b, FACTOR_LEAST, FACTOR_MOST)),
    within(c, ADDEND_LEAST, ADDEND_MOST),
  );
  fits = i32x4.all_true(v128.and(sources, f64x2.gt(f64x2.abs(r), f64x2.splat(least<f64>()))));
  return r;
}
