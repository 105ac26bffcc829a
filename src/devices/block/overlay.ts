/** A disk whose writes go to a file of their own, and are forgotten with it: what is below never changes. */
import type { ByteFile } from './byte-file.ts';
import type { Disk } from './disk.ts';

const CHUNK = 0x10000;

export class OverlayDisk implements Disk {
  readonly answersAtOnce = true;
  readonly isReadOnly = false;
  readonly capacity: number;
  readonly #base: Disk;
  readonly #scratch: ByteFile;
  /** Places in the scratch file of the chunks that were written. */
  readonly #places = new Map<number, number>();

  /** Fills `scratch` from its start, and closes it and `base` in the end. */
  constructor(base: Disk, scratch: ByteFile) {
    this.capacity = base.capacity;
    this.#base = base;
    this.#scratch = scratch;
  }

  read(offset: number, into: Uint8Array): void {
    this.#split(offset, into.length, (chunk, within, at, length) => {
      const part = into.subarray(at, at + length);
      const place = this.#places.get(chunk);
      if (place === undefined) this.#base.read(offset + at, part);
      else this.#scratch.read(place + within, part);
    });
  }

  write(offset: number, from: Uint8Array): void {
    this.#split(offset, from.length, (chunk, within, at, length) => {
      this.#scratch.write(this.#placeOf(chunk) + within, from.subarray(at, at + length));
    });
  }

  flush(): void {}

  discard(): void {}

  writeZeroes(offset: number, length: number): void {
    const zeros = new Uint8Array(Math.min(length, CHUNK));
    for (let at = 0; at < length; at += CHUNK) this.write(offset + at, zeros.subarray(0, Math.min(CHUNK, length - at)));
  }

  close(): void {
    try {
      this.#scratch.close();
    } finally {
      this.#base.close();
    }
  }

  /** Where the chunk is in the scratch file; it is brought there if need be. */
  #placeOf(chunk: number): number {
    let place = this.#places.get(chunk);
    if (place === undefined) {
      const bytes = new Uint8Array(Math.min(CHUNK, this.capacity - chunk * CHUNK));
      this.#base.read(chunk * CHUNK, bytes);
      place = this.#places.size * CHUNK;
      this.#scratch.write(place, bytes);
      this.#places.set(chunk, place);
    }
    return place;
  }

  #split(
    offset: number,
    length: number,
    use: (chunk: number, within: number, at: number, length: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const within = (offset + at) % CHUNK;
      const part = Math.min(CHUNK - within, length - at);
      use(Math.floor((offset + at) / CHUNK), within, at, part);
      at += part;
    }
  }
}
