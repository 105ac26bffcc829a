/**
 * The four interrupt wires of the PCI bus. Each has a pin of the I/O APIC of its own, and reaches the PIC at the line that
 * a routing register of the ISA bridge says (Intel ICH9 datasheet, "PIRQ[n]_ROUT").
 */
import type { IrqLine } from '../../devices/device.ts';
import type { Saved } from '../../saved.ts';
import type { Interrupts } from './interrupts.ts';
import { IrqLines } from './irq-lines.ts';

export const PIRQS = 4;
export const FIRST_PIRQ_PIN = 16;
const FIRST_CHIPSET_SLOT = 25;
const DISABLED = 0x80;
const ISA_LINES = 16;

type PirqState = { levels: boolean[]; routes: number[]; lines: boolean[] };

export class Pirqs implements Saved<PirqState> {
  readonly #levels: boolean[] = new Array(PIRQS).fill(false);
  readonly #routes: number[] = new Array(PIRQS).fill(DISABLED);
  readonly #lines: IrqLines;
  readonly #pic: readonly IrqLine[];

  constructor(interrupts: Interrupts) {
    const pins = this.#levels.map((_, pirq) => interrupts.pin(FIRST_PIRQ_PIN + pirq));
    this.#pic = Array.from({ length: ISA_LINES }, (_, line) => interrupts.picOnly(line));
    this.#lines = new IrqLines((pirq, level) => {
      pins[pirq](level);
      this.#levels[pirq] = level;
      this.#update();
    });
  }

  /** A new driver for the wire at `pin` (1 to 4) of a slot: wires rotate from slot to slot. */
  input(slot: number, pin: number): IrqLine {
    return this.#lines.input(pirqOf(slot, pin));
  }

  /** Sets the routing register of a wire. */
  route(pirq: number, register: number): void {
    this.#routes[pirq] = register;
    this.#update();
  }

  save(): PirqState {
    return { levels: [...this.#levels], routes: [...this.#routes], lines: this.#lines.save() };
  }

  load({ levels, routes, lines }: PirqState): void {
    this.#levels.splice(0, PIRQS, ...levels);
    this.#routes.splice(0, PIRQS, ...routes);
    this.#lines.load(lines);
  }

  #update(): void {
    for (const [line, drive] of this.#pic.entries()) {
      drive(this.#routes.some((route, pirq) => route === line && this.#levels[pirq]));
    }
  }
}

/** The wire of a slot's pin (1 to 4). Those of the chipset's own slots do not rotate: firmware knows. */
export const pirqOf = (slot: number, pin: number): number => ((slot < FIRST_CHIPSET_SLOT ? slot : 0) + pin - 1) % PIRQS;
