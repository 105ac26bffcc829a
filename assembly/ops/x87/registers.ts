/**
 * The register stack of the x87 and what every instruction does to the state around it: exceptions, stack faults, the
 * pointers to the last instruction (SDM Vol. 1, "x87 FPU Execution Environment"). A value of 80 bits is two:
 * `significand` with its explicit integer bit, and `top`: sign and biased exponent.
 */
import { cpu, FPR, Seg } from '../../cpu/state';
import { selector } from '../../cpu/segments';
import { effectiveOffset } from '../../isa/operand';
import { Rec, ripOf, segmentOf } from '../../isa/record';
import { Fsw } from './control';
import { noteException } from './pointers';

export const INTEGER_BIT: u64 = 0x8000000000000000;
export const QUIET_BIT: u64 = 0x4000000000000000;
export const INDEFINITE: u64 = INTEGER_BIT | QUIET_BIT;
export const INDEFINITE_TOP: u32 = 0xffff;

/** Physical number, address and tag of ST(n). */
@inline export function physical(n: u32): u32 { return ((cpu.fsw >> 11) + n) & 7; }
@inline export function st(n: u32): usize { return FPR + (physical(n) << 4); }
@inline export function isEmpty(n: u32): bool { return ((cpu.ftw >> physical(n)) & 1) == 0; }
@inline export function significand(n: u32): u64 { return load<u64>(st(n)); }
@inline export function topOf(n: u32): u32 { return load<u16>(st(n), 8); }
@inline export function setSt(n: u32, value: u64, top: u32): void {
  const p = st(n);
  store<u64>(p, value);
  store<u16>(p, <u16>top, 8);
  cpu.ftw |= 1 << physical(n);
}
@inline export function free(n: u32): void { cpu.ftw &= ~(1 << physical(n)); }
@inline export function rotate(by: u32): void { cpu.fsw = (cpu.fsw & ~Fsw.TOP) | ((cpu.fsw + (by << 11)) & Fsw.TOP); }
@inline export function popStack(): void {
  free(0);
  rotate(1);
}
@inline export function setC1(on: bool): void { cpu.fsw = on ? cpu.fsw | Fsw.C1 : cpu.fsw & ~Fsw.C1; }
/** The register operand ST(i) in the opcode. */
@inline export function stackOperand(i: Rec): u32 { return i.b & 7; }

/**
 * Remembers instruction and data pointer and opcode (SDM Vol. 1, "x87 FPU Instruction and Data (Operand) Pointers").
 */
@inline export function note(i: Rec): void {
  cpu.fop = i.b & 0x7ff;
  cpu.fip = ripOf(i);
  cpu.fipSelector = selector(Seg.CS);
}
@inline export function noteMemory(i: Rec): void {
  note(i);
  cpu.fdp = effectiveOffset(i);
  cpu.fdpSelector = selector(segmentOf(i));
}

/** Sets exception flags; true when one of them is not masked. */
export function signal(bits: u32): bool {
  cpu.fsw |= bits;
  if ((bits & ~cpu.fcw & Fsw.EXCEPTIONS) == 0) return false;
  cpu.fsw |= Fsw.ES | Fsw.B;
  noteException();
  return true;
}
/** A register that should hold a value is empty, or the reverse; true when that is masked. */
export function underflow(): bool {
  cpu.fsw &= ~Fsw.C1;
  return !signal(Fsw.IE | Fsw.SF);
}
export function overflow(): bool {
  cpu.fsw |= Fsw.C1;
  return !signal(Fsw.IE | Fsw.SF);
}
/** Makes room for a new ST(0); where there is none, the default response or nothing: false. */
export function canPush(): bool {
  if (isEmpty(7)) {
    cpu.fsw &= ~Fsw.C1;
    return true;
  }
  if (overflow()) push(INDEFINITE, INDEFINITE_TOP);
  return false;
}
export function push(value: u64, top: u32): void {
  rotate(7);
  setSt(0, value, top);
}
