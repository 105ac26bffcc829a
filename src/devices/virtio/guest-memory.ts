/**
 * Guest memory as a virtio device touches it: addresses are what the driver wrote, 64 bits wide and not to be trusted.
 * Whatever lies outside RAM is a GuestError; nothing else is ever thrown from here.
 */
import type { GuestMemory } from '../../core/types.ts';
import { NoAccess } from '../device.ts';

/** The driver broke a rule of the specification. The transport answers with DEVICE_NEEDS_RESET. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
}

/** Called after a device wrote to guest memory, so that decoded code there is forgotten (`Core.invalidateCode`). */
export type Wrote = (pa: number, length: number) => void;

export class DeviceMemory {
  readonly #memory: GuestMemory;
  readonly #wrote: Wrote;

  constructor(memory: GuestMemory, wrote: Wrote = () => {}) {
    this.#memory = memory;
    this.#wrote = wrote;
  }

  /** The bytes at a driver's address; not to be kept. Throws GuestError if any of them is outside RAM. */
  bytes(gpa: bigint, length: number): Uint8Array {
    if (gpa <= BigInt(Number.MAX_SAFE_INTEGER)) {
      try {
        return this.#memory.bytes(Number(gpa), length);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        if (error instanceof NoAccess) throw new GuestError(`gpa 0x${gpa.toString(16)}+${length}: ${error.message}`);
      }
    }
    throw new GuestError(
      `gpa 0x${gpa.toString(16)}+${length} is outside RAM (0x${this.#memory.size.toString(16)} bytes)`,
    );
  }

  /** Tells that a device changed what `bytes` gave it. */
  wrote(gpa: bigint, length: number): void {
    if (length > 0) this.#wrote(Number(gpa), length);
  }

  view(gpa: bigint, length: number): DataView {
    const bytes = this.bytes(gpa, length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  read16(gpa: bigint): number {
    return this.view(gpa, 2).getUint16(0, true);
  }

  write16(gpa: bigint, value: number): void {
    this.view(gpa, 2).setUint16(0, value, true);
    this.wrote(gpa, 2);
  }

  write32(gpa: bigint, value: number): void {
    this.view(gpa, 4).setUint32(0, value, true);
    this.wrote(gpa, 4);
  }
}
