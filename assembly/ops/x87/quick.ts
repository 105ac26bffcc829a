/**
 * The common case of x87 arithmetic without its general machinery: normal numbers, round to nearest, 53 or 64 bits of
 * precision, every exception masked, a normal result. These functions store the result, set C1 and PE and return true;
 * false means that they changed nothing and the general code has to decide (SDM Vol. 1, "x87 FPU Floating-Point
 * Exceptions").
 */
import { cpu } from '../../cpu/state';
import { divide128, mulHigh, remainder } from '../wide';
import { Fsw } from './control';
import { INTEGER_BIT } from './registers';

/** Masks, precision and rounding control in the control word, and the two settings served here. */
const CONTROL: u32 = 0xf3f;
const EXTENDED: u32 = 0x33f;
const DOUBLE: u32 = 0x23f;
/** The unit of 53 bits in a significand of 64. */
const DOUBLE_UNIT: u64 = 0x800;
const BIAS: u32 = 16383;
/** Biased exponents of normal numbers are 1 to this. */
const LARGEST: u32 = 0x7ffe;

/** Is the control word one that the quick paths serve? */
@inline export function isQuick(): bool {
  const control = cpu.fcw & CONTROL;
  return control == EXTENDED || control == DOUBLE;
}
@inline export function isNormal(sig: u64, top: u32): bool {
  return (top & 0x7fff) - 1 < LARGEST && (sig & INTEGER_BIT) != 0;
}

/** Rounds hi:lo, whose top bit is set, and stores it at `to` with its sign (bit 15) and biased exponent. */
@inline function settle(to: usize, sign: u32, biased: u32, hi: u64, lo: u64): bool {
  let exponent = biased, unit: u64 = 1, sig = hi, rest = lo;
  if ((cpu.fcw & CONTROL) == DOUBLE) {
    unit = DOUBLE_UNIT;
    rest = (hi << 53) | (lo >> 11) | (lo != 0 ? 1 : 0);
    sig = hi & ~(DOUBLE_UNIT - 1);
  }
  const up = rest > INTEGER_BIT || (rest == INTEGER_BIT && (sig & unit) != 0);
  // below 2^minExp even what rounds up to it goes the general way
  if (exponent - 1 >= LARGEST) return false;
  if (up) {
    sig += unit;
    if (sig == 0) {
      sig = INTEGER_BIT;
      exponent++;
      if (exponent > LARGEST) return false;
    }
  }
  store<u64>(to, sig);
  store<u16>(to, <u16>(sign | exponent), 8);
  cpu.fsw = (cpu.fsw & ~Fsw.C1) | (rest != 0 ? Fsw.PE : 0) | (up ? Fsw.C1 : 0);
  return true;
}

@inline export function isZero(sig: u64, top: u32): bool { return sig == 0 && (top & 0x7fff) == 0; }

/** quickAdd where not both are normal: a zero changes nothing but how the other is rounded. */
function addZero(to: usize, aSig: u64, aTop: u32, bSig: u64, bTop: u32): bool {
  if (isZero(bSig, bTop) && isNormal(aSig, aTop)) return settle(to, aTop & 0x8000, aTop & 0x7fff, aSig, 0);
  if (isZero(aSig, aTop) && isNormal(bSig, bTop)) return settle(to, bTop & 0x8000, bTop & 0x7fff, bSig, 0);
  return false;
}
/** A zero with this sign for a product. */
function mulZero(to: usize, aSig: u64, aTop: u32, bSig: u64, bTop: u32): bool {
  const zero = isZero(aSig, aTop) ? isZero(bSig, bTop)
    || isNormal(bSig, bTop) : isZero(bSig, bTop) && isNormal(aSig, aTop);
  if (!zero) return false;
  store<u64>(to, 0);
  store<u16>(to, <u16>((aTop ^ bTop) & 0x8000), 8);
  cpu.fsw &= ~Fsw.C1;
  return true;
}

/** a + b into the register at `to`. */
export function quickAdd(to: usize, aSig: u64, aTop: u32, bSig: u64, bTop: u32): bool {
  if (!isQuick()) return false;
  if (!isNormal(aSig, aTop) || !isNormal(bSig, bTop)) return addZero(to, aSig, aTop, bSig, bTop);
  let exponent = aTop & 0x7fff, sign = aTop & 0x8000, large = aSig, small = bSig;
  let by = exponent - (bTop & 0x7fff);
  if (<i32>by < 0 || (by == 0 && aSig < bSig)) {
    by = 0 - by;
    exponent = bTop & 0x7fff;
    sign = bTop & 0x8000;
    large = bSig;
    small = aSig;
  }
  let hi: u64, lo: u64 = 0;
  if (by < 64) {
    hi = small >> by;
    if (by != 0) lo = small << (64 - by);
  } else {
    hi = 0;
    if (by == 64) lo = small;
    else lo = by < 128 ? (small >> (by - 64)) | (small << (128 - by) != 0 ? 1 : 0) : 1;
  }
  if (((aTop ^ bTop) & 0x8000) == 0) {
    const sum = large + hi;
    if (sum >= large) return settle(to, sign, exponent, sum, lo);
    return settle(to, sign, exponent + 1, (sum >> 1) | INTEGER_BIT, (lo >> 1) | (sum << 63) | (lo & 1));
  }
  hi = large - hi - (lo != 0 ? 1 : 0);
  lo = 0 - lo;
  if (hi == 0) {
    if (lo == 0) {
      store<u64>(to, 0);
      store<u16>(to, 0, 8);
      cpu.fsw &= ~Fsw.C1;
      return true;
    }
    hi = lo;
    lo = 0;
    exponent -= 64;
  }
  const shift = <u32>clz<u64>(hi);
  if (shift != 0) {
    hi = (hi << shift) | (lo >> (64 - shift));
    lo <<= shift;
  }
  return settle(to, sign, exponent - shift, hi, lo);
}

/** a * b into the register at `to`. */
export function quickMul(to: usize, aSig: u64, aTop: u32, bSig: u64, bTop: u32): bool {
  if (!isQuick()) return false;
  if (!isNormal(aSig, aTop) || !isNormal(bSig, bTop)) return mulZero(to, aSig, aTop, bSig, bTop);
  let exponent = (aTop & 0x7fff) + (bTop & 0x7fff) - (BIAS - 1);
  let hi = mulHigh(aSig, bSig), lo = aSig * bSig;
  if (<i64>hi >= 0) {
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    exponent--;
  }
  return settle(to, (aTop ^ bTop) & 0x8000, exponent, hi, lo);
}

/** a / b into the register at `to`. */
export function quickDiv(to: usize, aSig: u64, aTop: u32, bSig: u64, bTop: u32): bool {
  if (!isQuick() || !isNormal(aSig, aTop) || !isNormal(bSig, bTop)) return false;
  const less = aSig < bSig;
  const hi = divide128(less ? aSig : aSig >> 1, less ? 0 : aSig << 63, bSig);
  // What is left says only how the next bits compare with a half.
  const half = remainder > bSig - remainder ? INTEGER_BIT | 1 : remainder == bSig - remainder ? INTEGER_BIT : 1;
  const exponent = (aTop & 0x7fff) - (bTop & 0x7fff) + (less ? BIAS - 1 : BIAS);
  return settle(to, (aTop ^ bTop) & 0x8000, exponent, hi, remainder == 0 ? 0 : half);
}

/** A normal float or double (of `bits`) as significand and top of a register; the top is 0 for every other. */
@inline export function singleSig(bits: u32): u64 { return INTEGER_BIT | (<u64>bits << 40); }
@inline export function singleTop(bits: u32): u32 {
  const exponent = (bits >> 23) & 0xff;
  return exponent - 1 < 0xfe ? ((bits >> 16) & 0x8000) | (exponent + (BIAS - 127)) : 0;
}
@inline export function doubleSig(bits: u64): u64 { return INTEGER_BIT | (bits << 11); }
@inline export function doubleTop(bits: u64): u32 {
  const exponent = <u32>(bits >> 52) & 0x7ff;
  return exponent - 1 < 0x7fe ? (<u32>(bits >> 48) & 0x8000) | (exponent + (BIAS - 1023)) : 0;
}
