/** String instructions and their repetition (SDM Vol. 2, "REP/REPE/REPZ/REPNE/REPNZ" and the pages of MOVS to CMPS). */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createCore } from '../../src/core/index.ts';
import { Stop } from '../../src/core/types.ts';
import {
  CODE,
  descriptor,
  GDT,
  HANDLER,
  Lab,
  longLab,
  protectedLab,
  realLab,
  Sel,
  STACK0,
  TABLES,
} from '../exec/lab.ts';
import { encodeString, runStringModel, type StringCase } from './string-model.ts';

const DATA = 0x100000;
const WINDOW = 0x8000;
const DF = 0x400n;
const REP_MOVSB = 'f3 a4';
const REP_STOSB = 'f3 aa';

describe('string instructions in 64-bit mode', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await longLab();
  });

  it('do what the manual says, element by element, across pages and over themselves', () => {
    const anywhere = fc.integer({ min: 0x3800, max: 0x4800 });
    const cases = fc.record({
      op: fc.constantFrom('movs', 'stos', 'lods', 'scas', 'cmps' as const),
      repeat: fc.constantFrom('none', 'rep', 'repne' as const),
      size: fc.constantFrom(1, 2, 4, 8 as const),
      down: fc.boolean(),
      count: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 1200 })),
      from: anywhere,
      distance: fc.oneof(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -0x1000, max: 0x1000 })),
      fill: fc.constantFrom(0, 1, 2, 3),
      rax: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    });
    const property = fc.property(cases, (drawn) => {
      const from = BigInt(DATA + drawn.from);
      const c: StringCase = {
        ...drawn,
        rax: drawn.fill === 0 ? 0n : drawn.rax,
        rcx: BigInt(drawn.count),
        rsi: from,
        rdi: from + BigInt(drawn.distance),
      } as StringCase;
      const memory = lab.core.memory.bytes(DATA, WINDOW);
      // Values from a small set make runs of equal elements, long and short.
      for (let n = 0; n < WINDOW; n++) memory[n] = drawn.fill === 0 ? 0 : (n * n + (n >> 5)) & drawn.fill;
      const model = new Uint8Array(DATA + WINDOW);
      model.set(memory, DATA);
      const expected = runStringModel(c, model);
      lab.code(CODE, encodeString(c));
      lab.set({ rip: CODE, rax: c.rax, rcx: c.rcx, rsi: c.rsi, rdi: c.rdi, rflags: c.down ? 2n | DF : 2n });
      const before = lab.core.retired;
      lab.step();
      expect(lab.core.retired - before).toBe(1);
      const { rax, rcx, rsi, rdi, compared } = expected;
      expect([lab.get('rax'), lab.get('rcx'), lab.get('rsi'), lab.get('rdi')]).toEqual([rax, rcx, rsi, rdi]);
      expect(Buffer.compare(memory, model.subarray(DATA))).toBe(0);
      if (compared) {
        const [left, right] = compared;
        expect([(lab.get('rflags') & 0x40n) !== 0n, (lab.get('rflags') & 1n) !== 0n]).toEqual([
          left === right,
          left < right,
        ]);
      }
    });
    fc.assert(property, { numRuns: 600, seed: 20 });
  });

  it('a fault leaves the registers of the completed iterations and RIP at the instruction', () => {
    lab.gate64(14, BigInt(HANDLER), { ist: 1 });
    const end = 0x400000;
    lab.code(CODE, 'f3 48 a5');
    lab.set({ rip: CODE, rsi: DATA, rdi: end - 40, rcx: 100, rsp: STACK0, rflags: 2 });
    lab.step();
    expect(lab.get('cr2')).toBe(BigInt(end));
    expect(lab.stack(8, 2)).toEqual([2, CODE]);
    expect([lab.get('rcx'), lab.get('rsi'), lab.get('rdi')]).toEqual([95n, BigInt(DATA + 40), BigInt(end)]);
  });

  it('a fault of REPE CMPS restores the flags', () => {
    lab.code(CODE, 'f3 a6');
    const end = 0x400000;
    lab.core.memory.bytes(end - 8, 8).fill(7);
    lab.core.memory.bytes(DATA, 8).fill(7);
    lab.set({ rip: CODE, rsi: DATA, rdi: end - 8, rcx: 100, rsp: STACK0, rflags: 0x8d7 });
    lab.step();
    expect(lab.get('rcx')).toBe(92n);
    expect(lab.stack(8, 4)[3] & 0x8d5).toBe(0x8d5 & 0x8d7);
  });

  it('an address size of 32 bits wraps there and clears the upper halves', () => {
    lab.code(CODE, '67 f3 a4');
    lab.core.memory.bytes(DATA, 4).set([1, 2, 3, 4]);
    const high = 0x7_0000_0000n;
    lab.set({ rip: CODE, rsi: high + BigInt(DATA), rdi: high + BigInt(DATA + 16), rcx: high + 4n, rflags: 2 });
    lab.step();
    expect([lab.get('rsi'), lab.get('rdi'), lab.get('rcx')]).toEqual([BigInt(DATA + 4), BigInt(DATA + 20), 0n]);
    expect([...lab.core.memory.bytes(DATA + 16, 4)]).toEqual([1, 2, 3, 4]);
  });

  it('code that REP MOVS overwrites is decoded anew, also behind the instruction itself', () => {
    lab.code(CODE, `${REP_MOVSB} 90 90 90`);
    lab.code(DATA, '31 c0 f4'); // xor eax, eax; hlt
    lab.set({ rip: CODE, rax: 5, rcx: 0, rflags: 2 });
    lab.step(3); // decodes the NOPs with the rest of the block
    lab.set({ rip: CODE, rsi: DATA, rdi: CODE + 2, rcx: 3 });
    lab.step(2);
    expect([lab.get('rax'), lab.get('rip')]).toEqual([0n, BigInt(CODE + 4)]);
  });
});

describe('string instructions of 16 and 32-bit code', () => {
  it('an override names the segment of the source alone', async () => {
    const lab = await protectedLab();
    lab.put64(GDT + Sel.FREE, descriptor(DATA, 0xffff, 0x4093));
    lab.load({ fs: Sel.FREE });
    lab.core.memory.bytes(DATA + 0x10, 2).set([0xaa, 0xbb]);
    lab.core.memory.bytes(DATA + 0x20, 2).fill(0);
    lab.code(CODE, '64 66 a5');
    lab.set({ rsi: 0x10, rdi: 0x5000 });
    lab.step();
    expect([...lab.core.memory.bytes(0x5000, 2)]).toEqual([0xaa, 0xbb]);
  });

  it('SI and DI wrap at 64 KiB in real mode', async () => {
    const lab = await realLab();
    lab.core.memory.bytes(0xfff0, 0x10).fill(0x11);
    lab.core.memory.bytes(0, 0x10).fill(0x22);
    lab.core.setSegment('es', { selector: 0x4000, base: 0x40000n, limit: 0xffff, rights: 0x93 });
    lab.code(0x7c00, REP_MOVSB);
    lab.set({ rsi: 0xabcdfff0, rdi: 0x12340000, rcx: 0x99990020 });
    lab.step();
    expect([...lab.core.memory.bytes(0x40000, 0x20)]).toEqual([...Array(16).fill(0x11), ...Array(16).fill(0x22)]);
    expect([lab.get('rsi'), lab.get('rdi'), lab.get('rcx')]).toEqual([0xabcd0010n, 0x12340020n, 0x99990000n]);
  });

  it('stops with #GP(0) at the limit of its segment', async () => {
    const lab = await protectedLab();
    lab.gate32(13, HANDLER);
    lab.put64(GDT + Sel.FREE, descriptor(DATA, 0x10ff, 0x4093));
    lab.load({ es: Sel.FREE });
    lab.core.memory.bytes(DATA, 0x1200).fill(0);
    lab.code(CODE, 'f3 ab');
    lab.set({ rax: 0x01010101, rdi: 0, rcx: 0x1000 });
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER));
    expect(lab.stack(4, 2)).toEqual([0, CODE]);
    expect([lab.get('rdi'), lab.get('rcx')]).toEqual([0x1100n, 0x1000n - 0x440n]);
    expect(lab.core.memory.bytes(DATA, 0x1200).lastIndexOf(1)).toBe(0x10ff);
  });

  it('never writes through a segment that may not be written', async () => {
    const lab = await protectedLab();
    lab.gate32(13, HANDLER);
    lab.load({ es: Sel.CODE32 });
    lab.core.memory.bytes(0x5000, 16).fill(0);
    lab.code(CODE, `26 8a 05 00 50 00 00 ${REP_STOSB}`); // a read first: the page is in the caches
    lab.set({ rax: 0xff, rdi: 0x5000, rcx: 16 });
    lab.step(2);
    expect(lab.stack(4, 2)).toEqual([0, CODE + 7]);
    expect(lab.core.memory.bytes(0x5000, 16).every((byte) => byte === 0)).toBe(true);
  });
});

describe('a long repetition', () => {
  it('comes back within the budget and goes on where it stopped', async () => {
    const lab = await protectedLab();
    lab.code(CODE, `${REP_STOSB} eb fe`);
    lab.set({ rax: 0x5a, rdi: DATA, rcx: 0x2f0000 });
    const before = lab.core.retired;
    let runs = 0;
    while (lab.core.run(1000) === Stop.BUDGET && lab.get('rip') === BigInt(CODE) && runs < 10_000) {
      expect(lab.core.retired).toBe(before);
      runs++;
    }
    expect(runs).toBeGreaterThan(1);
    expect(lab.get('rip')).toBe(BigInt(CODE + 2));
    expect([lab.get('rcx'), lab.get('rdi')]).toEqual([0n, BigInt(DATA + 0x2f0000)]);
    expect(lab.core.memory.bytes(DATA, 0x2f0000).every((byte) => byte === 0x5a)).toBe(true);
  });

  it('to a device stops between iterations when the device asks', async () => {
    let written = 0;
    const bus = {
      portIn: () => 0xff,
      portOut: () => {},
      mmioRead: () => 0,
      mmioWrite: () => {
        if (++written === 100) core.requestStop();
      },
      interruptAcknowledge: () => 0,
    };
    const core = await createCore({ memoryBytes: 0x100000, bus });
    const lab = new Lab(core);
    lab.set({ cr0: 0x11 });
    for (const name of ['cs', 'ds', 'es', 'ss'] as const) {
      core.setSegment(name, { selector: 8, base: 0n, limit: 0xffffffff, rights: name === 'cs' ? 0xc09b : 0xc093 });
    }
    lab.code(CODE, 'f3 ab');
    lab.set({ rip: CODE, rdi: 0xd0000000, rcx: 0x10000000, rflags: 2 });
    expect(core.run(1_000_000)).toBe(Stop.REQUESTED);
    expect([written, lab.get('rcx'), lab.get('rip')]).toEqual([100, 0x10000000n - 100n, BigInt(CODE)]);
    expect(core.run(1000)).toBe(Stop.BUDGET);
    expect(written).toBeGreaterThan(100);
    expect(written).toBeLessThan(100_000);
  });

  it('that reads its own page tables through the caches sees the page vanish', async () => {
    const lab = await longLab();
    lab.gate64(14, BigInt(HANDLER), { ist: 1 });
    lab.put64(TABLES + 0x2008, 0n);
    lab.code(CODE, 'f3 a4');
    lab.set({ rsi: DATA, rdi: 0x200000 - 0x10, rcx: 0x20 });
    lab.step();
    expect([lab.get('rcx'), lab.get('cr2')]).toEqual([0x10n, 0x200000n]);
  });
});
