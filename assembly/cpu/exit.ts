/**
 * VM exits: what happened, in one record that knows no vendor. Code that finds that an instruction or an event must not
 * happen in a guest calls exit, adds what else there is to say, and returns as after raise(); vmx/exit-fields.ts writes the
 * record to the VMCS when the guest is left (exec/vm-exit.ts).
 */
import { cpu, EXIT } from './state';
import { abandon, attend, Attention, Pending } from './pending';

/** Why: numbered as VMX's basic exit reasons (SDM Vol. 3D, "VMX Basic Exit Reasons"), by Linux's names. */
export const enum Exit {
  EXCEPTION_NMI, EXTERNAL_INTERRUPT, TRIPLE_FAULT, INIT_SIGNAL, SIPI_SIGNAL, INTERRUPT_WINDOW = 7, NMI_WINDOW, TASK_SWITCH,
  CPUID, HLT = 12, INVD, INVLPG, RDPMC, RDTSC, VMCALL = 18, VMCLEAR, VMLAUNCH, VMPTRLD, VMPTRST, VMREAD, VMRESUME, VMWRITE,
  VMOFF, VMON, CR_ACCESS, DR_ACCESS, IO_INSTRUCTION, MSR_READ, MSR_WRITE, INVALID_STATE, MSR_LOAD_FAIL, MWAIT_INSTRUCTION = 36,
  MONITOR_TRAP_FLAG, MONITOR_INSTRUCTION = 39, PAUSE_INSTRUCTION, MCE_DURING_VMENTRY, TPR_BELOW_THRESHOLD = 43, APIC_ACCESS,
  EOI_INDUCED, GDTR_IDTR, LDTR_TR, EPT_VIOLATION, EPT_MISCONFIG, INVEPT, RDTSCP, PREEMPTION_TIMER, INVVPID, WBINVD, XSETBV,
  APIC_WRITE, RDRAND, INVPCID, VMFUNC, ENCLS, RDSEED, PML_FULL, XSAVES, XRSTORS, UMWAIT = 67, TPAUSE,
}
/** An event in words of 32 bits: vector in 7:0, type (Event) in 10:8 (SDM Vol. 3C, "Information for VM Exits Due to Vectored Events"). */
export const enum Interruption { VECTOR = 0xff, TYPE_SHIFT = 8, ERROR_CODE = 0x800, UNBLOCKED_BY_IRET = 0x1000, VALID = 0x80000000 }

/** What of a record says something, beside reason, qualification and the two events. */
export const enum Part { LENGTH = 1, OPERANDS = 2, PHYSICAL = 4, LINEAR = 8, ERROR_CODE = 16, VECTORING_CODE = 32 }

/** One VM exit. The qualification and the operands are in VMX's format. */
@unmanaged
export class ExitRecord {
  reason: u32;
  /** Length of the instruction. */
  length: u16;
  /** In the ring: the rule of VM entry that was broken, 0 for none. */
  rule: u16;
  qualification: u64;
  /** In the ring: RIP. */
  rip: u64;
  guestPhysical: u64;
  guestLinear: u64;
  /** The event that exits, and the one that was being delivered: Interruption. */
  interruption: u32;
  vectoring: u32;
  /** In the ring: instructions since the VM entry, the clock, the bytes of the instruction, how many are there, its code size (Key). */
  instructions: u64;
  clock: u64;
  code: u64;
  codeHigh: u64;
  codeLength: u8;
  codeSize: u8;
  /** What of the record says something: Part. */
  parts: u16;
  /** Operands of the instruction. */
  operands: u32;
  /** Error codes of the two events. */
  errorCode: u32;
  vectoringCode: u32;
}

/** The last VM exit. */
export const lastExit = changetype<ExitRecord>(EXIT);

/** A VM exit will take the place of the current instruction or event. */
export function exit(reason: Exit, qualification: u64 = 0): void {
  abandon(Pending.VM_EXIT);
  setExit(reason, qualification);
}
/** Makes lastExit one that says no more than this. */
@inline export function setExit(reason: u32, qualification: u64): void {
  lastExit.reason = reason;
  lastExit.qualification = qualification;
  lastExit.interruption = 0;
  lastExit.vectoring = 0;
  lastExit.parts = 0;
}

@inline function add(part: Part): void { lastExit.parts |= <u16>part; }
export function setExitLength(length: u32): void {
  lastExit.length = <u16>length;
  add(Part.LENGTH);
}
/** The operands of the instruction, as VMX's instruction information has them. */
export function setExitOperands(operands: u32): void {
  lastExit.operands = operands;
  add(Part.OPERANDS);
}
export function setExitPhysical(gpa: u64): void {
  lastExit.guestPhysical = gpa;
  add(Part.PHYSICAL);
}
export function setExitLinear(la: u64): void {
  lastExit.guestLinear = la;
  add(Part.LINEAR);
}
/** The event that exits, with its error code. */
export function setExitEvent(event: u32, errorCode: u32): void {
  lastExit.interruption = event;
  lastExit.errorCode = errorCode;
  add(Part.ERROR_CODE);
}
/** The event that was being delivered, with its error code. */
export function setExitVectoring(event: u32, errorCode: u32): void {
  lastExit.vectoring = event;
  lastExit.vectoringCode = errorCode;
  add(Part.VECTORING_CODE);
}

/** A VM exit that comes after the current instruction. */
export function exitAfter(reason: Exit, qualification: u64): void {
  cpu.trapExit = reason;
  cpu.trapQualification = qualification;
  attend(Attention.INTERRUPT);
}
