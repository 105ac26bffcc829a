/** Interrupts of real-address and virtual-8086 mode (SDM Vol. 3B, "8086 Emulation"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { Stop } from '../../src/core/types.ts';
import { CODE, enterV86, Flag, HANDLER, type Lab, protectedLab, realLab, Sel, STACK0, TSS } from './lab.ts';

let lab: Lab;

describe('real-address mode', () => {
  beforeEach(async () => {
    lab = await realLab();
  });

  it('INT n pushes FLAGS, CS and IP and clears IF and TF; IRET takes them back', () => {
    lab.put16(4 * 0x21, 0x1234);
    lab.put16(4 * 0x21 + 2, 0x2000);
    lab.code(0x7c00, 'cd 21');
    lab.code(0x21234, 'cf');
    lab.set({ rflags: 0x203 });
    lab.step();
    expect(lab.stack(2, 3)).toEqual([0x7c02, 0, 0x203]);
    expect(lab.selector('cs')).toBe(0x2000);
    expect(lab.get('rip')).toBe(0x1234n);
    expect(lab.get('rflags')).toBe(3n);
    lab.step();
    expect(lab.get('rip')).toBe(0x7c02n);
    expect(lab.selector('cs')).toBe(0);
    expect(lab.get('rsp')).toBe(0x7000n);
    expect(lab.get('rflags')).toBe(0x203n);
  });

  it('a frame may wrap around the end of the stack segment', () => {
    lab.put16(4 * 0x21, 0x1234);
    lab.set({ rsp: 2 });
    lab.code(0x7c00, 'cd 21');
    lab.step();
    expect(lab.get('rsp')).toBe(0xfffcn);
    expect(lab.view().getUint16(0, true)).toBe(2);
    expect(lab.view().getUint16(0xfffe, true)).toBe(0);
    expect(lab.view().getUint16(0xfffc, true)).toBe(0x7c02);
  });

  it('an interrupt table too short for INT n ends in shutdown', () => {
    lab.set({ 'idtr.limit': 0x10 });
    lab.code(0x7c00, 'cd 21');
    expect(lab.step(2)).toBe(Stop.SHUTDOWN);
  });

  it('IRET with 32-bit operands restores RF for one instruction', () => {
    lab.put32(0x7000, 0x7d00);
    lab.put32(0x7004, 0);
    lab.put32(0x7008, 0x10002);
    lab.code(0x7c00, '66 cf');
    lab.code(0x7d00, '90');
    lab.step();
    expect(lab.get('rip')).toBe(0x7d00n);
    expect(lab.get('rflags') & Flag.RF).toBe(Flag.RF);
    lab.step();
    expect(lab.get('rflags') & Flag.RF).toBe(0n);
  });

  it('a load of a segment register keeps limit and rights: unreal mode', () => {
    lab.core.setSegment('ds', { selector: 0, base: 0n, limit: 0xffffffff, rights: 0xc093 });
    lab.code(0x7c00, 'b8 00 10  mov ax, 0x1000\n 8e d8  mov ds, ax');
    lab.step(2);
    expect(lab.core.getSegment('ds')).toEqual({ selector: 0x1000, base: 0x10000n, limit: 0xffffffff, rights: 0xc093 });
  });

  it('BOUND outside its bounds is #BR before the instruction', () => {
    lab.put16(4 * 5, 0x5555);
    lab.put16(0x600, 0xfffe);
    lab.put16(0x602, 4);
    lab.code(0x7c00, '62 06 00 06  bound ax, [0x600]\n'.repeat(2));
    lab.set({ rax: 0xffff });
    lab.step();
    expect(lab.get('rip')).toBe(0x7c04n);
    lab.set({ rax: 5 });
    lab.step();
    expect(lab.get('rip')).toBe(0x5555n);
    expect(lab.stack(2, 1)).toEqual([0x7c04]);
  });
});

describe('virtual-8086 mode', () => {
  beforeEach(async () => {
    lab = await protectedLab();
  });

  it('IRET of ring 0 with VM set enters it with all six segments', () => {
    const items = [0x1234, 0x2000, 0x20202, 0x4000, 0x3000, 0x5000, 0x6000, 0x7000, 0x8000];
    for (const [n, item] of items.entries()) lab.put32(STACK0 - 36 + 4 * n, item);
    lab.set({ rsp: STACK0 - 36 });
    lab.code(CODE, 'cf');
    lab.step();
    expect(lab.core.getSegment('cs')).toEqual({ selector: 0x2000, base: 0x20000n, limit: 0xffff, rights: 0xf3 });
    expect(['es', 'ss', 'ds', 'fs', 'gs'].map((name) => lab.selector(name as 'es'))).toEqual([
      0x5000, 0x3000, 0x6000, 0x7000, 0x8000,
    ]);
    expect(lab.get('rip')).toBe(0x1234n);
    expect(lab.get('rsp')).toBe(0x4000n);
    expect(lab.get('rflags')).toBe(0x20202n);
  });

  it('an exception leaves it for ring 0 with the segments on the stack and null in the registers', () => {
    lab.gate32(6, HANDLER);
    enterV86(lab, 0x20202n);
    lab.code(CODE, '0f 0b');
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER));
    expect(lab.get('rflags') & Flag.VM).toBe(0n);
    expect(lab.stack(4, 9)).toEqual([0, CODE >> 4, 0x30202, 0x100, 0x3000, 0x5000, 0x6000, 0x7000, 0x8000]);
    expect(lab.selector('ds')).toBe(0);
    expect(lab.selector('ss')).toBe(Sel.DATA);
    lab.code(HANDLER, 'cf');
    lab.code(CODE, '90');
    lab.step();
    expect(lab.get('rflags') & Flag.VM).toBe(Flag.VM);
    expect(lab.selector('gs')).toBe(0x8000);
  });

  it('INT n below IOPL 3 is #GP(0), at IOPL 3 it uses the IDT', () => {
    lab.gate32(13, HANDLER);
    lab.gate32(0x30, HANDLER + 0x100, 0xee);
    enterV86(lab, 0x20202n);
    lab.code(CODE, 'cd 30');
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER));
    expect(lab.stack(4, 2)).toEqual([0, 0]);
    enterV86(lab, 0x23202n);
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 0x100));
    expect(lab.stack(4, 1)).toEqual([2]);
  });

  it('VME redirects INT n to the 8086 program, with VIF in the place of IF', () => {
    lab.set({ cr4: 1 });
    lab.put16(TSS + 102, 0x88);
    lab.put64(0x1038, lab.view().getBigUint64(0x1038, true) | 0xffn);
    lab.load({ tr: Sel.TSS });
    lab.put16(4 * 0x30, 0x40);
    lab.put16(4 * 0x30 + 2, CODE >> 4);
    enterV86(lab, 0xa0202n);
    lab.code(CODE, 'cd 30');
    lab.step();
    expect(lab.get('rip')).toBe(0x40n);
    expect(lab.get('rflags')).toBe(0x20202n);
    expect(lab.stack(2, 3)).toEqual([2, CODE >> 4, 0x3202]);
    lab.code(CODE + 0x40, 'cf');
    lab.step();
    expect(lab.get('rflags')).toBe(0xa0202n);
  });
});
