// Debian's kernels by the other ways in: PVH on a microvm with two processors, the image at its 32-bit entry, i386.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { unpackLinux } from '../../src/machine/firmware/loaders/linux.ts';
import { debianPackage } from './debian.ts';
import { boot, prepareSoftware, type Software } from './guest.ts';

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "init: $(/bin/busybox uname -m), $(/bin/busybox grep -c ^processor /proc/cpuinfo) processors"
/bin/busybox poweroff -f
`;
const DAMAGE = /WARNING: CPU|BUG:|Unable to calibrate|Kernel panic/;

let software: Software;

beforeAll(async () => {
  software = await prepareSoftware();
}, 900_000);

describe("Debian's kernel", () => {
  it('as vmlinux boots by PVH on a microvm with two processors and 2 GB', async () => {
    const { unpacked } = await unpackLinux(software.kernel);
    const options = { machine: 'microvm', vcpus: 2, memory: '2G' } as const;
    const { output, outcome } = await boot({ ...software, kernel: unpacked! }, INIT, '', [], { options });
    expect(output).toContain('init: x86_64, 2 processors');
    expect(output).not.toMatch(DAMAGE);
    expect(outcome.reason).toBe('powered-off');
  }, 900_000);

  it('as an untouched image unpacks itself from its 32-bit entry', async () => {
    const { output } = await boot(software, INIT, '', [], { options: { linuxBoot: 'image32' } });
    expect(output).toContain('init: x86_64, 1 processors');
    expect(output).not.toMatch(DAMAGE);
  }, 900_000);

  it('at its 16-bit entry asks the firmware for memory and screen', async () => {
    const { output, outcome } = await boot(software, INIT, '', [], { options: { linuxBoot: 'image16' } });
    expect(output).toContain('Probing EDD (edd=off to disable)... ok');
    expect(output).toContain('BIOS-e820: [mem 0x000000000009fc00-0x000000000009ffff] reserved');
    expect(output).toContain('init: x86_64, 1 processors');
    expect(output).not.toMatch(DAMAGE);
    expect(outcome.reason).toBe('powered-off');
  }, 900_000);

  it('for i386 boots', async () => {
    const folder = join(debianPackage('linux-image-686', true, 'i386'), 'boot');
    const name = readdirSync(folder).find((one) => one.startsWith('vmlinuz')) ?? '';
    const kernel = new Uint8Array(readFileSync(join(folder, name)));
    const busybox = new Uint8Array(readFileSync(join(debianPackage('busybox-static', false, 'i386'), 'bin/busybox')));
    const { output, outcome } = await boot({ ...software, kernel, busybox }, INIT);
    expect(output).toContain('init: i686, 1 processors');
    expect(output).not.toMatch(DAMAGE);
    expect(outcome.reason).toBe('powered-off');
  }, 900_000);
});
