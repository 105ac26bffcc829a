/**
 * VM-entry checks on the host state (SDM Vol. 3C, "Checks on Host-State Area"): the rule that is broken, or Rule.NONE.
 */
import { cpu } from '../cpu/state';
import { Cr4, Efer } from '../cpu/control';
import { isCanonicalForRegister } from '../cpu/features';
import { isPat } from '../cpu/msr';
import { Capability, EntryControl, ExitControl } from './controls';
import { areCanonical, hasReservedEfer, isAddress, isFixed, isLmaLme } from './check-fields';
import { Rule } from './fields.gen';
import { Clean, entered, isClean } from './entered';
import { Field } from './vmcs';

/** "Checks on Host Control Registers, MSRs, and SSP" and the subsections after it. */
export function checkHost(): Rule {
  const long = (entered<u32>(Field.EXIT_CONTROLS) & ExitControl.HOST_64) != 0;
  const clean = isClean(Clean.HOST);
  const rule = clean ? Rule.NONE : checkRegisters(long);
  if (!ASC_NO_ASSERT)
    assert(!clean || (checkRegisters(long) == Rule.NONE && checkAddressSpace(long) == Rule.NONE),
      'a clean host state that breaks a rule');
  if (rule != Rule.NONE) return rule;
  const active = (cpu.efer & Efer.LMA) != 0;
  if (!active && (long || isGuestLong())) return Rule.OUTSIDE_IA32E;
  if (active && !long) return Rule.IN_IA32E;
  return clean ? Rule.NONE : checkAddressSpace(long);
}
@inline function isGuestLong(): bool { return (entered<u32>(Field.ENTRY_CONTROLS) & EntryControl.IA32E_GUEST) != 0; }

function checkRegisters(long: bool): Rule {
  const exit = entered<u32>(Field.EXIT_CONTROLS);
  if (!isFixed(entered<u64>(Field.HOST_CR0), Capability.CR0_FIXED0, Capability.CR0_FIXED1)) return Rule.HOST_CR0;
  if (!isFixed(entered<u64>(Field.HOST_CR4), Capability.CR4_FIXED0, Capability.CR4_FIXED1)) return Rule.HOST_CR4;
  if (!isAddress(Field.HOST_CR3, 0)) return Rule.HOST_CR3;
  if (!areCanonical(Field.HOST_SYSENTER_ESP, Field.HOST_SYSENTER_EIP)) return Rule.HOST_SYSENTER;
  if ((exit & ExitControl.LOAD_PAT) != 0 && !isPat(entered<u64>(Field.HOST_PAT))) return Rule.HOST_PAT;
  if ((exit & ExitControl.LOAD_EFER) != 0) {
    const efer = entered<u64>(Field.HOST_EFER);
    if (hasReservedEfer(efer)) return Rule.HOST_EFER;
    if (!isLmaLme(efer) || ((efer & Efer.LMA) != 0) != long) return Rule.HOST_EFER_LMA;
  }
  // TR comes after GS: there is no selector of a host LDTR.
  for (let s: u32 = 0; s < 7; s++)
    if ((entered<u16>(Field.HOST_ES_SELECTOR + (s << 3)) & 7) != 0) return Rule.HOST_SELECTOR;
  if (entered<u16>(Field.HOST_CS_SELECTOR) == 0 || entered<u16>(Field.HOST_TR_SELECTOR) == 0) return Rule.HOST_NULL;
  if (!long && entered<u16>(Field.HOST_SS_SELECTOR) == 0) return Rule.HOST_NULL_SS;
  if (!areCanonical(Field.HOST_FS_BASE, Field.HOST_GS_BASE) || !areCanonical(Field.HOST_GDTR_BASE, Field.HOST_IDTR_BASE)
    || !isCanonicalForRegister(entered<u64>(Field.HOST_TR_BASE))) return Rule.HOST_BASE;
  return Rule.NONE;
}

function checkAddressSpace(long: bool): Rule {
  const cr4 = entered<u64>(Field.HOST_CR4), rip = entered<u64>(Field.HOST_RIP);
  if (!long && (isGuestLong() || (cr4 & Cr4.PCIDE) != 0 || rip >> 32 != 0)) return Rule.HOST_32;
  if (long && ((cr4 & Cr4.PAE) == 0 || !isCanonicalForRegister(rip))) return Rule.HOST_64;
  return Rule.NONE;
}
