/** A raw image: the disk is the file, byte by byte. The last sector is filled up with zeros. */
import { check, checkOptions, isBytes, isFlag } from '../../checks.ts';
import { isZero } from '../is-zero.ts';
import { type ByteFile, MemoryFile } from './byte-file.ts';
import type { Disk } from './disk.ts';

const SECTOR = 512;
const CHUNK = 0x10000;
const ZEROS = new Uint8Array(CHUNK);
/** What other formats begin with. */
const QCOW2_MAGIC = 0x514649fb;

export interface RawOptions {
  isReadOnly?: boolean;
  /**
   * The format was guessed: a guest that wrote the first bytes of another format would have its disk taken for an image
   * with backing files of its choice the next time. Such writes fail.
   */
  isGuessed?: boolean;
}

export class RawDisk implements Disk {
  readonly answersAtOnce = true;
  readonly capacity: number;
  readonly isReadOnly: boolean;
  readonly #file: ByteFile;
  readonly #isGuessed: boolean;

  constructor(file: ByteFile, { isReadOnly = false, isGuessed = false }: RawOptions = {}) {
    this.#file = file;
    this.capacity = Math.ceil(file.size / SECTOR) * SECTOR;
    this.isReadOnly = isReadOnly || file.isReadOnly;
    this.#isGuessed = isGuessed;
  }

  read(offset: number, into: Uint8Array): void {
    this.#file.read(offset, into);
  }

  write(offset: number, from: Uint8Array): void {
    if (this.#isGuessed && offset < 4) this.#refuseMagic(offset, from);
    this.#file.write(offset, from);
  }

  flush(): void {
    if (!this.isReadOnly) this.#file.flush();
  }

  /** There is no way to give back a part of a file. */
  discard(): void {}

  /** Writes only where there is something else: reading a hole is cheap, filling it is not. */
  writeZeroes(offset: number, length: number): void {
    const found = new Uint8Array(Math.min(length, CHUNK));
    for (let at = 0; at < length; at += CHUNK) {
      const part = found.subarray(0, Math.min(CHUNK, length - at));
      this.#file.read(offset + at, part);
      if (!isZero(part)) this.#file.write(offset + at, ZEROS.subarray(0, part.length));
    }
  }

  close(): void {
    try {
      this.flush();
    } finally {
      this.#file.close();
    }
  }

  #refuseMagic(offset: number, from: Uint8Array): void {
    const start = new Uint8Array(4);
    this.#file.read(0, start);
    start.set(from.subarray(0, 4 - offset), offset);
    if (new DataView(start.buffer).getUint32(0) === QCOW2_MAGIC) {
      throw new Error(
        `${this.#file.name}: the guest writes a qcow2 header; name the format with format=raw to allow it`,
      );
    }
  }
}

/** A raw disk in memory. Keeps `bytes`, whose length must be a multiple of 512 (RangeError). */
export function ramDisk(bytes: Uint8Array, options: RawOptions = {}): RawDisk {
  check('ramDisk', bytes, isBytes);
  checkOptions('ramDisk', options, { isReadOnly: isFlag, isGuessed: isFlag });
  if (bytes.length % SECTOR !== 0) throw new RangeError(`a disk of ${bytes.length} bytes: must be a multiple of 512`);
  return new RawDisk(new MemoryFile(bytes), options);
}
