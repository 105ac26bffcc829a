/** PUSH, POP, PUSHA, POPA, ENTER and LEAVE (SDM Vol. 2, their pages; Vol. 1, "Procedure Stack"). */
import { describe, expect, it } from 'vitest';
import { CODE, descriptor, GDT, HANDLER, type Lab, longLab, protectedLab, Sel, STACK0 } from '../exec/lab.ts';

const DATA16_RIGHTS = 0x0093;
const EXPAND_DOWN_16 = 0x0097;

async function long(): Promise<Lab> {
  const lab = await longLab();
  for (const vector of [12, 14]) lab.gate64(vector, BigInt(HANDLER + vector * 16), { ist: 1 });
  return lab;
}
/** 32-bit code on a stack segment of its own. A fault is delivered to the same stack. */
async function withStack(limit: number, rights: number, base = 0): Promise<Lab> {
  const lab = await protectedLab();
  lab.put64(GDT + Sel.FREE, descriptor(base, limit, rights));
  lab.load({ ss: Sel.FREE });
  for (const vector of [12, 14]) lab.gate32(vector, HANDLER + vector * 16);
  return lab;
}

describe('PUSH and POP', () => {
  it('PUSH rSP pushes its value from before', async () => {
    const lab = await long();
    lab.code(CODE, '54 66 54');
    lab.step(2);
    expect(lab.stack(2, 1)).toEqual([(STACK0 - 8) & 0xffff]);
    expect(lab.view().getBigUint64(STACK0 - 8, true)).toBe(BigInt(STACK0));
  });

  it('POP rSP ends with the value from the stack', async () => {
    const lab = await long();
    lab.put64(STACK0, 0x1234_5678_9abcn);
    lab.code(CODE, '5c');
    lab.step();
    expect(lab.get('rsp')).toBe(0x1234_5678_9abcn);
  });

  it('POP SP replaces 16 bits of the incremented RSP', async () => {
    const lab = await long();
    lab.put64(0x3fffe, 0x4321n);
    lab.set({ rsp: 0x3fffe });
    lab.code(CODE, '66 5c');
    lab.step();
    expect(lab.get('rsp')).toBe(0x44321n);
  });

  it('POP to memory that rSP addresses uses the incremented rSP', async () => {
    const lab = await long();
    lab.put64(STACK0, 0x55n);
    lab.put64(STACK0 + 8, 0n);
    lab.code(CODE, '8f 04 24');
    lab.step();
    expect(lab.view().getBigUint64(STACK0 + 8, true)).toBe(0x55n);
    expect(lab.get('rsp')).toBe(BigInt(STACK0 + 8));
  });

  it('POP to memory that faults leaves rSP', async () => {
    const lab = await long();
    lab.code(CODE, '8f 04 25 00 00 40 00');
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 14 * 16));
    expect(lab.stack(8, 5)).toEqual([2, CODE, Sel.CODE64, 0x10002, STACK0]);
  });

  it.each([
    ['PUSH imm8', '6a 80', 8, 0xffff_ffff_ffff_ff80n],
    ['PUSH imm32', '68 00 00 00 80', 8, 0xffff_ffff_8000_0000n],
    ['PUSH imm16', '66 68 00 80', 2, 0x8000n],
  ])('%s is sign-extended to the operand size', async (_name, bytes, size, value) => {
    const lab = await long();
    lab.code(CODE, bytes);
    lab.step();
    expect(lab.get('rsp')).toBe(BigInt(STACK0 - size));
    const pushed = lab.view().getBigUint64(STACK0 - size, true);
    expect(BigInt.asUintN(8 * size, pushed)).toBe(value);
  });

  // SDM Vol. 2B, "PUSH": all recent Intel processors perform a 16-bit move, leaving the upper portion unmodified.
  it.each([
    ['zero-extends the selector', 'qemu64', Sel.DATA],
    ["writes 16 bits of the doubleword on Intel's processors", 'max', 0xffff_0000 + Sel.DATA],
  ])('PUSH of a segment register %s', async (_name, cpu, pushed) => {
    const lab = await protectedLab(cpu);
    lab.put32(STACK0 - 4, 0xffffffff);
    lab.code(CODE, '1e');
    lab.step();
    expect(lab.stack(4, 1)).toEqual([pushed]);
  });

  it("POP of a segment register needs no more than 16 bits of the doubleword on Intel's processors", async () => {
    const lab = await withStack(0x7fff, DATA16_RIGHTS);
    lab.set({ rsp: 0x7ffe });
    lab.put16(0x7ffe, Sel.DATA);
    lab.code(CODE, '1f');
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(CODE + 1));
    expect(lab.get('rsp')).toBe(0x8002n);
  });

  it('a 16-bit stack moves SP alone and wraps', async () => {
    const lab = await withStack(0xffff, DATA16_RIGHTS);
    lab.set({ rsp: 0xabcd0000, rax: 0x11223344 });
    lab.code(CODE, '50 5b');
    lab.step();
    expect(lab.get('rsp')).toBe(0xabcdfffcn);
    expect(lab.view().getUint32(0xfffc, true)).toBe(0x11223344);
    lab.step();
    expect(lab.get('rsp')).toBe(0xabcd0000n);
    expect(lab.get('rbx')).toBe(0x11223344n);
  });

  it('a push that is not canonical is #SS(0) in 64-bit mode', async () => {
    const lab = await long();
    lab.set({ rsp: 0x8000_0000_0008n });
    lab.code(CODE, '50');
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 12 * 16));
    expect(lab.stack(8, 2)).toEqual([0, CODE]);
  });

  it('an expand-down stack ends above its limit', async () => {
    const lab = await withStack(0xfff, EXPAND_DOWN_16);
    lab.set({ rsp: 0x1004 });
    lab.code(CODE, '50 50');
    lab.step();
    expect(lab.get('rsp')).toBe(0x1000n);
    expect(lab.step()).toBe(2); // no room for the frame of #SS either: shutdown
    expect(lab.get('rip')).toBe(BigInt(CODE + 1));
    expect(lab.get('rsp')).toBe(0x1000n);
  });
});

describe('PUSHA and POPA', () => {
  const registers = { rax: 1, rcx: 2, rdx: 3, rbx: 4, rbp: 5, rsi: 6, rdi: 7 };

  it('PUSHAD stores eight registers with ESP from before; POPAD skips it', async () => {
    const lab = await protectedLab();
    lab.set(registers);
    lab.code(CODE, '60 61');
    lab.step();
    expect(lab.stack(4, 8)).toEqual([7, 6, 5, STACK0, 4, 3, 2, 1]);
    for (let n = 0; n < 8; n++) lab.put32(STACK0 - 32 + 4 * n, 0x100 + n);
    lab.step();
    expect(lab.get('rsp')).toBe(BigInt(STACK0));
    const names = ['rdi', 'rsi', 'rbp', 'rbx', 'rdx', 'rcx', 'rax'] as const;
    expect(names.map((name) => Number(lab.get(name)))).toEqual([0x100, 0x101, 0x102, 0x104, 0x105, 0x106, 0x107]);
  });

  // The recorded Intel processor (groups x-stack) leaves what comes before the fault.
  it('a PUSHA that does not fit has written what fits, and SP stays', async () => {
    const lab = await withStack(0xfff, EXPAND_DOWN_16);
    lab.set({ ...registers, rsp: 0x1008 });
    lab.put32(0x1000, 0);
    lab.put32(0x1004, 0);
    lab.code(CODE, '66 60');
    lab.step();
    expect([lab.view().getUint32(0x1000, true), lab.view().getUint32(0x1004, true)]).toEqual([
      0x0003_0004, 0x0001_0002,
    ]);
    expect(lab.get('rsp')).toBe(0x1008n);
  });

  it('a POPA that does not fit has loaded what fits, and SP stays', async () => {
    const lab = await withStack(0x7fff, DATA16_RIGHTS);
    lab.set({ ...registers, rsp: 0x7ff8 });
    for (let n = 0; n < 4; n++) lab.put16(0x7ff8 + 2 * n, 0x100 + n);
    lab.code(CODE, '66 61');
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 12 * 16));
    expect(lab.stack(4, 2)).toEqual([0, CODE]);
    expect(['rdi', 'rsi', 'rbp', 'rbx', 'rdx'].map((name) => lab.get(name as 'rdi'))).toEqual([
      0x100n,
      0x101n,
      0x102n,
      4n,
      3n,
    ]);
  });
});

describe('ENTER and LEAVE', () => {
  it('ENTER 16, 0 is PUSH RBP; MOV RBP, RSP; SUB RSP, 16, and LEAVE undoes it', async () => {
    const lab = await long();
    lab.set({ rbp: 0x7777 });
    lab.code(CODE, 'c8 10 00 00 c9');
    lab.step();
    expect(lab.get('rbp')).toBe(BigInt(STACK0 - 8));
    expect(lab.get('rsp')).toBe(BigInt(STACK0 - 24));
    expect(lab.view().getBigUint64(STACK0 - 8, true)).toBe(0x7777n);
    lab.step();
    expect([lab.get('rbp'), lab.get('rsp')]).toEqual([0x7777n, BigInt(STACK0)]);
  });

  it('ENTER of level 3 copies two frame pointers and adds its own', async () => {
    const lab = await protectedLab();
    lab.set({ rbp: 0x6000 });
    lab.put32(0x6000 - 4, 0xaaaa);
    lab.put32(0x6000 - 8, 0xbbbb);
    lab.code(CODE, 'c8 08 00 03');
    lab.step();
    expect(lab.get('rbp')).toBe(BigInt(STACK0 - 4));
    expect(lab.get('rsp')).toBe(BigInt(STACK0 - 16 - 8));
    lab.set({ rsp: STACK0 - 16 });
    expect(lab.stack(4, 4)).toEqual([STACK0 - 4, 0xbbbb, 0xaaaa, 0x6000]);
  });

  it('the level counts modulo 32', async () => {
    const lab = await protectedLab();
    lab.set({ rbp: 0x6000 });
    lab.code(CODE, 'c8 00 00 21');
    lab.step();
    expect(lab.stack(4, 2)).toEqual([STACK0 - 4, 0x6000]);
  });

  // SDM Vol. 2A, "ENTER": IF OperandSize = 32 THEN FrameTemp := ESP, whatever the size of the stack.
  it('ENTER with a 32-bit operand on a 16-bit stack takes all of ESP as its frame pointer', async () => {
    const lab = await withStack(0xffff, DATA16_RIGHTS);
    lab.set({ rsp: 0xabcd_8000, rbp: 0x1234_5678 });
    lab.code(CODE, 'c8 08 00 01');
    lab.step();
    expect(lab.get('rbp')).toBe(0xabcd_7ffcn);
    expect(lab.get('rsp')).toBe(0xabcd_7ff0n);
    expect([lab.view().getUint32(0x7ffc, true), lab.view().getUint32(0x7ff8, true)]).toEqual([
      0x1234_5678, 0xabcd_7ffc,
    ]);
  });

  it('ENTER faults where a write at its final RSP would, after its pushes and with no register changed', async () => {
    const lab = await long();
    lab.set({ rbp: 0x5555, rsp: 0x800 });
    lab.put64(0x7f8, 0n);
    lab.code(CODE, 'c8 00 10 00');
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 14 * 16));
    expect(lab.get('cr2')).toBe(BigInt.asUintN(64, 0x7f8n - 0x1000n));
    expect(lab.stack(8, 5)).toEqual([2, CODE, Sel.CODE64, 0x10002, 0x800]);
    expect(lab.get('rbp')).toBe(0x5555n);
    expect(lab.view().getBigUint64(0x7f8, true)).toBe(0x5555n);
  });

  it('LEAVE takes SP from BP on a 16-bit stack', async () => {
    const lab = await withStack(0xffff, DATA16_RIGHTS);
    lab.set({ rsp: 0xabcd0000, rbp: 0x12348000 });
    lab.put32(0x8000, 0x99887766);
    lab.code(CODE, 'c9');
    lab.step();
    expect(lab.get('rsp')).toBe(0xabcd8004n);
    expect(lab.get('rbp')).toBe(0x99887766n);
  });
});
