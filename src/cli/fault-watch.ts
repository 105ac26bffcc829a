/** Tells of triple faults, and ends a guest that comes to nothing else. */
import type { Machine } from '../machine/machine.ts';

/** So many in a row without a word on a console, and the guest will not do better the next time. */
const MOST_FAULTS = 3;

export class FaultWatch {
  #inARow = 0;

  /** `tell` gets a line for people. */
  constructor(machine: Machine, tell: (line: string) => void) {
    machine.on('console', () => {
      this.#inARow = 0;
    });
    machine.on('reboot', (cause, rip) => {
      if (cause !== 'shutdown') return;
      this.#inARow++;
      const where = rip === undefined ? '' : ` at RIP 0x${rip.toString(16)}`;
      tell(
        `the guest triple-faulted${where}, ${this.isHopeless ? `${MOST_FAULTS} times in a row without output` : 'and starts over'}`,
      );
      if (this.isHopeless) machine.stop();
    });
  }

  get isHopeless(): boolean {
    return this.#inARow >= MOST_FAULTS;
  }
}
