/** Random instructions and bytes as programs: whatever a guest executes, the processor stays inside the guest and within its budget. */
import { describe, expect, it } from 'vitest';
import { GPRS, type SegmentName, Stop } from '../../src/core-types.ts';
import { rows } from '../../src/isa/opcodes.ts';
import { hasModrm, parseCode } from '../../src/isa/table.ts';
import { randomNumbers } from '../random.ts';
import { CODE, enterUser, HANDLER, type Lab, longLab, protectedLab, realLab, Sel } from './lab.ts';
import { outside } from './outside.ts';

const INSTRUCTIONS = 1_000_000;
const SLICE = 500;
/** Bytes that a program consists of, at CODE or wherever its mode begins. */
const PROGRAM = 0x1000;
/** Longest time of a slice in ms: far beyond what its instructions need, far below a repetition without end. */
const PATIENCE = 2_000;

/** The bytes up to ModRM of one encoding of each row of the opcode table. */
const ENCODINGS = rows.map((row) => {
  const code = parseCode(row.code);
  const modrm = code.modrm ?? (code.mod === 'r' ? 0xc0 : 0) | ((code.reg ?? 0) << 3);
  const tail = hasModrm(row) ? [code.opcode, modrm] : [code.opcode];
  const prefix = { NP: 0, NFx: 0, 66: 1, F3: 2, F2: 3 }[code.prefix ?? 'NP'];
  const map = ['', '0F', '0F38', '0F3A'].indexOf(code.map);
  if (code.vex) return [0xc4, 0xe0 | map, ((code.w ?? 0) << 7) | 0x78 | (code.l === 'L1' ? 4 : 0) | prefix, ...tail];
  const mandatory = prefix === 0 ? [] : [[0x66, 0xf3, 0xf2][prefix - 1]];
  return [...mandatory, ...(code.w ? [0x48] : []), ...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map], ...tail];
});

/** Fills memory with instructions of the opcode table whose operands are random, and with bytes that are nothing at all. */
function fillProgram(program: Uint8Array, next: () => number): void {
  for (let n = 0; n < program.length; ) {
    const encoding = (next() & 7) === 0 ? [] : ENCODINGS[next() % ENCODINGS.length];
    const free = next() & 7;
    for (const byte of encoding) if (n < program.length) program[n++] = byte;
    if ((next() & 1) === 0 && encoding.length > 1) program[n - 1] ^= next() & 0xc7;
    for (let k = 0; k < free && n < program.length; k++) program[n++] = next();
  }
}

/** A register value: an address of the guest, a model-specific register, a selector, a small count or anything. */
function randomValue(next: () => number): bigint {
  const msrs = [0x10, 0x1b, 0x174, 0x175, 0x176, 0x1a0, 0x277, 0x2ff, 0x6e0, 0x80b, 0xc0000080, 0xc0000081, 0xc0000101];
  switch (next() % 6) {
    case 0:
      return BigInt(msrs[next() % msrs.length]);
    case 1:
      return BigInt(next() & 0x7b);
    case 2:
      return BigInt(next() & 0xfff);
    case 3:
      return (BigInt(next()) << 32n) | BigInt(next());
    default:
      return BigInt(next() & 0x3fffff);
  }
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

describe('a million random instructions', () => {
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
        if (register !== 'rsp' && (next() & 1) === 0) core.set(register, randomValue(next));
      }
      core.set('rip', core.get('rip') + BigInt(next() % 64));
      for (let slices = 0; slices < 2; slices++) {
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
