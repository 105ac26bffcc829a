// Breakpoints on VM exits, on the hypervisors of roms/.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ExitBreak, Machine, type Outcome } from '../../../src/index.ts';

const LIMIT = 10_000_000;

async function machineOf(rom: string): Promise<{ machine: Machine; until: (exit?: ExitBreak) => Promise<Outcome> }> {
  const machine = await Machine.create({
    kernel: new Uint8Array(readFileSync(new URL(`../../../roms/${rom}`, import.meta.url))),
    devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
  });
  return { machine, until: (exit) => machine.run({ instructions: LIMIT, exit }) };
}
const fieldOf = ({ core }: Machine, wanted: string) => core.vmx?.vmcs()?.find(({ name }) => name === wanted)?.value;
const countOf = ({ report }: Machine, wanted: string) => report.exits.find(({ reason }) => reason === wanted)?.count;

describe('a run with an exit to break at', () => {
  it('ends before the first instruction of the hypervisor’s handler', async () => {
    const { machine, until } = await machineOf('vmx-ept.elf');
    const outcome = await until({ reason: 'CPUID' });
    expect(outcome).toMatchObject({ reason: 'vmexit', cpu: 0, record: { reason: 'CPUID', instruction: 'cpuid' } });
    expect(machine.core.get('rip')).toBe(fieldOf(machine, 'HOST_RIP'));
    expect(fieldOf(machine, 'EXIT_REASON')).toBe(10n);
    expect(machine.core.vmx?.inGuest).toBe(false);
  });

  it('ends at the one of that number, and goes on from there to the end that it would have come to', async () => {
    const { machine, until } = await machineOf('vmx-ept.elf');
    await until({ reason: 'EPT_VIOLATION', nth: 100 });
    expect(countOf(machine, 'EPT_VIOLATION')).toBe(100);
    await until({ reason: 'EPT_VIOLATION', nth: 3 });
    expect(countOf(machine, 'EPT_VIOLATION')).toBe(103);
    expect(await until()).toEqual({ reason: 'debug-exit', code: 0 });
    const whole = await machineOf('vmx-ept.elf');
    await whole.until();
    expect(machine.core.retired).toBe(whole.machine.core.retired);
    expect(countOf(machine, 'EPT_VIOLATION')).toBe(countOf(whole.machine, 'EPT_VIOLATION'));
  });

  it('ends at exits of one guest instruction only', async () => {
    const { machine, until } = await machineOf('vmx-ept.elf');
    const first = await until({ reason: 'CPUID' });
    const rip = first.reason === 'vmexit' ? first.record.rip : 0n;
    const outcome = await until({ rip });
    expect(outcome).toMatchObject({ reason: 'vmexit', record: { rip, reason: 'CPUID' } });
    expect(fieldOf(machine, 'GUEST_RIP')).toBe(rip);
  });

  it('ends as without where it never comes', async () => {
    const { until } = await machineOf('vmx-ept.elf');
    expect(await until({ reason: 'HLT' })).toEqual({ reason: 'debug-exit', code: 0 });
  });

  it('refuses to count from 0', async () => {
    const { until } = await machineOf('vmx-ept.elf');
    await expect(until({ nth: 0 })).rejects.toThrow('break at exit 0: must be 1 or more');
  });

  it('ends behind each VM entry that fails, while the fields still hold what was wrong', async () => {
    const { machine, until } = await machineOf('vmx-bugs.elf');
    const first = await until({ failure: true });
    expect(first).toMatchObject({ record: { reason: 'VMLAUNCH_VMRESUME', rule: { name: 'HOST_NULL' } } });
    expect(fieldOf(machine, 'HOST_TR_SELECTOR')).toBe(0n);
    const second = await until({ failure: true });
    expect(second).toMatchObject({ record: { reason: 'INVALID_STATE' } });
    expect(fieldOf(machine, 'GUEST_RFLAGS')).toBe(0n);
    expect(await until({ failure: true })).toMatchObject({ reason: 'debug-exit' });
  });
});

describe('a VM entry that fails', () => {
  it('is told with its fields as they were, whatever the hypervisor does next', async () => {
    const { machine, until } = await machineOf('vmx-bugs.elf');
    const fields: string[] = [];
    machine.on('vmexit', ({ rule }) => {
      for (const { name, value } of rule?.fields ?? []) fields.push(`${name}=${value}`);
    });
    await until();
    expect(fields).toContain('HOST_TR_SELECTOR=0');
    expect(fields).toContain('GUEST_RFLAGS=0');
  });
});
