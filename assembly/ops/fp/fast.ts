/**
 * When WebAssembly's own operations give what the processor gives, flags included: docs/decisions/0005. The magnitudes
 * of normal numbers lie from LEAST to below infinity. A result of LEAST itself may come from a tiny one, so it does not
 * count as normal.
 */
import { cpu } from '../../cpu/state';
import { Op } from './binary';
import { Mxcsr } from './ieee';

const LEAST_SINGLE: u32 = 0x0080_0000;
const LEAST_DOUBLE: u64 = 0x0010_0000_0000_0000;
const CONDITIONS: u32 = Mxcsr.RC | Mxcsr.PM | Mxcsr.PE;

/** Round to nearest, and an inexact result changes no flag. */
@inline export function isQuick(): bool { return (cpu.mxcsr & CONDITIONS) == (Mxcsr.PM | Mxcsr.PE); }
/** Round to nearest, and no trap on inexact results: for results that are known to be exact. */
@inline export function isNearest(): bool { return (cpu.mxcsr & (Mxcsr.RC | Mxcsr.PM)) == Mxcsr.PM; }

@inline export function least<T>(): T {
  return sizeof<T>() == 8 ? <T>reinterpret<f64>(LEAST_DOUBLE) : <T>reinterpret<f32>(LEAST_SINGLE);
}
/** Is the result normal, and are the operands? Infinite operands or NaNs that give a normal result are harmless. */
@inline export function plain<T>(a: T, b: T, r: T): bool {
  const m = abs<T>(r);
  return abs<T>(a) >= least<T>() && abs<T>(b) >= least<T>() && m > least<T>() && m < <T>Infinity;
}
/** plain() for 128 bits of lanes. */
@inline export function plain128<T>(a: v128, b: v128, r: v128): bool {
  const m = v128.abs<T>(r);
  const small = v128.pmin<T>(v128.pmin<T>(v128.abs<T>(a), v128.abs<T>(b)), m);
  const good = v128.and(v128.gt<T>(small, v128.splat<T>(least<T>())), v128.lt<T>(m, v128.splat<T>(<T>Infinity)));
  return i32x4.all_true(good);
}

/** plain() that lets zeros pass where they are exact: as operands, and as results of what only zeros give. */
@inline function clear<T>(op: u32, a: T, b: T, r: T): bool {
  if (!(abs<T>(r) < <T>Infinity) || isSmall<T>(a) || isSmall<T>(b)) return false;
  if (r != 0) return abs<T>(r) > least<T>();
  return op == Op.ADD || op == Op.SUB || a == 0 || (op == Op.MUL && b == 0);
}
@inline function isSmall<T>(x: T): bool { return x != 0 && abs<T>(x) < least<T>(); }
export function clear32(op: u32, a: f32, b: f32, r: f32): bool { return clear<f32>(op, a, b, r); }
export function clear64(op: u32, a: f64, b: f64, r: f64): bool { return clear<f64>(op, a, b, r); }

/** clear() for 128 bits of lanes. */
@inline function clear128<T>(op: u32, a: v128, b: v128, r: v128): bool {
  const none = i64x2.splat(0), floor = v128.splat<T>(least<T>());
  const aZero = v128.eq<T>(a, none), bZero = v128.eq<T>(b, none), m = v128.abs<T>(r);
  const sources = v128.and(v128.or(aZero, v128.ge<T>(v128.abs<T>(a), floor)),
    v128.or(bZero, v128.ge<T>(v128.abs<T>(b), floor)));
  const free = op == Op.ADD || op == Op.SUB || op == Op.ADDSUB ? i64x2.splat(-1) : op == Op.MUL ? v128.or(aZero,
    bZero) : aZero;
  const result = v128.or(v128.gt<T>(m, floor), v128.and(free, v128.eq<T>(r, none)));
  return i32x4.all_true(v128.and(v128.and(sources, result), v128.lt<T>(m, v128.splat<T>(<T>Infinity))));
}
export function clear32x4(op: u32, a: v128, b: v128, r: v128): bool { return clear128<f32>(op, a, b, r); }
export function clear64x2(op: u32, a: v128, b: v128, r: v128): bool { return clear128<f64>(op, a, b, r); }

/** Bits from the first to the last set one of a normal double's significand. */
@inline function width(x: f64): i64 {
  return 53 - <i64>ctz<u64>((reinterpret<u64>(x) & 0x000f_ffff_ffff_ffff) | LEAST_DOUBLE);
}
/** Is r, the rounded result of an operation on normal doubles with a normal result, shown to be exact? */
export function exact64(op: u32, a: f64, b: f64, r: f64): bool {
  switch (op) {
    case Op.ADD:
    case Op.SUB: {
      const c = op == Op.SUB ? -b : b, t = r - a;
      return a - (r - t) + (c - t) == 0;
    }
    case Op.MUL: return width(a) + width(b) <= 53;
    case Op.DIV: return width(r) + width(b) <= 53 && r * b == a;
    case Op.SQRT: return width(r) <= 26 && r * r == b;
    default: return false;
  }
}
/** exact64() for singles: what their sum or product in double precision gives. */
export function exact32(op: u32, a: f32, b: f32, r: f32): bool {
  switch (op) {
    case Op.ADD: return <f64>a + <f64>b == <f64>r && exact64(op, a, b, r);
    case Op.SUB: return <f64>a - <f64>b == <f64>r && exact64(op, a, b, r);
    case Op.MUL: return <f64>a * <f64>b == <f64>r;
    case Op.DIV: return <f64>r * <f64>b == <f64>a;
    case Op.SQRT: return <f64>r * <f64>r == <f64>b;
    default: return false;
  }
}

/** Is x neither a NaN nor a denormal? */
@inline export function isOrdinary<T>(x: T): bool { return abs<T>(x) >= least<T>() || x == 0; }
@inline export function isOrdinary128<T>(x: v128): bool {
  return i32x4.all_true(v128.or(v128.ge<T>(v128.abs<T>(x), v128.splat<T>(least<T>())), v128.eq<T>(x, i64x2.splat(0))));
}
