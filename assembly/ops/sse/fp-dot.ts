/** Dot products, and the approximations of reciprocals. */
import { abandoned } from '../../cpu/pending';
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

/** One step of a dot product, whose exceptions are settled before the next one. */
function step(op: u32, format: u32, a: v128, b: v128): v128 {
  begin();
  const r = slow128(op, format, a, b);
  settle();
  return r;
}
/** Products in the lanes of bits 7:4, summed in pairs, the sum in the lanes of bits 3:0 (SDM Vol. 2, "DPPS"). */
function dot32(a: v128, b: v128, imm: i32): v128 {
  const wanted = mask32(imm >> 4);
  const products = v128.and(step(Op.MUL, Format.SINGLE, v128.and(a, wanted), v128.and(b, wanted)), wanted);
  if (abandoned()) return products;
  const even = i32x4.shuffle(products, products, 0, 2, 0, 2), odd = i32x4.shuffle(products, products, 1, 3, 1, 3);
  const sums = step(Op.ADD, Format.SINGLE, even, odd);
  if (abandoned()) return sums;
  const total = step(Op.ADD, Format.SINGLE, i32x4.shuffle(sums, sums, 0, 0, 0, 0), i32x4.shuffle(sums, sums, 1, 1, 1, 1));
  return v128.and(total, mask32(imm));
}
export function opDpps(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = dot32(v128.load(i.b), v128.load(p), i.imm);
  if (abandoned()) return;
  if (!isLong(i)) {
    put128(i, low);
    return;
  }
  const high = dot32(v128.load(i.b, 16), v128.load(p, 16), i.imm);
  if (!abandoned()) put256(i, low, high);
}
export function opDppd(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const wanted = mask64(i.imm >> 4);
  const products = v128.and(step(Op.MUL, Format.DOUBLE, v128.and(v128.load(i.b), wanted), v128.and(v128.load(p), wanted)), wanted);
  if (abandoned()) return;
  const sum = step(Op.ADD, Format.DOUBLE, i64x2.shuffle(products, products, 0, 0), i64x2.shuffle(products, products, 1, 1));
  if (!abandoned()) put128(i, v128.and(sum, mask64(i.imm)));
}

const QUIET: u32 = 0x0040_0000, INFINITY: u32 = 0x7f80_0000, SIGN: u32 = 0x8000_0000, INDEFINITE: u32 = 0xffc0_0000, LEAST: u32 = 0x0080_0000;

/** 1 / x, or 1 / sqrt(x): denormals count as zeros, nothing is flagged, tiny results are zeros (SDM Vol. 2, "RCPPS", "RSQRTPS"). */
@inline function approximate(x: u32, isRoot: bool): u32 {
  const size = x & ~SIGN, negative = x & SIGN;
  if (size > INFINITY) return x | QUIET;
  if (size < LEAST) return negative | INFINITY;
  if (isRoot && negative != 0) return INDEFINITE;
  const value = <f64>reinterpret<f32>(x);
  const r = reinterpret<u32>(<f32>(1 / (isRoot ? sqrt<f64>(value) : value)));
  return (r & ~SIGN) < LEAST ? negative : r;
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
