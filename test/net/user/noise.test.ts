// Damaged frames of a guest: whatever is in them, the user-mode network neither throws nor grows, and goes on.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Guest, IP, textBytes } from './guest.ts';

const SEED = 20261122;

/** Frames of every kind, as an honest guest sends them. */
async function honest(): Promise<Uint8Array[]> {
  const guest = await Guest.on();
  const frames: Uint8Array[] = [];
  guest.net.send = (frame) => void frames.push(frame);
  const syn = { source: 5, destination: 80, flags: 'S', seq: 1, options: [2, 4, 5, 0xb4, 1, 3, 3, 7] };
  guest.send(Array(6).fill(0xff), 0x0806, [0, 1, 8, 0, 6, 4, 0, 1, ...Array(20).fill(10)]);
  guest.sendTcp(IP.outside, syn);
  guest.sendTcp(IP.outside, { source: 5, destination: 80, seq: 2, ack: 64_023, data: textBytes('hello') });
  guest.sendTcp(IP.outside, { source: 5, destination: 80, seq: 7, ack: 64_023, flags: 'FA' });
  guest.sendUdp(68, '255.255.255.255', 67, [1, 1, 6, ...Array(233).fill(0), 0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255]);
  guest.sendUdp(9, IP.outside, 53, textBytes('who?'));
  guest.sendIp(IP.outside, 17, Array(64).fill(1), { id: 4, fragment: 0x2000 });
  guest.sendIp(IP.outside, 17, Array(64).fill(1), { id: 4, fragment: 8 });
  guest.sendIp(IP.gateway, 1, [8, 0, 0xf7, 0xfd, 0, 1, 0, 1]);
  return frames;
}

describe('the user-mode network', () => {
  it('takes damaged frames in any order', async () => {
    const frames = await honest();
    const change = fc.record({ at: fc.nat(80), value: fc.nat(255) });
    const step = fc.record({
      frame: fc.nat(frames.length - 1),
      changes: fc.array(change, { maxLength: 3 }),
      length: fc.option(fc.nat(120), { freq: 3 }),
      isSummed: fc.boolean(),
      event: fc.nat(9),
    });
    const property = fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const guest = await Guest.on();
      for (const { frame, changes, length, isSummed, event } of steps) {
        const bytes = frames[frame].slice(0, length ?? undefined);
        for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
        guest.net.send(bytes, isSummed ? undefined : { checksumStart: 34, checksumOffset: 16, segmentBytes: 0 });
        guest.net.flush();
        const stream = guest.sockets.streams.at(-1);
        if (event === 0) stream?.events.connected();
        if (event === 1) stream?.events.data(new Uint8Array(2000));
        if (event === 2) stream?.events.ended();
        if (event === 3) guest.clock.advance(2e9);
        if (event === 4) guest.sockets.pass(1000);
        expect(guest.frames.every(({ bytes: sent }) => sent.length <= 1514)).toBe(true);
      }
      guest.net.close();
      expect(guest.pending).toBe(0);
    });
    await fc.assert(property, { seed: SEED, numRuns: 300 });
  });
});
