/**
 * Tolerances of the results that no manual defines to the last bit: x87 transcendentals, RCP and RSQRT.
 */

const EXPONENT_BIAS = 16383;
const INTEGER_BIT = 1n << 63n;

interface Extended {
  sign: number;
  exponent: number;
  significand: bigint;
}

function extendedAt(bytes: Uint8Array, offset: number): Extended {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 10);
  const top = view.getUint16(8, true);
  return { sign: top >> 15, exponent: top & 0x7fff, significand: view.getBigUint64(0, true) };
}

type Class = 'zero' | 'denormal' | 'normal' | 'infinity' | 'nan' | 'unsupported';

function classOf(x: Extended): Class {
  if (x.exponent === 0) return x.significand === 0n ? 'zero' : 'denormal';
  if (!(x.significand & INTEGER_BIT)) return 'unsupported';
  if (x.exponent !== 0x7fff) return 'normal';
  return x.significand === INTEGER_BIT ? 'infinity' : 'nan';
}

/** Position on the line of all representable values, so that neighbours differ by one. */
function ordinal(x: Extended): bigint {
  const magnitude = (BigInt(x.exponent) << 63n) | (x.significand & (INTEGER_BIT - 1n));
  return x.sign ? -magnitude : magnitude;
}

/** Whether two 80-bit values at `offset` are at most `units` units in the last place apart. NaNs must be identical. */
export function extendedWithinUlps(got: Uint8Array, expected: Uint8Array, offset: number, units: bigint): boolean {
  const a = extendedAt(got, offset);
  const b = extendedAt(expected, offset);
  const isNumber = (c: Class) => c === 'zero' || c === 'denormal' || c === 'normal';
  if (!isNumber(classOf(a)) || !isNumber(classOf(b))) {
    return a.sign === b.sign && a.exponent === b.exponent && a.significand === b.significand;
  }
  const distance = ordinal(a) - ordinal(b);
  return distance <= units && -distance <= units;
}

/** Whether two 80-bit values at `offset` are of one class (zero and numbers count as one, infinities keep their sign). */
export function extendedSameClass(got: Uint8Array, expected: Uint8Array, offset: number): boolean {
  const a = extendedAt(got, offset);
  const b = extendedAt(expected, offset);
  const kind = (x: Extended) => {
    const c = classOf(x);
    if (c === 'zero' || c === 'denormal') return 'normal';
    return c === 'infinity' ? `infinity ${x.sign}` : c;
  };
  return kind(a) === kind(b);
}

/** The value as a double, for loose comparisons; infinite and NaN values become NaN. */
export function extendedToNumber(bytes: Uint8Array, offset: number): number {
  const x = extendedAt(bytes, offset);
  if (x.exponent === 0x7fff) return Number.NaN;
  const magnitude = Number(x.significand) * 2 ** (x.exponent - EXPONENT_BIAS - 63);
  return x.sign ? -magnitude : magnitude;
}

/** SDM Vol. 2, "RCPPS" and "RSQRTPS": |relative error| <= 1.5 * 2^-12. Zeros, infinities and NaNs must be identical. */
export function singlesWithinReciprocalError(
  got: Uint8Array,
  expected: Uint8Array,
  offset: number,
  length: number,
): boolean {
  const a = new DataView(got.buffer, got.byteOffset + offset, length);
  const b = new DataView(expected.buffer, expected.byteOffset + offset, length);
  for (let at = 0; at < length; at += 4) {
    if (a.getUint32(at, true) === b.getUint32(at, true)) continue;
    const [x, y] = [a.getFloat32(at, true), b.getFloat32(at, true)];
    const isClose = Math.abs(x - y) <= Math.abs(y) * 1.5 * 2 ** -12;
    if (!isClose) return false;
  }
  return true;
}
