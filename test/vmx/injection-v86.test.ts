/** INT n that VM entry injects into virtual-8086 mode (SDM Vol. 3C, "Details of Vectored-Event Injection"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { gate, HANDLER, Sel, STACK0 } from '../exec/lab.ts';
import { Reason } from './controls.ts';
import { type Fields, GUEST_CODE, VMCALL, type VmxLab, vmxLab } from './lab.ts';

const VECTOR = 0x40;
const PAGE_DIRECTORY = 0x71000;
const GUEST_IDT = 0x76000;
const GUEST_TSS = 0x77000;
const REDIRECTION = 0x68;
const IO_MAP = REDIRECTION + 32;
/** Real-mode address of the 8086 handler, and linear addresses of those of the IDT. */
const HANDLER_8086 = { segment: HANDLER >> 4, offset: 0x900 };
const STACK_SEGMENT = 0x6000;
const Flag = { VM: 0x20000, VIF: 0x80000, IF: 0x200 };
const VME = 1;

let vmx: VmxLab;
beforeEach(async () => {
  vmx = await vmxLab();
  const { lab } = vmx;
  lab.put32(PAGE_DIRECTORY, 0x87);
  for (let n = 0; n < 256; n++) lab.put64(GUEST_IDT + 8 * n, gate(Sel.CODE32, HANDLER + 16 * n, 0xee));
  for (const vector of [VECTOR, 13]) lab.code(HANDLER + 16 * vector, VMCALL);
  lab.code(HANDLER + HANDLER_8086.offset, VMCALL);
  lab.put16(4 * VECTOR, HANDLER_8086.offset);
  lab.put16(4 * VECTOR + 2, HANDLER_8086.segment);
  lab.put32(GUEST_TSS + 4, STACK0);
  lab.put32(GUEST_TSS + 8, Sel.DATA);
  lab.put16(GUEST_TSS + 102, IO_MAP);
});

const SEGMENTS: Fields = Object.fromEntries(
  ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'].flatMap((name) => {
    const selector = name === 'CS' ? GUEST_CODE >> 4 : STACK_SEGMENT;
    return [
      [`GUEST_${name}_SELECTOR`, selector],
      [`GUEST_${name}_BASE`, selector << 4],
      [`GUEST_${name}_LIMIT`, 0xffff],
      [`GUEST_${name}_ACCESS_RIGHTS`, 0xf3],
    ];
  }),
);

/** Injects INT 40H, whose bit of the redirection bitmap is `bit`, and lets the handler exit. */
function inject({ vme, iopl, bit, flags = 0 }: { vme: boolean; iopl: number; bit: 0 | 1; flags?: number }): void {
  for (let n = 0; n < 8; n++) vmx.lab.put32(GUEST_TSS + REDIRECTION + 4 * n, bit === 1 ? 0xffffffff : 0);
  vmx.write({
    ...SEGMENTS,
    ENTRY_CONTROLS: 0x11ff | 0x8000,
    GUEST_EFER: 0,
    GUEST_CR4: 0x2010 | (vme ? VME : 0),
    GUEST_CR3: PAGE_DIRECTORY,
    GUEST_RFLAGS: Flag.VM | 2 | (iopl << 12) | flags,
    GUEST_IDTR_BASE: GUEST_IDT,
    GUEST_IDTR_LIMIT: 0x7ff,
    GUEST_TR_BASE: GUEST_TSS,
    GUEST_TR_LIMIT: 0x100,
    GUEST_RSP: 0x800,
    GUEST_RIP: 0,
    EXCEPTION_BITMAP: 1 << 13,
    ENTRY_INTERRUPTION_INFORMATION: 0x80000400 | VECTOR,
    ENTRY_INSTRUCTION_LENGTH: 2,
  });
  vmx.enterToExit();
  expect([vmx.brokenRule, vmx.error]).toEqual([undefined, 0]);
}
/** The frame of the 8086 handler: IP, CS, FLAGS. */
const frame = () => [0, 2, 4].map((at) => vmx.lab.view().getUint16((STACK_SEGMENT << 4) + 0x800 - 6 + at, true));

describe('INT n injected into virtual-8086 mode', () => {
  it('without VME goes through the IDT, whatever IOPL is', () => {
    inject({ vme: false, iopl: 0, bit: 0 });
    expect([vmx.reason, vmx.read('GUEST_RIP')]).toEqual([Reason.VMCALL, BigInt(HANDLER + 16 * VECTOR)]);
  });
  it('with VME and a clear bit goes to the handler of the 8086 program', () => {
    inject({ vme: true, iopl: 3, bit: 0, flags: Flag.IF });
    expect([vmx.reason, vmx.read('GUEST_RIP')]).toEqual([Reason.VMCALL, BigInt(HANDLER_8086.offset)]);
    expect(frame()).toEqual([2, GUEST_CODE >> 4, 0x3202]);
    expect(Number(vmx.read('GUEST_RFLAGS')) & (Flag.VM | Flag.IF)).toBe(Flag.VM);
  });
  it('does so below IOPL 3 with VIF in the place of IF', () => {
    inject({ vme: true, iopl: 0, bit: 0, flags: Flag.IF | Flag.VIF });
    expect(vmx.read('GUEST_RIP')).toBe(BigInt(HANDLER_8086.offset));
    expect(frame()).toEqual([2, GUEST_CODE >> 4, 0x3202]);
    expect(Number(vmx.read('GUEST_RFLAGS')) & (Flag.VIF | Flag.IF)).toBe(Flag.IF);
  });
  it('with VME and a set bit goes through the IDT at IOPL 3', () => {
    inject({ vme: true, iopl: 3, bit: 1 });
    expect([vmx.reason, vmx.read('GUEST_RIP')]).toEqual([Reason.VMCALL, BigInt(HANDLER + 16 * VECTOR)]);
  });
  it('with VME and a set bit is #GP below IOPL 3', () => {
    inject({ vme: true, iopl: 0, bit: 1 });
    expect([vmx.reason, vmx.read('EXIT_INTERRUPTION_INFORMATION')]).toEqual([Reason.EXCEPTION_NMI, 0x80000b0dn]);
    expect([vmx.read('GUEST_RIP'), vmx.read('EXIT_INTERRUPTION_ERROR_CODE')]).toEqual([0n, 0n]);
  });
});
