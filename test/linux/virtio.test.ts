// Debian's own drivers on our virtio devices: over PCI with MSI-X, with INTx by I/O APIC and by PIC, and memory-mapped.
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CharBackend } from '../../src/devices/backends.ts';
import { ramDisk } from '../../src/devices/block/raw.ts';
import type { MachineOptions } from '../../src/machine/options.ts';
import { boot, kernelModules, prepareSoftware, type Software } from './guest.ts';

const MIB = 1 << 20;
const DISK_BYTES = 4 * MIB;
const MODULES = ['virtio_pci', 'virtio_mmio', 'virtio_blk', 'virtio-rng', 'virtio_console'];
/** On PCI in slots 4 to 6, whose wires arrive at pins 16 to 18. */
const devices = (isPci: boolean): MachineOptions['devices'] => {
  const [blk, rng, serial] = ['4', '5', '6'].map((addr) => (isPci ? { addr } : {}));
  return [
    { type: 'virtio-blk', drive: 'disk', serial: 'disk-17', ...blk },
    { type: 'virtio-rng', ...rng },
    { type: 'virtio-serial', chardev: 'console', ...serial },
  ];
};

const script = (load: string): string => `#!/bin/busybox sh
/bin/busybox mkdir -p /sys /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin
${load}
for device in /sys/bus/pci/devices/*; do [ -e $device ] &&
  echo "pci \${device##*/} $(cat $device/vendor) $(cat $device/device) $(basename "$(readlink $device/driver)")"; done
for device in /sys/bus/virtio/devices/*; do echo "virtio $(cat $device/device) $(basename "$(readlink $device/driver)")"; done
echo "serial $(cat /sys/block/vda/serial)"
echo "before $(md5sum < /dev/vda)"
dd if=/dev/vda of=/dev/vda bs=64k count=16 seek=32 conv=fsync 2>/dev/null
echo "rng $(cat /sys/class/misc/hw_random/rng_current) $(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c)"
exec 3<> /dev/hvc0
stty raw -echo <&3
echo listening
read -t 10 line <&3
echo "heard $line"
echo "from the guest" >&3
sed 's/^/interrupt /' /proc/interrupts | grep virtio
dmesg | grep -E 'PCI: |pci_bus|WARNING: CPU|BUG:|stall'
poweroff -f
`;

let software: Software;

beforeAll(async () => {
  software = await prepareSoftware();
}, 900_000);

async function run(machine: Partial<MachineOptions>, append = '') {
  const bytes = Uint8Array.from({ length: DISK_BYTES }, (_, n) => (n * 7 + (n >> 9)) & 0xff);
  const before = createHash('md5').update(bytes).digest('hex');
  const heard: string[] = [];
  let say: ((bytes: Uint8Array) => void) | null = null;
  const console: CharBackend = {
    write: (data) => heard.push(new TextDecoder().decode(data)),
    connect: (receive) => {
      say = receive;
      return () => {};
    },
  };
  const onOutput = (output: string): void => {
    if (!output.includes('listening')) return;
    say?.(new TextEncoder().encode('from the host\n'));
    say = null;
  };
  const { files, load } = kernelModules(software, MODULES);
  const drives = { disk: ramDisk(bytes) };
  const options = { devices: devices(machine.machine !== 'microvm'), drives, chardevs: { console }, ...machine };
  const result = await boot(software, script(load), `quiet loglevel=1 ${append}`, files, { options, onOutput });
  const { outcome, log } = result;
  const output = result.output.replaceAll('\r', '');
  expect([outcome.reason, log]).toEqual(['powered-off', []]);
  expect(output).toContain(`before ${before}`);
  expect(bytes.subarray(2 * MIB, 3 * MIB)).toEqual(bytes.subarray(0, MIB));
  expect(output).toContain('serial disk-17\n');
  expect(output).toContain('rng virtio_rng.0 64\n');
  expect(output).toContain('heard from the host\n');
  expect(heard.join('')).toContain('from the guest');
  expect(output).toContain('virtio 0x0002 virtio_blk\nvirtio 0x0004 virtio_rng\nvirtio 0x0003 virtio_console\n');
  expect(output).not.toMatch(/WARNING: CPU|BUG:|stall/);
  return { output, interrupts: output.split('\n').filter((line) => line.startsWith('interrupt ')) };
}

describe("Debian's kernel", () => {
  it('finds the PCI bus by ECAM and drives virtio with MSI-X, on two processors', async () => {
    const { output, interrupts } = await run({ vcpus: 2 });
    expect(output).toMatch(/MMCONFIG at \[mem 0xe0000000-0xefffffff\] reserved in ACPI motherboard resources/);
    expect(output).toMatch(/pci_bus 0000:00: root bus resource \[mem 0xc0000000-0xdfffffff window\]/);
    expect(output.split('\n').filter((line) => /^pci 0000.*(0x8086|0x1af4)/.test(line))).toEqual([
      'pci 0000:00:00.0 0x8086 0x29c0 ',
      'pci 0000:00:04.0 0x1af4 0x1042 virtio-pci',
      'pci 0000:00:05.0 0x1af4 0x1044 virtio-pci',
      'pci 0000:00:06.0 0x1af4 0x1043 virtio-pci',
      'pci 0000:00:1f.0 0x8086 0x2918 ',
    ]);
    for (const name of ['virtio0-req.0', 'virtio1-input', 'virtio2-input', 'virtio2-output']) {
      expect(interrupts.join('\n')).toMatch(new RegExp(`PCI-MSI \\d+-edge +${name}`));
    }
  }, 600_000);

  it('drives virtio over PCI with INTx through the I/O APIC', async () => {
    const { interrupts } = await run({}, 'pci=nomsi');
    expect(interrupts.map((line) => line.replace(/ +/g, ' ').replace(/: \d+/, ''))).toEqual([
      'interrupt 16 IO-APIC 16-fasteoi virtio0',
      'interrupt 17 IO-APIC 17-fasteoi virtio1',
      'interrupt 18 IO-APIC 18-fasteoi virtio2',
    ]);
  }, 600_000);

  it('drives virtio over PCI with INTx through the PIC', async () => {
    const { interrupts } = await run({}, 'noapic nolapic pci=nomsi');
    expect(interrupts.map((line) => line.replace(/ +/g, ' ').replace(/: \d+/, ''))).toEqual([
      'interrupt 10 XT-PIC virtio0, virtio1',
      'interrupt 11 XT-PIC virtio2',
    ]);
  }, 600_000);

  it('drives memory-mapped virtio on a microvm, which has no PCI', async () => {
    const { output, interrupts } = await run({ machine: 'microvm' });
    expect(output).not.toMatch(/^pci 0000/m);
    expect(interrupts.map((line) => line.replace(/ +/g, ' ').replace(/: \d+/, ''))).toEqual([
      'interrupt 16 IO-APIC 16-fasteoi virtio0',
      'interrupt 17 IO-APIC 17-fasteoi virtio1',
      'interrupt 18 IO-APIC 18-fasteoi virtio2',
    ]);
  }, 600_000);
});
