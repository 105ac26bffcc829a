/** A disk in memory. */
import type { BlkBackend } from '../backends.ts';

export type { BlkBackend } from '../backends.ts';

/** A disk whose bytes are those of an image in memory. */
export class RamBackend implements BlkBackend {
  readonly isReadOnly: boolean;
  readonly #bytes: Uint8Array;

  /** Keeps `bytes`, whose length must be a multiple of 512 (RangeError). */
  constructor(bytes: Uint8Array, { isReadOnly = false } = {}) {
    if (bytes.length % 512 !== 0) throw new RangeError(`a disk of ${bytes.length} bytes: must be a multiple of 512`);
    this.#bytes = bytes;
    this.isReadOnly = isReadOnly;
  }

  get capacity(): number {
    return this.#bytes.length;
  }

  read(offset: number, into: Uint8Array): void {
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, from: Uint8Array): void {
    this.#bytes.set(from, offset);
  }

  flush(): void {}

  discard(offset: number, length: number): void {
    this.#bytes.fill(0, offset, offset + length);
  }

  writeZeroes(offset: number, length: number): void {
    this.#bytes.fill(0, offset, offset + length);
  }
}
