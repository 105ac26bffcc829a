/** What a machine keeps of its processors' exits: counts on both levels, who is told of them, and which one ends a run. */
import type { Core, Stop } from '../../core/types.ts';
import type { ExitRecord } from '../../core/vmx-types.ts';
import type { AccessCounts, PcBus } from '../board/bus.ts';
import type { Outcome } from '../events.ts';
import type { MachineOptions } from '../options.ts';
import { type ExitBreak, ExitWatch } from './exit-break.ts';
import { ExitCounter, type LevelCount } from './exit-counts.ts';
import { emptyStops, stopName } from './stops.ts';

export class Exits {
  /** How often the processors came back, by reason. */
  readonly stops = emptyStops();
  readonly #cores: readonly Core[];
  readonly #bus: PcBus;
  readonly #counters: readonly ExitCounter[];
  readonly #watch: ExitWatch;
  readonly #tellsAll: boolean;
  readonly #tell: (record: ExitRecord, cpu: number) => void;

  /** `tell` hears of all VM exits where `recordExits`, else of VM entries that fail. */
  constructor(
    cores: readonly Core[],
    bus: PcBus,
    { recordExits = false }: Pick<MachineOptions, 'recordExits'>,
    tell: (record: ExitRecord, cpu: number) => void,
  ) {
    this.#cores = cores;
    this.#bus = bus;
    this.#counters = cores.map(() => new ExitCounter());
    this.#watch = new ExitWatch(cores);
    this.#tellsAll = recordExits;
    this.#tell = tell;
    for (const { vmx } of cores) if (vmx && recordExits) vmx.recording = true;
  }

  /** Before a call of a processor. */
  begin(core: Core): void {
    const counter = this.#counters[this.#cores.indexOf(core)];
    this.#bus.counts = counter.accesses;
    counter.begin(core);
  }

  /** After it. Returns an outcome where an exit was to end the run. */
  end(core: Core, stop: Stop): Outcome | null {
    const cpu = this.#cores.indexOf(core);
    this.stops[stopName(stop)]++;
    this.#counters[cpu].end(core, stop);
    let outcome: Outcome | null = null;
    for (const record of core.vmx?.take() ?? []) {
      if (this.#tellsAll || record.failure) this.#tell(record, cpu);
      if (this.#watch.isHit(record)) outcome = { reason: 'vmexit', record, cpu };
    }
    return outcome;
  }

  /** The exit that is to end the run; null for none. Throws RangeError for one that cannot be. */
  watch(wanted: ExitBreak | null): void {
    this.#watch.watch(wanted);
  }

  /** The processors are reset. */
  reset(): void {
    for (const counter of this.#counters) counter.reset();
  }

  /** The counts of all levels and processors. */
  get counts(): LevelCount[] {
    return this.#cores.flatMap(({ vmx }, cpu) => [
      ...(vmx?.counts ?? []).map((count) => ({ cpu, level: 1 as const, ...count })),
      ...this.#counters[cpu].counts(vmx?.model ?? '').map((count) => ({ cpu, level: 0 as const, ...count })),
    ]);
  }

  /** Accesses of all processors together. */
  get accesses(): AccessCounts {
    const sum = (name: keyof AccessCounts): number =>
      this.#counters.reduce((all, { accesses }) => all + accesses[name], 0);
    return {
      portReads: sum('portReads'),
      portWrites: sum('portWrites'),
      mmioReads: sum('mmioReads'),
      mmioWrites: sum('mmioWrites'),
    };
  }
}
