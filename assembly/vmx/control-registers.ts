/**
 * CR0, CR3 and CR4 of a guest: guest/host masks, read shadows, CR3 targets, and bits that VMX operation fixes (SDM Vol. 3C,
 * "Guest/Host Masks and Read Shadows for CR0 and CR4", "CR3-Target Controls", "Restrictions on VMX Operation").
 */
import { cpu } from '../cpu/state';
import { Cr0 } from '../cpu/control';
import { modelWord } from '../cpu/features';
import { inGuest } from '../cpu/intercepts';
import { Capability } from './controls';
import { entered } from './entered';
import { isUnrestricted } from './guest';
import { Field, field } from './vmcs';

@inline function cr0Mask(): u64 { return field<u64>(Field.CR0_GUEST_HOST_MASK); }
@inline function cr0Shadow(): u64 { return field<u64>(Field.CR0_READ_SHADOW); }
@inline function cr4Mask(): u64 { return field<u64>(Field.CR4_GUEST_HOST_MASK); }
@inline function cr4Shadow(): u64 { return field<u64>(Field.CR4_READ_SHADOW); }
/** `value` with the bits of `mask` of `owned`. */
@inline function blend(value: u64, owned: u64, mask: u64): u64 { return (value & ~mask) | (owned & mask); }

/** CR0 and CR4 as instructions read them. */
export function seenCr0(): u64 { return inGuest() ? blend(cpu.cr0, cr0Shadow(), cr0Mask()) : cpu.cr0; }
export function seenCr4(): u64 { return inGuest() ? blend(cpu.cr4, cr4Shadow(), cr4Mask()) : cpu.cr4; }
/** What MOV to CR0 and LMSW write, or MOV to CR4: bits that the hypervisor owns stay as they are. */
export function writtenCr0(value: u64): u64 { return inGuest() ? blend(value, cpu.cr0, cr0Mask()) : value; }
export function writtenCr4(value: u64): u64 { return inGuest() ? blend(value, cpu.cr4, cr4Mask()) : value; }

/** In a guest: does writing `value` exit? */
export function exitsOnCr0(value: u64): bool { return ((value ^ cr0Shadow()) & cr0Mask()) != 0; }
export function exitsOnCr4(value: u64): bool { return ((value ^ cr4Shadow()) & cr4Mask()) != 0; }
export function exitsOnLmsw(word: u64): bool {
  const sets = word & ~cr0Shadow() & Cr0.PE;
  const changes = (word ^ cr0Shadow()) & (Cr0.MP | Cr0.EM | Cr0.TS);
  return ((sets | changes) & cr0Mask()) != 0;
}
/** Does the hypervisor own CR0.TS, and does the guest see it set? */
export function ownsTs(): bool { return (cr0Mask() & Cr0.TS) != 0; }
export function seesTs(): bool { return (cr0Shadow() & Cr0.TS) != 0; }
export function isCr3Target(value: u64): bool {
  for (let n: u32 = 0, count = entered<u32>(Field.CR3_TARGET_COUNT); n < count; n++) {
    if (field<u64>(Field.CR3_TARGET_VALUE_0 + (n << 3)) == value) return true;
  }
  return false;
}

/** Has `value` the CR0 bits that VMX operation fixes? An unrestricted guest may clear PE and PG. */
export function keepsFixedCr0(value: u64): bool {
  let fixed = modelWord(Capability.CR0_FIXED0);
  if (isUnrestricted()) fixed &= ~(<u64>Cr0.PE | <u64>Cr0.PG);
  return (value & fixed) == fixed;
}
