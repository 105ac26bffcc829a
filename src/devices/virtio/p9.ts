/**
 * 9P transport device (device type 9; Linux's drivers are its documentation, as virtio 1.2 only reserves the number): one
 * queue of requests, each a message and room for the answer, and a tag by which the guest mounts it.
 */
import type { Saved } from '../../saved.ts';
import type { VirtioDevice } from './device.ts';
import { GuestError } from './guest-memory.ts';
import type { Virtqueue } from './queue.ts';

const P9Feature = { MOUNT_TAG: 1n } as const;
const MAX_TAG_BYTES = 32;
const HEADER_BYTES = 7;
const ERROR_BYTES = 11;
const MAX_MESSAGE_BYTES = 1 << 20;

/** A server of 9P: `answer` gives at most `room` bytes back. */
export interface P9Service extends Saved {
  answer(message: Uint8Array, room: number): Uint8Array;
  reset(): void;
}

/**
 * `takeWork` tells what the answers since its last call cost, in the unit of WorkMeter. Throws RangeError if the tag is
 * not possible.
 */
export function virtioP9(tag: string, service: P9Service, takeWork: () => number = () => 0): VirtioDevice {
  const name = new TextEncoder().encode(tag);
  if (name.length < 1 || name.length > MAX_TAG_BYTES) {
    throw new RangeError(`mount_tag '${tag}' is not possible: 1 to ${MAX_TAG_BYTES} bytes`);
  }
  return {
    id: 9,
    name: 'virtio-9p',
    features: P9Feature.MOUNT_TAG,
    queues: [128],
    config: Uint8Array.of(name.length, 0, ...name),
    reset: () => service.reset(),
    save: () => service.save(),
    load: (state) => service.load(state),
    notify: (_index, queue) => serve(queue, service, takeWork),
  };
}

function serve(queue: Virtqueue, service: P9Service, takeWork: () => number): void {
  for (let chain = queue.pop(); chain; chain = queue.pop()) {
    if (chain.readable < HEADER_BYTES || chain.writable < ERROR_BYTES) {
      throw new GuestError(`9P request of ${chain.readable} bytes with room for ${chain.writable}`);
    }
    queue.push(chain, chain.write(service.answer(chain.read(MAX_MESSAGE_BYTES), chain.writable)));
    queue.charge(takeWork());
  }
}
