/**
 * What every transport does: feature negotiation, the status machine and the queues of one device. A transport proper is
 * a map of registers onto this. Every GuestError ends here: DEVICE_NEEDS_RESET and one line in the log.
 */
import type { GuestMemory, Width } from '../../core/types.ts';
import type { Plain, Saved } from '../../saved.ts';
import type { Defer } from '../clock.ts';
import { Feature, type VirtioDevice, type VirtioHost } from './device.ts';
import { DeviceMemory, GuestError, type Wrote } from './guest-memory.ts';
import { PackedQueue } from './packed-queue.ts';
import type { QueueLayout, QueueState, Virtqueue } from './queue.ts';
import { SplitQueue } from './split-queue.ts';

/** virtio 1.2, 2.1 "Device Status Field". */
export const Status = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  DEVICE_NEEDS_RESET: 0x40,
  FAILED: 0x80,
} as const;

const TRANSPORT_FEATURES = Feature.INDIRECT_DESC | Feature.EVENT_IDX | Feature.VERSION_1 | Feature.RING_PACKED;

export interface TransportParts {
  device: VirtioDevice;
  memory: GuestMemory;
  /** Called after the device wrote to memory. */
  wrote?: Wrote;
  /** As of DeviceContext: for the rest of a turn that reached its limits. */
  defer: Defer;
  /** Told of work that the device does, in the unit of WorkMeter. */
  charge?: (bytes: number) => void;
  log: (line: string) => void;
  /** Features that the driver is not offered, though this device and this transport have them. */
  withhold?: bigint;
}

/** Tells the driver about a used buffer of a queue, or, for null, about a change of configuration. */
export type Signal = (queue: number | null) => void;

export type TransportState = {
  status: number;
  features: bigint;
  generation: number;
  config: Uint8Array;
  queues: (QueueState | null)[];
  device: Plain;
};

export class VirtioTransport implements VirtioHost, Saved<TransportState> {
  readonly device: VirtioDevice;
  /** Feature bits offered to the driver. */
  readonly offered: bigint;
  readonly #parts: TransportParts;
  readonly memory: DeviceMemory;
  readonly #signal: Signal;
  readonly #queues: (Virtqueue | null)[];
  /** Go on with a queue, a little later. */
  readonly #continueLater: readonly (() => void)[];
  #features = 0n;
  #status = 0;
  #generation = 0;

  constructor(parts: TransportParts, signal: Signal) {
    this.#parts = parts;
    this.#signal = signal;
    this.memory = new DeviceMemory(parts.memory, parts.wrote);
    this.device = parts.device;
    this.offered = (parts.device.features | TRANSPORT_FEATURES) & ~(parts.withhold ?? 0n);
    this.#queues = parts.device.queues.map(() => null);
    this.#continueLater = parts.device.queues.map((_, index) =>
      parts.defer(`queue[${index}]`, () => {
        const queue = this.queue(index);
        if (queue) this.#turn(index, queue);
      }),
    );
    this.device.attach?.(this);
  }

  get status(): number {
    return this.#status;
  }

  /** Changes with every change of the configuration by the device; eight bits. */
  get configGeneration(): number {
    return this.#generation;
  }

  get features(): bigint {
    return this.#features;
  }

  /** The features that the driver wants; judged when it sets FEATURES_OK. */
  set features(wanted: bigint) {
    this.attempt(() => {
      if (this.#has(Status.FEATURES_OK)) throw new GuestError('features written after FEATURES_OK');
      this.#features = wanted;
    });
  }

  /** A write to the device status field; zero resets the device. */
  setStatus(value: number): void {
    if (value === 0) this.reset();
    else if (this.#has(Status.DEVICE_NEEDS_RESET)) this.#status |= value;
    else this.attempt(() => this.#advance(value));
  }

  reset(): void {
    this.#dropQueues();
    this.#status = 0;
    this.#features = 0n;
    this.device.reset?.();
  }

  queue(index: number): Virtqueue | null {
    return this.#has(Status.DRIVER_OK) ? (this.#queues[index] ?? null) : null;
  }

  isEnabled(index: number): boolean {
    return (this.#queues[index] ?? null) !== null;
  }

  enableQueue(index: number, layout: QueueLayout): void {
    if (this.isEnabled(index)) return;
    this.attempt(() => {
      const max = this.device.queues[index];
      if (max === undefined) throw new GuestError(`queue ${index} enabled; there are ${this.#queues.length}`);
      if (!this.#has(Status.FEATURES_OK)) throw new GuestError(`queue ${index} enabled before FEATURES_OK`);
      if (layout.size > max) throw new GuestError(`queue ${index} of size ${layout.size}: the limit is ${max}`);
      this.#queues[index] = this.#makeQueue(index, layout);
    });
  }

  #makeQueue(index: number, layout: QueueLayout, wasChecked = false): Virtqueue {
    const Queue = this.#features & Feature.RING_PACKED ? PackedQueue : SplitQueue;
    const queue: Virtqueue = new Queue({
      memory: this.memory,
      layout,
      indirect: (this.#features & Feature.INDIRECT_DESC) !== 0n,
      eventIdx: (this.#features & Feature.EVENT_IDX) !== 0n,
      interrupt: () => this.#signal(index),
      charge: this.#parts.charge,
      step: (chain, rest) => this.device.step?.(queue, chain, rest) ?? false,
      wasChecked,
    });
    return queue;
  }

  save(): TransportState {
    return {
      status: this.#status,
      features: this.#features,
      generation: this.#generation,
      config: this.device.config.slice(),
      queues: this.#queues.map((queue) => queue?.save() ?? null),
      device: this.device.save(),
    };
  }

  load({ status, features, generation, config, queues, device }: TransportState): void {
    this.#status = status;
    this.#features = features;
    this.#generation = generation;
    this.device.config.set(config);
    for (const [index, state] of queues.entries()) {
      this.#queues[index] = state && this.#makeQueue(index, { ...state.layout }, true);
      if (state) this.#queues[index]?.load(state);
    }
    this.device.load(device);
  }

  disableQueue(index: number): void {
    if (!this.isEnabled(index)) return;
    this.#queues[index]?.kill();
    this.#queues[index] = null;
  }

  /** The driver's available buffer notification. Before DRIVER_OK it has no effect: buffers are looked for then. */
  notify(index: number): void {
    if (!this.#has(Status.DRIVER_OK) || this.#has(Status.DEVICE_NEEDS_RESET)) return;
    const queue = this.queue(index);
    if (queue) this.#turn(index, queue);
    else this.#fail(`notification of queue ${index}, which is not enabled`);
  }

  readConfig(offset: number, width: Width): number {
    let value = 0;
    for (let byte = width - 1; byte >= 0; byte--) value = value * 256 + (this.device.config[offset + byte] ?? 0);
    return value;
  }

  writeConfig(offset: number, width: Width, value: number): void {
    if (this.#has(Status.DEVICE_NEEDS_RESET) || offset + width > this.device.config.length) return;
    this.attempt(() => this.device.writeConfig?.(offset, width, value));
  }

  configChanged(): void {
    this.#generation = (this.#generation + 1) & 0xff;
    if (this.#has(Status.DRIVER_OK)) this.#signal(null);
  }

  attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof GuestError)) throw error;
      this.#fail(error.message);
    }
  }

  #has(bit: number): boolean {
    return (this.#status & bit) !== 0;
  }

  /** virtio 1.2, 3.1.1 "Driver Requirements: Device Initialization". */
  #advance(value: number): void {
    const cleared = this.#status & ~value;
    if (cleared) throw new GuestError(`status bits 0x${cleared.toString(16)} cleared without a reset`);
    const set = value & ~this.#status & ~Status.DEVICE_NEEDS_RESET;
    const isAcceptable = (this.#features & ~this.offered) === 0n && (this.#features & Feature.VERSION_1) !== 0n;
    const refused = set & Status.FEATURES_OK && !isAcceptable ? Status.FEATURES_OK : 0;
    if (set & Status.DRIVER_OK && (!(value & Status.FEATURES_OK) || refused)) {
      throw new GuestError('DRIVER_OK without FEATURES_OK');
    }
    this.#status |= set & ~refused;
    if (set & Status.DRIVER_OK) this.#start();
  }

  #start(): void {
    this.device.start?.();
    for (const [index, queue] of this.#queues.entries()) {
      if (queue && !this.#has(Status.DEVICE_NEEDS_RESET)) this.#turn(index, queue);
    }
  }

  #turn(index: number, queue: Virtqueue): void {
    queue.beginTurn();
    this.attempt(() => {
      if (queue.resume()) this.device.notify(index, queue);
    });
    if (queue.isExhausted) this.#continueLater[index]();
  }

  /** virtio 1.2, 2.1.2 "Device Requirements: Device Status Field". */
  #fail(message: string): void {
    if (this.#has(Status.DEVICE_NEEDS_RESET)) return;
    this.#parts.log(`${this.device.name}: ${message}; it needs a reset`);
    this.#status |= Status.DEVICE_NEEDS_RESET;
    this.#dropQueues();
    this.configChanged();
  }

  #dropQueues(): void {
    for (const index of this.#queues.keys()) this.disableQueue(index);
  }
}
