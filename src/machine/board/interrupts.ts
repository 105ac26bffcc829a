/**
 * How interrupt lines reach the controllers: an ISA line arrives at the PIC and at the pin of the I/O APIC with its
 * number (the timer's at pin 2, as the ACPI tables say); the pins beyond 15 belong to the I/O APIC alone.
 */
import type { IrqLine } from '../../devices/device.ts';
import type { PicPair } from '../../devices/pic.ts';
import type { Saved } from '../../saved.ts';
import { IrqLines } from './irq-lines.ts';

const PIT_LINE = 0;
const PIT_PIN = 2;

export class Interrupts implements Saved<{ pic: boolean[]; ioapic: boolean[] }> {
  readonly #pic: IrqLines;
  readonly #ioapic: IrqLines;

  constructor(pics: PicPair, ioapic: (pin: number, level: boolean) => void) {
    this.#pic = new IrqLines((line, level) => pics.setIrq(line, level));
    this.#ioapic = new IrqLines(ioapic);
  }

  save(): { pic: boolean[]; ioapic: boolean[] } {
    return { pic: this.#pic.save(), ioapic: this.#ioapic.save() };
  }

  load({ pic, ioapic }: { pic: boolean[]; ioapic: boolean[] }): void {
    this.#pic.load(pic);
    this.#ioapic.load(ioapic);
  }

  /** A new driver for ISA line `line`, 0 to 15. */
  isa(line: number): IrqLine {
    return both(this.#pic.input(line), this.pin(line === PIT_LINE ? PIT_PIN : line));
  }

  /** A new driver for a line of the PIC that has no pin of the I/O APIC behind it. */
  picOnly(line: number): IrqLine {
    return this.#pic.input(line);
  }

  /** A new driver for pin `pin` of the I/O APIC, 0 to 23. */
  pin(pin: number): IrqLine {
    return this.#ioapic.input(pin);
  }
}

function both(first: IrqLine, second: IrqLine): IrqLine {
  return (level) => {
    first(level);
    second(level);
  };
}
