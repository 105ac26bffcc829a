/**
 * One counter of an 8254 (Intel data sheet 231164) as a function of its clock. `sync` brings it to a tick by jumping from
 * one change of OUT to the next, so idle time costs nothing. Counts are kept in binary; BCD is a view of them.
 */

/** What the control word asks a counter's byte register to do. */
export const Access = { LOW: 1, HIGH: 2, BOTH: 3 } as const;

const NEVER = Number.POSITIVE_INFINITY;

export class PitCounter {
  #mode = 3;
  #access: number = Access.BOTH;
  #bcd = false;
  #gate: boolean;
  #out = true;
  #at = 0;
  /** The counting element: 1 to #modulus after a load, 0 at terminal count. */
  #ce = 0;
  /** The count register, and what the counting element was last loaded from. */
  #reload = 0;
  #active = 0;
  #hasCount = false;
  /** The next CLK copies the count register into the counting element. */
  #loads = false;
  #nullCount = true;
  /** One-shot counters: the terminal count still matters. */
  #armed = false;
  /** A count was loaded since the control word. */
  #counting = false;
  #lowByte = 0;
  #writesHigh = false;
  #readsHigh = false;
  #latchedCount: number[] = [];
  #latchedStatus = -1;

  constructor(gate: boolean) {
    this.#gate = gate;
  }

  get out(): boolean {
    return this.#out;
  }

  get gate(): boolean {
    return this.#gate;
  }

  /** Bits 5:0 of a control word: access, mode and BCD. Latching is another command. */
  control(word: number, tick: number): void {
    this.sync(tick);
    const mode = (word >> 1) & 7;
    this.#mode = mode > 5 ? mode - 4 : mode;
    this.#access = (word >> 4) & 3;
    this.#bcd = (word & 1) !== 0;
    this.#out = this.#mode !== 0;
    this.#hasCount = false;
    this.#loads = false;
    this.#nullCount = true;
    this.#armed = false;
    this.#counting = false;
    this.#writesHigh = false;
    this.#readsHigh = false;
    this.#latchedCount = [];
    this.#latchedStatus = -1;
  }

  /** A byte for the count register. */
  write(value: number, tick: number): void {
    this.sync(tick);
    if (this.#access === Access.LOW) this.#setCount(value);
    else if (this.#access === Access.HIGH) this.#setCount(value << 8);
    else if (this.#writesHigh) {
      this.#writesHigh = false;
      this.#setCount(this.#lowByte | (value << 8));
    } else {
      this.#writesHigh = true;
      this.#lowByte = value;
      if (this.#mode === 0) {
        this.#out = false;
        this.#counting = false;
      }
    }
  }

  /** A byte of the latched status, the latched count or the running count, in this order. */
  read(tick: number): number {
    this.sync(tick);
    if (this.#latchedStatus >= 0) {
      const status = this.#latchedStatus;
      this.#latchedStatus = -1;
      return status;
    }
    const latched = this.#latchedCount.shift();
    if (latched !== undefined) {
      if (this.#access === Access.BOTH) this.#readsHigh = this.#latchedCount.length > 0;
      return latched;
    }
    const count = this.#visibleCount();
    if (this.#access === Access.LOW) return count & 0xff;
    if (this.#access === Access.HIGH) return count >> 8;
    const high = this.#readsHigh;
    this.#readsHigh = !high;
    return high ? count >> 8 : count & 0xff;
  }

  /** The counter latch command; a count that was latched and not read stays. */
  latchCount(tick: number): void {
    this.sync(tick);
    if (this.#latchedCount.length > 0) return;
    const count = this.#visibleCount();
    const [low, high] = [count & 0xff, count >> 8];
    if (this.#access === Access.LOW) this.#latchedCount = [low];
    else if (this.#access === Access.HIGH) this.#latchedCount = [high];
    else this.#latchedCount = this.#readsHigh ? [high] : [low, high];
  }

  /** The status half of the read-back command: OUT, null count, access, mode, BCD. */
  latchStatus(tick: number): void {
    this.sync(tick);
    if (this.#latchedStatus >= 0) return;
    const flags = (this.#out ? 0x80 : 0) | (this.#nullCount ? 0x40 : 0);
    this.#latchedStatus = flags | (this.#access << 4) | (this.#mode << 1) | (this.#bcd ? 1 : 0);
  }

  setGate(level: boolean, tick: number): void {
    this.sync(tick);
    const rises = level && !this.#gate;
    this.#gate = level;
    const periodic = this.#mode === 2 || this.#mode === 3;
    if (periodic && !level) this.#out = true;
    const triggers = periodic || this.#mode === 1 || this.#mode === 5;
    if (rises && triggers && this.#hasCount) this.#loads = true;
  }

  /** The tick of the next change of OUT or of the counting element's load, Infinity if nothing is ahead. */
  get nextEvent(): number {
    if (this.#loads) return this.#at + 1;
    const ahead = this.#untilEvent();
    return ahead === NEVER ? NEVER : this.#at + ahead;
  }

  /** Lets the clock run to `tick`. */
  sync(tick: number): void {
    while (this.#at < tick) {
      if (this.#loads) {
        this.#at++;
        this.#load();
        continue;
      }
      if (!this.#runs) {
        this.#at = tick;
        return;
      }
      this.#skipPeriods(tick);
      const ahead = this.#untilEvent();
      if (this.#at + ahead > tick) {
        this.#decrement(tick - this.#at);
        this.#at = tick;
        return;
      }
      this.#decrement(ahead - (this.#reloadsAfter() ? 1 : 0));
      this.#at += ahead;
      this.#event();
    }
  }

  get #modulus(): number {
    return this.#bcd ? 10_000 : 0x1_0000;
  }

  /** Modes 1 and 5 count whatever GATE is; in the others GATE enables counting. */
  get #runs(): boolean {
    return this.#counting && (this.#gate || this.#mode === 1 || this.#mode === 5);
  }

  #setCount(raw: number): void {
    const binary = this.#bcd ? fromBcd(raw) : raw;
    this.#reload = binary === 0 ? this.#modulus : binary;
    this.#hasCount = true;
    this.#nullCount = true;
    if (this.#mode === 0) this.#out = false;
    const waitsForTrigger = this.#mode === 1 || this.#mode === 5;
    const waitsForPeriod = (this.#mode === 2 || this.#mode === 3) && this.#counting;
    if (!waitsForTrigger && !waitsForPeriod) this.#loads = true;
  }

  #load(): void {
    this.#loads = false;
    this.#counting = true;
    this.#armed = true;
    this.#out = this.#mode !== 0 && this.#mode !== 1;
    this.#copyCount();
  }

  /** Mode 3 counts by two from an even number: an odd count loses one. */
  #copyCount(): void {
    this.#nullCount = false;
    this.#active = this.#reload;
    this.#ce = this.#mode === 3 ? this.#active & ~1 : this.#active;
  }

  /** Mode 3 with an odd count: OUT stays high for one more clock than it stays low. */
  get #isLongHalf(): boolean {
    return this.#mode === 3 && (this.#active & 1) !== 0 && this.#out;
  }

  /** Ticks from #at to the next change of OUT, at least 1. */
  #untilEvent(): number {
    if (!this.#runs) return NEVER;
    switch (this.#mode) {
      case 2:
        return this.#ce > 1 ? this.#ce - 1 : 1;
      case 3:
        return Math.max(1, this.#ce / 2 + (this.#isLongHalf ? 1 : 0));
      case 4:
      case 5:
        if (!this.#armed) return NEVER;
        return this.#ce === 0 ? 1 : this.#ce;
      default:
        return this.#armed ? this.#ce : NEVER;
    }
  }

  /** Whether the next event is a reload, which takes the clock of the last decrement. */
  #reloadsAfter(): boolean {
    return this.#mode === 3 || (this.#mode === 2 && this.#ce === 1);
  }

  #event(): void {
    switch (this.#mode) {
      case 2:
        if (this.#out && this.#ce === 1) this.#out = false;
        else {
          this.#out = true;
          this.#copyCount();
        }
        break;
      case 3:
        this.#out = !this.#out;
        this.#copyCount();
        break;
      case 4:
      case 5:
        if (this.#out) this.#out = false;
        else {
          this.#out = true;
          this.#armed = false;
        }
        break;
      default:
        this.#out = true;
        this.#armed = false;
    }
  }

  /** Whole periods of the periodic modes change nothing, unless a new count waits for the end of one. */
  #skipPeriods(tick: number): void {
    if ((this.#mode !== 2 && this.#mode !== 3) || this.#nullCount) return;
    const period = Math.max(this.#active, 2);
    this.#at += Math.floor((tick - this.#at) / period) * period;
  }

  #decrement(ticks: number): void {
    if (this.#mode === 3) {
      this.#ce = Math.max(this.#ce - 2 * ticks, this.#isLongHalf ? 0 : 2);
      return;
    }
    const rest = (this.#ce - ticks) % this.#modulus;
    this.#ce = rest < 0 ? rest + this.#modulus : rest;
  }

  #visibleCount(): number {
    const count = this.#ce % this.#modulus;
    return this.#bcd ? toBcd(count) : count;
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
