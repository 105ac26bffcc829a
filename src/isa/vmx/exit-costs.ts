/**
 * What a VM exit would cost a real processor, in cycles: a model, nothing of it is measured here. It counts what the
 * hardware does between the guest's instruction and the hypervisor's first, and back; what the hypervisor executes in
 * between is counted elsewhere, in instructions. Sources and their limits: docs/decisions/0016-what-an-exit-costs.md.
 */

/** Cycles of an exit and the entry behind it, by the models of -cpu that have their own figure. */
const ROUND_TRIP: Readonly<Record<string, number>> = { Penryn: 1266, Nehalem: 1009, Haswell: 784 };
/** Skylake and everything that is not listed, with the microcode of 2018 and later. */
const ROUND_TRIP_SKYLAKE = 1100;
/** An entry of an MSR area: one RDMSR or WRMSR. */
const MSR_CYCLES = 100;
/** A reference of a page walk: a hit in the second-level cache. */
const REFERENCE_CYCLES = 12;
/** Pages that guest and hypervisor look up anew after entry and exit flushed the TLB, together. */
const REFILLS = 32;
/** References of such a look-up, of which the caches of upper levels spare the others. */
const REFILL_REFERENCES = 2;
/** Leaving the kernel for the process that emulates devices, and coming back. */
const USER_CYCLES = 1150;

/** What of the controls in force makes exits dearer or cheaper. */
export interface ExitSettings {
  hasVpid: boolean;
  /** Levels of the guest's page tables, 0 without paging, and of the EPT, 0 without. */
  guestLevels: number;
  eptLevels: number;
  /** Entries of the three MSR areas together. */
  msrs: number;
}

/** Cycles of the exit and of the entry that follows it, on the processor that `cpu` (a model of -cpu) stands for. */
export function exitCycles(cpu: string, reason: string, settings: ExitSettings): number {
  const { hasVpid, guestLevels, eptLevels, msrs } = settings;
  const flush = hasVpid ? 0 : REFILLS * REFILL_REFERENCES * REFERENCE_CYCLES;
  const walk = reason === 'EPT_VIOLATION' || reason === 'EPT_MISCONFIG' ? walkReferences(guestLevels, eptLevels) : 0;
  return roundTrip(cpu) + msrs * MSR_CYCLES + flush + walk * REFERENCE_CYCLES;
}

/** Cycles of an exit to the process that emulates devices, if the machine ran under KVM; without HLT's sleep. */
export function userExitCycles(cpu: string, reason: string): number {
  const settings = { hasVpid: true, guestLevels: 4, eptLevels: 4, msrs: 0 };
  const found = exitCycles(cpu, reason.startsWith('MMIO') ? 'EPT_MISCONFIG' : reason, settings);
  return found + (reason === 'HLT' ? 0 : USER_CYCLES);
}

const roundTrip = (cpu: string): number => ROUND_TRIP[cpu] ?? ROUND_TRIP_SKYLAKE;

/** A walk in two dimensions: each reference of the guest's, and the page itself, is looked up in the EPT. */
const walkReferences = (guest: number, ept: number): number => (guest + 1) * (ept + 1) - 1;
