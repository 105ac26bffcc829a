/**
 * Exact binary floating point on unpacked numbers: what x87 computes always, and SSE wherever the host's own operations
 * cannot be shown to give the same value and flags. A finite nonzero number is
 *
 *   (-1)^sign * 2^exp * 1.hi:lo     hi's bit 63 is the integer bit, lo the next 64 bits, the lowest bit sticky
 *
 * Operations leave their exact result (or one that rounds like it) in the result registers below; round() makes it
 * representable and says which exceptions that raised. NaNs, infinities, zeros and denormal operands are the callers'.
 */

import { divide128, mulHigh, remainder } from '../wide';

/** Exception bits as in MXCSR and the x87 status word. */
export const enum Fx { INVALID = 1, DENORMAL = 2, ZERO_DIVIDE = 4, OVERFLOW = 8, UNDERFLOW = 16, INEXACT = 32 }
/** Rounding control as in MXCSR and the x87 control word. */
export const enum Rc { NEAREST, DOWN, UP, ZERO }

/** The result: sign 0 or 1, unbiased exponent, significand. rZero: the exact result is zero (of sign rSign). */
export let rSign: u32 = 0;
export let rExp: i32 = 0;
export let rHi: u64 = 0;
export let rLo: u64 = 0;
export let rZero: bool = false;
/** What round() raised: Fx bits; and whether it made the magnitude larger (x87 C1). */
export let raised: u32 = 0;
export let roundedUp: bool = false;
/** Overflow or underflow of round(): the caller decides by its masks. */
export let tiny: bool = false;

const TOP: u64 = 0x8000000000000000;

export function setResult(sign: u32, exp: i32, hi: u64, lo: u64): void {
  rSign = sign;
  rExp = exp;
  rHi = hi;
  rLo = lo;
  rZero = (hi | lo) == 0;
  if (!rZero) normalize();
}
function normalize(): void {
  if (rHi == 0) {
    rHi = rLo;
    rLo = 0;
    rExp -= 64;
  }
  const shift = clz<u64>(rHi);
  if (shift != 0) {
    rHi = (rHi << shift) | (rLo >> (64 - shift));
    rLo <<= shift;
    rExp -= <i32>shift;
  }
}

/** hi:lo shifted right by `by`, lost bits gathered in the lowest. Results in shiftedHi and shiftedLo. */
let shiftedHi: u64 = 0;
let shiftedLo: u64 = 0;
function shiftRightJam(hi: u64, lo: u64, by: u32): void {
  if (by == 0) {
    shiftedHi = hi;
    shiftedLo = lo;
  } else if (by < 64) {
    const lost = lo << (64 - by);
    shiftedLo = (lo >> by) | (hi << (64 - by)) | (lost != 0 ? 1 : 0);
    shiftedHi = hi >> by;
  } else if (by < 128) {
    const lost = lo | (by == 64 ? 0 : hi << (128 - by));
    shiftedLo = (hi >> (by - 64)) | (lost != 0 ? 1 : 0);
    shiftedHi = 0;
  } else {
    shiftedHi = 0;
    shiftedLo = (hi | lo) != 0 ? 1 : 0;
  }
}

/** a + b, both nonzero. The sign of an exact zero is that of round-to-nearest (plus); callers mend it for Rc.DOWN. */
export function add(aSign: u32, aExp: i32, aHi: u64, bSign: u32, bExp: i32, bHi: u64): void {
  addWide(aSign, aExp, aHi, 0, bSign, bExp, bHi, 0);
}
export function addWide(aSign: u32, aExp: i32, aHi: u64, aLo: u64, bSign: u32, bExp: i32, bHi: u64, bLo: u64): void {
  if (aExp < bExp || (aExp == bExp && (aHi < bHi || (aHi == bHi && aLo < bLo)))) {
    addWide(bSign, bExp, bHi, bLo, aSign, aExp, aHi, aLo);
    return;
  }
  // a is the larger one. Two bits of headroom keep what cancels exact: only far-away operands lose bits to the sticky
  // one.
  const lost = (aLo & 3) | (bLo & 3);
  if (lost == 0) {
    addAligned(aSign, aExp, (aHi >> 2), (aLo >> 2) | (aHi << 62), bSign, (bHi >> 2), (bLo >> 2) | (bHi << 62),
      <u32>(aExp - bExp));
    return;
  }
  addThree(aSign, aExp, aHi, aLo, bSign, bHi, bLo, <u32>(aExp - bExp));
}
function addAligned(aSign: u32, aExp: i32, aHi: u64, aLo: u64, bSign: u32, bHi: u64, bLo: u64, by: u32): void {
  shiftRightJam(bHi, bLo, by);
  if (aSign == bSign) {
    const lo = aLo + shiftedLo;
    setResult(aSign, aExp + 2, aHi + shiftedHi + (lo < aLo ? 1 : 0), lo);
  } else {
    const lo = aLo - shiftedLo;
    setResult(aSign, aExp + 2, aHi - shiftedHi - (aLo < shiftedLo ? 1 : 0), lo);
    if (rZero) rSign = 0;
  }
}
/** As addAligned for significands of 128 bits: the third word keeps 64 bits below, and its lowest bit is sticky. */
function addThree(aSign: u32, aExp: i32, aHi: u64, aLo: u64, bSign: u32, bHi: u64, bLo: u64, by: u32): void {
  let h: u64 = bHi, m: u64 = bLo, l: u64 = 0;
  if (by >= 192) {
    h = 0;
    m = 0;
    l = 1;
  } else {
    let rest = by;
    while (rest >= 64) {
      l = m | (l != 0 ? 1 : 0);
      m = h;
      h = 0;
      rest -= 64;
    }
    if (rest != 0) {
      const lost = l << (64 - rest);
      l = (l >> rest) | (m << (64 - rest)) | (lost != 0 ? 1 : 0);
      m = (m >> rest) | (h << (64 - rest));
      h >>= rest;
    }
  }
  if (aSign == bSign) {
    const mid = aLo + m;
    const c1: u64 = mid < aLo ? 1 : 0;
    const top = aHi + h;
    const sum = top + c1;
    const carry = top < aHi || sum < top;
    const low = mid | (l != 0 ? 1 : 0);
    if (carry) setResult(aSign, aExp + 1, (sum >> 1) | TOP, (low >> 1) | (sum << 63) | (low & 1));
    else setResult(aSign, aExp, sum, low);
    return;
  }
  // a - b, b not larger
  const borrow0: u64 = l != 0 ? 1 : 0;
  const low = 0 - l;
  const mid = aLo - m - borrow0;
  const borrow1: u64 = aLo < m || (aLo == m && borrow0 != 0) ? 1 : 0;
  const top = aHi - h - borrow1;
  if (top == 0 && mid == 0) {
    setResult(aSign, aExp - 128, low, 0);
    if (rZero) rSign = 0;
    return;
  }
  if (top == 0) {
    setResult(aSign, aExp - 64, mid, low);
    return;
  }
  const shift = clz<u64>(top);
  if (shift == 0) setResult(aSign, aExp, top, mid | (low != 0 ? 1 : 0));
  else
    setResult(aSign, aExp - <i32>shift, (top << shift) | (mid >> (64 - shift)),
      (mid << shift) | (low >> (64 - shift)) | ((low << shift) != 0 ? 1 : 0));
}

/** a * b, both nonzero: exact. */
export function mul(aSign: u32, aExp: i32, aHi: u64, bSign: u32, bExp: i32, bHi: u64): void {
  setResult(aSign ^ bSign, aExp + bExp + 1, mulHigh(aHi, bHi), aHi * bHi);
}

/** a * b + c, all nonzero: exact up to the sticky bit. */
export function mulAdd(aSign: u32, aExp: i32, aHi: u64, bSign: u32, bExp: i32, bHi: u64, cSign: u32, cExp: i32,
    cHi: u64): void {
  mul(aSign, aExp, aHi, bSign, bExp, bHi);
  addWide(rSign, rExp, rHi, rLo, cSign, cExp, cHi, 0);
}

/** a / b, both nonzero. */
export function div(aSign: u32, aExp: i32, aHi: u64, bSign: u32, bExp: i32, bHi: u64): void {
  const less = aHi < bHi;
  const numeratorHi = less ? aHi : aHi >> 1;
  const numeratorLo: u64 = less ? 0 : aHi << 63;
  const hi = divide128(numeratorHi, numeratorLo, bHi);
  const lo = divide128(remainder, 0, bHi);
  setResult(aSign ^ bSign, less ? aExp - bExp - 1 : aExp - bExp, hi, lo | (remainder != 0 ? 1 : 0));
}

/** Square root of a positive number. */
export function sqrt(exp: i32, hi: u64): void {
  // hi:0 with an even exponent, as a 128-bit integer in [2^126, 2^128): its root has 64 bits
  const odd = (exp & 1) != 0;
  let restHi: u64 = 0, restLo: u64 = 0;
  let inHi: u64 = odd ? hi : hi >> 1, inLo: u64 = odd ? 0 : hi << 63;
  let root: u64 = 0;
  for (let n = 0; n < 64; n++) {
    restHi = (restHi << 2) | (restLo >> 62);
    restLo = (restLo << 2) | (inHi >> 62);
    inHi = (inHi << 2) | (inLo >> 62);
    inLo <<= 2;
    // try 2 * root * 2 + 1 = 4 * root + 1
    const tryHi = root >> 62, tryLo = (root << 2) | 1;
    root <<= 1;
    if (restHi > tryHi || (restHi == tryHi && restLo >= tryLo)) {
      restHi = restHi - tryHi - (restLo < tryLo ? 1 : 0);
      restLo -= tryLo;
      root |= 1;
    }
  }
  setResult(0, (odd ? exp - 1 : exp) / 2, root, 0);
  // the remainder decides the guard bit: it is more than half a unit when rest > root
  if ((restHi | restLo) != 0) rLo = restHi != 0 || restLo > root ? TOP | 1 : 1;
}

/**
 * Rounds the result to `bits` significant bits with exponents from `minExp` to `maxExp`: afterwards rHi holds them,
 * left aligned; raised has OVERFLOW, UNDERFLOW (tiny after rounding and inexact) and INEXACT as they apply. A denormal
 * result keeps rExp = minExp with the integer bit clear; overflow leaves the rounded number as it is (rExp > maxExp)
 * for the caller to replace. `bounded` false: the exponent has no lower limit (unmasked underflow).
 */
export function round(bits: u32, minExp: i32, maxExp: i32, rc: Rc, bounded: bool): void {
  raised = 0;
  roundedUp = false;
  tiny = false;
  if (rZero) return;
  if (rExp < minExp) {
    // tiny after rounding: would it still be below 2^minExp with unlimited exponent range?
    const hi = rHi, lo = rLo, exp = rExp;
    roundHere(bits, rc);
    tiny = rExp < minExp;
    if (!bounded) {
      if (tiny) raised |= Fx.UNDERFLOW;
      return;
    }
    rHi = hi;
    rLo = lo;
    rExp = exp;
    raised = 0;
    roundedUp = false;
    shiftRightJam(rHi, rLo, <u32>min<i32>(minExp - rExp, 130));
    rHi = shiftedHi;
    rLo = shiftedLo;
    rExp = minExp;
    roundHere(bits, rc);
    if (tiny && (raised & Fx.INEXACT) != 0) raised |= Fx.UNDERFLOW;
    if (rHi == 0) rZero = true;
    return;
  }
  roundHere(bits, rc);
  if (rExp > maxExp) raised |= Fx.OVERFLOW;
}
function roundHere(bits: u32, rc: Rc): void {
  const keep: u64 = bits == 64 ? u64.MAX_VALUE : ~((<u64>1 << (64 - bits)) - 1);
  const unit: u64 = bits == 64 ? 1 : <u64>1 << (64 - bits);
  const below = rHi & ~keep;
  const half: bool = bits == 64 ? (rLo >> 63) != 0 : (below & (unit >> 1)) != 0;
  const more: bool = bits == 64 ? (rLo << 1) != 0 : (below & ((unit >> 1) - 1)) != 0 || rLo != 0;
  rHi &= keep;
  rLo = 0;
  if (!half && !more) return;
  raised |= Fx.INEXACT;
  let up: bool;
  switch (rc) {
    case Rc.NEAREST: up = half && (more || (rHi & unit) != 0); break;
    case Rc.DOWN: up = rSign != 0; break;
    case Rc.UP: up = rSign == 0; break;
    default: up = false; break;
  }
  if (!up) return;
  roundedUp = true;
  const old = rHi;
  rHi += unit;
  if (rHi < old) {
    rHi = TOP;
    rExp++;
  }
}
