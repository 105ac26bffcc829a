/**
 * SSE arithmetic has two paths (docs/decisions/0005): with PE set it may use the host's operations, without it computes
 * exactly. Both must give the same bits and flags.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type OneInstruction, oneInstruction } from './one-instruction.ts';

const CODE = 0x1000;
const A = 0;
const B = 0x20;
const C = 0x40;
const RESULT = 0x60;
const MXCSR_IN = 0x80;
const MXCSR_OUT = 0x84;
const PE = 0x20;
const DEFAULT = 0x1f80;
const CR4 = 0x40620n;
const ROUNDS = 1500;

let one: OneInstruction;
let view: DataView;
beforeAll(async () => {
  one = await oneInstruction();
  one.core.set('cr4', CR4);
  one.core.set('xcr0', 7n);
  const bytes = one.core.memory.bytes(one.data, 0x100);
  view = new DataView(bytes.buffer, bytes.byteOffset, 0x100);
});

const before = [
  ...[0x0f, 0xae, 0x93, MXCSR_IN, 0, 0, 0], // ldmxcsr [rbx + MXCSR_IN]
  ...[0xc5, 0xfc, 0x10, 0x03], // vmovups ymm0, [rbx + A]
  ...[0xc5, 0xfc, 0x10, 0x4b, B], // vmovups ymm1, [rbx + B]
  ...[0xc5, 0xfc, 0x10, 0x53, C], // vmovups ymm2, [rbx + C]
];
const after = [
  ...[0xc5, 0xfc, 0x11, 0x53, RESULT], // vmovups [rbx + RESULT], ymm2
  ...[0x0f, 0xae, 0x9b, MXCSR_OUT, 0, 0, 0], // stmxcsr [rbx + MXCSR_OUT]
];
const INSTRUCTIONS = 7;

/** Loads the instruction of `bytes`, which works on ymm0, ymm1 and ymm2, and gives what runs it. */
function prepare(bytes: readonly number[]): (mxcsr: number) => { result: bigint[]; mxcsr: number } {
  const code = [...before, ...bytes, ...after];
  one.core.memory.bytes(CODE, code.length).set(code);
  one.core.invalidateCode(CODE, code.length);
  return (mxcsr) => {
    view.setUint32(MXCSR_IN, mxcsr, true);
    one.core.set('rip', BigInt(CODE));
    one.core.set('rbx', BigInt(one.data));
    one.core.run(INSTRUCTIONS);
    expect(one.core.get('rip')).toBe(BigInt(CODE + code.length));
    const result = [0, 8, 16, 24].map((at) => view.getBigUint64(RESULT + at, true));
    return { result, mxcsr: view.getUint32(MXCSR_OUT, true) };
  };
}

/** A small generator with a fixed seed: the same operands in every run. */
function randomWords(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
}

interface Format {
  readonly bytes: 4 | 8;
  readonly fraction: number;
  readonly bias: number;
}
const SINGLE: Format = { bytes: 4, fraction: 23, bias: 127 };
const DOUBLE: Format = { bytes: 8, fraction: 52, bias: 1023 };

/** Numbers near each other, with few significant bits, near both ends of the exponents, and special ones. */
function operand(next: () => number, { fraction, bias }: Format): bigint {
  const width = BigInt(fraction);
  const random = (BigInt(next()) << 32n) | BigInt(next());
  const kind = next() % 16;
  let significand = random & ((1n << width) - 1n);
  if (kind % 4 === 1) significand &= ~((1n << (width / 2n)) - 1n);
  if (kind % 4 === 2) significand = kind < 8 ? (1n << width) - 1n - (random & 3n) : random & 3n;
  let exponent = bias + (next() % 7) - 3;
  if (kind === 11) exponent = next() % (2 * bias + 2);
  if (kind === 12) exponent = next() % 3;
  if (kind === 13) exponent = 2 * bias - (next() % 3);
  if (kind === 14) exponent = bias - (next() % (2 * fraction));
  if (kind === 15) [exponent, significand] = [next() % 2 === 0 ? 0 : 2 * bias + 1, 0n];
  const sign = BigInt(next() & 1) << (width + (fraction === 52 ? 11n : 8n));
  return sign | (BigInt(exponent) << width) | significand;
}
function fill(next: () => number, format: Format): void {
  for (let at = 0; at < RESULT; at += format.bytes) {
    const bits = operand(next, format);
    if (format.bytes === 8) view.setBigUint64(at, bits, true);
    else view.setUint32(at, Number(bits), true);
  }
}

const FORMS = [
  ...[
    ['add', 0x58],
    ['mul', 0x59],
    ['sub', 0x5c],
    ['min', 0x5d],
    ['div', 0x5e],
    ['max', 0x5f],
    ['sqrt', 0x51],
  ].flatMap(([name, opcode]) => [
    { name: `v${name}ps`, format: SINGLE, code: [0xc5, 0xfc, Number(opcode), 0xd1] },
    { name: `v${name}pd`, format: DOUBLE, code: [0xc5, 0xfd, Number(opcode), 0xd1] },
    { name: `v${name}ss`, format: SINGLE, code: [0xc5, 0xfa, Number(opcode), 0xd1] },
    { name: `v${name}sd`, format: DOUBLE, code: [0xc5, 0xfb, Number(opcode), 0xd1] },
    { name: `v${name}sd from memory`, format: DOUBLE, code: [0xc5, 0xfb, Number(opcode), 0x53, B] },
    { name: `${name}sd`, format: DOUBLE, code: [0xf2, 0x0f, Number(opcode), 0xd1] },
    { name: `${name}ss`, format: SINGLE, code: [0xf3, 0x0f, Number(opcode), 0xd1] },
    { name: `${name}ss from memory`, format: SINGLE, code: [0xf3, 0x0f, Number(opcode), 0x53, B] },
  ]),
  { name: 'vaddsubpd', format: DOUBLE, code: [0xc5, 0xfd, 0xd0, 0xd1] },
  { name: 'vaddsubps', format: SINGLE, code: [0xc5, 0xff, 0xd0, 0xd1] },
  { name: 'vcvtpd2ps', format: DOUBLE, code: [0xc5, 0xfd, 0x5a, 0xd1] },
  { name: 'vcvtdq2ps', format: SINGLE, code: [0xc5, 0xfc, 0x5b, 0xd1] },
  { name: 'vfmadd231ps', format: SINGLE, code: [0xc4, 0xe2, 0x7d, 0xb8, 0xd1] },
  { name: 'vfmadd231pd', format: DOUBLE, code: [0xc4, 0xe2, 0xfd, 0xb8, 0xd1] },
  { name: 'vfnmsub231ss', format: SINGLE, code: [0xc4, 0xe2, 0x79, 0xbf, 0xd1] },
  { name: 'vfmsub231sd', format: DOUBLE, code: [0xc4, 0xe2, 0xf9, 0xbb, 0xd1] },
  { name: 'vfmaddsub231ps', format: SINGLE, code: [0xc4, 0xe2, 0x7d, 0xb6, 0xd1] },
  { name: 'vfmsubadd231pd', format: DOUBLE, code: [0xc4, 0xe2, 0xfd, 0xb7, 0xd1] },
];

describe('floating point with the precision flag set and clear', () => {
  it.each(FORMS)('$name gives the same bits, and the same flags but for that one', ({ format, code }) => {
    const run = prepare(code);
    const next = randomWords(code[code.length - 2] * 65536 + format.bytes);
    for (let n = 0; n < ROUNDS; n++) {
      fill(next, format);
      const exact = run(DEFAULT);
      const fast = run(DEFAULT | PE);
      expect(fast.result).toEqual(exact.result);
      expect(fast.mxcsr).toBe(exact.mxcsr | PE);
    }
  });
});

describe('double arithmetic', () => {
  it.each([
    {
      name: 'vaddsd',
      opcode: 0x58,
      of: (a: number, b: number) => a + b,
      exact: [1, 2 ** 52 + 1],
      inexact: [0.1, 2 ** 53],
    },
    {
      name: 'vmulsd',
      opcode: 0x59,
      of: (a: number, b: number) => a * b,
      exact: [3, 2 ** 51 + 1],
      inexact: [0.1, 2 ** 52 + 1],
    },
    { name: 'vdivsd', opcode: 0x5e, of: (a: number, b: number) => a / b, exact: [3, 9], inexact: [1, 0.1] },
  ])('$name rounds to nearest, and sets PE only where its result is inexact', ({ opcode, of, exact, inexact }) => {
    const run = prepare([0xc5, 0xfb, opcode, 0xd1]);
    for (const a of [...exact, ...inexact]) {
      view.setFloat64(A, a, true);
      view.setFloat64(B, 3, true);
      const { mxcsr } = run(DEFAULT);
      expect(view.getFloat64(RESULT, true)).toBe(of(a, 3));
      expect(mxcsr).toBe(exact.includes(a) ? DEFAULT : DEFAULT | PE);
    }
  });
});
