/** How a machine waits for its host: until a time, or until something happens. */

export class Sleep {
  #wake: (() => void) | null = null;
  #poked = false;

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
