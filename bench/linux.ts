/**
 * How do Debian's kernel and its drivers do beside QEMU's translator (TCG)? Both run as processes of their own, one after
 * the other, one thread each, with the same kernel, initramfs, disk and network; times are CPU times of the process.
 *
 * What would make the numbers a lie: QEMU counts no instructions, so only ours are given; each unpacks a bzImage in its
 * own way, we on the host, QEMU in the guest behind its BIOS, hence the row with the unpacked kernel; a host that does much
 * else moves both, hence the ratios.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { unpackLinux } from '../src/machine/firmware/loaders/linux.ts';
import { initramfs, kernelModules, prepareSoftware } from '../test/linux/guest.ts';
import { isBuilt } from '../tools/build.ts';
import { median } from './compare.ts';
import { type Emulator, type EmulatorRun, runEmulator } from './emulator-run.ts';
import { figure, formatTable } from './table.ts';

const ROOT = resolve(import.meta.dirname, '..');
const QEMU = 'qemu-system-x86_64';
const ROUNDS = 3;
const MIB = 0x10_0000;
const DISK_MIB = 64;
const SMALL_READS = 8192;
const PINGS = 2000;
const APPEND = 'console=ttyS0 quiet cryptomgr.notests panic=-1';

/** A row of the table: what of a run is compared. More is better where `isRate`. */
interface Row {
  title: string;
  value: (run: EmulatorRun) => number;
  isRate?: boolean;
}

const cpuMs = ({ marks }: EmulatorRun, from: string | null, to: string): number =>
  (marks.get(to)?.cpuMs ?? Number.NaN) - (from === null ? 0 : (marks.get(from)?.cpuMs ?? Number.NaN));
const rate = (from: string, to: string, amount: number) => (run: EmulatorRun) =>
  amount / (Math.max(cpuMs(run, from, to), 10) / 1000);

const BOOT_ROWS: readonly Row[] = [
  { title: 'start to shell, CPU s', value: (run) => cpuMs(run, null, 'shell') / 1000 },
  { title: 'resident at the shell, MB', value: ({ marks }) => (marks.get('shell')?.residentBytes ?? Number.NaN) / 1e6 },
];
const DEVICE_ROWS: readonly Row[] = [
  { title: 'disk: read in 1 MiB pieces, MB/s', value: rate('read', 'read-done', (DISK_MIB * MIB) / 1e6), isRate: true },
  {
    title: 'disk: write and flush, MB/s',
    value: rate('read-done', 'write-done', (DISK_MIB * MIB) / 1e6),
    isRate: true,
  },
  { title: 'disk: reads of 4 KiB, a second', value: rate('small', 'small-done', SMALL_READS), isRate: true },
  { title: 'network: download, MB/s', value: rate('net', 'net-done', (DISK_MIB * MIB) / 1e6), isRate: true },
  { title: 'network: round trips, a second', value: rate('net-done', 'ping-done', PINGS), isRate: true },
];
const FIRST_ROWS: readonly Row[] = [
  { title: 'start to first instruction, CPU ms', value: (run) => cpuMs(run, null, 'first') },
  { title: 'start to first instruction, wall ms', value: ({ marks }) => marks.get('first')?.wallMs ?? Number.NaN },
];

const init = (modules: string, port: number): string => `#!/bin/busybox sh
echo "bench: shell"
/bin/busybox mkdir -p /dev /sys
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
${modules || '/bin/busybox poweroff -f'}
echo "bench: read"
/bin/busybox dd if=/dev/vda of=/dev/null bs=1M 2>/dev/null
echo "bench: read-done"
/bin/busybox dd if=/dev/zero of=/dev/vda bs=1M count=${DISK_MIB} conv=fsync 2>/dev/null
echo "bench: write-done"
echo 0 >/sys/block/vda/queue/read_ahead_kb
echo 3 >/proc/sys/vm/drop_caches
echo "bench: small"
/bin/busybox dd if=/dev/vda of=/dev/null bs=4k count=${SMALL_READS} 2>/dev/null
echo "bench: small-done"
/bin/busybox ip link set eth0 up
/bin/busybox ip addr add 10.0.2.15/24 dev eth0
/bin/busybox ip route add default via 10.0.2.2
/bin/busybox ping -c 1 -q 10.0.2.2 >/dev/null
echo "bench: net"
/bin/busybox wget -q -O /dev/null http://10.0.2.2:${port}/
echo "bench: net-done"
/bin/busybox ping -A -c ${PINGS} -q 10.0.2.2 >/dev/null
echo "bench: ping-done"
/bin/busybox poweroff -f
`;

/** A Multiboot 1 image that prints its mark and asks for a reset: mov dx, 0x3f8; for each byte: mov al, byte; out dx, al. */
function firstInstruction(): Uint8Array {
  const text = [...new TextEncoder().encode('bench: first\n')].flatMap((byte) => [0xb0, byte, 0xee]);
  const code = [0xba, 0xf8, 0x03, 0, 0, ...text, 0xb0, 0xfe, 0xe6, 0x64, 0xf4];
  const image = new Uint8Array(32 + code.length);
  const [magic, flags, base] = [0x1bad_b002, 0x1_0000, 0x10_0000];
  const header = [magic, flags, -(magic + flags), base, base, base + image.length, base + image.length, base + 32];
  new Uint32Array(image.buffer, 0, 8).set(header);
  image.set(code, 32);
  return image;
}

function checkTools(): void {
  if (!isBuilt()) throw new Error('dist/ is older than the sources: run `npm run build`');
  try {
    execFileSync(QEMU, ['--version'], { stdio: 'ignore' });
  } catch (error) {
    throw new Error(`this bench needs ${QEMU}, and there is none: apt-get install qemu-system-x86`, { cause: error });
  }
}

/** Both emulators with the same options, in QEMU's words. */
function emulators(args: readonly string[]): { ours: Emulator; qemu: Emulator } {
  const common = ['-m', '128', '-nographic', '-no-reboot', ...args];
  const ours = [process.execPath, join(ROOT, 'dist/cli/main.js'), ...common, '--report'];
  return {
    ours: { name: 'vmlaunch', command: ours },
    qemu: {
      name: 'QEMU',
      command: [QEMU, '-accel', 'tcg,thread=single', '-display', 'none', '-nic', 'none', ...common],
    },
  };
}

async function compare(
  title: string,
  args: readonly string[],
  last: string,
  rows: readonly Row[],
): Promise<string[][]> {
  const { ours, qemu } = emulators(args);
  const runs: Record<'ours' | 'qemu', EmulatorRun[]> = { ours: [], qemu: [] };
  for (let round = 0; round < ROUNDS; round++) {
    runs.ours.push(await runEmulator(ours, last));
    runs.qemu.push(await runEmulator(qemu, last));
    process.stderr.write('.');
  }
  const lines = rows.map(({ title: what, value, isRate }) => {
    const [left, right] = [median(runs.ours.map(value)), median(runs.qemu.map(value))];
    return [`${title}${what}`, figure(left), figure(right), figure(isRate ? left / right : right / left)];
  });
  const instructions = /instructions\s+([\d,]+)/.exec(runs.ours[0].errors)?.[1];
  return instructions ? [...lines, [`${title}instructions in all`, instructions, '-', '-']] : lines;
}

/** Measures and prints one table; the last column says how many times better than QEMU's our figure is. */
export async function benchLinux(): Promise<void> {
  checkTools();
  const software = await prepareSoftware();
  const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-bench-'));
  const place = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const body = Buffer.alloc(DISK_MIB * MIB, 'bench');
  const server = createServer((_request, response) => response.end(body)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { files, load } = kernelModules(software, ['virtio_pci', 'virtio_blk', 'virtio_net']);
    const { port } = server.address() as AddressInfo;
    const kernel = place('vmlinuz', software.kernel);
    const { unpacked } = await unpackLinux(software.kernel);
    const initrd = place('initrd', initramfs(software, init('', port)));
    const withDevices = place('initrd-devices', initramfs(software, init(load, port), files));
    const disk = place('disk', new Uint8Array(DISK_MIB * MIB));
    const boot = (image: string, ramDisk: string): string[] => [
      '-kernel',
      image,
      '-initrd',
      ramDisk,
      '-append',
      APPEND,
    ];
    const devices = [
      '-drive',
      `file=${disk},format=raw,if=virtio`,
      '-netdev',
      'user,id=n',
      '-device',
      'virtio-net-pci,netdev=n',
    ];
    const tables = [
      await compare('', ['-kernel', place('first', firstInstruction())], 'first', FIRST_ROWS),
      await compare('bzImage: ', boot(kernel, initrd), 'shell', BOOT_ROWS),
      ...(unpacked ? [await compare('vmlinux: ', boot(place('vmlinux', unpacked), initrd), 'shell', BOOT_ROWS)] : []),
      await compare('', [...boot(kernel, withDevices), ...devices], 'ping-done', DEVICE_ROWS),
    ];
    process.stderr.write('\n');
    console.log(formatTable(['Linux, 128 MB, one processor', 'vmlaunch', 'QEMU TCG', 'times QEMU'], tables.flat()));
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
