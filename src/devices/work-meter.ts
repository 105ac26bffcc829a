/**
 * Counts what devices do for the guest, so that no turn of the run loop is long: in bytes that a host copies in about the
 * time that the work takes. It counts what the guest asked for, never the host's time, so that two equal runs stop at the
 * same places: docs/decisions/0026-devices-work-in-pieces.md.
 */

/** As much as a device does at once, and after which a slice is over: a few milliseconds. */
export const TURN_WORK = 4 << 20;
/** As much as is done in one piece where a single request may ask for much more. */
export const PIECE = 1 << 20;
/** Zeros are looked for, and the tables of an image changed, faster than data are moved: work for a byte. */
export const ZEROES_WORK = 1 / 4;
export const DISCARD_WORK = 1 / 16;
/** No piece ends within a cluster of an image, where it need not. */
export const ZEROES_PIECE = PIECE / ZEROES_WORK;
export const DISCARD_PIECE = PIECE / DISCARD_WORK;

export class WorkMeter {
  readonly #onSpent: () => void;
  #done = 0;

  /** `onSpent` is called whenever a slice has done enough. */
  constructor(onSpent: () => void = () => {}) {
    this.#onSpent = onSpent;
  }

  charge(bytes: number): void {
    this.#done += bytes;
    if (this.isSpent) this.#onSpent();
  }

  /** The slice is over. */
  get isSpent(): boolean {
    return this.#done >= TURN_WORK;
  }

  /** A slice begins. */
  begin(): void {
    this.#done = 0;
  }
}
