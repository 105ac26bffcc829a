/**
 * What a block device stands on: a run of bytes of fixed length. Offsets and lengths are in bytes, multiples of 512, and
 * within the capacity: the device checks them. A method that throws, or whose promise is rejected, fails the request.
 */
export interface BlkBackend {
  /** Bytes; a multiple of 512. */
  readonly capacity: number;
  readonly isReadOnly: boolean;
  /** Fills the whole of `into`. */
  read(offset: number, into: Uint8Array): void | Promise<void>;
  write(offset: number, from: Uint8Array): void | Promise<void>;
  /** Comes back when everything written before is where a crash of this process cannot lose it. */
  flush(): void | Promise<void>;
  /** The contents are not needed any more; what they read as afterwards is the backend's choice. */
  discard(offset: number, length: number): void | Promise<void>;
  /** `mayUnmap`: the range may be deallocated, as long as it reads as zeros. */
  writeZeroes(offset: number, length: number, mayUnmap: boolean): void | Promise<void>;
}

/** A disk in memory, with the bytes of an image where there is one. */
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
