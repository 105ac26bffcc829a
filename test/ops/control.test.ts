/** Near control transfers (SDM Vol. 2, "CALL", "JMP", "RET", "LOOP/LOOPcc", "Jcc"). */
import { describe, expect, it } from 'vitest';
import {
  CODE,
  descriptor,
  GDT,
  HANDLER,
  IST,
  type Lab,
  longLab,
  protectedLab,
  Rights,
  Sel,
  STACK0,
} from '../exec/lab.ts';

const SMALL_LIMIT = 0x7fff;

async function long(cpu?: string): Promise<Lab> {
  const lab = await longLab(cpu);
  for (const vector of [12, 13, 14]) lab.gate64(vector, BigInt(HANDLER), { ist: 1 });
  return lab;
}
async function protectedMode(): Promise<Lab> {
  const lab = await protectedLab();
  for (const vector of [12, 13, 14]) lab.gate32(vector, HANDLER + vector * 16);
  return lab;
}
/** 32-bit lab whose CS is `rights` of `limit` bytes at CODE, with RIP 0. */
async function codeSegment(rights: number, limit: number): Promise<Lab> {
  const lab = await protectedMode();
  lab.put64(GDT + Sel.FREE, descriptor(CODE, limit, rights));
  lab.load({ cs: Sel.FREE });
  lab.set({ rip: 0 });
  return lab;
}
const faulted = (lab: Lab, vector: number, errorCode: number, rip: number) => {
  expect(lab.get('rip')).toBe(BigInt(HANDLER + vector * 16));
  expect(lab.stack(4, 2)).toEqual([errorCode, rip]);
};

describe('jumps of 16 and 32-bit code', () => {
  it('JMP rel8 in 16-bit code wraps IP to 16 bits', async () => {
    const lab = await codeSegment(Rights.CODE16, 0xffff);
    lab.code(CODE, 'eb 80');
    lab.step();
    expect(lab.get('rip')).toBe(0xff82n);
  });

  it('a 16-bit operand truncates EIP in 32-bit code', async () => {
    const lab = await protectedMode();
    lab.code(CODE, '66 e9 00 10'); // 10004 + 1000, without its upper half
    lab.step();
    expect(lab.get('rip')).toBe(0x1004n);
  });

  it.each([
    ['JMP rel16', 'e9 00 7f'],
    ['JMP r16', 'ff e0'],
    ['Jcc rel16, taken', '0f 83 00 7f'],
    ['CALL rel16', 'e8 00 7f'],
    ['CALL r16', 'ff d0'],
    ['LOOP rel8', 'e2 80'],
  ])('%s beyond the limit of CS is #GP(0) of the jump, which does nothing', async (_name, bytes) => {
    const lab = await codeSegment(Rights.CODE16, 0x40);
    lab.code(CODE, bytes);
    lab.set({ rax: 0x7f00, rcx: 7 });
    lab.step();
    faulted(lab, 13, 0, 0);
    expect(lab.get('rsp')).toBe(BigInt(STACK0 - 16));
    expect(lab.get('rcx')).toBe(7n);
  });

  it('Jcc that is not taken does not look at its target', async () => {
    const lab = await codeSegment(Rights.CODE16, 0x40);
    lab.code(CODE, '0f 82 00 7f');
    lab.step();
    expect(lab.get('rip')).toBe(4n);
  });

  it('RET to beyond the limit leaves ESP', async () => {
    const lab = await codeSegment(Rights.CODE32, SMALL_LIMIT >> 12);
    lab.put32(STACK0 - 4, SMALL_LIMIT + 1);
    lab.set({ rsp: STACK0 - 4 });
    lab.code(CODE, 'c3');
    lab.step();
    faulted(lab, 13, 0, 0);
    expect(lab.get('rsp')).toBe(BigInt(STACK0 - 4 - 16));
  });

  it('CALL pushes EIP of its operand size and RET imm16 releases as many bytes', async () => {
    const lab = await protectedMode();
    lab.code(CODE, '66 e8 00 10');
    lab.step();
    expect(lab.get('rip')).toBe(0x1004n);
    expect(lab.get('rsp')).toBe(BigInt(STACK0 - 2));
    expect(lab.stack(2, 1)).toEqual([4]);
    lab.code(0x1004, '66 c2 06 00');
    lab.step();
    expect(lab.get('rip')).toBe(4n);
    expect(lab.get('rsp')).toBe(BigInt(STACK0 + 6));
  });

  it('a near return from a 16-bit stack changes SP alone', async () => {
    const lab = await protectedMode();
    lab.load({ ss: Sel.DATA16 });
    lab.set({ rsp: 0x1234fffe });
    lab.put16(0xfffe, 0x77);
    lab.code(CODE, '66 c2 04 00');
    lab.step();
    expect(lab.get('rip')).toBe(0x77n);
    expect(lab.get('rsp')).toBe(0x12340004n);
  });
});

describe('LOOP and JCXZ', () => {
  it.each([
    ['CX', '67 e2 10', 0x10000n, 0x1ffffn, true],
    ['CX', '67 e2 10', 0x10001n, 0x10000n, false],
    ['ECX', 'e2 10', 0x10000n, 0xffffn, true],
    ['ECX', 'e2 10', 1n, 0n, false],
  ])('count in %s by the address size', async (_name, bytes, before, after, taken) => {
    const lab = await protectedMode();
    const length = bytes.split(' ').length;
    lab.code(CODE, bytes);
    lab.set({ rcx: before });
    lab.step();
    expect(lab.get('rcx')).toBe(after);
    expect(lab.get('rip')).toBe(BigInt(CODE + length + (taken ? 0x10 : 0)));
  });

  it('count in ECX clears the upper half of RCX, in RCX uses all of it', async () => {
    const lab = await long();
    lab.code(CODE, '67 e2 10');
    lab.set({ rcx: 0x5_0000_0001n });
    lab.step();
    expect([lab.get('rcx'), lab.get('rip')]).toEqual([0n, BigInt(CODE + 3)]);
    lab.code(CODE + 3, 'e2 10');
    lab.set({ rcx: 0x1_0000_0000n });
    lab.step();
    expect([lab.get('rcx'), lab.get('rip')]).toEqual([0xffff_ffffn, BigInt(CODE + 5 + 0x10)]);
  });

  it.each([
    ['LOOPE', 'e1 10', 0x42n, true],
    ['LOOPE', 'e1 10', 0x02n, false],
    ['LOOPNE', 'e0 10', 0x42n, false],
    ['LOOPNE', 'e0 10', 0x02n, true],
  ])('%s looks at ZF and leaves the flags', async (_name, bytes, rflags, taken) => {
    const lab = await protectedMode();
    lab.code(CODE, bytes);
    lab.set({ rcx: 2, rflags });
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(CODE + (taken ? 0x12 : 2)));
    expect([lab.get('rcx'), lab.get('rflags')]).toEqual([1n, rflags]);
  });

  it('JCXZ, JECXZ and JRCXZ test the register that the address size names', async () => {
    const lab = await long();
    lab.set({ rcx: 0x1_0000_0000n });
    lab.code(CODE, '67 e3 10');
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(CODE + 0x13));
    lab.code(CODE + 0x13, 'e3 10');
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(CODE + 0x15));
    const small = await protectedMode();
    small.set({ rcx: 0x10000 });
    small.code(CODE, '67 e3 10');
    small.step();
    expect(small.get('rip')).toBe(BigInt(CODE + 0x13));
  });
});

describe('jumps of 64-bit mode', () => {
  it.each([
    ['JMP r64', 'ff e0'],
    ['CALL r64', 'ff d0'],
    ['JMP m64', 'ff 24 25 00 50 00 00'],
    ['CALL m64', 'ff 14 25 00 50 00 00'],
    ['RET', 'c3'],
    ['RET imm16', 'c2 08 00'],
  ])('%s to an address that is not canonical is #GP(0) of the jump', async (_name, bytes) => {
    const lab = await long();
    const bad = 0x8000_0000_0000n;
    lab.set({ rax: bad });
    lab.put64(0x5000, bad);
    lab.put64(STACK0, bad);
    lab.code(CODE, bytes);
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER));
    expect(lab.get('rsp')).toBe(BigInt(IST - 48));
    expect(lab.stack(8, 5)).toEqual([0, CODE, Sel.CODE64, 0x10002, STACK0]);
  });

  // As recorded: groups x-branch of Intel's processor, int-fault of AMD's.
  it.each([
    ["Intel's processors have pushed", 'max', BigInt(CODE + 2)],
    ["AMD's have not", 'qemu64', 0x1234n],
  ])('a CALL to an address that is not canonical: %s', async (_name, cpu, pushed) => {
    const lab = await long(cpu);
    lab.set({ rax: 0x8000_0000_0000n });
    lab.put64(STACK0 - 8, 0x1234n);
    lab.code(CODE, 'ff d0');
    lab.step();
    expect(lab.stack(8, 5)).toEqual([0, CODE, Sel.CODE64, 0x10002, STACK0]);
    expect(lab.view().getBigUint64(STACK0 - 8, true)).toBe(pushed);
  });

  it('the last canonical address of each half is a target', async () => {
    for (const target of [0x7fff_ffff_ffffn, 0xffff_8000_0000_0000n]) {
      const lab = await long();
      lab.set({ rax: target });
      lab.code(CODE, 'ff e0');
      lab.step();
      expect(lab.get('rip')).toBe(target);
    }
  });

  it('a CALL whose push faults has not jumped', async () => {
    const lab = await long();
    lab.set({ rsp: 0x400000 + 8, rax: 0x5000 });
    lab.code(CODE, 'ff d0');
    lab.step();
    expect(lab.get('cr2')).toBe(0x400000n);
    expect(lab.stack(8, 5)).toEqual([2, CODE, Sel.CODE64, 0x10002, 0x400008]);
  });

  it('a CALL through memory that RSP addresses reads its target before it pushes', async () => {
    const lab = await long();
    lab.put64(STACK0, 0x5000n);
    lab.code(CODE, 'ff 14 24');
    lab.step();
    expect(lab.get('rip')).toBe(0x5000n);
    expect(lab.stack(8, 1)).toEqual([CODE + 3]);
  });
});
