/**
 * VM entries begin here, whoever asks for them: VMLAUNCH and VMRESUME, or root-mode software that is no guest code (SDM Vol.
 * 3C, "VM Entries"). exec/vm-entry.ts carries them out.
 */
import { cpu } from '../cpu/state';
import { abandon, Pending } from '../cpu/pending';
import { checkControls } from './check-controls';
import { checkHost } from './check-host';
import { takeFields } from './entered';
import { Rule } from './fields.gen';
import { Region, SHADOW_VMCS } from './vmcs';

/** VM-instruction errors (SDM Vol. 3C, "VM-Instruction Error Numbers"). NO_VMCS has no number: there is no field to hold it. */
export const enum VmError {
  NO_VMCS, VMCALL_IN_ROOT, CLEAR_ADDRESS, CLEAR_VMXON, LAUNCH_NOT_CLEAR, RESUME_NOT_LAUNCHED, CONTROLS = 7, HOST, LOAD_ADDRESS,
  LOAD_VMXON, LOAD_REVISION, UNSUPPORTED_FIELD, READ_ONLY_FIELD, VMXON_IN_ROOT = 15, BLOCKED_BY_MOV_SS = 26, INVALIDATE_OPERAND = 28, NONE = 0xffff,
}

/** Is there a current VMCS that can be entered with? */
export function hasGuest(): bool { return cpu.vmcs != 0 && (load<u32>(cpu.vmcs) & SHADOW_VMCS) == 0; }

/**
 * Decides whether the guest of the current VMCS can be entered, for the first time or with `resume`. If so, the entry is
 * pending; else the result is the error, and cpu.brokenRule the rule that was broken, if any.
 */
export function beginEntry(resume: bool): VmError {
  assert(hasGuest());
  const launched = load<u32>(cpu.vmcs, Region.LAUNCHED) != 0;
  if (launched != resume) return refuse(resume ? VmError.RESUME_NOT_LAUNCHED : VmError.LAUNCH_NOT_CLEAR, Rule.NONE);
  takeFields();
  let rule = checkControls();
  if (rule != Rule.NONE) return refuse(VmError.CONTROLS, rule);
  rule = checkHost();
  if (rule != Rule.NONE) return refuse(VmError.HOST, rule);
  abandon(Pending.VM_ENTRY);
  return VmError.NONE;
}
function refuse(error: VmError, rule: Rule): VmError {
  cpu.brokenRule = rule;
  return error;
}
