/**
 * The high precision event timers (IA-PC HPET Specification 1.0a): a 64-bit counter at 100 MHz and three comparators,
 * each one-shot or periodic, edge or level. In legacy replacement mode the first two take the wires of PIT and RTC.
 */
import type { Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import type { Clock, Timer } from './clock.ts';
import type { IoDevice, IrqLine } from './device.ts';

export const HPET_BYTES = 0x400;
const TICK_NS = 10n;
const TICK_FS = 10_000_000;
const TIMERS = 3;

const Register = { CAPABILITIES: 0, CONFIGURATION: 0x10, STATUS: 0x20, COUNTER: 0xf0, TIMERS: 0x100 } as const;
/** "General Capabilities and ID Register", lower half: vendor, legacy route, 64-bit counter, last timer, revision. */
export const HPET_ID = 0x8086_a001 + ((TIMERS - 1) << 8);
const Enable = { COUNTER: 1, LEGACY: 2 } as const;
/** "Timer N Configuration and Capabilities Register". */
const T = {
  LEVEL: 2,
  INTERRUPT: 4,
  PERIODIC: 8,
  CAPABLE: 0x30,
  SET_VALUE: 0x40,
  HALF: 0x100,
  WRITABLE: 0x3f4e,
} as const;
const ROUTE_SHIFT = 9;
const LOW = 0xffff_ffffn;
/** The pins of the I/O APIC that the timers take over from PIT and RTC. */
const LEGACY_PINS = [2, 8];

type ComparatorState = {
  config: number;
  value: bigint;
  period: bigint;
  /** The upper half of the value follows its lower half past "timer value set". */
  setsUpper: boolean;
  /** The pin that it holds up, level-triggered. */
  raised: number | null;
};

export interface HpetParts {
  clock: Clock;
  /** Pins of the I/O APIC that a timer may be routed to, 2 and 8 among them. */
  pins: readonly number[];
  /** A new driver for a pin. */
  line: (pin: number) => IrqLine;
  /** Told whether PIT and RTC are cut off from their lines. */
  legacy: (isReplaced: boolean) => void;
}

/** What a guest can tell apart. */
export type HpetState = {
  enable: number;
  status: number;
  /** What the counter has beyond the ticks since power-on, or at all while it stands. */
  origin: bigint;
  comparators: ComparatorState[];
};

export class Hpet implements IoDevice, Saved<HpetState> {
  readonly maxWidth = 4;
  readonly #parts: HpetParts;
  readonly #routes: number;
  readonly #timers: readonly Timer[];
  /** Drivers by pin, each comparator's own. */
  readonly #lines: readonly ReadonlyMap<number, IrqLine>[];
  #state: HpetState = {
    enable: 0,
    status: 0,
    origin: 0n,
    comparators: Array.from({ length: TIMERS }, () => ({
      config: T.CAPABLE,
      value: 2n ** 64n - 1n,
      period: 0n,
      setsUpper: false,
      raised: null,
    })),
  };

  constructor(parts: HpetParts) {
    this.#parts = parts;
    this.#routes = parts.pins.reduce((mask, pin) => mask | (1 << pin), 0) >>> 0;
    const comparators = this.#state.comparators.keys();
    this.#timers = Array.from(comparators, (n) => parts.clock.timer(`hpet[${n}]`, () => this.#fires(n)));
    this.#lines = this.#timers.map(() => new Map(parts.pins.map((pin) => [pin, parts.line(pin)])));
  }

  save(): HpetState {
    return copyOf(this.#state);
  }

  load(state: HpetState): void {
    this.#state = copyOf(state);
  }

  read(offset: number, width: Width): number {
    const register = this.#register(offset & ~7);
    const value = (register >> BigInt(8 * (offset & 7))) & LOW;
    return width === 4 ? Number(value) : Number(value) % 2 ** (8 * width);
  }

  /** Only doublewords are written, as the specification demands of 64-bit registers at least. */
  write(offset: number, width: Width, value: number): void {
    if (width !== 4 || offset % 4 !== 0) return;
    const isUpper = (offset & 4) !== 0;
    const put = (old: bigint): bigint =>
      isUpper ? (old & LOW) | (BigInt(value) << 32n) : (old & ~LOW) | BigInt(value);
    const at = offset & ~7;
    if (at === Register.CONFIGURATION && !isUpper) this.#configure(value & 3);
    else if (at === Register.STATUS && !isUpper) this.#clear(value);
    else if (at === Register.COUNTER) {
      const now = this.#ticks();
      this.#state.origin = BigInt.asUintN(64, put(this.#counter()) - now);
      this.#scheduleAll();
    } else if (at >= Register.TIMERS) this.#writeTimer(at, isUpper, value, put);
  }

  #register(at: number): bigint {
    switch (at) {
      case Register.CAPABILITIES:
        return (BigInt(TICK_FS) << 32n) | BigInt(HPET_ID);
      case Register.CONFIGURATION:
        return BigInt(this.#state.enable);
      case Register.STATUS:
        return BigInt(this.#state.status);
      case Register.COUNTER:
        return this.#counter();
    }
    const timer = this.#state.comparators[(at - Register.TIMERS) >> 5];
    if (at < Register.TIMERS || timer === undefined) return 0n;
    if ((at & 0x18) === 0) return (BigInt(this.#routes) << 32n) | BigInt(timer.config);
    return (at & 0x18) === 8 ? timer.value : 0n;
  }

  #writeTimer(at: number, isUpper: boolean, value: number, put: (old: bigint) => bigint): void {
    const n = (at - Register.TIMERS) >> 5;
    const timer = this.#state.comparators[n];
    if (timer === undefined) return;
    if ((at & 0x18) === 0 && !isUpper) {
      timer.config = (value & T.WRITABLE) | T.CAPABLE;
      if ((timer.config & T.LEVEL) === 0) this.#clear(1 << n);
      if ((timer.config & T.PERIODIC) === 0) timer.period = 0n;
    } else if ((at & 0x18) === 8) this.#writeComparator(timer, isUpper, put);
    this.#schedule(n);
  }

  /** In periodic mode a write is the period, and the next match too where "timer value set" was written before. */
  #writeComparator(timer: ComparatorState, isUpper: boolean, put: (old: bigint) => bigint): void {
    const sets = (timer.config & T.SET_VALUE) !== 0 || (isUpper && timer.setsUpper);
    timer.setsUpper = sets && !isUpper;
    if ((timer.config & T.PERIODIC) === 0 || sets) timer.value = put(timer.value) & sizeOf(timer);
    timer.period = (timer.config & T.PERIODIC) === 0 ? 0n : put(timer.period) & sizeOf(timer);
    timer.config &= ~T.SET_VALUE;
  }

  #ticks(): bigint {
    return (this.#state.enable & Enable.COUNTER) === 0 ? 0n : this.#parts.clock.now() / TICK_NS;
  }

  #counter(): bigint {
    return BigInt.asUintN(64, this.#state.origin + this.#ticks());
  }

  #configure(value: number): void {
    const counter = this.#counter();
    const wasLegacy = (this.#state.enable & Enable.LEGACY) !== 0;
    this.#state.enable = value;
    this.#state.origin = BigInt.asUintN(64, counter - this.#ticks());
    const isLegacy = (value & Enable.LEGACY) !== 0;
    if (isLegacy !== wasLegacy) this.#parts.legacy(isLegacy);
    this.#scheduleAll();
  }

  #clear(mask: number): void {
    this.#state.comparators.forEach((timer, n) => {
      if ((mask & (1 << n)) === 0) return;
      this.#state.status &= ~(1 << n);
      if (timer.raised !== null) this.#lines[n].get(timer.raised)?.(false);
      timer.raised = null;
    });
  }

  #scheduleAll(): void {
    for (let n = 0; n < TIMERS; n++) this.#schedule(n);
  }

  /** Comes back when the counter meets the comparator, `least` ticks from now at the earliest. */
  #schedule(n: number, least = 0n): void {
    const timer = this.#state.comparators[n];
    this.#timers[n].cancel();
    if ((this.#state.enable & Enable.COUNTER) === 0 || (timer.config & T.INTERRUPT) === 0) return;
    const counter = this.#counter();
    const size = sizeOf(timer);
    if (timer.period > 0n && ((counter - timer.value - 1n) & size) < size >> 1n) this.#next(timer, counter);
    const ticks = ((timer.value - counter - least) & size) + least;
    const deadline = (this.#parts.clock.now() / TICK_NS + ticks) * TICK_NS;
    this.#timers[n].arm(deadline);
  }

  /** The counter meets the comparator. */
  #fires(n: number): void {
    const timer = this.#state.comparators[n];
    this.#interrupt(n, timer);
    if (timer.period > 0n) this.#next(timer, this.#counter());
    this.#schedule(n, 1n);
  }

  /** Moves a periodic comparator to its first match past `counter`. */
  #next(timer: ComparatorState, counter: bigint): void {
    const size = sizeOf(timer);
    const missed = ((counter - timer.value) & size) / timer.period;
    timer.value = (timer.value + (missed + 1n) * timer.period) & size;
  }

  #interrupt(n: number, timer: ComparatorState): void {
    const isLevel = (timer.config & T.LEVEL) !== 0;
    if (isLevel) this.#state.status |= 1 << n;
    if ((timer.config & T.INTERRUPT) === 0) return;
    const isLegacy = (this.#state.enable & Enable.LEGACY) !== 0 && n < LEGACY_PINS.length;
    const pin = isLegacy ? LEGACY_PINS[n] : (timer.config >> ROUTE_SHIFT) & 31;
    const line = this.#lines[n].get(pin);
    line?.(true);
    if (isLevel) timer.raised = line ? pin : null;
    else line?.(false);
  }
}

const sizeOf = (timer: ComparatorState): bigint => ((timer.config & T.HALF) !== 0 ? LOW : 2n ** 64n - 1n);
