/** Far JMP, CALL and RET, call gates and IRET of protected mode (SDM Vol. 3A, "Calling Procedures Using Call Gates"). */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  CODE,
  descriptor,
  enterUser,
  Flag,
  GDT,
  gate,
  HANDLER,
  type Lab,
  longLab,
  protectedLab,
  Rights,
  Sel,
  STACK0,
  STACK3,
  TSS,
} from '../exec/lab.ts';

let lab: Lab;
const at = () => Number(lab.get('rip'));
const GP = HANDLER + 0xd00;

describe('protected mode', () => {
  beforeEach(async () => {
    lab = await protectedLab();
    for (let vector = 0; vector < 32; vector++) lab.gate32(vector, HANDLER + 0x100 * vector);
  });
  const faults = (vector: number, code: number) => {
    expect(at()).toBe(HANDLER + 0x100 * vector);
    expect(lab.stack(4, 2)).toEqual([code, CODE]);
  };

  it('a far jump to another code segment of the same level keeps CPL in CS and sets the accessed bit', () => {
    lab.put64(GDT + Sel.FREE, descriptor(0x100, 0xffff, 0x009a));
    lab.code(CODE, 'ea 34 12 00 00 60 00');
    lab.step();
    expect(lab.core.getSegment('cs')).toEqual({ selector: Sel.FREE, base: 0x100n, limit: 0xffff, rights: 0x9b });
    expect(at()).toBe(0x1234);
    expect(lab.view().getUint8(GDT + Sel.FREE + 5)).toBe(0x9b);
  });

  it.each([
    ['jump', 'ea'],
    ['call', '9a'],
  ])('a far %s goes to the upper half of a segment of 4 GiB', (_name, opcode) => {
    lab.put64(GDT + Sel.FREE, descriptor(0, 0xfffff, 0xc09b));
    lab.code(CODE, `${opcode} 38 01 00 c1 60 00`);
    lab.step();
    expect(at()).toBe(0xc100_0138);
    expect(lab.selector('cs')).toBe(Sel.FREE);
  });

  it('a far jump beyond the limit is #GP(0), to an absent segment #NP, beyond the table #GP for the selector', () => {
    lab.put64(GDT + Sel.FREE, descriptor(0, 0xfff, 0x409a));
    lab.code(CODE, 'ea 00 10 00 00 60 00');
    lab.step();
    faults(13, 0);
    lab.set({ rip: CODE, rsp: STACK0 });
    lab.put64(GDT + Sel.FREE, descriptor(0, 0xfff, 0x401a));
    lab.step();
    faults(11, Sel.FREE);
    lab.set({ rip: CODE, rsp: STACK0 });
    lab.code(CODE, 'ea 00 00 00 00 00 01');
    lab.step();
    faults(13, 0x100);
  });

  it('ring 3 may jump to conforming code and stays in ring 3', () => {
    enterUser(lab, false);
    lab.code(CODE, `ea 00 50 00 00 ${Sel.CONFORMING.toString(16)} 00`);
    lab.step();
    expect(lab.selector('cs')).toBe(Sel.CONFORMING | 3);
    expect(lab.core.state.number('cpl')).toBe(3);
  });

  it('a far call pushes CS and EIP; RET far with an immediate takes them and the parameters away', () => {
    lab.code(CODE, '9a 00 00 02 00 08 00');
    lab.code(HANDLER, 'ca 08 00');
    lab.step();
    expect(at()).toBe(HANDLER);
    expect(lab.stack(4, 2)).toEqual([CODE + 7, Sel.CODE32]);
    lab.step();
    expect(at()).toBe(CODE + 7);
    expect(lab.get('rsp')).toBe(BigInt(STACK0 + 8));
  });

  it('a call gate to ring 0 switches stacks and copies its parameters; RET far undoes both', () => {
    lab.put64(GDT + Sel.FREE, gate(Sel.CODE32, HANDLER, 0xec, 2));
    enterUser(lab, false);
    lab.put32(STACK3 - 8, 0x11111111);
    lab.put32(STACK3 - 4, 0x22222222);
    lab.set({ rsp: STACK3 - 8 });
    lab.code(CODE, '9a 00 00 00 00 60 00');
    lab.code(HANDLER, 'ca 08 00');
    lab.step();
    expect(at()).toBe(HANDLER);
    expect(lab.selector('cs')).toBe(Sel.CODE32);
    expect(lab.selector('ss')).toBe(Sel.DATA);
    expect(lab.stack(4, 6)).toEqual([CODE + 7, Sel.USER_CODE32, 0x11111111, 0x22222222, STACK3 - 8, Sel.USER_DATA]);
    lab.load({ ds: Sel.DATA });
    lab.step();
    expect(at()).toBe(CODE + 7);
    expect(lab.get('rsp')).toBe(BigInt(STACK3));
    expect(lab.selector('ss')).toBe(Sel.USER_DATA);
    expect(lab.selector('ds')).toBe(0);
    expect(lab.selector('es')).toBe(Sel.USER_DATA);
  });

  it('a 16-bit call gate pushes words', () => {
    lab.put64(GDT + Sel.FREE, gate(Sel.CODE32, HANDLER & 0xffff, 0x84));
    lab.code(CODE, '9a 00 00 00 00 60 00');
    lab.step();
    expect(at()).toBe(HANDLER & 0xffff);
    expect(lab.stack(2, 2)).toEqual([(CODE + 7) & 0xffff, Sel.CODE32]);
  });

  it('a call gate whose stack segment is bad is #TS for it, and one of lower DPL #GP for the gate', () => {
    lab.put64(GDT + Sel.FREE, gate(Sel.CODE32, HANDLER, 0xec));
    enterUser(lab, false);
    lab.code(CODE, '9a 00 00 00 00 60 00');
    lab.put32(TSS + 8, Sel.USER_DATA);
    lab.gate32(10, HANDLER + 0xa00, 0x8e, Sel.CONFORMING);
    lab.step();
    expect(lab.stack(4, 2)).toEqual([Sel.USER_DATA & ~3, CODE]);
    enterUser(lab, false);
    lab.put32(TSS + 8, Sel.DATA);
    lab.put64(GDT + Sel.FREE, gate(Sel.CODE32, HANDLER, 0x8c));
    lab.step();
    faults(13, Sel.FREE);
  });

  it('a fault on the new stack of a call gate leaves the caller as it was', () => {
    lab.put64(GDT + Sel.FREE, gate(Sel.CODE32, HANDLER, 0xec));
    lab.put64(GDT + 0x68, descriptor(0, 0x1000, 0x4093));
    enterUser(lab, false);
    lab.code(CODE, '9a 00 00 00 00 60 00');
    lab.put32(TSS + 8, 0x68);
    lab.gate32(12, HANDLER + 0xc00, 0x8e, Sel.CONFORMING);
    lab.step();
    expect(at()).toBe(HANDLER + 0xc00);
    expect(lab.core.state.number('cpl')).toBe(3);
    expect(lab.stack(4, 2)).toEqual([0x68, CODE]);
    expect(lab.get('rsp')).toBe(BigInt(STACK3 - 16));
  });

  it('an interrupt in ring 3 switches to the stack of the TSS and IRET returns', () => {
    lab.gate32(0x40, HANDLER, 0xee);
    enterUser(lab, false);
    lab.set({ rflags: 0x202 });
    lab.code(CODE, 'cd 40');
    lab.code(HANDLER, 'cf');
    lab.step();
    expect(lab.stack(4, 5)).toEqual([CODE + 2, Sel.USER_CODE32, 0x202, STACK3, Sel.USER_DATA]);
    lab.step();
    expect(at()).toBe(CODE + 2);
    expect(lab.get('rsp')).toBe(BigInt(STACK3));
    expect(lab.get('rflags')).toBe(0x202n);
  });

  it('IRET in ring 3 changes neither IOPL nor IF', () => {
    enterUser(lab, false);
    for (const [n, item] of [0x5000, Sel.USER_CODE32, 0x3202].entries()) lab.put32(STACK3 - 12 + 4 * n, item);
    lab.set({ rsp: STACK3 - 12 });
    lab.code(CODE, 'cf');
    lab.step();
    expect(lab.get('rflags')).toBe(2n);
    expect(at()).toBe(0x5000);
  });

  it('a 16-bit stack leaves the upper half of ESP on a return outwards', () => {
    lab.put64(GDT + Sel.FREE, descriptor(0, 0xffff, Rights.DATA16 | 0x60));
    for (const [n, item] of [0x5000, Sel.USER_CODE32, 2, 0x12345678, Sel.FREE | 3].entries()) {
      lab.put32(STACK0 - 20 + 4 * n, item);
    }
    lab.set({ rsp: STACK0 - 20 });
    lab.code(CODE, 'cf');
    lab.step();
    expect(lab.get('rsp')).toBe(0x25678n);
  });
});

describe('long mode', () => {
  beforeEach(async () => {
    lab = await longLab();
    for (let vector = 0; vector < 32; vector++) lab.gate64(vector, BigInt(HANDLER + 0x100 * vector));
  });

  it('a far jump through memory enters compatibility mode', () => {
    lab.put32(0x6000, 0x5000);
    lab.put16(0x6004, Sel.CODE32);
    lab.code(CODE, 'ff 2c 25 00 60 00 00');
    lab.step();
    expect(lab.selector('cs')).toBe(Sel.CODE32);
    expect(at()).toBe(0x5000);
  });

  it('a far jump to code with both L and D is #GP for it', () => {
    lab.put64(GDT + Sel.FREE, descriptor(0, 0xfffff, 0xe09a));
    lab.put32(0x6000, 0x5000);
    lab.put16(0x6004, Sel.FREE);
    lab.code(CODE, 'ff 2c 25 00 60 00 00');
    lab.step();
    expect(at()).toBe(GP);
    expect(lab.stack(8, 2)).toEqual([Sel.FREE, CODE]);
  });

  it('a call gate from compatibility mode goes to 64-bit code on the 64-bit stack, SS null', () => {
    lab.put64(GDT + Sel.FREE, gate(Sel.CODE64, HANDLER, 0xec));
    lab.put64(GDT + Sel.FREE + 8, 0n);
    enterUser(lab, false);
    lab.code(CODE, '9a 00 00 00 00 60 00');
    lab.code(HANDLER, '48 cb'); // retfq
    lab.step();
    expect(at()).toBe(HANDLER);
    expect(lab.selector('ss')).toBe(0);
    expect(lab.stack(8, 4)).toEqual([CODE + 7, Sel.USER_CODE32, STACK3, Sel.USER_DATA]);
    lab.step();
    expect(at()).toBe(CODE + 7);
    expect(lab.selector('cs')).toBe(Sel.USER_CODE32);
    expect(lab.get('rsp')).toBe(BigInt(STACK3));
  });

  it('a call gate whose upper half has a type is #GP for it', () => {
    lab.put64(GDT + Sel.FREE, gate(Sel.CODE64, HANDLER, 0x8c));
    lab.put64(GDT + Sel.FREE + 8, 0x0c00_0000_0000n);
    lab.put16(0x6004, Sel.FREE);
    lab.code(CODE, 'ff 1c 25 00 60 00 00');
    lab.step();
    expect(lab.stack(8, 2)).toEqual([Sel.FREE, CODE]);
  });

  it('an exception of compatibility mode is delivered to 64-bit code', () => {
    enterUser(lab, false);
    lab.set({ rflags: 2n | Flag.CF });
    lab.code(CODE, '0f 0b');
    lab.step();
    expect(at()).toBe(HANDLER + 0x600);
    expect(lab.stack(8, 5)).toEqual([CODE, Sel.USER_CODE32, 0x10003, STACK3, Sel.USER_DATA]);
  });
});
