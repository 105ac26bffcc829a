/**
 * VM-entry checks on the guest state (SDM Vol. 3C, "Checking and Loading Guest State"): the rule that is broken, or
 * Rule.NONE; entryQualification says more to the guest's hypervisor.
 */
import { cpu } from '../cpu/state';
import { Interruption } from '../cpu/exit';
import { Activity, Event, Vector } from '../cpu/pending';
import { Cr0, Cr4, Efer } from '../cpu/control';
import { Flag } from '../cpu/flags';
import { modelWord, Offer, offers } from '../cpu/features';
import { DEBUGCTL_WRITABLE, isPat } from '../cpu/msr';
import { physRead } from '../cpu/phys';
import { Rights } from '../cpu/segments';
import { Blocking, Capability, EntryControl, Pin, Secondary } from './controls';
import { areCanonical, hasReservedEfer, isAddress, isFixed, isLmaLme, secondaryControls } from './check-fields';
import { checkSegments } from './check-segments';
import { Rule } from './fields.gen';
import { Clean, entered, isClean } from './entered';
import { Field, NO_VMCS, revision, SHADOW_VMCS } from './vmcs';

/** Exit qualification of an entry that fails here. */
export let entryQualification: u64 = 0;
const enum Cause { PDPTES = 2, NMI = 3, LINK_POINTER = 4 }
function because(rule: Rule, cause: Cause): Rule {
  entryQualification = cause;
  return rule;
}

export function checkGuest(): Rule {
  entryQualification = 0;
  let rule = isClean(Clean.GUEST) ? Rule.NONE : checkRegisters();
  if (!ASC_NO_ASSERT) assert(rule != Rule.NONE || checkRegisters() == Rule.NONE, 'a clean guest state that breaks a rule');
  if (rule == Rule.NONE) rule = checkFlags();
  if (rule == Rule.NONE) rule = checkActivity();
  if (rule == Rule.NONE) rule = checkBlocking();
  if (rule == Rule.NONE) rule = checkPendingDebug();
  if (rule == Rule.NONE) rule = checkLink();
  return rule == Rule.NONE ? checkPagePointers() : rule;
}

/** What needs no check while the fields are as they were. */
function checkRegisters(): Rule {
  let rule = checkControlRegisters();
  if (rule == Rule.NONE) rule = checkSegments();
  return rule == Rule.NONE ? checkTables() : rule;
}

@inline function has(control: EntryControl): bool { return (entered<u32>(Field.ENTRY_CONTROLS) & control) != 0; }

/** "Checks on Guest Control Registers, Debug Registers, and MSRs" */
function checkControlRegisters(): Rule {
  const cr0 = entered<u64>(Field.GUEST_CR0), cr4 = entered<u64>(Field.GUEST_CR4);
  const paging = (cr0 & <u64>Cr0.PG) != 0;
  const long = has(EntryControl.IA32E_GUEST);
  const free: u64 = (secondaryControls() & Secondary.UNRESTRICTED) != 0 ? Cr0.PE | <u64>Cr0.PG : 0;
  if (!isFixed(cr0, Capability.CR0_FIXED0, Capability.CR0_FIXED1, free)) return Rule.GUEST_CR0;
  if (paging && (cr0 & Cr0.PE) == 0) return Rule.GUEST_CR0_PG;
  if (!isFixed(cr4, Capability.CR4_FIXED0, Capability.CR4_FIXED1)) return Rule.GUEST_CR4;
  const debug = has(EntryControl.LOAD_DEBUG);
  if (debug && (entered<u64>(Field.GUEST_DEBUGCTL) & ~DEBUGCTL_WRITABLE) != 0) return Rule.GUEST_DEBUGCTL;
  if (long && !(paging && (cr4 & Cr4.PAE) != 0)) return Rule.IA32E_PAGING;
  if (!long && (cr4 & Cr4.PCIDE) != 0) return Rule.IA32E_PCIDE;
  if (!isAddress(Field.GUEST_CR3, 0)) return Rule.GUEST_CR3;
  if (debug && entered<u64>(Field.GUEST_DR7) >> 32 != 0) return Rule.GUEST_DR7;
  if (!areCanonical(Field.GUEST_SYSENTER_ESP, Field.GUEST_SYSENTER_EIP)) return Rule.GUEST_SYSENTER;
  if (has(EntryControl.LOAD_PAT) && !isPat(entered<u64>(Field.GUEST_PAT))) return Rule.GUEST_PAT;
  if (has(EntryControl.LOAD_EFER)) {
    const efer = entered<u64>(Field.GUEST_EFER);
    if (hasReservedEfer(efer)) return Rule.GUEST_EFER;
    if (((efer & Efer.LMA) != 0) != long || (paging && !isLmaLme(efer))) return Rule.GUEST_EFER_LMA;
  }
  return Rule.NONE;
}

/** "Checks on Guest Descriptor-Table Registers" */
function checkTables(): Rule {
  if (!areCanonical(Field.GUEST_GDTR_BASE, Field.GUEST_IDTR_BASE)) return Rule.TABLE_BASE;
  return (entered<u32>(Field.GUEST_GDTR_LIMIT) | entered<u32>(Field.GUEST_IDTR_LIMIT)) > 0xffff ? Rule.TABLE_LIMIT : Rule.NONE;
}

/** "Checks on Guest RIP, RFLAGS, and SSP" */
function checkFlags(): Rule {
  const RESERVED: u64 = ~(<u64>0x3f7fd7);
  const long = has(EntryControl.IA32E_GUEST);
  const rip = entered<u64>(Field.GUEST_RIP), flags = entered<u64>(Field.GUEST_RFLAGS);
  if (long && (entered<u32>(Field.GUEST_CS_ACCESS_RIGHTS) & Rights.L) != 0) {
    // Bit 47 or 56 is not looked at: an address that is not canonical faults when it is fetched from.
    const upper = <i64>rip >> (offers(Offer.LA57) ? 57 : 48);
    if (upper != 0 && upper != -1) return Rule.GUEST_RIP;
  } else if (rip >> 32 != 0) return Rule.GUEST_RIP;
  if ((flags & RESERVED) != 0 || (flags & 2) == 0) return Rule.RFLAGS_RESERVED;
  if ((flags & Flag.VM) != 0 && (long || (entered<u64>(Field.GUEST_CR0) & Cr0.PE) == 0)) return Rule.RFLAGS_VM;
  return injects(Event.EXTERNAL) && (flags & Flag.IF) == 0 ? Rule.RFLAGS_IF : Rule.NONE;
}

/** Is an event of this type injected? */
function injects(type: u32): bool {
  const info = entered<u32>(Field.ENTRY_INTERRUPTION_INFORMATION);
  return (info & Interruption.VALID) != 0 && (info >> Interruption.TYPE_SHIFT & 7) == type;
}
/** Is the fault `vector` injected? */
function injectsFault(vector: u32): bool {
  return injects(Event.FAULT) && (entered<u32>(Field.ENTRY_INTERRUPTION_INFORMATION) & Interruption.VECTOR) == vector;
}

/** Bit of IA32_VMX_MISC before those for the activity states. */
const MISC_ACTIVE: u32 = 5;

/** "Checks on Guest Non-Register State": activity state. */
function checkActivity(): Rule {
  const state = entered<u32>(Field.GUEST_ACTIVITY_STATE);
  if (state == Activity.ACTIVE) return Rule.NONE;
  if (state > <u32>Activity.WAIT_FOR_SIPI || (modelWord(Capability.MISC) >> (MISC_ACTIVE + state) & 1) == 0) return Rule.ACTIVITY;
  if (state == Activity.HLT && (entered<u32>(Field.GUEST_SS_ACCESS_RIGHTS) & 0x60) != 0) return Rule.ACTIVITY_HLT;
  if ((entered<u32>(Field.GUEST_INTERRUPTIBILITY_STATE) & (Blocking.STI | Blocking.MOV_SS)) != 0) return Rule.ACTIVITY_BLOCKED;
  if ((entered<u32>(Field.ENTRY_INTERRUPTION_INFORMATION) & Interruption.VALID) == 0) return Rule.NONE;
  const waking = state == Activity.HLT && (injects(Event.EXTERNAL) || injectsFault(Vector.DB) || injects(Event.OTHER));
  const urgent = state != <u32>Activity.WAIT_FOR_SIPI && (injects(Event.NMI) || injectsFault(Vector.MC));
  return waking || urgent ? Rule.NONE : Rule.ACTIVITY_EVENT;
}

/** Interruptibility state. */
function checkBlocking(): Rule {
  const RESERVED: u32 = 0xffffffe0;
  const EITHER: u32 = Blocking.STI | Blocking.MOV_SS;
  const blocking = entered<u32>(Field.GUEST_INTERRUPTIBILITY_STATE);
  if ((blocking & RESERVED) != 0) return Rule.BLOCKING_RESERVED;
  if ((blocking & EITHER) == EITHER) return Rule.BLOCKING_BOTH;
  const sti = (blocking & Blocking.STI) != 0;
  if (sti && (entered<u64>(Field.GUEST_RFLAGS) & Flag.IF) == 0) return Rule.BLOCKING_IF;
  if ((blocking & EITHER) != 0 && injects(Event.EXTERNAL)) return Rule.BLOCKING_INTERRUPT;
  const nmi = injects(Event.NMI);
  if ((blocking & Blocking.MOV_SS) != 0 && nmi) return Rule.BLOCKING_NMI;
  if ((blocking & Blocking.SMI) != 0) return Rule.BLOCKING_SMI;
  if (sti && nmi) return because(Rule.BLOCKING_STI_NMI, Cause.NMI);
  const virtual = (entered<u32>(Field.PIN_BASED_CONTROLS) & Pin.VIRTUAL_NMIS) != 0;
  if (virtual && nmi && (blocking & Blocking.NMI) != 0) return Rule.BLOCKING_VIRTUAL_NMI;
  return (blocking & Blocking.ENCLAVE) != 0 ? Rule.BLOCKING_ENCLAVE : Rule.NONE;
}

/** Pending debug exceptions. */
function checkPendingDebug(): Rule {
  const ALLOWED: u64 = 0x1500f, BS: u64 = 0x4000, RTM: u64 = 0x10000, BTF: u64 = 2;
  const pending = entered<u64>(Field.GUEST_PENDING_DEBUG_EXCEPTIONS);
  if ((pending & ~ALLOWED) != 0) return Rule.PENDING_RESERVED;
  const blocked = (entered<u32>(Field.GUEST_INTERRUPTIBILITY_STATE) & (Blocking.STI | Blocking.MOV_SS)) != 0;
  if (blocked || entered<u32>(Field.GUEST_ACTIVITY_STATE) == Activity.HLT) {
    const steps = (entered<u64>(Field.GUEST_RFLAGS) & Flag.TF) != 0 && (entered<u64>(Field.GUEST_DEBUGCTL) & BTF) == 0;
    if (((pending & BS) != 0) != steps) return Rule.PENDING_BS;
  }
  return (pending & RTM) != 0 ? Rule.PENDING_RTM : Rule.NONE;
}

/** VMCS link pointer. */
function checkLink(): Rule {
  const link = entered<u64>(Field.VMCS_LINK_POINTER);
  if (link == NO_VMCS) return Rule.NONE;
  if (!isAddress(Field.VMCS_LINK_POINTER)) return because(Rule.LINK_ADDRESS, Cause.LINK_POINTER);
  const shadow: u32 = (secondaryControls() & Secondary.VMCS_SHADOWING) != 0 ? SHADOW_VMCS : 0;
  if (physRead<u32>(link) != (revision() | shadow)) return because(Rule.LINK_REVISION, Cause.LINK_POINTER);
  return link == cpu.vmcsPa ? because(Rule.LINK_CURRENT, Cause.LINK_POINTER) : Rule.NONE;
}

/** "Checks on Guest Page-Directory-Pointer-Table Entries": from the VMCS with EPT, else from memory. */
function checkPagePointers(): Rule {
  if (has(EntryControl.IA32E_GUEST) || (entered<u64>(Field.GUEST_CR0) & <u64>Cr0.PG) == 0 || (entered<u64>(Field.GUEST_CR4) & Cr4.PAE) == 0) return Rule.NONE;
  const ept = (secondaryControls() & Secondary.EPT) != 0;
  const reserved: u64 = ~cpu.physMask | 0x1e6;
  const table = entered<u64>(Field.GUEST_CR3) & 0xffffffe0;
  for (let n: u32 = 0; n < 4; n++) {
    const e = ept ? entered<u64>(Field.GUEST_PDPTE0 + (n << 3)) : physRead<u64>(table + (n << 3));
    if ((e & 1) != 0 && (e & reserved) != 0) return because(Rule.PDPTES, Cause.PDPTES);
  }
  return Rule.NONE;
}
