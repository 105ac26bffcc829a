/**
 * x87 instructions have a short path for normal numbers with every exception masked. With ZE unmasked, which none but
 * division raises, they compute in general: both must give the same bits and status.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type OneInstruction, oneInstruction } from './one-instruction.ts';

const CODE = 0x1000;
const [A, B, RESULT, CONTROL, STATUS, STORED] = [0, 0x10, 0x20, 0x30, 0x34, 0x38];
const ZE = 4;
const ARITHMETIC_FLAGS = 0x8d5n;
const TO_ZERO = 0xc00;
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
    one.core.set('rflags', 2n);
    view.setBigUint64(STORED, 0n, true);
    one.core.run(INSTRUCTIONS);
    if (one.core.get('rip') !== BigInt(CODE + code.length)) throw new Error('an instruction faulted');
    const [low, high] = [view.getBigUint64(RESULT, true), view.getUint16(RESULT + 8, true)];
    const rest = [
      view.getUint16(STATUS, true),
      view.getBigUint64(STORED, true),
      one.core.get('rflags') & ARITHMETIC_FLAGS,
    ];
    return `${high.toString(16)}:${low.toString(16)} status, memory, flags ${rest.map((n) => n.toString(16)).join(' ')}`;
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

/** Is there a zero among A and B? */
const hasZero = () =>
  [A, B].some((at) => view.getBigUint64(at, true) === 0n && (view.getUint16(at + 8, true) & 0x7fff) === 0);

const SETTINGS = [
  { setting: '64 bits', control: 0x37f },
  { setting: '53 bits', control: 0x27f },
];
const TRUNCATING = { setting: 'truncation', control: 0x37f | TO_ZERO };
const FORMS = [
  { name: 'fadd', code: [0xd8, 0xc1], settings: SETTINGS },
  { name: 'fadd st(1)', code: [0xdc, 0xc1], settings: SETTINGS },
  { name: 'fmul', code: [0xd8, 0xc9], settings: SETTINGS },
  { name: 'fsub', code: [0xd8, 0xe1], settings: SETTINGS },
  { name: 'fsubr', code: [0xd8, 0xe9], settings: SETTINGS },
  { name: 'fsubp', code: [0xde, 0xe9], settings: SETTINGS },
  { name: 'fsubrp', code: [0xde, 0xe1], settings: SETTINGS },
  { name: 'fdiv', code: [0xd8, 0xf1], settings: SETTINGS },
  { name: 'fdivrp', code: [0xde, 0xf1], settings: SETTINGS },
  { name: 'fcom', code: [0xd8, 0xd1], settings: SETTINGS.slice(0, 1) },
  { name: 'fucomi', code: [0xdb, 0xe9], settings: SETTINGS.slice(0, 1) },
  { name: 'fst dword', code: [0xd9, 0x53, STORED], settings: SETTINGS.slice(0, 1) },
  { name: 'fst qword', code: [0xdd, 0x53, STORED], settings: SETTINGS },
  { name: 'fist dword', code: [0xdb, 0x53, STORED], settings: [SETTINGS[0], TRUNCATING] },
  { name: 'fadd dword', code: [0xd8, 0x43, B + 4], settings: SETTINGS.slice(0, 1) },
  { name: 'fsubr qword', code: [0xdc, 0x6b, B + 2], settings: SETTINGS.slice(0, 1) },
  { name: 'fcom qword', code: [0xdc, 0x53, B + 2], settings: SETTINGS.slice(0, 1) },
].flatMap(({ settings, ...form }) => settings.map((setting) => ({ ...form, ...setting })));

describe('x87 instructions with every exception masked and with ZE unmasked', () => {
  it.each(FORMS)('$name with $setting gives the same result and status', ({ name, code, control }) => {
    const run = prepare(code);
    const next = randomWords(code[0] * 65536 + code[1] * 256 + (control & 0xff00));
    const different: string[] = [];
    for (let n = 0; n < ROUNDS; n++) {
      fill(next);
      if (name.startsWith('fdiv') && hasZero()) continue;
      const quick = run(control);
      const general = run(control & ~ZE);
      if (quick !== general) different.push(`round ${n}: ${quick}, in general ${general}`);
    }
    expect(different).toEqual([]);
  });
});

describe('FILD', () => {
  it.each([
    ['word', [0xdf, 0x43, STORED], 16],
    ['dword', [0xdb, 0x43, STORED], 32],
    ['qword', [0xdf, 0x6b, STORED], 64],
  ] as const)('of a %s gives the number itself', (_name, code, bits) => {
    const program = [0xdb, 0xe3, ...code, 0xdb, 0x7b, RESULT]; // fninit; fild; fstp tbyte [rbx + RESULT]
    one.core.memory.bytes(CODE, program.length).set(program);
    one.core.invalidateCode(CODE, program.length);
    const next = randomWords(bits);
    for (let n = 0; n < 1000; n++) {
      const random = (BigInt(next()) << 32n) | BigInt(next());
      const value = BigInt.asIntN(bits, n < 3 ? [0n, -1n, 1n << BigInt(bits - 1)][n] : random >> BigInt(next() % 64));
      view.setBigInt64(STORED, value, true);
      one.core.set('rip', BigInt(CODE));
      one.core.set('rbx', BigInt(one.data));
      one.core.run(3);
      const upper = view.getUint16(RESULT + 8, true);
      const shift = BigInt(0x403e - (upper & 0x7fff));
      const magnitude = upper === 0 ? 0n : view.getBigUint64(RESULT, true) >> shift;
      expect(upper & 0x8000 ? -magnitude : magnitude).toBe(value);
    }
  });
});
