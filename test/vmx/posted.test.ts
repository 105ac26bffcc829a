/**
 * Posted-interrupt processing (SDM Vol. 3C, "Posted-Interrupt Processing").
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { LAYOUT } from '../../src/core/layout.gen.ts';
import { Stop } from '../../src/core/types.ts';
import { controls, Pin, Primary, Reason, Secondary } from './controls.ts';
import { type Fields, GUEST_CODE, GUEST_STACK, VMCALL, VMLAUNCH, VMRESUME, type VmxLab, vmxLab } from './lab.ts';
import { Reg, status, VirtualApic } from './virtual-apic.ts';

const { TPR, ISR, IRR } = Reg;
const IF = 0x202;

let vmx: VmxLab;
let apic: VirtualApic;
describe('posted interrupts', () => {
  const DESCRIPTOR = 0x4a040;
  const NOTIFICATION = 0xf2;
  const ON = DESCRIPTOR + 32;
  const posted = (): Fields => ({
    ...controls({
      pin: Pin.EXTERNAL | Pin.POSTED,
      primary: Primary.TPR_SHADOW | Primary.MSR_BITMAPS,
      secondary: Secondary.VIRTUAL_INTERRUPTS | Secondary.X2APIC,
      exit: 0x8000,
    }),
    POSTED_INTERRUPT_NOTIFICATION_VECTOR: NOTIFICATION,
    POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: DESCRIPTOR,
  });
  const post = (...vectors: number[]) => {
    for (const v of vectors) {
      const at = DESCRIPTOR + 4 * (v >> 5);
      vmx.lab.put32(at, vmx.lab.view().getUint32(at, true) | (1 << (v & 31)));
    }
    vmx.lab.put32(ON, vmx.lab.view().getUint32(ON, true) | 1);
  };
  const notify = (vector = NOTIFICATION) => vmx.lab.core.deliverMsi(0xfee00000, vector);
  const requests = () => Array.from({ length: 8 }, (_, n) => vmx.lab.view().getUint32(DESCRIPTOR + 4 * n, true));
  /** Vectors in service at the processor's own APIC. */
  const inService = () => Array.from({ length: 8 }, (_, n) => Number(vmx.lab.core.readMsr(0x810 + n) & 0xffffffffn));
  const NONE = [0, 0, 0, 0, 0, 0, 0, 0];
  beforeEach(async () => {
    vmx = await vmxLab();
    apic = new VirtualApic(vmx);
    vmx.lab.core.writeMsr(0x1b, 0xfee00d00n);
    vmx.lab.core.writeMsr(0x80f, 0x1ffn);
    vmx.write({ ...posted(), GUEST_RFLAGS: IF });
  });
  /** Lets the guest run at `bytes` from VM entry on, and posts and notifies after `before` instructions. */
  function interrupted(bytes: string, before: number, vectors: number[], vector = NOTIFICATION): void {
    vmx.lab.code(GUEST_CODE, bytes);
    vmx.enter(VMLAUNCH, 1 + before);
    expect(vmx.inGuest).toBe(true);
    post(...vectors);
    notify(vector);
    vmx.goOn(10);
  }

  it('become virtual ones without a VM exit, and the notification is acknowledged and ended', () => {
    vmx.lab.put32(ON, 0xfffffffe);
    interrupted('90 90 90 90', 2, [0x1f, 0x20, 0x51, 0x83, 0xc5]);
    expect(apic.delivered()).toBe(0xc5);
    expect([apic.vectors(IRR), apic.vectors(ISR), apic.rvi, apic.svi]).toEqual([
      [0x1f, 0x20, 0x51, 0x83],
      [0xc5],
      0x83,
      0xc5,
    ]);
    expect([requests(), vmx.lab.view().getUint32(ON, true), inService()]).toEqual([NONE, 0xfffffffe, NONE]);
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(GUEST_CODE + 2));
  });
  it('are taken in with IF 0 too, and wait', () => {
    vmx.write({ GUEST_RFLAGS: 2 });
    interrupted(`90 90 90 ${VMCALL}`, 1, [0x51]);
    expect([apic.delivered(), apic.vectors(IRR), apic.rvi, requests()]).toEqual([undefined, [0x51], 0x51, NONE]);
  });
  it('below RVI leave it', () => {
    apic.set(IRR, 0x71);
    apic.put(TPR, 0xf0);
    vmx.write(status(0x71, 0));
    interrupted(`90 90 90 ${VMCALL}`, 1, [0x51]);
    expect([apic.delivered(), apic.vectors(IRR), apic.rvi]).toEqual([undefined, [0x51, 0x71], 0x71]);
  });
  it('raise RVI to the highest of them, whatever else VIRR has', () => {
    apic.set(IRR, 0x91);
    apic.put(TPR, 0xf0);
    interrupted(`90 90 90 ${VMCALL}`, 1, [0x51, 0x61]);
    expect([apic.delivered(), apic.vectors(IRR), apic.rvi]).toEqual([undefined, [0x51, 0x61, 0x91], 0x61]);
  });
  it('that are none change nothing but ON', () => {
    interrupted(`90 90 90 ${VMCALL}`, 1, []);
    expect([apic.delivered(), apic.rvi, vmx.lab.view().getUint32(ON, true), inService()]).toEqual([
      undefined,
      0,
      0,
      NONE,
    ]);
  });
  it('wake a guest in HLT where one can be delivered', () => {
    interrupted('f4 90 90', 1, [0x51]);
    expect([apic.delivered(), vmx.read('GUEST_ACTIVITY_STATE')]).toEqual([0x51, 0n]);
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(GUEST_CODE + 1));
  });
  it('leave a guest in HLT where none can be delivered', () => {
    apic.put(TPR, 0x60);
    interrupted('f4 90 90', 1, [0x51]);
    expect([vmx.inGuest, vmx.lab.core.state.number('activity')]).toEqual([true, 1]);
    expect([apic.vectors(IRR), requests(), inService()]).toEqual([[0x51], NONE, NONE]);
  });
  it('that were notified in root operation are taken in behind VM entry', () => {
    post(0x51);
    notify();
    vmx.guest('90');
    expect([apic.delivered(), requests(), inService()]).toEqual([0x51, NONE, NONE]);
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(GUEST_CODE));
  });
  it('stay posted where another vector comes, which is a VM exit', () => {
    interrupted('90 90 90 90', 2, [0x51], 0x30);
    expect([vmx.reason, vmx.read('EXIT_INTERRUPTION_INFORMATION')]).toEqual([Reason.EXTERNAL_INTERRUPT, 0x80000030n]);
    expect([requests()[2], vmx.lab.view().getUint32(ON, true), inService()[1]]).toEqual([1 << 0x11, 1, 1 << 0x10]);
  });
  it('come once each time that they are notified', () => {
    apic.handler(0x51, '31 c0 31 d2 b9 0b 08 00 00 0f 30 ff c3 48 cf');
    vmx.lab.set({ rbx: 0 });
    vmx.lab.code(GUEST_CODE, 'eb fe');
    vmx.enter(VMLAUNCH, 2);
    for (let n = 0; n < 5; n++) {
      post(0x51);
      notify();
      vmx.lab.core.run(20);
    }
    expect([vmx.inGuest, vmx.lab.get('rbx'), apic.vectors(IRR), apic.vectors(ISR)]).toEqual([true, 5n, [], []]);
  });
  it.each([
    ['a level-triggered pin of the I/O APIC', 0xf2],
    ['the 8259A', 0x20],
  ])('whose notification %s holds take from the budget, and the embedder can stop them', (name, vector) => {
    const { core } = vmx.lab;
    vmx.write({ POSTED_INTERRUPT_NOTIFICATION_VECTOR: vector });
    vmx.lab.code(GUEST_CODE, 'eb fe');
    vmx.enter(VMLAUNCH, 5);
    if (name === 'the 8259A') core.setIntr(true);
    else {
      const pin = 5;
      const entry = new DataView(core.memory.bytes(0, 1).buffer, LAYOUT.IOAPIC + 16 + 8 * pin, 8);
      entry.setUint32(0, vector | 0x8000, true);
      entry.setUint32(4, 0, true);
      core.setIoapicPin(pin, true);
    }
    const before = core.retired;
    expect(core.run(10_000)).toBe(Stop.BUDGET);
    expect([vmx.inGuest, core.retired]).toEqual([true, before]);
    core.requestStop();
    expect(core.run(10_000)).toBe(Stop.REQUESTED);
  });
  it('survive a VM exit between notification and delivery', () => {
    vmx.write({ GUEST_RFLAGS: 2 });
    interrupted(`90 90 ${VMCALL}`, 1, [0x51]);
    expect([apic.delivered(), apic.rvi]).toEqual([undefined, 0x51]);
    vmx.write({ GUEST_RFLAGS: IF, GUEST_RIP: GUEST_CODE });
    vmx.enter(VMRESUME, 3);
    expect(apic.delivered()).toBe(0x51);
  });
});
