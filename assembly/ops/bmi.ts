/** BMI1, BMI2 and ADX (SDM Vol. 2, under each mnemonic). MULX is in muldiv.ts, TZCNT and LZCNT in bits.ts. */
import { isIntel } from '../cpu/features';
import { abandoned } from '../cpu/pending';
import {
  cf, clearParity, Flag, flagsShift, ovf, parityOf, setArithmeticFlags, setCarryOverflow, setCf, signExtend,
} from '../cpu/flags';
import { Rec } from '../isa/record';

/**
 * SF and ZF from the result, CF as given. PF, which is undefined, is that of the result on AMD's processors and 0 on
 * Intel's.
 */
@inline function flagsOf<T>(result: T, carry: u64): void {
  flagsShift<T>(result, carry, 0);
  if (isIntel()) clearParity();
}
/** Flags of BEXTR: ZF; of the undefined ones AMD's processors set AF, and PF by the result. */
function extractFlags(result: u64): void {
  const others = isIntel() ? 0 : Flag.AF | (parityOf(result) << 2);
  setArithmeticFlags(others | (result == 0 ? <u64>Flag.ZF : 0));
}

export function opAndn<T, D, V, S>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const result = <T>(~changetype<V>(0).read<T>(i) & value);
  changetype<D>(0).write<T>(i, result);
  flagsOf<T>(result, 0);
}
/** Start in bits 7:0 of the control, length in bits 15:8. */
export function opBextr<T, D, S, C>(i: Rec): void {
  const value = <u64>changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const control = <u32>changetype<C>(0).read<T>(i);
  const start = control & 0xff, length = (control >> 8) & 0xff;
  let result: u64 = start < 64 ? value >> start : 0;
  if (length < 64) result &= (<u64>1 << length) - 1;
  changetype<D>(0).write<T>(i, <T>result);
  extractFlags(<u64><T>result);
}
export function opBlsi<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const result = <T>((0 - value) & value);
  changetype<D>(0).write<T>(i, result);
  flagsOf<T>(result, value != 0 ? 1 : 0);
}
export function opBlsmsk<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const result = <T>((value - 1) ^ value);
  changetype<D>(0).write<T>(i, result);
  flagsOf<T>(result, value == 0 ? 1 : 0);
}
export function opBlsr<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const result = <T>((value - 1) & value);
  changetype<D>(0).write<T>(i, result);
  flagsOf<T>(result, value == 0 ? 1 : 0);
}
export function opBzhi<T, D, S, C>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const from = <u32>changetype<C>(0).read<u8>(i);
  const whole = from >= 8 * sizeof<T>();
  const result = whole ? value : <T>(<u64>value & ((<u64>1 << from) - 1));
  changetype<D>(0).write<T>(i, result);
  flagsOf<T>(result, whole ? 1 : 0);
}

/** Scatters the low bits of the source to the places of the mask's ones. */
export function opPdep<T, D, V, S>(i: Rec): void {
  let mask = <u64>changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  let rest = <u64>changetype<V>(0).read<T>(i);
  let result: u64 = 0;
  for (; mask != 0; mask &= mask - 1, rest >>= 1) if ((rest & 1) != 0) result |= mask & (0 - mask);
  changetype<D>(0).write<T>(i, <T>result);
}
/** Gathers the bits of the source at the places of the mask's ones. */
export function opPext<T, D, V, S>(i: Rec): void {
  let mask = <u64>changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const from = <u64>changetype<V>(0).read<T>(i);
  let result: u64 = 0;
  for (let bit: u64 = 1; mask != 0; mask &= mask - 1, bit <<= 1) if ((from & mask & (0 - mask)) != 0) result |= bit;
  changetype<D>(0).write<T>(i, <T>result);
}

export function opRorx<T, D, S, C>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, rotr<T>(value, changetype<C>(0).read<T>(i)));
}
export function opSarx<T, D, S, C>(i: Rec): void {
  const value = <i64>signExtend<T>(changetype<S>(0).read<T>(i));
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, <T>(value >> (<i64>changetype<C>(0).read<T>(i) & (8 * sizeof<T>() - 1))));
}
export function opShlx<T, D, S, C>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, <T>(value << changetype<C>(0).read<T>(i)));
}
export function opShrx<T, D, S, C>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, <T>(value >> changetype<C>(0).read<T>(i)));
}

/** Carry out of the top bit of left + right = sum. */
@inline function carryOut<T>(left: T, right: T, sum: T): u64 {
  return <u64>((left & right) | ((left | right) & ~sum)) >> (8 * sizeof<T>() - 1);
}
export function opAdcx<T, D, S>(i: Rec): void {
  const right = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const left = changetype<D>(0).read<T>(i);
  const sum = <T>(left + right + <T>cf());
  changetype<D>(0).write<T>(i, sum);
  setCf(carryOut<T>(left, right, sum));
}
export function opAdox<T, D, S>(i: Rec): void {
  const right = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const left = changetype<D>(0).read<T>(i);
  const sum = <T>(left + right + <T>ovf());
  changetype<D>(0).write<T>(i, sum);
  setCarryOverflow(cf(), carryOut<T>(left, right, sum));
}
