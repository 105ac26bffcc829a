/**
 * Exact arithmetic against the host's: x87 with 53-bit precision gives the host's doubles wherever the result is no
 * denormal and no overflow.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type OneInstruction, oneInstruction } from '../one-instruction.ts';

const ENTRIES = 0x10_0000;
const ENTRY = 64;
const BATCH = 10_000;
const BATCHES = 10;
const CONTROL_WORD_DOUBLE = 0x27f;
const FRACTION = (1n << 52n) - 1n;

// biome-ignore format: a line per operation
const LOOP = [
  0xdd, 0x06, 0xdc, 0x46, 0x08, 0xdd, 0x5e, 0x10, // FLD [RSI]; FADD [RSI+8]; FSTP [RSI+16]
  0xdd, 0x06, 0xdc, 0x66, 0x08, 0xdd, 0x5e, 0x18, // FSUB
  0xdd, 0x06, 0xdc, 0x4e, 0x08, 0xdd, 0x5e, 0x20, // FMUL
  0xdd, 0x06, 0xdc, 0x76, 0x08, 0xdd, 0x5e, 0x28, // FDIV
  0xdd, 0x06, 0xd9, 0xfa, 0xdd, 0x5e, 0x30, // FSQRT
  0x48, 0x83, 0xc6, ENTRY, 0xff, 0xc9, // ADD RSI, 64; DEC ECX
];
const PROGRAM = [...LOOP, 0x75, 256 - LOOP.length - 2, 0xeb, 0xfe];
const INSTRUCTIONS = 18;

/** Doubles by a seed: any fraction, with long runs of equal bits too, and exponents that keep results in range. */
function doubles(seed: bigint): () => number {
  let state = seed;
  const next = () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return BigInt.asUintN(64, (state ^ (state >> 29n)) * 0xbf58476d1ce4e5b9n) >> 4n;
  };
  const bits = new BigUint64Array(1);
  const value = new Float64Array(bits.buffer);
  const specials = [0, -0, 1, -1, Infinity, -Infinity, NaN];
  return () => {
    const shape = Number(next() % 32n);
    if (shape < specials.length) return specials[shape];
    const run = next() % 52n;
    const fraction = shape < 12 ? (FRACTION << run) & FRACTION : shape < 16 ? (1n << run) - 1n : next() & FRACTION;
    const near = shape < 22;
    const exponent = 1023n + (near ? (next() % 8n) - 4n : (next() % 1000n) - 500n);
    bits[0] = ((next() & 1n) << 63n) | (exponent << 52n) | fraction;
    return value[0];
  };
}

describe('Arithmetic on unpacked numbers', () => {
  let cpu: OneInstruction;
  beforeAll(async () => {
    cpu = await oneInstruction();
    cpu.step([0xdb, 0xe3]);
    new DataView(cpu.core.memory.bytes(cpu.data, 2).buffer, cpu.core.memory.bytes(cpu.data, 2).byteOffset).setUint16(
      0,
      CONTROL_WORD_DOUBLE,
      true,
    );
    expect(cpu.step([0xd9, 0x2f], { rdi: BigInt(cpu.data) })).toBe('done');
  });

  it('gives the sums, differences, products, quotients and roots of doubles that the host gives', () => {
    const random = doubles(0x2545_f491_4f6c_dd1dn);
    const code = cpu.core.memory.bytes(0x1000, PROGRAM.length);
    code.set(PROGRAM);
    cpu.core.invalidateCode(0x1000, PROGRAM.length);
    for (let batch = 0; batch < BATCHES; batch++) {
      const bytes = cpu.core.memory.bytes(ENTRIES, BATCH * ENTRY);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let n = 0; n < BATCH; n++) {
        view.setFloat64(n * ENTRY, random(), true);
        view.setFloat64(n * ENTRY + 8, random(), true);
      }
      cpu.core.set('rip', 0x1000n);
      cpu.core.set('rsi', BigInt(ENTRIES));
      cpu.core.set('rcx', BigInt(BATCH));
      cpu.core.run(BATCH * INSTRUCTIONS + 100);
      expect(cpu.core.get('rcx')).toBe(0n);
      for (let n = 0; n < BATCH; n++) {
        const [a, b] = [view.getFloat64(n * ENTRY, true), view.getFloat64(n * ENTRY + 8, true)];
        const expected = [a + b, a - b, a * b, a / b, Math.sqrt(a)];
        const got = expected.map((_, k) => view.getFloat64(n * ENTRY + 16 + 8 * k, true));
        if (!got.every((value, k) => Object.is(value, expected[k]))) expect([a, b, got]).toEqual([a, b, expected]);
      }
    }
  }, 120_000);
});
