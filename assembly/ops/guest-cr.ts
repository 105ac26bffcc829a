/**
 * VM exits of control-register instructions, and the TPR that they mean in a guest (SDM Vol. 3C, "Instructions That Cause VM
 * Exits Conditionally", "Changes to Instruction Behavior in VMX Non-Root Operation").
 */
import { Exit, setExitLinear } from '../cpu/exit';
import { inGuest, Intercept, intercepts } from '../cpu/intercepts';
import { readCr8, writeCr8 } from '../apic/apic';
import { exitsOnCr0, exitsOnCr4, exitsOnLmsw, isCr3Target, ownsTs, seesTs } from '../vmx/control-registers';
import { hasVirtualTpr } from '../vmx/guest';
import { setVirtualTpr, virtualTpr } from '../vmx/virtual-apic';
import { isMemory, Rec } from '../isa/record';
import { instructionExit, operandLinear, registerNumber } from './exits';

/** Access types in the exit qualification. */
const enum CrAccess { TO = 0, FROM = 0x10, CLTS = 0x20, LMSW = 0x30 }
const LMSW_MEMORY: u32 = 0x40;

/** True: reading CR `n` causes a VM exit. */
export function exitsOnReadCr(i: Rec, n: u32): bool {
  if (!(n == 3 && intercepts(Intercept.READ_CR3)) && !(n == 8 && intercepts(Intercept.READ_CR8))) return false;
  instructionExit(i, Exit.CR_ACCESS, n | CrAccess.FROM | (registerNumber(i.base) << 8));
  return true;
}
/** True: in a guest, writing `value` to CR `n` causes a VM exit. */
export function exitsOnWriteCr(i: Rec, n: u32, value: u64): bool {
  let exits = false;
  if (n == 0) exits = exitsOnCr0(value);
  else if (n == 3) exits = intercepts(Intercept.WRITE_CR3) && !isCr3Target(value);
  else if (n == 4) exits = exitsOnCr4(value);
  else if (n == 8) exits = intercepts(Intercept.WRITE_CR8);
  if (exits) instructionExit(i, Exit.CR_ACCESS, n | CrAccess.TO | (registerNumber(i.base) << 8));
  return exits;
}

/** True: CLTS causes a VM exit, or leaves CR0.TS alone because the hypervisor owns it. */
export function clearsNoTs(i: Rec): bool {
  if (!inGuest() || !ownsTs()) return false;
  if (seesTs()) instructionExit(i, Exit.CR_ACCESS, CrAccess.CLTS);
  return true;
}
/** True: LMSW with source `word` causes a VM exit. */
export function lmswExits(i: Rec, word: u64): bool {
  if (!inGuest() || !exitsOnLmsw(word)) return false;
  instructionExit(i, Exit.CR_ACCESS, (word << 16) | CrAccess.LMSW | (isMemory(i) ? LMSW_MEMORY : 0));
  if (isMemory(i)) setExitLinear(operandLinear(i));
  return true;
}

/** CR8: the TPR, or where it is virtual the guest's. */
export function seenCr8(): u64 { return hasVirtualTpr() ? virtualTpr() >> 4 & 15 : readCr8(); }
export function setSeenCr8(value: u64): void {
  if (hasVirtualTpr()) setVirtualTpr(<u32>value << 4);
  else writeCr8(value);
}
