/** Events that VMX operation holds off, or turns into others: INIT, posted interrupts. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Stop } from '../../src/core/types.ts';
import { CODE, HANDLER } from '../exec/lab.ts';
import { type VmxLab, vmxLab } from './lab.ts';

const Msr = { APIC_BASE: 0x1b, SVR: 0x80f, ICR: 0x830 };
const INIT = 0x4500n;

let vmx: VmxLab;
beforeEach(async () => {
  vmx = await vmxLab();
  vmx.lab.core.writeMsr(Msr.APIC_BASE, 0xfee00d00n);
  vmx.lab.core.writeMsr(Msr.SVR, 0x1ffn);
});

describe('INIT in VMX root operation', () => {
  it('waits, and resets the processor behind VMXOFF (SDM Vol. 3C, "Restrictions on VMX Operation")', () => {
    const { lab } = vmx;
    lab.core.writeMsr(Msr.ICR, INIT);
    lab.code(CODE, '90  nop\n 0f 01 c4  vmxoff\n 90  nop');
    lab.set({ rip: CODE });
    lab.step();
    expect(lab.get('rip')).toBe(BigInt(CODE + 1));
    lab.step();
    expect(lab.get('rip')).toBe(0xfff0n);
    expect(lab.get('cr0') & 0x80000001n).toBe(0n);
  });
});

describe('a posted interrupt', () => {
  const VECTOR = 0x41;
  const NOTIFICATION = 0xf2;
  const DESCRIPTOR = 0x48000;
  const VIRTUAL_APIC = 0x49000;

  it('wakes the guest from HLT (SDM Vol. 3C, "Posted-Interrupt Processing")', () => {
    const { lab } = vmx;
    vmx.write({
      PIN_BASED_CONTROLS: 0x16 | 1 | 0x80,
      PRIMARY_CONTROLS: (0x0401_6172 | 0x80200000) >>> 0,
      SECONDARY_CONTROLS: 0x200,
      EXIT_CONTROLS: vmx.read('EXIT_CONTROLS') | 0x8000n,
      VIRTUAL_APIC_ADDRESS: VIRTUAL_APIC,
      POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: DESCRIPTOR,
      POSTED_INTERRUPT_NOTIFICATION_VECTOR: NOTIFICATION,
    });
    lab.gate64(VECTOR, BigInt(HANDLER));
    lab.code(HANDLER, '90 90');
    vmx.guest('fb f4', 2);
    expect(lab.core.run(1)).toBe(Stop.HALT);
    lab.put64(DESCRIPTOR + (VECTOR >> 6) * 8, 1n << BigInt(VECTOR & 63));
    lab.put64(DESCRIPTOR + 32, 1n);
    lab.core.deliverMsi(0xfee00000, NOTIFICATION);
    // The notification, the delivery, an instruction.
    expect(lab.core.run(3)).toBe(Stop.BUDGET);
    expect(vmx.inGuest).toBe(true);
    expect(lab.get('rip')).toBe(BigInt(HANDLER + 1));
    expect(lab.view().getBigUint64(DESCRIPTOR + (VECTOR >> 6) * 8, true)).toBe(0n);
    expect(lab.view().getBigUint64(DESCRIPTOR + 32, true)).toBe(0n);
  });
});
