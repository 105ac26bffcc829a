/** -chardev stdio: the terminal as a character stream, for a console that is no serial port. */
import type { CharBackend } from '../index.ts';

export class StdioChardev implements CharBackend {
  readonly write: (bytes: Uint8Array) => void;
  #receive: ((bytes: Uint8Array) => void) | null = null;

  constructor(write: (bytes: Uint8Array) => void) {
    this.write = write;
  }

  connect(receive: (bytes: Uint8Array) => void): () => void {
    this.#receive = receive;
    return () => {
      this.#receive = null;
    };
  }

  /** What is typed. */
  type(bytes: Uint8Array): void {
    this.#receive?.(bytes);
  }
}
