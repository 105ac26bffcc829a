/**
 * Bodies of the hot records: operands by the record's absolute addresses, memory by the inlined TLB check. Only flat
 * segments and default address sizes come here (isa/decoder.ts decides); a result of 0 means that an event is pending.
 */
import { cpu, GPR } from '../cpu/state';
import { cf, flagsAdd, flagsDec, flagsInc, flagsLogic, flagsNotZero, flagsShift, flagsSub, setCarryOverflow, setCf, signExtend } from '../cpu/flags';
import { Rec } from '../isa/record';
import { readMiss, writeMiss } from '../mmu/access';
import { mulHighSigned } from './wide';
import { callable, reachable } from './control';

export const enum Alu { ADD, OR, ADC, SBB, AND, SUB, XOR }
export const enum Unary { INC, DEC, NEG, NOT }
export const enum Shift { ROL, ROR, RCL, RCR, SHL, SHR, SAL, SAR }
/**
 * What flags become that the manuals leave undefined: OF after more than one place, AF. Recorded processors of a vendor do
 * one and the same: Intel's compute OF of the operand's first step, AMD's of the result's last one. KEEP: OF stays, as in
 * Intel's ROL and ROR of a register by an immediate.
 */
export const enum Rule { INTEL, AMD, KEEP }

const WRITE: usize = 0x4000;

@inline export function hotOffset(i: Rec): u64 {
  return load<u64>(i.base) + (load<u64>(i.index) << i.scale) + <u64><i64>i.disp;
}
/** The same where there is no index. */
@inline export function hotNear(i: Rec): u64 { return load<u64>(i.base) + <u64><i64>i.disp; }
@inline function entryOf(la: u64): usize { return <usize>cpu.bank + (<usize>(<u32>la >> 8) & 0x3ff0); }

/** Host pointer to the memory operand for reading. */
@inline export function hotRead<T>(i: Rec): usize { return readAt<T>(i, hotOffset(i) & cpu.laMask); }
@inline export function hotReadNear<T>(i: Rec): usize { return readAt<T>(i, hotNear(i) & cpu.laMask); }
@inline function readAt<T>(i: Rec, la: u64): usize {
  const entry = entryOf(la);
  if (load<u64>(entry) == ((la + (sizeof<T>() - 1)) & ~0xfff)) return <usize>(<u32>la + load<u32>(entry, 8));
  return readMiss(la, sizeof<T>(), i.scale >> 6);
}
/** Host pointer to the memory operand for writing; BOUNCE must be committed. */
@inline export function hotWrite<T>(i: Rec, keep: bool): usize { return writeAt<T>(i, hotOffset(i) & cpu.laMask, keep); }
@inline export function hotWriteNear<T>(i: Rec, keep: bool): usize { return writeAt<T>(i, hotNear(i) & cpu.laMask, keep); }
@inline function writeAt<T>(i: Rec, la: u64, keep: bool): usize {
  const entry = entryOf(la);
  if (load<u64>(entry, WRITE) == ((la + (sizeof<T>() - 1)) & ~0xfff)) return <usize>(<u32>la + load<u32>(entry, WRITE + 8));
  return writeMiss(la, sizeof<T>(), i.scale >> 6, keep);
}
/** Where the TLB has what lies at `la`; 0 where somebody else must look. */
@inline export function hotHit(la: u64, size: u32): usize {
  const entry = entryOf(la);
  return load<u64>(entry) == ((la + (size - 1)) & ~0xfff) ? <usize>(<u32>la + load<u32>(entry, 8)) : 0;
}
@inline export function hotWriteHit(la: u64, size: u32): usize {
  const entry = entryOf(la);
  return load<u64>(entry, WRITE) == ((la + (size - 1)) & ~0xfff) ? <usize>(<u32>la + load<u32>(entry, WRITE + 8)) : 0;
}

const RSP: usize = GPR + 32;
/** Host pointer to the slot that a push writes; hotPushed moves the stack pointer once nothing can fail any more. */
@inline export function hotPush<T>(): usize {
  const la = (load<u64>(RSP) - sizeof<T>()) & cpu.laMask;
  const entry = entryOf(la);
  if (load<u64>(entry, WRITE) == ((la + (sizeof<T>() - 1)) & ~0xfff)) return <usize>(<u32>la + load<u32>(entry, WRITE + 8));
  return writeMiss(la, sizeof<T>(), 1, false);
}
@inline export function hotPushed<T>(): void { store<u64>(RSP, (load<u64>(RSP) - sizeof<T>()) & cpu.laMask); }
@inline export function hotPop<T>(): usize {
  const la = load<u64>(RSP) & cpu.laMask;
  const entry = entryOf(la);
  if (load<u64>(entry) == ((la + (sizeof<T>() - 1)) & ~0xfff)) return <usize>(<u32>la + load<u32>(entry, 8));
  return readMiss(la, sizeof<T>(), 1);
}
@inline export function hotPopped<T>(): void { store<u64>(RSP, (load<u64>(RSP) + sizeof<T>()) & cpu.laMask); }

/** May an indirect jump of 64-bit mode go to `rip`? The first test passes all that is canonical with 48 bits. */
@inline export function hotTarget(rip: u64): bool { return (rip + 0x800000000000) >> 48 == 0 || reachable(rip); }
/** The same of a call that returns to `after`. */
@inline export function hotCallTarget(rip: u64, after: u64): bool { return (rip + 0x800000000000) >> 48 == 0 || callable<u64>(rip, after); }

/** Two-operand arithmetic with its flags; folds to the one operator. */
@inline export function hotAlu<T>(op: Alu, left: T, right: T): T {
  if (op == Alu.ADD) {
    const sum = <T>(left + right);
    flagsAdd<T>(left, right, sum);
    return sum;
  }
  if (op == Alu.ADC) {
    const sum = <T>(left + right + <T>cf());
    flagsAdd<T>(left, right, sum);
    return sum;
  }
  if (op == Alu.SUB) {
    const difference = <T>(left - right);
    flagsSub<T>(left, right, difference);
    return difference;
  }
  if (op == Alu.SBB) {
    const difference = <T>(left - right - <T>cf());
    flagsSub<T>(left, right, difference);
    return difference;
  }
  const result = <T>(op == Alu.AND ? left & right : op == Alu.OR ? left | right : left ^ right);
  flagsLogic<T>(result);
  return result;
}
@inline export function hotCmp<T>(left: T, right: T): void { flagsSub<T>(left, right, <T>(left - right)); }

@inline export function hotUnary<T>(op: Unary, value: T): T {
  if (op == Unary.NOT) return <T>~value;
  if (op == Unary.NEG) {
    const result = <T>(0 - value);
    flagsSub<T>(<T>0, value, result);
    return result;
  }
  const result = op == Unary.INC ? <T>(value + 1) : <T>(value - 1);
  if (op == Unary.INC) flagsInc<T>(value, result);
  else flagsDec<T>(value, result);
  return result;
}

/** The two top bits of a value, 1 where they differ. */
@inline export function topBitsDiffer<T>(value: T): u64 {
  return (<u64>value >> (8 * sizeof<T>() - 1)) ^ ((<u64>value >> (8 * sizeof<T>() - 2)) & 1);
}

/** Shifts and rotates but RCL and RCR; a masked count of 0 changes nothing. */
@inline export function hotShift<T>(op: Shift, value: T, by: u32, rule: Rule): T {
  const bits: u32 = 8 * sizeof<T>();
  const count = by & (sizeof<T>() == 8 ? 63 : 31);
  const adjust: u64 = rule == Rule.AMD ? 1 : 0;
  if (count == 0) return value;
  if (op == Shift.SHL) {
    let result: T;
    let carry: u64;
    if (sizeof<T>() < 4) {
      const wide = <u64>value << count;
      result = <T>wide;
      carry = (wide >> bits) & 1;
    } else {
      result = <T>(value << <T>count);
      carry = <u64>(value >> <T>(bits - count)) & 1;
    }
    flagsShift<T>(result, carry, rule == Rule.AMD ? (<u64>result >> (bits - 1)) ^ carry : topBitsDiffer<T>(value), adjust);
    return result;
  }
  if (op == Shift.SHR) {
    let result: T;
    let carry: u64;
    if (sizeof<T>() < 4) {
      result = <T>(<u32>value >> count);
      carry = <u64>((<u32>value >> (count - 1)) & 1);
    } else {
      result = <T>(value >> <T>count);
      carry = <u64>(value >> <T>(count - 1)) & 1;
    }
    flagsShift<T>(result, carry, rule == Rule.AMD ? (<u64>result >> (bits - 2)) & 1 : <u64>value >> (bits - 1), adjust);
    return result;
  }
  if (op == Shift.SAR) {
    const wide = <i64>signExtend<T>(value);
    const result = <T>(wide >> count);
    flagsShift<T>(result, <u64>(wide >> (count - 1)) & 1, 0, adjust);
    return result;
  }
  const result = op == Shift.ROL ? rotl<T>(value, <T>(count & (bits - 1))) : rotr<T>(value, <T>(count & (bits - 1)));
  const top = <u64>result >> (bits - 1);
  const carry = op == Shift.ROL ? <u64>result & 1 : top;
  if (rule == Rule.KEEP) setCf(carry);
  else if (rule == Rule.AMD) setCarryOverflow(carry, op == Shift.ROL ? top ^ carry : topBitsDiffer<T>(result));
  else setCarryOverflow(carry, op == Shift.ROL ? topBitsDiffer<T>(value) : (<u64>value >> (bits - 1)) ^ (<u64>value & 1));
  return result;
}

/** Flags of a product with low half `low`: of those that the manual leaves undefined AMD's processors change none. */
@inline export function flagsProduct<T>(low: T, overflow: u64, rule: Rule): void {
  if (rule == Rule.AMD) setCarryOverflow(overflow, overflow);
  else flagsNotZero<T>(low, overflow, overflow);
}
/** IMUL with a truncated result: CF = OF = the product does not fit. */
@inline export function hotImul<T>(left: T, right: T, rule: Rule): T {
  const result = <T>(left * right);
  let overflow: u64;
  if (sizeof<T>() == 8) overflow = overflows(<i64>left, <i64>right);
  else overflow = <u64>(<i64>signExtend<T>(left) * <i64>signExtend<T>(right) != <i64>signExtend<T>(result));
  flagsProduct<T>(result, overflow, rule);
  return result;
}
/** 1 where the signed product of two 64-bit numbers needs more than 64 bits. */
function overflows(a: i64, b: i64): u64 {
  if (<i64><i32>a == a && <i64><i32>b == b) return 0;
  return mulHighSigned(a, b) != (a * b) >> 63 ? 1 : 0;
}

/** Flags of left - right, and a condition of them without computing any. */
@inline export function fusedCmp<T>(code: u32, left: T, right: T): bool {
  hotCmp<T>(left, right);
  switch (code) {
    case 2: return left < right;
    case 3: return left >= right;
    case 4: return left == right;
    case 5: return left != right;
    case 6: return left <= right;
    case 7: return left > right;
    case 8: return <i64>signExtend<T>(<T>(left - right)) < 0;
    case 9: return <i64>signExtend<T>(<T>(left - right)) >= 0;
    case 12: return <i64>signExtend<T>(left) < <i64>signExtend<T>(right);
    case 13: return <i64>signExtend<T>(left) >= <i64>signExtend<T>(right);
    case 14: return <i64>signExtend<T>(left) <= <i64>signExtend<T>(right);
    default: return <i64>signExtend<T>(left) > <i64>signExtend<T>(right);
  }
}
@inline export function fusedTest<T>(code: u32, left: T, right: T): bool {
  const result = <T>(left & right);
  flagsLogic<T>(result);
  const wide = <i64>signExtend<T>(result);
  switch (code) {
    case 4: return wide == 0;
    case 5: return wide != 0;
    case 8: return wide < 0;
    case 9: return wide >= 0;
    case 14: return wide <= 0;
    default: return wide > 0;
  }
}
