/**
 * VM-entry checks on controls (SDM Vol. 3C, "Checks on VMX Controls"): the first rule that is broken, or Rule.NONE. The
 * texts are in src/isa/vmx/rules.ts, in the same order.
 */
import { cpu } from '../cpu/state';
import { Interruption } from '../cpu/exit';
import { Event, Vector } from '../cpu/pending';
import { Cr0 } from '../cpu/control';
import { modelWord } from '../cpu/features';
import { physRead } from '../cpu/phys';
import { Reg } from '../apic/apic';
import { capability, Capability, ExitControl, isAllowed, Misc, Pin, Primary, Secondary } from './controls';
import { isAddress, secondaryControls } from './check-fields';
import { isEptPointer } from './eptp';
import { Rule } from './fields.gen';
import { Clean, entered, isClean } from './entered';
import { Field } from './vmcs';

const EPTP_SWITCHING: u64 = 1;

export function checkControls(): Rule {
  let rule = isClean(Clean.CONTROLS) ? Rule.NONE : checkGroup();
  if (!ASC_NO_ASSERT) assert(rule != Rule.NONE || checkGroup() == Rule.NONE, 'clean controls that break a rule');
  if (rule == Rule.NONE) rule = checkThreshold();
  const info = entered<u32>(Field.ENTRY_INTERRUPTION_INFORMATION);
  return rule == Rule.NONE && (info & Interruption.VALID) != 0 ? checkEvent(info) : rule;
}

/** What needs no check while the fields are as they were. */
function checkGroup(): Rule {
  let rule = checkExecution();
  if (rule == Rule.NONE) rule = checkExit();
  return rule == Rule.NONE ? checkEntry() : rule;
}

/** "VM-Execution Control Fields" */
function checkExecution(): Rule {
  const pin = entered<u32>(Field.PIN_BASED_CONTROLS);
  const primary = entered<u32>(Field.PRIMARY_CONTROLS);
  const secondary = secondaryControls();
  if (!isAllowed(pin, Capability.TRUE_PIN)) return Rule.PIN_RESERVED;
  if (!isAllowed(primary, Capability.TRUE_PRIMARY)) return Rule.PRIMARY_RESERVED;
  if ((secondary & ~capability(Capability.SECONDARY)) != 0) return Rule.SECONDARY_RESERVED;
  if (entered<u32>(Field.CR3_TARGET_COUNT) > 4) return Rule.CR3_TARGETS;
  if ((primary & Primary.IO_BITMAPS) != 0 && !(isAddress(Field.IO_BITMAP_A_ADDRESS) && isAddress(Field.IO_BITMAP_B_ADDRESS))) return Rule.IO_BITMAPS;
  if ((primary & Primary.MSR_BITMAPS) != 0 && !isAddress(Field.MSR_BITMAPS_ADDRESS)) return Rule.MSR_BITMAPS;
  const shadow = (primary & Primary.TPR_SHADOW) != 0;
  if (shadow) {
    if (!isAddress(Field.VIRTUAL_APIC_ADDRESS)) return Rule.VIRTUAL_APIC;
    if ((secondary & Secondary.VIRTUAL_INTERRUPTS) == 0 && entered<u32>(Field.TPR_THRESHOLD) > 15) return Rule.TPR_THRESHOLD_RESERVED;
  }
  if ((pin & Pin.NMI) == 0 && (pin & Pin.VIRTUAL_NMIS) != 0) return Rule.VIRTUAL_NMIS;
  if ((pin & Pin.VIRTUAL_NMIS) == 0 && (primary & Primary.NMI_WINDOW) != 0) return Rule.NMI_WINDOW;
  if ((secondary & Secondary.APIC_ACCESSES) != 0 && !isAddress(Field.APIC_ACCESS_ADDRESS)) return Rule.APIC_ACCESS;
  if (!shadow && (secondary & (Secondary.X2APIC_MODE | Secondary.APIC_REGISTERS | Secondary.VIRTUAL_INTERRUPTS)) != 0) return Rule.NEEDS_TPR_SHADOW;
  const MODES: u32 = Secondary.X2APIC_MODE | Secondary.APIC_ACCESSES;
  if ((secondary & MODES) == MODES) return Rule.X2APIC_MODE;
  if ((secondary & Secondary.VIRTUAL_INTERRUPTS) != 0 && (pin & Pin.EXTERNAL_INTERRUPT) == 0) return Rule.VIRTUAL_INTERRUPTS;
  if ((pin & Pin.POSTED_INTERRUPTS) != 0) {
    const acknowledges = (entered<u32>(Field.EXIT_CONTROLS) & ExitControl.ACKNOWLEDGE) != 0;
    if ((secondary & Secondary.VIRTUAL_INTERRUPTS) == 0 || !acknowledges) return Rule.POSTED_NEEDS;
    if (entered<u16>(Field.POSTED_INTERRUPT_NOTIFICATION_VECTOR) > 0xff) return Rule.POSTED_VECTOR;
    if (!isAddress(Field.POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, 0x3f)) return Rule.POSTED_DESCRIPTOR;
  }
  if ((secondary & Secondary.VPID) != 0 && entered<u16>(Field.VPID) == 0) return Rule.VPID;
  const ept = (secondary & Secondary.EPT) != 0;
  if (ept && !isEptPointer(entered<u64>(Field.EPTP))) return Rule.EPTP;
  if ((secondary & Secondary.PML) != 0) {
    if (!ept) return Rule.PML_NEEDS_EPT;
    if (!isAddress(Field.PML_ADDRESS)) return Rule.PML_ADDRESS;
  }
  if (!ept && (secondary & (Secondary.UNRESTRICTED | Secondary.MODE_BASED_EXECUTE)) != 0) return Rule.NEEDS_EPT;
  if ((secondary & Secondary.VM_FUNCTIONS) != 0) {
    const functions = entered<u64>(Field.VM_FUNCTION_CONTROLS);
    if ((functions & ~modelWord(Capability.VMFUNC)) != 0) return Rule.VMFUNC_RESERVED;
    if ((functions & EPTP_SWITCHING) != 0 && !(ept && isAddress(Field.EPTP_LIST_ADDRESS))) return Rule.EPTP_SWITCHING;
  }
  if ((secondary & Secondary.VMCS_SHADOWING) != 0 && !(isAddress(Field.VMREAD_BITMAP_ADDRESS) && isAddress(Field.VMWRITE_BITMAP_ADDRESS))) return Rule.SHADOWING;
  if ((secondary & Secondary.EPT_VIOLATION_VE) != 0 && !isAddress(Field.VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS)) return Rule.VE_ADDRESS;
  if ((secondary & Secondary.TSC_SCALING) != 0 && entered<u64>(Field.TSC_MULTIPLIER) == 0) return Rule.TSC_SCALING;
  return Rule.NONE;
}

/** The TPR threshold against the virtual-APIC page. */
function checkThreshold(): Rule {
  if ((entered<u32>(Field.PRIMARY_CONTROLS) & Primary.TPR_SHADOW) == 0) return Rule.NONE;
  if ((secondaryControls() & (Secondary.VIRTUAL_INTERRUPTS | Secondary.APIC_ACCESSES)) != 0) return Rule.NONE;
  const vtpr = <u32>physRead<u8>(entered<u64>(Field.VIRTUAL_APIC_ADDRESS) + Reg.TPR);
  return entered<u32>(Field.TPR_THRESHOLD) > vtpr >> 4 ? Rule.TPR_THRESHOLD_ABOVE : Rule.NONE;
}

/** Checks an MSR area: `rule` is that of its address, the one after it that of its end. */
function checkArea(address: u32, count: u32, rule: Rule): Rule {
  const entries = <u64>entered<u32>(count);
  if (entries == 0) return Rule.NONE;
  if (!isAddress(address, 15)) return rule;
  return ((entered<u64>(address) + entries * 16 - 1) & ~cpu.physMask) != 0 ? <Rule>(rule + 1) : Rule.NONE;
}

/** "VM-Exit Control Fields" */
function checkExit(): Rule {
  const exit = entered<u32>(Field.EXIT_CONTROLS);
  if (!isAllowed(exit, Capability.TRUE_EXIT)) return Rule.EXIT_RESERVED;
  if ((entered<u32>(Field.PIN_BASED_CONTROLS) & Pin.PREEMPTION_TIMER) == 0 && (exit & ExitControl.SAVE_TIMER) != 0) return Rule.SAVE_TIMER;
  const rule = checkArea(Field.EXIT_MSR_STORE_ADDRESS, Field.EXIT_MSR_STORE_COUNT, Rule.EXIT_STORE);
  return rule == Rule.NONE ? checkArea(Field.EXIT_MSR_LOAD_ADDRESS, Field.EXIT_MSR_LOAD_COUNT, Rule.EXIT_LOAD) : rule;
}

/** "VM-Entry Control Fields" */
function checkEntry(): Rule {
  if (!isAllowed(entered<u32>(Field.ENTRY_CONTROLS), Capability.TRUE_ENTRY)) return Rule.ENTRY_RESERVED;
  return checkArea(Field.ENTRY_MSR_LOAD_ADDRESS, Field.ENTRY_MSR_LOAD_COUNT, Rule.ENTRY_LOAD);
}
function checkEvent(info: u32): Rule {
  const CODES: u32 = (1 << Vector.DF) | (1 << Vector.TS) | (1 << Vector.NP) | (1 << Vector.SS) | (1 << Vector.GP) | (1 << Vector.PF) | (1 << Vector.AC);
  const RESERVED: u32 = 0x7ffff000;
  const type = (info >> Interruption.TYPE_SHIFT) & 7;
  const vector = info & Interruption.VECTOR;
  const fault = type == Event.FAULT;
  const trap = (capability(Capability.TRUE_PRIMARY) & Primary.MONITOR_TRAP) != 0;
  if (type == 1 || (type == <u32>Event.OTHER && !trap)) return Rule.EVENT_TYPE;
  if ((type == Event.NMI && vector != Vector.NMI) || (fault && vector > 31) || (type == <u32>Event.OTHER && vector != 0)) return Rule.EVENT_VECTOR;
  const real = (secondaryControls() & Secondary.UNRESTRICTED) != 0 && (entered<u64>(Field.GUEST_CR0) & Cr0.PE) == 0;
  const delivers = (info & Interruption.ERROR_CODE) != 0;
  if (delivers != (fault && !real && (CODES >> vector & 1) != 0)) return Rule.EVENT_ERROR_CODE;
  if ((info & RESERVED) != 0) return Rule.EVENT_RESERVED;
  if (delivers && entered<u32>(Field.ENTRY_EXCEPTION_ERROR_CODE) > 0xffff) return Rule.EVENT_CODE_HIGH;
  if (type >= <u32>Event.SOFTWARE_INT && type != <u32>Event.OTHER) {
    const length = entered<u32>(Field.ENTRY_INSTRUCTION_LENGTH);
    if (length > 15 || (length == 0 && (modelWord(Capability.MISC) & Misc.ZERO_LENGTH) == 0)) return Rule.EVENT_LENGTH;
  }
  return Rule.NONE;
}
