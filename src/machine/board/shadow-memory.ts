/**
 * The 256 KiB below 1 MiB, where a PC has firmware in ROM and RAM in its shadow: registers of the host bridge say, part by
 * part, which of them is read and whether writes reach the RAM. Processors know by their memory slots; only writes to RAM
 * that is not read come here.
 */
import type { Core, GuestMemory, ShadowRange, Width } from '../../core/types.ts';
import type { Face } from '../../devices/device.ts';
import type { ShadowArea } from '../../devices/pci/host-bridge.ts';
import type { ExtraRegion } from './extra-memory.ts';

export const SHADOW_BASE = 0xc_0000;
export const SHADOW_BYTES = 0x4_0000;
const MIB = 0x10_0000;
/** So much of the end of a firmware image appears below 1 MiB too, where the processor jumps to first. */
export const MOST_LOW_ROM = 0x2_0000;
const ALL_ONES = [0, 0xff, 0xffff, 0, 0xffff_ffff] as const;

export interface ShadowParts {
  cores: readonly Core[];
  memory: GuestMemory;
  /** Guest RAM was written. */
  wrote: (pa: number, length: number) => void;
  /** Firmware that is read where RAM is not. */
  rom: ExtraRegion | null;
}

/** Its areas are what the host bridge says. */
export class ShadowMemory implements Face {
  readonly stateOf = null;
  readonly maxWidth = 4;
  readonly #parts: ShadowParts;
  #areas: readonly ShadowArea[] = [];

  constructor(parts: ShadowParts) {
    this.#parts = parts;
  }

  /** Says what each part is now. */
  set(areas: readonly ShadowArea[]): void {
    const wasAllRam = this.#isAllRam;
    this.#areas = areas;
    if (!wasAllRam || !this.#isAllRam) this.#place();
  }

  read(_offset: number, width: Width): number {
    return ALL_ONES[width];
  }

  write(offset: number, width: Width, value: number): void {
    for (let n = 0; n < width; n++) {
      const pa = SHADOW_BASE + offset + n;
      const area = this.#areas.find(({ start, end }) => pa >= start && pa < end);
      if (!area?.isWritten) continue;
      this.#parts.memory.bytes(pa, 1)[0] = value >>> (8 * n);
      this.#parts.wrote(pa, 1);
    }
  }

  get #isAllRam(): boolean {
    return this.#areas.every(({ isRead, isWritten }) => isRead && isWritten);
  }

  #place(): void {
    const ranges = this.#isAllRam ? null : this.#areas.flatMap((area) => this.#range(area) ?? []);
    for (const core of this.#parts.cores) core.memoryMap?.shadow(ranges);
  }

  /** What processors find at an area: RAM, the part of it where ROM lies, or nothing. */
  #range({ start, end, isRead, isWritten }: ShadowArea): ShadowRange | null {
    if (isRead) return { pa: start, length: end - start, source: 'ram', isWritable: isWritten };
    const { rom } = this.#parts;
    if (!rom) return null;
    const pa = Math.max(start, MIB - Math.min(rom.length, MOST_LOW_ROM));
    if (end <= pa) return null;
    return { pa, length: end - pa, source: rom.offset + rom.length - (MIB - pa), isWritable: false };
  }
}
