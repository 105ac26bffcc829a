/**
 * What a virtio device is, whatever transport it sits on: it gets queues, never registers; and what it may ask of the
 * transport in return.
 */
import type { Width } from '../../core/types.ts';
import type { Plain, Saved } from '../../saved.ts';
import type { Chain } from './chain.ts';
import type { DeviceMemory } from './guest-memory.ts';
import type { Virtqueue } from './queue.ts';

/** Feature bits that the transport answers for: virtio 1.2, 6 "Reserved Feature Bits". */
export const Feature = {
  INDIRECT_DESC: 1n << 28n,
  EVENT_IDX: 1n << 29n,
  VERSION_1: 1n << 32n,
  RING_PACKED: 1n << 34n,
} as const;

/** The transport, as the device sees it. */
export interface VirtioHost {
  /** The negotiated features. */
  readonly features: bigint;
  /** Guest memory, for devices that drivers tell addresses in other ways than by buffers. */
  readonly memory: DeviceMemory;
  /** The queue, null while the driver is not up or did not enable it. */
  queue(index: number): Virtqueue | null;
  /** The device changed its configuration: a new generation, and a configuration change notification. */
  configChanged(): void;
  /** Runs work that the host began, not the driver: what the driver did wrong ends as it does in `notify`. */
  attempt(work: () => void): void;
}

/** Its configuration space is saved by the transport, and so are the chains in flight. */
export interface VirtioDevice extends Saved {
  /** virtio 1.2, 5 "Device Types". */
  readonly id: number;
  readonly name: string;
  /** The device's own feature bits. */
  readonly features: bigint;
  /** The greatest size of each queue. */
  readonly queues: readonly number[];
  /** The configuration space as the driver reads it. */
  readonly config: Uint8Array;
  /** Called once, before anything else. */
  attach?(host: VirtioHost): void;
  /** The driver set DRIVER_OK. */
  start?(): void;
  /** The driver may have made buffers available. A GuestError from here sets DEVICE_NEEDS_RESET. */
  notify(index: number, queue: Virtqueue): void;
  /** Does a piece of the work that it gave to `queue.work`, and returns whether there is more. */
  step?(queue: Virtqueue, chain: Chain, rest: Plain): boolean;
  /** The driver wrote to the configuration space, within its length. What is not handled here is read-only. */
  writeConfig?(offset: number, width: Width, value: number): void;
  /** Back to the state of power-on; chains in hand are gone. */
  reset?(): void;
}
