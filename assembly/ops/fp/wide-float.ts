/**
 * Floating point with significands of 128 bits, for what must be right to 64 in the end: an operation is off by a few
 * units of the last place. Zero is hi == 0.
 */
import { mulHigh } from '../wide';
import { add, addWide, div, rExp, rHi, rLo, rSign, rZero, setResult } from './soft';

@unmanaged
export class Wide {
  hi: u64;
  lo: u64;
  exp: i32;
  sign: u32;
}
const SIZE: i32 = 24;
export const x = changetype<Wide>(memory.data(24, 8));
export const y = changetype<Wide>(memory.data(24, 8));
export const z = changetype<Wide>(memory.data(24, 8));
/** Scratch of the functions below. */
const help = changetype<Wide>(memory.data(24, 8));
const square = changetype<Wide>(memory.data(24, 8));
const fraction = changetype<Wide>(memory.data(24, 8));
const term = changetype<Wide>(memory.data(24, 8));
export const ONE: u64 = 0x8000000000000000;

export function put(to: Wide, sign: u32, exp: i32, hi: u64, lo: u64 = 0): void {
  to.sign = sign;
  to.exp = exp;
  to.hi = hi;
  to.lo = lo;
}
@inline export function copy(to: Wide, from: Wide): void {
  memory.copy(changetype<usize>(to), changetype<usize>(from), SIZE);
}
@inline function take(to: Wide): void {
  put(to, rSign, rExp, rZero ? 0 : rHi, rLo);
}
export function putInteger(to: Wide, value: i64): void {
  const size: u64 = value < 0 ? 0 - <u64>value : <u64>value;
  const shift = size == 0 ? 0 : <i32>clz<u64>(size);
  put(to, value < 0 ? 1 : 0, 63 - shift, size << shift);
}
/** to = a + b, the sign of b flipped when `flip` is 1. */
export function plus(to: Wide, a: Wide, b: Wide, flip: u32 = 0): void {
  const sign = b.sign ^ flip;
  if (a.hi == 0) put(to, sign, b.exp, b.hi, b.lo);
  else if (b.hi == 0) copy(to, a);
  else {
    addWide(a.sign, a.exp, a.hi, a.lo, sign, b.exp, b.hi, b.lo);
    take(to);
  }
}
export function times(to: Wide, a: Wide, b: Wide): void {
  const low = a.hi * b.hi;
  const one = mulHigh(a.hi, b.lo), two = mulHigh(a.lo, b.hi);
  const sum = low + one;
  const all = sum + two;
  const carry: u64 = (sum < low ? 1 : 0) + (all < sum ? 1 : 0);
  setResult(a.sign ^ b.sign, a.exp + b.exp + 1, mulHigh(a.hi, b.hi) + carry, all);
  take(to);
}
/** to = a / b: a quotient of 64 bits, then what is left. */
export function over(to: Wide, a: Wide, b: Wide): void {
  if (a.hi == 0) {
    put(to, a.sign ^ b.sign, 0, 0);
    return;
  }
  div(a.sign, a.exp, a.hi, b.sign, b.exp, b.hi);
  const sign = rSign, exp = rExp, hi = rHi;
  put(help, sign, exp, hi);
  times(help, help, b);
  plus(help, a, help, 1);
  if (help.hi == 0) {
    put(to, sign, exp, hi);
    return;
  }
  div(help.sign, help.exp, help.hi, b.sign, b.exp, b.hi);
  add(sign, exp, hi, rSign, rExp, rHi);
  take(to);
}
function overInteger(to: Wide, by: i64): void {
  putInteger(term, by);
  over(to, to, term);
}

/** to = 1 + s * a^2 / (b c) * (1 + s * a^2 / (d e) * ...), as the series of sine and cosine need it. */
function alternating(to: Wide, a: Wide, first: i32, terms: i32): void {
  times(square, a, a);
  putInteger(to, 1);
  for (let n = terms; n > 0; n--) {
    times(to, to, square);
    overInteger(to, (2 * n + first - 2) * (2 * n + first - 1));
    putInteger(term, 1);
    plus(to, term, to, 1);
  }
}
/** Sine and cosine of |a| <= pi / 4; a is not zero. */
export function sine(to: Wide, a: Wide): void {
  alternating(to, a, 2, 12);
  times(to, to, a);
}
export function cosine(to: Wide, a: Wide): void { alternating(to, a, 1, 13); }

/** to = a * (1 + s a^2 / 3 + a^4 / 5 + s a^6 / 7 ...): the inverse tangent, or with `flip` 0 the hyperbolic one. */
function inverseTangent(to: Wide, a: Wide, terms: i32, flip: u32): void {
  if (a.hi == 0) {
    put(to, 0, 0, 0);
    return;
  }
  times(square, a, a);
  putInteger(to, 1);
  overInteger(to, 2 * terms + 1);
  for (let n = terms - 1; n >= 0; n--) {
    times(to, to, square);
    putInteger(fraction, 1);
    overInteger(fraction, 2 * n + 1);
    plus(to, fraction, to, flip);
  }
  times(to, to, a);
}

/** atan(n / 8), n from 0 to 8, as {hi, lo} and exponent. */
const ARC: StaticArray<u64> = [
  0, 0, 0xfeadd4d5617b6e32, 0xc897989f3e888ef8, 0xfadbafc96406eb15, 0x6dc79ef5f7a217e6, 0xb7b0ca0f26f78473,
  0x8aa32122dcfe4483, 0xed63382b0dda7b45, 0x6fe445ecbc3a8d03, 0x8f005d5ef7f59f9b, 0x5c835e1665c43748,
  0xa4bc7d1934f70924, 0x19a87f2a457dac9f, 0xb8053e2bc2319e73, 0xcb2da55210a4443d, 0xc90fdaa22168c234,
  0xc4c6628b80dc1cd1,
];
const ARC_EXP: StaticArray<i32> = [0, -4, -3, -2, -2, -1, -1, -1, -1];
const part = changetype<Wide>(memory.data(24, 8));
/** to = atan(a), a from 0 to 1: atan(n / 8) and the rest by the addition theorem. `a` is lost. */
export function arcTangent(to: Wide, a: Wide): void {
  const sixteenths: i32 = a.hi == 0 || a.exp < -4 ? 0 : <i32>(a.hi >> (59 - a.exp));
  const n = (sixteenths + 1) >> 1;
  if (n == 0) {
    inverseTangent(to, a, 12, 1);
    return;
  }
  putInteger(part, n);
  part.exp -= 3;
  times(to, a, part);
  putInteger(term, 1);
  plus(to, to, term);
  plus(a, a, part, 1);
  over(a, a, to);
  inverseTangent(to, a, 12, 1);
  put(part, 0, ARC_EXP[n], ARC[2 * n], ARC[2 * n + 1]);
  plus(to, part, to);
}

/** to = log2((1 + a) / (1 - a)), |a| < 0.18. */
export function logRatio(to: Wide, a: Wide): void {
  inverseTangent(to, a, 18, 0);
  if (to.hi == 0) return;
  put(part, 0, 1, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e89);
  times(to, to, part);
}
const SQRT2: u64 = 0xb504f333f9de6484;
/** to = log2(a), a > 0; `a` is lost. */
export function log2(to: Wide, a: Wide): void {
  let exp = a.exp;
  a.exp = 0;
  if (a.hi > SQRT2) {
    a.exp = -1;
    exp++;
  }
  putInteger(term, 1);
  plus(part, a, term);
  plus(a, a, term, 1);
  over(a, a, part);
  logRatio(to, a);
  putInteger(part, exp);
  plus(to, to, part);
}
/** to = 2^a - 1, |a| <= 1, a not zero; `a` is lost. */
export function exp2Less1(to: Wide, a: Wide): void {
  put(part, 0, -1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af);
  times(a, a, part);
  putInteger(to, 1);
  for (let n = 26; n > 1; n--) {
    times(to, to, a);
    overInteger(to, n);
    putInteger(term, 1);
    plus(to, term, to);
  }
  times(to, to, a);
}
