/**
 * The processors of a machine on one thread. Each in turn runs the same slice of virtual time, so that they stay in step
 * and every run is the same; those that sleep are carried along.
 */
import { type Core, Stop } from '../core-types.ts';

/**
 * Virtual time of a turn, in nanoseconds: how late an interrupt from one processor reaches another. A prime: a loop that
 * frees a lock for an instant only is then interrupted at each of its instructions in the course of some turns, and nobody
 * who waits for the lock waits for ever.
 */
export const TURN_NS = 9_973;

export interface RoundLimits {
  /** Virtual time of the next device event, Infinity for none. Devices may move it while a processor runs. */
  nextEvent: () => number;
  /** Instructions that all processors together may retire. */
  instructions: number;
  /** The most of one call of a processor. */
  slice: number;
  /** Whether the run is to end now. */
  isEnding: () => boolean;
  run: (core: Core, budget: number) => Stop;
}

export class RoundRobin {
  readonly cores: readonly Core[];
  /** The processor that runs now: its time is the machine's. */
  running: Core | null = null;
  /** Every processor came this far. */
  #time = 0;
  /** The latest time that a device was shown; what it sees never goes back. */
  #seen = 0;

  constructor(cores: readonly Core[]) {
    this.cores = cores;
  }

  /** Virtual time in nanoseconds. */
  get now(): number {
    if (this.cores.length === 1) return this.cores[0].now;
    this.#seen = Math.max(this.#seen, this.running ? this.running.now : this.#time);
    return this.#seen;
  }

  /** Instructions that all processors retired. */
  get retired(): number {
    return this.cores.reduce((sum, core) => sum + core.retired, 0);
  }

  /** When the first of the processors' own timers is due; Infinity for never. */
  get nextDeadline(): number {
    return this.cores.reduce((first, core) => Math.min(first, core.nextDeadline), Number.POSITIVE_INFINITY);
  }

  /** Moves virtual time forward by `ns` for all processors. */
  advance(ns: number): void {
    if (this.cores.length === 1) this.cores[0].advance(ns);
    else {
      this.#time = this.now + ns;
      for (const core of this.cores) advanceTo(core, this.#time);
    }
  }

  /** The running processor waits for a device during an access: `ns` pass for it alone. */
  spend(ns: number): void {
    this.running?.advance(ns);
    this.running?.requestStop();
  }

  /** Resets every processor. */
  reset(): void {
    for (const core of this.cores) core.reset();
    this.#time = Math.min(...this.cores.map((core) => core.now));
    this.#seen = this.#time;
  }

  /**
   * Gives every processor its turn. Returns HALT where all of them sleep, SHUTDOWN where one is in shutdown, REQUESTED
   * where the run is to end, BUDGET otherwise. A round that did not come to its end goes on where it stopped.
   */
  round({ nextEvent, instructions, slice, isEnding, run }: RoundLimits): Stop {
    let target = Math.min(this.#time + TURN_NS, eventAfter(nextEvent(), this.#time + 1));
    let left = instructions;
    let areAllAsleep = true;
    for (const core of this.cores) {
      if (core.now >= target) areAllAsleep = false;
      while (core.now < target) {
        const { now, retired } = core;
        const budget = Math.min(target - now, left, slice);
        const stop = run(core, budget);
        left -= core.retired - retired;
        if (core.retired !== retired || stop === Stop.BUDGET || stop === Stop.REQUESTED) areAllAsleep = false;
        if (stop === Stop.SHUTDOWN || isEnding()) return stop === Stop.SHUTDOWN ? stop : Stop.REQUESTED;
        // Deliveries of events retire nothing: their time passes here.
        if (stop === Stop.BUDGET) advanceTo(core, now + budget);
        else if (stop === Stop.REQUESTED) target = Math.min(target, eventAfter(nextEvent(), core.now));
        else if (stop === Stop.HALT) advanceTo(core, Math.min(target, eventAfter(core.nextDeadline, core.now + 1)));
        else advanceTo(core, target);
        if (left <= 0) return Stop.BUDGET;
      }
    }
    this.#time = target;
    return areAllAsleep ? Stop.HALT : Stop.BUDGET;
  }
}

/** The time of an event in whole nanoseconds, but not before `earliest`. */
const eventAfter = (event: number, earliest: number): number => Math.max(earliest, Math.ceil(event));

function advanceTo(core: Core, time: number): void {
  if (time > core.now) core.advance(time - core.now);
}
