// A connection of the socket device by itself: what it keeps for a listener that does not take it.
import { expect, it } from 'vitest';
import { type VsockCarrier, VsockConnection } from '../../../src/devices/virtio/vsock-connection.ts';
import { type Header, Op } from '../../../src/devices/virtio/vsock-packet.ts';
import { heldBy } from '../../held-bytes.ts';

it('keeps single bytes for a paused listener in little more than bytes', () => {
  const carrier: VsockCarrier = {
    act: (of, action, bytes) => of.perform(action, bytes),
    tell: () => {},
    wake: () => {},
    forget: () => {},
  };
  const connection = new VsockConnection(carrier, 1, 2, true);
  const header: Header = {
    sourceCid: 3n,
    destinationCid: 2n,
    sourcePort: 2,
    destinationPort: 1,
    length: 1,
    type: 1,
    op: Op.RW,
    flags: 0,
    bufferBytes: 0,
    forwarded: 0,
  };
  const count = 200_000;
  connection.pause();
  const held = heldBy(() => {
    for (let n = 0; n < count; n++) connection.hear(header, Uint8Array.of(n));
  });
  expect(held).toBeLessThan(2 * count);
  let at = 0;
  let wrong = 0;
  connection.events.data = (bytes) => {
    for (const byte of bytes) if (byte !== (at++ & 0xff)) wrong++;
  };
  connection.resume();
  expect([at, wrong]).toEqual([count, 0]);
});
