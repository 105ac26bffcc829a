/** Time of a guest: its TSC, and the VMX-preemption timer (SDM Vol. 3C, "Time-Stamp Counter Offset and Multiplier"). */
import { cpu } from '../cpu/state';
import { clock } from '../cpu/pending';
import { modelWord } from '../cpu/features';
import { Capability, ExitControl, Misc, Pin, Primary, Secondary } from './controls';
import { entered } from './entered';
import { hasPrimary, hasSecondary } from './guest';
import { Field, field, setField } from './vmcs';

/** Does the running guest have a TSC of its own: offset and, in 48 fraction bits, multiplier, 0 for none? */
@inline export function hasGuestTsc(): bool { return hasPrimary(Primary.TSC_OFFSETTING); }
@inline export function guestTscOffset(): u64 { return field<u64>(Field.TSC_OFFSET); }
@inline export function guestTscMultiplier(): u64 { return hasSecondary(Secondary.TSC_SCALING) ? entered<u64>(Field.TSC_MULTIPLIER) : 0; }

/** The timer counts down whenever this bit of the TSC changes (SDM Vol. 3C, "VMX-Preemption Timer"). */
function timerRate(): u64 { return modelWord(Capability.MISC) & Misc.TIMER_RATE; }
/** At VM entry. */
export function startTimer(): void {
  cpu.vmxDeadline = 0;
  if ((cpu.pinControls & Pin.PREEMPTION_TIMER) == 0) return;
  const rate = timerRate();
  const tsc = clock() + cpu.tscOffset;
  cpu.vmxDeadline = (((tsc >> rate) + field<u32>(Field.VMX_PREEMPTION_TIMER_VALUE)) << rate) - cpu.tscOffset;
  if (cpu.vmxDeadline < clock() || cpu.vmxDeadline == 0) cpu.vmxDeadline = max<u64>(clock(), 1);
}
/** At VM exit. */
export function saveTimer(): void {
  if ((entered<u32>(Field.EXIT_CONTROLS) & ExitControl.SAVE_TIMER) == 0 || (cpu.pinControls & Pin.PREEMPTION_TIMER) == 0) return;
  const rate = timerRate();
  const now = clock();
  const left = cpu.vmxDeadline <= now ? 0 : ((cpu.vmxDeadline + cpu.tscOffset) >> rate) - ((now + cpu.tscOffset) >> rate);
  setField<u32>(Field.VMX_PREEMPTION_TIMER_VALUE, <u32>left);
}
