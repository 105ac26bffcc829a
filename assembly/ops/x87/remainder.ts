/**
 * FPREM, FPREM1, FSCALE, FXTRACT, FRNDINT (SDM Vol. 1, "Basic Arithmetic Instructions"): none heeds precision control.
 */
import { cpu } from '../../cpu/state';
import { Rec } from '../../isa/record';
import * as soft from '../fp/soft';
import { Fx, Rc } from '../fp/soft';
import { Fsw } from './control';
import {
  admitDenormals, finish, invalid, isNan, Kind, left, outSig, outTop, propagate, propagateOne, right, rounding, setOut,
  setOutOperand, unpackInteger, unpackSt,
} from './number';
import {
  INDEFINITE, INDEFINITE_TOP, INTEGER_BIT, isEmpty, note, overflow, push, setC1, setSt, signal, underflow,
} from './registers';

const QUOTIENT: u32 = Fsw.C0 | Fsw.C1 | Fsw.C2 | Fsw.C3;
/** A partial remainder takes at least this much from the difference of the exponents, and up to 31 more. */
const STEP: i32 = 32;

/** Needs ST(0), and ST(1) when `two`; answers an empty one. */
function haveOperands(two: bool): bool {
  if (!isEmpty(0) && !(two && isEmpty(1))) {
    setC1(false);
    unpackSt(left, 0);
    if (two) unpackSt(right, 1);
    return true;
  }
  if (underflow()) setSt(0, INDEFINITE, INDEFINITE_TOP);
  return false;
}
@inline function storeIf(ok: bool): void {
  if (ok) setSt(0, outSig, outTop);
}

/** Remainder of left.sig * 2^by by right.sig, and the low bits of the quotient. */
let quotient: u64 = 0;
function divideSteps(by: i32): u64 {
  let rest = left.sig;
  let q: u64 = 0;
  let carry: bool = false;
  const b = right.sig;
  while (true) {
    q <<= 1;
    if (carry || rest >= b) {
      rest -= b;
      q |= 1;
    }
    if (by-- == 0) break;
    carry = (rest & INTEGER_BIT) != 0;
    rest <<= 1;
  }
  quotient = q;
  return rest;
}
function remainder(nearest: bool): bool {
  if (isNan(left) || isNan(right)) return propagate(left, right);
  if (left.kind == Kind.INFINITY || right.kind == Kind.ZERO) return invalid();
  if (!admitDenormals(left.denormal || right.denormal)) return false;
  quotient = 0;
  const by = left.exp - right.exp;
  let partial: bool = false;
  if (left.kind == Kind.ZERO) {
    cpu.fsw &= ~QUOTIENT;
    setOutOperand(left);
    return true;
  }
  if (right.kind == Kind.INFINITY || by < -1 || (by == -1 && !nearest))
    soft.setResult(left.sign, left.exp, left.sig, 0);
  else if (by < 0) {
    if (left.sig > right.sig) {
      soft.add(left.sign, left.exp, left.sig, left.sign ^ 1, right.exp, right.sig);
      quotient = 1;
    } else soft.setResult(left.sign, left.exp, left.sig, 0);
  } else {
    partial = by > 63;
    const rest = divideSteps(partial ? STEP | (by & 31) : by);
    soft.setResult(left.sign, partial ? right.exp + by - (STEP | (by & 31)) : right.exp, rest, 0);
    const half = right.sig - rest;
    if (nearest && !partial && (rest > half || (rest == half && (quotient & 1) != 0))) {
      soft.setResult(left.sign ^ 1, right.exp, half, 0);
      quotient++;
    }
  }
  if (soft.rZero) setOut(0, left.sign << 15);
  else finish(64);
  cpu.fsw &= ~QUOTIENT;
  if (partial) cpu.fsw |= Fsw.C2;
  else
    cpu.fsw |= ((quotient & 4) != 0 ? Fsw.C0 : 0) | ((quotient & 2) != 0 ? Fsw.C3 : 0)
      | ((quotient & 1) != 0 ? Fsw.C1 : 0);
  return true;
}
/** C0 and C3 stay where there is no remainder. */
export function opFprem(i: Rec): void {
  note(i);
  cpu.fsw &= ~(Fsw.C1 | Fsw.C2);
  if (haveOperands(true)) storeIf(remainder(false));
}
export function opFprem1(i: Rec): void {
  note(i);
  cpu.fsw &= ~(Fsw.C1 | Fsw.C2);
  if (haveOperands(true)) storeIf(remainder(true));
}

/** left * 2^trunc(right) */
function scale(): bool {
  if (isNan(left) || isNan(right)) return propagate(left, right);
  if (right.kind == Kind.INFINITY) {
    if (left.kind == (right.sign != 0 ? Kind.INFINITY : Kind.ZERO)) return invalid();
    if (!admitDenormals(left.denormal)) return false;
    const sign = left.sign << 15;
    if (right.sign != 0) setOut(0, sign);
    else setOut(INTEGER_BIT, sign | 0x7fff);
    return true;
  }
  if (!admitDenormals(left.denormal || right.denormal)) return false;
  if (left.kind != Kind.NORMAL) {
    setOutOperand(left);
    return true;
  }
  let by: i32 = 0;
  if (right.kind == Kind.NORMAL && right.exp >= 0) by = right.exp > 16 ? 0x20000 : <i32>(right.sig >> (63 - right.exp));
  soft.setResult(left.sign, left.exp + (right.sign != 0 ? -by : by), left.sig, 0);
  return finish(64);
}
export function opFscale(i: Rec): void {
  note(i);
  if (haveOperands(true)) storeIf(scale());
}

/** ST(0) becomes the exponent, and the significand is pushed. */
export function opFxtract(i: Rec): void {
  note(i);
  if (isEmpty(0)) {
    if (!underflow()) return;
    setSt(0, INDEFINITE, INDEFINITE_TOP);
    push(INDEFINITE, INDEFINITE_TOP);
    return;
  }
  if (!isEmpty(7)) {
    if (!overflow()) return;
    setSt(0, INDEFINITE, INDEFINITE_TOP);
    push(INDEFINITE, INDEFINITE_TOP);
    return;
  }
  setC1(false);
  unpackSt(left, 0);
  const sign = left.sign << 15;
  if (isNan(left)) {
    if (!propagateOne(left)) return;
    setSt(0, outSig, outTop);
    push(outSig, outTop);
  } else if (left.kind == Kind.INFINITY) {
    setSt(0, INTEGER_BIT, 0x7fff);
    push(INTEGER_BIT, sign | 0x7fff);
  } else if (left.kind == Kind.ZERO) {
    if (signal(Fsw.ZE)) return;
    setSt(0, INTEGER_BIT, 0xffff);
    push(0, sign);
  } else {
    if (!admitDenormals(left.denormal)) return;
    unpackInteger(right, left.exp);
    setOutOperand(right);
    setSt(0, outSig, outTop);
    push(left.sig, sign | 0x3fff);
  }
}

function roundToIntegral(): bool {
  if (isNan(left)) return propagateOne(left);
  if (!admitDenormals(left.denormal)) return false;
  if (left.kind != Kind.NORMAL || left.exp >= 63) {
    setOutOperand(left);
    return true;
  }
  const rc = rounding(), sign = left.sign << 15;
  if (left.exp >= 0) {
    soft.setResult(left.sign, left.exp, left.sig, 0);
    soft.round(left.exp + 1, -1, 64, rc, true);
    setOut(soft.rHi, sign | <u32>(soft.rExp + 16383));
    setC1(soft.roundedUp);
    if (soft.raised != 0) signal(Fx.INEXACT);
    return true;
  }
  let up: bool;
  if (rc == Rc.NEAREST) up = left.exp == -1 && left.sig > INTEGER_BIT;
  else up = rc == Rc.UP ? left.sign == 0 : rc == Rc.DOWN && left.sign != 0;
  setOut(up ? INTEGER_BIT : 0, up ? sign | 0x3fff : sign);
  setC1(up);
  signal(Fx.INEXACT);
  return true;
}
export function opFrndint(i: Rec): void {
  note(i);
  if (haveOperands(false)) storeIf(roundToIntegral());
}
