/**
 * A block does what its instructions do one at a time, with the flags that are seen wherever it is left: at a fault, after a
 * store into code, at the end of the budget. One at a time is what recorded processors decide (test/recorded).
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { randomNumbers } from '../random.ts';
import { CODE, HANDLER, type Lab, longLab, STACK0 } from './lab.ts';

/** Raise it by hand for a long run. */
const PROGRAMS = 600;
const LONGEST = 40;
const PAGE_FAULT = 14;
const DATA = 0x40000;
/** The last bytes that are mapped. */
const EDGE = 0x3ffff8;
const NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'rip', 'rflags', 'cr2'] as const;

/** One instruction of 64-bit mode that writes RAX, RCX, RDX or RBP alone, or memory at RSI, RDI (the edge) or RBX (code). */
function randomInstruction(next: () => number): number[] {
  const pick = <T>(list: readonly T[]): T => list[next() % list.length];
  const rex = pick([[], [0x48]]);
  const register = () => pick([0, 1, 2, 5]);
  const both = () => 0xc0 | (register() << 3) | pick([0, 1, 2, 3, 5, 6]);
  /** ModRM and displacement, sometimes with an index: mostly of data, at times beyond the edge. */
  const memory = (reg: number): number[] => {
    const base = pick([6, 6, 6, 7]);
    const disp = next() & (base === 7 ? 15 : 0x7f);
    return next() & 1 ? [0x40 | (reg << 3) | base, disp] : [0x44 | (reg << 3), 0x20 | base, disp];
  };
  const condition = next() & 15;
  const op = (next() & 7) << 3;
  const count = pick([1, 3, 0, 31, 33, 63]);
  return pick<() => number[]>([
    () => [...rex, op | pick([1, 3]), both()],
    () => [...rex, 0x83, 0xc0 | op | register(), next() & 0xff],
    () => [...rex, op | pick([1, 3]), ...memory(register())],
    () => [op | pick([0, 2]), ...memory(register() & 3)],
    () => [...rex, 0x85, both()],
    () => [...rex, pick([0x89, 0x8b]), ...memory(register())],
    () => [...rex, 0x8b, 0xc0 | (register() << 3) | pick([0, 1, 2, 3, 6])],
    () => [...rex, 0x0f, pick([0xb6, 0xbe, 0xb7]), ...memory(register())],
    () => [...rex, pick([0xc1, 0xd1]), 0xc0 | (pick([0, 1, 4, 5, 7]) << 3) | register(), count],
    () => [...rex, 0xd3, 0xc0 | (pick([0, 1, 4, 5, 7]) << 3) | register()],
    () => [...rex, 0xff, 0xc0 | (pick([0, 1]) << 3) | register()],
    () => [...rex, 0xf7, 0xc0 | (pick([2, 3]) << 3) | register()],
    () => [...rex, 0x0f, 0xaf, both()],
    () => [...rex, 0x8d, ...memory(register())],
    () => [0x0f, 0x90 | condition, 0xc0 | (register() & 3)],
    () => [...rex, 0x0f, 0x40 | condition, both()],
    () => [0x70 | condition, pick([0, 0, 2])],
    () => [pick([0x50, 0x50, 0x58]) | register()],
    () => pick([[0x9c], [0x9f], [0xf5], [0x90]]),
    () => [0x88, 0x43 | (register() << 3), next() & 0x7f],
  ])().slice(0, 15);
}
/** D1 has no count: what the list above adds is an instruction of its own. */
function randomProgram(next: () => number): number[] {
  return Array.from({ length: LONGEST }, () => randomInstruction(next)).flat();
}

function load(lab: Lab, program: readonly number[], next: () => number): void {
  const memory = lab.core.memory.bytes(0, lab.core.memory.size);
  memory.fill(0xcc, CODE, CODE + 0x1000);
  memory.set(program, CODE);
  memory.set([0xeb, 0xfe], HANDLER);
  for (let n = 0; n < 0x100; n++) memory[DATA + n] = next();
  lab.core.invalidateCode(CODE, 0x1000);
  lab.set({ rip: CODE, rsp: STACK0, rflags: 2 | (next() & 0x8d5), rsi: DATA, rdi: EDGE, rbx: CODE, cr2: 0 });
  lab.set({ rax: next(), rcx: next() & 0xff, rdx: BigInt(next()) << 32n, rbp: next() });
}
function state(lab: Lab) {
  return {
    registers: NAMES.map((name) => `${name} ${lab.get(name).toString(16)}`),
    stack: Array.from(lab.core.memory.bytes(STACK0 - 0x80, 0x80)),
    data: Array.from(lab.core.memory.bytes(DATA, 0x108)),
    code: Array.from(lab.core.memory.bytes(CODE, 0x80)),
  };
}

describe.each(['max', 'EPYC'])('on %s', (cpu) => {
  let whole: Lab;
  let single: Lab;
  beforeAll(async () => {
    [whole, single] = [await longLab(cpu), await longLab(cpu)];
    for (const lab of [whole, single]) for (const vector of [3, 6, 13, PAGE_FAULT]) lab.gate64(vector, BigInt(HANDLER));
  });

  it(`${PROGRAMS} random programs end as they do one instruction at a time`, () => {
    const next = randomNumbers(0x3421);
    let faults = 0;
    for (let n = 1; n <= PROGRAMS; n++) {
      const program = randomProgram(next);
      const seed = 1 + next();
      for (const lab of [whole, single]) load(lab, program, randomNumbers(seed));
      const budget = 1 + (next() % LONGEST);
      whole.core.run(budget);
      single.step(budget);
      const bytes = program.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
      expect(state(whole), `program ${n}, ${budget} instructions: ${bytes}`).toEqual(state(single));
      if (whole.get('cr2') !== 0n) faults++;
    }
    expect(faults).toBeGreaterThan(PROGRAMS / 10);
  });
});
