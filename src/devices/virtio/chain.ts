/**
 * A buffer that the driver made available, as the device sees it: windows of guest memory, the device-readable ones
 * first. Every window was checked against RAM when the chain was popped, and descriptors were read once: what the driver
 * changes afterwards changes nothing here.
 */
import { type DeviceMemory, GuestError } from './guest-memory.ts';

/** One element of a buffer. */
export class Window {
  readonly gpa: bigint;
  readonly length: number;
  readonly deviceWritable: boolean;
  readonly #memory: DeviceMemory;

  /** `wasChecked`: it is put back as it was. */
  constructor(memory: DeviceMemory, gpa: bigint, length: number, deviceWritable: boolean, wasChecked = false) {
    if (!wasChecked) memory.bytes(gpa, length);
    this.#memory = memory;
    this.gpa = gpa;
    this.length = length;
    this.deviceWritable = deviceWritable;
  }

  /** The bytes themselves; not to be kept over a return to the guest. */
  get data(): Uint8Array {
    return this.#memory.bytes(this.gpa, this.length);
  }

  /** To be called after a change of `data`. */
  wrote(offset: number, length: number): void {
    this.#memory.wrote(this.gpa + BigInt(offset), length);
  }
}

/** A chain in flight. */
export type ChainState = {
  id: number;
  slots: number;
  readAt: number;
  writeAt: number;
  buffers: { gpa: bigint; length: number; deviceWritable: boolean }[];
};

/** virtio 1.2, 2.7.5.1 "Driver Requirements: The Virtqueue Descriptor Table": no chain is longer in total. */
const MAX_CHAIN_BYTES = 2 ** 32;

export class Chain {
  /** Index of the first descriptor (split) or the buffer ID (packed). */
  readonly id: number;
  readonly buffers: readonly Window[];
  /** Places that the chain takes in the ring. */
  readonly slots: number;
  /** Device-readable and device-writable bytes in all. */
  readonly readable: number = 0;
  readonly writable: number = 0;
  #readAt = 0;
  #writeAt = 0;
  #isRevoked = false;

  /** Throws GuestError if a device-readable window follows a device-writable one, or there are too many bytes. */
  constructor(id: number, buffers: readonly Window[], slots: number) {
    this.id = id;
    this.buffers = buffers;
    this.slots = slots;
    for (const { length, deviceWritable } of buffers) {
      if (deviceWritable) this.writable += length;
      else if (this.writable > 0) throw new GuestError(`chain ${id} has a device-readable buffer after a writable one`);
      else this.readable += length;
    }
    const total = this.readable + this.writable;
    if (total > MAX_CHAIN_BYTES)
      throw new GuestError(`chain ${id} has ${total} bytes; the limit is ${MAX_CHAIN_BYTES}`);
  }

  save(): ChainState {
    const buffers = this.buffers.map(({ gpa, length, deviceWritable }) => ({ gpa, length, deviceWritable }));
    return { id: this.id, slots: this.slots, readAt: this.#readAt, writeAt: this.#writeAt, buffers };
  }

  /** The chain that was saved: it was checked when it was made. */
  static of(memory: DeviceMemory, { id, slots, readAt, writeAt, buffers }: ChainState): Chain {
    const windows = buffers.map(
      ({ gpa, length, deviceWritable }) => new Window(memory, gpa, length, deviceWritable, true),
    );
    const chain = new Chain(id, windows, slots);
    chain.#readAt = readAt;
    chain.#writeAt = writeAt;
    return chain;
  }

  /** Device-readable bytes not read yet. */
  get unread(): number {
    return this.readable - this.#readAt;
  }

  /** Device-writable bytes written or skipped. */
  get written(): number {
    return this.#writeAt;
  }

  /** A copy of the next `length` device-readable bytes, fewer if the chain ends. */
  read(length: number): Uint8Array {
    const out = new Uint8Array(Math.min(length, this.unread));
    this.gather(out.length, (data, at) => out.set(data, at));
    return out;
  }

  /** Writes the next device-writable bytes. Returns how many found room. */
  write(bytes: Uint8Array): number {
    const length = Math.min(bytes.length, this.writable - this.#writeAt);
    this.scatter(length, (data, at) => data.set(bytes.subarray(at, at + data.length)));
    return length;
  }

  /** Shows the next `length` device-readable bytes where they lie, in slices, each with its place among them. */
  gather(length: number, use: (data: Uint8Array, at: number) => void): void {
    this.#visit(false, this.#readAt, length, use);
    this.#readAt += length;
  }

  /** Lets the next `length` device-writable bytes be filled where they lie, in slices, each with its place among them. */
  scatter(length: number, fill: (data: Uint8Array, at: number) => void): void {
    this.#visit(true, this.#writeAt, length, fill);
    this.#writeAt += length;
  }

  /** Leaves up to `length` device-writable bytes as they are. Returns how many there were. */
  skip(length: number): number {
    const room = Math.min(length, this.writable - this.#writeAt);
    this.#writeAt += room;
    return room;
  }

  /** The queue was reset: from now on reads find zeros and writes go nowhere, for the memory is the driver's again. */
  revoke(): void {
    this.#isRevoked = true;
  }

  /** Hands out the slices that make up `length` bytes from `start`. */
  #visit(writable: boolean, start: number, length: number, use: (data: Uint8Array, at: number) => void): void {
    if (this.#isRevoked) return;
    let skip = start;
    let done = 0;
    for (const window of this.buffers) {
      if (window.deviceWritable !== writable) continue;
      if (done === length) return;
      if (skip >= window.length) {
        skip -= window.length;
        continue;
      }
      const part = Math.min(window.length - skip, length - done);
      if (writable) window.wrote(skip, part);
      use(window.data.subarray(skip, skip + part), done);
      done += part;
      skip = 0;
    }
  }
}
