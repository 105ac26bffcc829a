/**
 * Arithmetic flags, computed when somebody asks. `lazyResult` is the sign-extended result. `lazyCarry` holds the
 * carries out of the bits of the operation, its top bit at 63 whatever the width, with corrections for flags that do not
 * follow from a result:
 *
 *   63  62  ...  15      8  ...  3  ...  0
 *   CF  C6       parity ^=       AF      SF ^=        OF = CF ^ C6
 */
import { cpu } from './state';

export const enum Flag {
  CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, TF = 0x100, IF = 0x200, DF = 0x400, OF = 0x800,
  IOPL = 0x3000, NT = 0x4000, RF = 0x10000, VM = 0x20000, AC = 0x40000, VIF = 0x80000, VIP = 0x100000, ID = 0x200000,
  ARITHMETIC = 0x8d5,
}

const CARRIES: u64 = 0xc000000000000008;

@inline export function signExtend<T>(v: T): u64 {
  if (sizeof<T>() == 1) return <u64><i64><i8>v;
  if (sizeof<T>() == 2) return <u64><i64><i16>v;
  if (sizeof<T>() == 4) return <u64><i64><i32>v;
  return <u64>v;
}

@inline function record<T>(result: T, carries: T): void {
  cpu.lazyResult = signExtend<T>(result);
  if (sizeof<T>() == 8) cpu.lazyCarry = <u64>carries & CARRIES;
  else cpu.lazyCarry = (<u64>carries << (64 - 8 * sizeof<T>())) | (<u64>carries & 8);
}

/** Flags of left + right (+ carry) = sum. */
@inline export function flagsAdd<T>(left: T, right: T, sum: T): void {
  record<T>(sum, <T>((left & right) | ((left | right) & ~sum)));
}
/** Flags of left - right (- borrow) = difference. */
@inline export function flagsSub<T>(left: T, right: T, difference: T): void {
  record<T>(difference, <T>((~left & right) | (~(left ^ right) & difference)));
}
/** Flags of AND, OR, XOR, TEST: CF, OF and AF are clear. */
@inline export function flagsLogic<T>(result: T): void {
  cpu.lazyResult = signExtend<T>(result);
  cpu.lazyCarry = 0;
}
/** Flags of INC and DEC: as ADD or SUB with 1, but CF stays. */
@inline export function flagsInc<T>(old: T, result: T): void { keepCarry<T>(result, <T>(old & ~result)); }
@inline export function flagsDec<T>(old: T, result: T): void { keepCarry<T>(result, <T>(~old & result)); }
@inline function keepCarry<T>(result: T, carries: T): void {
  const cf = cpu.lazyCarry & 0x8000000000000000;
  record<T>(result, carries);
  const overflow = (cpu.lazyCarry ^ (cpu.lazyCarry << 1)) & 0x8000000000000000;
  cpu.lazyCarry = cf | ((cf ^ overflow) >> 1) | (cpu.lazyCarry & 8);
}
/** SF, ZF, PF from the result; CF, OF and AF as given (0 or 1). */
@inline export function flagsShift<T>(result: T, carry: u64, overflow: u64, adjust: u64 = 0): void {
  cpu.lazyResult = signExtend<T>(result);
  cpu.lazyCarry = (carry << 63) | ((carry ^ overflow) << 62) | (adjust << 3);
}
/** SF and PF from the result, ZF clear; CF and OF as given, AF clear. */
@inline export function flagsNotZero<T>(result: T, carry: u64, overflow: u64): void {
  // A bit that neither SF nor PF looks at.
  cpu.lazyResult = signExtend<T>(result) | (1 << 8);
  cpu.lazyCarry = (carry << 63) | ((carry ^ overflow) << 62);
}
/** Clears PF, the other flags being those of a result. */
@inline export function clearParity(): void { cpu.lazyCarry |= pf() << 8; }
/** PF of a result. */
@inline export function parityOf(result: u64): u64 { return (popcnt<u64>(result & 0xff) & 1) ^ 1; }

@inline export function cf(): u64 { return cpu.lazyCarry >> 63; }
@inline export function zf(): bool { return cpu.lazyResult == 0; }
@inline export function sf(): u64 { return (cpu.lazyResult >> 63) ^ (cpu.lazyCarry & 1); }
@inline export function ovf(): u64 { return (cpu.lazyCarry ^ (cpu.lazyCarry << 1)) >> 63; }
@inline export function pf(): u64 { return parityOf(cpu.lazyResult ^ (cpu.lazyCarry >> 8)); }
@inline export function af(): u64 { return (cpu.lazyCarry >> 3) & 1; }

/** CF PF AF ZF SF OF in their places. */
export function arithmeticFlags(): u64 {
  return cf() | (pf() << 2) | (af() << 4) | (<u64>zf() << 6) | (sf() << 7) | (ovf() << 11);
}
export function setArithmeticFlags(f: u64): void {
  const zero = (f & Flag.ZF) != 0;
  const result: u64 = zero ? 0 : 1 << 8;
  const c = f & 1, o = (f >> 11) & 1;
  const parityFlip = ((f >> 2) & 1) ^ 1;
  cpu.lazyResult = result;
  cpu.lazyCarry = (c << 63) | ((c ^ o) << 62) | (parityFlip << 8) | (((f >> 4) & 1) << 3) | ((f >> 7) & 1);
}
/** All of them clear: of a result that is not 0, with the parity put right. */
@inline export function clearArithmeticFlags(): void {
  cpu.lazyResult = 1 << 8;
  cpu.lazyCarry = 1 << 8;
}
/** CF, 0 or 1; the others stay: OF is the difference of two bits that change together. */
@inline export function setCf(value: u64): void { cpu.lazyCarry ^= (0 - (cf() ^ value)) << 62; }
/** CF and OF of rotates, each 0 or 1; the others stay. */
@inline export function setCarryOverflow(carry: u64, overflow: u64): void {
  cpu.lazyCarry = (cpu.lazyCarry & 0x3fffffffffffffff) | (carry << 63) | ((carry ^ overflow) << 62);
}
/** Sets the flags of `mask` to those in `value`, keeping the others. */
export function changeFlags(mask: u64, value: u64): void {
  setArithmeticFlags((arithmeticFlags() & ~mask) | (value & mask));
}

/** RFLAGS, whole. */
export function rflags(): u64 { return cpu.rflags | arithmeticFlags(); }
export function setRflags(value: u64): void {
  setArithmeticFlags(value);
  cpu.rflags = (value & ~(<u64>Flag.ARITHMETIC)) | 2;
}

/** Conditions by their encoding (SDM Vol. 2, "Condition Test Field"). Folds where `code` is constant. */
@inline export function condition(code: u32): bool {
  let yes: bool = false;
  switch (code >> 1) {
    case 0: yes = ovf() != 0; break;
    case 1: yes = cf() != 0; break;
    case 2: yes = zf(); break;
    case 3: yes = cf() != 0 || zf(); break;
    case 4: yes = sf() != 0; break;
    case 5: yes = pf() != 0; break;
    case 6: yes = sf() != ovf(); break;
    default: yes = zf() || sf() != ovf(); break;
  }
  return (code & 1) != 0 ? !yes : yes;
}
