/** A clock that tests turn by hand; it stops at every deadline on the way, as the run loop does. */
import { VirtualClock } from '../../src/devices/clock.ts';

export class HandClock extends VirtualClock {
  #time: { ns: number };

  constructor() {
    const time = { ns: 0 };
    super(() => time.ns);
    this.#time = time;
  }

  advanceTo(ns: number): void {
    while (this.nextDeadline <= ns) {
      this.#time.ns = Math.max(this.nextDeadline, this.#time.ns);
      this.runDue();
    }
    this.#time.ns = ns;
  }

  advance(ns: number): void {
    this.advanceTo(this.now() + ns);
  }
}
