/** What both versions of Multiboot share: modules, where they go, and what the loader is called. */

import { lowRam } from '../../../core/memory.ts';
import type { GuestMemory } from '../../../core/types.ts';
import type { MemoryLayout } from '../memory-layout.ts';

export const LOADER_NAME = 'vmlaunch';
export const KIB = 1024;
export const MIB = 0x10_0000;
/** Conventional memory below the extended BIOS data area, in KiB. */
export const LOWER_KIB = 639;

/** A file handed to the guest beside its kernel. */
export interface BootModule {
  bytes: Uint8Array;
  /** The module's name and arguments. */
  commandLine: string;
}

/** What a loader is told beside the image. */
export interface BootRequest {
  /** The kernel's name and arguments. */
  commandLine: string;
  modules: readonly BootModule[];
  /** Physical address of the ACPI root pointer, if the board has one. */
  rsdp?: number;
  /** There is a VGA in text mode. */
  hasVga?: boolean;
}

export interface PlacedModule {
  start: number;
  end: number;
  commandLine: string;
}

/** Copies the modules after the image, each on a page of its own. */
export function placeModules(
  memory: GuestMemory,
  layout: MemoryLayout,
  modules: readonly BootModule[],
): PlacedModule[] {
  return modules.map(({ bytes, commandLine }, index) => {
    const start = layout.placeHigh(`module ${index}`, bytes.length);
    memory.bytes(start, bytes.length).set(bytes);
    return { start, end: start + bytes.length, commandLine };
  });
}

/** Memory from 1 MiB up to the first hole, in KiB, as both versions report it. */
export function upperKib(ramBytes: number): number {
  return Math.max(0, Math.floor((lowRam(ramBytes) - MIB) / KIB));
}
