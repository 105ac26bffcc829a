/** The ways a PC resets itself beside its keyboard controller: port 0x92 and the chipset's reset register; and power-off. */
import type { Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import type { A20Gate, IoDevice } from './device.ts';

const A20_LINE = 2;

/** A register one of whose bits resets where it goes from 0 to 1. */
class ResetRegister implements IoDevice, Saved<number> {
  readonly maxWidth = 1;
  readonly #reset: () => void;
  readonly #bit: number;
  readonly #kept: number;
  #value = 0;

  protected constructor(reset: () => void, bit: number, kept: number) {
    this.#reset = reset;
    this.#bit = bit;
    this.#kept = kept;
  }

  save(): number {
    return this.#value;
  }

  load(value: number): void {
    this.#value = value;
  }

  read(_offset: number, _width: Width): number {
    return this.#value;
  }

  write(_offset: number, _width: Width, value: number): void {
    const rises = (value & ~this.#value & this.#bit) !== 0;
    this.#value = value & this.#kept;
    if (rises) this.#reset();
  }
}

/** Port 0x92, "fast A20 and init": bit 0 resets, bit 1 is the A20 gate. */
export class SystemControlA extends ResetRegister {
  readonly #a20: A20Gate;

  constructor(reset: () => void, a20: A20Gate) {
    super(reset, 1, 0xfc);
    this.#a20 = a20;
  }

  override read(offset: number, width: Width): number {
    return super.read(offset, width) | (this.#a20.isOpen ? A20_LINE : 0);
  }

  override write(offset: number, width: Width, value: number): void {
    this.#a20.isOpen = (value & A20_LINE) !== 0;
    super.write(offset, width, value);
  }
}

/** Port 0xcf9: bit 2 resets; bit 1 chooses between soft and hard, the same here. */
export class ResetControl extends ResetRegister {
  constructor(reset: () => void) {
    super(reset, 4, 0x0e);
  }
}

/** What a guest can tell apart. */
export type ShutdownState = {
  matched: number;
};

/** Bochs' power-off port 0x8900: the bytes of "Shutdown" in a row switch the machine off. */
export class ShutdownPort implements IoDevice, Saved<ShutdownState> {
  readonly maxWidth = 1;
  readonly #powerOff: () => void;
  #state: ShutdownState = {
    matched: 0,
  };

  constructor(powerOff: () => void) {
    this.#powerOff = powerOff;
  }

  save(): ShutdownState {
    return copyOf(this.#state);
  }

  load(state: ShutdownState): void {
    this.#state = copyOf(state);
  }

  read(_offset: number, _width: Width): number {
    return 0xff;
  }

  write(_offset: number, _width: Width, value: number): void {
    const word = 'Shutdown';
    if (value === word.charCodeAt(this.#state.matched)) this.#state.matched++;
    else this.#state.matched = value === word.charCodeAt(0) ? 1 : 0;
    if (this.#state.matched < word.length) return;
    this.#state.matched = 0;
    this.#powerOff();
  }
}
