/** A clock that tests turn by hand; it stops at every deadline on the way, as the run loop does. */
import { VirtualClock } from '../../src/devices/clock.ts';

export class HandClock extends VirtualClock {
  #time: { ns: bigint };

  constructor() {
    const time = { ns: 0n };
    super(() => time.ns);
    this.#time = time;
  }

  advanceTo(ns: bigint): void {
    for (let next = this.nextDeadline; next <= ns; next = this.nextDeadline) {
      if (next > this.#time.ns) this.#time.ns = next;
      this.runDue();
    }
    this.#time.ns = ns;
  }

  advance(ns: number | bigint): void {
    this.advanceTo(this.now() + BigInt(ns));
  }
}
