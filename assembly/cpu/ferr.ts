/**
 * The pins FERR# and IGNNE#, by which a PC of the MS-DOS days learns of x87 exceptions (SDM Vol. 1, "MS-DOS Compatibility
 * Sub-mode"): with CR0.NE = 0 an instruction that would report one freezes the processor until an interrupt comes, which
 * the board makes of FERR#; IGNNE# lets the handler execute such instructions.
 */
import { cpu } from './state';
import { abandon, Activity, attend, Attention, Pending } from './pending';

@external('env', 'ferr') declare function envFerr(asserted: u32): void;

/** An exception is pending and CR0.NE = 0: may a waiting instruction run all the same? If not, it was abandoned. */
export function ignoresError(): bool {
  if (cpu.ferr == 0) {
    cpu.ferr = 1;
    envFerr(1);
  }
  if (cpu.ignne != 0) return true;
  cpu.activity = Activity.HLT;
  abandon(Pending.RESTART);
  attend(Attention.INACTIVE);
  return false;
}

/** No exception is pending any more. */
export function releaseFerr(): void {
  if (cpu.ferr == 0) return;
  cpu.ferr = 0;
  envFerr(0);
}
