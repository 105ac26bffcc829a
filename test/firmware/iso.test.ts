// A CD image of grub-mkrescue's, given as a disk: firmware finds its boot sector, GRUB its menu on the CD's file system.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { ramDisk } from '../../src/devices/block/raw.ts';
import { Machine } from '../../src/machine/machine.ts';
import { buildWasm } from '../../tools/build-wasm.ts';
import { debianPackage } from '../linux/debian.ts';
import { grubIso } from './grub-iso.ts';

let iso: Uint8Array;
let source: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  source = new Uint8Array(readFileSync(await buildWasm(resolve(import.meta.dirname, '../..'), 'release')));
  iso = grubIso(readFileSync(new URL('../../roms/hello.elf', import.meta.url)));
}, 900_000);

it.each([
  ['our firmware', 'pc'],
  ['SeaBIOS', 'q35'],
] as const)(
  '%s boots it on a %s, and GRUB a kernel',
  async (firmware, type) => {
    const file = join(debianPackage('seabios'), 'usr/share/seabios/bios-256k.bin');
    const machine = await Machine.create({
      machine: type,
      bios: firmware === 'SeaBIOS' ? new Uint8Array(readFileSync(file)) : undefined,
      source,
      drives: { cd: ramDisk(iso, { isReadOnly: true }) },
      devices: [
        { type: 'virtio-blk', drive: 'cd' },
        { type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 },
      ],
    });
    let output = '';
    machine.on('console', (text) => {
      output += text;
    });
    const outcome = await machine.run({ instructions: 4e9 });
    expect(output).toMatch(/GNU GRUB +version 2/);
    expect(output).toContain('told        "from a CD"');
    expect(output).toMatch(/Bye\.\n$/);
    expect(outcome).toEqual({ reason: 'debug-exit', code: 0 });
  },
  900_000,
);
