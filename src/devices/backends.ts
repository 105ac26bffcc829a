/**
 * What devices stand on outside of the machine: disks, networks and character streams, as plain objects that outlive a
 * reset of the machine. Backends that answer later do so by promises or callbacks, never within the guest's access.
 */
import type { NetBackend } from '../net/backend.ts';

export type { NetBackend };

/**
 * A disk: a run of bytes of fixed length. Offsets and lengths are in bytes, multiples of 512, and within the capacity:
 * the device checks them. A method that throws, or whose promise is rejected, fails the request.
 */
export interface BlkBackend {
  /** Bytes; a multiple of 512. */
  readonly capacity: number;
  readonly isReadOnly: boolean;
  /** True if no method returns a promise, and none needs multiples of 512: it is given windows of guest memory. */
  readonly answersAtOnce?: boolean;
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

/** A stream of bytes in both directions. */
export interface CharBackend {
  /** The guest wrote; the bytes are the backend's to keep. */
  write(bytes: Uint8Array): void;
  /** Hands bytes for the guest to `receive`, until the function that comes back is called. One device at a time. */
  connect(receive: (bytes: Uint8Array) => void): () => void;
}

/** The backends of a machine by their ids. */
export interface Backends {
  drives?: Readonly<Record<string, BlkBackend>>;
  netdevs?: Readonly<Record<string, NetBackend>>;
  chardevs?: Readonly<Record<string, CharBackend>>;
}
