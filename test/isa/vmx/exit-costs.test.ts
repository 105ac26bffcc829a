// The model of what exits cost: how its parts add up. The figures it begins with are published ones.
import { describe, expect, it } from 'vitest';
import { type ExitSettings, exitCycles, userExitCycles } from '../../../src/isa/vmx/exit-costs.ts';

const PLAIN: ExitSettings = { hasVpid: true, guestLevels: 4, eptLevels: 4, msrs: 0 };

describe('the modelled cost of a VM exit', () => {
  it('is the published round trip of the processor where nothing is added to it', () => {
    // Agesen and others, "Software Techniques for Avoiding Hardware Virtualization Exits", table 1.
    expect(exitCycles('Penryn', 'CPUID', PLAIN)).toBe(1266);
    expect(exitCycles('Nehalem', 'CPUID', PLAIN)).toBe(1009);
  });

  it('is that of a Skylake for a model without a figure', () => {
    expect(exitCycles('max', 'HLT', PLAIN)).toBe(exitCycles('Skylake-Client', 'HLT', PLAIN));
  });

  it('holds the walk that ends in an EPT violation: 24 references where both sides have four levels', () => {
    const walk = (settings: Partial<ExitSettings>) =>
      exitCycles('max', 'EPT_VIOLATION', { ...PLAIN, ...settings }) -
      exitCycles('max', 'CPUID', { ...PLAIN, ...settings });
    const reference = walk({ guestLevels: 0, eptLevels: 1 });
    expect(walk({}) / reference).toBe(24);
    expect(walk({ guestLevels: 0 }) / reference).toBe(4);
    expect(walk({ guestLevels: 5, eptLevels: 5 }) / reference).toBe(35);
  });

  it('grows with every entry of the MSR areas, and where VPIDs do not keep the TLB', () => {
    const plain = exitCycles('max', 'CPUID', PLAIN);
    const one = exitCycles('max', 'CPUID', { ...PLAIN, msrs: 1 }) - plain;
    expect(one).toBeGreaterThan(0);
    expect(exitCycles('max', 'CPUID', { ...PLAIN, msrs: 7 }) - plain).toBe(7 * one);
    expect(exitCycles('max', 'CPUID', { ...PLAIN, hasVpid: false })).toBeGreaterThan(plain);
  });
});

describe('the modelled cost of an exit to the machine', () => {
  it('is more than that of a VM exit where a process emulates the device, and most for MMIO', () => {
    const light = userExitCycles('max', 'HLT');
    expect(light).toBe(exitCycles('max', 'HLT', PLAIN));
    expect(userExitCycles('max', 'IO_OUT')).toBeGreaterThan(light);
    expect(userExitCycles('max', 'MMIO_READ')).toBeGreaterThan(userExitCycles('max', 'IO_IN'));
  });
});
