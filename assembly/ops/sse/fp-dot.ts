/** Dot products, and the approximations of reciprocals. */
import { isIntel } from '../../cpu/features';
import { isLong, Rec } from '../../isa/record';
import { packed1, put128, put256, putScalar, source, sourceOf, zero128 } from '../../isa/vector';
import { Op } from '../fp/binary';
import { begin, Format, settle } from '../fp/ieee';
import { slow128 } from '../fp/slow';

/** All ones in the 32-bit lanes whose bit is set. */
@inline function mask32(bits: i32): v128 {
  return i32x4(-(bits & 1), -(bits >> 1 & 1), -(bits >> 2 & 1), -(bits >> 3 & 1));
}
@inline function mask64(bits: i32): v128 { return i64x2(-<i64>(bits & 1), -<i64>(bits >> 1 & 1)); }

/** Halves of a vector between the steps of a dot product. */
let low: v128, high: v128;

/** low OP a, high OP b: one step, whose exceptions are settled before the next one. */
function step(op: u32, format: u32, isLong: bool, a: v128, b: v128): bool {
  begin();
  low = slow128(op, format, low, a);
  if (isLong) high = slow128(op, format, high, b);
  return settle();
}
/**
 * The sum in every lane: (p0 + p1) + (p2 + p3). Which of several NaNs comes out shows that Intel's processors add in
 * each lane by itself, its neighbour's product first; others add once.
 */
function sumOfFour(whole: bool, first: v128, second: v128): bool {
  const byLane = isIntel();
  low = byLane ? neighbours(first) : even(first);
  high = byLane ? neighbours(second) : even(second);
  if (!step(Op.ADD, Format.SINGLE, whole, byLane ? first : odd(first), byLane ? second : odd(second))) return false;
  const sums = low, others = high;
  if (!byLane) {
    low = even(sums);
    high = even(others);
  }
  return step(Op.ADD, Format.SINGLE, whole, byLane ? halves(sums) : odd(sums), byLane ? halves(others) : odd(others));
}
@inline function even(x: v128): v128 { return i32x4.shuffle(x, x, 0, 2, 0, 2); }
@inline function odd(x: v128): v128 { return i32x4.shuffle(x, x, 1, 3, 1, 3); }
@inline function neighbours(x: v128): v128 { return i32x4.shuffle(x, x, 1, 0, 3, 2); }
@inline function halves(x: v128): v128 { return i32x4.shuffle(x, x, 2, 3, 0, 1); }

/** Products in the lanes of bits 7:4, summed in pairs, the sum in the lanes of bits 3:0 (SDM Vol. 2, "DPPS"). */
export function opDpps(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const wanted = mask32(i.imm >> 4), whole = isLong(i);
  low = v128.and(v128.load(i.b), wanted);
  high = whole ? v128.and(v128.load(i.b, 16), wanted) : zero128();
  const factors = whole ? v128.and(v128.load(p, 16), wanted) : zero128();
  if (!step(Op.MUL, Format.SINGLE, whole, v128.and(v128.load(p), wanted), factors)) return;
  if (!sumOfFour(whole, v128.and(low, wanted), v128.and(high, wanted))) return;
  const kept = mask32(i.imm);
  if (whole) put256(i, v128.and(low, kept), v128.and(high, kept));
  else put128(i, v128.and(low, kept));
}
export function opDppd(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const wanted = mask64(i.imm >> 4);
  low = v128.and(v128.load(i.b), wanted);
  if (!step(Op.MUL, Format.DOUBLE, false, v128.and(v128.load(p), wanted), wanted)) return;
  const products = v128.and(low, wanted);
  const crossed = i64x2.shuffle(products, products, 1, 0);
  low = isIntel() ? products : i64x2.shuffle(products, products, 0, 0);
  if (step(Op.ADD, Format.DOUBLE, false, isIntel() ? crossed : i64x2.shuffle(products, products, 1, 1), wanted))
    put128(i, v128.and(low, mask64(i.imm)));
}

const QUIET: u32 = 0x0040_0000, INFINITY: u32 = 0x7f80_0000, SIGN: u32 = 0x8000_0000, INDEFINITE: u32 = 0xffc0_0000,
  LEAST: u32 = 0x0080_0000;

/**
 * 1 / x, or 1 / sqrt(x): denormals count as zeros, nothing is flagged, tiny results are zeros (SDM Vol. 2, "RCPPS",
 * "RSQRTPS").
 */
@inline function approximate(x: u32, isRoot: bool): u32 {
  const size = x & ~SIGN, negative = x & SIGN;
  if (size > INFINITY) return x | QUIET;
  if (size < LEAST) return negative | INFINITY;
  if (isRoot && negative != 0) return INDEFINITE;
  const r = isIntel() ? byTable(x, isRoot) : reinterpret<u32>(<f32>inverse(x, isRoot));
  return (r & ~SIGN) < LEAST ? negative : r;
}
@inline function inverse(bits: u32, isRoot: bool): f64 {
  const value = <f64>reinterpret<f32>(bits);
  return 1 / (isRoot ? sqrt<f64>(value) : value);
}
/** Fraction bits of a double beyond 12. */
const BEYOND: u64 = 40;
/**
 * Intel's processors look the result up by the first 11 bits of the fraction, or 10 and the parity of the exponent. The
 * tables hold the value in the middle of what an entry stands for, rounded to 12 bits: so say all 955
 * inputs that were recorded.
 */
function byTable(x: u32, isRoot: bool): u32 {
  if ((x & ~SIGN) == INFINITY) return x & SIGN;
  const unused: u32 = isRoot ? 13 : 12;
  const middle = (x & (u32.MAX_VALUE << unused)) | (1 << (unused - 1));
  const rounded = (reinterpret<u64>(inverse(middle, isRoot)) + (<u64>1 << (BEYOND - 1))) & (u64.MAX_VALUE << BEYOND);
  return reinterpret<u32>(<f32>reinterpret<f64>(rounded));
}
function approximate32x4(x: v128, isRoot: bool): v128 {
  return i32x4(
    approximate(i32x4.extract_lane(x, 0), isRoot),
    approximate(i32x4.extract_lane(x, 1), isRoot),
    approximate(i32x4.extract_lane(x, 2), isRoot),
    approximate(i32x4.extract_lane(x, 3), isRoot),
  );
}
class Rcp { @inline apply(x: v128): v128 { return approximate32x4(x, false); } }
class Rsqrt { @inline apply(x: v128): v128 { return approximate32x4(x, true); } }
export function opRcpps(i: Rec): void { packed1<Rcp>(i); }
export function opRsqrtps(i: Rec): void { packed1<Rsqrt>(i); }
export function opRcpss(i: Rec): void {
  const p = sourceOf(i, 4);
  if (p != 0) putScalar<u32>(i, approximate(load<u32>(p), false));
}
export function opRsqrtss(i: Rec): void {
  const p = sourceOf(i, 4);
  if (p != 0) putScalar<u32>(i, approximate(load<u32>(p), true));
}
