/**
 * What comes between two instructions, in one order (SDM Vol. 3A, "Priority Among Concurrent Events"; Vol. 3C, "Monitor
 * Trap Flag", "VM Exits Induced by the TPR Threshold", "Delivery of Pending Debug Exceptions after VM Entry",
 * "VMX-Preemption Timer"):
 *
 *   INIT and SIPI; VM exits that the last instruction left for after it (TPR threshold, APIC write, EOI); monitor trap
 *   flag; debug traps; VMX-preemption timer; NMI window, NMI, interrupt window, interrupt (interrupts.ts)
 */
import { cpu } from '../cpu/state';
import { Exit, exit } from '../cpu/exit';
import { abandoned, Activity, Attention, clock, raise, Vector } from '../cpu/pending';
import { inStackShadow } from '../cpu/rflags';
import { exitAndLook, takeInterrupt, takeSignalled } from './interrupts';

/** Has the VMX-preemption timer run down? It stands still while the processor waits for SIPI. */
@inline export function timerIsDue(): bool {
  return cpu.vmxDeadline != 0 && clock() >= cpu.vmxDeadline && cpu.activity != Activity.WAIT_FOR_SIPI;
}

/** Takes the first of what is due, if anything is; it is left pending. */
export function takeEvent(): void {
  if ((cpu.attention & Attention.INTERRUPT) != 0) takeSignalled();
  if (abandoned()) return;
  if (cpu.trapExit != 0) exit(cpu.trapExit, cpu.trapQualification);
  else if (cpu.trapPending != 0) exit(Exit.MONITOR_TRAP_FLAG);
  else if (cpu.pendingDebug != 0 && !inStackShadow()) raise(Vector.DB);
  else if (timerIsDue()) exitAndLook(Exit.PREEMPTION_TIMER, 0);
  else if ((cpu.attention & (Attention.INTERRUPT | Attention.SHADOW)) == Attention.INTERRUPT) takeInterrupt();
}
