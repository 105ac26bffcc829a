// Debian's kernel and its own drivers on the small virtio devices: entropy, ports, balloon, 9P, sockets and input.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VirtioKeyboard, VirtioTablet } from '../../src/machine/board/rows/input.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Report } from '../../src/machine/run/report.ts';
import { HostFolder } from '../../src/node/folder.ts';
import { EXECUTABLE } from './cpio.ts';
import { boot, kernelModules, prepareSoftware, type Software } from './guest.ts';

const MIB = 1 << 20;
const RAM = 256 * MIB;
const PORT = 'org.example.test';
const DRIVERS = [
  'virtio_pci',
  'virtio-rng',
  'virtio_console',
  'virtio_balloon',
  '9pnet_virtio',
  '9p',
  'virtio_input',
  'evdev',
];
const SOCKETS = 'vmw_vsock_virtio_transport';
const ECHO_BYTES = 300_000;

const START = `#!/bin/busybox sh
export PATH=/bin
/bin/busybox mkdir -p /sys /dev /mnt /tmp
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
`;

const SCRIPT = `
echo "rng $(cat /sys/class/misc/hw_random/rng_current), $(head -c 4096 /dev/hwrng | wc -c) bytes"

mount -t 9p -o trans=virtio,version=9p2000.L,msize=65536 shared /mnt && echo "9p: mounted"
echo "9p: $(cat /mnt/from-host)"
echo "hello from the guest" > /mnt/from-guest
mkdir /mnt/folder && mv /mnt/from-guest /mnt/folder/renamed
ln -s ../from-host /mnt/folder/link && echo "9p link: $(cat /mnt/folder/link)"
ln -s /proc/version /mnt/outside && echo "9p outside: $(cut -c 1-5 /mnt/outside)"
head -c 3000000 /dev/urandom > /tmp/random && cp /tmp/random /mnt/random && sync
umount /mnt && mount -t 9p -o trans=virtio,version=9p2000.L,msize=65536 shared /mnt
cmp /tmp/random /mnt/random && echo "9p: 3 MB are the same"
chmod 600 /mnt/random && touch -d '2020-02-02 02:02:02' /mnt/random
rm /mnt/doomed; echo "9p names: $(ls -A /mnt | sort | tr '\\n' ' ')"
df /mnt | tail -n 1 | grep -q /mnt && echo "9p: df"
umount /mnt
mount -t 9p -o trans=virtio,version=9p2000.L fixed /mnt && touch /mnt/x; umount /mnt

port=/dev/$(basename $(dirname $(grep -l '^${PORT}$' /sys/class/virtio-ports/*/name)))
exec 3<> $port
echo "hello from the port" >&3
read answer <&3
echo "port answer: $answer"
echo "hello from hvc0" > /dev/hvc0
echo "the kernel says this" > /dev/kmsg
stty -F /dev/hvc0 size

event() { basename $(dirname $(dirname $(grep -l "^vmlaunch $1$" /sys/class/input/event*/device/name))); }
head -c 24 /dev/input/$(event keyboard) > /tmp/key & head -c 48 /dev/input/$(event tablet) > /tmp/place & sleep 0.5
echo "press" >&3; read answer <&3; wait
echo "key $(od -An -t u2 -j 16 -N 6 /tmp/key), place $(od -An -t u2 -j 16 -N 6 /tmp/place) $(od -An -t u2 -j 40 -N 6 /tmp/place)"

meminfo() { grep -E "^$1:" /proc/meminfo | tr -s ' ' | cut -d ' ' -f 2; }
total=$(meminfo MemTotal)
echo "memory at first $total kB"
echo "shrink $total" >&3; read answer <&3
while [ $(meminfo MemTotal) -gt $((64 * 1024)) ]; do sleep 0.1; done
echo "memory at 64 MB $(meminfo MemTotal) kB"
echo "shrunk" >&3; read answer <&3
while [ $(meminfo MemTotal) -lt $total ]; do sleep 0.1; done
echo "memory again $(meminfo MemTotal) kB"
rm /tmp/random; echo 3 > /proc/sys/vm/drop_caches; sleep 10
echo "reported" >&3; read answer <&3
/vsock
poweroff -f
`;

let software: Software;
let folder = '';
let result: { output: string; heard: Record<string, string>; figures: Record<string, Report['balloon']> };
let echoed = Buffer.alloc(0);
const sent = Buffer.alloc(ECHO_BYTES, 'the quick brown fox ');

function compiled(program: string): Buffer {
  const path = join(folder, program);
  execFileSync('gcc', ['-O2', '-static', '-o', path, join(import.meta.dirname, `programs/${program}.c`)]);
  const bytes = readFileSync(path);
  rmSync(path);
  return bytes;
}

/** What the host does when the guest asks by the port. */
function answerPort(machine: Machine): void {
  let text = '';
  const port = machine.port(PORT);
  const answerTo = (wish: string, kilobytes: string): string => {
    switch (wish) {
      case 'hello':
        return 'hello from the host';
      case 'press':
        (machine.device('keys') as VirtioKeyboard).key('KeyA', true);
        (machine.device('pen') as VirtioTablet).move(0.25, 1);
        return 'pressed';
      case 'shrink':
        machine.balloon.target(RAM - (Number(kilobytes) * 1024 - 64 * MIB));
        return 'asked';
      case 'shrunk':
        machine.balloon.askStatistics();
        result.figures.shrunk = machine.report.balloon;
        machine.balloon.target(RAM);
        return 'asked';
      case 'reported':
        result.figures.reported = machine.report.balloon;
        return 'seen';
      default:
        return 'what?';
    }
  };
  port.on('data', (bytes) => {
    text += new TextDecoder().decode(bytes);
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      result.heard.port += `${line};`;
      const [wish, kilobytes] = line.split(' ');
      port.send(`${answerTo(wish, kilobytes)}\n`);
    }
  });
}

function answerSockets(machine: Machine): void {
  machine.vsock.listen(1234, (connection) => {
    connection.events.data = (bytes) => {
      result.heard.vsock += new TextDecoder().decode(bytes);
      connection.send(new TextEncoder().encode('hello, guest'));
      connection.end();
    };
    connection.events.close = (reason) => {
      result.heard.vsock += `;${reason}`;
    };
  });
}

/** Sends much more than either side has room for, and waits for all of it. */
function askEcho(machine: Machine): void {
  const connection = machine.vsock.connect(5000);
  connection.events.data = (bytes) => {
    echoed = Buffer.concat([echoed, bytes]);
    if (echoed.length === ECHO_BYTES) connection.end();
  };
  connection.events.close = (reason) => {
    result.heard.echo = reason;
  };
  connection.send(sent);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vmlaunch-virtio-'));
  software = await prepareSoftware('linux-image-amd64');
  const vsock = compiled('vsock');
  writeFileSync(join(folder, 'from-host'), 'hello from the host\n');
  writeFileSync(join(folder, 'doomed'), '');
  result = { output: '', heard: { port: '', hvc: '', vsock: '', echo: '' }, figures: {} };
  const { files, load } = kernelModules(software, [...DRIVERS, SOCKETS]);
  let asked = false;
  const { output } = await boot(
    software,
    START + load + SCRIPT,
    'console=hvc0',
    [...files, { path: 'vsock', mode: EXECUTABLE, bytes: vsock }],
    {
      options: {
        memory: RAM,
        folders: { shared: new HostFolder(folder), fixed: new HostFolder(folder, { isReadOnly: true }) },
        devices: [
          { type: 'virtio-rng' },
          { type: 'virtio-serial' },
          { type: 'virtconsole' },
          { type: 'virtserialport', name: PORT },
          { type: 'virtio-balloon', 'free-page-reporting': true },
          { type: 'virtio-9p', fsdev: 'shared', mount_tag: 'shared' },
          { type: 'virtio-9p', fsdev: 'fixed', mount_tag: 'fixed' },
          { type: 'vhost-vsock', 'guest-cid': 3 },
          { type: 'virtio-keyboard', id: 'keys' },
          { type: 'virtio-tablet', id: 'pen' },
        ],
      },
      onCreate: (machine) => {
        answerPort(machine);
        answerSockets(machine);
        machine.port('hvc0').on('data', (bytes) => {
          result.heard.hvc += new TextDecoder().decode(bytes);
        });
      },
      onOutput: (text, machine) => {
        if (asked || !text.includes('vsock listens')) return;
        asked = true;
        askEcho(machine);
      },
    },
  );
  result.output = output.replaceAll('\r', '');
}, 1_800_000);

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const lines = (): string[] => result.output.split('\n');

describe("Debian's kernel, with its own drivers,", () => {
  it('takes entropy from the entropy device', () => {
    expect(lines()).toContain('rng virtio_rng.0, 4096 bytes');
  });

  it('mounts a folder of the host, reads it and writes to it', () => {
    for (const line of ['mounted', 'hello from the host', '3 MB are the same', 'df']) {
      expect(lines()).toContain(`9p: ${line}`);
    }
    expect(lines()).toContain('9p link: hello from the host');
    expect(lines()).toContain('9p outside: Linux');
    expect(lines()).toContain('9p names: folder from-host outside random ');
    expect(readFileSync(join(folder, 'folder/renamed'), 'utf8')).toBe('hello from the guest\n');
    expect(readdirSync(folder).sort()).toEqual(['folder', 'from-host', 'outside', 'random']);
  });

  it('cannot write to a folder that is shared for reading', () => {
    expect(lines()).toContain('touch: /mnt/x: Read-only file system');
  });

  it('talks through a named port, both ways', () => {
    expect(result.heard.port).toMatch(/^hello from the port;/);
    expect(lines()).toContain('port answer: hello from the host');
  });

  it('has a console over virtio, for programs and for itself', () => {
    expect(result.heard.hvc).toContain('hello from hvc0');
    expect(result.heard.hvc).toContain('the kernel says this');
    expect(lines()).toContain('25 80');
  });

  it('gives memory back until 64 MB are left, and takes it again', () => {
    const total = (when: string): number => Number(new RegExp(`memory ${when} (\\d+) kB`).exec(result.output)?.[1]);
    expect(total('at first')).toBeGreaterThan(180 * 1024);
    expect(total('at 64 MB')).toBe(64 * 1024);
    expect(total('again')).toBe(total('at first'));
    expect(result.figures.shrunk?.ballooned).toBe((total('at first') - 64 * 1024) * 1024);
    expect(result.figures.shrunk?.actual).toBe(result.figures.shrunk?.ballooned);
    expect(result.figures.reported).toMatchObject({ ballooned: 0, actual: 0 });
    const told = result.figures.reported?.statistics.total;
    expect(told).toBeGreaterThanOrEqual(64 * MIB);
    expect(told).toBeLessThan(total('at first') * 1024);
    expect(result.figures.reported?.reported).toBeGreaterThan(32 * MIB);
  });

  it('hears of a key and of a place on the tablet', () => {
    const line = lines().find((one) => one.startsWith('key ')) ?? '';
    expect(line.match(/\d+/g)?.map(Number)).toEqual([1, 30, 1, 3, 0, 0x2000, 3, 1, 0x7fff]);
  });

  it('connects to the host by a socket, and is refused where nobody listens', () => {
    expect(result.heard.vsock).toBe('hello, host;finished');
    expect(lines()).toContain('vsock answer: hello, guest');
    expect(lines()).toContain('vsock port 99: Connection reset by peer');
  });

  it('echoes what the host sends to a socket of its own', () => {
    expect(lines()).toContain(`vsock echoed ${ECHO_BYTES}`);
    expect(echoed.equals(sent)).toBe(true);
    expect(result.heard.echo).toBe('finished');
  });
});
