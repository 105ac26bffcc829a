/** FCOM, FUCOM, FICOM, FCOMI, FTST, FXAM, FCMOV (SDM Vol. 1, "Comparison and Classification Instructions"). */
import { cpu } from '../../cpu/state';
import { cf, Flag, pf, setArithmeticFlags, zf } from '../../cpu/flags';
import { readPointer } from '../../isa/operand';
import { Rec } from '../../isa/record';
import { Fsw } from './control';
import {
  admitDenormals, isNan, Kind, left, Operand, right, unpackDouble, unpackInteger, unpackSingle, unpackSt,
} from './number';
import { isNormal } from './quick';
import {
  INDEFINITE, INDEFINITE_TOP, isEmpty, note, noteMemory, popStack, setC1, setSt, signal, significand, stackOperand,
  topOf, underflow,
} from './registers';

const CODES: u32 = Fsw.C0 | Fsw.C2 | Fsw.C3;
export const enum Order { GREATER = 0, LESS = Fsw.C0, EQUAL = Fsw.C3, UNORDERED = CODES }

@inline function setCodes(codes: u32): void { cpu.fsw = (cpu.fsw & ~CODES) | codes; }

function magnitude(a: Operand, b: Operand): i32 {
  if (a.kind == Kind.ZERO || b.kind == Kind.ZERO) return (a.kind == Kind.ZERO ? 0 : 1) - (b.kind == Kind.ZERO ? 0 : 1);
  if (a.exp != b.exp) return a.exp > b.exp ? 1 : -1;
  return a.sig > b.sig ? 1 : a.sig < b.sig ? -1 : 0;
}
function orderOf(a: Operand, b: Operand): u32 {
  let c: i32;
  if (a.sign != b.sign && !(a.kind == Kind.ZERO && b.kind == Kind.ZERO)) c = a.sign != 0 ? -1 : 1;
  else c = a.sign != 0 ? -magnitude(a, b) : magnitude(a, b);
  return c > 0 ? Order.GREATER : c < 0 ? Order.LESS : Order.EQUAL;
}
/** The order of two normal numbers, or of a normal number and a zero. */
@inline export function orderOfNormal(a: u64, aTop: u32, b: u64, bTop: u32): u32 {
  const negative = aTop >= 0x8000;
  if (negative != (bTop >= 0x8000)) return negative ? Order.LESS : Order.GREATER;
  if (a == b && aTop == bTop) return Order.EQUAL;
  const larger = aTop != bTop ? aTop > bTop : a > b;
  return larger != negative ? Order.GREATER : Order.LESS;
}
/**
 * Compares `left` with `right` into `order`, which counts even when an unmasked exception keeps the operands: false.
 */
let order: u32 = 0;
function compare(quiet: bool): bool {
  order = Order.UNORDERED;
  if (isNan(left) || isNan(right)) {
    const silent = quiet && left.kind <= Kind.QUIET && right.kind <= Kind.QUIET;
    return silent || !signal(Fsw.IE);
  }
  order = orderOf(left, right);
  return admitDenormals(left.denormal || right.denormal);
}
/** Compares ST(0) with ST(n). */
function compareRegisters(n: u32, quiet: bool): bool {
  if (isEmpty(0) || isEmpty(n)) {
    order = Order.UNORDERED;
    return underflow();
  }
  const a = significand(0), aTop = topOf(0), b = significand(n), bTop = topOf(n);
  if (isNormal(a, aTop) && isNormal(b, bTop)) {
    order = orderOfNormal(a, aTop, b, bTop);
    return true;
  }
  unpackSt(left, 0);
  unpackSt(right, n);
  return compare(quiet);
}
function withRegister(i: Rec, n: u32, quiet: bool, pops: u32): void {
  note(i);
  setC1(false);
  const go = compareRegisters(n, quiet);
  setCodes(order);
  if (!go) return;
  for (; pops > 0; pops--) popStack();
}
export function opFcom(i: Rec): void { withRegister(i, stackOperand(i), false, 0); }
export function opFcomp(i: Rec): void { withRegister(i, stackOperand(i), false, 1); }
export function opFcompp(i: Rec): void { withRegister(i, 1, false, 2); }
export function opFucom(i: Rec): void { withRegister(i, stackOperand(i), true, 0); }
export function opFucomp(i: Rec): void { withRegister(i, stackOperand(i), true, 1); }
export function opFucompp(i: Rec): void { withRegister(i, 1, true, 2); }

const enum Format { SINGLE, DOUBLE, W, D }
function withMemory(i: Rec, format: Format, pop: bool): void {
  const p = readPointer(i, format == Format.DOUBLE ? 8 : format == Format.W ? 2 : 4);
  if (p == 0) return;
  noteMemory(i);
  if (isEmpty(0)) {
    setCodes(CODES);
    if (!underflow()) return;
  } else {
    setC1(false);
    unpackSt(left, 0);
    switch (format) {
      case Format.SINGLE: unpackSingle(right, load<u32>(p)); break;
      case Format.DOUBLE: unpackDouble(right, load<u64>(p)); break;
      case Format.W: unpackInteger(right, <i64>load<i16>(p)); break;
      default: unpackInteger(right, <i64>load<i32>(p)); break;
    }
    const go = compare(false);
    setCodes(order);
    if (!go) return;
  }
  if (pop) popStack();
}
export function opFcomSingle(i: Rec): void { withMemory(i, Format.SINGLE, false); }
export function opFcompSingle(i: Rec): void { withMemory(i, Format.SINGLE, true); }
export function opFcomDouble(i: Rec): void { withMemory(i, Format.DOUBLE, false); }
export function opFcompDouble(i: Rec): void { withMemory(i, Format.DOUBLE, true); }
export function opFicomW(i: Rec): void { withMemory(i, Format.W, false); }
export function opFicompW(i: Rec): void { withMemory(i, Format.W, true); }
export function opFicomD(i: Rec): void { withMemory(i, Format.D, false); }
export function opFicompD(i: Rec): void { withMemory(i, Format.D, true); }

/** The order goes to ZF, PF, CF. */
function intoFlags(i: Rec, quiet: bool, pop: bool): void {
  note(i);
  const go = compareRegisters(stackOperand(i), quiet);
  setArithmeticFlags(order == Order.UNORDERED ? Flag.ZF | Flag.PF | Flag.CF : order == Order.EQUAL ? Flag.ZF
    : order == Order.LESS ? Flag.CF : 0);
  if (pop && go) popStack();
}
export function opFcomi(i: Rec): void { intoFlags(i, false, false); }
export function opFcomip(i: Rec): void { intoFlags(i, false, true); }
export function opFucomi(i: Rec): void { intoFlags(i, true, false); }
export function opFucomip(i: Rec): void { intoFlags(i, true, true); }

export function opFtst(i: Rec): void {
  note(i);
  if (isEmpty(0)) {
    underflow();
    setCodes(CODES);
    return;
  }
  setC1(false);
  unpackSt(left, 0);
  unpackInteger(right, 0);
  compare(false);
  setCodes(order);
}

export function opFxam(i: Rec): void {
  note(i);
  setC1((topOf(0) & 0x8000) != 0);
  if (isEmpty(0)) {
    setCodes(Fsw.C3 | Fsw.C0);
    return;
  }
  unpackSt(left, 0);
  switch (left.kind) {
    case Kind.UNSUPPORTED: setCodes(0); break;
    case Kind.ZERO: setCodes(Fsw.C3); break;
    case Kind.INFINITY: setCodes(Fsw.C2 | Fsw.C0); break;
    case Kind.NORMAL: setCodes(left.denormal ? Fsw.C3 | Fsw.C2 : Fsw.C2); break;
    default: setCodes(Fsw.C0); break;
  }
}

export function opFcmov(i: Rec): void {
  note(i);
  const n = stackOperand(i);
  if (isEmpty(0) || isEmpty(n)) {
    if (underflow()) setSt(0, INDEFINITE, INDEFINITE_TOP);
    return;
  }
  let holds: bool;
  switch ((i.b >> 3) & 3) {
    case 0: holds = cf() != 0; break;
    case 1: holds = zf(); break;
    case 2: holds = cf() != 0 || zf(); break;
    default: holds = pf() != 0; break;
  }
  const negated = (i.b & 0x100) != 0;
  if (holds != negated) setSt(0, significand(n), topOf(n));
}
