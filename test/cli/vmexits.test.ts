// VM exits as the command shows them, on the hypervisor that comes along: records, the table, the VMCS.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { command } from '../../src/cli/command.ts';
import { failureLine } from '../../src/cli/vmexits.ts';
import { fakeHost } from './fake-host.ts';

const IMAGE = new URL('../../roms/vmx-ept.elf', import.meta.url);
const DEVICES = ['-kernel', 'vmx-ept.elf', '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x4'];

async function run(...args: string[]): Promise<{ output: string; errors: string }> {
  const host = fakeHost({ 'vmx-ept.elf': readFileSync(IMAGE) });
  await command([...args, ...DEVICES], host);
  return { output: host.output, errors: host.errors };
}

describe('vmlaunch trace', () => {
  it('writes a line of JSON for every VM exit that the hypervisor counted itself', async () => {
    const { output, errors } = await run('trace');
    const records = errors
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { number: number; reason: string; instruction?: string });
    expect(records.map(({ number }) => number)).toEqual(records.map((_, n) => n));
    for (const [, reason, count] of output.matchAll(/(CPUID|VMCALL|EPT_VIOLATION) (\d+)/g)) {
      expect(records.filter((record) => record.reason === reason)).toHaveLength(Number(count));
    }
    expect(new Set(records.filter(({ reason }) => reason === 'CPUID').map(({ instruction }) => instruction))).toEqual(
      new Set(['cpuid']),
    );
  });
});

describe('vmlaunch stat', () => {
  it('shows the exits to the guest’s hypervisor as it counted them, and below those to the machine', async () => {
    const { output } = await run('stat');
    const [above, below] = output.split('(level 0), VCPU 0:');
    expect(above).toContain('(level 1), VCPU 0:');
    const counts = [...output.matchAll(/(CPUID|VMCALL|EPT_VIOLATION) (\d+)/g)];
    expect(counts).toHaveLength(3);
    for (const [, reason, count] of counts) expect(above).toMatch(new RegExp(`^ +${reason} +${count} `, 'm'));
    // Characters, line by line, and the way out by a port.
    expect(below).toMatch(/^ +IO_OUT +\d+ .* \d+cyc$/m);
    expect(below).not.toContain('EPT_VIOLATION');
  });

  it('says the same as JSON', async () => {
    const { output } = await run('stat', '--json');
    const { exits } = JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
    const found = exits.find(({ reason }: { reason: string }) => reason === 'EPT_VIOLATION');
    expect(found).toMatchObject({ cpu: 0, level: 1, count: Number(/EPT_VIOLATION (\d+)/.exec(output)?.[1]) });
    expect(found.modelledCycles).toBeGreaterThan(
      exits.find(({ reason }: { reason: string }) => reason === 'CPUID').modelledCycles,
    );
  });
});

describe('vmlaunch vmcs', () => {
  it('prints the fields by the manual’s encodings, with the bits that are set', async () => {
    const { output } = await run('vmcs');
    // Bits 1, 2 and 4 of the pin-based controls are 1 in every VMCS (SDM, "Reserved Controls and Default Settings").
    expect(output).toMatch(/^4000 PIN_BASED_CONTROLS +00000016$/m);
    expect(output).toMatch(/^401e SECONDARY_CONTROLS +00000022 {2}enable EPT, enable VPID$/m);
    expect(output).toMatch(/^4402 EXIT_REASON +00000012 {2}VMCALL$/m);
  });
});

describe('vmlaunch vmcs --json', () => {
  it('names fields, values and meanings, or says that there is no VMCS', async () => {
    const line = async (...args: string[]) =>
      JSON.parse((await run('vmcs', '--json', ...args)).output.trimEnd().split('\n').at(-1) ?? '');
    const { cpu, vmcs } = await line();
    expect(cpu).toBe(0);
    expect(vmcs).toContainEqual({ name: 'EXIT_REASON', encoding: '0x4402', value: '0x12', meaning: 'VMCALL' });
    expect(await line('--limit', '100')).toEqual({ cpu: 0, vmcs: null });
  });
});

describe('--break', () => {
  it('stops at an exit, says which, and lets the VMCS be looked at there', async () => {
    const { output, errors } = await run('vmcs', '--break', 'ept_violation,nth=3');
    expect(output).toMatch(/^4402 EXIT_REASON +00000030 {2}EPT_VIOLATION$/m);
    expect(output).toMatch(/^6400 EXIT_QUALIFICATION +0*81 {2}read of ---, guest page-table entry$/m);
    expect(errors).toMatch(/^vmlaunch: stopped at \{"cpu":0,"number":2,"reason":"EPT_VIOLATION"/m);
    const address = /"guestPhysical":"0x([0-9a-f]+)"/.exec(errors)?.[1] ?? '';
    expect(output).toMatch(new RegExp(`^2400 GUEST_PHYSICAL_ADDRESS +0*${address}$`, 'm'));
  });

  it('says so where the exit did not come', async () => {
    const { errors } = await run('--break', 'HLT');
    expect(errors).toContain('the guest ended; the exit to break at did not come');
  });

  it.each([
    ['EPT_VIOLATIONS', "there is no exit 'EPT_VIOLATIONS'; there are any, failure, EXCEPTION_NMI"],
    ['any,rip=here', 'rip=here is no address'],
    ['any,nth=0', "nth: '0' is not a number from 1"],
    ['any,times=3', "unknown property 'times'; there are rip, nth"],
  ])('refuses %s', async (value, message) => {
    const { errors } = await run('--break', value);
    expect(errors).toContain(message);
  });
});

describe('a VM entry that failed', () => {
  it('is told with the rule, its section and the values of its fields', () => {
    const rule = {
      name: 'HOST_CR3',
      section: 'Checks on Host Control Registers, MSRs, and SSP',
      text: 'bits of CR3 beyond the physical-address width must be 0',
      fields: [{ name: 'HOST_CR3', value: 1n << 60n }],
    };
    const line = failureLine({ failure: 'VM entry with invalid host-state field(s)', rule, rip: 0x1000n } as never);
    expect(line).toBe(
      'VM entry at RIP 0x1000: VM entry with invalid host-state field(s): bits of CR3 beyond the physical-address width must' +
        ' be 0 (SDM Vol. 3C, "Checks on Host Control Registers, MSRs, and SSP"): HOST_CR3=0x1000000000000000',
    );
  });
});
