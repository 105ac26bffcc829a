// Debian's SeaBIOS from the reset vector: it finds the machine, tells of it, and boots what it is given.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineOptions } from '../../src/machine/options.ts';
import { debianPackage } from '../linux/debian.ts';

let bios: Uint8Array;

beforeAll(() => {
  bios = new Uint8Array(readFileSync(join(debianPackage('seabios'), 'usr/share/seabios/bios-256k.bin')));
}, 300_000);

async function run(options: Partial<MachineOptions> = {}) {
  const machine = await Machine.create({ bios, devices: [{ type: 'isa-debugcon' }], ...options });
  const output = { serial0: '', debugcon: '' };
  machine.on('console', (text, { source }) => {
    if (source === 'serial0' || source === 'debugcon') output[source] += text;
  });
  const outcome = await machine.run({ instructions: 200_000_000 });
  return { outcome, ...output };
}

describe('SeaBIOS', () => {
  it('finds memory, ACPI and SMBIOS, speaks on the serial port, and has nothing to boot', async () => {
    const { outcome, serial0, debugcon } = await run();
    expect(debugcon).toContain('Running on QEMU (q35)');
    expect(debugcon).toMatch(/e820: addr 0x0+ len 0x0*8000000 \[RAM/);
    expect(debugcon).toMatch(/Copying SMBIOS from/);
    expect(debugcon).toMatch(/table\(50434146\)=0x[0-9a-f]+ \(via xsdt\)/);
    expect(debugcon).toContain('PS2 keyboard initialized');
    expect(debugcon).not.toMatch(/overrun|no PS\/2 keyboard/);
    expect(serial0).toContain('SeaBIOS (version 1.16');
    expect(serial0).toContain('No bootable device.');
    expect(outcome.reason).toBe('reset');
  }, 60_000);

  it('reads the files that it is given', async () => {
    const { debugcon } = await run({ fwCfg: { bootorder: '/rom@none\nHALT', 'opt/test': Uint8Array.of(1) } });
    expect(debugcon).toMatch(/boot order:\s+1: \/rom@none\s+2: HALT/);
    expect(debugcon).not.toContain('Booting from');
  }, 60_000);

  it('starts over after its own reset', async () => {
    const machine = await Machine.create({ bios, devices: [{ type: 'isa-debugcon' }], reboot: true });
    let text = '';
    machine.on('console', (part, { source }) => {
      if (source === 'debugcon') text += part;
    });
    await machine.run({ instructions: 8_000_000 });
    expect(text.match(/SeaBIOS \(version/g)?.length).toBeGreaterThan(1);
  }, 60_000);
});

it.each([
  [{ bios: new Uint8Array(1000) }, 'the firmware image has 1000 bytes; 65536 to 8388608'],
  [{ bios: new Uint8Array(0x2_0000), kernel: new Uint8Array(1) }, 'firmware and a kernel exclude each other'],
  [{}, 'neither a kernel nor firmware'],
])('a machine of %j is refused', async (options, message) => {
  await expect(Machine.create(options)).rejects.toThrow(message);
});
