/**
 * The ways a PC resets itself: the keyboard controller's pulse, port 0x92 and the chipset's reset register 0xcf9. Of
 * the 8042 only what resets, self-tests and reports "no key" is here; A20 is always enabled on this board.
 */
import type { Width } from '../core-types.ts';
import type { IoDevice } from './device.ts';

const OUTPUT_FULL = 0x01;
const SYSTEM_FLAG = 0x04;
const COMMAND_WRITTEN = 0x08;

const RESET_LINE = 0x01;
const A20_LINE = 0x02;

/** Offset 0 is port 0x60 (data), offset 4 is port 0x64 (status and command). */
export class KeyboardController implements IoDevice {
  readonly maxWidth = 1;
  readonly #reset: () => void;
  #output: number[] = [];
  #commandByte = 0x45;
  #outputPort = RESET_LINE | A20_LINE;
  #expects: 'none' | 'command byte' | 'output port' | 'ignored' = 'none';
  #lastWasCommand = false;

  constructor(reset: () => void) {
    this.#reset = reset;
  }

  read(offset: number, _width: Width): number {
    if (offset === 0) return this.#output.shift() ?? 0;
    return (this.#output.length > 0 ? OUTPUT_FULL : 0) | SYSTEM_FLAG | (this.#lastWasCommand ? COMMAND_WRITTEN : 0);
  }

  write(offset: number, _width: Width, value: number): void {
    this.#lastWasCommand = offset !== 0;
    if (offset === 0) this.#data(value);
    else this.#command(value);
  }

  #data(value: number): void {
    const expected = this.#expects;
    this.#expects = 'none';
    if (expected === 'command byte') this.#commandByte = value;
    else if (expected === 'output port') this.#setOutputPort(value);
  }

  #command(value: number): void {
    this.#expects = 'none';
    if (value >= 0xf0) {
      if ((value & RESET_LINE) === 0) this.#reset();
      return;
    }
    switch (value) {
      case 0x20:
        this.#output = [this.#commandByte];
        break;
      case 0x60:
        this.#expects = 'command byte';
        break;
      case 0xaa:
        this.#output = [0x55];
        break;
      case 0xa9:
      case 0xab:
        this.#output = [0x00];
        break;
      case 0xd0:
        this.#output = [this.#outputPort];
        break;
      case 0xd1:
        this.#expects = 'output port';
        break;
      case 0xd2:
      case 0xd3:
      case 0xd4:
        this.#expects = 'ignored';
        break;
    }
  }

  #setOutputPort(value: number): void {
    this.#outputPort = value | A20_LINE;
    if ((value & RESET_LINE) === 0) this.#reset();
  }
}

/** Port 0x92, "fast A20 and init": bit 0 going from 0 to 1 resets; bit 1, the A20 gate, reads as always open. */
export class SystemControlA implements IoDevice {
  readonly maxWidth = 1;
  readonly #reset: () => void;
  #value = 0;

  constructor(reset: () => void) {
    this.#reset = reset;
  }

  read(_offset: number, _width: Width): number {
    return this.#value | A20_LINE;
  }

  write(_offset: number, _width: Width, value: number): void {
    const rises = (value & ~this.#value & 1) !== 0;
    this.#value = value & 0xfe;
    if (rises) this.#reset();
  }
}

/** Port 0xcf9: bit 2 going from 0 to 1 resets; bit 1 chooses between soft and hard, the same here. */
export class ResetControl implements IoDevice {
  readonly maxWidth = 1;
  readonly #reset: () => void;
  #value = 0;

  constructor(reset: () => void) {
    this.#reset = reset;
  }

  read(_offset: number, _width: Width): number {
    return this.#value;
  }

  write(_offset: number, _width: Width, value: number): void {
    const rises = (value & ~this.#value & 4) !== 0;
    this.#value = value & 0x0e;
    if (rises) this.#reset();
  }
}

/** Bochs' power-off port 0x8900: the bytes of "Shutdown" in a row switch the machine off. */
export class ShutdownPort implements IoDevice {
  readonly maxWidth = 1;
  readonly #powerOff: () => void;
  #matched = 0;

  constructor(powerOff: () => void) {
    this.#powerOff = powerOff;
  }

  read(_offset: number, _width: Width): number {
    return 0xff;
  }

  write(_offset: number, _width: Width, value: number): void {
    const word = 'Shutdown';
    if (value === word.charCodeAt(this.#matched)) this.#matched++;
    else this.#matched = value === word.charCodeAt(0) ? 1 : 0;
    if (this.#matched < word.length) return;
    this.#matched = 0;
    this.#powerOff();
  }
}
