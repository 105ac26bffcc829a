// The socket device: connections both ways, credit, orderly and other ends, and a guest that breaks the rules.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reg } from '../../../src/devices/virtio/transport-mmio.ts';
import { VirtioVsock } from '../../../src/devices/virtio/vsock.ts';
import type { VsockConnection } from '../../../src/devices/virtio/vsock-connection.ts';
import { HEADER_BYTES, type Header, Op, readHeader, writeHeader } from '../../../src/devices/virtio/vsock-packet.ts';
import type { Part } from './driver.ts';
import { MmioDriver } from './mmio-driver.ts';

const text = (bytes: Iterable<number>): string => String.fromCharCode(...bytes);
const bytesOf = (string: string): Uint8Array => new TextEncoder().encode(string);
const [RECEIVE, TRANSMIT] = [0, 1];
const [CID, LISTENED, GUEST_PORT] = [3n, 1234, 5678];
const BUFFER = 256 << 10;
/** Behind the rings. */
const PAYLOAD = 0x28000;

function make(rooms = 16, roomBytes = 256) {
  const heard: string[] = [];
  const accepted: VsockConnection[] = [];
  const watch = (connection: VsockConnection): void => {
    connection.events = {
      open: () => heard.push('open'),
      data: (bytes) => heard.push(bytes.length < 100 ? `data ${text(bytes)}` : `data of ${bytes.length}`),
      end: () => heard.push('end'),
      drain: () => heard.push('drain'),
      close: (reason) => heard.push(`close ${reason}`),
    };
  };
  const device = new VirtioVsock(Number(CID), (port) =>
    port === LISTENED
      ? (connection) => {
          accepted.push(connection);
          watch(connection);
        }
      : undefined,
  );
  const driver = new MmioDriver(device).up();
  const offered: Part[] = [];
  const offer = (count: number, bytes = roomBytes): void => {
    for (let i = 0; i < count; i++) {
      const room = driver.ram.room(bytes);
      offered.push(room);
      driver.rings[RECEIVE].offer([room]);
      driver.set(Reg.QUEUE_NOTIFY, RECEIVE);
    }
  };
  offer(rooms);
  /** Packets for the guest since the last call. */
  const received = (): (Header & { payload: Uint8Array })[] =>
    driver.rings[RECEIVE].used().map(({ written }) => {
      const bytes = Uint8Array.from(driver.ram.at(offered.shift() as Part)).slice(0, written);
      return { ...readHeader(bytes), payload: bytes.slice(HEADER_BYTES) };
    });
  const ops = (): number[] => received().map(({ op }) => op);
  const send = (op: number, header: Partial<Header> = {}, payload: Uint8Array = new Uint8Array(0)): void => {
    const bytes = writeHeader({
      sourceCid: CID,
      destinationCid: 2n,
      sourcePort: GUEST_PORT,
      destinationPort: LISTENED,
      length: payload.length,
      type: 1,
      op,
      flags: 0,
      bufferBytes: 1000,
      forwarded: 0,
      ...header,
    });
    const parts = [driver.ram.put(bytes)];
    if (payload.length > 0) {
      driver.ram.all.set(payload, PAYLOAD);
      parts.push({ gpa: BigInt(PAYLOAD), length: payload.length });
    }
    driver.request(TRANSMIT, parts);
  };
  return { heard, accepted, device, driver, offer, received, ops, send, watch };
}

/** With a connection that the guest made. */
function connected(rooms = 16, roomBytes = 256) {
  const rig = make(rooms, roomBytes);
  rig.send(Op.REQUEST);
  rig.ops();
  return { ...rig, connection: rig.accepted[0] };
}

describe('the socket device', () => {
  it('tells the guest its context ID', () => {
    expect(make().driver.mmio.read(Reg.CONFIG, 4)).toBe(3);
    for (const cid of [2, 0xffffffff, 3.5])
      expect(() => new VirtioVsock(cid, () => undefined)).toThrow(/3 to 4294967294/);
  });

  it('accepts a connection of the guest and carries bytes both ways', () => {
    const { heard, accepted, received, send } = make();
    send(Op.REQUEST);
    expect(received()).toMatchObject([
      {
        op: Op.RESPONSE,
        sourceCid: 2n,
        destinationCid: CID,
        sourcePort: LISTENED,
        destinationPort: GUEST_PORT,
        bufferBytes: BUFFER,
      },
    ]);
    send(Op.RW, {}, bytesOf('ping'));
    accepted[0].send(bytesOf('pong'));
    expect(received()).toMatchObject([{ op: Op.RW, length: 4, forwarded: 4, payload: bytesOf('pong') }]);
    expect(heard).toEqual(['data ping', 'drain']);
  });

  it('resets a connection to a port that nobody listens on', () => {
    const { received, send } = make();
    send(Op.REQUEST, { destinationPort: 99 });
    expect(received()).toMatchObject([{ op: Op.RST, sourcePort: 99, destinationPort: GUEST_PORT }]);
  });

  it('connects to the guest', () => {
    const { heard, device, received, send, watch } = make();
    const connection = device.connect(22);
    watch(connection);
    connection.send(bytesOf('early'));
    const [{ op, sourcePort }] = received();
    expect(op).toBe(Op.REQUEST);
    send(Op.RESPONSE, { sourcePort: 22, destinationPort: sourcePort });
    expect(received()).toMatchObject([{ op: Op.RW, payload: bytesOf('early') }]);
    expect(heard).toEqual(['open', 'drain']);
  });

  it('hears that the guest refuses', () => {
    const { heard, device, received, send, watch } = make();
    watch(device.connect(22));
    send(Op.RST, { sourcePort: 22, destinationPort: received()[0].sourcePort });
    expect(heard).toEqual(['close refused']);
  });

  it('sends no more than the guest has room for', () => {
    const { connection, received, send } = connected();
    connection.send(new Uint8Array(1500));
    const packets = received();
    expect(packets.slice(0, -1).reduce((sum, { length }) => sum + length, 0)).toBe(1000);
    expect([packets.at(-1)?.op, connection.buffered]).toEqual([Op.CREDIT_REQUEST, 500]);
    send(Op.CREDIT_UPDATE, { forwarded: 300 });
    expect(
      received()
        .filter(({ op }) => op === Op.RW)
        .reduce((sum, { length }) => sum + length, 0),
    ).toBe(300);
    send(Op.CREDIT_UPDATE, { forwarded: 1000 });
    expect([received().reduce((sum, { length }) => sum + length, 0), connection.buffered]).toEqual([200, 0]);
  });

  it('keeps what a paused listener does not take, and tells of room when it does', () => {
    const { heard, connection, received, send } = connected();
    connection.pause();
    for (let i = 0; i < 2; i++) send(Op.RW, {}, new Uint8Array(40000));
    expect([heard, received()]).toEqual([[], []]);
    connection.resume();
    expect(heard).toEqual(['data of 40000', 'data of 40000']);
    expect(received()).toMatchObject([{ op: Op.CREDIT_UPDATE, forwarded: 80000 }]);
  });

  it('answers a request for credit', () => {
    const { received, send } = connected();
    send(Op.CREDIT_REQUEST);
    expect(received()).toMatchObject([{ op: Op.CREDIT_UPDATE, bufferBytes: BUFFER }]);
  });

  it('ends when both ends have', () => {
    const { heard, connection, received, send } = connected();
    connection.send(bytesOf('last'));
    connection.end();
    expect(received()).toMatchObject([{ op: Op.RW }, { op: Op.SHUTDOWN, flags: 2 }]);
    expect(() => connection.send(bytesOf('more'))).toThrow('send after end');
    send(Op.RW, {}, bytesOf('bye'));
    send(Op.SHUTDOWN, { flags: 3 });
    expect(received()).toMatchObject([{ op: Op.RST }]);
    expect(heard).toEqual(['drain', 'data bye', 'end', 'close finished']);
  });

  it('answers the last of the guest with a good-bye to both sides', () => {
    const { connection, received, send } = connected();
    send(Op.SHUTDOWN, { flags: 2 });
    connection.end();
    expect(received()).toMatchObject([{ op: Op.SHUTDOWN, flags: 3 }]);
  });

  it('hands out what came before the end even if that takes a while', () => {
    const { heard, connection, send, ops } = connected();
    connection.pause();
    send(Op.RW, {}, bytesOf('late'));
    send(Op.SHUTDOWN, { flags: 3 });
    expect([heard, ops()]).toEqual([[], [Op.RST]]);
    connection.resume();
    expect([heard, ops()]).toEqual([['data late', 'end', 'close finished'], []]);
  });

  it('breaks a connection off for the host', () => {
    const { heard, connection, ops, send } = connected();
    connection.destroy();
    expect([heard, ops()]).toEqual([['close broken'], [Op.RST]]);
    send(Op.RW, {}, bytesOf('x'));
    expect(ops()).toEqual([Op.RST]);
  });

  it('takes turns between connections', () => {
    const { accepted, send, offer, received } = connected(2);
    send(Op.REQUEST, { sourcePort: 2 });
    received();
    for (const connection of accepted) connection.send(new Uint8Array(500));
    offer(4);
    const order = received().map(({ destinationPort }) => destinationPort);
    expect(new Set(order.slice(0, 2))).toEqual(new Set([GUEST_PORT, 2]));
    expect(order.slice(2)).toEqual(order.slice(0, 2));
  });

  it('breaks every connection when the driver resets it', () => {
    const { heard, driver, connection } = connected();
    driver.set(Reg.STATUS, 0);
    connection.send(bytesOf('nobody hears this'));
    expect(heard).toEqual(['close broken']);
  });
});

describe('a guest that breaks the rules of sockets', () => {
  it.each([
    ['more than there is room for', Op.RW, 7, 40000],
    ['a response to nothing', Op.RESPONSE, 1, 0],
    ['an unknown operation', 99, 1, 0],
    ['no operation', 0, 1, 0],
  ])('loses its connection by %s', (_name, op, times, length) => {
    const { heard, connection, ops, send } = connected();
    connection.pause();
    for (let i = 0; i < times; i++) send(op, {}, new Uint8Array(length));
    expect([heard, ops()]).toEqual([['close broken'], [Op.RST]]);
  });

  it.each([
    ['of another type', { type: 2 }, [Op.RST]],
    ['for another context', { destinationCid: 1n }, [Op.RST]],
    ['in the name of another guest', { sourceCid: 4n }, []],
    ['for a connection that is there', {}, [Op.RST]],
  ])('gets no connection by a request %s', (_name, header, answers) => {
    const { accepted, ops, send } = connected();
    send(Op.REQUEST, header);
    expect([ops(), accepted.length]).toEqual([answers, 1]);
  });

  it('is not answered for a RST to nothing', () => {
    const { ops, send } = make();
    send(Op.RST);
    expect(ops()).toEqual([]);
  });

  it.each([
    ['a packet without a whole header', (driver: MmioDriver) => driver.request(TRANSMIT, [driver.ram.put([1, 2, 3])])],
    [
      'a payload that is not there',
      (driver: MmioDriver) => {
        const bytes = new Uint8Array(HEADER_BYTES);
        bytes[24] = 1;
        driver.request(TRANSMIT, [driver.ram.put(bytes)]);
      },
    ],
    [
      'a buffer too small for a header',
      (driver: MmioDriver) => {
        driver.request(RECEIVE, [driver.ram.room(20)]);
        driver.request(TRANSMIT, [driver.ram.put(new Uint8Array(HEADER_BYTES).fill(3, 0, 1).fill(9, 28, 29))]);
      },
    ],
  ])('needs a reset after %s', (_name, lie) => {
    const { driver } = make(0);
    lie(driver);
    expect([driver.get(Reg.STATUS) & 0x40, driver.log.length]).toEqual([0x40, 1]);
  });

  it('waits with its packets while it takes no answers', () => {
    const { driver, send, offer } = make(0);
    for (let i = 0; i < 1030; i++) send(Op.REQUEST, { destinationPort: 99 });
    expect(driver.rings[TRANSMIT].used()).toEqual([]);
    offer(1);
    expect(driver.rings[TRANSMIT].used()).toHaveLength(1);
  });

  it('never has more connections than there may be', () => {
    const { accepted, driver, send } = make();
    for (let sourcePort = 0; sourcePort < 1100; sourcePort++) {
      send(Op.REQUEST, { sourcePort });
      driver.request(RECEIVE, [{ gpa: BigInt(PAYLOAD), length: 256, writable: true }]);
    }
    expect(accepted.length).toBe(1024);
  });

  it('gets an answer, a broken connection or a reset for any packets', () => {
    const field = fc.record({
      op: fc.nat(9),
      type: fc.constantFrom(1, 1, 1, 2),
      sourcePort: fc.nat(2),
      destinationPort: fc.constantFrom(LISTENED, LISTENED, 5),
      bufferBytes: fc.constantFrom(0, 100, 0xffffffff),
      forwarded: fc.constantFrom(0, 50, 0xfffffff0),
      flags: fc.nat(4),
    });
    const packet = fc.record({ header: field, payload: fc.uint8Array({ maxLength: 60 }), reply: fc.boolean() });
    const property = fc.property(fc.array(packet, { maxLength: 30 }), (packets) => {
      const { accepted, device, driver, send } = make(8);
      for (const { header, payload, reply } of packets) {
        send(header.op, header, payload);
        const connection = accepted.at(-1);
        if (reply && connection && !connection.isClosed) connection.send(bytesOf('reply'));
        if (reply) device.connect(header.sourcePort).destroy();
      }
      expect(driver.get(Reg.STATUS)).toBe(15);
    });
    fc.assert(property, { seed: 20261122, numRuns: 200 });
  });
});
