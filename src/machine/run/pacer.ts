/** Keeps virtual time beside the host's, for guests that people watch and type at. */
import { hostMs } from './yield.ts';

const NS_PER_MS = 1e6;
/** A host that slept longer than this (a closed lid, a hidden tab) is not caught up with. */
const LONGEST_LAG_NS = 1e9;

export class Pacer {
  readonly #hostMs: () => number;
  #origin = { ms: 0, now: 0n };

  constructor(host: () => number = hostMs) {
    this.#hostMs = host;
  }

  /** From here on, virtual time `now` (in ns) is the host's present. */
  start(now: bigint): void {
    this.#origin = { ms: this.#hostMs(), now };
  }

  /** Nanoseconds that virtual time is behind the host's; negative where it is ahead. */
  lag(now: bigint): number {
    const { ms, now: began } = this.#origin;
    const lag = (this.#hostMs() - ms) * NS_PER_MS - Number(now - began);
    if (lag <= LONGEST_LAG_NS) return Math.floor(lag);
    this.start(now);
    return 0;
  }
}
