/** Event delivery and IRET in long mode (SDM Vol. 3A, "64-Bit Mode Exception and Interrupt Handling"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { Stop } from '../../src/core/types.ts';
import {
  CODE,
  enterUser,
  Flag,
  GDT,
  HANDLER,
  IDT,
  IST,
  type Lab,
  longLab,
  Sel,
  STACK0,
  STACK3,
  TABLES,
} from './lab.ts';

const NOP = '90';
const IRETQ = '48 cf';
const INT_30 = 'cd 30';
const UD2 = '0f 0b';

let lab: Lab;
beforeEach(async () => {
  lab = await longLab();
  lab.code(CODE, NOP);
});

describe('delivery in 64-bit mode', () => {
  it('INT n in ring 3 goes to the stack of the TSS with SS null, and IRETQ brings everything back', () => {
    lab.gate64(0x30, BigInt(HANDLER), { type: 0xee });
    enterUser(lab, true);
    lab.set({ rflags: 0x202n | Flag.CF });
    lab.code(CODE, INT_30);
    lab.code(HANDLER, IRETQ);
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER));
    expect(lab.selector('cs')).toBe(Sel.CODE64);
    expect(lab.selector('ss')).toBe(0);
    expect(lab.get('rsp')).toBe(BigInt(STACK0 - 40));
    expect(lab.stack(8, 5)).toEqual([CODE + 2, Sel.USER_CODE64, 0x203, STACK3, Sel.USER_DATA]);
    expect(lab.get('rflags') & Flag.IF).toBe(0n);
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(CODE + 2));
    expect(lab.get('rsp')).toBe(BigInt(STACK3));
    expect(lab.selector('cs')).toBe(Sel.USER_CODE64);
    expect(lab.selector('ss')).toBe(Sel.USER_DATA);
    expect(lab.get('rflags')).toBe(0x203n);
    expect(lab.core.state.number('cpl')).toBe(3);
  });

  it('a trap gate leaves IF set and RSP is aligned to 16 bytes before the pushes', () => {
    lab.gate64(0x30, BigInt(HANDLER), { type: 0x8f });
    lab.set({ rsp: STACK0 - 4, rflags: 0x202 });
    lab.code(CODE, INT_30);
    lab.step();
    expect(lab.get('rsp')).toBe(BigInt(STACK0 - 16 - 40));
    expect(lab.stack(8, 5)[3]).toBe(STACK0 - 4);
    expect(lab.get('rflags')).toBe(0x202n);
  });

  it('an IST stack is used even without a change of privilege', () => {
    lab.gate64(6, BigInt(HANDLER), { ist: 1 });
    lab.code(CODE, UD2);
    lab.step();
    expect(lab.get('rsp')).toBe(BigInt(IST - 40));
    expect(lab.selector('ss')).toBe(Sel.DATA);
    expect(lab.stack(8, 3)).toEqual([CODE, Sel.CODE64, 0x10002]);
  });

  it('a page fault pushes its error code and RF, and loads CR2', () => {
    lab.gate64(14, BigInt(HANDLER));
    enterUser(lab, true);
    lab.code(CODE, '8b 04 25 00 00 50 00  mov eax, [0x500000]');
    lab.step();
    expect(lab.get('cr2')).toBe(0x500000n);
    expect(lab.stack(8, 4)).toEqual([4, CODE, Sel.USER_CODE64, 0x10002]);
  });

  it('a software interrupt through a gate of lower DPL is #GP with the IDT bit and the vector', () => {
    lab.gate64(0x30, BigInt(HANDLER));
    lab.gate64(13, BigInt(HANDLER + 0x100));
    enterUser(lab, true);
    lab.code(CODE, INT_30);
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 0x100));
    expect(lab.stack(8, 2)).toEqual([0x30 * 8 + 2, CODE]);
  });

  it('an exception through an absent gate is #NP with EXT', () => {
    lab.gate64(6, BigInt(HANDLER), { type: 0x0e });
    lab.gate64(11, BigInt(HANDLER + 0x100));
    lab.code(CODE, UD2);
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 0x100));
    expect(lab.stack(8, 2)).toEqual([6 * 8 + 3, CODE]);
  });

  it('a handler that is not 64-bit code is #GP for its selector', () => {
    lab.gate64(6, BigInt(HANDLER), { selector: Sel.CODE32 });
    lab.gate64(13, BigInt(HANDLER + 0x100));
    lab.code(CODE, UD2);
    lab.step();
    expect(lab.stack(8, 2)).toEqual([Sel.CODE32 + 1, CODE]);
  });

  it('a non-canonical handler is #GP(EXT)', () => {
    lab.gate64(6, 0x8000_0000_0000n);
    lab.gate64(13, BigInt(HANDLER + 0x100));
    lab.code(CODE, UD2);
    lab.step();
    expect(lab.stack(8, 2)).toEqual([1, CODE]);
  });

  it('two contributory exceptions are a double fault with error code 0', () => {
    lab.gate64(13, BigInt(HANDLER), { selector: 0 });
    lab.gate64(8, BigInt(HANDLER + 0x200));
    lab.code(CODE, 'cd 40'); // gate 40h is empty: #GP, whose gate has a null selector
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 0x200));
    expect(lab.stack(8, 2)).toEqual([0, CODE]);
  });

  it('a page fault while a page fault is delivered is a double fault', () => {
    lab.put64(TABLES + 0x2008, 0n);
    lab.gate64(14, BigInt(HANDLER));
    lab.gate64(8, BigInt(HANDLER + 0x200), { ist: 1 });
    lab.set({ rsp: 0x300000 });
    lab.code(CODE, '8b 04 25 00 00 50 00  mov eax, [0x500000]');
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 0x200));
    expect(lab.get('cr2')).toBe(0x2ffff8n - 32n - 8n);
  });

  it('a fault that cannot be delivered twice shuts the processor down', () => {
    lab.set({ 'idtr.limit': 0 });
    lab.code(CODE, UD2);
    expect(lab.step(2)).toBe(Stop.SHUTDOWN);
    expect(lab.get('rip')).toBe(BigInt(CODE));
  });

  it('a delivery that fails leaves stack and registers alone', () => {
    lab.put64(TABLES + 0x2008, 0n); // the second 2 MiB are gone
    lab.set({ rsp: 0x200018 }); // a frame of 40 bytes would cross into them from below
    lab.gate64(6, BigInt(HANDLER));
    lab.gate64(14, BigInt(HANDLER + 0x100), { ist: 1 });
    lab.put64(0x1fffe8, 0x1234n);
    lab.code(CODE, UD2);
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 0x100));
    expect(lab.stack(8, 5)).toEqual([2, CODE, Sel.CODE64, 0x10002, 0x200018]);
    expect(lab.view().getBigUint64(0x1fffe8, true)).toBe(0x1234n);
  });

  it('the accessed bit of the handler code segment is set', () => {
    lab.view().setUint8(GDT + Sel.CODE64 + 5, 0x9a);
    lab.gate64(6, BigInt(HANDLER));
    lab.code(CODE, UD2);
    lab.step();
    expect(lab.view().getUint8(GDT + Sel.CODE64 + 5)).toBe(0x9b);
  });

  it('INT3 and INTO need the DPL of the gate, hardware exceptions do not', () => {
    lab.gate64(3, BigInt(HANDLER), { type: 0xee });
    enterUser(lab, true);
    lab.code(CODE, 'cc');
    lab.step();
    expect(lab.stack(8, 1)).toEqual([CODE + 1]);
    expect(lab.view().getBigUint64(IDT + 48, true) & 0xffffn).toBe(BigInt(HANDLER & 0xffff));
  });
});

describe('IRETQ', () => {
  const frame = (rip: bigint, cs: number, rflags: bigint, rsp: bigint, ss: number) => {
    const items = [rip, BigInt(cs), rflags, rsp, BigInt(ss)];
    for (const [n, value] of items.entries()) lab.put64(STACK0 - 40 + 8 * n, value);
    lab.set({ rsp: STACK0 - 40 });
    lab.code(CODE, IRETQ);
    lab.gate64(13, BigInt(HANDLER), { ist: 1 });
    lab.step();
  };

  it('may return to ring 0 with a null SS', () => {
    frame(0x12345n, Sel.CODE64, 2n, 0x7000n, 0);
    expect(lab.get('rip')).toBe(0x12345n);
    expect(lab.get('rsp')).toBe(0x7000n);
  });
  it('to ring 3 with a null SS is #GP(0)', () => {
    frame(0x12345n, Sel.USER_CODE64, 2n, 0x7000n, 3);
    expect(lab.stack(8, 2)).toEqual([0, CODE]);
  });
  it('to a non-canonical address is #GP(0)', () => {
    frame(0x8000_0000_0000n, Sel.USER_CODE64, 2n, 0x7000n, Sel.USER_DATA);
    expect(lab.stack(8, 2)).toEqual([0, CODE]);
  });
  it('with NT set is #GP(0)', () => {
    lab.set({ rflags: 2n | Flag.NT });
    frame(0x12345n, Sel.CODE64, 2n, 0x7000n, Sel.DATA);
    expect(lab.stack(8, 2)).toEqual([0, CODE]);
  });
  it('to a code segment of an inner level is #GP for it', () => {
    enterUser(lab, true);
    frame(0x12345n, Sel.CODE64, 2n, 0x7000n, Sel.DATA);
    expect(lab.stack(8, 2)).toEqual([Sel.CODE64, CODE]);
  });
  it('enters compatibility mode with a 32-bit code segment', () => {
    frame(0x1_0001_2345n & 0xffffffffn, Sel.USER_CODE32, 0x202n, 0x7000n, Sel.USER_DATA);
    expect(lab.selector('cs')).toBe(Sel.USER_CODE32);
    expect(lab.get('rflags')).toBe(0x202n);
    expect(lab.get('rip')).toBe(0x12345n);
  });
  // SDM Vol. 2A, "IRET", RETURN-TO-OUTER-PRIVILEGE-LEVEL: IF (SegmentSelector == NULL) .. THEN SegmentSelector := 0.
  it('to an outer level makes null selectors 1, 2 and 3 zero', () => {
    for (const [n, name] of (['ds', 'es', 'fs', 'gs'] as const).entries()) {
      lab.core.setSegment(name, { selector: n, base: 0n, limit: 0, rights: 0x10000 });
    }
    frame(0x12345n, Sel.USER_CODE64, 2n, 0x7000n, Sel.USER_DATA);
    expect((['ds', 'es', 'fs', 'gs'] as const).map((name) => lab.selector(name))).toEqual([0, 0, 0, 0]);
  });
  // Recorded Intel silicon: an IRETQ to a bad CS, SS of whose frame lies on an absent page, is #GP for CS.
  it('checks CS before it reads SS:RSP', () => {
    lab.put64(TABLES + 0x2008, 0n);
    lab.core.set('cr3', BigInt(TABLES));
    const top = 0x20_0000 - 24;
    for (const [n, value] of [0x12345n, 0xf8n, 2n].entries()) lab.put64(top + 8 * n, value);
    lab.set({ rsp: top });
    lab.code(CODE, IRETQ);
    lab.gate64(13, BigInt(HANDLER), { ist: 1 });
    lab.step();
    expect(lab.stack(8, 2)).toEqual([0xf8, CODE]);
  });
  it.each([
    ['IRETQ reads RFLAGS', IRETQ, 16],
    ['a far return reads CS', '48 cb', 8],
  ])('%s before what lies below it', (_name, code, offset) => {
    lab.put64(TABLES + 0x2008, 0n);
    lab.core.set('cr3', BigInt(TABLES));
    lab.set({ rsp: 0x20_0000 });
    lab.code(CODE, code);
    lab.gate64(14, BigInt(HANDLER), { ist: 1 });
    lab.step();
    expect(lab.get('cr2')).toBe(BigInt(0x20_0000 + offset));
  });
  it('takes the inner data segments away from the outer level', () => {
    frame(0x12345n, Sel.USER_CODE64, 2n, 0x7000n, Sel.USER_DATA);
    expect(lab.selector('ds')).toBe(0);
    expect(lab.core.getSegment('ds').rights & 0x10000).toBe(0x10000);
  });
});
