/** Entropy device (virtio 1.2, 5.4 "Entropy Device"): one queue, every buffer of which is filled with random bytes. */
import { STATELESS } from '../../saved.ts';
import type { VirtioDevice } from './device.ts';

/** As much as one buffer gets: the driver asks again for more. */
const MAX_FILL_BYTES = 64 << 10;

/** `fill` fills the whole of what it is given. Buffers get 64 KiB at most, as 5.4.6.2 "Device Requirements: Device Operation" allows. */
export function virtioRng(fill: (bytes: Uint8Array) => void): VirtioDevice {
  return {
    ...STATELESS,
    id: 4,
    name: 'virtio-rng',
    features: 0n,
    queues: [256],
    config: new Uint8Array(0),
    notify(_index, queue) {
      for (let chain = queue.pop(); chain; chain = queue.pop()) {
        const bytes = new Uint8Array(Math.min(chain.writable, MAX_FILL_BYTES));
        fill(bytes);
        queue.push(chain, chain.write(bytes));
      }
    },
  };
}
