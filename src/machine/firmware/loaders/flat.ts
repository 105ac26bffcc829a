/** A flat binary: bytes at an address, entered at their start or where told, in the mode told. */
import type { GuestMemory } from '../../../core/types.ts';
import type { BootMode, BootState } from '../boot-state.ts';
import type { MemoryLayout } from '../memory-layout.ts';
import { hex, ImageError } from './image-error.ts';

export interface FlatOptions {
  /** Physical address of the first byte. */
  address: number;
  mode: BootMode;
  /** Physical address of the first instruction; the image's start if absent. */
  entry?: number;
}

/** Copies the image and returns how to enter it. Throws ImageError if it is empty or leaves RAM. */
export function loadFlat(
  memory: GuestMemory,
  layout: MemoryLayout,
  image: Uint8Array,
  { address, mode, entry = address }: FlatOptions,
): BootState {
  if (image.length === 0) throw new ImageError('the flat image is empty');
  layout.take('the flat image', address, image.length);
  if (entry < address || entry >= address + image.length) {
    throw new ImageError(
      `the entry ${hex(entry)} is outside the flat image ${hex(address)} to ${hex(address + image.length)}`,
    );
  }
  memory.bytes(address, image.length).set(image);
  return { mode, entry };
}
