/** The initial RAM disk of Linux: where it goes, and how far up a kernel takes it. */
import type { GuestMemory } from '../../../core/types.ts';
import type { MemoryLayout } from '../memory-layout.ts';
import { hex, ImageError } from './image-error.ts';
import type { BootModule } from './multiboot.ts';

const ALIGN = 4;

/** Puts archives one after the other, each on a multiple of four bytes, as Linux unpacks them. */
export function placeInitrd(
  memory: GuestMemory,
  layout: MemoryLayout,
  modules: readonly BootModule[],
): { start: number; end: number } | null {
  let size = 0;
  const places = modules.map(({ bytes }) => {
    const at = Math.ceil(size / ALIGN) * ALIGN;
    size = at + bytes.length;
    return at;
  });
  if (size === 0) return null;
  const start = layout.placeHigh('the initial RAM disk', size);
  const target = memory.bytes(start, size);
  target.fill(0);
  for (const [index, { bytes }] of modules.entries()) target.set(bytes, places[index]);
  return { start, end: start + size };
}

/** Throws ImageError if the archive ends above `last`, the last address at which a kernel takes it. */
export function checkInitrd({ start, end }: { start: number; end: number }, last: number): void {
  if (end - 1 > last) {
    throw new ImageError(
      `the initial RAM disk at ${hex(start)}+${hex(end - start)} ends above ${hex(last)}, the last address that this kernel takes it at`,
    );
  }
}
