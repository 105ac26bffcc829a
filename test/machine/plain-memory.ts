/** Guest memory without a processor, for tests of what only writes to it. */
import type { GuestMemory } from '../../src/core/types.ts';

export class PlainMemory implements GuestMemory {
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(size: number, fill = 0) {
    this.size = size;
    this.#bytes = new Uint8Array(size).fill(fill);
  }

  bytes(pa: number, length: number): Uint8Array {
    if (pa < 0 || length < 0 || pa + length > this.size) throw new RangeError(`${pa}+${length} is outside RAM`);
    return this.#bytes.subarray(pa, pa + length);
  }

  u32(pa: number): number {
    return new DataView(this.#bytes.buffer).getUint32(pa, true);
  }

  u64(pa: number): number {
    return Number(new DataView(this.#bytes.buffer).getBigUint64(pa, true));
  }

  /** The NUL-terminated string at `pa`. */
  string(pa: number): string {
    return new TextDecoder().decode(this.#bytes.subarray(pa, this.#bytes.indexOf(0, pa)));
  }
}
