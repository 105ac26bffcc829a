/**
 * Who lies where in guest RAM before the guest runs: the image, its modules and the tables a loader writes. Also the
 * memory map that is told to the guest.
 */
import { lowRam } from '../../core/memory.ts';
import { hex, ImageError } from './loaders/image-error.ts';

const PAGE = 0x1000;
const MIB = 0x10_0000;
/** The extended BIOS data area of a PC begins here: the end of conventional memory. */
export const CONVENTIONAL_END = 0x9_fc00;
const BIOS_START = 0xf_0000;

const FOUR_GIB = 0x1_0000_0000;

/** E820 and Multiboot types. */
export const MemoryType = { AVAILABLE: 1, RESERVED: 2 } as const;

export interface MemoryRange {
  base: number;
  length: number;
  type: number;
}

/** The map of a PC with `ramBytes` of memory. */
export function memoryMap(ramBytes: number): MemoryRange[] {
  const ranges = [
    { base: 0, length: CONVENTIONAL_END, type: MemoryType.AVAILABLE },
    { base: CONVENTIONAL_END, length: 0xa_0000 - CONVENTIONAL_END, type: MemoryType.RESERVED },
    { base: BIOS_START, length: MIB - BIOS_START, type: MemoryType.RESERVED },
  ];
  const low = lowRam(ramBytes);
  if (low > MIB) ranges.push({ base: MIB, length: low - MIB, type: MemoryType.AVAILABLE });
  if (ramBytes > low) ranges.push({ base: FOUR_GIB, length: ramBytes - low, type: MemoryType.AVAILABLE });
  return ranges;
}

interface Taken {
  what: string;
  start: number;
  end: number;
}

export class MemoryLayout {
  readonly ramBytes: number;
  readonly #taken: Taken[] = [];

  constructor(ramBytes: number) {
    this.ramBytes = ramBytes;
  }

  /** Claims exact addresses. Throws ImageError if they leave RAM or meet what is there. */
  take(what: string, start: number, length: number): void {
    if (length === 0) return;
    const end = start + length;
    const limit = lowRam(this.ramBytes);
    if (end > limit) {
      throw new ImageError(`${what} at ${hex(start)}+${hex(length)} is outside RAM (${hex(limit)} bytes)`);
    }
    const other = this.#meeting(start, end);
    if (other) {
      throw new ImageError(
        `${what} at ${hex(start)}+${hex(length)} overlaps ${other.what} at ${hex(other.start)}+${hex(other.end - other.start)}`,
      );
    }
    this.#taken.push({ what, start, end });
  }

  /** Claims exact addresses unless they leave RAM or meet what is there. Returns whether it did. */
  takeIfFree(what: string, start: number, length: number): boolean {
    if (start + length > lowRam(this.ramBytes) || this.#meeting(start, start + length)) return false;
    this.take(what, start, length);
    return true;
  }

  /** Finds room as high as possible in conventional memory, where the rarest guests write first; else above all else. */
  placeLow(what: string, length: number): number {
    const top = Math.min(CONVENTIONAL_END, this.ramBytes);
    for (let start = pageDown(top - length); start >= PAGE; ) {
      const other = this.#meeting(start, start + length);
      if (!other) {
        this.take(what, start, length);
        return start;
      }
      start = pageDown(other.start - length);
    }
    return this.placeHigh(what, length);
  }

  /** Finds page-aligned room after everything placed so far, from 1 MiB on. */
  placeHigh(what: string, length: number): number {
    const end = this.#taken.reduce((highest, taken) => Math.max(highest, taken.end), MIB);
    const start = Math.ceil(end / PAGE) * PAGE;
    this.take(what, start, length);
    return start;
  }

  #meeting(start: number, end: number): Taken | undefined {
    return this.#taken.find((taken) => start < taken.end && taken.start < end);
  }
}

const pageDown = (address: number): number => Math.floor(address / PAGE) * PAGE;
