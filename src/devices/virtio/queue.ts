/**
 * Virtqueues (virtio 1.2, 2.6 "Virtqueues"): the device pops chains that the driver made available and pushes them back
 * used. Every way in which a driver can break the rules is a GuestError.
 */
import { TURN_WORK } from '../work-meter.ts';
import type { Chain } from './chain.ts';
import { DESC_BYTES } from './descriptor.ts';
import { type DeviceMemory, GuestError } from './guest-memory.ts';

/** What the driver said about a queue before it was enabled. */
export interface QueueLayout {
  size: number;
  /** Guest-physical addresses: descriptor area, driver area (available ring), device area (used ring). */
  desc: bigint;
  driver: bigint;
  device: bigint;
}

export interface QueueOptions {
  memory: DeviceMemory;
  layout: QueueLayout;
  /** VIRTIO_F_INDIRECT_DESC and VIRTIO_F_EVENT_IDX, as negotiated. */
  indirect: boolean;
  eventIdx: boolean;
  /** Called when a used buffer is to be signalled and the driver has not suppressed it. */
  interrupt: () => void;
  /** Told of work that was done, in the unit of WorkMeter. */
  charge?: (bytes: number) => void;
}

/** The limit of both ring formats: virtio 1.2, 2.7 "Split Virtqueues" and 2.8.10.1 "Structure Size and Alignment". */
export const MAX_QUEUE_SIZE = 32768;
/** The work of taking a chain, beside its bytes, and each of its windows. */
const CHAIN_WORK = 4096;
const WINDOW_WORK = 256;

/** What both ring formats have in common: chains in flight, the work allowed per notification, death by reset. */
export abstract class Virtqueue {
  readonly size: number;
  protected readonly memory: DeviceMemory;
  protected readonly options: QueueOptions;
  readonly #inFlight = new Map<number, Chain>();
  #isDead = false;
  #chainsLeft: number;
  #workLeft = TURN_WORK;
  /** The rest of a chain's work. */
  #step: (() => boolean) | null = null;

  constructor(options: QueueOptions) {
    this.options = options;
    this.memory = options.memory;
    this.size = options.layout.size;
    this.#chainsLeft = this.size;
  }

  /** The next available chain, null if there is none or this turn's work is done (then `isExhausted`). */
  pop(): Chain | null {
    if (this.#isDead || this.isExhausted || this.#step) return null;
    const chain = this.take();
    if (!chain) return null;
    if (this.#inFlight.has(chain.id)) throw new GuestError(`chain ${chain.id} is available while it is in use`);
    this.#inFlight.set(chain.id, chain);
    this.#chainsLeft--;
    this.charge(CHAIN_WORK + WINDOW_WORK * chain.buffers.length + chain.readable + chain.writable);
    return chain;
  }

  /** Gives a chain back with its first `written` device-writable bytes written, and signals it. Nothing after a reset. */
  push(chain: Chain, written: number): void {
    if (this.#isDead) return;
    if (written > chain.writable) {
      throw new Error(`chain ${chain.id}: ${written} bytes written, ${chain.writable} are writable`);
    }
    if (!this.#inFlight.delete(chain.id)) throw new Error(`chain ${chain.id} is not in flight`);
    if (this.give(chain, written)) this.options.interrupt();
  }

  /** Starts a turn: as many chains as the queue has places, and a limited amount of work. */
  beginTurn(): void {
    this.#chainsLeft = this.size;
    this.#workLeft = TURN_WORK;
  }

  /** Counts work for a chain beyond its bytes, in the unit of WorkMeter. */
  charge(bytes: number): void {
    this.#workLeft -= bytes;
    this.options.charge?.(bytes);
  }

  /** Whether the turn ended by its limits: chains may be left, and no notification will follow. */
  get isExhausted(): boolean {
    return this.#chainsLeft <= 0 || this.#workLeft <= 0;
  }

  /**
   * Work for a chain that may be long: `step` does a piece of it, charges for it, and returns whether there is more. What
   * does not fit into this turn is done in the next ones, and no other chain is popped before it is.
   */
  work(step: () => boolean): void {
    if (step()) this.#step = step;
    this.resume();
  }

  /** Goes on with the work of earlier turns. Returns whether none is left. */
  resume(): boolean {
    while (this.#step && this.#workLeft > 0) if (!this.#step()) this.#step = null;
    return this.#step === null;
  }

  /** After this nothing is popped; chains in flight are revoked, and vanish when they are pushed. */
  kill(): void {
    this.#isDead = true;
    this.#step = null;
    for (const chain of this.#inFlight.values()) chain.revoke();
    this.#inFlight.clear();
  }

  /** Asks the driver to notify of new chains, or not to. A hint, as the specification has it. */
  abstract wantNotifications(wanted: boolean): void;
  protected abstract take(): Chain | null;
  /** Writes the used element. Returns whether the driver wants to be told. */
  protected abstract give(chain: Chain, written: number): boolean;
}

/** Throws GuestError if an area of a ring is not aligned or not within RAM. */
export function checkArea(memory: DeviceMemory, name: string, gpa: bigint, length: number, alignment: number): void {
  if (gpa % BigInt(alignment) !== 0n) {
    throw new GuestError(`the ${name} at gpa 0x${gpa.toString(16)} is not aligned to ${alignment}`);
  }
  memory.bytes(gpa, length);
}

/** Throws GuestError if a queue cannot have the size. */
export function checkSize(size: number, isPowerOfTwo: boolean): void {
  if (size < 1 || size > MAX_QUEUE_SIZE)
    throw new GuestError(`queue size ${size}: must be from 1 to ${MAX_QUEUE_SIZE}`);
  if (isPowerOfTwo && (size & (size - 1)) !== 0) throw new GuestError(`queue size ${size}: must be a power of two`);
}

export const tableBytes = (size: number): number => DESC_BYTES * size;
