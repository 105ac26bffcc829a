/**
 * The coprocessor error logic of the PC/AT at ports 0xF0 and 0xF1. FERR# sets a latch that drives IRQ 13; a write clears the
 * latch and asserts IGNNE# until FERR# goes away (SDM Vol. 1, "MS-DOS Compatibility Sub-mode" and the external hardware
 * recommended for it).
 */
import type { Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import type { IoDevice, IrqLine } from './device.ts';

export interface FpuErrorParts {
  irq: IrqLine;
  /** Drives the IGNNE# pin of the processor. */
  ignne: (asserted: boolean) => void;
}

/** What a guest can tell apart. */
export type FpuErrorState = {
  isAsserted: boolean;
};

export class FpuError implements IoDevice, Saved<FpuErrorState> {
  readonly maxWidth = 1;
  readonly #parts: FpuErrorParts;
  #state: FpuErrorState = {
    isAsserted: false,
  };

  constructor(parts: FpuErrorParts) {
    this.#parts = parts;
  }

  /** The processor's FERR# pin. */
  ferr(asserted: boolean): void {
    if (asserted && !this.#state.isAsserted) this.#parts.irq(true);
    if (!asserted) this.#parts.ignne(false);
    this.#state.isAsserted = asserted;
  }

  save(): FpuErrorState {
    return copyOf(this.#state);
  }

  load(state: FpuErrorState): void {
    this.#state = copyOf(state);
  }

  read(_offset: number, _width: Width): number {
    return 0xff;
  }

  write(_offset: number, _width: Width, _value: number): void {
    this.#parts.irq(false);
    if (this.#state.isAsserted) this.#parts.ignne(true);
  }
}
