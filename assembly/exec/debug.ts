/**
 * Single steps and breakpoints around one instruction (SDM Vol. 3B, "Debug Exceptions"). Traps that belong to the last
 * instruction are delivered before the next (between.ts); a load of SS puts them off by one instruction.
 */
import { cpu, Seg } from '../cpu/state';
import { Flag } from '../cpu/flags';
import { Attention, Event, Pending, raise, Vector } from '../cpu/pending';
import { segBase } from '../cpu/segments';
import { breakpointsAt, Dr6, Dr7, enabledOf, setStepTrap, stepTrap, updateStepping, Watch } from '../cpu/debug';
import { inStackShadow, resumeFlag } from '../cpu/rflags';

/** Before an instruction in debug mode. True: an event is pending and the instruction does not run. */
export function beforeStep(): bool {
  setStepTrap((cpu.rflags & Flag.TF) != 0);
  if (inStackShadow() || resumeFlag() || (cpu.dr7 & Dr7.ENABLES) == 0) return false;
  const hits = breakpointsAt(1 << Watch.EXECUTE, (segBase(Seg.CS) + cpu.blockRip) & cpu.laMask, 1);
  if (enabledOf(hits) == 0) return false;
  cpu.pendingDebug = hits;
  raise(Vector.DB);
  return true;
}

/** After an instruction in debug mode, or an iteration of one, that raised nothing. */
export function afterStep(): void {
  if (inStackShadow()) return;
  if (stepTrap) cpu.pendingDebug |= Dr6.BS;
  if (cpu.pendingDebug != 0) cpu.attention |= Attention.DEBUG;
}

/**
 * What is pending takes the place of an instruction in debug mode: what that hit is as if it had not been. `held` is
 * what a load of SS before it had left pending.
 */
export function forgetHits(held: u64): void {
  const own = cpu.pending == Pending.EVENT && (cpu.eventType != Event.FAULT || cpu.vector == Vector.DB);
  if (!own) cpu.pendingDebug = held;
}

/**
 * Makes DR6 and DR7 what the handler of the pending #DB sees (SDM Vol. 3B, "Debug Status Register (DR6)"). True: it is
 * a fault that pushes RF set.
 */
export function enterDebugException(): bool {
  const causes = cpu.pendingDebug;
  cpu.pendingDebug = 0;
  cpu.dr6 = (cpu.dr6 & ~(<u64>Dr6.HITS)) | causes | <u64><u32>Dr6.ONES;
  cpu.dr7 &= ~(<u64>Dr7.GD);
  updateStepping();
  return (causes & Dr6.BD) != 0;
}
