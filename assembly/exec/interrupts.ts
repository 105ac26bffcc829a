/** External interrupts, NMI, INIT and SIPI, taken between instructions. */
import { cpu } from '../cpu/state';
import { Attention } from '../cpu/pending';

/** Takes the highest-priority event that may be delivered now, if any. */
export function takeInterrupt(): void {
  cpu.attention &= ~(Attention.INTERRUPT);
}
