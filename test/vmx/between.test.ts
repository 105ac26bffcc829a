/**
 * What comes between two instructions of a guest, and in which order (SDM Vol. 3A, "Priority Among Concurrent Events";
 * Vol. 3C, "Monitor Trap Flag", "VM Exits Induced by the TPR Threshold", "APIC-Write VM Exits", "Saving Non-Register State").
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { CODE, HANDLER } from '../exec/lab.ts';
import { controls, Pin, Primary, Reason, Secondary } from './controls.ts';
import { Ept, ExtendedTables } from './ept.ts';
import {
  type Fields,
  GUEST_CODE,
  GUEST_STACK,
  HOST_CODE,
  MSR_LIST,
  VMCALL,
  VMLAUNCH,
  type VmxLab,
  vmxLab,
} from './lab.ts';
import { APIC_PAGE, Reg, status, VirtualApic } from './virtual-apic.ts';

const { APIC_ACCESSES, APIC_REGISTERS, VIRTUAL_INTERRUPTS, X2APIC, EPT } = Secondary;
const { TPR_SHADOW, MSR_BITMAPS, MONITOR_TRAP, NMI_WINDOW, INTERRUPT_WINDOW } = Primary;
const IF = 0x202;
const TF = 0x102;
/** Bits of pending debug exceptions, and a watch of four bytes by DR0, reads and writes. */
const Debug = { HIT_ENABLED: 0x1001, BS: 0x4000, WATCH: 0xf0402 } as const;
const LOAD_DEBUG = 4n;

let vmx: VmxLab;
let apic: VirtualApic;
beforeEach(async () => {
  vmx = await vmxLab();
  apic = new VirtualApic(vmx);
  apic.put(Reg.TPR, 0xf0);
  for (let n = 0; n < 16; n++) {
    vmx.lab.gate64(n, BigInt(HANDLER + 16 * n));
    vmx.lab.code(HANDLER + 16 * n, VMCALL);
  }
  vmx.write({ ENTRY_CONTROLS: vmx.read('ENTRY_CONTROLS') | LOAD_DEBUG });
});
const page = (secondary: number): Fields =>
  controls({ pin: Pin.EXTERNAL, primary: TPR_SHADOW, secondary: APIC_ACCESSES | secondary });
const x2apic = (secondary: number): Fields =>
  controls({ pin: Pin.EXTERNAL, primary: TPR_SHADOW | MSR_BITMAPS, secondary: X2APIC | secondary });
const EVERY_EOI = { EOI_EXIT_BITMAP_0: 0xffff_ffff_ffff_ffffn };
/** RIP of the exit, counted from the guest's first instruction. */
const rip = () => Number(vmx.read('GUEST_RIP')) - GUEST_CODE;
const handler = (vector: number) => HANDLER + 16 * vector - GUEST_CODE;
const pending = () => Number(vmx.read('GUEST_PENDING_DEBUG_EXCEPTIONS'));

describe('a VM exit that an instruction causes after itself', () => {
  const STORE = '89 06';
  // biome-ignore format: a line per case
  const CASES: [name: string, fields: () => Fields, registers: Record<string, number>, bytes: string, reason: number, qualification: bigint][] = [
    ['an APIC write by a store', () => page(APIC_REGISTERS), { rsi: APIC_PAGE + 0xf0, rax: 0x1ff }, STORE, Reason.APIC_WRITE, 0xf0n],
    ['an APIC write by XCHG', () => page(APIC_REGISTERS), { rsi: APIC_PAGE + 0xf0, rax: 0x1ff }, '87 06', Reason.APIC_WRITE, 0xf0n],
    ['an APIC write by STOSD', () => page(APIC_REGISTERS), { rdi: APIC_PAGE + 0xf0, rax: 0x1ff }, 'ab', Reason.APIC_WRITE, 0xf0n],
    ['an EOI by a store', () => ({ ...page(VIRTUAL_INTERRUPTS), ...status(0, 0x31), ...EVERY_EOI }), { rsi: APIC_PAGE + 0xb0, rax: 0 }, STORE, Reason.EOI_INDUCED, 0x31n],
    ['an EOI by WRMSR', () => ({ ...x2apic(VIRTUAL_INTERRUPTS), ...status(0, 0x31), ...EVERY_EOI }), { rcx: 0x80b, rax: 0, rdx: 0 }, '0f 30', Reason.EOI_INDUCED, 0x31n],
    ['TPR below the threshold by a store', () => ({ ...page(0), TPR_THRESHOLD: 3 }), { rsi: APIC_PAGE + 0x80, rax: 0 }, STORE, Reason.TPR_BELOW_THRESHOLD, 0n],
    ['TPR below the threshold by MOV to CR8', () => ({ ...controls({ primary: TPR_SHADOW }), TPR_THRESHOLD: 3 }), { rax: 0 }, '44 0f 22 c0', Reason.TPR_BELOW_THRESHOLD, 0n],
    ['TPR below the threshold by WRMSR', () => ({ ...x2apic(0), TPR_THRESHOLD: 3 }), { rcx: 0x808, rax: 0, rdx: 0 }, '0f 30', Reason.TPR_BELOW_THRESHOLD, 0n],
  ];
  const lengthOf = (bytes: string) => bytes.split(' ').length;

  it.each(CASES)('%s comes before the next instruction', (_, fields, registers, bytes, reason, qualification) => {
    vmx.write(fields());
    vmx.lab.set({ rbx: 0, ...registers });
    vmx.guest(`${bytes} 48 ff c3 48 ff c3 ${VMCALL}`);
    expect([vmx.reason, vmx.qualification, rip()]).toEqual([reason, qualification, lengthOf(bytes)]);
    expect(vmx.lab.get('rbx')).toBe(0n);
  });
  it.each(CASES)('%s comes before its single step, which stays pending', (_, fields, registers, bytes, reason) => {
    vmx.write({ ...fields(), GUEST_RFLAGS: TF });
    vmx.lab.set(registers);
    vmx.guest(`${bytes} 90 90`);
    expect([vmx.reason, rip(), pending()]).toEqual([reason, lengthOf(bytes), Debug.BS]);
  });
  it('comes of the first of two stores in a row', () => {
    vmx.write(page(APIC_REGISTERS));
    vmx.lab.set({ rsi: APIC_PAGE, rax: 0x1ff });
    vmx.guest(`89 86 f0 00 00 00 89 86 50 03 00 00 ${VMCALL}`);
    expect([vmx.reason, vmx.qualification, rip()]).toEqual([Reason.APIC_WRITE, 0xf0n, 6]);
  });
  it('comes before HLT', () => {
    vmx.write(page(APIC_REGISTERS));
    vmx.lab.set({ rsi: APIC_PAGE + 0xf0, rax: 0x1ff });
    vmx.guest('89 06 f4');
    expect([vmx.reason, rip(), vmx.read('GUEST_ACTIVITY_STATE')]).toEqual([Reason.APIC_WRITE, 2, 0n]);
  });
  it('comes after the iteration of a repeated store that causes it', () => {
    vmx.write(page(APIC_REGISTERS));
    vmx.lab.set({ rdi: APIC_PAGE + 0xf0, rcx: 3, rax: 0x1ff });
    vmx.guest('f3 ab');
    expect([vmx.reason, vmx.qualification, rip(), vmx.lab.get('rcx')]).toEqual([Reason.APIC_WRITE, 0xf0n, 0, 2n]);
  });
  it('of the TPR threshold comes at VM entry before debug exceptions that are pending, which stay', () => {
    apic.put(Reg.TPR, 0);
    vmx.write({ ...page(0), TPR_THRESHOLD: 5, GUEST_PENDING_DEBUG_EXCEPTIONS: Debug.BS });
    vmx.guest('90 90');
    expect([vmx.reason, rip(), pending()]).toEqual([Reason.TPR_BELOW_THRESHOLD, 0, Debug.BS]);
  });
});

describe('a virtual self-IPI', () => {
  it('by a store is delivered before the next instruction', () => {
    apic.put(Reg.TPR, 0);
    vmx.write({ ...page(APIC_REGISTERS | VIRTUAL_INTERRUPTS), GUEST_RFLAGS: IF });
    vmx.lab.set({ rsi: APIC_PAGE + Reg.ICR, rax: 0x40041, rbx: 0 });
    vmx.guest(`89 06 48 ff c3 fa ${VMCALL}`);
    expect([apic.delivered(), vmx.lab.get('rbx')]).toEqual([0x41, 0n]);
  });
});

describe('the monitor trap flag after an event', () => {
  beforeEach(() => vmx.write(controls({ primary: MONITOR_TRAP })));

  it('exits before the handler of a virtual interrupt', () => {
    apic.put(Reg.TPR, 0);
    apic.set(Reg.IRR, 0x41);
    vmx.write({
      ...controls({ pin: Pin.EXTERNAL, primary: TPR_SHADOW | MONITOR_TRAP, secondary: VIRTUAL_INTERRUPTS }),
      ...status(0x41, 0),
      GUEST_RFLAGS: IF,
    });
    vmx.guest('90 90');
    expect([vmx.reason, rip()]).toEqual([Reason.MONITOR_TRAP, handler(0x41)]);
  });
  it('exits before the handler of an NMI', () => {
    vmx.lab.core.state.setNumber('nmiBlocked', 1);
    vmx.lab.core.nmi();
    vmx.guest('90 90');
    expect([vmx.reason, rip()]).toEqual([Reason.MONITOR_TRAP, handler(2)]);
  });
  it('exits before the handler of an external interrupt', () => {
    vmx.write({ GUEST_RFLAGS: IF });
    vmx.lab.core.writeMsr(0x1b, 0xfee00d00n);
    vmx.lab.core.writeMsr(0x80f, 0x1ffn);
    vmx.lab.core.deliverMsi(0xfee00000, 0x41);
    vmx.guest('90 90');
    expect([vmx.reason, rip()]).toEqual([Reason.MONITOR_TRAP, handler(0x41)]);
  });
  it('exits before the handler of a debug exception that was pending at VM entry', () => {
    vmx.write({ GUEST_PENDING_DEBUG_EXCEPTIONS: Debug.BS });
    vmx.guest('90 90');
    expect([vmx.reason, rip()]).toEqual([Reason.MONITOR_TRAP, handler(1)]);
  });
  it('comes before the debug trap of an instruction, which stays pending', () => {
    vmx.write({ GUEST_DR7: Debug.WATCH });
    vmx.lab.set({ dr0: 0x60000, rsi: 0x60000 });
    vmx.guest('8b 06 90');
    expect([vmx.reason, rip(), pending()]).toEqual([Reason.MONITOR_TRAP, 2, Debug.HIT_ENABLED]);
  });
});

describe('debug exceptions', () => {
  it('come before a preemption timer that has run down, also those of the pushes of an event', () => {
    vmx.write({ ...controls({ pin: Pin.TIMER }), GUEST_DR7: Debug.WATCH, VMX_PREEMPTION_TIMER_VALUE: 0 });
    vmx.write({ ENTRY_INTERRUPTION_INFORMATION: 0x80000306 });
    vmx.lab.set({ dr0: GUEST_STACK - 8 });
    vmx.guest('90');
    expect([vmx.reason, rip(), pending()]).toEqual([Reason.TIMER, handler(1), 0]);
  });
  it('of the pushes of an event come before its handler', () => {
    vmx.write({ GUEST_DR7: Debug.WATCH });
    vmx.lab.set({ dr0: GUEST_STACK - 8 });
    vmx.guest('0f 0b');
    expect([vmx.reason, rip(), vmx.lab.get('dr6') & 15n]).toEqual([Reason.VMCALL, handler(1), 1n]);
  });
  it.each([
    ['MOVS whose store is an EPT violation', 'a5', { dr0: 0x61000, rsi: 0x61000, rdi: 0x62000 }],
    ['PUSH from a watched word', 'ff 36', { dr0: 0x61000, rsi: 0x61000, rsp: 0x62008 }],
  ])('noted by %s are forgotten', (_, bytes, registers) => {
    const ept = new ExtendedTables(vmx);
    ept.set(0x62000, Ept.R);
    vmx.write({ ...controls({ secondary: EPT }), EPTP: ept.pointer, GUEST_DR7: Debug.WATCH });
    if ('rsp' in registers) vmx.write({ GUEST_RSP: registers.rsp });
    vmx.lab.set(registers);
    vmx.guest(bytes);
    expect([vmx.reason, rip(), pending()]).toEqual([Reason.EPT_VIOLATION, 0, 0]);
  });
  it('noted by an instruction whose #PF exits are forgotten', () => {
    vmx.write({ EXCEPTION_BITMAP: 1 << 14, GUEST_DR7: Debug.WATCH });
    vmx.lab.set({ dr0: 0x61000, rsi: 0x61000, rdi: 0x800000 });
    vmx.guest('a5');
    expect([vmx.reason, rip(), pending()]).toEqual([Reason.EXCEPTION_NMI, 0, 0]);
  });
  it('that MOV SS holds off stay pending over the exit of the next instruction', () => {
    vmx.write({ GUEST_DR7: 0x70402 });
    vmx.lab.set({ dr0: 0x60000, rsi: 0x60000 });
    vmx.lab.put16(0x60000, 0x10);
    vmx.guest('8e 16  mov ss, [rsi]\n 0f a2  cpuid');
    expect([rip(), pending(), vmx.read('GUEST_INTERRUPTIBILITY_STATE')]).toEqual([2, Debug.HIT_ENABLED, 2n]);
  });
});

describe('windows', () => {
  it('open after a preemption timer that has run down', () => {
    const windows = NMI_WINDOW | INTERRUPT_WINDOW;
    vmx.write(controls({ pin: Pin.TIMER | Pin.NMI | Pin.VIRTUAL_NMIS, primary: windows }));
    vmx.write({ GUEST_RFLAGS: IF, VMX_PREEMPTION_TIMER_VALUE: 0 });
    vmx.guest('90 90');
    expect([vmx.reason, rip()]).toEqual([Reason.TIMER, 0]);
  });
});

describe('NMIs', () => {
  it('stay blocked over a VM entry that fails while it loads MSRs', () => {
    vmx.write(controls({ pin: Pin.NMI | Pin.VIRTUAL_NMIS }));
    vmx.write({ ENTRY_MSR_LOAD_COUNT: 1, ENTRY_MSR_LOAD_ADDRESS: MSR_LIST });
    vmx.lab.put32(MSR_LIST, 0xc0000100);
    vmx.lab.core.state.setNumber('nmiBlocked', 1);
    vmx.enter(VMLAUNCH, 1);
    expect([vmx.reason, vmx.lab.core.state.number('nmiBlocked')]).toEqual([0x80000022, 1]);
  });
  it('that exit block others in the host', () => {
    vmx.write(controls({ pin: Pin.NMI }));
    vmx.lab.code(GUEST_CODE, 'eb fe');
    vmx.enter(VMLAUNCH, 5);
    vmx.lab.core.nmi();
    vmx.goOn(5);
    expect([vmx.reason, vmx.lab.core.state.number('nmiBlocked')]).toEqual([Reason.EXCEPTION_NMI, 1]);
  });
});

describe('the activity state shutdown', () => {
  const SHUTDOWN = { GUEST_ACTIVITY_STATE: 2 };

  it.each([
    ['NMI', 2, 0x80000202],
    ['#MC', 18, 0x80000312],
  ])('ends where VM entry injects %s', (_, vector, information) => {
    vmx.write({ ...SHUTDOWN, ENTRY_INTERRUPTION_INFORMATION: information });
    vmx.guest('90');
    expect([vmx.reason, rip(), vmx.read('GUEST_ACTIVITY_STATE')]).toEqual([Reason.VMCALL, handler(vector), 0n]);
  });
  it('ends by an NMI that does not exit', () => {
    vmx.write(SHUTDOWN);
    vmx.lab.code(HOST_CODE, 'eb fe');
    vmx.enter(VMLAUNCH, 1);
    vmx.lab.core.run(5);
    expect([vmx.inGuest, vmx.lab.core.state.number('activity')]).toEqual([true, 2]);
    vmx.lab.core.nmi();
    vmx.goOn(10);
    expect([vmx.reason, rip(), vmx.read('GUEST_ACTIVITY_STATE')]).toEqual([Reason.VMCALL, handler(2), 0n]);
  });
});

describe('address-range monitoring', () => {
  const MWAIT_EXITING = 0x400;

  it('does not last over a VM entry', () => {
    const { lab } = vmx;
    lab.code(CODE, '0f 01 c8');
    lab.set({ rip: CODE, rax: 0x60000, rcx: 0, rdx: 0 });
    lab.step();
    vmx.write(controls({ primary: MWAIT_EXITING }));
    vmx.guest('0f 01 c9');
    expect([vmx.reason, vmx.qualification]).toEqual([36, 0n]);
  });
  it('is armed for MWAIT where the guest asked for it', () => {
    vmx.write(controls({ primary: MWAIT_EXITING }));
    vmx.lab.set({ rax: 0x60000, rcx: 0, rdx: 0 });
    vmx.guest('0f 01 c8 0f 01 c9');
    expect([vmx.reason, vmx.qualification]).toEqual([36, 1n]);
  });
});
