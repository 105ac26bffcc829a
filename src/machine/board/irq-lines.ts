/** Interrupt lines with several drivers: a line is high while any of its drivers holds it. */
import type { IrqLine } from '../../devices/device.ts';

export class IrqLines {
  readonly #drive: (irq: number, level: boolean) => void;
  readonly #holders = new Map<number, number>();

  /** `drive` is told the level of line `irq` whenever it changes. */
  constructor(drive: (irq: number, level: boolean) => void) {
    this.#drive = drive;
  }

  /** A new driver for line `irq`. */
  input(irq: number): IrqLine {
    let held = false;
    return (level) => {
      if (level === held) return;
      held = level;
      const before = this.#holders.get(irq) ?? 0;
      const after = before + (level ? 1 : -1);
      this.#holders.set(irq, after);
      if (before > 0 !== after > 0) this.#drive(irq, after > 0);
    };
  }
}

/** A line that can be cut: while it is, what it leads to sees it low. */
export class CutLine {
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
}
