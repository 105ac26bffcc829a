/**
 * The pointers to the last x87 instruction and its operand as they are saved (SDM Vol. 1, "x87 FPU Instruction and Data
 * (Operand) Pointers", "Last Instruction Opcode"). Every instruction notes all of them; which of them later processors
 * keep only for an exception that is not masked, and which they save as zero, is decided here.
 */
import { cpu } from '../../cpu/state';
import { isIntel, Offer, offers } from '../../cpu/features';

/** ModRM.mod of a register operand, in the noted opcode. */
const REGISTER: u32 = 0xc0;

/** An exception that is not masked: keeps what the instruction noted. */
export function noteException(): void {
  cpu.exceptionFop = cpu.fop;
  if ((cpu.fop & REGISTER) == REGISTER) return;
  cpu.exceptionFdp = cpu.fdp;
  cpu.exceptionFdpSelector = cpu.fdpSelector;
}
/** The pointers were loaded or cleared: that is what shows until the next instruction that changes them. */
export function loadPointers(): void {
  cpu.exceptionFop = cpu.fop;
  cpu.exceptionFdp = cpu.fdp;
  cpu.exceptionFdpSelector = cpu.fdpSelector;
}

/** From the Pentium 4 on Intel's processors keep the opcode for exceptions only ("Fopcode Compatibility Sub-mode"). */
export function shownOpcode(): u32 { return isIntel() && offers(Offer.SSE2) ? cpu.exceptionFop : cpu.fop; }
/** CPUID.07H.0:EBX[6], FDP_EXCPTN_ONLY. */
export function shownDataPointer(): u64 { return offers(Offer.FDP_EXCPTN_ONLY) ? cpu.exceptionFdp : cpu.fdp; }
/** CPUID.07H.0:EBX[13]: the selectors are saved as zeros. */
export function shownCodeSelector(): u32 { return offers(Offer.ZERO_FCS_FDS) ? 0 : cpu.fipSelector; }
export function shownDataSelector(): u32 { return offers(Offer.ZERO_FCS_FDS) ? 0 : dataSelector(); }
/** The selector that belongs to shownDataPointer. */
export function dataSelector(): u32 {
  return offers(Offer.FDP_EXCPTN_ONLY) ? cpu.exceptionFdpSelector : cpu.fdpSelector;
}
