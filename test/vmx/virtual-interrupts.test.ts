/**
 * Virtual-interrupt delivery (SDM Vol. 3C, "Evaluation of Pending Virtual Interrupts", "Virtual-Interrupt Delivery", "PPR
 * Virtualization", "EOI Virtualization", "Self-IPI Virtualization").
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { HANDLER, Sel } from '../exec/lab.ts';
import { controls, Pin, Primary, Reason, Secondary } from './controls.ts';
import { type Fields, GUEST_CODE, GUEST_STACK, VMCALL, VMLAUNCH, type VmxLab, vmxLab } from './lab.ts';
import { APIC_PAGE, Reg, status, VirtualApic } from './virtual-apic.ts';

const { TPR, PPR, EOI, ISR, IRR, ICR, SELF_IPI } = Reg;
const IF = 0x202;
/** WRMSR of RSI to the register of x2APIC mode in ECX */
const WRMSR = '89 f0 31 d2 0f 30';

let vmx: VmxLab;
let apic: VirtualApic;
/** Virtual-interrupt delivery in x2APIC mode, or with an APIC-access page. */
const delivery = (more: { primary?: number; page?: boolean } = {}): Fields =>
  controls({
    pin: Pin.EXTERNAL,
    primary: Primary.TPR_SHADOW | Primary.MSR_BITMAPS | (more.primary ?? 0),
    secondary: Secondary.VIRTUAL_INTERRUPTS | (more.page ? Secondary.APIC_ACCESSES : Secondary.X2APIC),
  });
beforeEach(async () => {
  vmx = await vmxLab();
  apic = new VirtualApic(vmx);
  vmx.write({ ...delivery(), GUEST_RFLAGS: IF });
});
/** Executes `bytes` and VMCALL. */
const run = (bytes: string, fields: Fields = {}) => {
  vmx.write(fields);
  vmx.guest(`${bytes} ${VMCALL}`);
};

describe('a virtual interrupt', () => {
  it('goes from request to service, and its handler gets a frame of an interrupt', () => {
    apic.set(IRR, 0x31, 0x43, 0x51);
    apic.set(ISR, 0x22);
    apic.put(TPR, 0x2f);
    run('90', status(0x51, 0x22));
    expect(apic.delivered()).toBe(0x51);
    expect([apic.vectors(IRR), apic.vectors(ISR), apic.rvi, apic.svi, apic.reg(PPR)]).toEqual([
      [0x31, 0x43],
      [0x22, 0x51],
      0x43,
      0x51,
      0x50,
    ]);
    const frame = [0, 8, 16].map((n) => Number(vmx.lab.view().getBigUint64(GUEST_STACK - 40 + n, true)));
    expect(frame).toEqual([GUEST_CODE, Sel.CODE64, IF]);
  });
  it('that is the last leaves no request', () => {
    apic.set(IRR, 0x51);
    run('90', status(0x51, 0));
    expect([apic.delivered(), apic.vectors(IRR), apic.rvi, apic.svi]).toEqual([0x51, [], 0, 0x51]);
  });

  // biome-ignore format: a line per case
  it.each([
    ['RVI above TPR', 0x51, 0x4f, 0, 0x4f, true],
    ['RVI in the class of TPR', 0x5f, 0x50, 0, 0x50, false],
    ['RVI below TPR', 0x51, 0x60, 0, 0x60, false],
    ['RVI above SVI', 0x51, 0x20, 0x4c, 0x40, true],
    ['RVI in the class of SVI', 0x5f, 0x20, 0x51, 0x50, false],
    ['TPR and SVI in one class', 0x51, 0x53, 0x58, 0x53, false],
    ['TPR above SVI', 0x91, 0x83, 0x35, 0x83, true],
    ['RVI in class 0', 0x0f, 0, 0, 0, false],
    ['RVI in class 1, TPR and SVI in class 0', 0x10, 0x0f, 0, 0x0f, true],
  ])('with %s: VM entry makes PPR of TPR and SVI, and RVI is measured by it', (_name, rvi, tpr, svi, ppr, recognized) => {
    apic.set(IRR, rvi);
    apic.put(TPR, tpr);
    run('90', status(rvi, svi));
    expect([apic.delivered(), apic.reg(PPR)]).toEqual(recognized ? [rvi, rvi & 0xf0] : [undefined, ppr]);
  });
  it('waits for RFLAGS.IF, and for one instruction behind STI', () => {
    apic.set(IRR, 0x51);
    run('90 fb 90 90', { GUEST_RFLAGS: 2, ...status(0x51, 0) });
    expect(apic.delivered()).toBe(0x51);
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(GUEST_CODE + 3));
  });
  it.each([
    ['STI', 1],
    ['MOV SS', 2],
  ])('waits while there is blocking by %s', (_name, blocking) => {
    apic.set(IRR, 0x51);
    run('90 90', { GUEST_INTERRUPTIBILITY_STATE: blocking, ...status(0x51, 0) });
    expect(apic.delivered()).toBe(0x51);
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(GUEST_CODE + 1));
  });
  it('is not recognized under interrupt-window exiting, which exits', () => {
    apic.set(IRR, 0x51);
    run('90', { ...delivery({ primary: Primary.INTERRUPT_WINDOW }), ...status(0x51, 0) });
    expect([vmx.reason, vmx.read('GUEST_RIP'), apic.vectors(IRR)]).toEqual([
      Reason.INTERRUPT_WINDOW,
      BigInt(GUEST_CODE),
      [0x51],
    ]);
  });
  it('comes behind the event that VM entry injects', () => {
    apic.set(IRR, 0x51);
    apic.handler(0x40, '48 cf');
    run('90', { ENTRY_INTERRUPTION_INFORMATION: 0x80000040, ...status(0x51, 0) });
    expect(apic.delivered()).toBe(0x51);
    // The handler of 40H, which an interrupt gate gave IF 0, had returned to the program.
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(GUEST_CODE));
  });
  it('wakes a guest that was entered in HLT', () => {
    apic.set(IRR, 0x51);
    run('90', { GUEST_ACTIVITY_STATE: 1, ...status(0x51, 0) });
    expect([apic.delivered(), vmx.read('GUEST_ACTIVITY_STATE')]).toEqual([0x51, 0n]);
  });
  it('does not wake a guest in shutdown', () => {
    apic.set(IRR, 0x51);
    vmx.write({ GUEST_ACTIVITY_STATE: 2, ...status(0x51, 0) });
    vmx.enter(VMLAUNCH, 5);
    expect([vmx.inGuest, apic.vectors(IRR)]).toEqual([true, [0x51]]);
  });
  it('that needs less than the TPR waits until MOV to CR8 lowers it', () => {
    apic.set(IRR, 0x51);
    apic.put(TPR, 0x80);
    vmx.lab.set({ rax: 4 });
    run('90 44 0f 22 c0 90', status(0x51, 0));
    expect(apic.delivered()).toBe(0x51);
    expect([vmx.lab.view().getBigUint64(GUEST_STACK - 40, true), apic.reg(TPR)]).toEqual([
      BigInt(GUEST_CODE + 5),
      0x40,
    ]);
  });
  it('is delivered through the IDT as others are: an exit on the way names it', () => {
    apic.set(IRR, 0x51);
    vmx.lab.gate64(0x51, BigInt(HANDLER), { type: 0x0e });
    run('90', { EXCEPTION_BITMAP: 1 << 11, ...status(0x51, 0) });
    expect([vmx.reason, vmx.read('IDT_VECTORING_INFORMATION')]).toEqual([Reason.EXCEPTION_NMI, 0x80000051n]);
    expect(apic.vectors(ISR)).toEqual([0x51]);
  });
  it('gives way to an external interrupt, which exits', () => {
    vmx.lab.core.writeMsr(0x1b, 0xfee00d00n);
    vmx.lab.core.writeMsr(0x80f, 0x1ffn);
    apic.set(IRR, 0x51);
    vmx.lab.core.deliverMsi(0xfee00000, 0x30);
    run('90', status(0x51, 0));
    expect([vmx.reason, apic.vectors(IRR)]).toEqual([Reason.EXTERNAL_INTERRUPT, [0x51]]);
  });
});

/** Two ways to end an interrupt: WRMSR to the register of x2APIC mode, a write to the APIC-access page. */
const ENDS = [
  ['WRMSR', false, 0x80b, 0, WRMSR],
  ['a write to the APIC-access page', true, 0, APIC_PAGE + EOI, '89 0e'],
] as const;

describe.each(ENDS)('EOI by %s', (_name, page, rcx, rsi, bytes) => {
  const length = bytes.split(' ').length;
  beforeEach(() => {
    vmx.lab.set({ rcx, rsi });
    vmx.write(delivery({ page }));
    apic.put(EOI, page ? 0x77 : 0);
  });
  it('ends the highest service, and the next in service is SVI', () => {
    apic.set(ISR, 0x31, 0x72, 0xa5);
    run(bytes, status(0, 0xa5));
    expect([apic.delivered(), apic.vectors(ISR), apic.svi, apic.reg(PPR), apic.reg(EOI)]).toEqual([
      undefined,
      [0x31, 0x72],
      0x72,
      0x70,
      0,
    ]);
  });
  it('of the last service leaves SVI 0 and makes PPR the TPR', () => {
    apic.set(ISR, 0xa5);
    apic.put(TPR, 0x13);
    run(bytes, status(0, 0xa5));
    expect([apic.delivered(), apic.vectors(ISR), apic.svi, apic.reg(PPR)]).toEqual([undefined, [], 0, 0x13]);
  });
  it('lets a request through that waited for it', () => {
    apic.set(ISR, 0x72);
    apic.set(IRR, 0x51);
    run(bytes, status(0x51, 0x72));
    expect([apic.delivered(), apic.vectors(ISR), apic.vectors(IRR)]).toEqual([0x51, [0x51], []]);
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(GUEST_CODE + length));
  });
  it.each([0x10, 0x3f, 0x40, 0x7e, 0x80, 0xa5, 0xc0, 0xff])(
    'of vector %i exits behind itself where its bit says so',
    (vector) => {
      const word = { [`EOI_EXIT_BITMAP_${vector >> 6}`]: 1n << BigInt(vector & 63) };
      // What waits for the end of the service comes behind the VM exit.
      const waiting = vector > 0x5f ? [0x51] : [];
      apic.set(ISR, vector);
      apic.set(IRR, ...waiting);
      run(bytes, { ...word, ...status(waiting[0] ?? 0, vector) });
      expect([vmx.reason, vmx.qualification, apic.vectors(ISR)]).toEqual([Reason.EOI_INDUCED, BigInt(vector), []]);
      expect([vmx.read('GUEST_RIP'), apic.vectors(IRR)]).toEqual([BigInt(GUEST_CODE + length), waiting]);
    },
  );
  it('of a vector whose neighbours have their bits does not exit', () => {
    apic.set(ISR, 0xa5);
    const all = Object.fromEntries(
      [0, 1, 2, 3].map((n) => [`EOI_EXIT_BITMAP_${n}`, n === 2 ? ~(1n << 0x25n) & (2n ** 64n - 1n) : 2n ** 64n - 1n]),
    );
    run(bytes, { ...all, ...status(0, 0xa5) });
    expect(apic.delivered()).toBeUndefined();
  });
});

describe('a self IPI', () => {
  it('by WRMSR requests its vector', () => {
    vmx.lab.set({ rcx: 0x83f, rsi: 0x61 });
    run(WRMSR);
    expect([apic.delivered(), apic.vectors(ISR), apic.svi]).toEqual([0x61, [0x61], 0x61]);
  });
  it('of lower priority leaves RVI as it is', () => {
    apic.set(IRR, 0x71);
    apic.put(TPR, 0xf0);
    vmx.lab.set({ rcx: 0x83f, rsi: 0x61 });
    run(WRMSR, status(0x71, 0));
    expect([apic.delivered(), apic.vectors(IRR), apic.rvi]).toEqual([undefined, [0x61, 0x71], 0x71]);
  });
  it('by WRMSR of a vector below 16 is left to the hypervisor', () => {
    vmx.lab.set({ rcx: 0x83f, rsi: 0xf });
    run(WRMSR);
    expect([vmx.reason, vmx.qualification, apic.reg(SELF_IPI)]).toEqual([Reason.APIC_WRITE, BigInt(SELF_IPI), 0xf]);
    expect([vmx.read('GUEST_RIP'), apic.vectors(IRR), apic.rvi]).toEqual([BigInt(GUEST_CODE + 6), [], 0]);
  });
  it('by a write to the interrupt command register requests its vector', () => {
    vmx.lab.set({ rsi: APIC_PAGE + ICR, rax: 0x40061 });
    run('89 06', delivery({ page: true }));
    expect([apic.delivered(), apic.vectors(ISR), apic.reg(ICR)]).toEqual([0x61, [0x61], 0x40061]);
  });
  it.each([
    ['of level, which edge-triggered ones ignore', 0x44061],
    ['of logical destination mode', 0x40861],
  ])('with the bit %s is one all the same', (_name, icr) => {
    vmx.lab.set({ rsi: APIC_PAGE + ICR, rax: icr });
    run('89 06', delivery({ page: true }));
    expect(apic.delivered()).toBe(0x61);
  });
  // biome-ignore format: a line per case
  it.each([
    ['no shorthand', 0x00061],
    ['the shorthand of all including self', 0x80061],
    ['the shorthand of all excluding self', 0xc0061],
    ['NMI delivery', 0x40461],
    ['lowest-priority delivery', 0x40161],
    ['the delivery status', 0x41061],
    ['a reserved bit: 13', 0x42061],
    ['level triggering', 0x48061],
    ['a reserved bit: 16', 0x50061],
    ['a reserved bit: 20', 0x140061],
    ['a reserved bit: 31', 0x80040061],
    ['a vector below 16', 0x4000f],
  ])('is none with %s, and the hypervisor gets the write', (_name, icr) => {
    vmx.lab.set({ rsi: APIC_PAGE + ICR, rax: icr });
    run('89 06', delivery({ page: true }));
    expect([vmx.reason, vmx.qualification, apic.reg(ICR)]).toEqual([Reason.APIC_WRITE, BigInt(ICR), icr]);
    expect([apic.vectors(IRR), apic.rvi, vmx.read('GUEST_RIP')]).toEqual([[], 0, BigInt(GUEST_CODE + 2)]);
  });
});
