/**
 * One counter of an 8254 (Intel data sheet 231164) as a function of its clock. `sync` brings it to a tick by jumping from
 * one change of OUT to the next, so idle time costs nothing. Counts are kept in binary; BCD is a view of them.
 */
import { copyOf, type Saved } from '../saved.ts';

/** What the control word asks a counter's byte register to do. */
export const Access = { LOW: 1, HIGH: 2, BOTH: 3 } as const;

const NEVER = Number.POSITIVE_INFINITY;

/** What a guest can tell apart. */
export type PitCounterState = {
  mode: number;
  access: number;
  bcd: boolean;
  gate: boolean;
  out: boolean;
  at: number;
  /** The counting element: 1 to #modulus after a load, 0 at terminal count. */
  ce: number;
  /** The count register, and what the counting element was last loaded from. */
  reload: number;
  active: number;
  hasCount: boolean;
  /** The next CLK copies the count register into the counting element. */
  loads: boolean;
  nullCount: boolean;
  /** One-shot counters: the terminal count still matters. */
  armed: boolean;
  /** A count was loaded since the control word. */
  counting: boolean;
  lowByte: number;
  writesHigh: boolean;
  readsHigh: boolean;
  latchedCount: number[];
  latchedStatus: number;
};

export class PitCounter implements Saved<PitCounterState> {
  #state: PitCounterState = {
    mode: 3,
    access: Access.BOTH,
    bcd: false,
    gate: false,
    out: true,
    at: 0,
    ce: 0,
    reload: 0,
    active: 0,
    hasCount: false,
    loads: false,
    nullCount: true,
    armed: false,
    counting: false,
    lowByte: 0,
    writesHigh: false,
    readsHigh: false,
    latchedCount: [],
    latchedStatus: -1,
  };

  constructor(gate: boolean) {
    this.#state.gate = gate;
  }

  save(): PitCounterState {
    return copyOf(this.#state);
  }

  load(state: PitCounterState): void {
    this.#state = copyOf(state);
  }

  get out(): boolean {
    return this.#state.out;
  }

  get gate(): boolean {
    return this.#state.gate;
  }

  /** Bits 5:0 of a control word: access, mode and BCD. Latching is another command. */
  control(word: number, tick: number): void {
    this.sync(tick);
    const mode = (word >> 1) & 7;
    this.#state.mode = mode > 5 ? mode - 4 : mode;
    this.#state.access = (word >> 4) & 3;
    this.#state.bcd = (word & 1) !== 0;
    this.#state.out = this.#state.mode !== 0;
    this.#state.hasCount = false;
    this.#state.loads = false;
    this.#state.nullCount = true;
    this.#state.armed = false;
    this.#state.counting = false;
    this.#state.writesHigh = false;
    this.#state.readsHigh = false;
    this.#state.latchedCount = [];
    this.#state.latchedStatus = -1;
  }

  /** A byte for the count register. */
  write(value: number, tick: number): void {
    this.sync(tick);
    if (this.#state.access === Access.LOW) this.#setCount(value);
    else if (this.#state.access === Access.HIGH) this.#setCount(value << 8);
    else if (this.#state.writesHigh) {
      this.#state.writesHigh = false;
      this.#setCount(this.#state.lowByte | (value << 8));
    } else {
      this.#state.writesHigh = true;
      this.#state.lowByte = value;
      if (this.#state.mode === 0) {
        this.#state.out = false;
        this.#state.counting = false;
      }
    }
  }

  /** A byte of the latched status, the latched count or the running count, in this order. */
  read(tick: number): number {
    this.sync(tick);
    if (this.#state.latchedStatus >= 0) {
      const status = this.#state.latchedStatus;
      this.#state.latchedStatus = -1;
      return status;
    }
    const latched = this.#state.latchedCount.shift();
    if (latched !== undefined) {
      if (this.#state.access === Access.BOTH) this.#state.readsHigh = this.#state.latchedCount.length > 0;
      return latched;
    }
    const count = this.#visibleCount();
    if (this.#state.access === Access.LOW) return count & 0xff;
    if (this.#state.access === Access.HIGH) return count >> 8;
    const high = this.#state.readsHigh;
    this.#state.readsHigh = !high;
    return high ? count >> 8 : count & 0xff;
  }

  /** The counter latch command; a count that was latched and not read stays. */
  latchCount(tick: number): void {
    this.sync(tick);
    if (this.#state.latchedCount.length > 0) return;
    const count = this.#visibleCount();
    const [low, high] = [count & 0xff, count >> 8];
    if (this.#state.access === Access.LOW) this.#state.latchedCount = [low];
    else if (this.#state.access === Access.HIGH) this.#state.latchedCount = [high];
    else this.#state.latchedCount = this.#state.readsHigh ? [high] : [low, high];
  }

  /** The status half of the read-back command: OUT, null count, access, mode, BCD. */
  latchStatus(tick: number): void {
    this.sync(tick);
    if (this.#state.latchedStatus >= 0) return;
    const flags = (this.#state.out ? 0x80 : 0) | (this.#state.nullCount ? 0x40 : 0);
    this.#state.latchedStatus = flags | (this.#state.access << 4) | (this.#state.mode << 1) | (this.#state.bcd ? 1 : 0);
  }

  setGate(level: boolean, tick: number): void {
    this.sync(tick);
    const rises = level && !this.#state.gate;
    this.#state.gate = level;
    const periodic = this.#state.mode === 2 || this.#state.mode === 3;
    if (periodic && !level) this.#state.out = true;
    const triggers = periodic || this.#state.mode === 1 || this.#state.mode === 5;
    if (rises && triggers && this.#state.hasCount) this.#state.loads = true;
  }

  /** The tick of the next change of OUT or of the counting element's load, Infinity if nothing is ahead. */
  get nextEvent(): number {
    if (this.#state.loads) return this.#state.at + 1;
    const ahead = this.#untilEvent();
    return ahead === NEVER ? NEVER : this.#state.at + ahead;
  }

  /** Lets the clock run to `tick`. */
  sync(tick: number): void {
    while (this.#state.at < tick) {
      if (this.#state.loads) {
        this.#state.at++;
        this.#load();
        continue;
      }
      if (!this.#runs) {
        this.#state.at = tick;
        return;
      }
      this.#skipPeriods(tick);
      const ahead = this.#untilEvent();
      if (this.#state.at + ahead > tick) {
        this.#decrement(tick - this.#state.at);
        this.#state.at = tick;
        return;
      }
      this.#decrement(ahead - (this.#reloadsAfter() ? 1 : 0));
      this.#state.at += ahead;
      this.#event();
    }
  }

  get #modulus(): number {
    return this.#state.bcd ? 10_000 : 0x1_0000;
  }

  /** Modes 1 and 5 count whatever GATE is; in the others GATE enables counting. */
  get #runs(): boolean {
    return this.#state.counting && (this.#state.gate || this.#state.mode === 1 || this.#state.mode === 5);
  }

  #setCount(raw: number): void {
    const binary = this.#state.bcd ? fromBcd(raw) : raw;
    this.#state.reload = binary === 0 ? this.#modulus : binary;
    this.#state.hasCount = true;
    this.#state.nullCount = true;
    if (this.#state.mode === 0) this.#state.out = false;
    const waitsForTrigger = this.#state.mode === 1 || this.#state.mode === 5;
    const waitsForPeriod = (this.#state.mode === 2 || this.#state.mode === 3) && this.#state.counting;
    if (!waitsForTrigger && !waitsForPeriod) this.#state.loads = true;
  }

  #load(): void {
    this.#state.loads = false;
    this.#state.counting = true;
    this.#state.armed = true;
    this.#state.out = this.#state.mode !== 0 && this.#state.mode !== 1;
    this.#copyCount();
  }

  /** Mode 3 counts by two from an even number: an odd count loses one. */
  #copyCount(): void {
    this.#state.nullCount = false;
    this.#state.active = this.#state.reload;
    this.#state.ce = this.#state.mode === 3 ? this.#state.active & ~1 : this.#state.active;
  }

  /** Mode 3 with an odd count: OUT stays high for one more clock than it stays low. */
  get #isLongHalf(): boolean {
    return this.#state.mode === 3 && (this.#state.active & 1) !== 0 && this.#state.out;
  }

  /** Ticks from #at to the next change of OUT, at least 1. */
  #untilEvent(): number {
    if (!this.#runs) return NEVER;
    switch (this.#state.mode) {
      case 2:
        return this.#state.ce > 1 ? this.#state.ce - 1 : 1;
      case 3:
        return Math.max(1, this.#state.ce / 2 + (this.#isLongHalf ? 1 : 0));
      case 4:
      case 5:
        if (!this.#state.armed) return NEVER;
        return this.#state.ce === 0 ? 1 : this.#state.ce;
      default:
        return this.#state.armed ? this.#state.ce : NEVER;
    }
  }

  /** Whether the next event is a reload, which takes the clock of the last decrement. */
  #reloadsAfter(): boolean {
    return this.#state.mode === 3 || (this.#state.mode === 2 && this.#state.ce === 1);
  }

  #event(): void {
    switch (this.#state.mode) {
      case 2:
        if (this.#state.out && this.#state.ce === 1) this.#state.out = false;
        else {
          this.#state.out = true;
          this.#copyCount();
        }
        break;
      case 3:
        this.#state.out = !this.#state.out;
        this.#copyCount();
        break;
      case 4:
      case 5:
        if (this.#state.out) this.#state.out = false;
        else {
          this.#state.out = true;
          this.#state.armed = false;
        }
        break;
      default:
        this.#state.out = true;
        this.#state.armed = false;
    }
  }

  /** Whole periods of the periodic modes change nothing, unless a new count waits for the end of one. */
  #skipPeriods(tick: number): void {
    if ((this.#state.mode !== 2 && this.#state.mode !== 3) || this.#state.nullCount) return;
    const period = Math.max(this.#state.active, 2);
    this.#state.at += Math.floor((tick - this.#state.at) / period) * period;
  }

  #decrement(ticks: number): void {
    if (this.#state.mode === 3) {
      this.#state.ce = Math.max(this.#state.ce - 2 * ticks, this.#isLongHalf ? 0 : 2);
      return;
    }
    const rest = (this.#state.ce - ticks) % this.#modulus;
    this.#state.ce = rest < 0 ? rest + this.#modulus : rest;
  }

  #visibleCount(): number {
    const count = this.#state.ce % this.#modulus;
    return this.#state.bcd ? toBcd(count) : count;
  }
}

function fromBcd(raw: number): number {
  const digit = (shift: number): number => (raw >> shift) & 15;
  return (digit(12) * 1000 + digit(8) * 100 + digit(4) * 10 + digit(0)) % 10_000;
}

function toBcd(count: number): number {
  let out = 0;
  for (let shift = 0, rest = count; shift < 16; shift += 4, rest = Math.floor(rest / 10)) out |= (rest % 10) << shift;
  return out;
}
