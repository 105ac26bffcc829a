/**
 * isa-debug-exit: a write ends the machine with a code of the guest's choice. The embedder sees the value written; a
 * command line turns it into the process exit code (value << 1) | 1, as QEMU does.
 */
import type { Width } from '../core/types.ts';
import type { Face } from './device.ts';

export class DebugExit implements Face {
  readonly stateOf = null;
  readonly maxWidth = 4;
  readonly #exit: (value: number) => void;

  constructor(exit: (value: number) => void) {
    this.#exit = exit;
  }

  read(_offset: number, _width: Width): number {
    return 0;
  }

  write(_offset: number, _width: Width, value: number): void {
    this.#exit(value);
  }
}
