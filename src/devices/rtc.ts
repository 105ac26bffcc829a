/**
 * The MC146818 real-time clock and its CMOS memory. The date is the one it was started with plus virtual time; the
 * divider is always on. Periodic, alarm and update-ended interrupts raise IRQ 8.
 */
import type { Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import { type Clock, cyclesAt, NS_PER_SECOND, nsOfCycle, type Timer } from './clock.ts';
import type { IoDevice, IrqLine } from './device.ts';

const Register = {
  SECONDS: 0,
  SECONDS_ALARM: 1,
  MINUTES: 2,
  MINUTES_ALARM: 3,
  HOURS: 4,
  HOURS_ALARM: 5,
  WEEKDAY: 6,
  DAY: 7,
  MONTH: 8,
  YEAR: 9,
  A: 10,
  B: 11,
  C: 12,
  D: 13,
  CENTURY: 0x32,
} as const;
const B = { SET: 0x80, PERIODIC: 0x40, ALARM: 0x20, UPDATE: 0x10, BINARY: 4, HOURS_24: 2 } as const;
const C = { IRQ: 0x80, PERIODIC: 0x40, ALARM: 0x20, UPDATE: 0x10 } as const;
const UPDATE_IN_PROGRESS = 0x80;
const VALID_RAM = 0x80;
const PM = 0x80;

/** The data sheet's t(BUC): the update flag rises 244 microseconds before the time changes. */
const UPDATE_NS = 244_000n;
const CRYSTAL_HZ = 32_768;
const CMOS_BYTES = 128;

export interface RtcParts {
  irq: IrqLine;
  clock: Clock;
  /** The date at power-on, milliseconds since 1970 UTC. */
  start: number;
}

/** What a guest can tell apart. */
export type RtcState = {
  cmos: Uint8Array;
  /** The date of virtual time 0 in seconds since 1970; the guest may move it. */
  epochSeconds: number;
  index: number;
};

/** Ports 0x70 (index; bit 7 is the NMI mask and ignored) and 0x71 (data). */
export class Rtc implements IoDevice, Saved<RtcState> {
  readonly maxWidth = 1;
  readonly #parts: RtcParts;
  #state: RtcState = {
    cmos: new Uint8Array(CMOS_BYTES),
    epochSeconds: 0,
    index: 0,
  };
  readonly #periodic: Timer;
  readonly #second: Timer;

  constructor(parts: RtcParts) {
    this.#parts = parts;
    this.#periodic = parts.clock.timer('rtc.periodic', () => {
      this.#flag(C.PERIODIC);
      this.#startPeriodic();
    });
    this.#second = parts.clock.timer('rtc.second', () => {
      this.#refreshDate();
      this.#flag(C.UPDATE | (this.#alarmMatches() ? C.ALARM : 0));
      this.#startSeconds();
    });
    this.#state.epochSeconds = Math.floor(parts.start / 1000);
    this.#cmos[Register.A] = 0x26;
    this.#cmos[Register.B] = B.HOURS_24;
    this.#cmos[Register.D] = VALID_RAM;
  }

  /** Puts a byte into CMOS memory at `index` (0x0e to 0x7f), as a BIOS leaves them. */
  setCmos(index: number, value: number): void {
    this.#cmos[index] = value;
  }

  save(): RtcState {
    return copyOf(this.#state);
  }

  load(state: RtcState): void {
    this.#state = copyOf(state);
  }

  read(offset: number, _width: Width): number {
    if (offset === 0) return 0xff;
    if (this.#state.index <= Register.YEAR || this.#state.index === Register.CENTURY) this.#refreshDate();
    if (this.#state.index === Register.A) return this.#cmos[Register.A] | (this.#updates() ? UPDATE_IN_PROGRESS : 0);
    const value = this.#cmos[this.#state.index];
    if (this.#state.index === Register.C) {
      this.#cmos[Register.C] = 0;
      this.#parts.irq(false);
    }
    return value;
  }

  write(offset: number, _width: Width, value: number): void {
    if (offset === 0) {
      this.#state.index = value & 0x7f;
      return;
    }
    switch (this.#state.index) {
      case Register.A:
        this.#cmos[Register.A] = value & 0x7f;
        this.#startPeriodic();
        break;
      case Register.B:
        this.#writeB(value);
        break;
      case Register.C:
      case Register.D:
        break;
      default:
        this.#writeByte(value);
    }
  }

  get #cmos(): Uint8Array {
    return this.#state.cmos;
  }

  get #isSet(): boolean {
    return (this.#cmos[Register.B] & B.SET) !== 0;
  }

  /** Whole seconds of virtual time. */
  get #seconds(): number {
    return Number(this.#parts.clock.now() / NS_PER_SECOND);
  }

  #updates(): boolean {
    return !this.#isSet && this.#parts.clock.now() % NS_PER_SECOND >= NS_PER_SECOND - UPDATE_NS;
  }

  #writeByte(value: number): void {
    const isDate =
      this.#state.index === Register.CENTURY || (this.#state.index <= Register.YEAR && !isAlarm(this.#state.index));
    if (isDate) this.#refreshDate();
    this.#cmos[this.#state.index] = value;
    if (isDate && !this.#isSet) this.#adoptDate();
  }

  #writeB(value: number): void {
    this.#refreshDate();
    const ends = this.#isSet && (value & B.SET) === 0;
    this.#cmos[Register.B] = value & B.SET ? value & ~B.UPDATE : value;
    if (ends) this.#adoptDate();
    this.#startPeriodic();
    this.#startSeconds();
  }

  /** Copies the running time into the registers; with SET they belong to the guest. */
  #refreshDate(): void {
    if (this.#isSet) return;
    const seconds = this.#state.epochSeconds + this.#seconds;
    const date = new Date(seconds * 1000);
    const cmos = this.#cmos;
    cmos[Register.SECONDS] = this.#encode(date.getUTCSeconds());
    cmos[Register.MINUTES] = this.#encode(date.getUTCMinutes());
    cmos[Register.HOURS] = this.#encodeHours(date.getUTCHours());
    cmos[Register.WEEKDAY] = this.#encode(date.getUTCDay() + 1);
    cmos[Register.DAY] = this.#encode(date.getUTCDate());
    cmos[Register.MONTH] = this.#encode(date.getUTCMonth() + 1);
    cmos[Register.YEAR] = this.#encode(date.getUTCFullYear() % 100);
    cmos[Register.CENTURY] = this.#encode(Math.floor(date.getUTCFullYear() / 100));
  }

  #adoptDate(): void {
    const at = (index: number): number => this.#decode(this.#cmos[index]);
    const year = at(Register.CENTURY) * 100 + at(Register.YEAR);
    const hours = this.#decodeHours(this.#cmos[Register.HOURS]);
    const date = Date.UTC(year, at(Register.MONTH) - 1, at(Register.DAY), hours, at(Register.MINUTES), at(0));
    this.#state.epochSeconds = Math.floor(date / 1000) - this.#seconds;
  }

  get #binary(): boolean {
    return (this.#cmos[Register.B] & B.BINARY) !== 0;
  }

  #encode(value: number): number {
    return this.#binary ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }

  #decode(value: number): number {
    return this.#binary ? value : (value >> 4) * 10 + (value & 15);
  }

  #encodeHours(hours: number): number {
    if (this.#cmos[Register.B] & B.HOURS_24) return this.#encode(hours);
    return this.#encode(hours % 12 || 12) | (hours >= 12 ? PM : 0);
  }

  #decodeHours(value: number): number {
    if (this.#cmos[Register.B] & B.HOURS_24) return this.#decode(value);
    return (this.#decode(value & ~PM) % 12) + (value & PM ? 12 : 0);
  }

  #flag(flags: number): void {
    this.#cmos[Register.C] |= flags;
    if ((this.#cmos[Register.C] & this.#cmos[Register.B] & (C.PERIODIC | C.ALARM | C.UPDATE)) === 0) return;
    this.#cmos[Register.C] |= C.IRQ;
    this.#parts.irq(true);
  }

  /** Rate 1 and 2 stand for 256 and 128 Hz; rate r from 3 on for 32768 >> (r - 1) Hz. */
  #startPeriodic(): void {
    this.#periodic.cancel();
    const rate = this.#cmos[Register.A] & 15;
    if (rate === 0 || (this.#cmos[Register.B] & B.PERIODIC) === 0) return;
    const hz = BigInt(CRYSTAL_HZ >> ((rate <= 2 ? rate + 7 : rate) - 1));
    const beat = cyclesAt(this.#parts.clock.now(), hz) + 1n;
    this.#periodic.arm(nsOfCycle(beat, hz));
  }

  /** Seconds are watched while an interrupt depends on them. */
  #startSeconds(): void {
    this.#second.cancel();
    if ((this.#cmos[Register.B] & (B.ALARM | B.UPDATE)) === 0 || this.#isSet) return;
    this.#second.arm(BigInt(this.#seconds + 1) * NS_PER_SECOND);
  }

  /** "Don't care" is any alarm byte from 0xc0 to 0xff. */
  #alarmMatches(): boolean {
    return [Register.SECONDS, Register.MINUTES, Register.HOURS].every(
      (index) => this.#cmos[index + 1] >= 0xc0 || this.#cmos[index + 1] === this.#cmos[index],
    );
  }
}

const isAlarm = (index: number): boolean =>
  index === Register.SECONDS_ALARM || index === Register.MINUTES_ALARM || index === Register.HOURS_ALARM;
