/**
 * Control registers in VMX non-root operation: guest/host masks, read shadows, CR3 targets, the TPR shadow (SDM Vol. 3C,
 * "Instructions That Cause VM Exits Conditionally", "Changes to Instruction Behavior in VMX Non-Root Operation").
 */
import { cpu } from '../cpu/state';
import { Cr0 } from '../cpu/control';
import { readCr8, writeCr8 } from '../apic/apic';
import { Primary } from '../vmx/controls';
import { inNonRoot, intercepts, Reason } from '../vmx/exits';
import { entered } from '../vmx/entered';
import { Field, field, setField } from '../vmx/vmcs';
import { setVirtualTpr, virtualReg } from '../vmx/virtual-apic';
import { isMemory, Rec } from '../isa/record';
import { instructionExit, operandLinear, registerNumber } from './vmx-exits';

/** Access types in the exit qualification. */
const enum CrAccess { TO = 0, FROM = 0x10, CLTS = 0x20, LMSW = 0x30 }
const LMSW_MEMORY: u32 = 0x40;
const VTPR: u32 = 0x80;

@inline function cr0Mask(): u64 { return field<u64>(Field.CR0_GUEST_HOST_MASK); }
@inline function cr0Shadow(): u64 { return field<u64>(Field.CR0_READ_SHADOW); }
@inline function cr4Mask(): u64 { return field<u64>(Field.CR4_GUEST_HOST_MASK); }
/** `value` with the bits of `mask` of `owned`. */
@inline function blend(value: u64, owned: u64, mask: u64): u64 { return (value & ~mask) | (owned & mask); }

/** CR0 and CR4 as instructions read them. */
export function seenCr0(): u64 { return inNonRoot() ? blend(cpu.cr0, cr0Shadow(), cr0Mask()) : cpu.cr0; }
export function seenCr4(): u64 { return inNonRoot() ? blend(cpu.cr4, field<u64>(Field.CR4_READ_SHADOW), cr4Mask()) : cpu.cr4; }

/** True: reading CR `n` causes a VM exit. */
export function exitsOnReadCr(i: Rec, n: u32): bool {
  if (!(n == 3 && intercepts(Primary.CR3_STORE)) && !(n == 8 && intercepts(Primary.CR8_STORE))) return false;
  instructionExit(i, Reason.CR_ACCESS, n | CrAccess.FROM | (registerNumber(i.base) << 8));
  return true;
}
/** True: in non-root operation, writing `value` to CR `n` causes a VM exit. */
export function exitsOnWriteCr(i: Rec, n: u32, value: u64): bool {
  let exits = false;
  if (n == 0) exits = ((value ^ cr0Shadow()) & cr0Mask()) != 0;
  else if (n == 3) exits = intercepts(Primary.CR3_LOAD) && !isTarget(value);
  else if (n == 4) exits = ((value ^ field<u64>(Field.CR4_READ_SHADOW)) & cr4Mask()) != 0;
  else if (n == 8) exits = intercepts(Primary.CR8_LOAD);
  if (exits) instructionExit(i, Reason.CR_ACCESS, n | CrAccess.TO | (registerNumber(i.base) << 8));
  return exits;
}
function isTarget(value: u64): bool {
  for (let n: u32 = 0, count = entered<u32>(Field.CR3_TARGET_COUNT); n < count; n++) if (field<u64>(Field.CR3_TARGET_VALUE_0 + (n << 3)) == value) return true;
  return false;
}
/** What MOV to CR0 and LMSW write, or MOV to CR4: bits that the hypervisor owns stay as they are. */
export function writtenCr0(value: u64): u64 { return inNonRoot() ? blend(value, cpu.cr0, cr0Mask()) : value; }
export function writtenCr4(value: u64): u64 { return inNonRoot() ? blend(value, cpu.cr4, cr4Mask()) : value; }

/** True: CLTS causes a VM exit, or leaves CR0.TS alone because the hypervisor owns it. */
export function clearsNoTs(i: Rec): bool {
  if (!inNonRoot() || (cr0Mask() & Cr0.TS) == 0) return false;
  if ((cr0Shadow() & Cr0.TS) != 0) instructionExit(i, Reason.CR_ACCESS, CrAccess.CLTS);
  return true;
}
/** True: LMSW with source `word` causes a VM exit. */
export function exitsOnLmsw(i: Rec, word: u64): bool {
  if (!inNonRoot()) return false;
  const sets = word & ~cr0Shadow() & Cr0.PE;
  const changes = (word ^ cr0Shadow()) & (Cr0.MP | Cr0.EM | Cr0.TS);
  if (((sets | changes) & cr0Mask()) == 0) return false;
  instructionExit(i, Reason.CR_ACCESS, (word << 16) | CrAccess.LMSW | (isMemory(i) ? LMSW_MEMORY : 0));
  if (isMemory(i)) setField<u64>(Field.GUEST_LINEAR_ADDRESS, operandLinear(i));
  return true;
}

/** CR8: the TPR, or in non-root operation with a TPR shadow the virtual one. */
export function seenCr8(): u64 {
  if (!intercepts(Primary.TPR_SHADOW)) return readCr8();
  return (virtualReg(VTPR) >> 4) & 15;
}
export function setSeenCr8(value: u64): void {
  if (!intercepts(Primary.TPR_SHADOW)) {
    writeCr8(value);
    return;
  }
  setVirtualTpr(<u32>value << 4);
}
