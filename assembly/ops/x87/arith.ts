/**
 * FADD, FSUB, FMUL, FDIV in all their forms, FSQRT, FCHS, FABS (SDM Vol. 1, "Basic Arithmetic Instructions"). `left` is
 * the destination, `right` the source; the reversed operations exchange them.
 */
import { readPointer } from '../../isa/operand';
import { Rec } from '../../isa/record';
import * as soft from '../fp/soft';
import { Rc } from '../fp/soft';
import { Fsw } from './control';
import {
  admitDenormals, finish, invalid, isNan, Kind, left, Operand, outSig, outTop, precision, propagate, propagateOne,
  right, rounding, setOut, unpackDouble, unpackInteger, unpackSingle, unpackSt,
} from './number';
import { doubleSig, doubleTop, quickAdd, quickDiv, quickMul, singleSig, singleTop } from './quick';
import {
  INDEFINITE, INDEFINITE_TOP, INTEGER_BIT, isEmpty, note, noteMemory, popStack, setC1, setSt, signal, stackOperand, st,
  topOf, underflow,
} from './registers';

export const enum Op { ADD, SUB, MUL, DIV }

@inline function setZero(sign: u32): bool {
  setOut(0, sign << 15);
  return true;
}
@inline function setInfinity(sign: u32): bool {
  setOut(INTEGER_BIT, (sign << 15) | 0x7fff);
  return true;
}

/** a + b or a - b; false when an unmasked exception keeps the result from its destination. */
function addition(a: Operand, b: Operand, subtract: u32): bool {
  const bSign = b.sign ^ subtract;
  if (a.kind == Kind.NORMAL && b.kind == Kind.NORMAL) {
    if (!admitDenormals(a.denormal || b.denormal)) return false;
    soft.add(a.sign, a.exp, a.sig, bSign, b.exp, b.sig);
    if (soft.rZero) return setZero(rounding() == Rc.DOWN ? 1 : 0);
    return finish(precision());
  }
  if (isNan(a) || isNan(b)) return propagate(a, b);
  if (a.kind == Kind.INFINITY && b.kind == Kind.INFINITY && a.sign != bSign) return invalid();
  if (!admitDenormals(a.denormal || b.denormal)) return false;
  if (a.kind == Kind.INFINITY) return setInfinity(a.sign);
  if (b.kind == Kind.INFINITY) return setInfinity(bSign);
  if (a.kind == Kind.ZERO && b.kind == Kind.ZERO)
    return setZero(a.sign == bSign ? a.sign : rounding() == Rc.DOWN ? 1 : 0);
  if (a.kind == Kind.ZERO) soft.setResult(bSign, b.exp, b.sig, 0);
  else soft.setResult(a.sign, a.exp, a.sig, 0);
  return finish(precision());
}
function product(a: Operand, b: Operand): bool {
  const sign = a.sign ^ b.sign;
  if (a.kind == Kind.NORMAL && b.kind == Kind.NORMAL) {
    if (!admitDenormals(a.denormal || b.denormal)) return false;
    soft.mul(a.sign, a.exp, a.sig, b.sign, b.exp, b.sig);
    return finish(precision());
  }
  if (isNan(a) || isNan(b)) return propagate(a, b);
  const infinite = a.kind == Kind.INFINITY || b.kind == Kind.INFINITY;
  if (infinite && (a.kind == Kind.ZERO || b.kind == Kind.ZERO)) return invalid();
  if (!admitDenormals(a.denormal || b.denormal)) return false;
  return infinite ? setInfinity(sign) : setZero(sign);
}
function quotient(a: Operand, b: Operand): bool {
  const sign = a.sign ^ b.sign;
  if (a.kind == Kind.NORMAL && b.kind == Kind.NORMAL) {
    if (!admitDenormals(a.denormal || b.denormal)) return false;
    soft.div(a.sign, a.exp, a.sig, b.sign, b.exp, b.sig);
    return finish(precision());
  }
  if (isNan(a) || isNan(b)) return propagate(a, b);
  if (a.kind == b.kind) return invalid(); // 0 / 0 or infinity / infinity
  if (b.kind == Kind.ZERO && a.kind == Kind.NORMAL) {
    if (signal(Fsw.ZE)) return false;
    return setInfinity(sign);
  }
  if (!admitDenormals(a.denormal || b.denormal)) return false;
  return a.kind == Kind.INFINITY || b.kind == Kind.ZERO ? setInfinity(sign) : setZero(sign);
}
/** Carries out `op` on `left` and `right`. */
@inline function operate(op: Op, reversed: bool): bool {
  const a = reversed ? right : left, b = reversed ? left : right;
  if (op == Op.ADD) return addition(a, b, 0);
  if (op == Op.SUB) return addition(a, b, 1);
  return op == Op.MUL ? product(a, b) : quotient(a, b);
}

@inline function quick(op: Op, to: usize, aSig: u64, aTop: u32, bSig: u64, bTop: u32): bool {
  if (op == Op.DIV) return quickDiv(to, aSig, aTop, bSig, bTop);
  return op == Op.MUL ? quickMul(to, aSig, aTop, bSig, bTop)
    : quickAdd(to, aSig, aTop, bSig, op == Op.SUB ? bTop ^ 0x8000 : bTop);
}
/** op ST(i), ST(0) or op ST(0), ST(i): bit 2 of the escape opcode says which is the destination. */
@inline function onRegisters(i: Rec, op: Op, reversed: bool, pop: bool): void {
  note(i);
  const other = stackOperand(i);
  const toOther = (i.b & 0x400) != 0;
  const destination = toOther ? other : 0;
  const full = !isEmpty(0) && !isEmpty(other);
  if (full) {
    const to = st(destination), from = st(toOther ? 0 : other);
    const a = reversed ? from : to, b = reversed ? to : from;
    if (quick(op, to, load<u64>(a), load<u16>(a, 8), load<u64>(b), load<u16>(b, 8))) {
      if (pop) popStack();
      return;
    }
  }
  if (!full) {
    if (!underflow()) return;
    setSt(destination, INDEFINITE, INDEFINITE_TOP);
  } else {
    setC1(false);
    unpackSt(left, destination);
    unpackSt(right, toOther ? 0 : other);
    if (!operate(op, reversed)) return;
    setSt(destination, outSig, outTop);
  }
  if (pop) popStack();
}
const enum Format { SINGLE, DOUBLE, W, D }
@inline function onMemory(i: Rec, op: Op, reversed: bool, format: Format): void {
  const p = readPointer(i, format == Format.DOUBLE ? 8 : format == Format.W ? 2 : 4);
  if (p == 0) return;
  noteMemory(i);
  if (isEmpty(0)) {
    if (underflow()) setSt(0, INDEFINITE, INDEFINITE_TOP);
    return;
  }
  if (format == Format.SINGLE || format == Format.DOUBLE) {
    const to = st(0), mSig = format == Format.SINGLE ? singleSig(load<u32>(p)) : doubleSig(load<u64>(p));
    const mTop = format == Format.SINGLE ? singleTop(load<u32>(p)) : doubleTop(load<u64>(p));
    const sig = load<u64>(to), top = <u32>load<u16>(to, 8);
    if (reversed ? quick(op, to, mSig, mTop, sig, top) : quick(op, to, sig, top, mSig, mTop)) return;
  }
  setC1(false);
  unpackSt(left, 0);
  if (format == Format.SINGLE) unpackSingle(right, load<u32>(p));
  else if (format == Format.DOUBLE) unpackDouble(right, load<u64>(p));
  else unpackInteger(right, format == Format.W ? <i64>load<i16>(p) : <i64>load<i32>(p));
  if (operate(op, reversed)) setSt(0, outSig, outTop);
}

export function opFadd(i: Rec): void { onRegisters(i, Op.ADD, false, false); }
export function opFaddp(i: Rec): void { onRegisters(i, Op.ADD, false, true); }
export function opFaddSingle(i: Rec): void { onMemory(i, Op.ADD, false, Format.SINGLE); }
export function opFaddDouble(i: Rec): void { onMemory(i, Op.ADD, false, Format.DOUBLE); }
export function opFiaddW(i: Rec): void { onMemory(i, Op.ADD, false, Format.W); }
export function opFiaddD(i: Rec): void { onMemory(i, Op.ADD, false, Format.D); }
export function opFmul(i: Rec): void { onRegisters(i, Op.MUL, false, false); }
export function opFmulp(i: Rec): void { onRegisters(i, Op.MUL, false, true); }
export function opFmulSingle(i: Rec): void { onMemory(i, Op.MUL, false, Format.SINGLE); }
export function opFmulDouble(i: Rec): void { onMemory(i, Op.MUL, false, Format.DOUBLE); }
export function opFimulW(i: Rec): void { onMemory(i, Op.MUL, false, Format.W); }
export function opFimulD(i: Rec): void { onMemory(i, Op.MUL, false, Format.D); }
export function opFsub(i: Rec): void { onRegisters(i, Op.SUB, false, false); }
export function opFsubp(i: Rec): void { onRegisters(i, Op.SUB, false, true); }
export function opFsubSingle(i: Rec): void { onMemory(i, Op.SUB, false, Format.SINGLE); }
export function opFsubDouble(i: Rec): void { onMemory(i, Op.SUB, false, Format.DOUBLE); }
export function opFisubW(i: Rec): void { onMemory(i, Op.SUB, false, Format.W); }
export function opFisubD(i: Rec): void { onMemory(i, Op.SUB, false, Format.D); }
export function opFsubr(i: Rec): void { onRegisters(i, Op.SUB, true, false); }
export function opFsubrp(i: Rec): void { onRegisters(i, Op.SUB, true, true); }
export function opFsubrSingle(i: Rec): void { onMemory(i, Op.SUB, true, Format.SINGLE); }
export function opFsubrDouble(i: Rec): void { onMemory(i, Op.SUB, true, Format.DOUBLE); }
export function opFisubrW(i: Rec): void { onMemory(i, Op.SUB, true, Format.W); }
export function opFisubrD(i: Rec): void { onMemory(i, Op.SUB, true, Format.D); }
export function opFdiv(i: Rec): void { onRegisters(i, Op.DIV, false, false); }
export function opFdivp(i: Rec): void { onRegisters(i, Op.DIV, false, true); }
export function opFdivSingle(i: Rec): void { onMemory(i, Op.DIV, false, Format.SINGLE); }
export function opFdivDouble(i: Rec): void { onMemory(i, Op.DIV, false, Format.DOUBLE); }
export function opFidivW(i: Rec): void { onMemory(i, Op.DIV, false, Format.W); }
export function opFidivD(i: Rec): void { onMemory(i, Op.DIV, false, Format.D); }
export function opFdivr(i: Rec): void { onRegisters(i, Op.DIV, true, false); }
export function opFdivrp(i: Rec): void { onRegisters(i, Op.DIV, true, true); }
export function opFdivrSingle(i: Rec): void { onMemory(i, Op.DIV, true, Format.SINGLE); }
export function opFdivrDouble(i: Rec): void { onMemory(i, Op.DIV, true, Format.DOUBLE); }
export function opFidivrW(i: Rec): void { onMemory(i, Op.DIV, true, Format.W); }
export function opFidivrD(i: Rec): void { onMemory(i, Op.DIV, true, Format.D); }

export function opFsqrt(i: Rec): void {
  note(i);
  if (isEmpty(0)) {
    if (underflow()) setSt(0, INDEFINITE, INDEFINITE_TOP);
    return;
  }
  setC1(false);
  unpackSt(left, 0);
  if (squareRoot()) setSt(0, outSig, outTop);
}
function squareRoot(): bool {
  if (isNan(left)) return propagateOne(left);
  if (left.kind == Kind.ZERO) return setZero(left.sign);
  if (left.sign != 0) return invalid();
  if (left.kind == Kind.INFINITY) return setInfinity(0);
  if (!admitDenormals(left.denormal)) return false;
  soft.sqrt(left.exp, left.sig);
  return finish(precision());
}

/** FCHS and FABS only touch the sign, of whatever the register holds. */
@inline function changeSign(i: Rec, and: u32, xor: u32): void {
  note(i);
  if (isEmpty(0)) {
    if (underflow()) setSt(0, INDEFINITE, INDEFINITE_TOP);
    return;
  }
  setC1(false);
  store<u16>(st(0), <u16>((topOf(0) & and) ^ xor), 8);
}
export function opFchs(i: Rec): void { changeSign(i, 0xffff, 0x8000); }
export function opFabs(i: Rec): void { changeSign(i, 0x7fff, 0); }
