/**
 * pvpanic: a port by which a guest's kernel says that it has panicked (QEMU, docs/specs/pvpanic). The guest reads which
 * events there are and writes those that happened.
 */
import type { Width } from '../core/types.ts';
import type { Face } from './device.ts';

export const PanicEvent = { PANICKED: 1, CRASH_LOADED: 2 } as const;

export class Pvpanic implements Face {
  readonly stateOf = null;
  readonly maxWidth = 1;
  readonly #happened: (event: 'panicked' | 'crash-loaded') => void;

  /** `happened` hears of a panic, or of one after which the guest runs its crash kernel. */
  constructor(happened: (event: 'panicked' | 'crash-loaded') => void) {
    this.#happened = happened;
  }

  read(_offset: number, _width: Width): number {
    return PanicEvent.PANICKED | PanicEvent.CRASH_LOADED;
  }

  write(_offset: number, _width: Width, value: number): void {
    if (value & PanicEvent.PANICKED) this.#happened('panicked');
    else if (value & PanicEvent.CRASH_LOADED) this.#happened('crash-loaded');
  }
}
