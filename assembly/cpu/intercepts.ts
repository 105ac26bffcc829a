/**
 * What a guest may not do by itself: one word of ours, 0 outside of guests, that VM entry fills from what the hypervisor
 * wrote (vmx/intercepts.ts from a VMCS). Instructions and events ask it and know no vendor's controls.
 */
import { cpu } from './state';

/** Bit numbers of cpu.intercepts. */
export const enum Intercept {
  // Instructions. DESCRIPTOR_TABLES: those that load or store GDTR, IDTR, LDTR and TR.
  CPUID, HLT, INVD, INVLPG, INVPCID, MONITOR, MWAIT, PAUSE, RDPMC, RDTSC, RDTSCP, RDRAND, RDSEED, WBINVD, XSETBV, TASK_SWITCH,
  DESCRIPTOR_TABLES, MOV_DR, READ_CR3, WRITE_CR3, READ_CR8, WRITE_CR8,
  /** Some of them, as a bitmap or a list has it: ports, MSRs, components of XSAVES, PAUSE in a loop. */
  PORTS, MSRS, XSAVES, PAUSE_LOOP,
  /** Events. A window: exit as soon as such an event could be delivered. */
  INTERRUPT, NMI, INTERRUPT_WINDOW, NMI_WINDOW,
  /** The end of every instruction. */
  STEP,
  /** Not a VM exit but #UD: instructions that the hypervisor has not enabled. */
  NO_RDTSCP, NO_INVPCID, NO_XSAVES,
}

/** Does a guest run? */
@inline export function inGuest(): bool { return cpu.nonRoot != 0; }
/** Is `what` intercepted? Never outside of guests. */
@inline export function intercepts(what: Intercept): bool { return (cpu.intercepts >> what & 1) != 0; }
@inline export function interceptBit(what: Intercept): u64 { return <u64>1 << what; }
