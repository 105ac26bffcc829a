/** Gathers console bytes by their source and passes them on as text, a slice at a time. */
import type { ConsoleInfo, ConsoleSource } from '../events.ts';

/** Passed on at once from here on, so that a chatty guest does not pile up bytes within a slice. */
const FLUSH_BYTES = 4096;

export class ConsoleBuffer {
  readonly #emit: (text: string, info: ConsoleInfo) => void;
  readonly #decoders = new Map<ConsoleSource, TextDecoder>();
  #source: ConsoleSource = 'serial0';
  #bytes: number[] = [];

  constructor(emit: (text: string, info: ConsoleInfo) => void) {
    this.#emit = emit;
  }

  /** Adds a byte; a change of source passes on what came before, so that the order is kept. */
  add(source: ConsoleSource, byte: number): void {
    if (source !== this.#source || this.#bytes.length >= FLUSH_BYTES) this.flush();
    this.#source = source;
    this.#bytes.push(byte);
  }

  /** Passes on what is there. An unfinished UTF-8 sequence waits in the decoder for its rest. */
  flush(): void {
    if (this.#bytes.length === 0) return;
    const bytes = Uint8Array.from(this.#bytes);
    this.#bytes = [];
    const decoder = this.#decoders.get(this.#source) ?? new TextDecoder();
    this.#decoders.set(this.#source, decoder);
    this.#emit(decoder.decode(bytes, { stream: true }), { source: this.#source, bytes });
  }
}
