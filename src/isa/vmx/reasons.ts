/** Basic exit reasons (SDM Vol. 3D, "VMX Basic Exit Reasons") by Linux's names, and VM-instruction errors in words. */

/** By number; '-' where there is none. */
// biome-ignore format: ten to a line
const NAMES = `EXCEPTION_NMI EXTERNAL_INTERRUPT TRIPLE_FAULT INIT_SIGNAL SIPI_SIGNAL - - INTERRUPT_WINDOW NMI_WINDOW TASK_SWITCH
 CPUID - HLT INVD INVLPG RDPMC RDTSC - VMCALL VMCLEAR
 VMLAUNCH VMPTRLD VMPTRST VMREAD VMRESUME VMWRITE VMOFF VMON CR_ACCESS DR_ACCESS
 IO_INSTRUCTION MSR_READ MSR_WRITE INVALID_STATE MSR_LOAD_FAIL - MWAIT_INSTRUCTION MONITOR_TRAP_FLAG - MONITOR_INSTRUCTION
 PAUSE_INSTRUCTION MCE_DURING_VMENTRY - TPR_BELOW_THRESHOLD APIC_ACCESS EOI_INDUCED GDTR_IDTR LDTR_TR EPT_VIOLATION EPT_MISCONFIG
 INVEPT RDTSCP PREEMPTION_TIMER INVVPID WBINVD XSETBV APIC_WRITE RDRAND INVPCID VMFUNC
 ENCLS RDSEED PML_FULL XSAVES XRSTORS - - UMWAIT TPAUSE`.split(/\s+/);

/** All of Linux's names. */
export const REASON_NAMES: readonly string[] = NAMES.filter((name) => name !== '-');

/** Linux's name of a basic exit reason, or its number. */
export function reasonName(basic: number): string {
  const name = NAMES[basic];
  return name === undefined || name === '-' ? `REASON_${basic}` : name;
}

/** SDM Vol. 3C, "VM-Instruction Error Numbers". */
const ERRORS: Readonly<Record<number, string>> = {
  0: 'no current VMCS that could be entered',
  4: 'VMLAUNCH with non-clear VMCS',
  5: 'VMRESUME with non-launched VMCS',
  7: 'VM entry with invalid control field(s)',
  8: 'VM entry with invalid host-state field(s)',
  26: 'VM entry with events blocked by MOV SS',
};

export function instructionErrorText(error: number): string {
  return ERRORS[error] ?? `VM-instruction error ${error}`;
}
