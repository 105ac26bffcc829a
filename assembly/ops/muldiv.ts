/**
 * Multiplication and division. The double-width operand is AX for bytes, else rDX:rAX. Of the flags that the manual
 * leaves undefined Intel's processors set SF and PF by the low half of a product and leave all after a division; AMD's
 * leave them after a product and clear SF, ZF and PF and set AF after a division.
 */
import { GPR, Gpr, gpr, setReg } from '../cpu/state';
import { isIntel } from '../cpu/features';
import { abandoned, raise, Vector } from '../cpu/pending';
import { changeFlags, Flag, signExtend } from '../cpu/flags';
import { Rec } from '../isa/record';
import { flagsProduct, hotImul, Rule } from './hot';
import { divide128, mulHigh, mulHighSigned, remainder } from './wide';

const RDX: usize = GPR + 8 * Gpr.RDX;

/** Writes rDX:rAX, or AX: a product, or a remainder and its quotient. */
@inline function setDouble<T>(low: T, high: T): void {
  if (sizeof<T>() == 1) store<u16>(GPR, <u16>low | (<u16>high << 8));
  else {
    setReg<T>(GPR, low);
    setReg<T>(RDX, high);
  }
}

@inline function productFlags<T>(low: T, overflow: u64): void {
  if (isIntel()) flagsProduct<T>(low, overflow, Rule.INTEL);
  else flagsProduct<T>(low, overflow, Rule.AMD);
}
/** Writes quotient and remainder, with the flags of a division. */
@inline function setDivision<T>(quotient: T, rest: T): void {
  setDouble<T>(quotient, rest);
  if (!isIntel()) changeFlags(Flag.SF | Flag.ZF | Flag.AF | Flag.PF, Flag.AF);
}
@inline function truncated<T>(left: T, right: T): T {
  return isIntel() ? hotImul<T>(left, right, Rule.INTEL) : hotImul<T>(left, right, Rule.AMD);
}

export function opMul<T, S>(i: Rec): void {
  const right = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const left = load<T>(GPR);
  let low: T, high: T;
  if (sizeof<T>() == 8) {
    low = <T>(left * right);
    high = <T>mulHigh(<u64>left, <u64>right);
  } else {
    const product = <u64>left * <u64>right;
    low = <T>product;
    high = <T>(product >> (8 * sizeof<T>()));
  }
  setDouble<T>(low, high);
  const overflow: u64 = high != 0 ? 1 : 0;
  productFlags<T>(low, overflow);
}
export function opImul1<T, S>(i: Rec): void {
  const right = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const left = load<T>(GPR);
  let low: T, high: T;
  if (sizeof<T>() == 8) {
    low = <T>(left * right);
    high = <T>mulHighSigned(<i64>left, <i64>right);
  } else {
    const product = <i64>signExtend<T>(left) * <i64>signExtend<T>(right);
    low = <T>product;
    high = <T>(product >> (8 * sizeof<T>()));
  }
  setDouble<T>(low, high);
  const overflow: u64 = signExtend<T>(high) != <u64>(<i64>signExtend<T>(low) >> 63) ? 1 : 0;
  productFlags<T>(low, overflow);
}
export function opImul2<T, D, S>(i: Rec): void {
  const right = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, truncated<T>(changetype<D>(0).read<T>(i), right));
}
export function opImul3<T, D, S, C>(i: Rec): void {
  const left = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, truncated<T>(left, changetype<C>(0).read<T>(i)));
}

/** MULX: no flags; where both destinations are one register it gets the high half. */
export function opMulx<T, H, L, S>(i: Rec): void {
  const right = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const left = load<T>(RDX);
  let high: T;
  if (sizeof<T>() == 8) high = <T>mulHigh(<u64>left, <u64>right);
  else high = <T>((<u64>left * <u64>right) >> 32);
  changetype<L>(0).write<T>(i, <T>(left * right));
  changetype<H>(0).write<T>(i, high);
}

/** #DE for a divisor of 0 and for a quotient that does not fit (SDM Vol. 2A, "DIV"). */
export function opDiv<T, S>(i: Rec): void {
  const divisor = <u64>changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const bits: u64 = 8 * sizeof<T>();
  const high: u64 = sizeof<T>() == 1 ? <u64>load<u8>(GPR, 1) : <u64>load<T>(RDX);
  if (divisor <= high) {
    raise(Vector.DE);
    return;
  }
  const low = <u64>load<T>(GPR);
  if (sizeof<T>() == 8) {
    const quotient = divide128(high, low, divisor);
    setDivision<T>(<T>quotient, <T>remainder);
  } else {
    const dividend = (high << bits) | low;
    setDivision<T>(<T>(dividend / divisor), <T>(dividend % divisor));
  }
}
export function opIdiv<T, S>(i: Rec): void {
  const divisor = <i64>signExtend<T>(changetype<S>(0).read<T>(i));
  if (abandoned()) return;
  if (sizeof<T>() == 8) {
    divideSigned128(divisor);
    return;
  }
  const bits: u64 = 8 * sizeof<T>();
  let dividend: i64;
  if (sizeof<T>() == 1) dividend = <i64>load<i16>(GPR);
  else if (sizeof<T>() == 2) dividend = <i64><i32>((<u32>load<u16>(RDX) << 16) | <u32>load<u16>(GPR));
  else dividend = <i64>((<u64>load<u32>(RDX) << 32) | <u64>load<u32>(GPR));
  // The one quotient that wasm traps on does not fit either.
  if (divisor == 0 || (dividend == i64.MIN_VALUE && divisor == -1)) {
    raise(Vector.DE);
    return;
  }
  const quotient = dividend / divisor;
  if (((quotient << (64 - bits)) >> (64 - bits)) != quotient) {
    raise(Vector.DE);
    return;
  }
  setDivision<T>(<T>quotient, <T>(dividend % divisor));
}
function divideSigned128(divisor: i64): void {
  let high = gpr(Gpr.RDX), low = gpr(Gpr.RAX);
  const negative = <i64>high < 0;
  if (negative) {
    high = ~high + (low == 0 ? 1 : 0);
    low = 0 - low;
  }
  const magnitude: u64 = divisor < 0 ? 0 - <u64>divisor : <u64>divisor;
  if (magnitude <= high) {
    raise(Vector.DE);
    return;
  }
  let quotient = divide128(high, low, magnitude);
  const flip = negative != (divisor < 0);
  if (quotient > (flip ? <u64>1 << 63 : <u64>i64.MAX_VALUE)) {
    raise(Vector.DE);
    return;
  }
  if (flip) quotient = 0 - quotient;
  setDivision<u64>(quotient, negative ? 0 - remainder : remainder);
}
