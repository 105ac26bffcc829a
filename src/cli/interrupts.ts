/**
 * What ends a run from outside: signals, an output whose reader is gone, an error that nothing caught. The machine
 * stops and everything is closed as at any other end, so that what its disks were given is kept.
 */
import type { Machine } from '../machine/machine.ts';
import type { CliHost, Interrupt } from './process.ts';

/** As QEMU ends by these signals; by the others as a shell shows a process that they ended (128 and their number). */
const EXIT_CODES: Record<Interrupt, number> = { SIGINT: 0, SIGTERM: 0, SIGHUP: 0, SIGQUIT: 128 + 3, SIGPIPE: 128 + 13 };

export class Interrupts {
  readonly #stopListening: () => void;
  #machine: Machine | null = null;
  #why: Interrupt | Error | null = null;
  #isAsked = false;

  constructor(host: CliHost) {
    this.#stopListening = host.onInterrupt((why) => this.#hear(why));
  }

  /** The machine that is to stop. */
  watch(machine: Machine): void {
    this.#machine = machine;
  }

  get happened(): boolean {
    return this.#why !== null;
  }

  /** What to say of it; undefined if nothing happened. */
  get text(): string | undefined {
    if (this.#why === 'SIGPIPE') return 'ended, because nobody reads the output any more';
    return this.#why === null ? undefined : 'ended by a signal';
  }

  /** Throws the error that nothing caught. */
  get exitCode(): number | undefined {
    if (this.#why instanceof Error) throw this.#why;
    return this.#why === null ? undefined : EXIT_CODES[this.#why];
  }

  close(): void {
    this.#stopListening();
  }

  /** A guest that was asked to turn itself off may do so without a reader. */
  #hear(why: Interrupt | Error): void {
    if (why === 'SIGPIPE' && this.#isAsked) return;
    if (why === 'SIGTERM' && !this.#isAsked && this.#machine?.powerButton()) {
      this.#isAsked = true;
      return;
    }
    this.#why ??= why;
    this.#machine?.stop();
  }
}
