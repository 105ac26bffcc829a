/** Waits for what the guest prints: the end of the console's output so far, and who waits for a pattern in it. */
import { StateError } from '../../checks.ts';
import { type SignalLike, throwIfAborted } from './byte-source.ts';

/** Characters of output that are kept to look in. */
const KEPT = 1 << 16;

export interface WaitOptions {
  signal?: SignalLike;
  /** Milliseconds of the host after which waiting is given up. */
  timeoutMs?: number;
}

interface Waiting {
  pattern: RegExp | string;
  found(match: string): void;
  failed(error: unknown): void;
}

export class ConsoleWaiter {
  #text = '';
  readonly #waiting = new Set<Waiting>();

  /** Output came. */
  hear(text: string): void {
    this.#text = (this.#text + text).slice(-KEPT);
    for (const one of [...this.#waiting]) this.#look(one);
  }

  /** No more will come, for the reason given in words. */
  end(why: string): void {
    for (const one of [...this.#waiting]) {
      one.failed(new StateError(`waiting for ${show(one.pattern)}: ${why}; the console ends ${this.#end()}`));
    }
  }

  /**
   * What `pattern` matches in the output that nobody waited for yet; output up to the match's end is then taken. Rejects
   * with StateError after the time given or where the run ends before, and with the signal's reason.
   */
  waitFor(pattern: RegExp | string, { signal, timeoutMs }: WaitOptions = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      let timer: ReturnType<typeof setTimeout> | undefined;
      const settle = (how: () => void): void => {
        this.#waiting.delete(one);
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        how();
      };
      const one: Waiting = {
        pattern,
        found: (match) => settle(() => resolve(match)),
        failed: (error) => settle(() => reject(error)),
      };
      const abort = (): void => one.failed(signal?.reason);
      if (timeoutMs !== undefined) {
        timer = setTimeout(() => {
          one.failed(
            new StateError(`waiting for ${show(pattern)}: not within ${timeoutMs} ms; the console ends ${this.#end()}`),
          );
        }, timeoutMs);
      }
      signal?.addEventListener('abort', abort);
      this.#waiting.add(one);
      this.#look(one);
    });
  }

  #look(one: Waiting): void {
    const { pattern } = one;
    const match = typeof pattern === 'string' ? matchOf(this.#text, pattern) : new RegExp(pattern).exec(this.#text);
    if (!match) return;
    this.#text = this.#text.slice(match.index + match[0].length);
    one.found(match[0]);
  }

  #end(): string {
    return JSON.stringify(this.#text.slice(-80));
  }
}

const show = (pattern: RegExp | string): string =>
  typeof pattern === 'string' ? JSON.stringify(pattern) : String(pattern);

function matchOf(text: string, pattern: string): { index: number; 0: string } | null {
  const index = text.indexOf(pattern);
  return index < 0 ? null : { index, 0: pattern };
}
