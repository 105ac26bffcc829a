/**
 * The one virtual clock of a machine: nanoseconds since power-on, and named timers that fire at a given nanosecond. It has
 * no time of its own: somebody (the processor) counts, and the run loop calls `runDue`. Two equal runs see equal times. A
 * time is a bigint, a duration a number: docs/decisions/0025-time-is-exact-for-a-guests-life.md.
 */
import { NEVER } from '../core/types.ts';
import type { NetClock, NetTimer } from '../net/backend.ts';
import type { Saved } from '../saved.ts';

/**
 * Something that a device does later. Its callback is made with the device, never with a deadline: what is left of it in a
 * saved machine is its name and the deadline.
 */
export type Timer = NetTimer;

/** What a device may know of time. */
export type Clock = NetClock;

export const NS_PER_SECOND = 1_000_000_000n;

/** Whole cycles of `hz` since power-on at `ns`. */
export const cyclesAt = (ns: bigint, hz: bigint): bigint => (ns * hz) / NS_PER_SECOND;

/** The first nanosecond at which `cyclesAt` gives `cycle`. */
export const nsOfCycle = (cycle: bigint, hz: bigint): bigint => (cycle * NS_PER_SECOND + hz - 1n) / hz;

/** A part's own clock: its timers are called `prefix.NAME`. */
export function scoped(clock: Clock, prefix: string): Clock {
  return { now: () => clock.now(), timer: (name, fires) => clock.timer(`${prefix}.${name}`, fires) };
}

/** How devices go on with long work in turns: what comes back does `work` once, a little later. */
export type Defer = (name: string, work: () => void) => () => void;

/** How much later a device goes on with what it did not finish: the guest runs meanwhile, as beside a device that works. */
const DEFERRED_NS = 10_000n;

export const deferOn =
  (clock: Clock): Defer =>
  (name, work) => {
    const timer = clock.timer(name, work);
    return () => {
      if (timer.deadline === null) timer.arm(clock.now() + DEFERRED_NS);
    };
  };

/** An armed timer, until it is armed anew or cancelled: then the timer has another entry, or none. */
interface Entry {
  readonly deadline: bigint;
  readonly order: number;
  readonly timer: NamedTimer;
}

const isBefore = (a: Entry, b: Entry): boolean =>
  a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);

interface TimerOwner {
  arm(timer: NamedTimer, deadline: bigint): void;
  remove(timer: NamedTimer): void;
}

class NamedTimer implements Timer {
  readonly name: string;
  readonly fires: () => void;
  entry: Entry | null = null;
  /** Its device is gone: nothing is armed any more. */
  isGone = false;
  readonly #clock: TimerOwner;

  constructor(name: string, fires: () => void, clock: TimerOwner) {
    this.name = name;
    this.fires = fires;
    this.#clock = clock;
  }

  get deadline(): bigint | null {
    return this.entry?.deadline ?? null;
  }

  arm(deadline: bigint): void {
    this.#clock.arm(this, deadline);
  }

  cancel(): void {
    this.entry = null;
  }

  remove(): void {
    this.entry = null;
    this.isGone = true;
    this.#clock.remove(this);
  }
}

/** The armed timers in the order in which they fire: those with equal deadlines in the order in which they were armed. */
export type ClockState = { name: string; deadline: bigint }[];

/** A binary heap of armed timers over a source of time. */
export class VirtualClock implements Clock, Saved<ClockState> {
  readonly #source: () => bigint;
  readonly #onEarlier: () => void;
  readonly #timers = new Map<string, NamedTimer>();
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

  timer(name: string, fires: () => void): Timer {
    if (this.#timers.has(name)) throw new Error(`there is a timer '${name}' already`);
    const timer = new NamedTimer(name, fires, {
      arm: (one, deadline) => this.#arm(one, deadline),
      remove: (one) => {
        if (this.#timers.get(name) === one) this.#timers.delete(name);
      },
    });
    this.#timers.set(name, timer);
    return timer;
  }

  /** The earliest live deadline in nanoseconds, NEVER if there is none. */
  get nextDeadline(): bigint {
    while (this.#heap.length > 0 && !isLive(this.#heap[0])) this.#pop();
    return this.#heap.length > 0 && this.#heap[0].deadline < NEVER ? this.#heap[0].deadline : NEVER;
  }

  /**
   * Fires the timers that are due now, earliest first. One that a callback arms for this time or an earlier one is for the
   * next call: whoever comes back at once cannot hold the caller. So is what is left when `isEnough` says so.
   */
  runDue(isEnough: () => boolean = () => false): void {
    const newest = this.#order;
    const now = this.now();
    while (this.nextDeadline <= now && this.#heap[0].order < newest && !isEnough()) {
      const { timer } = this.#pop();
      timer.entry = null;
      timer.fires();
    }
  }

  /** Drops every timer: the devices that had them are gone. */
  clear(): void {
    for (const timer of [...this.#timers.values()]) timer.remove();
    this.#heap.length = 0;
  }

  save(): ClockState {
    return this.#heap
      .filter(isLive)
      .sort((a, b) => (isBefore(a, b) ? -1 : 1))
      .map(({ timer: { name }, deadline }) => ({ name, deadline }));
  }

  /** To be called when all devices have made their timers. Throws Error where one is nobody's. */
  load(state: ClockState): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#heap.length = 0;
    for (const { name, deadline } of state) {
      const timer = this.#timers.get(name);
      if (!timer) throw new Error(`timer '${name}' is nobody's on this machine`);
      timer.arm(deadline);
    }
  }

  #arm(timer: NamedTimer, deadline: bigint): void {
    if (timer.isGone) return;
    const before = this.nextDeadline;
    const entry = { deadline, order: this.#order++, timer };
    timer.entry = entry;
    this.#push(entry);
    if (deadline < before) this.#onEarlier();
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

const isLive = (entry: Entry): boolean => entry.timer.entry === entry;
