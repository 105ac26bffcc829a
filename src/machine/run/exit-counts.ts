/**
 * Exits by reason, level and processor. Level 0 is what the machine itself leaves the processor for, by the names of KVM's exits
 * to its user; level 1 is VM exits to a hypervisor in the guest: docs/decisions/0015-levels-of-exits.md.
 */
import { type Core, Stop } from '../../core/types.ts';
import type { ExitCount } from '../../core/vmx-types.ts';
import { userExitCycles } from '../../isa/vmx/exit-costs.ts';
import type { AccessCounts } from '../board/bus.ts';

/** Exits of one reason on one processor. */
export interface LevelCount extends ExitCount {
  cpu: number;
  /** 0: to the machine. 1: to a hypervisor in the guest. */
  level: 0 | 1;
}

/** Counts the exits of one processor to the machine. */
export class ExitCounter {
  readonly accesses: AccessCounts = { portReads: 0, portWrites: 0, mmioReads: 0, mmioWrites: 0 };
  #halts = 0;
  #interruptions = 0;
  #shutdowns = 0;
  readonly #sleep = { totalNs: 0, leastNs: 0, mostNs: 0, ended: 0 };
  /** When the processor fell asleep, and how it stood when it ran last since. */
  #asleep: { since: bigint; now: bigint; retired: number } | null = null;

  /** Before a call of the processor. */
  begin({ now, retired }: Core): void {
    if (this.#asleep) this.#asleep = { since: this.#asleep.since, now, retired };
  }

  /** After it. A processor that sleeps on is no further exit. */
  end(core: Core, stop: Stop): void {
    if (this.#asleep && (stop !== Stop.HALT || core.retired !== this.#asleep.retired)) this.#wake(this.#asleep);
    if (stop === Stop.HALT && !this.#asleep) {
      this.#halts++;
      this.#asleep = { since: core.now, now: core.now, retired: core.retired };
    } else if (stop === Stop.BUDGET || stop === Stop.REQUESTED) this.#interruptions++;
    else if (stop === Stop.SHUTDOWN) this.#shutdowns++;
  }

  /** The processor is reset: its time starts over. */
  reset(): void {
    this.#asleep = null;
  }

  /** Counts by reason, those that happened; `model` is that of -cpu. */
  counts(model: string): ExitCount[] {
    const { portReads, portWrites, mmioReads, mmioWrites } = this.accesses;
    const { ended, ...sleep } = this.#sleep;
    const none = { totalNs: 0, leastNs: 0, mostNs: 0, averageNs: 0 };
    const row = (reason: string, count: number): ExitCount => ({
      reason,
      count,
      ...(reason === 'HLT' ? { ...sleep, averageNs: sleep.totalNs / Math.max(1, ended) } : none),
      ...(reason === 'INTR' ? {} : { modelledCycles: userExitCycles(model, reason) }),
    });
    return [
      row('IO_IN', portReads),
      row('IO_OUT', portWrites),
      row('MMIO_READ', mmioReads),
      row('MMIO_WRITE', mmioWrites),
      row('HLT', this.#halts),
      row('INTR', this.#interruptions),
      row('SHUTDOWN', this.#shutdowns),
    ]
      .filter(({ count }) => count > 0)
      .sort((a, b) => b.count - a.count);
  }

  #wake({ since, now }: { since: bigint; now: bigint }): void {
    const ns = Math.max(0, Number(now - since));
    const sleep = this.#sleep;
    sleep.leastNs = sleep.ended === 0 ? ns : Math.min(sleep.leastNs, ns);
    sleep.mostNs = Math.max(sleep.mostNs, ns);
    sleep.totalNs += ns;
    sleep.ended++;
    this.#asleep = null;
  }
}
