/**
 * VM exits between instructions: the preemption timer, the monitor trap flag, NMI windows and virtual NMIs, pending debug
 * exceptions (SDM Vol. 3C, "Other Causes of VM Exits", "Monitor Trap Flag", "VMX-Preemption Timer", "Event Injection").
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { HANDLER, IST, Sel } from '../exec/lab.ts';
import { controls, Exit, Pin, Primary, Reason } from './controls.ts';
import { type Fields, GUEST_CODE, GUEST_STACK, VMCALL, VMLAUNCH, VMRESUME, type VmxLab, vmxLab } from './lab.ts';

const ACTIVE = 0;
const HLT = 1;
const SHUTDOWN = 2;
const WAIT_FOR_SIPI = 3;
const BY_STI = 1;
const BY_MOV_SS = 2;
const BY_NMI = 8;
/** Injected events. */
const EXTERNAL_40 = 0x80000040;
const NMI = 0x80000202;
const UD = 0x80000306;
const SOFTWARE_40 = 0x80000440;
const NMI_EXIT = 0x80000202n;

let vmx: VmxLab;
beforeEach(async () => {
  vmx = await vmxLab();
  for (const vector of [1, 2, 3, 6, 0x20, 0x40]) {
    vmx.lab.gate64(vector, BigInt(HANDLER + 0x100 * vector));
    vmx.lab.code(HANDLER + 0x100 * vector, `90 ${VMCALL}`);
  }
});
const handler = (vector: number) => HANDLER + 0x100 * vector;
/** Enters the guest and lets it run until it exits, or for `budget` instructions and events: false where it does not. */
function enter(fields: Fields, bytes = '90 90 90 90', budget = 20, instruction = VMLAUNCH): boolean {
  if (bytes !== '') vmx.lab.code(GUEST_CODE, bytes);
  vmx.write({ ...fields, EXIT_REASON: 0xffff });
  vmx.enterToExit(instruction, budget);
  if (vmx.brokenRule || vmx.error) throw new Error(`the entry failed: ${vmx.brokenRule ?? vmx.error}`);
  return !vmx.inGuest;
}
/** An NMI is pending: the host is in the handler of another one. */
function pendNmi(): void {
  vmx.lab.core.state.setField('nmiBlocked', 1n);
  vmx.lab.core.nmi();
}
const exit = () => ({ reason: vmx.reason, rip: Number(vmx.read('GUEST_RIP')) });
const blocking = () => Number(vmx.read('GUEST_INTERRUPTIBILITY_STATE'));
const activity = () => Number(vmx.read('GUEST_ACTIVITY_STATE'));

describe('the VMX-preemption timer', () => {
  const timer = (value: number, more: Fields = {}): Fields => ({
    ...controls({ pin: Pin.TIMER }),
    VMX_PREEMPTION_TIMER_VALUE: value,
    ...more,
  });
  /** Ticks of the TSC for one of the timer: IA32_VMX_MISC[4:0]. */
  const scale = () => 2 ** Number(vmx.lab.core.readMsr(0x485) & 31n);

  it('that is 0 exits before any instruction', () => {
    enter(timer(0));
    expect(exit()).toEqual({ reason: Reason.TIMER, rip: GUEST_CODE });
  });
  it('that is 0 exits behind an event that VM entry injects', () => {
    enter(timer(0, { ENTRY_INTERRUPTION_INFORMATION: EXTERNAL_40, GUEST_RFLAGS: 0x202 }));
    expect(exit()).toEqual({ reason: Reason.TIMER, rip: handler(0x40) });
    expect(vmx.read('IDT_VECTORING_INFORMATION')).toBe(0n);
  });
  it('that is 0 exits behind a pending debug exception', () => {
    enter(timer(0, { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x4000 }));
    expect(exit()).toEqual({ reason: Reason.TIMER, rip: handler(1) });
  });
  it('goes before an NMI window and an external interrupt', () => {
    vmx.lab.core.setIntr(true);
    const pin = Pin.TIMER | Pin.NMI | Pin.VIRTUAL_NMIS | Pin.EXTERNAL;
    enter({ ...controls({ pin, primary: Primary.NMI_WINDOW }), VMX_PREEMPTION_TIMER_VALUE: 0, GUEST_RFLAGS: 0x202 });
    expect(vmx.reason).toBe(Reason.TIMER);
  });
  it('counts down with the TSC', () => {
    const ticks = 8;
    vmx.lab.code(GUEST_CODE, 'next:\n ff c0  inc eax\n eb fc  jmp next');
    vmx.lab.set({ rax: 0 });
    const before = vmx.lab.core.now;
    vmx.write(timer(ticks));
    vmx.enter(VMLAUNCH, 20 * scale());
    expect(vmx.reason).toBe(Reason.TIMER);
    const instructions = 2 * Number(vmx.lab.get('rax'));
    expect(instructions).toBeGreaterThan((ticks - 1) * scale() - 3);
    expect(instructions).toBeLessThanOrEqual(ticks * scale());
    expect(vmx.lab.core.now - before).toBeGreaterThanOrEqual((ticks - 1) * scale());
  });
  it.each([
    ['what is left where the control asks for it', Exit.SAVE_TIMER, 90],
    ['nothing where it does not', 0, 100],
  ])('saves %s', (_name, save, value) => {
    const counted = 10 * scale();
    vmx.lab.code(GUEST_CODE, 'next:\n ff c9  dec ecx\n 75 fc  jne next\n 0f 01 c1  vmcall');
    vmx.lab.set({ rcx: counted / 2 });
    vmx.write({ ...timer(100), ...controls({ pin: Pin.TIMER, exit: save }) });
    vmx.enter(VMLAUNCH, counted + 100);
    expect(vmx.reason).toBe(Reason.VMCALL);
    const saved = Number(vmx.read('VMX_PREEMPTION_TIMER_VALUE'));
    expect(saved).toBeGreaterThanOrEqual(value - 1);
    expect(saved).toBeLessThanOrEqual(value);
  });
  it('saves 0 where it has run out', () => {
    enter({ ...timer(0), ...controls({ pin: Pin.TIMER, exit: Exit.SAVE_TIMER }) });
    expect([vmx.reason, vmx.read('VMX_PREEMPTION_TIMER_VALUE')]).toEqual([Reason.TIMER, 0n]);
  });
  it.each([
    ['HLT', HLT],
    ['shutdown', SHUTDOWN],
  ])('runs in %s, and ends it', (_name, state) => {
    enter(timer(0, { GUEST_ACTIVITY_STATE: state }));
    expect([vmx.reason, activity()]).toEqual([Reason.TIMER, state]);
  });
  it.each([
    ['HLT', HLT],
    ['shutdown', SHUTDOWN],
  ])('is the next thing that happens to a guest in %s', (_name, state) => {
    expect(enter(timer(5, { GUEST_ACTIVITY_STATE: state }))).toBe(false);
    vmx.lab.core.advance(Number(vmx.lab.core.nextDeadline - vmx.lab.core.now));
    vmx.lab.core.run(1);
    expect([vmx.inGuest, vmx.reason, activity()]).toEqual([false, Reason.TIMER, state]);
  });
  it('does not exit from the wait-for-SIPI state', () => {
    expect(enter(timer(0, { GUEST_ACTIVITY_STATE: WAIT_FOR_SIPI }))).toBe(false);
  });
});

describe('the monitor trap flag', () => {
  const trap = controls({ primary: Primary.MONITOR_TRAP });
  // biome-ignore format: a line per case
  it.each<[name: string, bytes: string, rip: number, fields?: Fields]>([
    ['an instruction', '90', GUEST_CODE + 1],
    ['a jump', 'eb 10', GUEST_CODE + 0x12],
    ['one iteration of a string instruction', 'f3 a4', GUEST_CODE],
    ['STI', 'fb', GUEST_CODE + 1],
    ['the delivery of a fault', '0f 0b', HANDLER + 0x600],
    ['the delivery of a software interrupt', 'cd 40', HANDLER + 0x4000],
    ['the delivery of a software exception', 'cc', HANDLER + 0x300],
    ['the delivery of an injected interrupt', '90', HANDLER + 0x4000, { ENTRY_INTERRUPTION_INFORMATION: EXTERNAL_40, GUEST_RFLAGS: 0x202 }],
    ['the delivery of an injected software interrupt', '90', HANDLER + 0x4000, { ENTRY_INTERRUPTION_INFORMATION: SOFTWARE_40, ENTRY_INSTRUCTION_LENGTH: 2 }],
    ['the delivery of an injected exception', '90', HANDLER + 0x600, { ENTRY_INTERRUPTION_INFORMATION: UD }],
    ['the delivery of an injected NMI', '90', HANDLER + 0x200, { ENTRY_INTERRUPTION_INFORMATION: NMI }],
    ['the delivery of a pending debug exception', '90', HANDLER + 0x100, { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x4000 }],
  ])('exits behind %s', (_name, bytes, rip, fields = {}) => {
    vmx.lab.set({ rcx: 5, rsi: 0x61000, rdi: 0x62000 });
    enter({ ...trap, ...fields }, bytes);
    expect(exit()).toEqual({ reason: Reason.MONITOR_TRAP, rip });
    expect([vmx.qualification, vmx.read('EXIT_INTERRUPTION_INFORMATION'), vmx.read('IDT_VECTORING_INFORMATION')]).toEqual([0n, 0n, 0n]);
  });
  it('exits behind HLT, in that state', () => {
    enter(trap, 'f4');
    expect([exit(), activity()]).toEqual([{ reason: Reason.MONITOR_TRAP, rip: GUEST_CODE + 1 }, HLT]);
  });
  it('exits behind MOV to SS, while it blocks', () => {
    vmx.lab.set({ rax: Sel.DATA });
    enter({ ...trap, GUEST_RFLAGS: 0x202 }, '8e d0');
    expect([exit(), blocking()]).toEqual([{ reason: Reason.MONITOR_TRAP, rip: GUEST_CODE + 2 }, BY_MOV_SS]);
  });
  it('leaves a single-step trap pending', () => {
    enter({ ...trap, GUEST_RFLAGS: 0x102 }, '90 90');
    expect(exit()).toEqual({ reason: Reason.MONITOR_TRAP, rip: GUEST_CODE + 1 });
    expect(vmx.read('GUEST_PENDING_DEBUG_EXCEPTIONS')).toBe(0x4000n);
  });
  it('gives way to the VM exit of the instruction itself', () => {
    enter(trap, '0f a2');
    expect(exit()).toEqual({ reason: 10, rip: GUEST_CODE });
  });
  it('gives way to the VM exit of the fault of the instruction', () => {
    enter({ ...trap, EXCEPTION_BITMAP: 1 << 6 }, '0f 0b');
    expect(exit()).toEqual({ reason: Reason.EXCEPTION_NMI, rip: GUEST_CODE });
  });
  it('exits again behind each entry', () => {
    for (let n = 1; n < 4; n++) {
      enter(trap, n === 1 ? '90 90 90' : '', 20, n === 1 ? VMLAUNCH : VMRESUME);
      expect(exit()).toEqual({ reason: Reason.MONITOR_TRAP, rip: GUEST_CODE + n });
    }
  });
  it('injected as an event exits before any instruction, whatever the control is', () => {
    enter({ ENTRY_INTERRUPTION_INFORMATION: 0x80000700 });
    expect(exit()).toEqual({ reason: Reason.MONITOR_TRAP, rip: GUEST_CODE });
    expect(enter({}, '', 3, VMRESUME)).toBe(false);
  });
  it('injected as an event exits from HLT', () => {
    enter({ ENTRY_INTERRUPTION_INFORMATION: 0x80000700, GUEST_ACTIVITY_STATE: HLT });
    expect([exit(), activity()]).toEqual([{ reason: Reason.MONITOR_TRAP, rip: GUEST_CODE }, HLT]);
  });
});

describe('virtual NMIs', () => {
  const PIN = Pin.NMI | Pin.VIRTUAL_NMIS;
  const virtual = controls({ pin: PIN });
  const window = controls({ pin: PIN, primary: Primary.NMI_WINDOW });
  /** IRET to the next instruction. */
  function frame(): number {
    const at = IST - 0x100;
    for (const [n, value] of [GUEST_CODE + 2, Sel.CODE64, 2, GUEST_STACK, Sel.DATA].entries())
      vmx.lab.put64(at + 8 * n, BigInt(value));
    return at;
  }

  it('that are injected are blocked until IRET', () => {
    vmx.lab.code(handler(2), VMCALL);
    enter({ ...virtual, ENTRY_INTERRUPTION_INFORMATION: NMI });
    expect([exit(), blocking()]).toEqual([{ reason: Reason.VMCALL, rip: handler(2) }, BY_NMI]);
    vmx.lab.code(handler(2), '48 cf');
    vmx.lab.code(GUEST_CODE, VMCALL);
    enter({}, '', 20, VMRESUME);
    expect([exit(), blocking()]).toEqual([{ reason: Reason.VMCALL, rip: GUEST_CODE }, 0]);
  });
  it('do not block those of the processor, which exit', () => {
    pendNmi();
    enter({ ...virtual, GUEST_INTERRUPTIBILITY_STATE: BY_NMI });
    expect([vmx.reason, vmx.read('EXIT_INTERRUPTION_INFORMATION'), blocking()]).toEqual([
      Reason.EXCEPTION_NMI,
      NMI_EXIT,
      BY_NMI,
    ]);
  });
  it('open the window before any instruction', () => {
    enter(window);
    expect(exit()).toEqual({ reason: Reason.NMI_WINDOW, rip: GUEST_CODE });
  });
  it('open the window behind the IRET that unblocks them', () => {
    enter({ ...window, GUEST_INTERRUPTIBILITY_STATE: BY_NMI, GUEST_RSP: frame() }, '48 cf 90 90');
    expect([exit(), blocking()]).toEqual([{ reason: Reason.NMI_WINDOW, rip: GUEST_CODE + 2 }, 0]);
  });
  it('open the window behind an injected event', () => {
    enter({ ...window, ENTRY_INTERRUPTION_INFORMATION: EXTERNAL_40, GUEST_RFLAGS: 0x202 });
    expect(exit()).toEqual({ reason: Reason.NMI_WINDOW, rip: handler(0x40) });
  });
  it('that are injected close the window', () => {
    enter({ ...window, ENTRY_INTERRUPTION_INFORMATION: NMI });
    expect(exit()).toEqual({ reason: Reason.VMCALL, rip: handler(2) + 1 });
  });
  it('open the window one instruction behind a load of SS', () => {
    enter({ ...window, GUEST_INTERRUPTIBILITY_STATE: BY_MOV_SS });
    expect(exit()).toEqual({ reason: Reason.NMI_WINDOW, rip: GUEST_CODE + 1 });
  });
  it.each([
    ['HLT', HLT],
    ['shutdown', SHUTDOWN],
  ])('open the window in %s', (_name, state) => {
    enter({ ...window, GUEST_ACTIVITY_STATE: state });
    expect([vmx.reason, activity()]).toEqual([Reason.NMI_WINDOW, state]);
  });
  it('open no window in the wait-for-SIPI state', () => {
    expect(enter({ ...window, GUEST_ACTIVITY_STATE: WAIT_FOR_SIPI })).toBe(false);
  });
  it('open the window before an NMI comes in', () => {
    pendNmi();
    enter(window);
    expect(vmx.reason).toBe(Reason.NMI_WINDOW);
  });
});

describe('NMIs', () => {
  it('exit from every state but wait-for-SIPI, and are blocked behind the VM exit', () => {
    for (const state of [ACTIVE, HLT, SHUTDOWN]) {
      pendNmi();
      enter(
        { ...controls({ pin: Pin.NMI }), GUEST_ACTIVITY_STATE: state, GUEST_RIP: GUEST_CODE },
        '90',
        3,
        state === ACTIVE ? VMLAUNCH : VMRESUME,
      );
      expect([vmx.reason, vmx.read('EXIT_INTERRUPTION_INFORMATION'), activity()]).toEqual([
        Reason.EXCEPTION_NMI,
        NMI_EXIT,
        state,
      ]);
      expect(vmx.lab.core.state.number('nmiBlocked')).toBe(1);
    }
  });
  it('that do not exit are delivered, and blocked', () => {
    pendNmi();
    enter({});
    expect([exit(), blocking()]).toEqual([{ reason: Reason.VMCALL, rip: handler(2) + 1 }, BY_NMI]);
  });
  it('wait while the guest has them blocked', () => {
    pendNmi();
    enter({ GUEST_INTERRUPTIBILITY_STATE: BY_NMI }, `90 90 ${VMCALL}`);
    expect([exit(), blocking()]).toEqual([{ reason: Reason.VMCALL, rip: GUEST_CODE + 2 }, BY_NMI]);
    expect(vmx.lab.core.state.number('nmiPending')).toBe(1);
  });
});

describe('the interrupt window', () => {
  const window = controls({ primary: Primary.INTERRUPT_WINDOW });
  const IF = { GUEST_RFLAGS: 0x202 };
  it('is open before any instruction where RFLAGS.IF is 1', () => {
    enter({ ...window, ...IF });
    expect(exit()).toEqual({ reason: Reason.INTERRUPT_WINDOW, rip: GUEST_CODE });
  });
  it('opens behind the instruction behind STI', () => {
    enter(window, '90 fb 90 90');
    expect(exit()).toEqual({ reason: Reason.INTERRUPT_WINDOW, rip: GUEST_CODE + 3 });
  });
  it.each([BY_STI, BY_MOV_SS])('opens one instruction behind blocking %i', (state) => {
    enter({ ...window, ...IF, GUEST_INTERRUPTIBILITY_STATE: state });
    expect(exit()).toEqual({ reason: Reason.INTERRUPT_WINDOW, rip: GUEST_CODE + 1 });
  });
  it('is open in HLT', () => {
    enter({ ...window, ...IF, GUEST_ACTIVITY_STATE: HLT });
    expect([vmx.reason, activity()]).toEqual([Reason.INTERRUPT_WINDOW, HLT]);
  });
  it.each([
    ['shutdown', SHUTDOWN],
    ['wait-for-SIPI', WAIT_FOR_SIPI],
  ])('is closed in %s, and no interrupt comes', (_name, state) => {
    vmx.lab.core.setIntr(true);
    expect(
      enter({
        ...controls({ pin: Pin.EXTERNAL, primary: Primary.INTERRUPT_WINDOW }),
        ...IF,
        GUEST_ACTIVITY_STATE: state,
      }),
    ).toBe(false);
  });
  it('goes behind an NMI', () => {
    pendNmi();
    enter({ ...controls({ pin: Pin.NMI, primary: Primary.INTERRUPT_WINDOW }), ...IF });
    expect(vmx.reason).toBe(Reason.EXCEPTION_NMI);
  });
  it('goes before an external interrupt', () => {
    vmx.lab.core.setIntr(true);
    enter({ ...controls({ pin: Pin.EXTERNAL, primary: Primary.INTERRUPT_WINDOW }), ...IF });
    expect(vmx.reason).toBe(Reason.INTERRUPT_WINDOW);
  });
});

describe('pending debug exceptions', () => {
  const BS = 0x4000;
  const B0 = 0x1001;
  const dr6 = () => vmx.lab.get('dr6') & 0xe00fn;
  // biome-ignore format: a line per case
  it.each([
    ['a single step', BS, 0x4000n],
    ['a data breakpoint that is enabled', B0, 1n],
    ['both', BS | B0, 0x4001n],
  ])('of %s are delivered before any instruction, and DR6 tells them', (_name, pending, causes) => {
    enter({ GUEST_PENDING_DEBUG_EXCEPTIONS: pending });
    expect([exit().rip, dr6()]).toEqual([handler(1) + 1, causes]);
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(GUEST_CODE));
    expect(vmx.read('GUEST_PENDING_DEBUG_EXCEPTIONS')).toBe(0n);
  });
  it('of a breakpoint that is not enabled are none', () => {
    enter({ GUEST_PENDING_DEBUG_EXCEPTIONS: 1 }, `90 ${VMCALL}`);
    expect(exit()).toEqual({ reason: Reason.VMCALL, rip: GUEST_CODE + 1 });
  });
  it('wait for one instruction behind a load of SS', () => {
    enter({ GUEST_PENDING_DEBUG_EXCEPTIONS: B0, GUEST_INTERRUPTIBILITY_STATE: BY_MOV_SS });
    expect(exit().rip).toBe(handler(1) + 1);
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(GUEST_CODE + 1));
  });
  it('are a VM exit where the exception bitmap says so, with their causes in the exit qualification', () => {
    enter({ GUEST_PENDING_DEBUG_EXCEPTIONS: BS | B0, EXCEPTION_BITMAP: 2 });
    expect([exit(), vmx.qualification]).toEqual([{ reason: Reason.EXCEPTION_NMI, rip: GUEST_CODE }, 0x4001n]);
    expect(vmx.read('EXIT_INTERRUPTION_INFORMATION')).toBe(0x80000301n);
  });
  it('wake a guest in HLT', () => {
    enter({ GUEST_PENDING_DEBUG_EXCEPTIONS: B0, GUEST_ACTIVITY_STATE: HLT });
    expect([exit().rip, activity()]).toEqual([handler(1) + 1, ACTIVE]);
  });
  it('are saved by a VM exit that comes before them', () => {
    vmx.lab.set({ rax: Sel.DATA });
    enter({ GUEST_RFLAGS: 0x102 }, '8e d0 0f a2');
    expect(exit()).toEqual({ reason: 10, rip: GUEST_CODE + 2 });
    expect([vmx.read('GUEST_PENDING_DEBUG_EXCEPTIONS'), blocking()]).toEqual([BigInt(BS), BY_MOV_SS]);
    // VM entry takes what the VM exit saved.
    enter({}, '8e d0 90 90', 20, VMRESUME);
    expect([exit().rip, dr6()]).toEqual([handler(1) + 1, BigInt(BS)]);
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(GUEST_CODE + 3));
  });
});
