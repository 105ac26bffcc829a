/**
 * Byte strings for the comparison with another decoder: every opcode of every map with prefixes and ModRM bytes that
 * matter, VEX with all its fields, and plain random bytes. Sixteen bytes each, seeded, the same on every run.
 */
import type { Mode } from '../../src/isa/lookup.ts';

export const STRIDE = 16;

/** Random bytes from a linear congruential generator (Numerical Recipes' constants, upper byte). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
}

/** A batch of strings, one after the other. */
function batch(count: number, random: () => number, head: (n: number) => readonly number[]): Uint8Array {
  const bytes = new Uint8Array(count * STRIDE);
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < STRIDE; i++) bytes[n * STRIDE + i] = random();
    bytes.set(head(n), n * STRIDE);
  }
  return bytes;
}

const MAPS = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
// biome-ignore format: one group a line
const PREFIXES = [
  [0x66], [0xf2], [0xf3], [0x66, 0xf2], [0xf3, 0x66], [0xf2, 0xf3], [0xf3, 0xf2],
  [0x67], [0xf0], [0x2e], [0x64], [0x66, 0x67],
];
// biome-ignore format: one group a line
const REX_PREFIXES = [
  [0x48], [0x41], [0x44], [0x4f], [0x66, 0x48], [0xf3, 0x48], [0xf2, 0x48], [0xf0, 0x48], [0x48, 0x66], [0xf3, 0x41],
];

/** Opcodes of map 0F whose meaning hangs on all of ModRM and the prefix. */
const DENSE = [0x00, 0x01, 0x0d, 0x18, 0x1c, 0x1e, 0x71, 0x72, 0x73, 0xae, 0xba, 0xc7];

/** ModRM with a given reg (low three bits of `n`) and memory or register form (bit 3); SIB bytes are frequent. */
function modrm(n: number, random: () => number): number {
  const rm = random() & 1 ? 4 : random() & 7;
  return (n & 8 ? 0xc0 : (random() % 3) << 6) | ((n & 7) << 3) | rm;
}

/** Every opcode: with every ModRM and no prefix, then with each prefix and every mod and reg. */
export function* legacy(mode: Mode): Generator<Uint8Array> {
  const random = generator(mode);
  for (const map of MAPS) {
    yield batch(0x10000, random, (n) => [...map, n >> 8, n & 0xff]);
    for (const prefix of [...PREFIXES, ...(mode === 64 ? REX_PREFIXES : [])]) {
      yield batch(0x1000, random, (n) => [...prefix, ...map, n >> 4, modrm(n & 15, random)]);
    }
  }
  for (const prefix of [...PREFIXES, ...(mode === 64 ? REX_PREFIXES : [])]) {
    yield batch(DENSE.length << 8, random, (n) => [...prefix, 0x0f, DENSE[n >> 8], n & 0xff]);
  }
}

/** Every opcode of every VEX map with every p, W and L, register and memory forms, vvvv mostly where it is not used. */
export function* vex(mode: Mode): Generator<Uint8Array> {
  const random = generator(mode + 1);
  for (let fields = 0; fields < 48; fields++) {
    const [map, low, w] = [1 + (fields % 3), Math.floor(fields / 3) & 7, fields >= 24 ? 1 : 0];
    yield batch(0x1000, random, (n) => {
      const vvvv = random() & 1 ? 15 : random() & 15;
      const rxb = mode === 64 ? random() & 0xe0 : 0xe0;
      // Gathers need 32-bit addresses, which 16-bit mode has only behind 67.
      const prefix = mode === 16 && random() & 1 ? [0x67] : [];
      return [...prefix, 0xc4, rxb | map, (w << 7) | (vvvv << 3) | low, n >> 4, modrm(n & 15, random)];
    });
  }
  for (let first = 0; first < 256; first++) {
    yield batch(0x100, random, (n) => [0xc5, first, n]);
  }
  // VLDMXCSR and VSTMXCSR want a map, a reg, memory and vvvv all at once.
  yield batch(0x100, random, (n) => [0xc5, 0xf8, 0xae, n]);
}

/** `count` random strings, a quarter of them behind one more prefix. */
export function* arbitrary(mode: Mode, count: number): Generator<Uint8Array> {
  const random = generator(mode + 2);
  const prefixes = [...PREFIXES, ...(mode === 64 ? REX_PREFIXES : [])];
  const size = 10_000;
  for (let done = 0; done < count; done += size) {
    yield batch(size, random, (n) => (n & 3 ? [] : prefixes[random() % prefixes.length]));
  }
}
