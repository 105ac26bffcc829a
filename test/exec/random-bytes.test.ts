/** Random bytes as programs: whatever a guest executes, the processor stays inside the guest and within its budget. */
import { describe, expect, it } from 'vitest';
import { GPRS, type SegmentName, Stop } from '../../src/core-types.ts';
import { LAYOUT } from '../../src/layout.gen.ts';
import { CODE, enterUser, HANDLER, type Lab, longLab, protectedLab, realLab, Sel } from './lab.ts';

const INSTRUCTIONS = 1_000_000;
const SLICE = 2_000;
/** Bytes that a program consists of, at CODE or wherever its mode begins. */
const PROGRAM = 0x1000;
/** Longest time of a slice in ms: far beyond what 2,000 instructions need, far below a repetition without end. */
const PATIENCE = 2_000;

/** Numbers below 2^32 from a seed (Marsaglia's xorshift). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Bytes of real programs are not uniform: half of these begin an opcode map or a prefix, or name a register. */
function fillProgram(program: Uint8Array, next: () => number): void {
  const frequent = [
    0x0f, 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x48, 0x41, 0x8b, 0x89, 0xff, 0xc7, 0x80, 0xa4, 0xab, 0xe8, 0x75,
  ];
  for (let n = 0; n < program.length; n++) {
    program[n] = (next() & 3) === 0 ? frequent[next() % frequent.length] : next();
  }
}

/** First address of linear memory, and of the frame marks: one byte for each frame of it, then the processor's window. */
const MARKS = LAYOUT.CODE_FRAMES;

const { MAILBOXES } = LAYOUT;

/** Memory of the host that no guest may reach: below the marks, behind RAM, and the marks of frames that are not RAM. */
function outside(lab: Lab): Uint8Array[] {
  const ram = lab.core.memory.bytes(0, lab.core.memory.size);
  const all = new Uint8Array(ram.buffer);
  const end = ram.byteOffset + ram.length;
  return [
    all.subarray(0, MAILBOXES),
    all.subarray(2 * MAILBOXES, MARKS),
    all.subarray(end),
    all.subarray(MARKS, MARKS + (ram.byteOffset >> 12)),
    all.subarray(MARKS + (end >> 12), LAYOUT.WINDOW),
  ];
}

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

describe('a million instructions of random bytes', () => {
  it.each(SUBJECTS)('in %s stay inside the guest and within the budget', async (name, make) => {
    const next = randomNumbers(0x9e3779b9 ^ name.length);
    const { lab, begin, at } = await make();
    const { core } = lab;
    let total = 0;
    let programs = 0;
    let longest = 0;
    while (total < INSTRUCTIONS && programs < INSTRUCTIONS / 100) {
      programs++;
      begin();
      fillProgram(core.memory.bytes(at, PROGRAM), next);
      core.invalidateCode(at, PROGRAM);
      for (const register of GPRS) {
        if (register !== 'rsp' && (next() & 1) === 0) core.set(register, BigInt(next() & 0x3fffff));
      }
      core.set('rip', core.get('rip') + BigInt(next() % 64));
      for (let slices = 0; slices < 5; slices++) {
        const before = core.retired;
        const began = performance.now();
        const stop = core.run(SLICE);
        longest = Math.max(longest, performance.now() - began);
        const done = core.retired - before;
        expect(done).toBeLessThanOrEqual(SLICE + 32);
        total += Math.max(done, 1);
        if (stop !== Stop.BUDGET) break;
      }
    }
    expect(total).toBeGreaterThanOrEqual(INSTRUCTIONS);
    for (const bytes of outside(lab)) expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(longest).toBeLessThan(PATIENCE);
  });
});
