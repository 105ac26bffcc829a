/** Hardware task switches (SDM Vol. 3A, "Task Management"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { CODE, descriptor, Flag, GDT, gate, HANDLER, type Lab, protectedLab, Sel, STACK0, TSS } from '../exec/lab.ts';

const OTHER = 0x3800;
const TASK = Sel.FREE;
const GATE = 0x68;
const STACK = 0x35000;

let lab: Lab;
const at = () => Number(lab.get('rip'));
const typeByte = (selector: number) => lab.view().getUint8(GDT + selector + 5);

beforeEach(async () => {
  lab = await protectedLab();
  for (let vector = 0; vector < 32; vector++) lab.gate32(vector, HANDLER + 0x100 * vector);
  lab.put64(GDT + Sel.TSS, descriptor(TSS, 0x67, 0x008b));
  lab.put64(GDT + TASK, descriptor(OTHER, 0x67, 0x0089));
  lab.put64(GDT + GATE, gate(TASK, 0, 0x85));
  lab.put32(OTHER + 32, HANDLER);
  lab.put32(OTHER + 36, 2);
  lab.put32(OTHER + 40, 0xaaaaaaaa);
  lab.put32(OTHER + 56, STACK);
  for (const [n, selector] of [Sel.DATA, Sel.CODE32, Sel.DATA, Sel.DATA, 0, 0].entries()) {
    lab.put32(OTHER + 72 + 4 * n, selector);
  }
  lab.set({ rflags: 0x203, rbx: 0xbbbb });
});

describe('a task switch', () => {
  it('by JMP saves the old task, marks it available and loads the new one', () => {
    lab.code(CODE, 'ea 00 00 00 00 60 00');
    lab.step();
    expect(at()).toBe(HANDLER);
    expect(lab.get('rax')).toBe(0xaaaaaaaan);
    expect(lab.get('rsp')).toBe(BigInt(STACK));
    expect(lab.get('rflags')).toBe(2n);
    expect(lab.selector('tr')).toBe(TASK);
    expect(typeByte(TASK)).toBe(0x8b);
    expect(typeByte(Sel.TSS)).toBe(0x89);
    expect(lab.get('cr0') & 8n).toBe(8n);
    const old = lab.view();
    expect(old.getUint32(TSS + 32, true)).toBe(CODE + 7);
    expect(old.getUint32(TSS + 36, true)).toBe(0x203);
    expect(old.getUint32(TSS + 52, true)).toBe(0xbbbb);
    expect(old.getUint32(TSS + 56, true)).toBe(STACK0);
    expect(old.getUint16(TSS + 76, true)).toBe(Sel.CODE32);
  });

  it('by CALL through a task gate nests, and IRET returns to the caller', () => {
    lab.code(CODE, `9a 00 00 00 00 ${GATE.toString(16)} 00`);
    lab.code(HANDLER, 'cf');
    lab.step();
    expect(lab.get('rflags')).toBe(2n | Flag.NT);
    expect(lab.view().getUint16(OTHER, true)).toBe(Sel.TSS);
    expect(typeByte(TASK)).toBe(0x8b);
    expect(typeByte(Sel.TSS)).toBe(0x8b);
    lab.step();
    expect(at()).toBe(CODE + 7);
    expect(lab.get('rbx')).toBe(0xbbbbn);
    expect(lab.get('rflags')).toBe(0x203n);
    expect(typeByte(TASK)).toBe(0x89);
    expect(lab.view().getUint32(OTHER + 36, true) & 0x4000).toBe(0);
  });

  it('by an exception through a task gate pushes the error code on the stack of the handler task', () => {
    lab.put64(0x2000 + 8 * 13, gate(TASK, 0, 0x85));
    lab.code(CODE, 'ea 00 00 00 00 00 01');
    lab.step();
    expect(at()).toBe(HANDLER);
    expect(lab.stack(4, 1)).toEqual([0x100]);
    expect(lab.view().getUint32(TSS + 32, true)).toBe(CODE);
    expect(lab.view().getUint32(TSS + 36, true)).toBe(0x10203);
  });

  it('to a busy task is #GP for it', () => {
    lab.put64(GDT + TASK, descriptor(OTHER, 0x67, 0x008b));
    lab.code(CODE, 'ea 00 00 00 00 60 00');
    lab.step();
    expect(at()).toBe(HANDLER + 0xd00);
    expect(lab.stack(4, 2)).toEqual([TASK, CODE]);
  });

  it('to a TSS that is too small is #TS for it, in the old task', () => {
    lab.put64(GDT + TASK, descriptor(OTHER, 0x66, 0x0089));
    lab.code(CODE, 'ea 00 00 00 00 60 00');
    lab.step();
    expect(at()).toBe(HANDLER + 0xa00);
    expect(lab.stack(4, 2)).toEqual([TASK, CODE]);
    expect(lab.selector('tr')).toBe(Sel.TSS);
  });

  it('that finds a bad segment faults in the new task', () => {
    lab.put32(OTHER + 72 + 12, Sel.TSS); // DS
    lab.code(CODE, 'ea 00 00 00 00 60 00');
    lab.step();
    expect(at()).toBe(HANDLER + 0xa00);
    expect(lab.stack(4, 2)).toEqual([Sel.TSS, HANDLER]);
    expect(lab.selector('tr')).toBe(TASK);
    expect(lab.get('rsp')).toBe(BigInt(STACK - 16));
  });

  it('to a TSS with the T bit is followed by a debug trap with BT', () => {
    lab.put32(OTHER + 100, 1);
    lab.code(CODE, 'ea 00 00 00 00 60 00');
    lab.step(1);
    expect(at()).toBe(HANDLER + 0x100);
    expect(lab.stack(4, 1)).toEqual([HANDLER]);
    expect(lab.get('dr6')).toBe(0xffff8ff0n);
  });

  it('through a 16-bit TSS loads words', () => {
    lab.put64(GDT + TASK, descriptor(OTHER, 0x2b, 0x0081));
    const words = [0, 0, 0, 0, 0, 0, 0, 0x4321, 2, 0x1111, 0, 0, 0, 0x6000, 0, 0, 0];
    for (const [n, word] of [...words, Sel.DATA, Sel.CODE16, Sel.DATA16, Sel.DATA, 0].entries()) {
      lab.put16(OTHER + 2 * n, word);
    }
    lab.code(CODE, 'ea 00 00 00 00 60 00');
    lab.step();
    expect(at()).toBe(0x4321);
    expect(lab.get('rax') & 0xffffn).toBe(0x1111n);
    expect(lab.get('rsp') & 0xffffn).toBe(0x6000n);
    expect(lab.selector('cs')).toBe(Sel.CODE16);
  });
});
