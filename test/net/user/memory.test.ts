// What a guest can make the user-mode network keep: frames of 64 KiB around next to nothing, single bytes, many connections.
import { describe, expect, it } from 'vitest';
import type { HostStream, StreamEvents } from '../../../src/net/sockets.ts';
import { ByteQueue } from '../../../src/net/user/byte-queue.ts';
import type { UserNet } from '../../../src/net/user/user-net.ts';
import { heldBy } from '../../held-bytes.ts';
import { FakeStream } from './fake-host.ts';
import { Guest, IP } from './guest.ts';

const MIB = 1 << 20;
const FRAME = 65_000;
const MSS_1460 = [2, 4, 5, 0xb4];
const SCALE_7 = [1, 3, 3, 7];
const MORE = 0x2000;

/** A guest whose frames are as long as frames can be, whatever is in them, and which hears nothing. */
async function paddingGuest(): Promise<Guest> {
  const guest = await Guest.on();
  const { net } = guest;
  guest.net = {
    send: (frame: Uint8Array) => {
      const padded = new Uint8Array(FRAME);
      padded.set(frame);
      net.send(padded);
    },
    flush: () => net.flush(),
  } as UserNet;
  return guest;
}

/** A stream whose host takes nothing, and which keeps what it is given as it is. */
class StuckStream extends FakeStream {
  readonly kept: Uint8Array[] = [];

  override write(bytes: Uint8Array): void {
    this.kept.push(bytes);
    this.buffered += bytes.length;
  }
}

function stick(guest: Guest): StuckStream[] {
  const streams: StuckStream[] = [];
  guest.sockets.connect = (to, events: StreamEvents): HostStream => {
    const stream = new StuckStream(to, events);
    streams.push(stream);
    return stream;
  };
  return streams;
}

describe('fragments', () => {
  it.each([
    ['without payload', 0, 1],
    ['of eight bytes', 8, 1],
    ['of eight bytes, each of a datagram of its own', 8, 0],
  ])('%s do not keep their frames', async (_what, bytes, sameId) => {
    const guest = await paddingGuest();
    const held = heldBy(() => {
      for (let n = 0; n < 3000; n++) {
        const fragment = MORE | (sameId ? n : 5);
        guest.sendIp(IP.outside, 17, Array(bytes).fill(0), { id: sameId ? n >> 11 : n, fragment });
      }
      guest.taken();
    });
    expect(held).toBeLessThan(2 * MIB);
  });

  it('that claim everything hold 16 datagrams of 256 KiB at most', async () => {
    const guest = await Guest.on();
    const held = heldBy(() => {
      for (let n = 0; n < 16_000; n++) {
        guest.sendIp(IP.outside, 17, Array(8).fill(0), { id: n >> 10, fragment: MORE | (n & 0x3ff) });
      }
    });
    expect(held).toBeLessThan(16 * (256 << 10));
  });
});

describe('single bytes', () => {
  it('of a segment do not keep its frame', async () => {
    const guest = await paddingGuest();
    const streams = stick(guest);
    guest.sendTcp(IP.outside, { source: 1, destination: 80, seq: 999, flags: 'S', options: MSS_1460 });
    streams[0].events.connected();
    const [{ seq }] = guest.segments();
    const held = heldBy(() => {
      for (let n = 0; n < 1000; n++) {
        guest.sendTcp(IP.outside, { source: 1, destination: 80, seq: 1000 + n, ack: seq + 1, data: [n & 0xff] });
      }
      guest.taken();
    });
    expect(streams[0].kept).toHaveLength(1000);
    expect(held).toBeLessThan(MIB);
  });

  it('of the host cost about as much as they are while they wait for the guest', () => {
    const queue = new ByteQueue();
    const held = heldBy(() => {
      for (let n = 0; n < 200_000; n++) queue.append(Uint8Array.of(n));
    });
    expect(held).toBeLessThan(2 * 200_000);
    const found = new Uint8Array(100_000);
    queue.drop(50_001);
    queue.copy(1, found);
    expect([queue.length, found.findIndex((byte, at) => byte !== ((at + 50_002) & 0xff))]).toEqual([149_999, -1]);
  });
});

describe('many connections', () => {
  it('do not keep the frames that they began with', async () => {
    const guest = await paddingGuest();
    stick(guest);
    const held = heldBy(() => {
      for (let n = 0; n < 500; n++) guest.sendTcp(IP.outside, { source: 1000 + n, destination: 80, flags: 'S' });
    });
    expect(held).toBeLessThan(4 * MIB);
  });

  it('are promised less each, so that all together stay within 256 MiB', async () => {
    const guest = await Guest.on();
    const streams = stick(guest);
    let promised = 0;
    let last = 0;
    for (let n = 0; n < 1024; n++) {
      const source = 1000 + n;
      guest.sendTcp(IP.outside, { source, destination: 80, seq: 0, flags: 'S', options: [...MSS_1460, ...SCALE_7] });
      streams[n].events.connected();
      const [{ seq }] = guest.segments();
      // One byte, for an answer with the window as it is when the connection is there.
      guest.sendTcp(IP.outside, { source, destination: 80, seq: 1, ack: seq + 1, data: [1] });
      last = (guest.segments().at(-1)?.window ?? 0) << 5;
      promised += last;
    }
    expect(last).toBeLessThanOrEqual(64 << 10);
    expect(last).toBeGreaterThan(32 << 10);
    expect(promised).toBeLessThan(256 * MIB);
  });

  it('hold less of the host each', async () => {
    const guest = await Guest.on();
    const streams = stick(guest);
    for (let n = 0; n < 1024; n++) {
      guest.sendTcp(IP.outside, { source: 1000 + n, destination: 80, flags: 'S', options: [...MSS_1460, ...SCALE_7] });
      streams[n].events.connected();
    }
    guest.segments();
    const stream = streams[1023];
    for (let n = 0; n < 3; n++) stream.events.data(new Uint8Array(30_000));
    expect(stream.isPaused).toBe(true);
  });
});
