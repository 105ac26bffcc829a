// TCP of the user-mode network, segment by segment: opening, data both ways, windows, loss.
import { beforeEach, describe, expect, it } from 'vitest';
import type { FakeStream } from './fake-host.ts';
import { Guest, IP, textBytes } from './guest.ts';

const SECOND = 1e9;
const [PORT, GUEST_PORT, ISS] = [80, 40000, 1000];
const MSS_1460 = [2, 4, 5, 0xb4];
const SCALE_7 = [1, 3, 3, 7];

let guest: Guest;
let stream: FakeStream;
/** What the network sends next, and what it has acknowledged. */
let theirs: number;

const say = (segment: object): void =>
  guest.sendTcp(IP.outside, { source: GUEST_PORT, destination: PORT, ack: theirs, ...segment });

/** A connection of the guest to port 80 outside, established. */
async function connect(options: number[] = [...MSS_1460, ...SCALE_7], window = 0xffff): Promise<void> {
  guest = await Guest.on();
  say({ seq: ISS, flags: 'S', options, ack: 0 });
  stream = guest.sockets.streams[0];
  stream.events.connected();
  const [synAck] = guest.segments();
  theirs = synAck.seq + 1;
  say({ seq: ISS + 1, window });
  guest.segments();
}

const toGuest = (text: string | Uint8Array): void =>
  stream.events.data(typeof text === 'string' ? Uint8Array.from(textBytes(text)) : text);
const shape = () => guest.segments().map(({ flags, seq, ack, data }) => [flags, seq - theirs, ack - ISS, data.length]);

describe('opening', () => {
  beforeEach(async () => {
    guest = await Guest.on();
  });

  it('waits for the host to be connected, then agrees on segment size and window scale', () => {
    guest.sendTcp(IP.outside, { source: 5, destination: 80, seq: 9, flags: 'S', options: [...MSS_1460, ...SCALE_7] });
    expect([guest.segments(), guest.pending]).toEqual([[], 1]);
    expect(guest.sockets.streams[0].to).toEqual({ address: IP.outside, port: 80 });
    guest.sockets.streams[0].events.connected();
    const [{ from, source, destination, ack, flags, options }] = guest.segments();
    expect([from, source, destination, ack, flags]).toEqual([IP.outside, 80, 5, 10, 'SA']);
    expect(options).toEqual([2, 4, 5, 0xb4, 1, 3, 3, 5]);
  });

  it('does not scale windows for a guest that does not', () => {
    guest.sendTcp(IP.outside, { source: 5, destination: 80, seq: 9, flags: 'S' });
    guest.sockets.streams[0].events.connected();
    const [{ options, window }] = guest.segments();
    expect([options.slice(0, 2), options.slice(4), window]).toEqual([[2, 4], [0, 0, 0, 0], 0xffff]);
  });

  it.each([
    ['the host itself', IP.gateway, 8080, { address: '127.0.0.1', port: 8080 }],
    ["the host's resolver", IP.dns, 53, { address: '192.0.2.53', port: 53 }],
  ])('leads to %s', (_what, ip, port, to) => {
    guest.sendTcp(ip, { source: 5, destination: port, flags: 'S' });
    expect(guest.sockets.streams[0].to).toEqual(to);
  });

  it('is refused where the host is', () => {
    guest.sendTcp(IP.outside, { source: 5, destination: 80, seq: 9, flags: 'S' });
    guest.sockets.streams[0].events.failed('refused');
    expect(guest.segments().map(({ flags, ack }) => [flags, ack])).toEqual([['RA', 10]]);
    expect(guest.pending).toBe(0);
  });

  it('ends with an ICMP message where the host finds nobody', () => {
    guest.sendTcp(IP.outside, { source: 5, destination: 80, seq: 9, flags: 'S' });
    guest.sockets.streams[0].events.failed('unreachable');
    expect(guest.packets().map(({ protocol, payload }) => [protocol, payload[0], payload[1]])).toEqual([[1, 3, 1]]);
    expect(guest.pending).toBe(0);
  });

  it('is repeated by the network where its answer got lost, later each time', () => {
    guest.sendTcp(IP.outside, { source: 5, destination: 80, seq: 9, flags: 'S' });
    guest.sockets.streams[0].events.connected();
    guest.segments();
    for (const seconds of [1, 2, 4]) {
      guest.clock.advance(seconds * SECOND - 1);
      expect(guest.segments()).toEqual([]);
      guest.clock.advance(1);
      expect(guest.segments().map(({ flags }) => flags)).toEqual(['SA']);
    }
  });

  it.each([
    ['an acknowledgement', 'A', [['R', 77, 0]]],
    ['a last segment', 'FA', [['R', 77, 0]]],
    ['data without acknowledgement', 'P', [['RA', 0, 12]]],
    ['a reset', 'R', []],
  ])('of nothing: %s of no connection', (_what, flags, answer) => {
    guest.sendTcp(IP.outside, {
      source: 5,
      destination: 80,
      seq: 9,
      ack: 77,
      flags,
      data: flags === 'P' ? [1, 2, 3] : [],
    });
    expect(guest.segments().map((segment) => [segment.flags, segment.seq, segment.ack])).toEqual(answer);
    expect(guest.sockets.streams).toEqual([]);
  });
});

describe('data of the guest', () => {
  beforeEach(() => connect());

  it('reaches the host once, in order, and is acknowledged', () => {
    say({ seq: ISS + 1, data: textBytes('hello, ') });
    say({ seq: ISS + 8, data: textBytes('world') });
    expect([stream.text, shape()]).toEqual([
      'hello, world',
      [
        ['A', 0, 8, 0],
        ['A', 0, 13, 0],
      ],
    ]);
  });

  it('that came before is acknowledged again and goes no further', () => {
    say({ seq: ISS + 1, data: textBytes('abc') });
    say({ seq: ISS + 1, data: textBytes('abc') });
    say({ seq: ISS + 2, data: textBytes('bcd') });
    expect([stream.text, shape().map(([, , ack]) => ack)]).toEqual(['abcd', [4, 4, 5]]);
  });

  it('that leaves a gap is not taken, and the gap is named', () => {
    say({ seq: ISS + 4, data: textBytes('def') });
    expect([stream.text, shape()]).toEqual(['', [['A', 0, 1, 0]]]);
  });

  it('is acknowledged once for all that came together', () => {
    const flush = guest.net.flush.bind(guest.net);
    guest.net.flush = () => {};
    for (let at = 0; at < 4; at++) say({ seq: ISS + 1 + at, data: [65 + at] });
    flush();
    expect([stream.text, shape()]).toEqual(['ABCD', [['A', 0, 5, 0]]]);
  });

  it('stays within a window that a slow host narrows and widens', () => {
    stream.isSlow = true;
    const block = Array(60_000).fill(7);
    let seq = ISS + 1;
    let window = 1 << 20;
    while (window > 0) {
      const data = block.slice(0, Math.min(window, block.length));
      say({ seq, data });
      seq += data.length;
      const [segment] = guest.segments().slice(-1);
      expect(segment.ack).toBe(seq);
      expect(segment.window * 32).toBeLessThanOrEqual(Math.ceil(window / 32) * 32);
      window = segment.window * 32;
    }
    expect(stream.buffered).toBeGreaterThanOrEqual(1 << 20);
    say({ seq, data: [1] });
    expect(guest.segments().map(({ ack, window: left }) => [ack, left])).toEqual([[seq, 0]]);
    stream.drain();
    expect(guest.segments().map(({ flags, ack, window: left }) => [flags, ack, left])).toEqual([['A', seq, 32768]]);
  });

  it('with a wrong checksum is dropped', () => {
    const send = guest.net.send.bind(guest.net);
    guest.net.send = (frame) => {
      frame[frame.length - 1] ^= 1;
      send(frame);
    };
    say({ seq: ISS + 1, data: [1] });
    expect([stream.written, guest.segments()]).toEqual([[], []]);
  });

  it('that acknowledges what was never sent is not taken', () => {
    say({ seq: ISS + 1, ack: theirs + 1, data: [1] });
    expect([stream.written, shape()]).toEqual([[], [['A', 0, 1, 0]]]);
  });
});

describe('data of the host', () => {
  beforeEach(() => connect());

  it('reaches the guest in segments of its size, the last one pushed', () => {
    toGuest(new Uint8Array(3000));
    expect(shape()).toEqual([
      ['A', 0, 1, 1460],
      ['A', 1460, 1, 1460],
      ['PA', 2920, 1, 80],
    ]);
  });

  it('reaches a guest that cuts it itself in long frames, with the work left undone', () => {
    guest.takes = { checksum: true, segments: true };
    toGuest(new Uint8Array(100_000));
    const sent = guest.segments();
    expect(sent.map(({ data }) => data.length)).toEqual([64_240, 35_760]);
    expect(sent.map(({ offload }) => offload)).toEqual(
      Array(2).fill({ checksumStart: 34, checksumOffset: 16, segmentBytes: 1460 }),
    );
  });

  it('waits with a short last segment while much is under way, unless it is the end', () => {
    toGuest(new Uint8Array(4500));
    expect(shape().map(([, at, , length]) => [at, length])).toEqual([0, 1460, 2920].map((at) => [at, 1460]));
    say({ seq: ISS + 1, ack: theirs + 2920 });
    expect(shape().map(([, at, , length]) => [at, length])).toEqual([[4380, 120]]);
    toGuest(new Uint8Array(3000));
    expect(shape()).toHaveLength(2);
    stream.events.ended();
    expect(shape().map(([flags, at, , length]) => [flags, at, length])).toEqual([
      ['PA', 7420, 80],
      ['FA', 7500, 0],
    ]);
  });

  it('stays within the window of the guest, and goes on as it opens', async () => {
    await connect(MSS_1460, 2000);
    toGuest(new Uint8Array(5000));
    expect(shape().map(([, at, , length]) => [at, length])).toEqual([[0, 1460]]);
    say({ seq: ISS + 1, ack: theirs + 1460, window: 2000 });
    expect(shape().map(([, at, , length]) => [at, length])).toEqual([[1460, 1460]]);
    say({ seq: ISS + 1, ack: theirs + 2920, window: 9000 });
    expect(shape().map(([, at, , length]) => [at, length])).toEqual([
      [2920, 1460],
      [4380, 620],
    ]);
  });

  it('knocks at a closed window with one byte', async () => {
    await connect(MSS_1460, 0);
    toGuest('abc');
    expect(guest.segments()).toEqual([]);
    guest.clock.advance(SECOND);
    expect(guest.segments().map(({ seq, data }) => [seq - theirs, data])).toEqual([[0, textBytes('a')]]);
    say({ seq: ISS + 1, window: 100 });
    expect(guest.segments().map(({ seq, data }) => [seq - theirs, data])).toEqual([[0, textBytes('abc')]]);
  });

  it('is sent again after a second without an answer, then after two', () => {
    toGuest('abc');
    guest.segments();
    for (const seconds of [1, 2]) {
      guest.clock.advance(seconds * SECOND - 1);
      expect(guest.segments()).toEqual([]);
      guest.clock.advance(1);
      expect(shape()).toEqual([['PA', 0, 1, 3]]);
    }
    say({ seq: ISS + 1, ack: theirs + 3 });
    guest.clock.advance(100 * SECOND);
    expect(guest.segments()).toEqual([]);
  });

  it('is not sent again a second after older data, but a second after itself', () => {
    toGuest('abc');
    guest.clock.advance(1000);
    say({ seq: ISS + 1, ack: theirs + 3 });
    guest.clock.advance(0.9 * SECOND);
    toGuest('def');
    guest.segments();
    guest.clock.advance(0.9 * SECOND);
    expect(guest.segments()).toEqual([]);
    guest.clock.advance(0.2 * SECOND);
    expect(shape()).toEqual([['PA', 3, 1, 3]]);
  });

  it('is sent again at the third equal acknowledgement', () => {
    toGuest(new Uint8Array(4000));
    guest.segments();
    for (let n = 0; n < 2; n++) say({ seq: ISS + 1 });
    expect(guest.segments()).toEqual([]);
    say({ seq: ISS + 1 });
    expect(shape()).toEqual([['A', 0, 1, 1460]]);
  });

  it('is given up after a dozen attempts, and both sides are reset', () => {
    toGuest('abc');
    guest.clock.advance(1000 * SECOND);
    const sent = guest.segments();
    expect([sent.length, sent.at(-1)?.flags]).toEqual([14, 'RA']);
    expect([stream.isAborted, guest.pending]).toEqual([true, 0]);
  });

  it('waits while the card has no room, without a timeout, and then goes on', () => {
    guest.room = 1;
    toGuest(new Uint8Array(3000));
    guest.clock.advance(30 * SECOND);
    expect(shape()).toEqual([['A', 0, 1, 1460]]);
    guest.room = 100;
    guest.net.ready();
    expect(shape().map(([, at]) => at)).toEqual([1460, 2920]);
  });

  it('pauses the host while a megabyte waits for the guest', () => {
    for (let n = 0; n < 16; n++) toGuest(new Uint8Array(65536));
    expect(stream.isPaused).toBe(false);
    toGuest(new Uint8Array(1));
    expect(stream.isPaused).toBe(true);
    let acked = 0;
    while (stream.isPaused) {
      for (const { seq, data } of guest.segments()) acked = Math.max(acked, seq - theirs + data.length);
      say({ seq: ISS + 1, ack: theirs + acked });
    }
    expect(acked).toBeGreaterThan(1 << 19);
  });

  it('arrives whole, whatever the guest loses', () => {
    let seed = 7;
    guest.loses = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return seed >>> 30 === 0;
    };
    const data = Uint8Array.from({ length: 60_000 }, (_, at) => (at * 31) >> 3);
    toGuest(data);
    const got: number[] = [];
    for (let round = 0; got.length < data.length && round < 2000; round++) {
      const sent = guest.segments();
      if (sent.length === 0) guest.clock.advance(SECOND / 4);
      for (const segment of sent) {
        const at = segment.seq - theirs;
        if (at <= got.length) got.push(...segment.data.slice(got.length - at));
        say({ seq: ISS + 1, ack: theirs + got.length });
      }
    }
    expect(got).toEqual([...data]);
  });
});
