/**
 * Traditional memory balloon (virtio 1.2, 5.5 "Traditional Memory Balloon Device"): the guest gives pages to the host,
 * takes them back when the target falls, tells statistics when asked, and reports what is free anyway.
 */
import type { GuestMemory, Width } from '../../core/types.ts';
import type { Plain } from '../../saved.ts';
import { PIECE } from '../work-meter.ts';
import type { Chain } from './chain.ts';
import type { VirtioDevice, VirtioHost } from './device.ts';
import { DeviceMemory, GuestError } from './guest-memory.ts';
import type { Virtqueue } from './queue.ts';

/** virtio 1.2, 5.5.3 "Feature bits". */
export const BalloonFeature = {
  STATS_VQ: 1n << 1n,
  DEFLATE_ON_OOM: 1n << 2n,
  FREE_PAGE_HINT: 1n << 3n,
  PAGE_REPORTING: 1n << 5n,
} as const;

/**
 * Hints are offered though never asked for: without them drivers differ on the number of the reporting queue, 4 by the
 * specification and 3 by habit.
 */
const Queue = { INFLATE: 0, DEFLATE: 1, STATS: 2, HINT: 3, REPORTING: 4 } as const;
/** virtio 1.2, 5.5.4 "Device configuration layout": num_pages, actual, free_page_hint_cmd_id, poison_val. */
const Config = { NUM_PAGES: 0, ACTUAL: 4, BYTES: 16 } as const;
const PAGE_BYTES = 4096;
const STAT_BYTES = 10;
const MAX_CHAIN_BYTES = 64 << 10;

/** The rest of a chain's work: pages to move, by the driver's list and our place in it; or ranges to report. */
type Job =
  | { kind: 'move'; isInflation: boolean; pages: Uint8Array; at: number }
  | { kind: 'report'; ranges: { start: number; end: number }[]; n: number };

/** The id of the chain that waits for statistics. */
type BalloonState = { statsChain: number | null };

export interface BalloonParts {
  memory: GuestMemory;
  /** The guest gave the page at `pa` away; its contents are not needed. */
  inflate: (pa: number) => void;
  /** The guest uses the page at `pa` again. */
  deflate: (pa: number) => void;
  /** The guest does not use these pages now; it takes them again without a word. */
  report?: (pa: number, length: number) => void;
  /** Statistics by their tags: virtio 1.2, 5.5.6.4 "Memory Statistics Tags". */
  stats?: (values: ReadonlyMap<number, bigint>) => void;
  /** Features that are not offered. */
  withhold?: bigint;
}

export class VirtioBalloon implements VirtioDevice {
  readonly id = 5;
  readonly name = 'virtio-balloon';
  readonly queues = [128, 128, 128, 128, 128];
  readonly features: bigint;
  readonly config = new Uint8Array(Config.BYTES);
  readonly #view = new DataView(this.config.buffer);
  readonly #parts: BalloonParts;
  readonly #memory: DeviceMemory;
  #host: VirtioHost | null = null;
  /** The buffer that the driver left with us, to be given back when statistics are wanted. */
  #statsChain: Chain | null = null;

  constructor(parts: BalloonParts) {
    this.#parts = parts;
    this.#memory = new DeviceMemory(parts.memory);
    this.features = Object.values(BalloonFeature).reduce((all, bit) => all | bit, 0n) & ~(parts.withhold ?? 0n);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  /** Asks the guest for a balloon of so many pages of 4 KiB. */
  setTarget(pages: number): void {
    this.#view.setUint32(Config.NUM_PAGES, pages, true);
    this.#host?.configChanged();
  }

  /** Pages that the guest says are in the balloon. */
  get actual(): number {
    return this.#view.getUint32(Config.ACTUAL, true);
  }

  /** Asks for fresh statistics, which come to `stats`. Returns whether the driver can be asked now. */
  requestStats(): boolean {
    const queue = this.#host?.queue(Queue.STATS);
    const chain = this.#statsChain;
    if (!queue || !chain) return false;
    this.#statsChain = null;
    this.#host?.attempt(() => queue.push(chain, 0));
    return true;
  }

  notify(index: number, queue: Virtqueue): void {
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      if (index >= Queue.HINT) {
        this.#takeReport(queue, chain, index);
        continue;
      }
      if (chain.readable > MAX_CHAIN_BYTES) {
        throw new GuestError(`balloon buffer of ${chain.readable} bytes; the limit is ${MAX_CHAIN_BYTES}`);
      }
      if (index === Queue.STATS) this.#takeStats(queue, chain);
      else queue.work(chain, movePages(chain, index === Queue.INFLATE));
    }
  }

  writeConfig(offset: number, width: Width, value: number): void {
    if (offset === Config.ACTUAL && width === 4) this.#view.setUint32(Config.ACTUAL, value, true);
  }

  step(queue: Virtqueue, chain: Chain, rest: Plain): boolean {
    const job = rest as Job;
    const hasMore = job.kind === 'move' ? this.#move(queue, job) : this.#report(queue, job);
    if (!hasMore) queue.push(chain, 0);
    return hasMore;
  }

  save(): BalloonState {
    return { statsChain: this.#statsChain?.id ?? null };
  }

  load({ statsChain }: BalloonState): void {
    this.#statsChain = statsChain === null ? null : (this.#host?.queue(Queue.STATS)?.chain(statsChain) ?? null);
  }

  reset(): void {
    this.#statsChain = null;
    this.#view.setUint32(Config.ACTUAL, 0, true);
  }

  #move(queue: Virtqueue, job: Job & { kind: 'move' }): boolean {
    const { pages, isInflation } = job;
    const view = new DataView(pages.buffer, pages.byteOffset);
    for (let left = PIECE / PAGE_BYTES; left > 0 && job.at + 4 <= pages.length; left--, job.at += 4) {
      const pa = view.getUint32(job.at, true) * PAGE_BYTES;
      this.#memory.bytes(BigInt(pa), PAGE_BYTES);
      if (isInflation) this.#parts.inflate(pa);
      else this.#parts.deflate(pa);
      queue.charge(PAGE_BYTES);
    }
    return job.at + 4 <= pages.length;
  }

  /** Only whole pages count: a part of one is not free. */
  #takeReport(queue: Virtqueue, chain: Chain, index: number): void {
    const isHint = index === Queue.HINT && ((this.#host?.features ?? 0n) & BalloonFeature.FREE_PAGE_HINT) !== 0n;
    const ranges = chain.buffers.flatMap(({ gpa, length, deviceWritable }) => {
      const start = Math.ceil(Number(gpa) / PAGE_BYTES) * PAGE_BYTES;
      const end = Math.floor((Number(gpa) + length) / PAGE_BYTES) * PAGE_BYTES;
      return !isHint && deviceWritable && end > start ? [{ start, end }] : [];
    });
    queue.work(chain, { kind: 'report', ranges, n: 0 } satisfies Job);
  }

  #report(queue: Virtqueue, job: Job & { kind: 'report' }): boolean {
    const range = job.ranges[job.n];
    if (range === undefined) return false;
    const length = Math.min(range.end - range.start, PIECE);
    this.#parts.report?.(range.start, length);
    queue.charge(length);
    range.start += length;
    if (range.start === range.end) job.n++;
    return true;
  }

  #takeStats(queue: Virtqueue, chain: Chain): void {
    if (this.#statsChain) queue.push(this.#statsChain, 0);
    this.#statsChain = chain;
    const bytes = chain.read(chain.readable);
    const view = new DataView(bytes.buffer);
    const values = new Map<number, bigint>();
    for (let at = 0; at + STAT_BYTES <= bytes.length; at += STAT_BYTES) {
      values.set(view.getUint16(at, true), view.getBigUint64(at + 2, true));
    }
    this.#parts.stats?.(values);
  }
}

const movePages = (chain: Chain, isInflation: boolean): Job => ({
  kind: 'move',
  isInflation,
  pages: chain.read(chain.readable),
  at: 0,
});
