/**
 * The processors of a machine on one thread. Time is one: the processors take turns, and each begins its turn at the time
 * that the one before it came to. So no clock ever shows less than another showed before, and every run is the same.
 */
import { type Core, NEVER, Stop } from '../../core/types.ts';
import type { Saved } from '../../saved.ts';

/**
 * Virtual time of a turn, in nanoseconds: how late an interrupt of one processor reaches the next. A prime: a loop that
 * frees a lock for an instant only is then interrupted at each of its instructions in the course of some turns, and nobody
 * who waits for the lock waits for ever.
 */
export const TURN_NS = 9_973;

export interface RoundLimits {
  /** Virtual time of the next device event, NEVER for none. Devices may move it while a processor runs. */
  nextEvent: () => bigint;
  /** Instructions that all processors together may retire. */
  instructions: number;
  /** The most of one call of a processor. */
  slice: number;
  /** Whether the run is to end now, or the host is to have its turn. */
  isEnding: () => boolean;
  run: (core: Core, budget: number) => Stop;
}

/** Processors are named by their numbers; those that sleep come with what their own timers wake them at. */
type TurnsState = {
  time: bigint;
  at: number;
  begin: bigint | null;
  end: bigint;
  sleepers: { core: number; wake: bigint }[];
};

export class RoundRobin implements Saved<TurnsState> {
  readonly cores: readonly Core[];
  /** The processor that runs now: its time is the machine's. */
  running: Core | null = null;
  readonly #turnNs: bigint;
  /** How far the turns so far came. */
  #time = 0n;
  /** Whose turn it is; when it began, null before; when it is over at the latest. */
  #at = 0;
  #begin: bigint | null = null;
  #end = 0n;
  /** Processors that sleep, and what their own timers wake them at. */
  readonly #sleepers = new Map<Core, bigint>();

  constructor(cores: readonly Core[], turnNs = TURN_NS) {
    this.cores = cores;
    this.#turnNs = BigInt(turnNs);
  }

  /** Virtual time in nanoseconds. */
  get now(): bigint {
    if (this.cores.length === 1) return this.cores[0].now;
    return this.running ? later(this.running.now, this.#time) : this.#time;
  }

  /** Instructions that all processors retired. */
  get retired(): number {
    return this.cores.reduce((sum, core) => sum + core.retired, 0);
  }

  /** When the first of the processors' own timers is due; NEVER for none. */
  get nextDeadline(): bigint {
    return this.cores.reduce((first, core) => earlier(first, core.nextDeadline), NEVER);
  }

  /** Moves virtual time forward by `ns`. A processor hears of it in its turn. */
  advance(ns: number): void {
    if (this.cores.length === 1) this.cores[0].advance(ns);
    else {
      this.#time = this.now + BigInt(Math.ceil(ns));
      if (this.running) advanceTo(this.running, this.#time);
    }
  }

  /** The running processor waits for a device during an access. */
  spend(ns: number): void {
    this.running?.spend(ns);
  }

  /** Resets every processor, all at the same time: their time-stamp counters begin together. */
  reset(): void {
    const time = this.now;
    for (const core of this.cores) {
      advanceTo(core, time);
      core.reset();
    }
    this.#time = this.cores.map(({ now }) => now).reduce(later);
    this.#at = 0;
    this.#begin = null;
    this.#sleepers.clear();
  }

  /**
   * Gives every processor a turn, up to the next device event. Returns HALT where all of them sleep, SHUTDOWN where one
   * is in shutdown, REQUESTED where the run is to end, BUDGET otherwise. A turn that was cut short by the run's limits
   * goes on in the next round.
   */
  round({ nextEvent, instructions, slice, isEnding, run }: RoundLimits): Stop {
    let left = instructions;
    let asleep = 0;
    for (let turn = 0; turn < this.cores.length; turn++) {
      const core = this.cores[this.#at];
      advanceTo(core, this.#time);
      this.#sleepers.delete(core);
      if (this.#begin === null) {
        this.#begin = this.#time;
        this.#end = this.#time + this.#turnNs;
      }
      for (let isOver = false; !isOver; ) {
        const { now, retired } = core;
        const budget = Math.min(Math.max(1, Number(this.#until(nextEvent()) - now)), left, slice);
        const stop = run(core, budget);
        // Deliveries of events retire nothing: their time passes here.
        if (stop === Stop.BUDGET) advanceTo(core, now + BigInt(budget));
        this.#time = later(this.#time, core.now);
        left -= core.retired - retired;
        const sleeps = stop === Stop.HALT || stop === Stop.WAIT_FOR_SIPI;
        if (sleeps) this.#sleepers.set(core, core.nextDeadline);
        if (sleeps && core.retired === retired) asleep++;
        isOver = sleeps || this.#time >= this.#until(nextEvent());
        if (isOver) this.#pass();
        if (stop === Stop.SHUTDOWN || isEnding()) return stop === Stop.SHUTDOWN ? stop : Stop.REQUESTED;
        if (left <= 0) return Stop.BUDGET;
      }
      if (nextEvent() <= this.#time) return Stop.BUDGET;
    }
    return asleep === this.cores.length ? Stop.HALT : Stop.BUDGET;
  }

  save(): TurnsState {
    const sleepers = [...this.#sleepers].map(([core, wake]) => ({ core: this.cores.indexOf(core), wake }));
    return { time: this.#time, at: this.#at, begin: this.#begin, end: this.#end, sleepers };
  }

  load({ time, at, begin, end, sleepers }: TurnsState): void {
    this.#time = time;
    this.#at = at;
    this.#begin = begin;
    this.#end = end;
    this.#sleepers.clear();
    for (const { core, wake } of sleepers) this.#sleepers.set(this.cores[core], wake);
  }

  /** The turn is over: the next processor's begins. */
  #pass(): void {
    this.#at = (this.#at + 1) % this.cores.length;
    this.#begin = null;
  }

  /** When the turn is over: at its end, at a device's event, or where a processor that sleeps is to wake. */
  #until(event: bigint): bigint {
    let until = earlier(this.#end, event);
    for (const wake of this.#sleepers.values()) if (wake > (this.#begin ?? 0n) && wake < until) until = wake;
    return until;
  }
}

const earlier = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const later = (a: bigint, b: bigint): bigint => (a > b ? a : b);

function advanceTo(core: Core, time: bigint): void {
  if (time > core.now) core.advance(Number(time - core.now));
}
