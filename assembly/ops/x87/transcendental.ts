/**
 * FSIN, FCOS, FSINCOS, FPTAN, FPATAN, F2XM1, FYL2X, FYL2XP1 (SDM Vol. 1, "Transcendental Instruction Accuracy"):
 * computed to more than 100 bits and rounded once. Angles are reduced by the 66-bit pi of "Approximation of Pi".
 */
import { cpu } from '../../cpu/state';
import { Rec } from '../../isa/record';
import { setResult } from '../fp/soft';
import {
  arcTangent, copy, cosine, exp2Less1, log2, logRatio, over, plus, put, putInteger, sine, times, Wide, x, y, z,
} from '../fp/wide-float';
import { Fsw } from './control';
import {
  admitDenormals, finish, invalid, isNan, Kind, left, Operand, outSig, outTop, propagate, propagateOne, right, setOut,
  setOutOperand, unpackSt,
} from './number';
import {
  INDEFINITE, INDEFINITE_TOP, INTEGER_BIT, isEmpty, note, overflow, popStack, push, setC1, setSt, signal, underflow,
} from './registers';

const PI: u64 = 0xc90fdaa22168c234;
const PI_LOW: u64 = 0xc000000000000000;
const PI_LOW_WHOLE: u64 = 0xc4c6628b80dc1cd1;
const angle = changetype<Wide>(memory.data(24, 8));
/** Quarter turns that the reduction took from the angle. */
let quadrant: u32 = 0;

@inline function fromOperand(to: Wide, n: Operand): void { put(to, n.sign, n.exp, n.kind == Kind.NORMAL ? n.sig : 0); }
/** Rounds a result that no number of 64 bits can be exactly. */
function finishInexact(n: Wide): bool {
  if (n.hi == 0) return finishExact(n);
  setResult(n.sign, n.exp, n.hi, n.lo | 1);
  return finish(64);
}
/** Rounds a result that may be exact. */
function finishExact(n: Wide): bool {
  if (n.hi == 0) {
    setOut(0, n.sign << 15);
    return true;
  }
  setResult(n.sign, n.exp, n.hi, n.lo);
  return finish(64);
}

/** angle = left - quadrant * pi / 2, at most pi / 4. */
function reduce(): void {
  fromOperand(angle, left);
  quadrant = 0;
  if (left.exp < -1 || (left.exp == -1 && left.sig <= PI)) return;
  put(y, 0, 0, PI, PI_LOW);
  over(x, angle, y);
  const whole = x.exp < 0 ? 0 : x.hi >> (63 - x.exp);
  const next = x.exp < -1 ? 0 : x.exp == -1 ? x.hi >> 63 : x.exp == 63 ? x.lo >> 63 : (x.hi >> (62 - x.exp)) & 1;
  const turns = whole + next;
  quadrant = <u32>(turns & 3);
  if (left.sign != 0) quadrant = (4 - quadrant) & 3;
  if (turns == 0) return;
  const shift = clz<u64>(turns);
  put(x, left.sign, 63 - <i32>shift, turns << shift);
  times(x, x, y);
  plus(angle, angle, x, 1);
}
/** to = sine of the angle plus `quarters` quarter turns. */
function turned(to: Wide, quarters: u32): void {
  const n = (quadrant + quarters) & 3;
  if ((n & 1) != 0) {
    if (angle.hi == 0) putInteger(to, 1);
    else cosine(to, angle);
  } else if (angle.hi == 0) put(to, 0, 0, 0);
  else sine(to, angle);
  if ((n & 2) != 0) to.sign ^= 1;
}
/** Is ST(0) an angle that can be reduced? Otherwise C2 says so. */
function reducible(): bool {
  if (left.kind != Kind.NORMAL || left.exp < 63) return true;
  cpu.fsw |= Fsw.C2;
  return false;
}

function sineOrCosine(i: Rec, quarters: u32): void {
  note(i);
  cpu.fsw &= ~(Fsw.C1 | Fsw.C2);
  if (isEmpty(0)) {
    if (underflow()) setSt(0, INDEFINITE, INDEFINITE_TOP);
    return;
  }
  unpackSt(left, 0);
  if (reducible() && sineOf(quarters)) setSt(0, outSig, outTop);
}
function sineOf(quarters: u32): bool {
  if (isNan(left)) return propagateOne(left);
  if (left.kind == Kind.INFINITY) return invalid();
  if (left.kind == Kind.ZERO) {
    if (quarters != 0) setOut(INTEGER_BIT, 0x3fff);
    else setOut(0, left.sign << 15);
    return true;
  }
  if (!admitDenormals(left.denormal)) return false;
  reduce();
  turned(z, quarters);
  return finishInexact(z);
}
export function opFsin(i: Rec): void { sineOrCosine(i, 0); }
export function opFcos(i: Rec): void { sineOrCosine(i, 1); }

/** FSINCOS and FPTAN replace ST(0) and push another value. */
function withPush(i: Rec, tangent: bool): void {
  note(i);
  cpu.fsw &= ~(Fsw.C1 | Fsw.C2);
  if (isEmpty(0) || !isEmpty(7)) {
    if (!(isEmpty(0) ? underflow() : overflow())) return;
    setSt(0, INDEFINITE, INDEFINITE_TOP);
    push(INDEFINITE, INDEFINITE_TOP);
    return;
  }
  unpackSt(left, 0);
  if (!reducible()) return;
  if (left.kind != Kind.NORMAL) {
    if (!sineOf(0)) return;
    setSt(0, outSig, outTop);
    if (left.kind == Kind.ZERO) setOut(INTEGER_BIT, 0x3fff);
    push(outSig, outTop);
    return;
  }
  if (!admitDenormals(left.denormal)) return;
  reduce();
  turned(z, 0);
  if (tangent) {
    copy(y, z);
    turned(x, 1);
    over(z, y, x);
  }
  finishInexact(z);
  const sig = outSig, top = outTop;
  if (tangent) setOut(INTEGER_BIT, 0x3fff);
  else {
    turned(z, 1);
    finishInexact(z);
  }
  setSt(0, sig, top);
  push(outSig, outTop);
}
export function opFsincos(i: Rec): void { withPush(i, false); }
export function opFptan(i: Rec): void { withPush(i, true); }

/** Carries out an operation on ST(1), `right`, and ST(0), `left`, that pops. */
@inline function needTwo(i: Rec): bool {
  note(i);
  if (!isEmpty(0) && !isEmpty(1)) {
    setC1(false);
    unpackSt(left, 0);
    unpackSt(right, 1);
    return true;
  }
  if (underflow()) {
    setSt(1, INDEFINITE, INDEFINITE_TOP);
    popStack();
  }
  return false;
}
@inline function replaceTwo(ok: bool): void {
  if (!ok) return;
  setSt(1, outSig, outTop);
  popStack();
}

/** The angle of the point (left, right), by the table of FPATAN for zeros and infinities. */
function direction(): bool {
  if (isNan(left) || isNan(right)) return propagate(right, left);
  if (!admitDenormals(left.denormal || right.denormal)) return false;
  const infinite = right.kind == Kind.INFINITY, flat = right.kind == Kind.ZERO
    || (left.kind == Kind.INFINITY && !infinite);
  if (flat && left.sign == 0) {
    setOut(0, right.sign << 15);
    return true;
  }
  put(y, 0, 1, PI, PI_LOW_WHOLE);
  if (flat) copy(z, y);
  else if (infinite && left.kind == Kind.INFINITY) {
    put(z, 0, -1, PI, PI_LOW_WHOLE);
    if (left.sign != 0) plus(z, y, z, 1);
  } else if (infinite || left.kind == Kind.ZERO) put(z, 0, 0, PI, PI_LOW_WHOLE);
  else {
    const steep = right.exp > left.exp || (right.exp == left.exp && right.sig > left.sig);
    put(x, 0, left.exp, left.sig);
    put(angle, 0, right.exp, right.sig);
    if (steep) over(x, x, angle);
    else over(x, angle, x);
    if (x.hi != 0 && !steep && x.exp < -70 && left.sign == 0) copy(z, x);
    else arcTangent(z, x);
    if (steep) {
      put(x, 0, 0, PI, PI_LOW_WHOLE);
      plus(z, x, z, 1);
    }
    if (left.sign != 0) plus(z, y, z, 1);
  }
  z.sign = right.sign;
  return finishInexact(z);
}
export function opFpatan(i: Rec): void {
  if (needTwo(i)) replaceTwo(direction());
}

/** The answer to an operand that the instruction is not defined for: ST(0), inexact. */
function outside(): bool {
  setOutOperand(left);
  signal(Fsw.PE);
  return true;
}
/** 2^ST(0) - 1 for -1 to 1. */
function power(): bool {
  if (isNan(left)) return propagateOne(left);
  if (left.kind == Kind.INFINITY && left.sign != 0) {
    setOut(INTEGER_BIT, 0xbfff);
    return true;
  }
  if (!admitDenormals(left.denormal)) return false;
  if (left.kind != Kind.NORMAL) {
    setOutOperand(left);
    return true;
  }
  if (left.exp > 0 || (left.exp == 0 && left.sig != INTEGER_BIT)) return outside();
  if (left.exp == 0) {
    setOut(INTEGER_BIT, left.sign != 0 ? 0xbffe : 0x3fff);
    return true;
  }
  fromOperand(x, left);
  exp2Less1(z, x);
  return finishInexact(z);
}
export function opF2xm1(i: Rec): void {
  note(i);
  if (isEmpty(0)) {
    if (underflow()) setSt(0, INDEFINITE, INDEFINITE_TOP);
    return;
  }
  setC1(false);
  unpackSt(left, 0);
  if (power()) setSt(0, outSig, outTop);
}

/** right times a logarithm of that kind and sign, where one of them is zero or infinite. */
function timesLimit(kind: Kind, sign: u32): bool {
  if (kind == Kind.INFINITY ? right.kind == Kind.ZERO : kind == Kind.ZERO && right.kind == Kind.INFINITY)
    return invalid();
  if (!admitDenormals(left.denormal || right.denormal)) return false;
  const s = (right.sign ^ sign) << 15;
  if (kind == Kind.ZERO || right.kind == Kind.ZERO) setOut(0, s);
  else setOut(INTEGER_BIT, s | 0x7fff);
  return true;
}
/** right * log2(left) */
function logarithm(): bool {
  if (isNan(left) || isNan(right)) return propagate(right, left);
  if (left.kind == Kind.ZERO) {
    if (right.kind == Kind.ZERO) return invalid();
    if (right.kind == Kind.NORMAL && signal(Fsw.ZE)) return false;
    return timesLimit(Kind.INFINITY, 1);
  }
  if (left.sign != 0) return invalid();
  if (left.kind == Kind.INFINITY) return timesLimit(Kind.INFINITY, 0);
  if (left.exp == 0 && left.sig == INTEGER_BIT) return timesLimit(Kind.ZERO, 0);
  if (right.kind != Kind.NORMAL) return timesLimit(Kind.NORMAL, left.exp < 0 ? 1 : 0);
  if (!admitDenormals(left.denormal || right.denormal)) return false;
  fromOperand(x, left);
  log2(z, x);
  fromOperand(y, right);
  times(z, z, y);
  return left.sig == INTEGER_BIT ? finishExact(z) : finishInexact(z);
}
export function opFyl2x(i: Rec): void {
  if (needTwo(i)) replaceTwo(logarithm());
}

/** right * log2(left + 1) */
function logarithmPlus1(): bool {
  if (isNan(left) || isNan(right)) return propagate(right, left);
  if (left.kind == Kind.INFINITY) return left.sign != 0 ? invalid() : timesLimit(Kind.INFINITY, 0);
  if (left.kind == Kind.ZERO) return timesLimit(Kind.ZERO, left.sign);
  if (right.kind != Kind.NORMAL) return timesLimit(Kind.NORMAL, left.sign);
  if (!admitDenormals(left.denormal || right.denormal)) return false;
  fromOperand(x, left);
  putInteger(y, 1);
  if (left.exp < -2) {
    y.exp = 1;
    plus(y, y, x);
    over(x, x, y);
    logRatio(z, x);
  } else {
    plus(x, x, y);
    if (x.hi == 0 || x.sign != 0) return outside();
    log2(z, x);
  }
  fromOperand(y, right);
  times(z, z, y);
  return finishInexact(z);
}
export function opFyl2xp1(i: Rec): void {
  if (needTwo(i)) replaceTwo(logarithmPlus1());
}
