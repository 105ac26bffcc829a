/**
 * ACPI's fixed hardware (ACPI 6.5, 4.8.3 "PM1 Event Grouping" to 4.8.4 "General-Purpose Event"): power management timer,
 * power button and the sleep control register. There is no SMI: ACPI mode is always on.
 *
 *   0 PM1 status, 2 PM1 enable | 4 PM1 control | 8 timer, 32 bits at 3.579545 MHz
 */
import type { Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import { type Clock, cyclesAt } from './clock.ts';
import type { IoDevice, IrqLine } from './device.ts';

const Register = { STATUS: 0, ENABLE: 2, CONTROL: 4, TIMER: 8 } as const;
const POWER_BUTTON = 0x100;
const Control = { SCI_ENABLE: 1, SLEEP_TYPE_SHIFT: 10, SLEEP_ENABLE: 0x2000 } as const;
const TIMER_HZ = 3_579_545n;
/** SLP_TYP of soft-off, as the DSDT's _S5 object says. */
export const SLEEP_TYPE_S5 = 5;
export const ACPI_PM_PORTS = 12;

export interface AcpiPmParts {
  clock: Clock;
  /** The system control interrupt, level-triggered. */
  sci: IrqLine;
  powerOff: () => void;
}

/** What a guest can tell apart. */
export type AcpiPmState = {
  status: number;
  enable: number;
  control: number;
};

export class AcpiPm implements IoDevice, Saved<AcpiPmState> {
  readonly maxWidth = 4;
  readonly #parts: AcpiPmParts;
  #state: AcpiPmState = {
    status: 0,
    enable: 0,
    control: Control.SCI_ENABLE,
  };

  constructor(parts: AcpiPmParts) {
    this.#parts = parts;
  }

  /** Whether the guest wants to hear of the power button. */
  get hearsPowerButton(): boolean {
    return (this.#state.enable & POWER_BUTTON) !== 0;
  }

  /** Presses the power button. */
  pressPowerButton(): void {
    this.#state.status |= POWER_BUTTON;
    this.#update();
  }

  save(): AcpiPmState {
    return copyOf(this.#state);
  }

  load(state: AcpiPmState): void {
    this.#state = copyOf(state);
  }

  read(offset: number, width: Width): number {
    let value = 0;
    for (let n = 0; n < width; n++) value += this.#byte(offset + n) * 2 ** (8 * n);
    return value;
  }

  write(offset: number, width: Width, value: number): void {
    for (let n = 0; n < width; n++) this.#setByte(offset + n, Math.floor(value / 2 ** (8 * n)) & 0xff);
  }

  #byte(at: number): number {
    if (at >= Register.TIMER) {
      const ticks = Number(BigInt.asUintN(32, cyclesAt(this.#parts.clock.now(), TIMER_HZ)));
      return (ticks >>> (8 * (at - Register.TIMER))) & 0xff;
    }
    const shift = 8 * (at & 1);
    switch (at & ~1) {
      case Register.STATUS:
        return (this.#state.status >> shift) & 0xff;
      case Register.ENABLE:
        return (this.#state.enable >> shift) & 0xff;
      case Register.CONTROL:
        return (this.#state.control >> shift) & 0xff;
      default:
        return 0;
    }
  }

  #setByte(at: number, byte: number): void {
    const shift = 8 * (at & 1);
    const put = (old: number): number => (old & ~(0xff << shift)) | (byte << shift);
    switch (at & ~1) {
      case Register.STATUS:
        this.#state.status &= ~(byte << shift);
        break;
      case Register.ENABLE:
        this.#state.enable = put(this.#state.enable);
        break;
      case Register.CONTROL:
        this.#state.control = (put(this.#state.control) & ~Control.SLEEP_ENABLE) | Control.SCI_ENABLE;
        if (put(0) & Control.SLEEP_ENABLE) this.#sleep();
        break;
    }
    this.#update();
  }

  #sleep(): void {
    if (((this.#state.control >> Control.SLEEP_TYPE_SHIFT) & 7) === SLEEP_TYPE_S5) this.#parts.powerOff();
  }

  #update(): void {
    this.#parts.sci((this.#state.status & this.#state.enable) !== 0);
  }
}
