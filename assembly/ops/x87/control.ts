/**
 * Control and status of the x87 (SDM Vol. 1, "x87 FPU Status Register", "x87 FPU Control Word"). The summary bits ES
 * and B of the status word follow the exceptions that the control word does not mask.
 */
import { cpu, GPR } from '../../cpu/state';
import { releaseFerr } from '../../cpu/ferr';
import { abandoned } from '../../cpu/pending';
import { State } from '../../cpu/vector-state';
import { Rec } from '../../isa/record';
import { loadPointers } from './pointers';

export const enum Fsw {
  EXCEPTIONS = 0x3f, IE = 1, DE = 2, ZE = 4, OE = 8, UE = 0x10, PE = 0x20, SF = 0x40, ES = 0x80, C0 = 0x100, C1 = 0x200,
  C2 = 0x400, TOP = 0x3800, C3 = 0x4000, B = 0x8000,
}
const FCW_RESET: u32 = 0x37f;
/** Bits of the control word that exist; bit 6 reads as 1. */
const FCW_BITS: u32 = 0x1f3f;

/** ES and B say whether an unmasked exception is pending. */
export function updateSummary(): void {
  const pending = (cpu.fsw & ~cpu.fcw & Fsw.EXCEPTIONS) != 0;
  cpu.fsw = pending ? cpu.fsw | (Fsw.ES | Fsw.B) : cpu.fsw & ~(Fsw.ES | Fsw.B);
  if (!pending) releaseFerr();
}
export function setControlWord(value: u32): void {
  cpu.initialized &= ~State.X87;
  cpu.fcw = (value & FCW_BITS) | 0x40;
  updateSummary();
}
export function initFpu(): void {
  cpu.fcw = FCW_RESET;
  cpu.fsw = 0;
  cpu.ftw = 0;
  cpu.fop = 0;
  cpu.fip = 0;
  cpu.fdp = 0;
  cpu.fipSelector = 0;
  cpu.fdpSelector = 0;
  cpu.initialized &= ~State.X87;
  loadPointers();
  releaseFerr();
}

export function opFninit(i: Rec): void { initFpu(); }
export function opFnclex(i: Rec): void {
  cpu.initialized &= ~State.X87;
  cpu.fsw &= ~(Fsw.EXCEPTIONS | Fsw.SF | Fsw.ES | Fsw.B);
  releaseFerr();
}
export function opFwait(i: Rec): void {}
export function opFnstsw<D>(i: Rec): void { changetype<D>(0).write<u16>(i, <u16>cpu.fsw); }
export function opFnstswAx(i: Rec): void { store<u16>(GPR, <u16>cpu.fsw); }
export function opFnstcw<D>(i: Rec): void { changetype<D>(0).write<u16>(i, <u16>cpu.fcw); }
export function opFldcw<S>(i: Rec): void {
  const value = changetype<S>(0).read<u16>(i);
  if (!abandoned()) setControlWord(value);
}
