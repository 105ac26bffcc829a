// What is written down of a network is a pcap file with the frames of both directions at their virtual times.
import { describe, expect, it } from 'vitest';
import { NO_DOORS } from '../../src/doors.ts';
import { type NetBackend, type NetCard, NO_HOST } from '../../src/net/backend.ts';
import { addWords, fold, pseudoHeader, put16 } from '../../src/net/bytes.ts';
import { dump } from '../../src/net/pcap.ts';
import { HandClock } from '../devices/hand-clock.ts';

const START = Date.UTC(2026, 0, 1, 0, 0, 0, 250);

function make(maxBytes?: number) {
  const written: Uint8Array[] = [];
  const sent: Uint8Array[] = [];
  let inner!: NetCard;
  let hasRoom = true;
  const backend: NetBackend = {
    takesOffload: true,
    attach: (card) => {
      inner = card;
    },
    send: (frame) => void sent.push(frame),
  };
  const clock = new HandClock();
  const dumped = dump(backend, (bytes) => void written.push(bytes), { start: START, maxBytes });
  const takes = { checksum: true, segments: true };
  dumped.attach({ takes, clock, host: NO_HOST, doors: NO_DOORS, setLink: () => {}, receive: () => hasRoom });
  const records = () =>
    written.slice(1).map((bytes) => {
      const view = new DataView(bytes.buffer);
      const [seconds, ns, kept, length] = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
      return { seconds, ns, kept, length, bytes: [...bytes.subarray(16)] };
    });
  return { written, sent, clock, dumped, inner, records, fill: () => (hasRoom = false) };
}

describe('a dump', () => {
  it('begins with the header of a little-endian file of Ethernet frames with nanoseconds', () => {
    const { written } = make();
    expect([...written[0]]).toEqual([
      ...[0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0],
      ...[0, 0, 0, 0, 0, 0, 0, 0],
      ...[0x0e, 0, 1, 0, 1, 0, 0, 0],
    ]);
  });

  it('holds frames of both directions with the date of power-on plus virtual time', () => {
    const { dumped, inner, clock, records, sent } = make();
    dumped.send(Uint8Array.of(1, 2, 3));
    clock.advance(1_750_000_001);
    inner.receive(Uint8Array.of(4, 5));
    const seconds = Math.floor(START / 1000);
    expect(records()).toEqual([
      { seconds, ns: 250_000_000, kept: 3, length: 3, bytes: [1, 2, 3] },
      { seconds: seconds + 2, ns: 1, kept: 2, length: 2, bytes: [4, 5] },
    ]);
    expect(sent).toEqual([Uint8Array.of(1, 2, 3)]);
  });

  it('cuts frames where that is asked for, and says how long they were', () => {
    const { dumped, records } = make(2);
    dumped.send(Uint8Array.of(1, 2, 3));
    expect(records().map(({ kept, length, bytes }) => [kept, length, bytes])).toEqual([[2, 3, [1, 2]]]);
  });

  it('makes the checksums that were left undone, in the file only', () => {
    const { dumped, records, sent } = make();
    const frame = new Uint8Array(50).fill(9);
    put16(frame, 40, pseudoHeader(1, 2, 17, 16));
    const before = [...frame];
    dumped.send(frame, { checksumStart: 34, checksumOffset: 6, segmentBytes: 0 });
    const [{ bytes }] = records();
    expect(fold(addWords(Uint8Array.from(bytes), 34, 50, pseudoHeader(1, 2, 17, 16)))).toBe(0xffff);
    expect([...sent[0]]).toEqual(before);
  });

  it('leaves out frames that the card had no room for', () => {
    const { inner, fill, records } = make();
    fill();
    expect([inner.receive(Uint8Array.of(1)), records()]).toEqual([false, []]);
  });
});
