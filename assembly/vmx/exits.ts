/**
 * VM exits are decided and recorded here; exec/vm-exit.ts carries them out. Whoever finds that an instruction or an
 * event must not happen in VMX non-root operation calls vmExit, and returns as after raise().
 */
import { cpu } from '../cpu/state';
import { abandon, Pending } from '../cpu/pending';
import { Field, setField } from './vmcs';
import { Primary, Secondary } from './controls';

/** Basic exit reasons (SDM Vol. 3D, "VMX Basic Exit Reasons"), by Linux's names. */
export const enum Reason {
  EXCEPTION_NMI, EXTERNAL_INTERRUPT, TRIPLE_FAULT, INIT_SIGNAL, SIPI_SIGNAL, INTERRUPT_WINDOW = 7, NMI_WINDOW, TASK_SWITCH, CPUID,
  HLT = 12, INVD, INVLPG, RDPMC, RDTSC, VMCALL = 18, VMCLEAR, VMLAUNCH, VMPTRLD, VMPTRST, VMREAD, VMRESUME, VMWRITE, VMOFF, VMON,
  CR_ACCESS, DR_ACCESS, IO_INSTRUCTION, MSR_READ, MSR_WRITE, INVALID_STATE, MSR_LOAD_FAIL, MWAIT_INSTRUCTION = 36, MONITOR_TRAP_FLAG,
  MONITOR_INSTRUCTION = 39, PAUSE_INSTRUCTION, MCE_DURING_VMENTRY, TPR_BELOW_THRESHOLD = 43, APIC_ACCESS, EOI_INDUCED, GDTR_IDTR,
  LDTR_TR, EPT_VIOLATION, EPT_MISCONFIG, INVEPT, RDTSCP, PREEMPTION_TIMER, INVVPID, WBINVD, XSETBV, APIC_WRITE, RDRAND, INVPCID,
  VMFUNC, ENCLS, RDSEED, PML_FULL, XSAVES, XRSTORS, UMWAIT = 67, TPAUSE,
}

@inline export function inNonRoot(): bool { return cpu.nonRoot != 0; }
/** Is a primary or secondary control set for the running guest? Never in root operation. */
@inline export function intercepts(control: u32): bool { return (cpu.primaryControls & control) != 0; }
@inline export function hasSecondary(control: u32): bool { return (cpu.secondaryControls & control) != 0; }
/** A guest instruction that a secondary control must enable, and is #UD without it. */
@inline export function isDisabled(control: u32): bool { return cpu.nonRoot != 0 && (cpu.secondaryControls & control) == 0; }

/** Nothing is intercepted and nothing of a guest is under way any more: VMX root operation, or none. */
export function enterRootOperation(): void {
  cpu.nonRoot = 0;
  cpu.pinControls = 0;
  cpu.primaryControls = 0;
  cpu.secondaryControls = 0;
  cpu.exceptionBitmap = 0;
  cpu.eptp = 0;
  cpu.contextTag = 0;
  cpu.vmxDeadline = 0;
  cpu.apicAccessPage = u64.MAX_VALUE;
  cpu.trapExit = 0;
  cpu.trapPending = 0;
  cpu.injected = 0;
  cpu.iretUnblocked = 0;
}

/** A VM exit will take the place of the current instruction or event. */
export function vmExit(reason: u32, qualification: u64 = 0): void {
  abandon(Pending.VM_EXIT);
  setField<u32>(Field.EXIT_REASON, reason);
  setField<u64>(Field.EXIT_QUALIFICATION, qualification);
  setField<u32>(Field.EXIT_INTERRUPTION_INFORMATION, 0);
  setField<u32>(Field.IDT_VECTORING_INFORMATION, 0);
}
