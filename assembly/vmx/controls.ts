/** VM-execution, VM-exit and VM-entry controls (SDM Vol. 3C, "VM-Execution Control Fields" and the two after it). */
import { modelWord } from '../cpu/features';
import { Msr } from '../cpu/msr';

export const enum Pin { EXTERNAL_INTERRUPT = 1, NMI = 8, VIRTUAL_NMIS = 0x20, PREEMPTION_TIMER = 0x40, POSTED_INTERRUPTS = 0x80 }
export const enum Primary {
  INTERRUPT_WINDOW = 4, TSC_OFFSETTING = 8, HLT = 0x80, INVLPG = 0x200, MWAIT = 0x400, RDPMC = 0x800, RDTSC = 0x1000,
  CR3_LOAD = 0x8000, CR3_STORE = 0x10000, CR8_LOAD = 0x80000, CR8_STORE = 0x100000, TPR_SHADOW = 0x200000, NMI_WINDOW = 0x400000,
  MOV_DR = 0x800000, UNCONDITIONAL_IO = 0x1000000, IO_BITMAPS = 0x2000000, MONITOR_TRAP = 0x8000000, MSR_BITMAPS = 0x10000000,
  MONITOR = 0x20000000, PAUSE = 0x40000000, SECONDARY = 0x80000000,
}
export const enum Secondary {
  APIC_ACCESSES = 1, EPT = 2, DESCRIPTOR_TABLE = 4, RDTSCP = 8, X2APIC_MODE = 0x10, VPID = 0x20, WBINVD = 0x40,
  UNRESTRICTED = 0x80, APIC_REGISTERS = 0x100, VIRTUAL_INTERRUPTS = 0x200, PAUSE_LOOP = 0x400, RDRAND = 0x800, INVPCID = 0x1000,
  VM_FUNCTIONS = 0x2000, VMCS_SHADOWING = 0x4000, ENCLS = 0x8000, RDSEED = 0x10000, PML = 0x20000, EPT_VIOLATION_VE = 0x40000,
  XSAVES = 0x100000, MODE_BASED_EXECUTE = 0x400000, TSC_SCALING = 0x2000000,
}
export const enum ExitControl {
  SAVE_DEBUG = 4, HOST_64 = 0x200, ACKNOWLEDGE = 0x8000, SAVE_PAT = 0x40000, LOAD_PAT = 0x80000, SAVE_EFER = 0x100000,
  LOAD_EFER = 0x200000, SAVE_TIMER = 0x400000,
}
export const enum EntryControl {
  LOAD_DEBUG = 4, IA32E_GUEST = 0x200, ENTRY_TO_SMM = 0x400, DEACTIVATE_DUAL_MONITOR = 0x800, LOAD_PAT = 0x4000, LOAD_EFER = 0x8000,
}
/** Bit of the guest's pending debug exceptions: an enabled breakpoint was met. */
export const ENABLED_BREAKPOINT: u64 = 0x1000;
/** Guest interruptibility state. */
export const enum Blocking { STI = 1, MOV_SS = 2, SMI = 4, NMI = 8, ENCLAVE = 0x10 }

/** Words of the model that hold the capability MSRs 480H to 491H. src/cpu-models/vmx.ts writes them, in this order. */
export const enum Capability {
  BASIC = 0xf40, PIN = 0xf48, PRIMARY = 0xf50, EXIT = 0xf58, ENTRY = 0xf60, MISC = 0xf68, CR0_FIXED0 = 0xf70, CR0_FIXED1 = 0xf78,
  CR4_FIXED0 = 0xf80, CR4_FIXED1 = 0xf88, VMCS_ENUM = 0xf90, SECONDARY = 0xf98, EPT_VPID = 0xfa0, TRUE_PIN = 0xfa8,
  TRUE_PRIMARY = 0xfb0, TRUE_EXIT = 0xfb8, TRUE_ENTRY = 0xfc0, VMFUNC = 0xfc8,
}
/** Bits of IA32_VMX_MISC. */
export const enum Misc { TIMER_RATE = 31, STORE_LMA = 0x20, HLT = 0x40, SHUTDOWN = 0x80, WAIT_FOR_SIPI = 0x100, WRITE_ALL = 0x20000000, ZERO_LENGTH = 0x40000000 }

/** The word of the capability MSR `index` (480H to 491H); 0 where the MSR does not exist because what it tells of does not. */
export function capabilityMsr(index: u32): u32 {
  const word = Capability.BASIC + (index - Msr.VMX_BASIC << 3);
  const secondary = capability(Capability.SECONDARY);
  if (word == Capability.VMFUNC && (secondary & Secondary.VM_FUNCTIONS) == 0) return 0;
  if (word == Capability.EPT_VPID && (secondary & (Secondary.EPT | Secondary.VPID)) == 0) return 0;
  return word == Capability.SECONDARY && secondary == 0 ? 0 : word;
}
/** The settings of controls that may be 1. */
@inline export function capability(word: u32): u32 { return <u32>(modelWord(word) >> 32); }
/** Is bit `bit` of IA32_VMX_EPT_VPID_CAP set? */
@inline export function offersEptVpid(bit: u32): bool { return (modelWord(Capability.EPT_VPID) >> bit & 1) != 0; }
/** Are reserved bits of `controls` as they must be: allowed 0-settings in the low half, allowed 1-settings in the high? */
export function isAllowed(controls: u32, word: u32): bool {
  const allowed = modelWord(word);
  return (<u32>allowed & ~controls) == 0 && (controls & ~<u32>(allowed >> 32)) == 0;
}
