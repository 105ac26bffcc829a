// Xen by -kernel, with Debian's kernel as its first domain: Multiboot, and what its real-mode code asks a BIOS for.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { debianPackage } from './debian.ts';
import { boot, initramfs, prepareSoftware } from './guest.ts';

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mkdir /sys
/bin/busybox mount -t sysfs sysfs /sys
cd /sys/hypervisor
echo "dom0: $(/bin/busybox cat type) $(/bin/busybox cat version/major).$(/bin/busybox cat version/minor)"
/bin/busybox poweroff -f
`;
const XEN = 'xen-hypervisor-4.17-amd64';

/**
 * Xen 4.17 wants an IOMMU for a PVH first domain unless it is told that there is none. Such a domain runs under VMX and EPT;
 * what devices are told of its addresses is then wrong.
 */
it.each([
  ['paravirtualized', '', 'Booting kernel on Xen\r'],
  ['PVH', ' dom0=pvh dom0-iommu=none dom0_mem=512M', 'Booting kernel on Xen PVH\r'],
])(
  'a %s first domain runs its init and powers off',
  async (_kind, options, booting) => {
    const software = await prepareSoftware('linux-image-amd64');
    const xen = gunzipSync(readFileSync(join(debianPackage(XEN), 'boot/xen-4.17-amd64.gz')));
    const { output, outcome } = await boot(software, INIT, '', [], {
      instructions: 20e9,
      options: {
        memory: '1G',
        kernel: new Uint8Array(xen),
        append: `console=com1 com1=115200,8n1 loglvl=info${options}`,
        modules: [
          { bytes: software.kernel, commandLine: 'vmlinuz console=hvc0 panic=-1 cryptomgr.notests' },
          { bytes: initramfs(software, INIT), commandLine: 'initrd' },
        ],
      },
    });
    expect(output).toContain('(XEN) Bootloader: vmlaunch');
    expect(output).toContain('(XEN)  VGA is text mode 80x25, font 8x16');
    expect(output).toContain('(XEN)  [000000000009fc00, 000000000009ffff] (reserved)');
    expect(output).toContain(booting);
    expect(output).toContain('dom0: xen 4.17');
    expect(outcome.reason).toBe('powered-off');
  },
  3_000_000,
);
