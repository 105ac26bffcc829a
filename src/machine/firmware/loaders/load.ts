/** Finds out what a kernel image is and loads it. */
import type { GuestMemory } from '../../../core/types.ts';
import type { BootState } from '../boot-state.ts';
import type { MemoryLayout } from '../memory-layout.ts';
import { isElf, loadElf, parseElf } from './elf.ts';
import { type FlatOptions, loadFlat } from './flat.ts';
import { ImageError } from './image-error.ts';
import { type LinuxBoot, loadLinux } from './linux.ts';
import type { BootRequest } from './multiboot.ts';
import { findMultiboot1, loadMultiboot1 } from './multiboot1.ts';
import { findMultiboot2, loadMultiboot2 } from './multiboot2.ts';
import { loadPvh, pvhEntry } from './pvh.ts';
import { isLinux } from './setup-header.ts';

export interface LoadRequest extends BootRequest {
  /** The command line without the kernel's name, which Linux would take for an argument. */
  append: string;
  /** Where a flat image goes; other images say so themselves. */
  flat?: FlatOptions;
  /** The kernel that lay compressed in a bzImage. */
  unpacked?: Uint8Array;
  linuxBoot?: LinuxBoot;
}

/** Loads `image` by its own format, or as a flat binary if `flat` is given. Throws ImageError with the reason. */
export function loadImage(
  memory: GuestMemory,
  layout: MemoryLayout,
  image: Uint8Array,
  request: LoadRequest,
): BootState {
  if (request.flat) return loadFlat(memory, layout, image, request.flat);
  const first = findMultiboot1(image);
  if (first) return loadMultiboot1(memory, layout, image, first, request);
  const second = findMultiboot2(image);
  if (second) return loadMultiboot2(memory, layout, image, second, request);
  if (isElf(image)) {
    const elf = parseElf(image);
    const entry = pvhEntry(elf);
    if (entry !== undefined) {
      return loadPvh(memory, layout, image, elf, entry, { ...request, commandLine: request.append });
    }
    loadElf(memory, layout, image, elf);
    return { mode: elf.bits, entry: elf.entry };
  }
  if (isLinux(image)) return loadLinux(memory, layout, image, { ...request, commandLine: request.append });
  throw new ImageError(
    `unknown image format (${image.length} bytes): known are Multiboot 1 and 2, Linux bzImage, ELF32, ELF64, and flat with an address`,
  );
}
