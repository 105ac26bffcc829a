// Debian's SeaBIOS from the reset vector: it finds the machine, tells of it, and boots what it is given.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ramDisk } from '../../src/devices/block/raw.ts';
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

  it('boots a disk behind a root port of a q35, whose bus and windows it sets up', async () => {
    const disk = new Uint8Array(0x20_0000);
    disk.set(readFileSync(new URL('../../roms/chain-guest.img', import.meta.url)));
    const { outcome, serial0, debugcon } = await run({
      machine: 'q35',
      drives: { disk: ramDisk(disk) },
      devices: [
        { type: 'isa-debugcon' },
        { type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 },
        { type: 'pcie-root-port', id: 'port', addr: '6' },
        { type: 'virtio-blk', drive: 'disk', bus: 'port' },
      ],
    });
    expect(debugcon).toContain('Running on QEMU (q35)');
    expect(debugcon).toContain('PCI: secondary bus = 0xff -> 0x1');
    expect(debugcon).toContain('Moving pm_base to 0x600');
    expect(serial0).toContain('guest: disk 80');
    // SeaBIOS keeps the last letters back until the next tick.
    expect(serial0).toContain('guest: the next sector says');
    expect(outcome).toEqual({ reason: 'debug-exit', code: 0 });
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
  ['the firmware image has 1000 bytes; 65536 to 8388608', { bios: new Uint8Array(1000) }],
  ['firmware and a kernel exclude each other', { bios: new Uint8Array(0x2_0000), kernel: new Uint8Array(1) }],
  ['neither a kernel nor firmware', {}],
])('a machine is refused: %s', async (message, options) => {
  await expect(Machine.create(options)).rejects.toThrow(message);
});
