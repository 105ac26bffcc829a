/**
 * Virtqueues (virtio 1.2, 2.6 "Virtqueues"): the device pops chains that the driver made available and pushes them back
 * used. Every way in which a driver can break the rules is a GuestError.
 */

import { copyOf, type Plain, type Saved } from '../../saved.ts';
import { TURN_WORK } from '../work-meter.ts';
import { Chain, type ChainState } from './chain.ts';
import { DESC_BYTES } from './descriptor.ts';
import { type DeviceMemory, GuestError } from './guest-memory.ts';

/** What the driver said about a queue before it was enabled. */
export type QueueLayout = {
  size: number;
  /** Guest-physical addresses: descriptor area, driver area (available ring), device area (used ring). */
  desc: bigint;
  driver: bigint;
  device: bigint;
};

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
  /** Does a piece of a chain's work and notes in `rest` what is left. Returns whether there is more. */
  step?: (chain: Chain, rest: Plain) => boolean;
  /** The queue is put back: its layout was checked when it was enabled. */
  wasChecked?: boolean;
}

export type QueueState = {
  layout: QueueLayout;
  inFlight: ChainState[];
  chainsLeft: number;
  workLeft: number;
  /** The chain whose work goes on, by its id, and what its device noted. */
  rest: { chain: number; rest: Plain } | null;
  /** Where device and driver are in the ring, as its format has it. */
  ring: Plain;
};

/** The limit of both ring formats: virtio 1.2, 2.7 "Split Virtqueues" and 2.8.10.1 "Structure Size and Alignment". */
export const MAX_QUEUE_SIZE = 32768;
/** The work of taking a chain, beside its bytes, and each of its windows. */
const CHAIN_WORK = 4096;
const WINDOW_WORK = 256;

/** What both ring formats have in common: chains in flight, the work allowed per notification, death by reset. */
export abstract class Virtqueue implements Saved<QueueState> {
  readonly size: number;
  protected readonly memory: DeviceMemory;
  protected readonly options: QueueOptions;
  readonly #inFlight = new Map<number, Chain>();
  #isDead = false;
  #chainsLeft: number;
  #workLeft = TURN_WORK;
  /** The rest of a chain's work. */
  #rest: { chain: Chain; rest: Plain } | null = null;

  constructor(options: QueueOptions) {
    this.options = options;
    this.memory = options.memory;
    this.size = options.layout.size;
    this.#chainsLeft = this.size;
  }

  /** The next available chain, null if there is none or this turn's work is done (then `isExhausted`). */
  pop(): Chain | null {
    if (this.#isDead || this.isExhausted || this.#rest) return null;
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
   * Work for a chain that may be long: the device does a piece of it, charges for it, and notes in `rest` what is left.
   * What does not fit into this turn is done in the next ones, and no other chain is popped before it is.
   */
  work(chain: Chain, rest: Plain): void {
    if (this.#step(chain, rest)) this.#rest = { chain, rest };
    this.resume();
  }

  #step(chain: Chain, rest: Plain): boolean {
    if (!this.options.step) throw new Error('the device of this queue does no work in pieces');
    return this.options.step(chain, rest);
  }

  /** Goes on with the work of earlier turns. Returns whether none is left. */
  resume(): boolean {
    while (this.#rest && this.#workLeft > 0) if (!this.#step(this.#rest.chain, this.#rest.rest)) this.#rest = null;
    return this.#rest === null;
  }

  /** After this nothing is popped; chains in flight are revoked, and vanish when they are pushed. */
  kill(): void {
    this.#isDead = true;
    this.#rest = null;
    for (const chain of this.#inFlight.values()) chain.revoke();
    this.#inFlight.clear();
  }

  /** The chain in flight of this id, for a device that is put back. */
  chain(id: number): Chain | undefined {
    return this.#inFlight.get(id);
  }

  save(): QueueState {
    return {
      layout: { ...this.options.layout },
      inFlight: [...this.#inFlight.values()].map((chain) => chain.save()),
      chainsLeft: this.#chainsLeft,
      workLeft: this.#workLeft,
      rest: this.#rest && { chain: this.#rest.chain.id, rest: copyOf(this.#rest.rest) },
      ring: this.saveRing(),
    };
  }

  /** `layout` is the one that the queue was made with. */
  load({ inFlight, chainsLeft, workLeft, rest, ring }: QueueState): void {
    this.#inFlight.clear();
    for (const state of inFlight) this.#inFlight.set(state.id, Chain.of(this.memory, state));
    this.#chainsLeft = chainsLeft;
    this.#workLeft = workLeft;
    const chain = rest && this.#inFlight.get(rest.chain);
    this.#rest = chain ? { chain, rest: copyOf(rest.rest) } : null;
    this.loadRing(ring);
  }

  protected abstract saveRing(): Plain;
  protected abstract loadRing(ring: Plain): void;
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
