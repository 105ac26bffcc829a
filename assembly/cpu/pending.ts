/**
 * What will happen instead of the current instruction. There are no exceptions: whoever finds that an instruction
 * cannot finish says so here and returns, and every caller of a function that may do so tests abandoned() before it
 * commits anything. Nobody unwinds.
 */
import { cpu } from './state';

/** RESTART: nothing happened, from the start again. PAUSED: a repeated instruction did a part of its iterations. */
export const enum Pending { NONE, EVENT, VM_EXIT, RESTART, VM_ENTRY, PAUSED }

/** What the processor does between instructions. */
export const enum Activity { ACTIVE, HLT, SHUTDOWN, WAIT_FOR_SIPI }

/**
 * Interruption types, numbered as in the VM-entry interruption-information field (SDM Vol. 3C). OTHER names no exception of
 * its own: a VM exit of the monitor trap flag that VM entry makes pending.
 */
export const enum Event { EXTERNAL = 0, NMI = 2, FAULT = 3, SOFTWARE_INT = 4, PRIVILEGED_TRAP = 5, SOFTWARE_EXCEPTION = 6, OTHER = 7 }

export const enum Vector { DE, DB, NMI, BP, OF, BR, UD, NM, DF, MF_OVERRUN, TS, NP, SS, GP, PF, MF = 16, AC, MC, XM, VE, CP }

/** Reasons to leave the straight path before the next instruction. */
export const enum Attention {
  /** INTR, NMI, INIT or SIPI may be waiting. */
  INTERRUPT = 1,
  /** The last instruction opened an interrupt shadow: run exactly one more before looking at interrupts. */
  SHADOW = 2,
  /** Single step, code breakpoints or a pending debug trap. */
  DEBUG = 4,
  /** HLT, shutdown, wait-for-SIPI. */
  INACTIVE = 8,
  /** The embedder wants `run` to return. */
  STOP = 16,
  /** Decoded code was dropped: do not trust block pointers. */
  CODE = 32,
  /** Monitor trap flag: a VM exit after the next instruction. */
  TRAP = 64,
}

/** Ends HLT, shutdown or the wait for SIPI. */
export function wake(): void {
  cpu.activity = Activity.ACTIVE;
  cpu.attention &= ~(<u32>Attention.INACTIVE);
}

@inline export function abandoned(): bool { return cpu.pending != Pending.NONE; }

export function abandon(why: i32): void {
  assert(cpu.pending == Pending.NONE, 'abandoned twice: some caller did not test abandoned()');
  cpu.pending = why;
}

/** Raises a fault of the current instruction. */
export function raise(vector: i32, errorCode: u32 = 0): void {
  abandon(Pending.EVENT);
  cpu.vector = vector;
  cpu.errorCode = errorCode;
  cpu.eventType = Event.FAULT;
}

/** INT n, INT3, INTO, INT1: delivered after the instruction, whose length the deliverer adds to RIP. */
export function raiseSoftware(vector: i32, type: i32): void {
  abandon(Pending.EVENT);
  cpu.vector = vector;
  cpu.errorCode = 0;
  cpu.eventType = type;
}

/** Stops the block loop at the next block boundary, so that `run` looks at `bits`. */
export function attend(bits: u32): void {
  cpu.attention |= bits;
  if (cpu.budget > 0) {
    cpu.retiredEnd -= <u64>cpu.budget;
    cpu.budget = 0;
  }
}

/** Takes `n` from the instructions that `run` may still execute: the price of what retires nothing. */
export function spend(n: u32): void { cpu.runEnd = cpu.runEnd > n ? cpu.runEnd - n : 0; }

@inline export function retired(): u64 { return cpu.retiredEnd - <u64><i64>cpu.budget; }
/** Virtual time in nanoseconds: retired instructions, and what passed without any: sleep, and waiting for devices. */
@inline export function clock(): u64 { return retired() + cpu.skew; }

/**
 * The running instruction waits `ns` for a device. They count against the budget, so that `run` comes back for an event in
 * time; a repeated instruction pauses once something is due.
 */
export function delay(ns: u32): void {
  const isOver = retired() + ns >= cpu.runEnd;
  cpu.skew += ns;
  spend(ns);
  const time = clock();
  const isDue = (cpu.apicDeadline != 0 && time >= cpu.apicDeadline) || (cpu.vmxDeadline != 0 && time >= cpu.vmxDeadline);
  attend(isOver ? Attention.STOP : isDue ? Attention.INTERRUPT : 0);
}
