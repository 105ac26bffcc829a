/** Interrupt lines with several drivers: a line is high while any of its drivers holds it. */
import type { IrqLine } from '../../devices/device.ts';
import type { Saved } from '../../saved.ts';

interface Driver {
  readonly irq: number;
  isHeld: boolean;
}

/** The state is the level of each driver, in the order in which they were made: every equal board makes the same ones. */
export class IrqLines implements Saved<boolean[]> {
  readonly #drive: (irq: number, level: boolean) => void;
  readonly #drivers: Driver[] = [];
  /** Drivers that hold a line. */
  readonly #holders = new Map<number, number>();

  /** `drive` is told the level of line `irq` whenever it changes. */
  constructor(drive: (irq: number, level: boolean) => void) {
    this.#drive = drive;
  }

  /** A new driver for line `irq`. */
  input(irq: number): IrqLine {
    const driver: Driver = { irq, isHeld: false };
    this.#drivers.push(driver);
    return (level) => {
      if (level === driver.isHeld) return;
      driver.isHeld = level;
      const before = this.#holders.get(irq) ?? 0;
      const after = before + (level ? 1 : -1);
      this.#holders.set(irq, after);
      if (before > 0 !== after > 0) this.#drive(irq, after > 0);
    };
  }

  save(): boolean[] {
    return this.#drivers.map(({ isHeld }) => isHeld);
  }

  load(levels: boolean[]): void {
    if (levels.length !== this.#drivers.length) {
      throw new Error(`levels of ${levels.length} drivers of interrupt lines; there are ${this.#drivers.length}`);
    }
    this.#holders.clear();
    for (const [n, driver] of this.#drivers.entries()) {
      driver.isHeld = levels[n];
      if (driver.isHeld) this.#holders.set(driver.irq, (this.#holders.get(driver.irq) ?? 0) + 1);
    }
  }
}

type CutLineState = { level: boolean; isCut: boolean };

/** A line that can be cut: while it is, what it leads to sees it low. */
export class CutLine implements Saved<CutLineState> {
  readonly #to: IrqLine;
  #level = false;
  #isCut = false;

  constructor(to: IrqLine) {
    this.#to = to;
  }

  readonly drive: IrqLine = (level) => {
    this.#level = level;
    if (!this.#isCut) this.#to(level);
  };

  cut(isCut: boolean): void {
    this.#isCut = isCut;
    this.#to(this.#level && !isCut);
  }

  save(): CutLineState {
    return { level: this.#level, isCut: this.#isCut };
  }

  load({ level, isCut }: CutLineState): void {
    this.#level = level;
    this.#isCut = isCut;
  }
}
