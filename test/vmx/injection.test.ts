/**
 * Events that VM entry injects, and RFLAGS.RF as VM exits save it (SDM Vol. 3C, "Details of Vectored-Event Injection",
 * "Delivery of Pending Debug Exceptions after VM Entry", "Saving RIP, RSP, RFLAGS, and SSP").
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { HANDLER, IST, Sel } from '../exec/lab.ts';
import { controls, Pin, Reason, Secondary, USER } from './controls.ts';
import { Ept, ExtendedTables } from './ept.ts';
import { type Fields, GUEST_CODE, GUEST_STACK, VMCALL, type VmxLab, vmxLab } from './lab.ts';

const RF = 0x10000;
const VALID = 0x80000000;
const CODE_PRESENT = 0x800;
const Type = { EXTERNAL: 0, NMI: 2, HARDWARE: 3, SOFTWARE: 4, PRIVILEGED: 5, SOFTWARE_EXCEPTION: 6 } as const;
const event = (type: number, vector: number, code = 0) => (VALID | (type << 8) | vector | code) >>> 0;
const DATA = 0x61000;
/** VM entry loads DR7, and VM exits save it. */
const DEBUG: Fields = { ENTRY_CONTROLS: 0x11fb | 0x204, EXIT_CONTROLS: 0x36dfb | 0x204 };

let vmx: VmxLab;
beforeEach(async () => {
  vmx = await vmxLab();
  for (let vector = 0; vector < 0x50; vector++) {
    vmx.lab.gate64(vector, BigInt(HANDLER + 0x10 * vector));
    vmx.lab.code(HANDLER + 0x10 * vector, VMCALL);
  }
});
const quad = (at: number) => Number(vmx.lab.view().getBigUint64(at, true));
/** Injects an event: the frame that its handler finds, from the top on. */
function inject(information: number, fields: Fields = {}): number[] {
  vmx.write({
    ENTRY_INTERRUPTION_INFORMATION: information,
    ENTRY_EXCEPTION_ERROR_CODE: 0x1234,
    ENTRY_INSTRUCTION_LENGTH: 3,
    ...fields,
  });
  vmx.guest(VMCALL);
  expect([vmx.inGuest, vmx.reason]).toEqual([false, Reason.VMCALL]);
  expect(Number(vmx.read('GUEST_RIP'))).toBe(HANDLER + 0x10 * (information & 0xff));
  const top = Number(vmx.read('GUEST_RSP'));
  return Array.from({ length: (GUEST_STACK - top) / 8 }, (_, n) => quad(top + 8 * n));
}

describe('an injected event', () => {
  // biome-ignore format: a line per case
  const EVENTS: readonly (readonly [name: string, information: number, length: number, code?: number])[] = [
    ['external interrupt', event(Type.EXTERNAL, 0x40), 0],
    ['NMI', event(Type.NMI, 2), 0],
    ['invalid-opcode exception', event(Type.HARDWARE, 6), 0],
    ['general-protection exception', event(Type.HARDWARE, 13, CODE_PRESENT), 0, 0x1234],
    ['debug exception', event(Type.HARDWARE, 1), 0],
    ['software interrupt', event(Type.SOFTWARE, 0x40), 3],
    ['INT1', event(Type.PRIVILEGED, 1), 3],
    ['INT3', event(Type.SOFTWARE_EXCEPTION, 3), 3],
  ];
  describe.each([0x202, 0x202 | RF])('with RFLAGS %i', (flags) => {
    it.each(EVENTS.map(([name, information, length, code]) => [name, information, length, code] as const))(
      '%s pushes RIP by its type, and RF as it was loaded',
      (_name, information, length, code) => {
        const frame = [GUEST_CODE + length, Sel.CODE64, flags, GUEST_STACK, Sel.DATA];
        expect(inject(information, { GUEST_RFLAGS: flags })).toEqual(code === undefined ? frame : [code, ...frame]);
      },
    );
  });
  it('page fault leaves CR2 as it is', () => {
    vmx.lab.set({ cr2: 0x7777 });
    inject(event(Type.HARDWARE, 14, CODE_PRESENT));
    expect(vmx.lab.get('cr2')).toBe(0x7777n);
  });
  it.each([
    ['hardware exception', Type.HARDWARE],
    ['privileged software exception', Type.PRIVILEGED],
  ])('debug exception, as %s, changes neither DR6 nor DR7', (_name, type) => {
    vmx.lab.set({ dr6: 0xffff4ff3 });
    inject(event(type, 1), { ...DEBUG, GUEST_DR7: 0x2400 });
    expect([vmx.lab.get('dr6'), vmx.read('GUEST_DR7')]).toEqual([0xffff4ff3n, 0x2400n]);
  });
  it.each([
    ['exception', event(Type.HARDWARE, 6), 1 << 6],
    ['debug exception', event(Type.HARDWARE, 1), 1 << 1],
    ['INT3', event(Type.SOFTWARE_EXCEPTION, 3), 1 << 3],
  ])('%s is not subject to the exception bitmap', (_name, information, bitmap) => {
    inject(information, { EXCEPTION_BITMAP: bitmap });
  });
  it('NMI is not subject to NMI exiting', () => {
    inject(event(Type.NMI, 2), controls({ pin: Pin.NMI | Pin.EXTERNAL }));
  });
  it('interrupt is not subject to external-interrupt exiting', () => {
    inject(event(Type.EXTERNAL, 0x40), { ...controls({ pin: Pin.EXTERNAL }), GUEST_RFLAGS: 0x202 });
  });
  it('software interrupt minds the privilege of its gate', () => {
    vmx.write({
      ...USER,
      ENTRY_INTERRUPTION_INFORMATION: event(Type.SOFTWARE, 0x40),
      ENTRY_INSTRUCTION_LENGTH: 2,
      EXCEPTION_BITMAP: 1 << 13,
    });
    vmx.guest(VMCALL);
    expect([vmx.reason, vmx.read('EXIT_INTERRUPTION_INFORMATION'), vmx.read('EXIT_INTERRUPTION_ERROR_CODE')]).toEqual([
      0,
      0x80000b0dn,
      0x202n,
    ]);
    expect([vmx.read('IDT_VECTORING_INFORMATION'), vmx.read('GUEST_RIP')]).toEqual([0x80000440n, BigInt(GUEST_CODE)]);
  });
  it('software interrupt whose delivery faults pushes RIP without the length', () => {
    vmx.lab.gate64(0x40, BigInt(HANDLER), { type: 0x0e });
    vmx.write({ ENTRY_INTERRUPTION_INFORMATION: event(Type.SOFTWARE, 0x40), ENTRY_INSTRUCTION_LENGTH: 2 });
    vmx.guest(VMCALL);
    // #NP with its error code.
    expect(Number(vmx.read('GUEST_RIP'))).toBe(HANDLER + 0x10 * 11);
    expect([quad(GUEST_STACK - 48), quad(GUEST_STACK - 40)]).toEqual([0x202, GUEST_CODE]);
  });
  it('is gone behind the VM exit', () => {
    inject(event(Type.EXTERNAL, 0x40), { GUEST_RFLAGS: 0x202 });
    expect(vmx.read('ENTRY_INTERRUPTION_INFORMATION') & BigInt(VALID)).toBe(0n);
  });
  // biome-ignore format: a line per case
  it.each([
    ['external interrupt', event(Type.EXTERNAL, 0x40), 0],
    ['NMI', event(Type.NMI, 2), 0],
    ['hardware exception', event(Type.HARDWARE, 6), 0],
    ['privileged software exception', event(Type.PRIVILEGED, 1), 0],
    ['software interrupt', event(Type.SOFTWARE, 0x40), 0],
    ['hardware exception behind a load of SS', event(Type.HARDWARE, 6), 2],
  ])('%s leaves no debug exception pending', (_name, information, blocking) => {
    inject(information, { GUEST_RFLAGS: 0x202, GUEST_PENDING_DEBUG_EXCEPTIONS: 0x1001, GUEST_INTERRUPTIBILITY_STATE: blocking });
    expect(vmx.read('GUEST_PENDING_DEBUG_EXCEPTIONS')).toBe(0n);
  });
  it('software exception behind a load of SS leaves debug exceptions pending', () => {
    vmx.write({
      ENTRY_INTERRUPTION_INFORMATION: event(Type.SOFTWARE_EXCEPTION, 3), ENTRY_INSTRUCTION_LENGTH: 1, GUEST_PENDING_DEBUG_EXCEPTIONS: 0x1001,
      GUEST_INTERRUPTIBILITY_STATE: 2,
    }); // biome-ignore format: a line of fields
    vmx.guest(VMCALL);
    expect([vmx.reason, Number(vmx.read('GUEST_RIP'))]).toEqual([Reason.VMCALL, HANDLER + 0x10]);
    expect(quad(Number(vmx.read('GUEST_RSP')))).toBe(HANDLER + 0x30);
  });
  it.each([2, 3])('pending debug exceptions are lost in activity state %i', (state) => {
    vmx.write({
      GUEST_ACTIVITY_STATE: state,
      GUEST_PENDING_DEBUG_EXCEPTIONS: 0x1001,
      ...controls({ pin: Pin.TIMER | Pin.NMI }),
      VMX_PREEMPTION_TIMER_VALUE: 0,
    });
    vmx.guest(VMCALL);
    if (state === 3) expect(vmx.inGuest).toBe(true);
    else expect([vmx.reason, vmx.read('GUEST_PENDING_DEBUG_EXCEPTIONS')]).toEqual([Reason.TIMER, 0n]);
  });
});

describe('RFLAGS.RF is saved', () => {
  const saved = () => Number(vmx.read('GUEST_RFLAGS')) & RF;
  /** Runs `bytes` with RF 1 at first; `prepare` is given the tables of EPT. */
  function run(bytes: string, fields: Fields = {}, prepare?: (ept: ExtendedTables) => void): number {
    if (prepare) {
      const ept = new ExtendedTables(vmx);
      vmx.write({ ...controls({ secondary: Secondary.EPT }), EPTP: ept.pointer });
      prepare(ept);
    }
    vmx.lab.set({ rsi: DATA, rcx: 4, rdi: DATA + 0x100 });
    vmx.write(fields);
    vmx.guest(bytes);
    expect(vmx.inGuest).toBe(false);
    return saved();
  }
  it('as 0 by an instruction that causes the VM exit, whatever it was', () => {
    expect([run('0f a2', { GUEST_RFLAGS: 2 | RF }), vmx.reason]).toEqual([0, 10]);
  });
  it('as 1 by an EPT violation of an instruction', () => {
    expect([run('8b 06', {}, (ept) => ept.set(DATA, 0n)), vmx.reason]).toEqual([RF, Reason.EPT_VIOLATION]);
  });
  it('as 1 by an EPT misconfiguration of an instruction', () => {
    expect([run('8b 06', {}, (ept) => ept.set(DATA, Ept.W)), vmx.reason]).toEqual([RF, Reason.EPT_MISCONFIGURATION]);
  });
  it('as 1 by an APIC access of an instruction', () => {
    expect([
      run('8b 06', { ...controls({ secondary: Secondary.APIC_ACCESSES }), APIC_ACCESS_ADDRESS: DATA }),
      vmx.reason,
    ]).toEqual([RF, Reason.APIC_ACCESS]);
  });
  it('as 1 by a fault that the exception bitmap names', () => {
    expect([run('0f 0b', { EXCEPTION_BITMAP: 1 << 6 }), vmx.reason]).toEqual([RF, Reason.EXCEPTION_NMI]);
  });
  // biome-ignore format: a line per case
  it.each([
    ['0 for a software interrupt', 'cd 40', 2, 0],
    ['1 for a fault', '0f 0b', 2, RF],
  ])('as the frame would have it by an EPT violation in the delivery of an event: %s', (_name, bytes, flags, rf) => {
    for (const vector of [6, 0x40]) vmx.lab.gate64(vector, BigInt(HANDLER), { ist: 1 });
    expect([run(bytes, { GUEST_RFLAGS: flags }, (ept) => ept.set(IST - 8, 0n)), vmx.reason]).toEqual([rf, Reason.EPT_VIOLATION]);
    expect(Number(vmx.read('IDT_VECTORING_INFORMATION')) >>> 31).toBe(1);
  });
  it('as it was loaded by an EPT violation in the delivery of an injected exception', () => {
    vmx.lab.gate64(6, BigInt(HANDLER), { ist: 1 });
    const fields = { ENTRY_INTERRUPTION_INFORMATION: event(Type.HARDWARE, 6) };
    expect([run('90', fields, (ept) => ept.set(IST - 8, 0n)), vmx.reason]).toEqual([0, Reason.EPT_VIOLATION]);
  });
  it('as 0 by the debug exception of an instruction breakpoint', () => {
    vmx.lab.set({ dr0: GUEST_CODE + 1 });
    expect([run('90 90', { ...DEBUG, GUEST_DR7: 0x402, EXCEPTION_BITMAP: 2 }), vmx.reason, vmx.qualification]).toEqual([
      0,
      Reason.EXCEPTION_NMI,
      1n,
    ]);
  });
  it('as 1 by the debug exception of general detection', () => {
    expect([
      run('0f 21 f0', { ...DEBUG, GUEST_DR7: 0x2400, EXCEPTION_BITMAP: 2 }),
      vmx.reason,
      vmx.qualification,
    ]).toEqual([RF, Reason.EXCEPTION_NMI, 0x2000n]);
  });
  it('as 1 between the iterations of a string instruction', () => {
    expect([run('f3 a4', controls({ primary: 0x8000000 })), vmx.reason]).toEqual([RF, Reason.MONITOR_TRAP]);
    expect(vmx.read('GUEST_RIP')).toBe(BigInt(GUEST_CODE));
  });
  it('and loaded, so that an instruction breakpoint does not come again behind an EPT violation', () => {
    vmx.lab.set({ dr0: GUEST_CODE });
    const debug = { ...DEBUG, GUEST_DR7: 0x402, EXCEPTION_BITMAP: 2 };
    expect([
      run(`8b 06 ${VMCALL}`, { ...debug, GUEST_RFLAGS: 2 | RF }, (ept) => ept.set(DATA, 0n)),
      vmx.reason,
    ]).toEqual([RF, Reason.EPT_VIOLATION]);
    new ExtendedTables(vmx);
    vmx.enter('0f 01 c3', 5);
    expect([vmx.reason, vmx.read('GUEST_RIP')]).toEqual([Reason.VMCALL, BigInt(GUEST_CODE + 2)]);
  });
});
