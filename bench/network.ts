/**
 * How fast does Debian's kernel move bytes through the user-mode network, beside QEMU's TCG with one thread? The same
 * kernel, initramfs, card and servers; 64 MB down into nowhere, 64 MB of zeros up, and connections for a page of 1 byte.
 * MB/s and requests/s of the servers' clock. Load of the machine makes the absolute figures a lie; the ratio less so.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createWebServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserNet } from '../src/net/user/user-net.ts';
import { nodeSockets } from '../src/node/sockets.ts';
import { cpio, DIRECTORY, EXECUTABLE } from '../test/linux/cpio.ts';
import { boot, kernelModules, prepareSoftware, type Software } from '../test/linux/guest.ts';
import { figure, formatTable } from './table.ts';

const LOOPBACK = '127.0.0.1';
const BYTES = 64 << 20;
const REQUESTS = 100;
const COMMAND_LINE = 'console=ttyS0 panic=-1 cryptomgr.notests quiet';
const QEMU = 'qemu-system-x86_64';

interface Figures {
  down: number;
  up: number;
  requests: number;
}

function script(software: Software, web: number, sink: number): { init: string; files: Parameters<typeof cpio>[0] } {
  const { files, load } = kernelModules(software, ['virtio_pci', 'virtio_net']);
  const init = `#!/bin/busybox sh
${load}/bin/busybox mkdir /dev
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox ip link set eth0 up
/bin/busybox ip addr add 10.0.2.15/24 dev eth0
/bin/busybox wget -q -O /dev/null http://10.0.2.2:${web}/down
/bin/busybox dd if=/dev/zero bs=65536 count=${BYTES >> 16} | /bin/busybox nc 10.0.2.2 ${sink}
for n in $(/bin/busybox seq ${REQUESTS}); do /bin/busybox wget -q -O /dev/null http://10.0.2.2:${web}/one; done
/bin/busybox poweroff -f
`;
  return { init, files };
}

/** Servers that measure a guest while `run` runs it. */
async function measure(run: (web: number, sink: number) => Promise<unknown>): Promise<Figures> {
  const figures: Figures = { down: 0, up: 0, requests: 0 };
  const rate = (start: number): number => BYTES / 1e3 / (performance.now() - start);
  const body = Buffer.alloc(BYTES, 'vmlaunch');
  const times: number[] = [];
  const web = createWebServer((request, response) => {
    const start = performance.now();
    const bytes = request.url === '/down' ? BYTES : 1;
    response.setHeader('content-length', bytes);
    response.end(body.subarray(0, bytes));
    if (bytes === 1) times.push(start);
    else request.socket.on('close', () => (figures.down = rate(start)));
  });
  const sink = createServer({ allowHalfOpen: true }, (socket) => {
    const start = performance.now();
    let bytes = 0;
    socket.on('data', (part) => (bytes += part.length));
    socket.on('end', () => {
      if (bytes !== BYTES) throw new Error(`${bytes} of ${BYTES} bytes came up`);
      figures.up = rate(start);
      socket.end();
    });
  });
  const ports: number[] = [];
  for (const server of [web, sink] as Server[]) {
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    ports.push((server.address() as AddressInfo).port);
  }
  await run(ports[0], ports[1]);
  for (const server of [web, sink]) server.close();
  figures.requests = ((times.length - 1) * 1000) / ((times.at(-1) ?? 0) - times[0]);
  return figures;
}

async function ours(software: Software, web: number, sink: number): Promise<void> {
  const net = await UserNet.create({}, nodeSockets());
  const { init, files } = script(software, web, sink);
  const devices = [{ type: 'virtio-net-pci', netdev: 'n0' }] as const;
  await boot(software, init, 'quiet', files, { options: { devices, netdevs: { n0: net } } });
  net.close();
}

async function theirs(software: Software, web: number, sink: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-bench-'));
  const { init, files } = script(software, web, sink);
  const [kernel, initrd] = [join(folder, 'kernel'), join(folder, 'initrd')];
  writeFileSync(kernel, software.kernel);
  const programs = [
    { path: 'bin', mode: DIRECTORY },
    { path: 'bin/busybox', mode: EXECUTABLE, bytes: software.busybox },
    { path: 'init', mode: EXECUTABLE, bytes: new TextEncoder().encode(init) },
  ];
  writeFileSync(initrd, cpio([...programs, ...files]));
  const machine = ['-M', 'pc', '-accel', 'tcg,thread=single', '-m', '128', '-display', 'none', '-serial', 'null'];
  const images = ['-kernel', kernel, '-initrd', initrd, '-append', COMMAND_LINE, '-no-reboot'];
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn(QEMU, [...machine, ...images, '-nic', 'user,model=virtio-net-pci'], { stdio: 'inherit' });
      child.on('error', () => reject(new Error(`this bench needs ${QEMU}`)));
      child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${QEMU} ended with ${code}`))));
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function benchNetwork(): Promise<void> {
  const software = await prepareSoftware();
  const mine = await measure((web, sink) => ours(software, web, sink));
  const qemu = await measure((web, sink) => theirs(software, web, sink));
  const row = (title: string, key: keyof Figures): string[] => [
    title,
    figure(mine[key]),
    figure(qemu[key]),
    figure(mine[key] / qemu[key]),
  ];
  const rows = [row('64 MB down, MB/s', 'down'), row('64 MB up, MB/s', 'up'), row('requests/s', 'requests')];
  console.log(formatTable(['network', 'ours', 'QEMU TCG', 'ours / TCG'], rows));
}
