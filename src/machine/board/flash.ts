/**
 * Flash chips below 4 GiB (`-drive if=pflash`): unit 0 ends there, so that the processor starts in it, and unit 1 lies
 * below unit 0. OVMF has its code in the one and its variables in the other.
 */
import type { Backends, BlkBackend } from '../../devices/backends.ts';
import { FIRMWARE_REGION } from './extra-memory.ts';

const FOUR_GIB = 0x1_0000_0000;
const PAGE = 0x1000;
const MOST_BYTES = 8 * 0x10_0000;

export interface FlashSpec {
  type: 'pflash';
  drive: string;
  unit?: number;
}

/** A chip, and where it lies. */
export interface FlashChip {
  unit: number;
  base: number;
  backend: BlkBackend;
}
export interface FlashImage extends FlashChip {
  bytes: Uint8Array;
}

/** The region that a unit lies in: the first is where firmware lies in any case. */
export const flashRegion = (unit: number): string => (unit === 0 ? FIRMWARE_REGION : `flash${unit}`);

/** The chips among `specs`, in the order of their units. Throws RangeError where their sizes or units are not possible. */
export function flashChips(specs: readonly { readonly type: string }[], drives: Backends['drives'] = {}): FlashChip[] {
  const chips: FlashChip[] = [];
  let end = FOUR_GIB;
  const wanted = specs.filter((spec): spec is FlashSpec => spec.type === 'pflash');
  for (const { drive, unit = 0 } of [...wanted].sort((a, b) => (a.unit ?? 0) - (b.unit ?? 0))) {
    const backend = Object.hasOwn(drives, drive) ? drives[drive] : undefined;
    if (!backend) throw new RangeError(`pflash: drive '${drive}' does not exist`);
    const { capacity } = backend;
    if (unit !== chips.length) throw new RangeError(`pflash: unit ${chips.length} is missing or there twice`);
    if (capacity === 0 || capacity % PAGE !== 0 || FOUR_GIB - end + capacity > MOST_BYTES) {
      throw new RangeError(
        `pflash unit ${unit}: ${capacity} bytes; multiples of ${PAGE} are possible, ${MOST_BYTES} for all units`,
      );
    }
    end -= capacity;
    chips.push({ unit, base: end, backend });
  }
  return chips;
}

/** What the chips hold. Throws as flashChips does. */
export async function readFlash(
  specs: readonly { readonly type: string }[],
  drives?: Backends['drives'],
): Promise<FlashImage[]> {
  const images: FlashImage[] = [];
  for (const chip of flashChips(specs, drives)) {
    const bytes = new Uint8Array(chip.backend.capacity);
    await chip.backend.read(0, bytes);
    images.push({ ...chip, bytes });
  }
  return images;
}
