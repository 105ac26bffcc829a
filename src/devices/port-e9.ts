/** The debug console of Bochs: bytes written come out, a read answers 0xe9 so that a guest can tell it is there. */
import type { Width } from '../core/types.ts';
import type { Face } from './device.ts';

export class PortE9 implements Face {
  readonly stateOf = null;
  readonly maxWidth = 1;
  readonly #output: (byte: number) => void;

  constructor(output: (byte: number) => void) {
    this.#output = output;
  }

  read(_offset: number, _width: Width): number {
    return 0xe9;
  }

  write(_offset: number, _width: Width, value: number): void {
    this.#output(value);
  }
}
