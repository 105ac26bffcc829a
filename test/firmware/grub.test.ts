// SeaBIOS, or the firmware of our own, boots a virtio disk with GRUB on it, and GRUB Debian's kernel, to a shell script and power-off.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { ramDisk } from '../../src/devices/block/raw.ts';
import { Machine } from '../../src/machine/machine.ts';
import { debianPackage } from '../linux/debian.ts';
import { initramfs, prepareSoftware, type Software } from '../linux/guest.ts';
import { grubDisk } from './grub-disk.ts';

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "init: $(/bin/busybox uname -sm) from $(/bin/busybox cat /proc/cmdline)"
/bin/busybox poweroff -f
`;

let software: Software;
let disk: Uint8Array;
let bios: Uint8Array;

beforeAll(async () => {
  software = await prepareSoftware();
  bios = new Uint8Array(readFileSync(join(debianPackage('seabios'), 'usr/share/seabios/bios-256k.bin')));
  disk = grubDisk(software.kernel, initramfs(software, INIT), 'console=ttyS0 panic=-1 cryptomgr.notests');
}, 900_000);

it.each(['SeaBIOS', 'our firmware'])(
  '%s, boot loader and kernel hand the machine on',
  async (name) => {
    const machine = await Machine.create({
      bios: name === 'SeaBIOS' ? bios : undefined,
      memory: '256M',
      source: software.source,
      drives: { disk: ramDisk(disk) },
      devices: [{ type: 'virtio-blk-pci', drive: 'disk' }],
    });
    let output = '';
    machine.on('console', (text) => {
      output += text;
    });
    const outcome = await machine.run({ instructions: 6e9 });
    if (name === 'SeaBIOS') {
      expect(output).toContain('SeaBIOS (version 1.16');
      expect(output).toContain('Booting from Hard Disk...');
    } else expect(output).toMatch(/^GRUB loading\.\.\.\r\nWelcome to GRUB!/);
    expect(output).toMatch(/GNU GRUB +version 2/);
    expect(output).toMatch(/DMI: vmlaunch PC/);
    expect(output).toContain('init: Linux x86_64 from BOOT_IMAGE=/vmlinuz console=ttyS0');
    expect(output).not.toMatch(/WARNING: CPU|BUG:|Unable to calibrate/);
    expect(outcome.reason).toBe('powered-off');
  },
  900_000,
);
