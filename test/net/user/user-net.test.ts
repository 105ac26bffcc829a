// The user-mode network but for TCP: ARP, DHCP, ICMP, UDP and DNS, forwarded ports, fragments, restriction.
import { beforeEach, describe, expect, it } from 'vitest';
import type { HostForward } from '../../../src/net/user/options.ts';
import { GUEST_MAC, Guest, IP, internetSum, ipBytes, long, readUdp, textBytes, udp, word } from './guest.ts';

const BROADCAST = Array(6).fill(0xff);
const arp = (operation: number, sender: string, target: string): number[] => [
  ...[0, 1, 8, 0, 6, 4, 0, operation],
  ...[...GUEST_MAC, ...ipBytes(sender)],
  ...[0, 0, 0, 0, 0, 0, ...ipBytes(target)],
];

let guest: Guest;
beforeEach(async () => {
  guest = await Guest.on();
});

/** Lets the network learn where the guest is. */
function announce(): void {
  guest.send(BROADCAST, 0x0806, arp(1, IP.guest, IP.gateway));
  guest.taken();
}

describe('ARP', () => {
  it.each([IP.gateway, IP.dns])('is answered for %s', (ip) => {
    guest.send(BROADCAST, 0x0806, arp(1, IP.guest, ip));
    const [{ bytes }] = guest.taken();
    expect(bytes.slice(0, 6)).toEqual(GUEST_MAC);
    expect(bytes.slice(14, 22)).toEqual([0, 1, 8, 0, 6, 4, 0, 2]);
    expect([bytes.slice(28, 32), bytes.slice(32, 42)]).toEqual([ipBytes(ip), [...GUEST_MAC, ...ipBytes(IP.guest)]]);
    expect(bytes.slice(22, 28)).toEqual(bytes.slice(6, 12));
  });

  it.each([IP.guest, '10.0.2.77', IP.outside])('is not answered for %s', (ip) => {
    guest.send(BROADCAST, 0x0806, arp(1, '0.0.0.0', ip));
    expect(guest.taken()).toEqual([]);
  });
});

describe('DHCP', () => {
  const discover = (type: number, options: number[] = [], { mac = GUEST_MAC, ciaddr = '0.0.0.0' } = {}): void => {
    const bootp = [1, 1, 6, 0, ...long(0xcafe), 0, 0, 0x80, 0, ...ipBytes(ciaddr), ...Array(12).fill(0)];
    const message = [...bootp, ...mac, ...Array(10 + 192).fill(0), ...[0x63, 0x82, 0x53, 0x63], 53, 1, type];
    guest.sendUdp(68, '255.255.255.255', 67, [...message, ...options, 255], { from: '0.0.0.0' });
  };
  const answers = () =>
    guest.packets().map((packet) => {
      const { from, to, data } = readUdp(packet);
      const options = new Map<number, number[]>();
      for (let at = 240; data[at] !== 255; at += 2 + data[at + 1]) {
        options.set(data[at], data.slice(at + 2, at + 2 + data[at + 1]));
      }
      return { from, to, address: data.slice(16, 20).join('.'), xid: data.slice(4, 8), options };
    });

  it('offers the first address, with mask, gateway, name server and a day of lease', () => {
    discover(1);
    const [{ from, to, address, xid, options }] = answers();
    expect([from, to, address, xid]).toEqual(['10.0.2.2:67', '255.255.255.255:68', IP.guest, long(0xcafe)]);
    expect(Object.fromEntries(options)).toEqual({
      53: [2],
      54: [10, 0, 2, 2],
      1: [255, 255, 255, 0],
      3: [10, 0, 2, 2],
      6: [10, 0, 2, 3],
      51: long(86400),
    });
  });

  it('acknowledges the address that it offered, and refuses another', () => {
    discover(3, [50, 4, ...ipBytes(IP.guest), 54, 4, ...ipBytes(IP.gateway)]);
    discover(3, [50, 4, 10, 0, 2, 99]);
    expect(answers().map(({ options, address }) => [options.get(53), address])).toEqual([
      [[5], IP.guest],
      [[6], '0.0.0.0'],
    ]);
  });

  it('leaves requests to another server alone', () => {
    discover(3, [50, 4, ...ipBytes(IP.guest), 54, 4, 10, 0, 2, 200]);
    expect(answers()).toEqual([]);
  });

  it('renews a lease with an answer to its owner alone', () => {
    announce();
    discover(3, [], { ciaddr: IP.guest });
    expect(answers().map(({ to, options }) => [to, options.get(53)])).toEqual([[`${IP.guest}:68`, [5]]]);
  });

  it('gives every card an address of its own, always the same', () => {
    const cards = [1, 2, 1].map((last) => ({ mac: [...GUEST_MAC.slice(0, 5), last] }));
    for (const card of cards) discover(1, [], card);
    expect(answers().map(({ address }) => address)).toEqual(['10.0.2.15', '10.0.2.16', '10.0.2.15']);
  });

  it('tells names, on the network that was asked for', async () => {
    guest = await Guest.on({
      net: '192.168.7.0/24',
      dhcpStart: '192.168.7.100',
      hostname: 'box',
      domain: 'test.example',
    });
    discover(1);
    const [{ address, options, from }] = answers();
    expect([address, from]).toEqual(['192.168.7.100', '192.168.7.2:67']);
    expect([options.get(12), options.get(15)]).toEqual([textBytes('box'), textBytes('test.example')]);
  });

  it.each([
    ['is cut off', (bytes: number[]) => bytes.slice(0, 230)],
    ['has no cookie', (bytes: number[]) => bytes.with(236, 0)],
    ['answers', (bytes: number[]) => bytes.with(0, 2)],
  ])('leaves a message alone that %s', (_what, change) => {
    const message = [1, 1, 6, 0, ...Array(232).fill(0), 0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255];
    guest.sendUdp(68, '255.255.255.255', 67, change(message), { from: '0.0.0.0' });
    expect(guest.taken()).toEqual([]);
  });
});

describe('ICMP', () => {
  const echo = [8, 0, 0, 0, 1, 2, 0, 1, ...textBytes('ping')];
  const request = [...echo.slice(0, 2), ...word(~internetSum(echo) & 0xffff), ...echo.slice(4)];

  it.each([IP.gateway, IP.dns])('echoes from %s', (ip) => {
    guest.sendIp(ip, 1, request);
    const [{ from, to, payload }] = guest.packets();
    expect([from, to, internetSum(payload)]).toEqual([ip, IP.guest, 0xffff]);
    expect([payload[0], payload.slice(4)]).toEqual([0, echo.slice(4)]);
  });

  it('says that echoes from outside are prohibited, quoting the question', () => {
    guest.sendIp(IP.outside, 1, request);
    const [{ from, payload }] = guest.packets();
    expect([from, payload.slice(0, 2), internetSum(payload)]).toEqual([IP.gateway, [3, 13], 0xffff]);
    expect([payload.slice(24, 28), payload.slice(28)]).toEqual([ipBytes(IP.outside), request.slice(0, 8)]);
  });

  it('says that time is exceeded where a packet goes no further', () => {
    guest.sendUdp(1000, IP.outside, 33434, [1], { ttl: 1 });
    expect(guest.packets().map(({ from, payload }) => [from, payload[0]])).toEqual([[IP.gateway, 11]]);
    expect(guest.sockets.sockets).toEqual([]);
  });

  it('leaves an echo request alone that arrived damaged', () => {
    guest.sendIp(IP.gateway, 1, request.with(9, 0));
    expect(guest.taken()).toEqual([]);
  });
});

describe('UDP', () => {
  it('goes out by a socket of the host, and answers come back as from where the guest sent', () => {
    guest.sendUdp(5000, IP.outside, 123, textBytes('time?'));
    const [socket] = guest.sockets.sockets;
    expect(socket.sent).toEqual([{ bytes: textBytes('time?'), to: { address: IP.outside, port: 123 } }]);
    socket.receive(Uint8Array.from(textBytes('noon')), { address: IP.outside, port: 123 });
    expect(guest.packets().map(readUdp)).toEqual([
      { from: `${IP.outside}:123`, to: `${IP.guest}:5000`, data: textBytes('noon') },
    ]);
  });

  it('uses one socket for each port of the guest', () => {
    for (const [source, destination] of [
      [5000, 1],
      [5000, 2],
      [5001, 1],
    ]) {
      guest.sendUdp(source, IP.outside, destination, [1]);
    }
    expect(guest.sockets.sockets.map(({ sent }) => sent.length)).toEqual([2, 1]);
  });

  it('takes no answer from somebody who was not asked', () => {
    guest.sendUdp(5000, IP.outside, 123, [1]);
    guest.sockets.sockets[0].receive(Uint8Array.of(1), { address: IP.outside, port: 124 });
    expect(guest.taken()).toEqual([]);
  });

  it("leads the gateway's address to the host itself", () => {
    guest.sendUdp(5000, IP.gateway, 7, [1]);
    const [socket] = guest.sockets.sockets;
    expect(socket.sent[0].to).toEqual({ address: '127.0.0.1', port: 7 });
    socket.receive(Uint8Array.of(2), { address: '127.0.0.1', port: 7 });
    expect(guest.packets().map(readUdp)[0].from).toBe('10.0.2.2:7');
  });

  it.each([
    ['that is closed is reported with ICMP, quoting what was sent there last', 7, [[IP.gateway, 3, 3, [1, 2, 3]]]],
    ['that is open is not', 8, []],
  ])("to a port of the gateway's %s", (_what, port, messages) => {
    let refuse = (): void => {};
    guest.sockets.datagramsTo = (_to, receive, refused) => {
      refuse = refused;
      return guest.sockets.datagrams(receive);
    };
    guest.sendUdp(5000, IP.gateway, port, [9]);
    guest.sendUdp(5000, IP.gateway, port, [1, 2, 3]);
    expect([guest.sockets.sockets.length, guest.pending]).toEqual([1, 1]);
    if (messages.length > 0) refuse();
    const found = guest.packets().map(({ from, payload }) => {
      expect(internetSum(payload)).toBe(0xffff);
      expect(payload.slice(8 + 16, 8 + 20)).toEqual(ipBytes(IP.gateway));
      const ports = [...word(5000), ...word(port)];
      expect(payload.slice(8 + 20, 8 + 24)).toEqual(ports);
      expect(payload.slice(8 + 24, 8 + 26)).toEqual(word(8 + 3));
      return [from, payload[0], payload[1], [1, 2, 3]];
    });
    expect(found).toEqual(messages);
    expect(guest.pending).toBe(messages.length > 0 ? 0 : 1);
  });

  it('to another port of the gateway has a socket of its own, so that it is known which one is closed', () => {
    guest.sockets.datagramsTo = (_to, receive) => guest.sockets.datagrams(receive);
    guest.sendUdp(5000, IP.gateway, 7, [1]);
    guest.sendUdp(5000, IP.gateway, 8, [2]);
    guest.sendUdp(5000, IP.outside, 7, [3]);
    guest.sendUdp(5000, IP.outside, 8, [4]);
    expect(guest.sockets.sockets.map(({ sent }) => sent.length)).toEqual([1, 1, 2]);
  });

  it("leads the name server's address to the host's resolver", () => {
    guest.sendUdp(5000, IP.dns, 53, [1]);
    const [socket] = guest.sockets.sockets;
    expect(socket.sent[0].to).toEqual({ address: '192.0.2.53', port: 53 });
    socket.receive(Uint8Array.of(2), { address: '192.0.2.53', port: 53 });
    expect(guest.packets().map(readUdp)[0].from).toBe('10.0.2.3:53');
  });

  it("leads the name server's address to the resolver that was asked for", async () => {
    guest = await Guest.on({ resolver: { address: '127.0.0.1', port: 5353 } });
    guest.sendUdp(5000, IP.dns, 53, [1]);
    expect(guest.sockets.sockets[0].sent[0].to).toEqual({ address: '127.0.0.1', port: 5353 });
  });

  it.each([
    ['the network itself', '10.0.2.99'],
    ['the loopback of whoever', '127.0.0.1'],
    ['a group', '224.0.0.251'],
    ['everybody', '255.255.255.255'],
    ['nobody', '0.0.0.0'],
  ])('to %s goes nowhere', (_what, ip) => {
    guest.sendUdp(5000, ip, 123, [1]);
    expect(guest.sockets.sockets).toEqual([]);
  });

  it('holds time to the pace of the host until the answer, for a second at most', () => {
    guest.sendUdp(5000, IP.outside, 123, [1]);
    expect(guest.pending).toBe(1);
    guest.sockets.sockets[0].receive(Uint8Array.of(2), { address: IP.outside, port: 123 });
    expect([guest.pending, guest.arrivals]).toEqual([0, 1]);
    guest.sendUdp(5000, IP.outside, 123, [1]);
    guest.sendUdp(5000, IP.outside, 123, [1]);
    expect(guest.pending).toBe(1);
    guest.sockets.pass(1000);
    expect(guest.pending).toBe(0);
  });

  it('closes a socket that was not used for a minute', () => {
    guest.sendUdp(5000, IP.outside, 123, [1]);
    guest.sockets.pass(59_000);
    guest.sendUdp(5000, IP.outside, 123, [1]);
    guest.sockets.pass(59_000);
    expect(guest.sockets.sockets[0].isClosed).toBe(false);
    guest.sockets.pass(1000);
    expect(guest.sockets.sockets[0].isClosed).toBe(true);
  });

  it('with a wrong checksum, a wrong length or no room for a header is dropped', () => {
    const good = udp(IP.guest, 5000, IP.outside, 123, [1, 2]);
    for (const bad of [good.with(9, 77), good.with(5, 60), good.with(5, 3), good.slice(0, 7)]) {
      guest.sendIp(IP.outside, 17, bad);
    }
    expect(guest.sockets.sockets).toEqual([]);
    guest.sendIp(IP.outside, 17, good.with(6, 0).with(7, 0));
    expect(guest.sockets.sockets).toHaveLength(1);
  });

  it('is put together from fragments in any order', () => {
    const data = Array.from({ length: 3000 }, (_, at) => at & 0xff);
    const whole = udp(IP.guest, 5000, IP.outside, 123, data);
    const parts = [0, 1480, 2960].map((at) => ({ at, bytes: whole.slice(at, at + 1480) }));
    for (const { at, bytes } of [parts[2], parts[0], parts[1]]) {
      guest.sendIp(IP.outside, 17, bytes, { id: 77, fragment: at / 8 + (at < 2960 ? 0x2000 : 0) });
    }
    expect(guest.sockets.sockets[0].sent).toEqual([{ bytes: data, to: { address: IP.outside, port: 123 } }]);
  });

  it('goes to the guest in fragments where it is long', () => {
    guest.sendUdp(5000, IP.outside, 123, [1]);
    const data = Array.from({ length: 4000 }, (_, at) => (at * 3) & 0xff);
    guest.sockets.sockets[0].receive(Uint8Array.from(data), { address: IP.outside, port: 123 });
    const parts = guest.packets();
    expect(parts.map(({ flags, payload }) => [flags & 0x2000, (flags & 0x1fff) * 8, payload.length])).toEqual([
      [0x2000, 0, 1480],
      [0x2000, 1480, 1480],
      [0, 2960, 1048],
    ]);
    expect(readUdp({ ...parts[0], payload: parts.flatMap(({ payload }) => payload) }).data).toEqual(data);
  });

  it('waits in order for a guest without room, up to 256 frames', () => {
    guest.sendUdp(5000, IP.outside, 123, [1]);
    guest.room = 0;
    for (let n = 0; n < 300; n++) {
      guest.sockets.sockets[0].receive(Uint8Array.of(n & 0xff), { address: IP.outside, port: 123 });
    }
    guest.room = 10;
    guest.net.ready();
    guest.room = 1000;
    guest.net.ready();
    const data = guest.packets().map((packet) => readUdp(packet).data[0]);
    expect(data).toEqual(Array.from({ length: 256 }, (_, n) => n));
  });
});

describe('a forwarded UDP port', () => {
  const forward: HostForward = { protocol: 'udp', hostPort: 5353, guestPort: 53 };

  it('leads to the guest, and the answer back', async () => {
    guest = await Guest.on({ forwards: [forward] });
    announce();
    guest.sockets.sockets[0].receive(Uint8Array.of(1), { address: '127.0.0.1', port: 4444 });
    expect(guest.packets().map(readUdp)).toEqual([{ from: '10.0.2.2:4444', to: '10.0.2.15:53', data: [1] }]);
    guest.sendUdp(53, IP.gateway, 4444, [2]);
    expect(guest.sockets.sockets).toHaveLength(1);
    expect(guest.sockets.sockets[0].sent).toEqual([{ bytes: [2], to: { address: '127.0.0.1', port: 4444 } }]);
  });

  it('lets a sleeping guest wait, and is closed with the network', async () => {
    guest = await Guest.on({ forwards: [forward, { protocol: 'tcp', hostPort: 2222, guestPort: 22 }] });
    expect(guest.expected).toBe(1);
    guest.net.close();
    expect([guest.expected, guest.sockets.sockets[0].isClosed, guest.sockets.listeners[0].isClosed]).toEqual([
      0,
      true,
      true,
    ]);
  });

  it('that cannot be had is an error, and the others are closed', async () => {
    const forwards: HostForward[] = [forward, { protocol: 'tcp', hostPort: 1, guestPort: 22 }];
    const sockets = guest.sockets;
    const { UserNet } = await import('../../../src/net/user/user-net.ts');
    await expect(UserNet.create({ forwards }, sockets)).rejects.toThrow(/cannot listen at 0.0.0.0:1/);
    expect(sockets.sockets[0].isClosed).toBe(true);
  });
});

describe('a restricted network', () => {
  it('gives an address and answers echoes, and leads nowhere', async () => {
    guest = await Guest.on({ restrict: true });
    guest.sendUdp(5000, IP.outside, 123, [1]);
    guest.sendUdp(5000, IP.dns, 53, [1]);
    guest.sendTcp(IP.outside, { source: 5000, destination: 80, flags: 'S' });
    expect([guest.sockets.sockets, guest.sockets.streams]).toEqual([[], []]);
    expect(guest.segments().map(({ flags }) => flags)).toEqual(['RA']);
  });
});

describe('a power cycle', () => {
  it('drops what the guest had begun and keeps forwarded ports', async () => {
    guest = await Guest.on({ forwards: [{ protocol: 'udp', hostPort: 1000, guestPort: 1000 }] });
    guest.sendUdp(5000, IP.outside, 123, [1]);
    guest.sendTcp(IP.outside, { source: 5000, destination: 80, flags: 'S' });
    guest.net.attach(guest);
    expect([guest.pending, guest.expected]).toEqual([0, 1]);
    expect(guest.sockets.sockets.map(({ isClosed }) => isClosed)).toEqual([false, true]);
    expect(guest.sockets.streams[0].isAborted).toBe(true);
  });
});

describe('the plan of a network', () => {
  it.each([
    [{ net: '10.0.2.0/30' }, /prefix must be from 8 to 28/],
    [{ net: '10.0.2.300/24' }, /'10.0.2.300' is no IPv4 address/],
    [{ host: '10.0.3.2' }, /host '10.0.3.2' is no address within the network/],
    [{ dns: '10.0.2.2' }, /three addresses/],
    [{ dhcpStart: '10.0.2.255' }, /dhcpStart '10.0.2.255'/],
  ])('%o is not possible', async (options, message) => {
    await expect(Guest.on(options)).rejects.toThrow(message);
  });
});
