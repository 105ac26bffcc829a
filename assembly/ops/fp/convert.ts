/** Exact conversions between integers and floating-point formats; flags gather in ieee.ts. */
import {
  exponent, flag, flushed, Format, isInfinite, isNaN, isNegative, isSignaling, isZero, operand, pack, packAs, quiet,
  sign, significand, infinity, signBit, use,
} from './ieee';
import { isOrdinary, isQuick, least } from './fast';
import { Fx, Rc, setResult } from './soft';

/** x rounded to an integer, in double precision: every format's numbers are doubles. */
@inline export function integral(x: f64, rc: u32): f64 {
  switch (rc) {
    case Rc.NEAREST: return nearest<f64>(x);
    case Rc.DOWN: return floor<f64>(x);
    case Rc.UP: return ceil<f64>(x);
    default: return trunc<f64>(x);
  }
}
/** Is x (not a NaN) denormal and DAZ set, so that it counts as zero? Denormals are not flagged here. */
@inline function source(bits: u64, format: u32): f64 {
  use(format);
  const x = flushed(bits);
  return format == Format.DOUBLE ? reinterpret<f64>(x) : <f64>reinterpret<f32>(<u32>x);
}

/** To a 32-bit integer; what does not fit gives 2^31. */
export function toInt32(bits: u64, format: u32, rc: u32): u32 {
  const x = source(bits, format), r = integral(x, rc);
  if (!(r >= -2147483648 && r <= 2147483647)) {
    flag(Fx.INVALID);
    return 0x8000_0000;
  }
  if (r != x) flag(Fx.INEXACT);
  return <u32><i32>r;
}
/** To a 64-bit integer; what does not fit gives 2^63. */
export function toInt64(bits: u64, format: u32, rc: u32): u64 {
  const x = source(bits, format), r = integral(x, rc);
  if (!(r >= -9223372036854775808.0 && r < 9223372036854775808.0)) {
    flag(Fx.INVALID);
    return <u64>1 << 63;
  }
  if (r != x) flag(Fx.INEXACT);
  return <u64><i64>r;
}
/** To an integral number of the same format; `silent`: inexact results are not flagged. */
export function toIntegral(bits: u64, format: u32, rc: u32, silent: bool): u64 {
  use(format);
  if (isNaN(bits)) {
    if (isSignaling(bits)) flag(Fx.INVALID);
    return quiet(bits);
  }
  const x = source(bits, format), r = integral(x, rc);
  if (r != x && !silent) flag(Fx.INEXACT);
  const sign = bits & signBit;
  return sign | (format == Format.DOUBLE ? reinterpret<u64>(r) : <u64>reinterpret<u32>(<f32>r));
}
/** From a signed integer. */
export function fromInt(value: i64, format: u32): u64 {
  if (value == 0) return 0;
  if (isQuick()) return format == Format.DOUBLE ? reinterpret<u64>(<f64>value) : <u64>reinterpret<u32>(<f32>value);
  use(format);
  setResult(value < 0 ? 1 : 0, 63, value < 0 ? <u64>-value : <u64>value, 0);
  return pack();
}

/** A NaN of one format in another: the payload keeps its high bits and becomes quiet. */
@inline function convertNaN(x: u64, from: u32, to: u32): u64 {
  if (isSignaling(x)) flag(Fx.INVALID);
  const negative = isNegative(x);
  const fraction = quiet(x) & (((<u64>1) << from) - 1);
  use(to);
  return (negative ? signBit : 0) | infinity | (to > from ? fraction << (to - from) : fraction >> (from - to));
}
/** A double in single precision as MXCSR rounds. */
export function toSingle(bits: u64, rc: u32, flush: bool): u32 {
  if (isQuick()) {
    const r = <f32>reinterpret<f64>(bits);
    if (abs<f32>(r) > least<f32>() && abs<f32>(r) < f32.POSITIVE_INFINITY) return reinterpret<u32>(r);
  }
  return <u32>between(bits, Format.DOUBLE, Format.SINGLE, rc, flush);
}
/** A single in double precision. */
export function toDouble(bits: u32): u64 {
  const x = reinterpret<f32>(bits);
  if (isOrdinary<f32>(x) && abs<f32>(x) < f32.POSITIVE_INFINITY) return reinterpret<u64>(<f64>x);
  return between(bits, Format.SINGLE, Format.DOUBLE, Rc.NEAREST, false);
}
/** Between formats, rounded by `rc`. Half-precision denormals are neither flushed nor flagged. */
export function between(bits: u64, from: u32, to: u32, rc: u32, flush: bool): u64 {
  use(from);
  if (isNaN(bits)) return convertNaN(bits, from, to);
  const x = from == Format.HALF ? bits : operand(bits);
  const negative = isNegative(x), infinite = isInfinite(x), zero = isZero(x);
  if (!infinite && !zero) setResult(sign(x), exponent(x), significand(x), 0);
  use(to);
  if (infinite || zero) return (negative ? signBit : 0) | (infinite ? infinity : 0);
  return packAs(rc, flush);
}
