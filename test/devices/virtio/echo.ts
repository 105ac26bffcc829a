/** A device for tests of transports: it fills the first byte of whatever it is given with 0x55, and tells what it was told. */
import type { VirtioDevice, VirtioHost } from '../../../src/devices/virtio/device.ts';
import { STATELESS } from '../../../src/saved.ts';

export interface Echo extends VirtioDevice {
  /** The transport, once the device is attached. */
  readonly host: VirtioHost;
  readonly events: string[];
}

export function echoDevice(): Echo {
  const events: string[] = [];
  let host: VirtioHost | undefined;
  return {
    ...STATELESS,
    id: 42,
    name: 'virtio-test',
    features: 1n << 5n,
    queues: [64, 16],
    config: Uint8Array.of(1, 2, 3, 4, 5, 6, 7),
    events,
    get host() {
      if (!host) throw new Error('the device is not attached');
      return host;
    },
    attach: (given) => {
      host = given;
    },
    start: () => void events.push('start'),
    reset: () => void events.push('reset'),
    writeConfig: (offset, width, value) => void events.push(`config ${offset} ${width} ${value}`),
    notify(index, queue) {
      events.push(`notify ${index}`);
      for (let chain = queue.pop(); chain; chain = queue.pop()) queue.push(chain, chain.write(Uint8Array.of(0x55)));
    },
  };
}
