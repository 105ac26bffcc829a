/** How a machine waits for its host: until a time, or until something happens. */

export class Sleep {
  #wake: (() => void) | null = null;
  #poked = false;
  #works = 0;

  /** Backends are at something that an idle guest waits for. */
  get isForWork(): boolean {
    return this.#works > 0;
  }

  /** Until `work` is done an idle guest waits for it. */
  waitFor(work: Promise<unknown>): void {
    this.#works++;
    const done = (): void => {
      this.#works--;
      this.poke();
    };
    work.then(done, done);
  }

  /** From here on, what happens keeps the machine from sleeping. */
  begin(): void {
    this.#poked = false;
  }

  /** Something happened. */
  poke(): void {
    this.#poked = true;
    this.#wake?.();
  }

  /** Resolves after `ms` (Infinity for never), or once something happened since `begin`. */
  until(ms: number): Promise<void> {
    if (this.#poked) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = Number.isFinite(ms) ? setTimeout(() => this.#wake?.(), ms) : undefined;
      this.#wake = () => {
        this.#wake = null;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
