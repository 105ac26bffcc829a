/** Where the guest's entropy comes from. */
import type { Saved } from '../../saved.ts';

export interface RandomSource extends Saved {
  /** Fills the whole of `bytes`. */
  fill(bytes: Uint8Array): void;
}

/** The generator that the options ask for. */
export function randomFor({ seed, clock }: { seed?: number; clock?: 'vm' | 'host' }): RandomSource {
  return seed === undefined && clock === 'host' ? new HostRandom() : new SeededRandom(seed ?? 0);
}

/** 64 bits of a source. */
export function wordOf(source: RandomSource): bigint {
  const bytes = new Uint8Array(8);
  source.fill(bytes);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}

/** What one call of the host's generator gives at most. */
const HOST_LIMIT = 65536;

/** The host's own generator, which has no state that anybody could tell. */
export class HostRandom implements RandomSource {
  fill(bytes: Uint8Array): void {
    const own = new Uint8Array(Math.min(bytes.length, HOST_LIMIT));
    for (let at = 0; at < bytes.length; at += own.length) {
      const part = own.subarray(0, Math.min(own.length, bytes.length - at));
      crypto.getRandomValues(part);
      bytes.set(part, at);
    }
  }

  save(): null {
    return null;
  }

  load(): void {}
}

type Words = [a: number, b: number, c: number, d: number];

/**
 * The same bytes for the same seed, in the same order: for runs that must be equal, and no secret to anybody. The
 * generator is xoshiro128** by Blackman and Vigna, its four words filled by splitmix32.
 */
export class SeededRandom implements RandomSource, Saved<Words> {
  #words: Words;

  constructor(seed: number) {
    let mixed = seed >>> 0;
    const splitmix = (): number => {
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let z = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    this.#words = [splitmix(), splitmix(), splitmix(), splitmix()];
  }

  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at++) bytes[at] = this.#next() >>> 24;
  }

  save(): Words {
    return [...this.#words];
  }

  load(words: Words): void {
    this.#words = [...words];
  }

  #next(): number {
    let [a, b, c, d] = this.#words;
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    this.#words = [a, b, c, d];
    return result;
  }
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
