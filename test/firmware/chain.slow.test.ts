// The chain loader (roms/chain) with a whole system as its guest: the next disk's GRUB and Debian's kernel, in VMX non-root
// operation from the boot sector to the power switch.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ramDisk } from '../../src/devices/block/raw.ts';
import { Machine } from '../../src/machine/machine.ts';
import { initramfs, prepareSoftware } from '../linux/guest.ts';
import { grubDisk } from './grub-disk.ts';

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
flag() { /bin/busybox grep -qw $1 /proc/cpuinfo && echo yes || echo no; }
echo "init: vmx $(flag vmx) hypervisor $(flag hypervisor)"
/bin/busybox poweroff -f
`;

const SERVED = ['CPUID', 'CR_ACCESS', 'XSETBV', 'MSR_READ', 'MSR_WRITE', 'INVD'];

it('GRUB and Debian’s kernel run as its guest', async () => {
  const software = await prepareSoftware();
  const append = 'console=ttyS0 panic=-1 cryptomgr.notests';
  const disk = grubDisk(software.kernel, initramfs(software, INIT), append);
  const chain = new Uint8Array(0x10_0000);
  chain.set(readFileSync(new URL('../../roms/chain.img', import.meta.url)));
  const machine = await Machine.create({
    memory: '256M',
    source: software.source,
    drives: { chain: ramDisk(chain), disk: ramDisk(disk) },
    devices: [
      { type: 'virtio-blk', drive: 'chain' },
      { type: 'virtio-blk', drive: 'disk' },
    ],
  });
  let output = '';
  machine.on('console', (text) => {
    output += text;
  });
  const outcome = await machine.run({ instructions: 8e9 });
  expect(output).toMatch(/^chain: the next disk becomes a guest\r\nGRUB loading\.\.\.\r\nWelcome to GRUB!/);
  expect(output).toContain('init: vmx no hypervisor yes');
  expect(output).toMatch(/BIOS-e820: \[mem 0x0*88000-0x0*9ffff\] reserved/);
  expect(output).not.toMatch(/WARNING: CPU|BUG:|Unable to calibrate/);
  expect(outcome.reason).toBe('powered-off');
  // What VMX insists on; interrupts, ports and memory are the guest's own.
  const reasons = machine.report.exits.filter(({ level }) => level === 1).map(({ reason }) => reason);
  expect(reasons).toEqual(expect.arrayContaining(['CPUID', 'CR_ACCESS', 'XSETBV']));
  expect(reasons.filter((reason) => !SERVED.includes(reason))).toEqual([]);
}, 3_000_000);
