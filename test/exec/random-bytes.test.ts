/** Random instructions and bytes as programs: whatever a guest executes, the processor stays inside the guest and within its budget. */
import { describe, expect, it } from 'vitest';
import { GPRS, type SegmentName, Stop } from '../../src/core/types.ts';
import { randomNumbers } from '../random.ts';
import { CODE, enterUser, HANDLER, type Lab, longLab, protectedLab, realLab, Sel } from './lab.ts';
import { outside } from './outside.ts';
import { fillProgram, randomValue } from './random-code.ts';

const INSTRUCTIONS = 1_000_000;
const SLICE = 500;
/** Bytes that a program consists of, at CODE or wherever its mode begins. */
const PROGRAM = 0x1000;

interface Subject {
  lab: Lab;
  /** Brings registers and tables back to where a program starts. */
  begin: () => void;
  /** Physical address of the program. */
  at: number;
}

async function subjectOf(make: () => Promise<Lab>, at: number, user?: 'long' | 'protected'): Promise<Subject> {
  const lab = await make();
  const first = new Map(GPRS.map((name) => [name, lab.get(name)]));
  const segments = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const satisfies readonly SegmentName[];
  const kept = segments.map((name) => [name, lab.core.getSegment(name)] as const);
  const control = (
    ['cr0', 'cr3', 'cr4', 'efer', 'gdtr.base', 'gdtr.limit', 'idtr.base', 'idtr.limit', 'rip'] as const
  ).map((name) => [name, lab.get(name)] as const);
  const pristine = lab.core.memory.bytes(0, 0x40000).slice();
  const begin = () => {
    lab.core.reset();
    lab.core.memory.bytes(0, pristine.length).set(pristine);
    lab.core.invalidateCode(0, pristine.length);
    for (const [name, value] of control) if (name !== 'cr0') lab.core.set(name, value);
    lab.core.set('cr0', control[0][1]);
    for (const [name, segment] of kept) lab.core.setSegment(name, segment);
    for (const [name, value] of first) lab.core.set(name, value);
    lab.core.set('rflags', 2n);
    if (user) enterUser(lab, user === 'long');
  };
  return { lab, begin, at };
}

function gates(lab: Lab, long: boolean): void {
  for (let vector = 0; vector < 32; vector++) {
    if (long) lab.gate64(vector, BigInt(CODE + 8 * vector), { ist: vector === 8 ? 1 : 0 });
    else lab.gate32(vector, CODE + 8 * vector);
  }
}

const long = async () => {
  const lab = await longLab();
  gates(lab, true);
  return lab;
};
const protectedMode = async () => {
  const lab = await protectedLab();
  gates(lab, false);
  return lab;
};
/** 32-bit paging of the first 4 MiB by one large page. */
const paged = async () => {
  const lab = await protectedMode();
  lab.put32(0x9000, 0x87);
  lab.set({ cr3: 0x9000, cr4: 0x10, cr0: 0x80000011 });
  return lab;
};
const code16 = async () => {
  const lab = await protectedMode();
  lab.load({ cs: Sel.CODE16, ss: Sel.DATA16 });
  lab.set({ rip: HANDLER & 0xffff, rsp: 0x7000 });
  return lab;
};

const SUBJECTS: [string, () => Promise<Subject>][] = [
  ['64-bit mode, ring 0', () => subjectOf(long, CODE)],
  ['64-bit mode, ring 3', () => subjectOf(long, CODE, 'long')],
  ['32-bit protected mode without paging', () => subjectOf(protectedMode, CODE)],
  ['32-bit protected mode with paging, ring 3', () => subjectOf(paged, CODE, 'protected')],
  ['16-bit protected mode', () => subjectOf(code16, HANDLER & 0xffff)],
  ['real-address mode', () => subjectOf(realLab, 0x7c00)],
];

describe('a million random instructions', () => {
  it.each(SUBJECTS)('in %s stay inside the guest and within the budget', async (name, make) => {
    const next = randomNumbers(0x9e3779b9 ^ name.length);
    const { lab, begin, at } = await make();
    const { core } = lab;
    let total = 0;
    let programs = 0;
    while (total < INSTRUCTIONS && programs < INSTRUCTIONS / 100) {
      programs++;
      begin();
      fillProgram(core.memory.bytes(at, PROGRAM), next);
      core.invalidateCode(at, PROGRAM);
      for (const register of GPRS) {
        if (register !== 'rsp' && (next() & 1) === 0) core.set(register, randomValue(next));
      }
      core.set('rip', core.get('rip') + BigInt(next() % 64));
      for (let slices = 0; slices < 2; slices++) {
        const before = core.retired;
        const stop = core.run(SLICE);
        const done = core.retired - before;
        expect(done).toBeLessThanOrEqual(SLICE + 32);
        total += Math.max(done, 1);
        if (stop !== Stop.BUDGET) break;
      }
    }
    expect(total).toBeGreaterThanOrEqual(INSTRUCTIONS);
    for (const bytes of outside(lab)) expect(bytes.every((byte) => byte === 0)).toBe(true);
  });
});
