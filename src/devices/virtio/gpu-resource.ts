/** A picture that the driver keeps at the host: its pixels here, and the guest's memory behind it. */
import { ENTRY_BYTES, GpuError, isWithin, type Rect, Response } from './gpu-spec.ts';
import { type DeviceMemory, GuestError } from './guest-memory.ts';

export const PIXEL_BYTES = 4;
const OPAQUE = 0xff00_0000;
/** 5.7.6.8 "Device Operation: controlq": formats, each with the bytes where red, green, blue and alpha are. */
const FORMATS: Readonly<Record<number, readonly [red: number, green: number, blue: number, alpha: number | null]>> = {
  1: [2, 1, 0, 3],
  2: [2, 1, 0, null],
  3: [1, 2, 3, 0],
  4: [1, 2, 3, null],
  67: [0, 1, 2, 3],
  68: [3, 2, 1, null],
  121: [3, 2, 1, 0],
  134: [0, 1, 2, null],
};
/** Linux gives an entry per page at worst; QEMU takes no more either. */
const MAX_ENTRIES = 16_384;

/** Guest memory in pieces: where each begins among all bytes, and in memory. */
interface Backing {
  starts: Float64Array;
  gpas: BigUint64Array;
  bytes: number;
}

/** A picture, and the pieces of guest memory behind it in order. */
export type ResourceState = {
  format: number;
  width: number;
  height: number;
  pixels: Uint8Array;
  backing: { gpa: bigint; length: number }[] | null;
};

export class GpuResource {
  readonly format: number;
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
  readonly #order: (typeof FORMATS)[number];
  #backing: Backing | null = null;

  /** Throws GpuError for an unknown format. */
  constructor(format: number, width: number, height: number) {
    const order = FORMATS[format];
    if (!order) throw new GpuError(Response.ERR_INVALID_PARAMETER);
    this.#order = order;
    this.format = format;
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array(width * height * PIXEL_BYTES);
  }

  save(): ResourceState {
    const { format, width, height, pixels } = this;
    return { format, width, height, pixels: pixels.slice(), backing: this.#backing && piecesOf(this.#backing) };
  }

  /** The resource that was saved. */
  static of({ format, width, height, pixels, backing }: ResourceState): GpuResource {
    const resource = new GpuResource(format, width, height);
    resource.pixels.set(pixels);
    if (backing) {
      resource.#backing = {
        starts: new Float64Array(backing.length),
        gpas: new BigUint64Array(backing.length),
        bytes: 0,
      };
      for (const [n, { gpa, length }] of backing.entries()) {
        resource.#backing.starts[n] = resource.#backing.bytes;
        resource.#backing.gpas[n] = gpa;
        resource.#backing.bytes += length;
      }
    }
    return resource;
  }

  get hasBacking(): boolean {
    return this.#backing !== null;
  }

  /** Bytes of ours that the list of the backing takes. */
  get backingCost(): number {
    return this.#backing ? this.#backing.gpas.length * ENTRY_BYTES : 0;
  }

  /** Takes `entries` as guest memory. Throws GpuError if any is not RAM. */
  attach(memory: DeviceMemory, count: number, entries: DataView): void {
    if (count === 0 || count > MAX_ENTRIES || entries.byteLength < count * ENTRY_BYTES) {
      throw new GpuError(Response.ERR_UNSPEC);
    }
    const starts = new Float64Array(count);
    const gpas = new BigUint64Array(count);
    let bytes = 0;
    for (let n = 0; n < count; n++) {
      starts[n] = bytes;
      gpas[n] = entries.getBigUint64(n * ENTRY_BYTES, true);
      const length = entries.getUint32(n * ENTRY_BYTES + 8, true);
      guarded(() => memory.bytes(gpas[n], length));
      bytes += length;
    }
    this.#backing = { starts, gpas, bytes };
  }

  detach(): void {
    this.#backing = null;
  }

  /** Throws GpuError if a transfer of `rect` from `offset` of the backing on is not possible. */
  checkTransfer(rect: Rect, offset: number): void {
    if (!this.#backing) throw new GpuError(Response.ERR_UNSPEC);
    if (!isWithin(rect, this.width, this.height)) throw new GpuError(Response.ERR_INVALID_PARAMETER);
    const end = offset + PIXEL_BYTES * (this.width * (rect.height - 1) + rect.width);
    if (end > this.#backing.bytes) throw new GpuError(Response.ERR_INVALID_PARAMETER);
  }

  /** Copies a band of `rect` from the guest, where the first pixel of `rect` is at `offset` of the backing. */
  transfer(memory: DeviceMemory, rect: Rect, offset: number, band: Rect = rect): void {
    this.checkTransfer(rect, offset);
    const backing = this.#backing as Backing;
    const pitch = this.width * PIXEL_BYTES;
    const line = rect.width * PIXEL_BYTES;
    const [rows, length] = line === pitch ? [1, pitch * band.height] : [band.height, line];
    const first = band.y * pitch + band.x * PIXEL_BYTES;
    const from = offset + (band.y - rect.y) * pitch;
    for (let row = 0; row < rows; row++) {
      const at = first + row * pitch;
      this.#fetch(memory, backing, from + row * pitch, this.pixels.subarray(at, at + length));
    }
  }

  /** Draws `rect` at the same place of a picture of red, green, blue and `alpha`, moved by `-left` and `-top`. */
  draw(rect: Rect, to: Uint8Array, toWidth: number, left: number, top: number): void {
    const [red, green, blue] = this.#order.map((byte) => 8 * (byte as number));
    const source = new Uint32Array(this.pixels.buffer);
    const target = new Uint32Array(to.buffer, to.byteOffset, to.length / PIXEL_BYTES);
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      let from = y * this.width + rect.x;
      let at = (y - top) * toWidth + rect.x - left;
      for (const end = from + rect.width; from < end; from++, at++) {
        const pixel = source[from];
        target[at] =
          ((pixel >>> red) & 0xff) | (((pixel >>> green) & 0xff) << 8) | (((pixel >>> blue) & 0xff) << 16) | OPAQUE;
      }
    }
  }

  /** Lays the whole over a picture, its corner at `left` and `top`, as a pointer: by its alpha. */
  blend(to: Uint8ClampedArray, toWidth: number, toHeight: number, left: number, top: number): void {
    const [red, green, blue, alpha] = this.#order;
    for (let y = Math.max(0, -top); y < this.height && top + y < toHeight; y++) {
      for (let x = Math.max(0, -left); x < this.width && left + x < toWidth; x++) {
        const from = (y * this.width + x) * PIXEL_BYTES;
        const at = ((top + y) * toWidth + left + x) * PIXEL_BYTES;
        const part = alpha === null ? 1 : this.pixels[from + alpha] / 255;
        for (const [n, byte] of [red, green, blue].entries())
          to[at + n] += (this.pixels[from + byte] - to[at + n]) * part;
      }
    }
  }

  #fetch(memory: DeviceMemory, { starts, gpas, bytes }: Backing, offset: number, to: Uint8Array): void {
    let low = 0;
    let high = starts.length;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= offset) low = middle;
      else high = middle;
    }
    for (let done = 0, n = low; done < to.length; n++) {
      const skip = offset + done - starts[n];
      const part = Math.min((starts[n + 1] ?? bytes) - starts[n] - skip, to.length - done);
      if (part > 0)
        to.set(
          guarded(() => memory.bytes(gpas[n] + BigInt(skip), part)),
          done,
        );
      done += Math.max(0, part);
    }
  }
}

const piecesOf = ({ starts, gpas, bytes }: Backing): { gpa: bigint; length: number }[] =>
  Array.from(gpas, (gpa, n) => ({ gpa, length: (starts[n + 1] ?? bytes) - starts[n] }));

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof GuestError) throw new GpuError(Response.ERR_UNSPEC);
    throw error;
  }
}
