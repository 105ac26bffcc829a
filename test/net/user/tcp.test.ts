// TCP of the user-mode network, segment by segment: opening, data both ways, windows, loss.
import { beforeEach, describe, expect, it } from 'vitest';
import { Guest, IP, textBytes } from './guest.ts';
import { Connection, ISS, MSS_1460, SCALE_7 } from './tcp-connection.ts';

const SECOND = 1e9;

let tcp: Connection;

describe('opening', () => {
  let guest: Guest;

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
  beforeEach(async () => {
    tcp = await Connection.open();
  });

  it('reaches the host once, in order, and is acknowledged', () => {
    tcp.say({ seq: ISS + 1, data: textBytes('hello, ') });
    tcp.say({ seq: ISS + 8, data: textBytes('world') });
    expect([tcp.stream.text, tcp.shape()]).toEqual([
      'hello, world',
      [
        ['A', 0, 8, 0],
        ['A', 0, 13, 0],
      ],
    ]);
  });

  it('that came before is acknowledged again and goes no further', () => {
    tcp.say({ seq: ISS + 1, data: textBytes('abc') });
    tcp.say({ seq: ISS + 1, data: textBytes('abc') });
    tcp.say({ seq: ISS + 2, data: textBytes('bcd') });
    expect([tcp.stream.text, tcp.shape().map(([, , ack]) => ack)]).toEqual(['abcd', [4, 4, 5]]);
  });

  it('that leaves a gap is not taken, and the gap is named', () => {
    tcp.say({ seq: ISS + 4, data: textBytes('def') });
    expect([tcp.stream.text, tcp.shape()]).toEqual(['', [['A', 0, 1, 0]]]);
  });

  it('is acknowledged once for all that came together', () => {
    const flush = tcp.guest.net.flush.bind(tcp.guest.net);
    tcp.guest.net.flush = () => {};
    for (let at = 0; at < 4; at++) tcp.say({ seq: ISS + 1 + at, data: [65 + at] });
    flush();
    expect([tcp.stream.text, tcp.shape()]).toEqual(['ABCD', [['A', 0, 5, 0]]]);
  });

  it('stays within a window that a slow host narrows and widens', () => {
    tcp.stream.isSlow = true;
    const block = Array(60_000).fill(7);
    let seq = ISS + 1;
    let window = 1 << 20;
    while (window > 0) {
      const data = block.slice(0, Math.min(window, block.length));
      tcp.say({ seq, data });
      seq += data.length;
      const [segment] = tcp.guest.segments().slice(-1);
      expect(segment.ack).toBe(seq);
      expect(segment.window * 32).toBeLessThanOrEqual(Math.ceil(window / 32) * 32);
      window = segment.window * 32;
    }
    expect(tcp.stream.buffered).toBeGreaterThanOrEqual(1 << 20);
    tcp.say({ seq, data: [1] });
    expect(tcp.guest.segments().map(({ ack, window: left }) => [ack, left])).toEqual([[seq, 0]]);
    tcp.stream.drain();
    expect(tcp.guest.segments().map(({ flags, ack, window: left }) => [flags, ack, left])).toEqual([['A', seq, 32768]]);
  });

  it('with a wrong checksum is dropped', () => {
    const send = tcp.guest.net.send.bind(tcp.guest.net);
    tcp.guest.net.send = (frame) => {
      frame[frame.length - 1] ^= 1;
      send(frame);
    };
    tcp.say({ seq: ISS + 1, data: [1] });
    expect([tcp.stream.written, tcp.guest.segments()]).toEqual([[], []]);
  });

  it('that acknowledges what was never sent is not taken', () => {
    tcp.say({ seq: ISS + 1, ack: tcp.theirs + 1, data: [1] });
    expect([tcp.stream.written, tcp.shape()]).toEqual([[], [['A', 0, 1, 0]]]);
  });
});

describe('data of the host', () => {
  beforeEach(async () => {
    tcp = await Connection.open();
  });

  it('reaches the guest in segments of its size, the last one pushed', () => {
    tcp.toGuest(new Uint8Array(3000));
    expect(tcp.shape()).toEqual([
      ['A', 0, 1, 1460],
      ['A', 1460, 1, 1460],
      ['PA', 2920, 1, 80],
    ]);
  });

  it('reaches a guest that cuts it itself in long frames, with the work left undone', () => {
    tcp.guest.takes = { checksum: true, segments: true };
    tcp.toGuest(new Uint8Array(100_000));
    const sent = tcp.guest.segments();
    expect(sent.map(({ data }) => data.length)).toEqual([64_240, 35_760]);
    expect(sent.map(({ offload }) => offload)).toEqual(
      Array(2).fill({ checksumStart: 34, checksumOffset: 16, segmentBytes: 1460 }),
    );
  });

  it('waits with a short last segment while much is under way, unless it is the end', () => {
    tcp.toGuest(new Uint8Array(4500));
    expect(tcp.shape().map(([, at, , length]) => [at, length])).toEqual([0, 1460, 2920].map((at) => [at, 1460]));
    tcp.say({ seq: ISS + 1, ack: tcp.theirs + 2920 });
    expect(tcp.shape().map(([, at, , length]) => [at, length])).toEqual([[4380, 120]]);
    tcp.toGuest(new Uint8Array(3000));
    expect(tcp.shape()).toHaveLength(2);
    tcp.stream.events.ended();
    expect(tcp.shape().map(([flags, at, , length]) => [flags, at, length])).toEqual([
      ['PA', 7420, 80],
      ['FA', 7500, 0],
    ]);
  });

  it('stays within the window of the guest, and goes on as it opens', async () => {
    tcp = await Connection.open(MSS_1460, 2000);
    tcp.toGuest(new Uint8Array(5000));
    expect(tcp.shape().map(([, at, , length]) => [at, length])).toEqual([[0, 1460]]);
    tcp.say({ seq: ISS + 1, ack: tcp.theirs + 1460, window: 2000 });
    expect(tcp.shape().map(([, at, , length]) => [at, length])).toEqual([[1460, 1460]]);
    tcp.say({ seq: ISS + 1, ack: tcp.theirs + 2920, window: 9000 });
    expect(tcp.shape().map(([, at, , length]) => [at, length])).toEqual([
      [2920, 1460],
      [4380, 620],
    ]);
  });

  it('knocks at a closed window with one byte', async () => {
    tcp = await Connection.open(MSS_1460, 0);
    tcp.toGuest('abc');
    expect(tcp.guest.segments()).toEqual([]);
    tcp.guest.clock.advance(SECOND);
    expect(tcp.guest.segments().map(({ seq, data }) => [seq - tcp.theirs, data])).toEqual([[0, textBytes('a')]]);
    tcp.say({ seq: ISS + 1, window: 100 });
    expect(tcp.guest.segments().map(({ seq, data }) => [seq - tcp.theirs, data])).toEqual([[0, textBytes('abc')]]);
  });

  it('is sent again after a second without an answer, then after two', () => {
    tcp.toGuest('abc');
    tcp.guest.segments();
    for (const seconds of [1, 2]) {
      tcp.guest.clock.advance(seconds * SECOND - 1);
      expect(tcp.guest.segments()).toEqual([]);
      tcp.guest.clock.advance(1);
      expect(tcp.shape()).toEqual([['PA', 0, 1, 3]]);
    }
    tcp.say({ seq: ISS + 1, ack: tcp.theirs + 3 });
    tcp.guest.clock.advance(100 * SECOND);
    expect(tcp.guest.segments()).toEqual([]);
  });

  it('is not sent again a second after older data, but a second after itself', () => {
    tcp.toGuest('abc');
    tcp.guest.clock.advance(1000);
    tcp.say({ seq: ISS + 1, ack: tcp.theirs + 3 });
    tcp.guest.clock.advance(0.9 * SECOND);
    tcp.toGuest('def');
    tcp.guest.segments();
    tcp.guest.clock.advance(0.9 * SECOND);
    expect(tcp.guest.segments()).toEqual([]);
    tcp.guest.clock.advance(0.2 * SECOND);
    expect(tcp.shape()).toEqual([['PA', 3, 1, 3]]);
  });

  it('is sent again at the third equal acknowledgement', () => {
    tcp.toGuest(new Uint8Array(4000));
    tcp.guest.segments();
    for (let n = 0; n < 2; n++) tcp.say({ seq: ISS + 1 });
    expect(tcp.guest.segments()).toEqual([]);
    tcp.say({ seq: ISS + 1 });
    expect(tcp.shape()).toEqual([['A', 0, 1, 1460]]);
  });

  it('is given up after a dozen attempts, and both sides are reset', () => {
    tcp.toGuest('abc');
    tcp.guest.clock.advance(1000 * SECOND);
    const sent = tcp.guest.segments();
    expect([sent.length, sent.at(-1)?.flags]).toEqual([14, 'RA']);
    expect([tcp.stream.isAborted, tcp.guest.pending]).toEqual([true, 0]);
  });

  it('waits while the card has no room, without a timeout, and then goes on', () => {
    tcp.guest.room = 1;
    tcp.toGuest(new Uint8Array(3000));
    tcp.guest.clock.advance(30 * SECOND);
    expect(tcp.shape()).toEqual([['A', 0, 1, 1460]]);
    tcp.guest.room = 100;
    tcp.guest.net.ready();
    expect(tcp.shape().map(([, at]) => at)).toEqual([1460, 2920]);
  });

  it('pauses the host while a megabyte waits for the guest', () => {
    for (let n = 0; n < 16; n++) tcp.toGuest(new Uint8Array(65536));
    expect(tcp.stream.isPaused).toBe(false);
    tcp.toGuest(new Uint8Array(1));
    expect(tcp.stream.isPaused).toBe(true);
    let acked = 0;
    while (tcp.stream.isPaused) {
      for (const { seq, data } of tcp.guest.segments()) acked = Math.max(acked, seq - tcp.theirs + data.length);
      tcp.say({ seq: ISS + 1, ack: tcp.theirs + acked });
    }
    expect(acked).toBeGreaterThan(1 << 19);
  });

  it('arrives whole, whatever the guest loses', () => {
    let seed = 7;
    tcp.guest.loses = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return seed >>> 30 === 0;
    };
    const data = Uint8Array.from({ length: 60_000 }, (_, at) => (at * 31) >> 3);
    tcp.toGuest(data);
    const got: number[] = [];
    for (let round = 0; got.length < data.length && round < 2000; round++) {
      const sent = tcp.guest.segments();
      if (sent.length === 0) tcp.guest.clock.advance(SECOND / 4);
      for (const segment of sent) {
        const at = segment.seq - tcp.theirs;
        if (at <= got.length) got.push(...segment.data.slice(got.length - at));
        tcp.say({ seq: ISS + 1, ack: tcp.theirs + got.length });
      }
    }
    expect(got).toEqual([...data]);
  });
});
