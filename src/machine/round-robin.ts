/**
 * The processors of a machine on one thread. Each in turn runs the same slice of virtual time, so that they stay in step
 * and every run is the same; those that sleep are carried along.
 */
import { type Core, NEVER, Stop } from '../core-types.ts';

/**
 * Virtual time of a turn, in nanoseconds: how late an interrupt from one processor reaches another. A prime: a loop that
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

export class RoundRobin {
  readonly cores: readonly Core[];
  /** The processor that runs now: its time is the machine's. */
  running: Core | null = null;
  /** Every processor came this far. */
  #time = 0n;
  /** The latest time that a device was shown; what it sees never goes back. */
  #seen = 0n;

  constructor(cores: readonly Core[]) {
    this.cores = cores;
  }

  /** Virtual time in nanoseconds. */
  get now(): bigint {
    if (this.cores.length === 1) return this.cores[0].now;
    this.#seen = later(this.#seen, this.running ? this.running.now : this.#time);
    return this.#seen;
  }

  /** Instructions that all processors retired. */
  get retired(): number {
    return this.cores.reduce((sum, core) => sum + core.retired, 0);
  }

  /** When the first of the processors' own timers is due; NEVER for none. */
  get nextDeadline(): bigint {
    return this.cores.reduce((first, core) => earlier(first, core.nextDeadline), NEVER);
  }

  /** Moves virtual time forward by `ns` for all processors. */
  advance(ns: number): void {
    if (this.cores.length === 1) this.cores[0].advance(ns);
    else {
      this.#time = this.now + BigInt(Math.ceil(ns));
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
    this.#time = this.cores.map((core) => core.now).reduce(earlier);
    this.#seen = this.#time;
  }

  /**
   * Gives every processor its turn. Returns HALT where all of them sleep, SHUTDOWN where one is in shutdown, REQUESTED
   * where the run is to end, BUDGET otherwise. A round that did not come to its end goes on where it stopped.
   */
  round({ nextEvent, instructions, slice, isEnding, run }: RoundLimits): Stop {
    let target = earlier(this.#time + BigInt(TURN_NS), later(nextEvent(), this.#time + 1n));
    let left = instructions;
    let areAllAsleep = true;
    for (const core of this.cores) {
      if (core.now >= target) areAllAsleep = false;
      while (core.now < target) {
        const { now, retired } = core;
        const budget = Math.min(Number(target - now), left, slice);
        const stop = run(core, budget);
        left -= core.retired - retired;
        if (core.retired !== retired || stop === Stop.BUDGET || stop === Stop.REQUESTED) areAllAsleep = false;
        if (stop === Stop.SHUTDOWN || isEnding()) return stop === Stop.SHUTDOWN ? stop : Stop.REQUESTED;
        // Deliveries of events retire nothing: their time passes here.
        if (stop === Stop.BUDGET) advanceTo(core, now + BigInt(budget));
        else if (stop === Stop.REQUESTED) target = earlier(target, later(nextEvent(), core.now));
        else if (stop === Stop.HALT) advanceTo(core, earlier(target, later(core.nextDeadline, core.now + 1n)));
        else advanceTo(core, target);
        if (left <= 0) return Stop.BUDGET;
      }
    }
    this.#time = target;
    return areAllAsleep ? Stop.HALT : Stop.BUDGET;
  }
}

const earlier = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const later = (a: bigint, b: bigint): bigint => (a > b ? a : b);

function advanceTo(core: Core, time: bigint): void {
  if (time > core.now) core.advance(Number(time - core.now));
}
