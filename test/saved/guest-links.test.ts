// What links a guest with its host, put down in the middle of its work and gone on from plain data.
import { describe, expect, it } from 'vitest';
import { MemoryTree } from '../../src/devices/p9/memory-tree.ts';
import { Request } from '../../src/devices/p9/message.ts';
import { VirtioConsole } from '../../src/devices/virtio/console.ts';
import { VirtioGpu } from '../../src/devices/virtio/gpu.ts';
import { Command } from '../../src/devices/virtio/gpu-spec.ts';
import { Reg } from '../../src/devices/virtio/transport-mmio.ts';
import { VirtioVsock } from '../../src/devices/virtio/vsock.ts';
import type { VsockConnection } from '../../src/devices/virtio/vsock-connection.ts';
import { HEADER_BYTES, Op, writeHeader } from '../../src/devices/virtio/vsock-packet.ts';
import type { HostSockets } from '../../src/net/sockets.ts';
import { Client, READ_WRITE, utf8 } from '../devices/p9/client.ts';
import { MmioDriver } from '../devices/virtio/mmio-driver.ts';
import { textBytes } from '../net/user/guest.ts';
import { Connection, ISS } from '../net/user/tcp-connection.ts';
import { move, twins } from './twins.ts';

const words = (...values: number[]): number[] =>
  values.flatMap((value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff));

describe('goes on from plain data as it would have', () => {
  it('9P with a file open, another that was removed, and a folder half read', () => {
    const listing = (client: Client, fid: number, from: bigint): string[] => {
      const of = client.ask(Request.READDIR, (out) => out.u32(fid).u64(from).u32(90));
      const names: string[] = [];
      for (let left = of.u32(); left > 0; ) {
        of.bytes(13);
        of.u64();
        of.u8();
        const name = of.text();
        left -= 24 + name.length;
        names.push(name);
      }
      return names;
    };
    const tree = new MemoryTree();
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) tree.put(`folder/${name}`, name);
    const first = Client.attached(tree);
    const file = first.create('', 'file', READ_WRITE, 0o640);
    first.write(file, 0n, utf8('hello, world'));
    const gone = first.create('', 'gone', READ_WRITE, 0o640);
    const folder = first.walk('folder');
    first.ask(Request.LOPEN, (out) => out.u32(folder).u32(0o200000));
    const begun = listing(first, folder, 0n);
    first.ask(Request.UNLINKAT, (out) => out.u32(0).text('gone').u32(0));
    const second = new Client(tree);
    second.server.load(structuredClone(first.server.save()));
    tree.put('folder/late', 'x');
    const rest = [listing(first, folder, BigInt(begun.length)), listing(second, folder, BigInt(begun.length))];
    expect(rest[1]).toEqual(rest[0]);
    expect(rest[0]).not.toContain('late');
    second.write(file, 7n, utf8('9P'));
    expect(first.contents('file')).toBe('hello, 9Prld');
    expect(second.stat(file)).toEqual(first.stat(file));
    expect(() => second.write(gone, 0n, utf8('x'))).toThrow('errno 5');
    expect(() => second.clunk(file)).not.toThrow();
    expect(() => second.clunk(file)).toThrow('errno 9');
  });

  it('a vsock connection with bytes on their way in both directions', () => {
    const packet = (op: number, payload: number[] = []): number[] => [
      ...writeHeader({
        sourceCid: 3n,
        destinationCid: 2n,
        sourcePort: 5678,
        destinationPort: 1234,
        length: payload.length,
        type: 1,
        op,
        flags: 0,
        bufferBytes: 10,
        forwarded: 0,
      }),
      ...payload,
    ];
    const make = () => {
      const heard: number[] = [];
      const accepted: VsockConnection[] = [];
      const accept = (connection: VsockConnection): void => {
        accepted.push(connection);
        connection.events = { data: (bytes) => heard.push(...bytes) };
        connection.pause();
      };
      const device = new VirtioVsock(3, (port) => (port === 1234 ? accept : undefined));
      const driver = new MmioDriver(device);
      return { driver, heard, accepted, memory: driver.ram.all, parts: { vsock: driver.mmio } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ driver, accepted }) => {
        driver.up();
        for (let n = 0; n < 3; n++) driver.rings[0].offer([driver.ram.room(100)]);
        driver.request(1, [driver.ram.put(packet(Op.REQUEST))]);
        driver.request(1, [driver.ram.put(packet(Op.RW, [1, 2, 3]))]);
        accepted[0].send(Uint8Array.of(4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
      },
      ({ driver, heard, accepted }) => {
        accepted[0].resume();
        accepted[0].send(Uint8Array.of(99));
        driver.set(Reg.QUEUE_NOTIFY, 0);
        const rest = accepted[0].buffered;
        return { heard, rest, ram: driver.ram.all.slice(0x1000, 0x41000).join() };
      },
    );
    expect(moved).toEqual(unmoved);
    expect([unmoved.heard, unmoved.rest]).toEqual([[1, 2, 3], 3]);
  });

  it('a vsock connection at whose host end nobody listens any more is broken off', async () => {
    const make = (accept: (port: number) => ((connection: VsockConnection) => void) | undefined) =>
      new MmioDriver(new VirtioVsock(3, accept));
    const before = make(() => () => {}).up();
    const room = before.ram.room(100);
    before.rings[0].offer([room]);
    const header = {
      sourceCid: 3n,
      destinationCid: 2n,
      sourcePort: 5,
      destinationPort: 9,
      length: 0,
      type: 1,
      flags: 0,
    };
    const bytes = writeHeader({ ...header, op: Op.REQUEST, bufferBytes: 100, forwarded: 0 });
    before.request(1, [before.ram.put(bytes)]);
    const next = before.ram.room(100);
    before.rings[0].offer([next]);
    const after = make(() => undefined);
    const side = (driver: MmioDriver) => ({ memory: driver.ram.all, parts: { vsock: driver.mmio } });
    move(side(before), side(after));
    await Promise.resolve();
    const told = after.ram.at(next);
    expect([told.length >= HEADER_BYTES, told[30]]).toEqual([true, Op.RST]);
  });

  it('a console with bytes for a port that nobody opened yet', () => {
    const make = () => {
      const said: number[] = [];
      const output = (bytes: Uint8Array): void => void said.push(...bytes);
      const console = new VirtioConsole([
        { isConsole: true, output },
        { name: 'port', output },
      ]);
      const driver = new MmioDriver(console);
      return { driver, console, said, memory: driver.ram.all, parts: { console: driver.mmio } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ driver, console }) => {
        driver.up(2n);
        const message = (...bytes: number[]): void => void driver.request(3, [driver.ram.put(bytes)]);
        message(0, 0, 0, 0, 0, 0, 1, 0);
        message(1, 0, 0, 0, 3, 0, 1, 0);
        console.ports[1]?.send(Uint8Array.of(7, 8, 9));
        driver.rings[4].offer([driver.ram.room(2)]);
        driver.rings[4].offer([driver.ram.room(2)]);
        driver.rings[2].offer([driver.ram.room(64)]);
        driver.ram.put([1, 0, 0, 0, 6, 0, 1, 0]);
        driver.rings[3].offer([{ gpa: BigInt(driver.ram.put([1, 0, 0, 0, 6, 0, 1, 0]).gpa), length: 8 }]);
      },
      ({ driver, console }) => {
        for (const queue of [2, 3, 4]) driver.set(Reg.QUEUE_NOTIFY, queue);
        return [console.ports[1]?.isGuestOpen, driver.ram.all.slice(0, 0x41000).join()];
      },
    );
    expect(moved).toEqual(unmoved);
    expect(unmoved[0]).toBe(true);
  });

  it('a GPU with resources, a backing in pieces, a cursor, and a transfer of which bands are done', () => {
    const [WIDTH, HEIGHT] = [1024, 2048];
    const make = () => {
      const gpu = new VirtioGpu({ width: 640, height: 480, maxBytes: 64 << 20 });
      const driver = new MmioDriver(gpu);
      return { driver, gpu, memory: driver.ram.all, parts: { gpu: driver.mmio } };
    };
    const { unmoved, moved } = twins(
      make,
      ({ driver }) => {
        driver.up();
        const say = (type: number, ...fields: number[]): void =>
          void driver.request(0, [driver.ram.put(words(type, 0, 0, 0, 0, 0, ...fields)), driver.ram.room(24)]);
        const rect = [0, 0, WIDTH, HEIGHT];
        const image = driver.ram.put(Array.from({ length: 4096 }, (_, n) => n)).gpa;
        say(Command.RESOURCE_CREATE_2D, 1, 1, WIDTH, HEIGHT);
        const pieces = Array.from({ length: (WIDTH * HEIGHT * 4) / 4096 }, () => [Number(image), 0, 4096, 0]).flat();
        say(Command.RESOURCE_ATTACH_BACKING, 1, pieces.length / 4, ...pieces);
        say(Command.SET_SCANOUT, ...rect, 0, 1);
        for (let turn = 0; turn < 10; turn++) driver.set(Reg.QUEUE_NOTIFY, 0);
        say(Command.TRANSFER_TO_HOST_2D, ...rect, 0, 0, 1, 0);
        say(Command.RESOURCE_FLUSH, ...rect, 1, 0);
      },
      ({ driver, gpu }) => {
        const sum = (): number => gpu.picture().pixels.reduce((all, byte, n) => (all * 31 + byte + n) | 0, 0);
        const before = sum();
        for (let turn = 0; turn < 20; turn++) driver.set(Reg.QUEUE_NOTIFY, 0);
        return [before, sum(), driver.get(Reg.INTERRUPT_STATUS)];
      },
    );
    expect(moved).toEqual(unmoved);
    expect(unmoved[0]).not.toBe(unmoved[1]);
  });
});

describe('a TCP connection of the user-mode network', () => {
  const half = async (): Promise<Connection> => {
    const tcp = await Connection.open();
    tcp.say({ seq: ISS + 1, data: textBytes('half a request, ') });
    tcp.toGuest('x'.repeat(3000));
    tcp.guest.segments();
    return tcp;
  };
  /** The other network, with the guest's numbers as they are. */
  const carry = async (from: Connection, canResume: boolean): Promise<Connection> => {
    const to = await Connection.open();
    to.guest.segments();
    const { clock } = to.guest;
    const sockets: HostSockets = to.guest.sockets;
    clock.advanceTo(from.guest.clock.now());
    if (canResume) sockets.resume = (place, events) => sockets.connect(place.peer, events);
    to.guest.net.load(to.guest, structuredClone(from.guest.net.save()));
    clock.load(structuredClone(from.guest.clock.save()));
    to.theirs = from.theirs;
    return to;
  };

  it('goes on where the host can go on with its stream: numbers, timers and what was not acknowledged', async () => {
    const from = await half();
    const to = await carry(await half(), true);
    const stream = to.guest.sockets.streams.at(-1);
    const lives = [from, to].map((tcp) => {
      tcp.guest.clock.advance(1_000_000_000n);
      const again = tcp.shape();
      tcp.say({ seq: ISS + 17, ack: tcp.theirs + 3000, data: textBytes('and the rest') });
      return [again, tcp.shape()];
    });
    expect(lives[1]).toEqual(lives[0]);
    expect(lives[0][0].length).toBeGreaterThan(0);
    expect([from.stream.text, stream?.text]).toEqual(['half a request, and the rest', 'and the rest']);
  });

  it('is reset where the host cannot', async () => {
    const to = await carry(await half(), false);
    to.guest.sockets.pass(1);
    expect(to.shape().map(([flags]) => flags)).toEqual(['RA']);
  });
});
