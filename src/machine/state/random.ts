/** Where the guest's entropy comes from. */

export type RandomSource = (bytes: Uint8Array) => void;

/** The generator that the options ask for. */
export function randomFor({ seed, clock }: { seed?: number; clock?: 'vm' | 'host' }): RandomSource {
  return seed === undefined && clock === 'host' ? hostRandom : seededRandom(seed ?? 0);
}

/** 64 bits of a source. */
export function wordOf(source: RandomSource): bigint {
  const bytes = new Uint8Array(8);
  source(bytes);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}

/** What one call of the host's generator gives at most. */
const HOST_LIMIT = 65536;

/** The host's own generator. */
export function hostRandom(bytes: Uint8Array): void {
  const own = new Uint8Array(Math.min(bytes.length, HOST_LIMIT));
  for (let at = 0; at < bytes.length; at += own.length) {
    const part = own.subarray(0, Math.min(own.length, bytes.length - at));
    crypto.getRandomValues(part);
    bytes.set(part, at);
  }
}

/**
 * The same bytes for the same seed, in the same order: for runs that must be equal, and no secret to anybody. The
 * generator is xoshiro128** by Blackman and Vigna, its state filled by splitmix32.
 */
export function seededRandom(seed: number): RandomSource {
  let mixed = seed >>> 0;
  const splitmix = (): number => {
    mixed = (mixed + 0x9e3779b9) >>> 0;
    let z = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let [a, b, c, d] = [splitmix(), splitmix(), splitmix(), splitmix()];
  const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
  return (bytes) => {
    for (let at = 0; at < bytes.length; at++) bytes[at] = next() >>> 24;
  };
}
