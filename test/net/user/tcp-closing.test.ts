// TCP of the user-mode network, segment by segment: closing by either side, resets, forwarded ports, numbers.
import { beforeEach, describe, expect, it } from 'vitest';
import type { FakeStream } from './fake-host.ts';
import { Guest, IP, textBytes } from './guest.ts';
import { Connection, ISS, MSS_1460, SCALE_7 } from './tcp-connection.ts';

const SECOND = 1e9;

describe('closing', () => {
  let tcp: Connection;

  beforeEach(async () => {
    tcp = await Connection.open();
  });

  it('by the guest ends what it says, not what it hears', () => {
    tcp.say({ seq: ISS + 1, flags: 'FA', data: textBytes('bye') });
    expect([tcp.stream.text, tcp.stream.isEnded, tcp.shape()]).toEqual(['bye', true, [['A', 0, 5, 0]]]);
    tcp.toGuest('still here');
    expect(tcp.shape()).toEqual([['PA', 0, 5, 10]]);
    tcp.say({ seq: ISS + 5, ack: tcp.theirs + 10 });
    tcp.stream.events.ended();
    expect(tcp.shape()).toEqual([['FA', 10, 5, 0]]);
    expect(tcp.guest.pending).toBe(0);
    tcp.say({ seq: ISS + 5, ack: tcp.theirs + 11 });
    tcp.say({ seq: ISS + 5, ack: tcp.theirs + 11 });
    expect(tcp.shape().map(([flags]) => flags)).toEqual(['R']);
  });

  it('by the host ends what the guest hears, not what it says', () => {
    tcp.toGuest('all');
    tcp.stream.events.ended();
    expect(tcp.shape()).toEqual([
      ['PA', 0, 1, 3],
      ['FA', 3, 1, 0],
    ]);
    tcp.say({ seq: ISS + 1, ack: tcp.theirs + 4 });
    tcp.say({ seq: ISS + 1, ack: tcp.theirs + 4, data: textBytes('more') });
    expect([tcp.stream.text, tcp.stream.isEnded]).toEqual(['more', false]);
    tcp.say({ seq: ISS + 5, ack: tcp.theirs + 4, flags: 'FA' });
    expect(tcp.shape().map(([flags, , ack]) => [flags, ack])).toEqual([
      ['A', 5],
      ['A', 6],
    ]);
    expect([tcp.stream.isEnded, tcp.stream.isAborted]).toEqual([true, false]);
  });

  it('is repeated until the guest has heard', () => {
    tcp.stream.events.ended();
    expect(tcp.shape()).toEqual([['FA', 0, 1, 0]]);
    tcp.guest.clock.advance(SECOND);
    expect(tcp.shape()).toEqual([['FA', 0, 1, 0]]);
    tcp.say({ seq: ISS + 1, ack: tcp.theirs + 1 });
    tcp.guest.clock.advance(100 * SECOND);
    expect(tcp.guest.segments()).toEqual([]);
  });

  it('comes after the data that the window held back', async () => {
    tcp = await Connection.open(MSS_1460, 2);
    tcp.toGuest('abcd');
    tcp.stream.events.ended();
    expect(tcp.shape()).toEqual([['A', 0, 1, 2]]);
    tcp.say({ seq: ISS + 1, ack: tcp.theirs + 2 });
    expect(tcp.shape()).toEqual([
      ['PA', 2, 1, 2],
      ['FA', 4, 1, 0],
    ]);
  });

  it('by a reset of the guest ends the stream at once', () => {
    tcp.say({ seq: ISS + 1, flags: 'R' });
    expect([tcp.stream.isAborted, tcp.guest.pending, tcp.guest.segments()]).toEqual([true, 0, []]);
  });

  it('is not done by a reset that lies beside the window', () => {
    tcp.say({ seq: ISS - 5000, flags: 'R' });
    expect(tcp.stream.isAborted).toBe(false);
  });

  it.each([
    ['resets a stream that the guest was not done with', 'A', [true, false]],
    ['sends the rest of what a guest said that had ended', 'FA', [false, true]],
  ])('of the network %s', (_what, flags, ends) => {
    tcp.say({ seq: ISS + 1, flags, data: textBytes('last words') });
    tcp.guest.net.close();
    expect([tcp.stream.isAborted, tcp.stream.isFinished]).toEqual(ends);
    expect(tcp.guest.pending).toBe(0);
  });

  it('by a failure of the host resets the guest', () => {
    tcp.stream.events.failed('reset');
    expect(tcp.shape()).toEqual([['RA', 0, 1, 0]]);
    expect(tcp.guest.pending).toBe(0);
  });
});

describe('a forwarded port', () => {
  let guest: Guest;
  let stream: FakeStream;
  /** What the network sends next. */
  let theirs: number;

  beforeEach(async () => {
    guest = await Guest.on({
      forwards: [{ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 2222, guestPort: 22 }],
    });
    guest.sendIp(IP.gateway, 255, []);
  });

  const knock = () => {
    stream = guest.sockets.listeners[0].accept({ address: '127.0.0.1', port: 50000 });
    const [syn] = guest.segments();
    theirs = syn.seq + 1;
    return syn;
  };
  const answer = (segment: object): void =>
    guest.sendTcp(IP.gateway, { source: 22, destination: 50000, ack: theirs, ...segment });

  it('opens a connection with the guest, as from the gateway, and carries data both ways', () => {
    expect(guest.sockets.listeners[0].at).toEqual({ address: '127.0.0.1', port: 2222 });
    const { from, source, destination, flags, options } = knock();
    expect([from, source, destination, flags, options]).toEqual([
      IP.gateway,
      50000,
      22,
      'S',
      [2, 4, 5, 0xb4, 1, 3, 3, 5],
    ]);
    stream.events.data(Uint8Array.from(textBytes('early')));
    expect(guest.segments()).toEqual([]);
    answer({ seq: 500, flags: 'SA', options: [...MSS_1460, ...SCALE_7] });
    expect(guest.segments().map(({ flags: f, ack, data }) => [f, ack, data])).toEqual([
      ['PA', 501, textBytes('early')],
    ]);
    answer({ seq: 501, ack: theirs + 5, data: textBytes('ssh') });
    expect(stream.text).toBe('ssh');
  });

  it('resets the caller where the guest does not listen', () => {
    knock();
    answer({ seq: 0, flags: 'RA' });
    expect([stream.isAborted, guest.pending]).toEqual([true, 0]);
  });

  it('asks again while the guest does not answer, and asks who it is where nobody knows', async () => {
    guest = await Guest.on({ forwards: [{ protocol: 'tcp', hostPort: 2222, guestPort: 22 }] });
    guest.sockets.listeners[0].accept({ address: '127.0.0.1', port: 50000 });
    const [{ bytes }] = guest.taken();
    expect([bytes.slice(12, 14), bytes[21], bytes.slice(38, 42)]).toEqual([[8, 6], 1, [10, 0, 2, 15]]);
    guest.sendIp(IP.gateway, 255, []);
    guest.clock.advance(SECOND);
    expect(guest.segments().map(({ flags }) => flags)).toEqual(['S']);
  });
});

describe('numbers', () => {
  it('go on beyond 2^32', async () => {
    const guest = await Guest.on();
    const seq = 0xffff_fffe;
    guest.sendTcp(IP.outside, { source: 5, destination: 80, seq, flags: 'S' });
    guest.sockets.streams[0].events.connected();
    const [{ seq: iss, ack }] = guest.segments();
    expect(ack).toBe(0xffff_ffff);
    guest.sendTcp(IP.outside, { source: 5, destination: 80, seq: ack, ack: iss + 1, data: [1, 2, 3] });
    guest.sendTcp(IP.outside, { source: 5, destination: 80, seq: 2, ack: iss + 1, data: [4] });
    expect([guest.sockets.streams[0].written, guest.segments().map((one) => one.ack)]).toEqual([
      [1, 2, 3, 4],
      [2, 3],
    ]);
  });
});
