/**
 * Which registers beside the general ones an instruction uses, and whether it may now (SDM Vol. 3A, "System Programming for
 * Instruction Set Extensions and Processor Extended States"). A record has the bits of what its instruction uses at the
 * place where `cpu.blocked` has them, so that one AND answers for the common case.
 */
import { cpu } from './state';
import { abandoned, raise, Vector } from './pending';
import { Cr0, Cr4 } from './control';
import { ignoresError } from './ferr';

export const enum Uses {
  VEX = 1 << 21, SSE = 1 << 22, MMX = 1 << 23, X87 = 1 << 24,
  /** WAIT, which heeds CR0.TS only beside CR0.MP. */
  WAIT = 1 << 25,
  ALL = 31 << 21,
  /** Reports a pending x87 exception first (SDM Vol. 1, "x87 FPU Exception Synchronization"). */
  PENDING = 1 << 27,
}
/** State components of XSAVE: bits of XCR0 (SDM Vol. 1, "XSAVE-Managed State Components"). */
export const enum State { X87 = 1, SSE = 2, AVX = 4, PKRU = 0x200 }
const AVX_STATE: u64 = State.SSE | State.AVX;
/** The summary bit of the status word, and its distance from Uses.PENDING. */
const ERROR_SUMMARY: u32 = 0x80;
const ERROR_TO_PENDING: u32 = 20;

@inline function avxEnabled(): bool { return (cpu.cr4 & Cr4.OSXSAVE) != 0 && (cpu.xcr0 & AVX_STATE) == AVX_STATE; }

/** Computes cpu.blocked; to be called when CR0, CR4 or XCR0 changed. */
export function computeBlocked(): void {
  let blocked = (cpu.cr0 & (Cr0.TS | Cr0.EM)) == 0 ? 0 : blockedByCr0();
  if (!avxEnabled()) blocked |= Uses.VEX;
  if ((cpu.cr4 & Cr4.OSFXSR) == 0) blocked |= Uses.SSE;
  cpu.blocked = blocked;
}
function blockedByCr0(): u32 {
  const blocked: u32 = Uses.SSE | Uses.MMX | Uses.X87;
  if ((cpu.cr0 & Cr0.TS) == 0) return blocked;
  return blocked | Uses.VEX | ((cpu.cr0 & Cr0.MP) != 0 ? <u32>Uses.WAIT : 0);
}

/** Is there a reason to ask whether an instruction with these bits in its record may run now? One AND for all that run. */
@inline export function isHeld(info: u32): bool {
  return (info & (cpu.blocked | ((cpu.fsw & ERROR_SUMMARY) << ERROR_TO_PENDING))) != 0;
}
/** May such an instruction run? False with #UD, #NM or #MF pending. */
export function mayRun(info: u32): bool {
  if ((info & cpu.blocked) == 0) return beginMmx();
  let vector = Vector.NM;
  for (let rest = info & Uses.ALL; rest != 0; rest &= rest - 1) if (isUndefined(rest & (0 - rest))) vector = Vector.UD;
  raise(vector);
  return false;
}
function isUndefined(use: u32): bool {
  if (use == Uses.VEX) return !avxEnabled();
  if (use == Uses.SSE && (cpu.cr4 & Cr4.OSFXSR) == 0) return true;
  return (use == Uses.SSE || use == Uses.MMX) && (cpu.cr0 & Cr0.EM) != 0;
}

const TOP: u32 = 0x3800;

/**
 * May a waiting x87 instruction or one of MMX run: is no x87 exception pending, or to be ignored? False with #MF pending, or
 * with the processor frozen before the instruction.
 */
export function beginMmx(): bool {
  if ((cpu.fsw & ERROR_SUMMARY) == 0) return true;
  if ((cpu.cr0 & Cr0.NE) == 0) return ignoresError();
  raise(Vector.MF);
  return false;
}
/** The x87 state after an MMX instruction that was carried out: TOP is 0 and every register is valid. */
export function endMmx(): void {
  if (!abandoned()) enterMmx();
}
export function enterMmx(): void {
  cpu.fsw &= ~TOP;
  cpu.ftw = 0xff;
}
