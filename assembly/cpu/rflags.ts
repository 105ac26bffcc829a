/**
 * Changes of RFLAGS that have effects of their own: single stepping, the resume flag, interrupts that waited for IF.
 * Interrupt shadows and the resume flag last for one instruction; they are kept as the retired-instruction count at
 * which they hold, so that nobody has to end them.
 */
import { cpu } from './state';
import { clearArithmeticFlags, Flag, rflags, setRflags } from './flags';
import { attend, Attention, retired } from './pending';
import { updateStepping } from './debug';

const NEVER: u64 = u64.MAX_VALUE;

/**
 * Sets the bits of `mask` in RFLAGS to those of `value`. To be called by the last instruction of a block only. Callers
 * that may change VM or AC follow with updateMode().
 */
export function writeRflags(mask: u64, value: u64): void {
  const old = cpu.rflags;
  let now = (rflags() & ~mask) | (value & mask);
  if ((mask & Flag.RF) != 0) {
    cpu.resumeAt = (now & Flag.RF) != 0 ? retired() : NEVER;
    now &= ~(<u64>Flag.RF);
  }
  setRflags(now);
  if (((old ^ now) & Flag.TF) != 0) updateStepping();
  if ((now & ~old & Flag.IF) != 0 && cpu.deferred != 0) attend(Attention.INTERRUPT);
}

/** Sets RFLAGS whole. Callers follow with updateStepping() and look at interrupts. */
export function replaceRflags(value: u64): void {
  cpu.resumeAt = (value & Flag.RF) != 0 ? retired() : NEVER;
  setRflags(value & ~(<u64>Flag.RF));
}

/** replaceRflags with all flags clear. */
export function clearRflags(): void {
  clearArithmeticFlags();
  cpu.rflags = 2;
  clearResume();
}

/** RFLAGS as the embedder sees and sets it. */
export function wholeRflags(): u64 { return rflags() | (resumeFlag() ? <u64>Flag.RF : 0); }
export function loadRflags(value: u64): void { writeRflags(u64.MAX_VALUE, value); }

/** RFLAGS.RF: does the next instruction ignore its breakpoint? */
@inline export function resumeFlag(): bool { return cpu.resumeAt == retired(); }
@inline export function setResume(): void { cpu.resumeAt = retired(); }
@inline export function clearResume(): void { cpu.resumeAt = NEVER; }

/** Holds interrupts off until one more instruction has retired (SDM Vol. 3A, "Masking Maskable Hardware Interrupts"). */
export function openShadow(): void {
  cpu.shadowAt = retired();
  cpu.shadowsDebug = 0;
  if (cpu.deferred != 0) attend(Attention.INTERRUPT);
}
/**
 * Holds off debug traps too (SDM Vol. 3A, "Masking Exceptions and Interrupts When Switching Stacks"). Of two loads of SS
 * in a row only the first does. To be called by the last instruction of a block only.
 */
export function openStackShadow(): void {
  if (beganInStackShadow()) return;
  openShadow();
  cpu.shadowsDebug = 1;
}
@inline export function inShadow(): bool { return cpu.shadowAt == retired(); }
/** Are debug traps and instruction breakpoints held off too? */
@inline export function inStackShadow(): bool { return cpu.shadowsDebug != 0 && cpu.shadowAt == retired(); }
/** Was the shadow of a load of SS open when the running instruction, the last of its block, began? */
@inline export function beganInStackShadow(): bool { return cpu.shadowsDebug != 0 && cpu.shadowAt == retired() - 1; }
@inline export function closeShadow(): void { cpu.shadowAt = NEVER; }
