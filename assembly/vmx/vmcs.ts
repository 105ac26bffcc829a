/**
 * The VMCS region: revision identifier, abort indicator, launch state, then a slot of eight bytes for each field. Fields
 * live in the region itself, so that nothing needs writing back; the region is opaque to software all the same. What was
 * checked is read from the copy in entered.ts; here only what needs no check.
 */
import { cpu } from '../cpu/state';
import { modelWord } from '../cpu/features';
import { hostOf, Slot, slotFlags } from '../cpu/phys';
import { Field, FIELD_GROUPS, FIELD_NEEDS, FIRST_FIELD } from './fields.gen';
import { Capability, capability, EntryControl, ExitControl, Pin, Primary } from './controls';

export { Field };

/** Words of the region before the fields. Bit 31 of the revision identifier marks a shadow VMCS. */
export const enum Region { REVISION = 0, ABORT = 4, LAUNCHED = 8 }
export const SHADOW_VMCS: u32 = 0x80000000;
export const NO_VMCS: u64 = 0xffffffffffffffff;

@inline export function field<T>(f: u32): T { return load<T>(<usize>cpu.vmcs + f); }
@inline export function setField<T>(f: u32, value: T): void {
  if (sizeof<T>() == 8) store<T>(<usize>cpu.vmcs + f, value);
  else store<u64>(<usize>cpu.vmcs + f, <u64>value);
}

/** May `pa` name a region: 4 KiB aligned, within the processor's physical addresses? */
@inline export function isRegionAddress(pa: u64): bool { return (pa & ~cpu.physMask) == 0 && (pa & 0xfff) == 0; }
const REGION_SIZE: u64 = 0x1000;
/** Host address of a region that is RAM, else 0. */
export function regionHost(pa: u64): u32 {
  const host = hostOf(pa, REGION_SIZE);
  return host != 0 && slotFlags == Slot.RAM ? host : 0;
}
/** What becomes of the current VMCS: launched, or with the indicator of a VMX abort. */
export function setLaunched(): void { store<u32>(cpu.vmcs, 1, Region.LAUNCHED); }
export function setAbort(indicator: u32): void { store<u32>(cpu.vmcs, indicator, Region.ABORT); }

@inline export function revision(): u32 { return <u32>modelWord(Capability.BASIC) & 0x7fffffff; }

/** Makes the region at `pa`, or none, the current VMCS. */
export function setCurrent(pa: u64, host: u32): void {
  cpu.vmcsPa = pa;
  cpu.vmcs = host;
}

/** Width of a field by its encoding: 0 16, 1 64, 2 32 bits, 3 natural. */
@inline export function widthOf(encoding: u32): u32 { return (encoding >> 13) & 3; }
/** Type of a field by its encoding: 0 control, 1 read-only, 2 guest, 3 host. */
@inline export function typeOf(encoding: u32): u32 { return (encoding >> 10) & 3; }

/** Offset of the field with this encoding, -1 where the model has none (SDM Vol. 3D, "Field Encoding in VMCS"). */
export function fieldOffset(encoding: u64): i32 {
  const e = <u32>encoding;
  if (encoding >> 15 != 0 || (e & 0x1000) != 0 || ((e & 1) != 0 && widthOf(e) != 1)) return -1;
  const group = FIELD_GROUPS + ((widthOf(e) << 2 | typeOf(e)) << 1);
  const index = (e >> 1) & 0x1ff;
  if (index >= <u32>load<u8>(group, 1)) return -1;
  const slot = <u32>load<u8>(group) + index;
  return exists(load<u8>(FIELD_NEEDS + slot)) ? <i32>(FIRST_FIELD + (slot << 3)) : -1;
}
function exists(need: u32): bool {
  if (need == 0xff) return true;
  if (need == 0xfe) return false;
  if (need == 32) return (capability(Capability.TRUE_PIN) & Pin.POSTED_INTERRUPTS) != 0;
  if (need == 33) return (capability(Capability.TRUE_PRIMARY) & Primary.TPR_SHADOW) != 0;
  if (need == 35) return (capability(Capability.TRUE_PIN) & Pin.PREEMPTION_TIMER) != 0;
  if (need == 36) return moves(EntryControl.LOAD_PAT, ExitControl.SAVE_PAT | ExitControl.LOAD_PAT);
  if (need == 37) return moves(EntryControl.LOAD_EFER, ExitControl.SAVE_EFER | ExitControl.LOAD_EFER);
  const secondary = capability(Capability.SECONDARY);
  return need == 34 ? secondary != 0 : (secondary & (1 << need)) != 0;
}
/** May entries or exits load or save the register that these controls are about? */
function moves(entry: u32, exit: u32): bool {
  return (capability(Capability.TRUE_ENTRY) & entry) != 0 || (capability(Capability.TRUE_EXIT) & exit) != 0;
}

/** Reads the field at `offset` of the region at `host` as VMREAD does. */
export function readField(host: u32, offset: u32, encoding: u32): u64 {
  const value = load<u64>(<usize>host + offset);
  return (encoding & 1) != 0 ? value >> 32 : value;
}
/** Writes the field at `offset` of the region at `host` as VMWRITE does: high bits of short fields are ignored. */
export function writeField(host: u32, offset: u32, encoding: u32, value: u64): void {
  const at = <usize>host + offset;
  const width = widthOf(encoding);
  if ((encoding & 1) != 0) store<u32>(at, <u32>value, 4);
  else store<u64>(at, width == 0 ? value & 0xffff : width == 2 ? value & 0xffffffff : value);
}
