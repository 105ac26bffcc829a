/** Moves that recorded vectors do not cover: direct stores, conditional loads that fault, address sizes, segments. */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Lab, realLab } from '../exec/lab.ts';
import { DATA, Flags, OpBench } from './op-bench.ts';

const UD = 6;
const GP = 13;
const PF = 14;
const UNMAPPED = 0x40000000;

let bench: OpBench;
beforeAll(async () => {
  bench = await OpBench.create();
});

describe('conditional moves', () => {
  it('CMOV reads its memory operand though the condition is false', () => {
    const { vector } = bench.run('0f 44 03', { rbx: UNMAPPED, rflags: 2 });
    expect([vector, bench.get('cr2')]).toEqual([PF, BigInt(UNMAPPED)]);
  });
  it('a 32-bit CMOV clears the upper half though the condition is false', () => {
    bench.run('0f 44 c1', { rax: 0xffffffff00000001n, rcx: 2, rflags: 2 });
    expect(bench.get('rax')).toBe(1n);
  });
  it('SETcc writes one byte', () => {
    bench.run('0f 94 c4', { rax: 0x1122334455667788n, rflags: 2n | Flags.ZF });
    expect(bench.get('rax')).toBe(0x1122334455660188n);
  });
});

describe('direct stores', () => {
  it('MOVDIR64B copies 64 bytes', () => {
    for (let n = 0; n < 8; n++) bench.poke(DATA + 8 + 8 * n, BigInt(n + 1));
    bench.run('66 0f 38 f8 03', { rax: DATA + 0x400, rbx: DATA + 8 });
    expect(Array.from({ length: 8 }, (_, n) => bench.peek(DATA + 0x400 + 8 * n))).toEqual([
      1n,
      2n,
      3n,
      4n,
      5n,
      6n,
      7n,
      8n,
    ]);
  });
  it('MOVDIR64B to an address that is not a multiple of 64 is #GP(0)', () => {
    expect(bench.run('66 0f 38 f8 03', { rax: DATA + 0x420, rbx: DATA }).vector).toBe(GP);
  });
  it('MOVDIRI and MOVNTI store a register', () => {
    bench.run('48 0f 38 f9 03', { rax: 0x1122334455667788n, rbx: DATA });
    expect(bench.peek(DATA)).toBe(0x1122334455667788n);
    bench.run('0f c3 0b', { rcx: 0xffffffffaaaaaaaan, rbx: DATA });
    expect(bench.peek(DATA)).toBe(0x11223344aaaaaaaan);
  });
});

describe('sizes', () => {
  it('LEA truncates to its operand and address sizes', () => {
    const registers = { rax: 0x1122334455667788n, rbx: 0xffffffffffffffffn };
    bench.run('66 8d 43 02', registers);
    expect(bench.get('rax')).toBe(0x1122334455660001n);
    bench.run('67 48 8d 43 02', registers);
    expect(bench.get('rax')).toBe(1n);
  });
  it('MOVSXD with a 16-bit operand size reads 16 bits', () => {
    bench.run('66 63 c1', { rax: 0x1111222233334444n, rcx: 0x8000ffff8001n });
    expect(bench.get('rax')).toBe(0x1111222233338001n);
  });
  it('MOVBE reverses the bytes in memory', () => {
    bench.run('0f 38 f1 03', { rax: 0x11223344, rbx: DATA });
    bench.run('66 0f 38 f0 0b', { rcx: 0, rbx: DATA });
    expect([bench.peek(DATA) & 0xffffffffn, bench.get('rcx')]).toEqual([0x44332211n, 0x1122n]);
  });
});

describe('segments', () => {
  it('MOV from segment register 6 or 7 is #UD', () => {
    expect(bench.run('8c f0').vector).toBe(UD);
    expect(bench.run('8c 3b', { rbx: DATA }).vector).toBe(UD);
  });

  describe('in real-address mode', () => {
    let lab: Lab;
    beforeAll(async () => {
      lab = await realLab();
      const segment = { rights: 0x93, limit: 0xffff };
      lab.core.setSegment('ds', { ...segment, selector: 0x1000, base: 0x10000n });
      lab.core.setSegment('es', { ...segment, selector: 0x2000, base: 0x20000n });
      lab.core.setSegment('ss', { ...segment, selector: 0x3000, base: 0x30000n });
    });
    const run = (bytes: string, registers: Parameters<Lab['set']>[0]) => {
      lab.set({ rip: 0x7c00, rflags: 2, ...registers });
      lab.code(0x7c00, bytes);
      lab.step();
    };

    it('an address based on BP is in SS, others in DS, and a prefix says otherwise', () => {
      lab.put16(0x10010, 0xdddd);
      lab.put16(0x20010, 0xeeee);
      lab.put16(0x30010, 0x5555);
      const registers = { rax: 0, rbx: 0x10, rbp: 0x10 };
      run('8b 07', registers);
      expect(lab.get('rax')).toBe(0xddddn);
      run('8b 46 00', registers);
      expect(lab.get('rax')).toBe(0x5555n);
      run('26 8b 46 00', registers);
      expect(lab.get('rax')).toBe(0xeeeen);
    });
    it('16-bit addresses wrap within the segment', () => {
      lab.put16(0x10001, 0x1234);
      run('8b 40 02', { rax: 0, rbx: 0xfff0, rsi: 0xf });
      expect(lab.get('rax')).toBe(0x1234n);
    });
    it('XLAT reads at BX + AL modulo 64 KiB of its segment', () => {
      lab.code(0x2000f, '77');
      run('26 d7', { rax: 0x20, rbx: 0xffef });
      expect(lab.get('rax')).toBe(0x77n);
    });
    it('a word at offset FFFFH is beyond the limit', () => {
      lab.put16(GP * 4, 0x9000);
      lab.put16(GP * 4 + 2, 0);
      run('a1 ff ff', { rsp: 0x100 });
      expect(lab.get('rip')).toBe(0x9000n);
    });
  });
});
