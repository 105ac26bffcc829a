/** Arithmetic on 128 bits, which WebAssembly has not. */

/** Bits 127:64 of the unsigned product. */
export function mulHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
  const middle = a1 * b0 + ((a0 * b0) >> 32);
  const other = a0 * b1 + (middle & 0xffffffff);
  return a1 * b1 + (middle >> 32) + (other >> 32);
}
/** Bits 127:64 of the signed product. */
export function mulHighSigned(a: i64, b: i64): i64 {
  return <i64>mulHigh(<u64>a, <u64>b) - (a < 0 ? b : 0) - (b < 0 ? a : 0);
}

/** Remainder of the last divide128: AssemblyScript returns one value. */
export let remainder: u64 = 0;

/**
 * Quotient of high:low by `divisor`, which is greater than `high`; the rest is in `remainder`. Long division with
 * 32-bit digits on a divisor whose top bit is set (Knuth, TAOCP Vol. 2, "Algorithm D").
 */
export function divide128(high: u64, low: u64, divisor: u64): u64 {
  if (high == 0) {
    remainder = low % divisor;
    return low / divisor;
  }
  const s = clz<u64>(divisor);
  const d = divisor << s;
  const d1 = d >> 32, d0 = d & 0xffffffff;
  const top = s == 0 ? high : (high << s) | (low >> (64 - s));
  const rest = low << s;
  const q1 = digit(top, d1, d0, rest >> 32);
  const middle = ((top << 32) | (rest >> 32)) - q1 * d;
  const q0 = digit(middle, d1, d0, rest & 0xffffffff);
  remainder = (((middle << 32) | (rest & 0xffffffff)) - q0 * d) >> s;
  return (q1 << 32) | q0;
}
/** One 32-bit digit of the quotient of top:next by d1:d0. */
function digit(top: u64, d1: u64, d0: u64, next: u64): u64 {
  let q = top / d1;
  let r = top - q * d1;
  while (q >> 32 != 0 || q * d0 > ((r << 32) | next)) {
    q--;
    r += d1;
    if (r >> 32 != 0) break;
  }
  return q;
}
