/** External interrupts, NMI, shadows and single steps (SDM Vol. 3A, "Interrupt and Exception Handling"; Vol. 3B, "Debug"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { Stop } from '../../src/core/types.ts';
import { CODE, Flag, HANDLER, IST, type Lab, longLab, protectedLab, Sel, STACK0 } from './lab.ts';

let lab: Lab;
beforeEach(async () => {
  lab = await longLab();
  for (const vector of [1, 2, 3, 6, 13, 0x20, 0x30]) lab.gate64(vector, BigInt(HANDLER + 0x100 * vector));
  lab.code(HANDLER + 0x200, '48 cf');
});
const at = () => Number(lab.get('rip'));
const handler = (vector: number) => HANDLER + 0x100 * vector;

describe('external interrupts', () => {
  it('are taken between instructions once IF is set, and RIP on the stack is the next instruction', () => {
    lab.code(CODE, '90 90 90');
    lab.core.setIntr(true);
    lab.step();
    expect(at()).toBe(CODE + 1);
    lab.set({ rflags: 0x202 });
    lab.core.setIntr(true);
    lab.step();
    expect(at()).toBe(handler(0x20));
    expect(lab.stack(8, 3)).toEqual([CODE + 1, Sel.CODE64, 0x202]);
  });

  it('that wait while IF is clear come one instruction after STI', () => {
    lab.code(CODE, 'fb 90 90');
    lab.core.setIntr(true);
    lab.step(2);
    expect(at()).toBe(handler(0x20));
    expect(lab.stack(8, 1)).toEqual([CODE + 2]);
  });

  it('raised between STI and the next instruction wait for the shadow to end', () => {
    lab.code(CODE, 'fb 90 90');
    lab.step();
    lab.core.setIntr(true);
    lab.step();
    expect(at()).toBe(handler(0x20));
    expect(lab.stack(8, 1)).toEqual([CODE + 2]);
  });

  it('STI with IF set already opens no shadow', () => {
    lab.set({ rflags: 0x202 });
    lab.code(CODE, 'fb 90');
    lab.step();
    lab.core.setIntr(true);
    lab.step();
    expect(at()).toBe(handler(0x20));
    expect(lab.stack(8, 1)).toEqual([CODE + 1]);
  });

  it('wait behind MOV SS and its next instruction', () => {
    lab.set({ rflags: 0x202, rax: Sel.DATA });
    lab.code(CODE, '8e d0 90 90');
    lab.step();
    lab.core.setIntr(true);
    lab.step();
    expect(at()).toBe(handler(0x20));
    expect(lab.stack(8, 1)).toEqual([CODE + 3]);
  });

  it('wake HLT, and RIP on the stack is behind it', () => {
    lab.set({ rflags: 0x202 });
    lab.code(CODE, 'f4 90');
    expect(lab.core.run(5)).toBe(Stop.HALT);
    lab.core.setIntr(true);
    lab.step();
    expect(at()).toBe(handler(0x20));
    expect(lab.stack(8, 1)).toEqual([CODE + 1]);
  });

  it('come again after IRET where the line stays up', () => {
    lab.set({ rflags: 0x202 });
    lab.code(CODE, '90');
    lab.code(handler(0x20), '48 cf');
    lab.core.setIntr(true);
    lab.step(3);
    expect(at()).toBe(handler(0x20));
    expect(lab.get('rsp')).toBe(BigInt(STACK0 - 40));
  });
});

describe('NMI', () => {
  it('comes with IF clear, and a second one waits for IRET', () => {
    lab.code(CODE, '90 90');
    lab.core.nmi();
    lab.step();
    expect(at()).toBe(handler(2));
    lab.core.nmi();
    lab.code(handler(2), '90 48 cf');
    lab.step();
    expect(at()).toBe(handler(2) + 1);
    lab.step();
    expect(at()).toBe(handler(2));
    expect(lab.stack(8, 1)).toEqual([CODE]);
  });

  it('that waits comes in the handler of the fault that IRET raises', () => {
    lab.code(CODE, '90');
    lab.code(handler(2), '48 cf');
    lab.core.nmi();
    lab.step();
    lab.core.nmi();
    lab.put64(STACK0 - 40, 0x8000_0000_0000n);
    lab.step();
    expect(at()).toBe(handler(2));
    expect(lab.stack(8, 1)).toEqual([handler(13)]);
  });

  it('goes before an external interrupt', () => {
    lab.set({ rflags: 0x202 });
    lab.code(CODE, '90');
    lab.core.setIntr(true);
    lab.core.nmi();
    lab.step();
    expect(at()).toBe(handler(2));
  });
});

describe('single steps', () => {
  it('trap after the instruction that follows the POPF that set TF', () => {
    lab.code(CODE, '9d 90 90');
    lab.put64(STACK0 - 8, 0x102n);
    lab.set({ rsp: STACK0 - 8 });
    lab.step();
    expect(at()).toBe(CODE + 1);
    lab.step();
    expect(at()).toBe(handler(1));
    expect(lab.stack(8, 3)).toEqual([CODE + 2, Sel.CODE64, 0x102]);
    expect(lab.get('dr6')).toBe(0xffff4ff0n);
    expect(lab.get('rflags') & Flag.TF).toBe(0n);
  });

  it('trap once more after the POPF that clears TF', () => {
    lab.code(CODE, '9d 90');
    lab.put64(STACK0 - 8, 2n);
    lab.set({ rsp: STACK0 - 8, rflags: 0x102 });
    lab.step();
    expect(at()).toBe(handler(1));
    expect(lab.stack(8, 3)[2]).toBe(2);
  });

  it('skip the instruction after MOV SS', () => {
    lab.code(CODE, '8e d0 90 90');
    lab.set({ rax: Sel.DATA, rflags: 0x102 });
    lab.step();
    expect(at()).toBe(CODE + 2);
    lab.step();
    expect(at()).toBe(handler(1));
    expect(lab.stack(8, 1)).toEqual([CODE + 3]);
  });

  it('trap after each iteration of a repeated string instruction, with RF pushed', () => {
    lab.code(CODE, 'f3 aa 90'); // rep stosb
    lab.set({ rcx: 3, rdi: IST, rflags: 0x102 });
    lab.step();
    expect(at()).toBe(handler(1));
    expect(lab.get('rcx')).toBe(2n);
    expect(lab.stack(8, 3)).toEqual([CODE, Sel.CODE64, 0x10102]);
  });

  it('do not follow INT n into its handler', () => {
    lab.code(CODE, 'cd 30');
    lab.code(handler(0x30), '90');
    lab.set({ rflags: 0x102 });
    lab.step(2);
    expect(at()).toBe(handler(0x30) + 1);
  });
});

describe('breakpoints', () => {
  it('on an instruction are faults before it, which RF in the pushed flags lets pass once', () => {
    lab.code(CODE, '90 90 90');
    lab.code(handler(1), '81 4c 24 10 00 00 01 00  or dword [rsp+16], 0x10000  ; RF\n 48 cf  iretq');
    lab.set({ dr0: CODE + 1, dr7: 0x401 });
    lab.step(2);
    expect(at()).toBe(handler(1));
    expect(lab.stack(8, 3)).toEqual([CODE + 1, Sel.CODE64, 2]);
    expect(lab.get('dr6')).toBe(0xffff0ff1n);
    lab.step(3);
    expect(at()).toBe(CODE + 2);
  });

  it('on writes are traps after them, and reads pass', () => {
    lab.code(
      CODE,
      `
      8b 04 25 00 40 03 00  mov eax, [0x34000]
      89 04 25 02 40 03 00  mov [0x34002], eax
      90                    nop
      `,
    );
    lab.set({ dr1: IST, dr7: 0x00d00404 }); // four bytes, writes
    lab.step();
    expect(at()).toBe(CODE + 7);
    lab.step();
    expect(at()).toBe(handler(1));
    expect(lab.stack(8, 1)).toEqual([CODE + 14]);
    expect(lab.get('dr6')).toBe(0xffff0ff2n);
  });

  it('on ports hit with CR4.DE, after the access', () => {
    lab.set({ cr4: 0x28, dr0: 0x80, dr7: 0x00020401 });
    lab.code(CODE, 'e4 80 90');
    lab.step();
    expect(at()).toBe(handler(1));
    expect(lab.stack(8, 1)).toEqual([CODE + 2]);
  });

  it('general detect faults before a MOV to a debug register and clears GD', () => {
    lab.set({ dr7: 0x2400 });
    lab.code(CODE, '0f 23 c0'); // mov dr0, rax
    lab.step();
    expect(at()).toBe(handler(1));
    expect(lab.stack(8, 3)).toEqual([CODE, Sel.CODE64, 0x10002]);
    expect(lab.get('dr6')).toBe(0xffff2ff0n);
    expect(lab.get('dr7')).toBe(0x400n);
  });

  it('INT1 is a trap that leaves DR6 without a cause', () => {
    lab.code(CODE, 'f1');
    lab.step();
    expect(at()).toBe(handler(1));
    expect(lab.stack(8, 1)).toEqual([CODE + 1]);
    expect(lab.get('dr6')).toBe(0xffff0ff0n);
  });
});

describe('INIT', () => {
  it('resets the bootstrap processor to its reset vector and keeps cache control and floating-point state', async () => {
    lab = await protectedLab();
    lab.core.state.setNumber('mxcsr', 0x1fa0);
    lab.set({ cr0: 0x60000011, rbx: 1 });
    lab.code(CODE, 'c7 05 00 03 e0 fe 00 45 00 00  mov dword [0xfee00300], 0x4500  ; INIT to APIC 0\n 90  nop');
    lab.step();
    expect(lab.get('rip')).toBe(0xfff0n);
    expect(lab.core.getSegment('cs')).toEqual({ selector: 0xf000, base: 0xffff0000n, limit: 0xffff, rights: 0x9b });
    expect(lab.get('cr0')).toBe(0x60000010n);
    expect(lab.get('rbx')).toBe(0n);
    expect(lab.core.state.number('mxcsr')).toBe(0x1fa0);
  });
});
