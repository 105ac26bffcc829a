/**
 * x87 arithmetic has a short path for normal numbers with every exception masked. With ZE unmasked, which addition,
 * subtraction and multiplication never raise, it computes in general: both must give the same bits and status.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type OneInstruction, oneInstruction } from './one-instruction.ts';

const CODE = 0x1000;
const [A, B, RESULT, CONTROL, STATUS] = [0, 0x10, 0x20, 0x30, 0x34];
const ZE = 4;
const INSTRUCTIONS = 7;
const ROUNDS = 12_500;

let one: OneInstruction;
let view: DataView;
beforeAll(async () => {
  one = await oneInstruction();
  const bytes = one.core.memory.bytes(one.data, 0x100);
  view = new DataView(bytes.buffer, bytes.byteOffset, 0x100);
});

/** Loads the instruction of `bytes`, which works on ST(0) = A and ST(1) = B, and gives what runs it. */
function prepare(bytes: readonly number[]): (control: number) => string {
  const code = [
    ...[0xdb, 0xe3], // fninit
    ...[0xd9, 0x6b, CONTROL], // fldcw [rbx + CONTROL]
    ...[0xdb, 0x6b, B], // fld tbyte [rbx + B]
    ...[0xdb, 0x6b, A], // fld tbyte [rbx + A]
    ...bytes,
    ...[0xdd, 0x7b, STATUS], // fnstsw [rbx + STATUS]
    ...[0xdb, 0x7b, RESULT], // fstp tbyte [rbx + RESULT]
  ];
  one.core.memory.bytes(CODE, code.length).set(code);
  one.core.invalidateCode(CODE, code.length);
  return (control) => {
    view.setUint16(CONTROL, control, true);
    one.core.set('rip', BigInt(CODE));
    one.core.set('rbx', BigInt(one.data));
    one.core.run(INSTRUCTIONS);
    if (one.core.get('rip') !== BigInt(CODE + code.length)) throw new Error('an instruction faulted');
    const [low, high] = [view.getBigUint64(RESULT, true), view.getUint16(RESULT + 8, true)];
    return `${high.toString(16)}:${low.toString(16)} status ${view.getUint16(STATUS, true).toString(16)}`;
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

const EDGES = [0, 1, 2, 62, 63, 64, 65, 66, 67, 127, 128, 129];
/** Significands of few ones or zeros, exponents some edge apart, near both ends, and what is not normal. */
function fill(next: () => number): void {
  const middle = [0x3fff, 0x3fff, 0x3fff, 3, 0x7ffc, 0x2000, 0x5fff][next() % 7];
  for (const at of [A, B]) {
    const random = (BigInt(next()) << 32n) | BigInt(next());
    const few = BigInt(next() % 4) << BigInt(next() % 63);
    const sig = [random, few, ~few, random & ~0xfffffffffn][next() % 4];
    const distance = EDGES[next() % EDGES.length] * (at === A ? 1 : 0);
    let exponent = middle + (next() % 2 === 0 ? distance : -distance);
    if (next() % 16 === 0) exponent = [0, 1, 0x7ffe, 0x7fff][next() % 4];
    exponent = Math.min(Math.max(exponent, 0), 0x7fff);
    const integer = exponent === 0 && next() % 2 === 0 ? 0n : 1n << 63n;
    view.setBigUint64(at, BigInt.asUintN(63, sig) | integer, true);
    view.setUint16(at + 8, ((next() & 1) << 15) | exponent, true);
  }
}

const FORMS = [
  { name: 'fadd', code: [0xd8, 0xc1] },
  { name: 'fmul', code: [0xd8, 0xc9] },
  { name: 'fsub', code: [0xd8, 0xe1] },
  { name: 'fsubr', code: [0xd8, 0xe9] },
].flatMap((form) => [
  { ...form, bits: 64, control: 0x37f },
  { ...form, bits: 53, control: 0x27f },
]);

describe('x87 arithmetic with every exception masked and with ZE unmasked', () => {
  it.each(FORMS)('$name to $bits bits gives the same result and status', ({ code, control, bits }) => {
    const run = prepare(code);
    const next = randomWords(code[1] * 256 + bits);
    const different: string[] = [];
    for (let n = 0; n < ROUNDS; n++) {
      fill(next);
      const quick = run(control);
      const general = run(control & ~ZE);
      if (quick !== general) different.push(`round ${n}: ${quick}, in general ${general}`);
    }
    expect(different).toEqual([]);
  });
});
