/** The balloon, for the embedder: how much memory the guest is to keep, and what became of it. Outlives resets. */
import type { GuestMemory } from '../../core/types.ts';
import { VirtioBalloon } from '../../devices/virtio/balloon.ts';
import { type Doors, NO_DOORS } from '../../doors.ts';
import { copyOf, type Saved } from '../../saved.ts';
import { type PageStates, ReturnedPages } from './returned-pages.ts';

const PAGE = 4096;
/** virtio 1.2, 5.5.6.4 "Memory Statistics Tags". */
const STATISTICS = ['swapIn', 'swapOut', 'majorFaults', 'minorFaults', 'free', 'total', 'available', 'caches'] as const;

export type BalloonStatistics = Partial<Record<(typeof STATISTICS)[number], number>>;

export interface BalloonFigures {
  /** Bytes that the guest is asked to keep. */
  target: number;
  /** Bytes in the balloon, as the guest says. */
  actual: number;
  /** Bytes given back by the balloon, and by the guest's reports of free pages. */
  ballooned: number;
  reported: number;
  /** What the guest told last; counts, or bytes. */
  statistics: BalloonStatistics;
}

/** The size asked for (null for none), the pages that came back, and what the guest told last. */
export type BalloonState = {
  target: number | null;
  pages: PageStates;
  statistics: { [name: string]: number };
};

export class BalloonControl implements Saved<BalloonState> {
  #device: VirtioBalloon | null = null;
  #pages: ReturnedPages | null = null;
  #ramBytes = 0;
  #target = Number.POSITIVE_INFINITY;
  #statistics: BalloonStatistics = {};
  readonly #setTarget: (bytes: number) => void;
  readonly #ask: () => boolean;

  constructor(doors: Doors = NO_DOORS) {
    this.#setTarget = doors.door('balloon.target', (bytes: number) => {
      this.#target = bytes;
      this.#apply();
    });
    this.#ask = doors.door('balloon.statistics', () => this.#must().requestStats());
  }

  /** For the machine: a new device. */
  connect(memory: GuestMemory, wrote: (pa: number, length: number) => void, withhold: bigint): VirtioBalloon {
    const pages = new ReturnedPages(memory, wrote);
    this.#ramBytes = memory.size;
    this.#statistics = {};
    this.#pages = pages;
    this.#device = new VirtioBalloon({
      memory,
      withhold,
      inflate: (pa) => pages.inflate(pa),
      deflate: (pa) => pages.deflate(pa),
      report: (pa, length) => pages.report(pa, length),
      stats: (values) => this.#take(values),
    });
    this.#apply();
    return this.#device;
  }

  save(): BalloonState {
    const target = Number.isFinite(this.#target) ? this.#target : null;
    return { target, pages: this.#pages?.save() ?? [], statistics: { ...this.#statistics } };
  }

  /** The device's own configuration, with the number of pages, is put back with the device. */
  load({ target, pages, statistics }: BalloonState): void {
    this.#target = target ?? Number.POSITIVE_INFINITY;
    this.#pages?.load(pages);
    this.#statistics = copyOf(statistics);
  }

  /** Whether the machine has a balloon. */
  get isThere(): boolean {
    return this.#device !== null;
  }

  /** Asks the guest to make do with `bytes` of memory. Throws RangeError if that is impossible. */
  target(bytes: number): void {
    this.#must();
    if (!Number.isFinite(bytes) || bytes < 0 || bytes > this.#ramBytes) {
      throw new RangeError(`balloon target ${bytes} is not possible: 0 to ${this.#ramBytes} bytes`);
    }
    this.#setTarget(bytes);
  }

  /** Asks the guest for fresh statistics. Returns false if its driver is not ready. */
  askStatistics(): boolean {
    return this.#ask();
  }

  get figures(): BalloonFigures {
    const target = Math.min(this.#target, this.#ramBytes);
    const returned = this.#pages?.figures() ?? { ballooned: 0, reported: 0 };
    return { target, actual: this.#must().actual * PAGE, ...returned, statistics: { ...this.#statistics } };
  }

  #apply(): void {
    const target = Math.min(this.#target, this.#ramBytes);
    this.#device?.setTarget(Math.floor((this.#ramBytes - target) / PAGE));
  }

  #must(): VirtioBalloon {
    if (!this.#device) throw new RangeError('this machine has no balloon: add the device virtio-balloon');
    return this.#device;
  }

  #take(values: ReadonlyMap<number, bigint>): void {
    this.#statistics = {};
    for (const [tag, value] of values) if (STATISTICS[tag]) this.#statistics[STATISTICS[tag]] = Number(value);
  }
}
