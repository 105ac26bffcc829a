/**
 * Shifts and rotates (SDM Vol. 2B, "SAL/SAR/SHL/SHR" and "RCL/RCR/ROL/ROR"). Counts are taken modulo 32, or 64 for
 * 64-bit operands; a count of 0 leaves the flags, but a 32-bit register is still written, and memory too.
 */
import { isIntel } from '../cpu/features';
import { abandoned } from '../cpu/pending';
import { cf, flagsShift, setCarryOverflow } from '../cpu/flags';
import { isMemory, Rec } from '../isa/record';
import { hotShift, Rule, Shift, topBitsDiffer } from './hot';

/** A shift or rotate by the rule of the model's vendor; `fixed`: a register's, by an immediate. */
function shifted<T>(op: Shift, value: T, count: u32, fixed: bool): T {
  if (!isIntel()) return hotShift<T>(op, value, count, Rule.AMD);
  const keeps = fixed && (count & (sizeof<T>() == 8 ? 63 : 31)) > 1;
  return keeps ? hotShift<T>(op, value, count, Rule.KEEP) : hotShift<T>(op, value, count, Rule.INTEL);
}
@inline function shift<T, D, C>(op: Shift, i: Rec): void {
  const count = changetype<C>(0).read<u8>(i);
  const value = changetype<D>(0).rmw<T>(i);
  if (abandoned()) return;
  changetype<D>(0).commit<T>(i, shifted<T>(op, value, count, changetype<C>(0).isImmediate() && !isMemory(i)));
}
export function opRol<T, D, C>(i: Rec): void { shift<T, D, C>(Shift.ROL, i); }
export function opRor<T, D, C>(i: Rec): void { shift<T, D, C>(Shift.ROR, i); }
export function opShl<T, D, C>(i: Rec): void { shift<T, D, C>(Shift.SHL, i); }
export function opShr<T, D, C>(i: Rec): void { shift<T, D, C>(Shift.SHR, i); }
export function opSar<T, D, C>(i: Rec): void { shift<T, D, C>(Shift.SAR, i); }

/** The places that a rotate through carry turns: of 8 and 16-bit operands CF makes a ninth and a seventeenth bit. */
@inline function places<T>(by: u32): u32 {
  if (sizeof<T>() == 1) return (by & 31) % 9;
  if (sizeof<T>() == 2) return (by & 31) % 17;
  return by & (sizeof<T>() == 8 ? 63 : 31);
}

/** OF after RCL and RCR by AMD's rule: of the result, even where all places were turned. */
@inline function overflowOf<T>(result: T, carry: u64, left: bool): u64 {
  return left ? (<u64>result >> (8 * sizeof<T>() - 1)) ^ carry : topBitsDiffer<T>(result);
}
/** Rotates CF:value left or right by `n` of its bits + 1 places; `n` is not 0. */
function rotateCarry<T>(value: T, n: u32, left: bool): T {
  const bits: u32 = 8 * sizeof<T>();
  const v = <u64>value;
  const turn = left ? n : bits + 1 - n;
  const out = (v >> (bits - turn)) & 1;
  const low = turn > 1 ? v >> (bits + 1 - turn) : 0;
  const high = turn < bits ? v << turn : 0;
  const result = <T>(high | (cf() << (turn - 1)) | low);
  setCarryOverflow(out, isIntel() ? (left ? topBitsDiffer<T>(value) : (v >> (bits - 1)) ^ cf())
    : overflowOf<T>(result, out, left));
  return result;
}
@inline function carryShift<T, D, C>(left: bool, i: Rec): void {
  const count = changetype<C>(0).read<u8>(i);
  const n = places<T>(count);
  const value = changetype<D>(0).rmw<T>(i);
  if (abandoned()) return;
  const result = n == 0 ? value : rotateCarry<T>(value, n, left);
  if (n == 0 && (count & 31) != 0 && sizeof<T>() < 4 && !isIntel())
    setCarryOverflow(cf(), overflowOf<T>(result, cf(), left));
  changetype<D>(0).commit<T>(i, result);
}
export function opRcl<T, D, C>(i: Rec): void { carryShift<T, D, C>(true, i); }
export function opRcr<T, D, C>(i: Rec): void { carryShift<T, D, C>(false, i); }

/**
 * SHLD and SHRD. For 16-bit operands and counts above 16 the manual leaves the result undefined; processors shift
 * value:filler:value. With a masked count of 0 the flags stay; else CF is the last bit shifted out, SF, ZF and PF are
 * those of the result, and OF and AF, where the manual leaves them undefined, are the vendor's: decision 0023.
 */
function doubleShift<T>(value: T, filler: T, by: u32, left: bool): T {
  const bits: u32 = 8 * sizeof<T>();
  const count = by & (sizeof<T>() == 8 ? 63 : 31);
  if (count == 0) return value;
  const v = <u64>value, f = <u64>filler;
  let result: T;
  let carry: u64;
  if (sizeof<T>() == 2) {
    const wide = (v << 32) | (f << 16) | v;
    result = <T>(left ? wide >> (32 - count) : wide >> count);
    carry = (left ? wide >> (48 - count) : wide >> (count - 1)) & 1;
  } else {
    result = <T>(left ? (v << count) | (f >> (bits - count)) : (v >> count) | (f << (bits - count)));
    carry = (left ? v >> (bits - count) : v >> (count - 1)) & 1;
  }
  if (isIntel()) flagsShift<T>(result, carry, left ? topBitsDiffer<T>(value) : (v >> (bits - 1)) ^ (f & 1));
  else flagsShift<T>(result, carry, overflowOf<T>(result, carry, left), 1);
  return result;
}
@inline function shiftPair<T, D, S, C>(left: bool, i: Rec): void {
  const count = changetype<C>(0).read<u8>(i);
  const filler = changetype<S>(0).read<T>(i);
  const value = changetype<D>(0).rmw<T>(i);
  if (abandoned()) return;
  changetype<D>(0).commit<T>(i, doubleShift<T>(value, filler, count, left));
}
export function opShld<T, D, S, C>(i: Rec): void { shiftPair<T, D, S, C>(true, i); }
export function opShrd<T, D, S, C>(i: Rec): void { shiftPair<T, D, S, C>(false, i); }
