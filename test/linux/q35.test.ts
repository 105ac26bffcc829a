// Debian's kernel on the board that looks like a q35: its bus as sysfs shows it, the console that SPCR names, and a disk
// behind a root port.
import { beforeAll, expect, it } from 'vitest';
import { ramDisk } from '../../src/devices/block/raw.ts';
import { boot, kernelModules, prepareSoftware, type Software } from './guest.ts';

const MODULES = ['virtio_pci', 'virtio_blk'];
const MIB = 1 << 20;

const script = (load: string): string => `#!/bin/busybox sh
/bin/busybox mkdir -p /sys /dev
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin
exec > /dev/ttyS0 2>&1
${load}
for device in /sys/bus/pci/devices/*; do
  echo "pci \${device##*/} $(cat $device/vendor) $(cat $device/device) $(basename "$(readlink $device/driver)")"
done
for device in 00:04.0 01:00.0; do echo "link $device $(cat /sys/bus/pci/devices/0000:$device/current_link_speed)"; done
echo "disk $(basename "$(readlink -f /sys/block/vda/device/..)") $(cat /sys/block/vda/size)"
dd if=/dev/vda of=/dev/vda bs=64k count=16 seek=32 conv=fsync 2>/dev/null
grep virtio0 /proc/interrupts
dmesg | grep -E 'SPCR|console|pci 0000:00:04.0|WARNING: CPU|BUG:'
poweroff -f
`;

let software: Software;

beforeAll(async () => {
  software = await prepareSoftware();
}, 900_000);

it('finds console, bus and disk', async () => {
  const bytes = Uint8Array.from({ length: 4 * MIB }, (_, n) => (n * 7 + (n >> 9)) & 0xff);
  const { files, load } = kernelModules(software, MODULES);
  const { output, outcome } = await boot(software, script(load), '', files, {
    options: {
      machine: 'q35',
      append: 'earlycon keep_bootcon panic=-1 cryptomgr.notests',
      drives: { disk: ramDisk(bytes) },
      devices: [
        { type: 'pcie-root-port', id: 'rp1', chassis: 1, slot: 1, addr: '4' },
        { type: 'virtio-blk', drive: 'disk', bus: 'rp1' },
      ],
    },
  });
  const text = output.replaceAll('\r', '');
  expect(text.match(/^pci .*/gm)).toEqual([
    'pci 0000:00:00.0 0x8086 0x29c0 ',
    'pci 0000:00:01.0 0x1234 0x1111 ',
    'pci 0000:00:04.0 0x1b36 0x000c pcieport',
    'pci 0000:00:1f.0 0x8086 0x2918 ',
    'pci 0000:01:00.0 0x1af4 0x1042 virtio-pci',
  ]);
  expect(text).toContain('ACPI: SPCR: console: uart,io,0x3f8,115200');
  expect(text).toMatch(/earlycon: uart\d* at I\/O port 0x3f8/);
  expect(text.match(/^link .*/gm)).toEqual(['link 00:04.0 2.5 GT/s PCIe', 'link 01:00.0 2.5 GT/s PCIe']);
  expect(text).toContain('disk 0000:01:00.0 8192');
  expect(text).toMatch(/PCI-MSI.* virtio0-req/);
  expect(text).toContain('pci 0000:00:04.0: PCI bridge to [bus 01]');
  expect(text).not.toMatch(/WARNING: CPU|BUG:|can't claim BAR|no space for/);
  expect(bytes.subarray(2 * MIB, 3 * MIB)).toEqual(bytes.subarray(0, MIB));
  expect(outcome.reason).toBe('powered-off');
}, 900_000);
