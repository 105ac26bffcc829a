/** Breakpoints on VM exits: which one ends a run, with the processor at the first instruction of the hypervisor's handler. */
import type { Core } from '../../core/types.ts';
import type { ExitRecord } from '../../core/vmx-types.ts';

/** A VM exit, or a VM entry that fails, to stop at; what is absent may be anything. */
export interface ExitBreak {
  /** Linux's name of the reason; 'VMLAUNCH_VMRESUME' is one of these instructions that failed. */
  reason?: string;
  /** The guest's RIP, before the instruction that exits; of a failed VMLAUNCH or VMRESUME the hypervisor's. */
  rip?: bigint;
  /** Only VM entries that fail. */
  failure?: boolean;
  /** Which of them: 1, the first, where absent. */
  nth?: number;
}

export class ExitWatch {
  readonly #cores: readonly Core[];
  #wanted: ExitBreak | null = null;
  /** How many exits of the current or last run were like the one that is waited for. */
  hits = 0;

  constructor(cores: readonly Core[]) {
    this.#cores = cores;
  }

  /** From now on every exit makes the processors return; null lets them run on. Throws RangeError for a bad number. */
  watch(wanted: ExitBreak | null): void {
    const { nth = 1 } = wanted ?? {};
    if (!Number.isInteger(nth) || nth < 1) throw new RangeError(`break at exit ${nth}: must be 1 or more`);
    this.#wanted = wanted;
    if (wanted) this.hits = 0;
    for (const { vmx } of this.#cores) if (vmx) vmx.stopping = wanted !== null;
  }

  /** Is this the one? */
  isHit({ reason, rip, failure }: ExitRecord): boolean {
    const wanted = this.#wanted;
    if (!wanted || (wanted.reason ?? reason) !== reason || (wanted.rip ?? rip) !== rip) return false;
    if (wanted.failure && failure === undefined) return false;
    return ++this.hits === (wanted.nth ?? 1);
  }
}
