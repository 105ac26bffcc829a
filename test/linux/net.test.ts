// Debian's cloud kernel on the user-mode network: DHCP, names, 64 MB each way through real sockets, ports of the guest,
// a cable that is pulled, a dump that tcpdump reads; and two machines on a switch.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createWebServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VirtioNet } from '../../src/devices/virtio/net.ts';
import type { MachineOptions } from '../../src/machine/options.ts';
import type { NetBackend } from '../../src/net/backend.ts';
import { dump } from '../../src/net/pcap.ts';
import { Switch } from '../../src/net/switch.ts';
import { UserNet } from '../../src/net/user/user-net.ts';
import { nodeSockets } from '../../src/node/sockets.ts';
import { debianPackage } from './debian.ts';
import { boot, kernelModules, prepareSoftware, type Software } from './guest.ts';

const LOOPBACK = '127.0.0.1';
const ANSWER_TO_EVERYTHING = [10, 0, 2, 2];
const MIB = 1 << 20;

/** Brings the network up by DHCP. */
const ONLINE = `/bin/busybox mkdir -p /sys /tmp /etc /usr/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
ip link set lo up
ip link set eth0 up
cat > /tmp/lease <<'EOF'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
ip route add default via $router
echo nameserver $dns > /etc/resolv.conf
echo "lease: $ip/$mask via $router, names by $dns, called $hostname"
EOF
chmod +x /tmp/lease
udhcpc -i eth0 -n -q -s /tmp/lease
ping -c 2 10.0.2.2
`;

let software: Software;
const servers: Server[] = [];
const names = createSocket('udp4');
const ports = { web: 0, upload: 0, names: 0 };
const data = Buffer.alloc(64 * MIB);
const received: { bytes: number; md5: string }[] = [];
const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex');

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  return (server.address() as AddressInfo).port;
}

/** A name server (RFC 1035, "Messages") that knows one address for every name. */
function answerNames(): Promise<void> {
  names.on('message', (question, { port, address }) => {
    const end = question.indexOf(0, 12) + 5;
    const isForAddress = question.readUInt16BE(end - 4) === 1;
    const answer = isForAddress ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...ANSWER_TO_EVERYTHING] : [];
    const head = [...question.subarray(0, 2), 0x81, 0x80, 0, 1, 0, isForAddress ? 1 : 0, 0, 0, 0, 0];
    names.send(Uint8Array.from([...head, ...question.subarray(12, end), ...answer]), port, address);
  });
  return new Promise((resolve) => names.bind(0, LOOPBACK, resolve));
}

beforeAll(async () => {
  software = await prepareSoftware();
  for (let at = 0; at < data.length; at += 4) data.writeUInt32LE(Math.imul(at + 1, 2654435761) >>> 0, at);
  ports.web = await listen(
    createWebServer((request, response) => {
      const size = Number(request.url?.slice(1)) * MIB;
      response.setHeader('content-length', size);
      response.end(data.subarray(0, size));
    }) as unknown as Server,
  );
  ports.upload = await listen(
    createServer({ allowHalfOpen: true }, (socket) => {
      const hash = createHash('md5');
      let bytes = 0;
      socket.on('data', (part) => {
        hash.update(part);
        bytes += part.length;
      });
      socket.on('end', () => {
        received.push({ bytes, md5: hash.digest('hex') });
        socket.end('thank you\n');
      });
    }),
  );
  await answerNames();
  ports.names = names.address().port;
}, 900_000);

afterAll(() => {
  for (const server of servers) server.close();
  names.close();
});

/** What a client hears from a port of loopback before it is closed. */
function hear(port: number, say: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = '';
    const socket = connect(port, LOOPBACK, () => socket.end(say));
    socket.on('data', (part) => (heard += part));
    socket.on('close', () => resolve(heard));
    socket.on('error', reject);
  });
}

/** What tcpdump says of a dump, with checksums verified. */
function readDump(bytes: Buffer): string[] {
  const [tool, library] = ['tcpdump', 'libpcap0.8'].map((name) => debianPackage(name));
  const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-pcap-'));
  const file = join(folder, 'net.pcap');
  writeFileSync(file, bytes);
  try {
    const env = { ...process.env, LD_LIBRARY_PATH: join(library, 'usr/lib/x86_64-linux-gnu') };
    const args = ['-Z', 'root', '-nvvr', file];
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
    return execFileSync(join(tool, 'usr/bin/tcpdump'), args, {
      env,
      stdio,
      encoding: 'utf8',
      maxBuffer: 64 * MIB,
    }).split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Trial {
  megabytes: number;
  options: Partial<MachineOptions>;
  bus: string;
  /** What the card is plugged into instead of the network itself. */
  wrap?: (net: NetBackend) => NetBackend;
}

/** Boots with a card, moves that many megabytes down and up, and connects to two ports of the guest. */
async function trial({ megabytes, options, bus, wrap = (net) => net }: Trial) {
  const net = await UserNet.create(
    { hostname: 'guest', resolver: { address: LOOPBACK, port: ports.names } },
    nodeSockets(),
  );
  const forward = (guestPort: number) =>
    net.forward({ protocol: 'tcp', hostAddress: LOOPBACK, hostPort: 0, guestPort });
  const [web, plain] = [await forward(80), await forward(7)];
  const modules = kernelModules(software, [bus, 'virtio_net']);
  const init = `#!/bin/busybox sh
${modules.load}${ONLINE}
nslookup files.example
wget -q -O /tmp/big http://files.example:${ports.web}/${megabytes}
md5sum < /tmp/big
nc 10.0.2.2 ${ports.upload} < /tmp/big
echo 'page of the guest' > /tmp/index.html
httpd -h /tmp
echo 'the guest listens'
nc -l -p 7
grep ^Tcp /proc/net/snmp
carrier() { read state < /sys/class/net/eth0/carrier; [ $state = $1 ]; }
echo 'pull the cable'
until carrier 0; do sleep 0.1; done
echo 'put it back'
until carrier 1; do sleep 0.1; done
echo 'there it is'
poweroff -f
`;
  let calls: Promise<string[]> | null = null;
  try {
    const result = await boot(software, init, 'quiet', modules.files, {
      options: { memory: '256M', netdevs: { n0: wrap(net) }, ...options },
      onOutput: (output, machine) => {
        const card = machine.device('card') as VirtioNet;
        if (output.includes('pull the cable')) card.setLink(output.includes('put it back'));
        if (!output.includes('the guest listens')) return;
        calls ??= fetch(`http://${LOOPBACK}:${web}/`).then(async (page) => [
          await page.text(),
          await hear(plain, 'spoken from outside\n'),
        ]);
      },
    });
    return { ...result, heard: await calls };
  } finally {
    net.close();
  }
}

/** What every trial must have done. */
function expectAll({ output, outcome, heard }: Awaited<ReturnType<typeof trial>>, megabytes: number): void {
  const sum = md5(data.subarray(0, megabytes * MIB));
  expect(output).toContain('lease: 10.0.2.15/24 via 10.0.2.2, names by 10.0.2.3, called guest');
  expect(output).toContain('2 packets transmitted, 2 packets received, 0% packet loss');
  expect(output).toMatch(/Name:\s+files.example\s+Address: 10\.0\.2\.2/);
  expect(output).toContain(`${sum}  -`);
  expect(received.at(-1)).toEqual({ bytes: megabytes * MIB, md5: sum });
  expect(output).toContain('thank you');
  expect(heard).toEqual(['page of the guest\n', '']);
  expect(output).toContain('spoken from outside');
  expect(output).toContain('there it is');
  expect(outcome.reason).toBe('powered-off');
  const [heads, values] = [...output.matchAll(/^Tcp: (.*)\r?$/gm)].map(([, line]) => line.split(' '));
  expect(Number(values[heads.indexOf('RetransSegs')])).toBe(0);
}

describe("Debian's kernel with a virtio network card", () => {
  it('moves 64 MB each way through NAT, resolves names and is reached by its ports, over PCI', async () => {
    const devices = [{ type: 'virtio-net-pci', netdev: 'n0', id: 'card' }] as const;
    expectAll(await trial({ megabytes: 64, bus: 'virtio_pci', options: { devices } }), 64);
  }, 900_000);

  it('does so without any offload, on memory-mapped registers', async () => {
    const off = { csum: false, guest_csum: false, mrg_rxbuf: false, packed: false };
    const devices = [{ type: 'virtio-net-device', netdev: 'n0', id: 'card', ...off }] as const;
    const written: Uint8Array[] = [];
    const wrap = (net: NetBackend): NetBackend => dump(net, (bytes) => written.push(bytes));
    expectAll(await trial({ megabytes: 4, bus: 'virtio_mmio', options: { devices, machine: 'microvm' }, wrap }), 4);
    const lines = readDump(Buffer.concat(written));
    expect(lines.filter((line) => /incorrect|bad cksum|invalid|\[\|/.test(line))).toEqual([]);
    for (const what of [
      /BOOTP\/DHCP, Reply/,
      /ICMP echo reply/,
      /files\.example/,
      /Flags \[S\], cksum 0x\w+ \(correct\)/,
    ]) {
      expect(lines.some((line) => what.test(line))).toBe(true);
    }
  }, 900_000);

  it('reaches another machine through a switch, and the world through its uplink', async () => {
    const lan = new Switch();
    const net = await UserNet.create({}, nodeSockets());
    lan.connect(net);
    const modules = kernelModules(software, ['virtio_mmio', 'virtio_net']);
    const run = (host: number, work: string) => {
      const address = `ip addr add 10.0.2.${host}/24 dev eth0\n`;
      const init = `#!/bin/busybox sh\n${modules.load}${ONLINE.split('cat >')[0]}${address}${work}poweroff -f\n`;
      const devices = [{ type: 'virtio-net', netdev: 'n0', mac: `52:54:00:00:00:${host}` }] as const;
      const options = { devices, machine: 'microvm', memory: '256M', netdevs: { n0: lan.port() } } as const;
      return boot(software, init, 'quiet', modules.files, { options });
    };
    const [server, client] = await Promise.all([
      run(50, `wget -q -O /tmp/big http://10.0.2.2:${ports.web}/2\nhttpd -h /tmp\nnc -l -p 7\n`),
      run(
        51,
        'until wget -q -O /tmp/big http://10.0.2.50/big; do sleep 1; done\nmd5sum < /tmp/big\necho done | nc 10.0.2.50 7\n',
      ),
    ]);
    net.close();
    expect(client.output).toContain(`${md5(data.subarray(0, 2 * MIB))}  -`);
    expect(server.output).toContain('done');
    expect([server.outcome.reason, client.outcome.reason]).toEqual(['powered-off', 'powered-off']);
  }, 900_000);

  it('runs twice in the same way to the bit where the gateway answers everything itself', async () => {
    const modules = kernelModules(software, ['virtio_mmio', 'virtio_net']);
    const init = `#!/bin/busybox sh\n${modules.load}${ONLINE}nc 10.0.2.3 99\npoweroff -f\n`;
    const run = async () => {
      const net = await UserNet.create({}, nodeSockets());
      const devices = [{ type: 'virtio-net', netdev: 'n0' }] as const;
      const options = { devices, machine: 'microvm', netdevs: { n0: net } } as const;
      return boot(software, init, '', modules.files, { options });
    };
    const [first, second] = [await run(), await run()];
    expect(first.output).toContain('lease: 10.0.2.15/24');
    expect(first.output).toContain("nc: can't connect to remote host (10.0.2.3): Connection refused");
    expect([second.output, second.retired]).toEqual([first.output, first.retired]);
  }, 900_000);
});
