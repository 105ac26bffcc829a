/**
 * Little-endian cursor over bytes.
 */
export class ByteReader {
  readonly name: string;
  position = 0;
  readonly #data: Uint8Array;
  readonly #view: DataView;

  constructor(data: Uint8Array, name: string) {
    this.name = name;
    this.#data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** Numbers of the bits set in a u8. */
  mask8(): number[] {
    return bitNumbers(this.u8());
  }

  /** Numbers of the bits set in a u16. */
  mask16(): number[] {
    return bitNumbers(this.u16());
  }

  /** A view of the next bytes, not a copy. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#data.subarray(start, start + length);
  }

  /** A view of bytes anywhere in the data. */
  slice(start: number, end: number): Uint8Array {
    return this.#data.subarray(start, end);
  }

  /** Latin-1 text. */
  text(length: number): string {
    return String.fromCharCode(...this.bytes(length));
  }

  #take(length: number): number {
    const start = this.position;
    if (start + length > this.#data.length) {
      throw new Error(`${this.name}: ends at byte ${this.#data.length}, ${length} bytes wanted at ${start}`);
    }
    this.position = start + length;
    return start;
  }
}

function bitNumbers(mask: number): number[] {
  const numbers: number[] = [];
  for (let k = 0; mask >> k; k++) if ((mask >> k) & 1) numbers.push(k);
  return numbers;
}
