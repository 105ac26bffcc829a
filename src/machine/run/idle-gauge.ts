/**
 * How idle virtual time passes while the host works for the guest: as the host's, so that a guest does not hear its
 * timers before the answer (docs/decisions/0009-guests-that-wait-for-the-host.md).
 */
import type { HostWork } from '../../net/backend.ts';
import { hostMs } from './yield.ts';

const NS_PER_MS = 1e6;
/** Host timers are no finer: shorter times are owed until they add up. */
const SHORTEST_SLEEP_MS = 1;

export class HostWorkGauge implements HostWork {
  readonly #pass: (ns: number) => void;
  readonly #hostMs: () => number;
  #begun = 0;
  #expected = 0;
  #owedMs = 0;
  /** Host time up to which a sleeping guest's time has passed; null while it is awake. */
  #sleptUntil: number | null = null;

  /** `pass` lets that much virtual time pass, or less where an event comes first. */
  constructor(pass: (ns: number) => void, host: () => number = hostMs) {
    this.#pass = pass;
    this.#hostMs = host;
  }

  /** An answer is under way, or something may come from outside, some time. */
  get mayCome(): boolean {
    return this.#begun + this.#expected > 0;
  }

  begin(): () => void {
    this.#begun++;
    return once(() => this.#begun--);
  }

  expect(): () => void {
    this.#expected++;
    return once(() => this.#expected--);
  }

  arrived(): void {
    if (this.#sleptUntil === null || this.#begun === 0) return;
    const from = this.#sleptUntil;
    this.#sleptUntil = this.#hostMs();
    this.#pass(Math.floor((this.#sleptUntil - from) * NS_PER_MS));
  }

  /** How long an idle guest has to sleep before `ahead` nanoseconds may have passed; 0 where time may jump. */
  sleepMs(ahead: number): number {
    if (this.#begun === 0) return 0;
    this.#owedMs += ahead / NS_PER_MS;
    if (this.#owedMs < SHORTEST_SLEEP_MS) return 0;
    const owed = this.#owedMs;
    this.#owedMs = 0;
    return owed;
  }

  /** Lets virtual time pass with the host's until the guest wakes. */
  async during(sleep: Promise<void>): Promise<void> {
    this.#sleptUntil = this.#hostMs();
    await sleep;
    this.arrived();
    this.#sleptUntil = null;
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
