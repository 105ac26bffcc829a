/** Where the bytes of an image lie: a file of the host, or memory. Offsets and lengths are in bytes, of any alignment. */
import { check, isBytes, isNumber, isObject } from '../../checks.ts';

export interface ByteFile {
  /** As messages call it. */
  readonly name: string;
  /** Equal for two openings of the same file, however it was named. */
  readonly id: string;
  readonly isReadOnly: boolean;
  readonly size: number;
  /** Keeps others from it until it is closed. Throws ImageError if another process has it. */
  lock?(): void;
  /** Fills the whole of `into`, with zeros beyond the end. */
  read(offset: number, into: Uint8Array): void;
  /** Behind the end the file grows. */
  write(offset: number, from: Uint8Array): void;
  /** Comes back when what was written is on the medium. */
  flush(): void;
  close(): void;
}

/** Whether a value is such a file. */
export const isFile = isObject(['read', 'write', 'flush', 'close'], { size: isNumber });

/** A file in memory, which grows by doubling. */
export class MemoryFile implements ByteFile {
  readonly name: string;
  readonly id: string;
  readonly isReadOnly: boolean;
  #bytes: Uint8Array;
  #size: number;

  /** Keeps `bytes` until it has to grow. */
  constructor(bytes: Uint8Array = new Uint8Array(0), { name = 'memory', isReadOnly = false } = {}) {
    check('MemoryFile', bytes, isBytes);
    this.name = name;
    this.id = name;
    this.isReadOnly = isReadOnly;
    this.#bytes = bytes;
    this.#size = bytes.length;
  }

  get size(): number {
    return this.#size;
  }

  /** The bytes as they are now; not to be kept. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  read(offset: number, into: Uint8Array): void {
    const found = this.bytes.subarray(offset, offset + into.length);
    into.set(found);
    into.fill(0, found.length);
  }

  write(offset: number, from: Uint8Array): void {
    const end = offset + from.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    this.#size = Math.max(this.#size, end);
    this.#bytes.set(from, offset);
  }

  flush(): void {}

  close(): void {}
}
