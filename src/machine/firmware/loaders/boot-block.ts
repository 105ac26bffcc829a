/** A block of bytes that a loader fills front to back and then puts into RAM; strings and tables refer to each other by address. */
export class BootBlock {
  readonly #base: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #used = 0;

  /** A block of `length` bytes that will lie at physical address `base`. */
  constructor(base: number, length: number) {
    this.#base = base;
    this.#bytes = new Uint8Array(length);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The physical address of the next byte. */
  get here(): number {
    return this.#base + this.#used;
  }

  /** Reserves `length` bytes and returns their physical address. */
  reserve(length: number, align = 1): number {
    this.#used = Math.ceil(this.#used / align) * align;
    const at = this.here;
    this.#used += length;
    if (this.#used > this.#bytes.length) {
      throw new RangeError(`boot block of ${this.#bytes.length} bytes cannot hold ${this.#used}`);
    }
    return at;
  }

  /** Appends a NUL-terminated string and returns its physical address. */
  string(text: string): number {
    const bytes = stringBytes(text);
    const at = this.reserve(bytes.length);
    this.#bytes.set(bytes, at - this.#base);
    return at;
  }

  u32(at: number, value: number): void {
    this.#view.setUint32(at - this.#base, value, true);
  }

  u64(at: number, value: number): void {
    this.#view.setBigUint64(at - this.#base, BigInt(value), true);
  }
}

/** The bytes of a string with its NUL. */
export function stringBytes(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
