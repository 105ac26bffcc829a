/** Segment loads and the instructions that examine selectors (SDM Vol. 3A, "Protection"). */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  CODE,
  descriptor,
  enterUser,
  GDT,
  HANDLER,
  type Lab,
  longLab,
  protectedLab,
  Sel,
  STACK3,
  TSS,
} from '../exec/lab.ts';

let lab: Lab;
const at = () => Number(lab.get('rip'));
const ZF = 0x40n;

describe('protected mode', () => {
  beforeEach(async () => {
    lab = await protectedLab();
    for (let vector = 0; vector < 32; vector++) lab.gate32(vector, HANDLER + 0x100 * vector);
  });
  /** Loads `selector` with MOV Sreg, eax. */
  const load = (segment: string, selector: number) => {
    lab.code(CODE, { ds: '8e d8', ss: '8e d0', fs: '8e e0' }[segment] ?? '');
    lab.set({ rip: CODE, rax: selector });
    lab.step();
  };

  it('a null selector makes DS unusable without a fault, and an access through it is #GP(0)', () => {
    load('ds', 3);
    expect(lab.selector('ds')).toBe(3);
    lab.code(CODE + 2, '8a 06');
    lab.step();
    expect(lab.stack(4, 2)).toEqual([0, CODE + 2]);
    expect(at()).toBe(HANDLER + 0xd00);
  });

  it('a null selector in SS is #GP(0)', () => {
    load('ss', 0);
    expect(lab.stack(4, 2)).toEqual([0, CODE]);
  });

  it.each([
    ['execute-only code in DS', 'ds', 0x4099, 13],
    ['a system descriptor in DS', 'ds', 0x0082, 13],
    ['an absent data segment in DS', 'ds', 0x4013, 11],
    ['an absent stack segment', 'ss', 0x4013, 12],
    ['a read-only stack segment', 'ss', 0x4091, 13],
    ['a stack segment of another DPL', 'ss', 0x40f3, 13],
  ])('%s faults with the selector', (_name, segment, rights, vector) => {
    lab.put64(GDT + Sel.FREE, descriptor(0, 0xfffff, rights));
    load(segment, Sel.FREE);
    expect(at()).toBe(HANDLER + 0x100 * vector);
    expect(lab.stack(4, 2)).toEqual([Sel.FREE, CODE]);
  });

  it('ring 3 may not load a ring 0 data segment', () => {
    enterUser(lab, false);
    load('ds', Sel.DATA);
    expect(lab.stack(4, 2)).toEqual([Sel.DATA, CODE]);
  });

  it('a load sets the accessed bit in the table', () => {
    lab.put64(GDT + Sel.FREE, descriptor(0x1000, 0xff, 0x4092));
    load('fs', Sel.FREE);
    expect(lab.view().getUint8(GDT + Sel.FREE + 5)).toBe(0x93);
    expect(lab.core.getSegment('fs')).toEqual({ selector: Sel.FREE, base: 0x1000n, limit: 0xff, rights: 0x4093 });
  });

  it('MOV to CS is #UD', () => {
    lab.code(CODE, '8e c8');
    lab.step();
    expect(at()).toBe(HANDLER + 0x600);
  });

  it('a segment with a base changes the instructions that follow at once', () => {
    lab.put64(GDT + Sel.FREE, descriptor(0x100, 0xfffff, 0xc093));
    lab.put32(0x5100, 0x12345678);
    lab.code(CODE, '8e d8 8b 05 00 50 00 00'); // mov ds, eax; mov eax, [5000h]
    lab.set({ rax: Sel.FREE });
    lab.core.run(2);
    expect(lab.get('rax')).toBe(0x12345678n);
  });

  it('LES loads offset and selector, or neither', () => {
    lab.put32(0x5000, 0xcafe);
    lab.put16(0x5004, Sel.DATA);
    lab.code(CODE, 'c4 0d 00 50 00 00');
    lab.set({ rcx: 1 });
    lab.step();
    expect(lab.get('rcx')).toBe(0xcafen);
    lab.put32(0x5000, 0xbabe);
    lab.put16(0x5004, 0x100);
    lab.set({ rip: CODE });
    lab.step();
    expect(lab.get('rcx')).toBe(0xcafen);
    expect(lab.stack(4, 2)).toEqual([0x100, CODE]);
  });

  it('LTR marks its descriptor busy, and a busy one is #GP', () => {
    lab.put64(GDT + Sel.FREE, descriptor(TSS, 0x67, 0x0089));
    lab.code(CODE, '0f 00 d8 0f 00 d8');
    lab.set({ rax: Sel.FREE });
    lab.step();
    expect(lab.core.getSegment('tr')).toEqual({ selector: Sel.FREE, base: BigInt(TSS), limit: 0x67, rights: 0x8b });
    expect(lab.view().getUint8(GDT + Sel.FREE + 5)).toBe(0x8b);
    lab.step();
    expect(lab.stack(4, 2)).toEqual([Sel.FREE, CODE + 3]);
  });

  it('LLDT loads a table whose descriptors LAR then sees', () => {
    lab.put64(GDT + Sel.FREE, descriptor(0x6000, 0xf, 0x0082));
    lab.put64(0x6008, descriptor(0, 0xabcde, 0xc0f3));
    lab.code(CODE, '0f 00 d0 0f 02 d9 0f 03 d1'); // lldt ax; lar ebx, ecx; lsl edx, ecx
    lab.set({ rax: Sel.FREE, rcx: 0xf });
    lab.step(3);
    expect(lab.get('rbx') & 0xf0ff00n).toBe(0xc0f300n);
    expect(lab.get('rdx')).toBe(0xabcdefffn);
    expect(lab.get('rflags') & ZF).toBe(ZF);
  });

  it.each([
    ['LAR of a null selector', '0f 02 d8', 0, 0x40f3, false],
    ['LAR of an interrupt gate', '0f 02 d8', Sel.FREE, 0x008e, false],
    ['LAR of a call gate', '0f 02 d8', Sel.FREE, 0x008c, true],
    ['LSL of a call gate', '0f 03 d8', Sel.FREE, 0x008c, false],
    ['VERR of execute-only code', '0f 00 e0', Sel.FREE, 0x4099, false],
    ['VERR of readable conforming code', '0f 00 e0', Sel.FREE, 0x409f, true],
    ['VERW of read-only data', '0f 00 e8', Sel.FREE, 0x4091, false],
    ['VERW of writable data', '0f 00 e8', Sel.FREE, 0x4093, true],
  ])('%s answers in ZF', (_name, code, selector, rights, yes) => {
    lab.put64(GDT + Sel.FREE, descriptor(0, 0xfff, rights));
    lab.code(CODE, code);
    lab.set({ rax: selector, rflags: yes ? 2n : 2n | ZF });
    lab.step();
    expect(at()).toBe(CODE + 3);
    expect((lab.get('rflags') & ZF) !== 0n).toBe(yes);
  });

  it('SLDT and STR are #GP(0) in ring 3 under UMIP', () => {
    lab.set({ cr4: 0x800 });
    enterUser(lab, false);
    lab.code(CODE, '0f 00 c0');
    lab.step();
    expect(lab.stack(4, 2)).toEqual([0, CODE]);
  });

  it('CLI in ring 3 is #GP(0), and with PVI it clears VIF', () => {
    enterUser(lab, false);
    lab.code(CODE, 'fa');
    lab.step();
    expect(lab.stack(4, 2)).toEqual([0, CODE]);
    lab.set({ cr4: 2 });
    enterUser(lab, false);
    lab.set({ rflags: 0x80202 });
    lab.step();
    expect(lab.get('rflags')).toBe(0x202n);
  });

  it('POPF in ring 3 leaves IF and IOPL alone', () => {
    enterUser(lab, false);
    lab.put32(STACK3 - 4, 0x3ad7);
    lab.set({ rsp: STACK3 - 4 });
    lab.code(CODE, '9d');
    lab.step();
    expect(lab.get('rflags')).toBe(0x8d7n);
  });
});

describe('long mode', () => {
  beforeEach(async () => {
    lab = await longLab();
    for (let vector = 0; vector < 32; vector++) lab.gate64(vector, BigInt(HANDLER + 0x100 * vector));
  });

  it('SS may be null in ring 0', () => {
    lab.code(CODE, '8e d0');
    lab.set({ rax: 0 });
    lab.step();
    expect(at()).toBe(CODE + 2);
  });

  it('LTR reads a base of 64 bits', () => {
    lab.put64(GDT + Sel.FREE, descriptor(0x12345678, 0x67, 0x0089));
    lab.put64(GDT + Sel.FREE + 8, 0xffff8000n);
    lab.code(CODE, '0f 00 d8');
    lab.set({ rax: Sel.FREE });
    lab.step();
    expect(lab.core.getSegment('tr').base).toBe(0xffff8000_12345678n);
  });

  it('SYSCALL and SYSRET exchange RIP and RFLAGS with RCX and R11 and load flat segments', () => {
    lab.core.writeMsr(0xc0000081, 0x0020_0018_0000_0000n);
    lab.core.writeMsr(0xc0000082, BigInt(HANDLER));
    lab.core.writeMsr(0xc0000084, 0x300n);
    enterUser(lab, true);
    lab.set({ rflags: 0x203 });
    lab.code(CODE, '0f 05');
    lab.code(HANDLER, '48 0f 07');
    lab.step();
    expect(at()).toBe(HANDLER);
    expect(lab.get('rcx')).toBe(BigInt(CODE + 2));
    expect(lab.get('r11')).toBe(0x203n);
    expect(lab.get('rflags')).toBe(3n);
    expect(lab.selector('cs')).toBe(0x18);
    expect(lab.selector('ss')).toBe(0x20);
    expect(lab.core.state.number('cpl')).toBe(0);
    lab.step();
    expect(at()).toBe(CODE + 2);
    expect(lab.get('rflags')).toBe(0x203n);
    expect(lab.selector('cs')).toBe(0x33);
    expect(lab.selector('ss')).toBe(0x2b);
  });

  it('SYSRET to a non-canonical RCX is #GP(0) in ring 0', () => {
    lab.code(CODE, '48 0f 07');
    lab.set({ rcx: 0x8000_0000_0000n });
    lab.step();
    expect(lab.stack(8, 2)).toEqual([0, CODE]);
  });

  it('SWAPGS exchanges the base of GS with its MSR', () => {
    lab.core.writeMsr(0xc0000102, 0xffff_8000_0000_1000n);
    lab.code(CODE, '0f 01 f8');
    lab.step();
    expect(lab.core.getSegment('gs').base).toBe(0xffff_8000_0000_1000n);
    expect(lab.core.readMsr(0xc0000102)).toBe(0n);
  });

  it('SYSENTER and SYSEXIT go by their MSRs', () => {
    lab.core.writeMsr(0x174, 8n);
    lab.core.writeMsr(0x175, 0x7000n);
    lab.core.writeMsr(0x176, BigInt(HANDLER));
    enterUser(lab, true);
    lab.set({ rflags: 0x202, rdx: CODE + 2, rcx: STACK3 });
    lab.code(CODE, '0f 34');
    lab.code(HANDLER, '48 0f 35');
    lab.step();
    expect(at()).toBe(HANDLER);
    expect(lab.get('rsp')).toBe(0x7000n);
    expect(lab.get('rflags')).toBe(2n);
    lab.step();
    expect(at()).toBe(CODE + 2);
    expect(lab.selector('cs')).toBe(8 + 32 + 3);
    expect(lab.selector('ss')).toBe(8 + 40 + 3);
  });
});
