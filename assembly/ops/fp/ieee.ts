/**
 * IEEE 754 interchange formats: numbers as bits, taken apart for soft.ts and put together again as MXCSR asks. One body
 * serves half, single and double precision; a format is its number of fraction bits. The flags of all lanes of an
 * instruction gather in `fx` until settle() decides (SDM Vol. 1, "SIMD Floating-Point Exception Conditions").
 */
import { Cr4 } from '../../cpu/control';
import { raise, Vector } from '../../cpu/pending';
import { isIntel } from '../../cpu/features';
import { cpu } from '../../cpu/state';
import { Fx, raised, Rc, rExp, rHi, round, rSign, rZero, setResult, tiny } from './soft';

/** Fraction bits of the formats. */
export const enum Format { HALF = 10, SINGLE = 23, DOUBLE = 52 }
export const enum Mxcsr {
  PE = 0x20, DAZ = 0x40, OM = 0x400, UM = 0x800, PM = 0x1000, RC = 0x6000, RC_SHIFT = 13, FTZ = 0x8000,
}

/** Exceptions that the lanes of the current instruction raised so far: Fx bits. */
export let fx: u32 = 0;
@inline export function begin(): void { fx = 0; }
@inline export function flag(bits: u32): void { fx |= bits; }

/** The current format, and what follows from it. */
let fraction: u32 = 52;
let bias: i32 = 1023;
export let signBit: u64 = 1 << 63;
export let infinity: u64 = 0;
let quietBit: u64 = 0;

export function use(format: u32): void {
  fraction = format;
  const exponentBits: u32 = format == Format.DOUBLE ? 11 : format == Format.SINGLE ? 8 : 5;
  bias = (1 << (exponentBits - 1)) - 1;
  signBit = <u64>1 << (format + exponentBits);
  infinity = signBit - (<u64>1 << format);
  quietBit = <u64>1 << (format - 1);
}

@inline export function rounding(): u32 { return (cpu.mxcsr >> Mxcsr.RC_SHIFT) & 3; }
@inline export function magnitude(x: u64): u64 { return x & (signBit - 1); }
@inline export function isNegative(x: u64): bool { return (x & signBit) != 0; }
@inline export function isNaN(x: u64): bool { return magnitude(x) > infinity; }
@inline export function isInfinite(x: u64): bool { return magnitude(x) == infinity; }
@inline export function isZero(x: u64): bool { return magnitude(x) == 0; }
@inline export function isSignaling(x: u64): bool { return isNaN(x) && (x & quietBit) == 0; }
@inline function isDenormal(x: u64): bool { return (x & infinity) == 0 && !isZero(x); }
@inline export function quiet(x: u64): u64 { return x | quietBit; }
/** "QNaN floating-point indefinite" (SDM Vol. 1). */
@inline export function indefinite(): u64 { return signBit | infinity | quietBit; }

/** What an invalid operation gives. */
export function invalid(): u64 {
  fx |= Fx.INVALID;
  return indefinite();
}
/** The first NaN of two operands of which one is a NaN, made quiet (SDM Vol. 1, "Rules for Handling NaNs"). */
export function propagate(a: u64, b: u64): u64 {
  if (isSignaling(a) || isSignaling(b)) fx |= Fx.INVALID;
  return quiet(isNaN(a) ? a : b);
}
/** An operand as arithmetic sees it: a denormal is a zero with DAZ, else it is flagged. */
export function operand(x: u64): u64 {
  if (!isDenormal(x)) return x;
  if ((cpu.mxcsr & Mxcsr.DAZ) != 0) return x & signBit;
  fx |= Fx.DENORMAL;
  return x;
}
/** operand() for conversions to integers, which do not flag denormals. */
export function flushed(x: u64): u64 { return isDenormal(x) && (cpu.mxcsr & Mxcsr.DAZ) != 0 ? x & signBit : x; }

@inline export function sign(x: u64): u32 { return isNegative(x) ? 1 : 0; }
/** Unbiased exponent of a finite nonzero number whose significand is normalised. */
export function exponent(x: u64): i32 {
  const biased = <i32>(magnitude(x) >> fraction);
  return biased != 0 ? biased - bias : 1 - bias - <i32>clz<u64>(x << (63 - fraction) & 0x7fffffffffffffff);
}
/** Significand of a finite nonzero number, integer bit in bit 63. */
export function significand(x: u64): u64 {
  const left = (x << (63 - fraction)) & 0x7fffffffffffffff;
  return (x & infinity) != 0 ? left | (<u64>1 << 63) : left << clz<u64>(left);
}

/** Rounds soft.ts's result as MXCSR asks and puts it together in the current format. */
export function pack(): u64 { return packAs(rounding(), (cpu.mxcsr & Mxcsr.FTZ) != 0); }
export function packAs(rc: u32, flush: bool): u64 {
  const negative: u64 = rSign != 0 ? signBit : 0;
  if (rZero) return negative;
  const masked = (cpu.mxcsr & Mxcsr.UM) != 0;
  // Intel's processors look whether the denormal half is exact even where the underflow is not masked.
  round(fraction + 1, 1 - bias, bias, rc, masked || (fraction == Format.HALF && isIntel()));
  fx |= raised;
  if (tiny && !masked) fx |= Fx.UNDERFLOW;
  if (tiny && masked && flush) {
    fx |= Fx.UNDERFLOW | Fx.INEXACT;
    return negative;
  }
  if ((raised & Fx.OVERFLOW) != 0) {
    // Unmasked, an overflow is inexact only where rounding was.
    if ((cpu.mxcsr & Mxcsr.OM) != 0) fx |= Fx.INEXACT;
    const away = rc == Rc.NEAREST || rc == (rSign != 0 ? Rc.DOWN : Rc.UP);
    return negative | (away ? infinity : infinity - 1);
  }
  if (rZero) return negative;
  const bits = (rHi & 0x7fffffffffffffff) >> (63 - fraction);
  return negative | bits | ((rHi >> 63) != 0 ? <u64>(rExp + bias) << fraction : 0);
}

/** Takes a finite nonzero number of the current format as soft.ts's result. */
export function take(x: u64): void { setResult(sign(x), exponent(x), significand(x), 0); }

/**
 * Commits the gathered flags to MXCSR. False with #XM (#UD without CR4.OSXMMEXCPT) pending when one is unmasked; where
 * that is one found before computing, those found after it are not reported (SDM Vol. 1, "SSE and SSE2 SIMD
 * Floating-Point Exceptions").
 */
export function settle(): bool {
  if (fx == 0) return true;
  const unmasked = fx & ~(cpu.mxcsr >> 7) & 0x3f;
  cpu.mxcsr |= (unmasked & (Fx.INVALID | Fx.DENORMAL | Fx.ZERO_DIVIDE)) != 0 ? fx & 7 : fx;
  if (unmasked == 0) return true;
  raise((cpu.cr4 & Cr4.OSXMMEXCPT) != 0 ? Vector.XM : Vector.UD);
  return false;
}
