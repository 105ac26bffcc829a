/**
 * Memory beside RAM, shared out by name: video memory, firmware. A region is asked for while the machine is planned,
 * before there are processors, and again by the same name whenever the board is built; where it appears is said then.
 */
import type { Core } from '../../core/types.ts';
import type { Saved } from '../../saved.ts';

const PAGE = 0x1000;
/** The name of the region that firmware lies in. */
export const FIRMWARE_REGION = 'firmware';

/** Bytes that appear at a physical address of the machine's choice. */
export interface ExtraRegion {
  /** Where it begins among all regions, and its bytes in whole pages. */
  readonly offset: number;
  readonly length: number;
  /** A view; not to be kept, and empty before there are processors. */
  bytes(): Uint8Array;
  /** Lets the region appear at `pa`, page-aligned, or nowhere for null. RAM has precedence. */
  place(pa: number | null, access: 'ram' | 'rom'): void;
}

type Place = { pa: number | null; access: 'ram' | 'rom' };

interface Region extends ExtraRegion {
  readonly where: Place;
  connect(): void;
}

/** The state is where the regions appear; their bytes are memory as RAM is. */
export class ExtraMemory implements Saved<{ [name: string]: Place }> {
  readonly #regions = new Map<string, Region>();
  #cores: readonly Core[] = [];

  /** All regions together. */
  get size(): number {
    return [...this.#regions.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** The region called `name`, made where there is none; `length` is rounded up to pages. It is nowhere at first. */
  region(name: string, length: number): ExtraRegion {
    const region = this.#regions.get(name) ?? this.#make(Math.ceil(length / PAGE) * PAGE);
    this.#regions.set(name, region);
    region.place(null, 'ram');
    return region;
  }

  /** The processors are there, with `size` bytes: regions take their places. */
  connect(cores: readonly Core[]): void {
    this.#cores = cores;
    for (const region of this.#regions.values()) region.connect();
  }

  save(): { [name: string]: Place } {
    return Object.fromEntries([...this.#regions].map(([name, { where }]) => [name, { ...where }]));
  }

  load(places: { [name: string]: Place }): void {
    for (const [name, { pa, access }] of Object.entries(places)) this.#regions.get(name)?.place(pa, access);
  }

  #make(length: number): Region {
    const slot = this.#regions.size;
    const offset = this.size;
    const where: Place = { pa: null, access: 'ram' };
    const connect = (): void => {
      const { pa, access } = where;
      for (const core of this.#cores) core.memoryMap?.mapExtra(slot, pa ?? 0, offset, pa === null ? 0 : length, access);
    };
    return {
      offset,
      length,
      where,
      connect,
      bytes: () => this.#cores[0]?.memoryMap?.extra.subarray(offset, offset + length) ?? new Uint8Array(),
      place: (pa, as) => {
        Object.assign(where, { pa, access: as });
        connect();
      },
    };
  }
}
