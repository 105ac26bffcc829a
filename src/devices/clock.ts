/**
 * The one virtual clock of a machine: nanoseconds since power-on, and callbacks due at a given nanosecond. It has no time
 * of its own: the processor counts, and the run loop calls `runDue`. Two equal runs see equal times. A time is
 * a bigint, a duration a number: docs/decisions/0025-time-is-exact-for-a-guests-life.md.
 */
import { NEVER } from '../core/types.ts';

export interface Timer {
  /** Nanoseconds since power-on. */
  readonly deadline: bigint;
  cancel(): void;
}

/** What a device may know of time. */
export interface Clock {
  /** Nanoseconds since power-on. */
  now(): bigint;
  /** Calls back once, at the first instruction boundary the run loop reaches at or after `deadline`. */
  schedule(deadline: bigint, callback: () => void): Timer;
}

export const NS_PER_SECOND = 1_000_000_000n;

/** Whole cycles of `hz` since power-on at `ns`. */
export const cyclesAt = (ns: bigint, hz: bigint): bigint => (ns * hz) / NS_PER_SECOND;

/** The first nanosecond at which `cyclesAt` gives `cycle`. */
export const nsOfCycle = (cycle: bigint, hz: bigint): bigint => (cycle * NS_PER_SECOND + hz - 1n) / hz;

interface Entry extends Timer {
  readonly order: number;
  callback: (() => void) | null;
}

const isBefore = (a: Entry, b: Entry): boolean =>
  a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);

/** A binary heap of timers over a source of time. Timers with equal deadlines fire in the order they were scheduled. */
export class VirtualClock implements Clock {
  readonly #source: () => bigint;
  readonly #onEarlier: () => void;
  readonly #heap: Entry[] = [];
  #order = 0;

  /** `onEarlier` is called whenever the next deadline moves closer, so that a running slice can be cut short. */
  constructor(source: () => bigint, onEarlier: () => void = () => {}) {
    this.#source = source;
    this.#onEarlier = onEarlier;
  }

  now(): bigint {
    return this.#source();
  }

  schedule(deadline: bigint, callback: () => void): Timer {
    const before = this.nextDeadline;
    const entry: Entry = {
      deadline,
      order: this.#order++,
      callback,
      cancel: () => {
        entry.callback = null;
      },
    };
    this.#push(entry);
    if (deadline < before) this.#onEarlier();
    return entry;
  }

  /** The earliest live deadline in nanoseconds, NEVER if there is none. */
  get nextDeadline(): bigint {
    while (this.#heap.length > 0 && this.#heap[0].callback === null) this.#pop();
    return this.#heap.length > 0 && this.#heap[0].deadline < NEVER ? this.#heap[0].deadline : NEVER;
  }

  /**
   * Fires the timers that are due now, earliest first. One that a callback schedules for this time or an earlier one is
   * for the next call: one that is set again and again cannot hold the caller. So is what is left when `isEnough` says so.
   */
  runDue(isEnough: () => boolean = () => false): void {
    const newest = this.#order;
    const now = this.now();
    while (this.nextDeadline <= now && this.#heap[0].order < newest && !isEnough()) {
      const entry = this.#pop();
      const callback = entry.callback;
      entry.callback = null;
      callback?.();
    }
  }

  /** Drops every timer: the devices that set them are gone. */
  clear(): void {
    this.#heap.length = 0;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop() as Entry;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
