/**
 * FLD, FST, FILD, FIST, FISTTP between the stack and memory (SDM Vol. 1, "Data Transfer Instructions"). A store whose
 * exception is not masked leaves memory and stack as they are.
 */
import { cpu } from '../../cpu/state';
import { commitPointer, readPointer } from '../../isa/operand';
import { Rec } from '../../isa/record';
import { Fx, Rc, raised, rExp, rHi, round, roundedUp, rZero, setResult, tiny } from '../fp/soft';
import { Fsw } from './control';
import {
  admitDenormals, invalid, isNan, Kind, left, Operand, outSig, outTop, overflowsToInfinity, rounding, setOutOperand,
  unpackDouble, unpackInteger, unpackSingle, unpackSt,
} from './number';
import { doubleSig, doubleTop, singleSig, singleTop } from './quick';
import { beginStore, storeExtended, storePointer } from './store';
import {
  canPush, INDEFINITE, INDEFINITE_TOP, INTEGER_BIT, isEmpty, noteMemory, popStack, push, QUIET_BIT, setC1, signal,
  significand, topOf, underflow,
} from './registers';

/** Pushes a normal number where there is room; false: nothing was done. */
@inline function pushQuick(sig: u64, top: u32): bool {
  if (top == 0 || !isEmpty(7)) return false;
  cpu.fsw &= ~Fsw.C1;
  push(sig, top);
  return true;
}
/** Pushes `left`, which came from a float or double. */
function pushOperand(): void {
  if (!canPush()) return;
  if (left.kind == Kind.SIGNALING) {
    if (signal(Fsw.IE)) return;
    left.sig |= QUIET_BIT;
  }
  if (!admitDenormals(left.denormal)) return;
  setOutOperand(left);
  push(outSig, outTop);
}
export function opFldSingle(i: Rec): void {
  const p = readPointer(i, 4);
  if (p == 0) return;
  noteMemory(i);
  const bits = load<u32>(p);
  if (pushQuick(singleSig(bits), singleTop(bits))) return;
  unpackSingle(left, bits);
  pushOperand();
}
export function opFldDouble(i: Rec): void {
  const p = readPointer(i, 8);
  if (p == 0) return;
  noteMemory(i);
  const bits = load<u64>(p);
  if (pushQuick(doubleSig(bits), doubleTop(bits))) return;
  unpackDouble(left, bits);
  pushOperand();
}
export function opFldExtended(i: Rec): void {
  const p = readPointer(i, 10);
  if (p == 0) return;
  noteMemory(i);
  if (canPush()) push(load<u64>(p), load<u16>(p, 8));
}
@inline function loadInteger<T>(i: Rec): void {
  const p = readPointer(i, sizeof<T>());
  if (p == 0) return;
  noteMemory(i);
  if (!canPush()) return;
  unpackInteger(left, <i64>load<T>(p));
  setOutOperand(left);
  push(outSig, outTop);
}
export function opFildW(i: Rec): void { loadInteger<i16>(i); }
export function opFildD(i: Rec): void { loadInteger<i32>(i); }
export function opFildQ(i: Rec): void { loadInteger<i64>(i); }

/** ST(0) as a number of `fractionBits` and an exponent of that bias, in `stored`; false: do not store. */
let stored: u64 = 0;
function narrow(fractionBits: u32, bias: i32): bool {
  const width = fractionBits == 23 ? 31 : 63;
  const infinity = <u64>(2 * bias + 1) << fractionBits;
  if (isEmpty(0)) {
    stored = (<u64>1 << width) | infinity | (<u64>1 << (fractionBits - 1));
    return underflow();
  }
  setC1(false);
  unpackSt(left, 0);
  const sign = <u64>left.sign << width;
  const shift = <u64>(63 - fractionBits);
  if (left.kind == Kind.UNSUPPORTED) {
    stored = (<u64>1 << width) | infinity | (<u64>1 << (fractionBits - 1));
    return invalid();
  }
  if (isNan(left)) {
    stored = sign | infinity | (((left.sig | QUIET_BIT) << 1) >> (shift + 1));
    return left.kind == Kind.QUIET || !signal(Fsw.IE);
  }
  stored = left.kind == Kind.ZERO ? sign : sign | infinity;
  if (left.kind != Kind.NORMAL) return true;
  const rc = rounding();
  setResult(left.sign, left.exp, left.sig, 0);
  round(fractionBits + 1, 1 - bias, i32.MAX_VALUE, rc, true);
  let flags = raised;
  let up = roundedUp;
  if (!rZero && rExp > bias) {
    flags |= Fx.OVERFLOW;
    if ((cpu.fcw & Fsw.OE) != 0) flags |= Fx.INEXACT;
    up = overflowsToInfinity(left.sign, rc);
    stored = up ? sign | infinity : sign | (infinity - 1);
  } else if (!rZero) {
    const exp: u64 = (rHi & INTEGER_BIT) != 0 ? <u64>(rExp + bias) : 0;
    stored = sign | (exp << fractionBits) | ((rHi << 1) >> (shift + 1));
  } else stored = sign;
  if (tinyUnmasked()) flags |= Fx.UNDERFLOW;
  if ((flags & ~cpu.fcw & (Fx.OVERFLOW | Fx.UNDERFLOW)) != 0) {
    signal(flags & (Fx.OVERFLOW | Fx.UNDERFLOW));
    return false;
  }
  setC1(up);
  if (flags != 0) signal(flags);
  return true;
}
/** With UE unmasked an exact denormal result underflows too. */
@inline function tinyUnmasked(): bool { return (cpu.fcw & Fsw.UE) == 0 && tiny; }

@inline function storeReal(i: Rec, single: bool, pop: bool): void {
  const size: u32 = single ? 4 : 8;
  if (!beginStore(i, size) || !narrow(single ? 23 : 52, single ? 127 : 1023)) return;
  const p = storePointer(i, size);
  if (p == 0) return;
  if (single) store<u32>(p, <u32>stored);
  else store<u64>(p, stored);
  commitPointer(p);
  if (pop) popStack();
}
export function opFstSingle(i: Rec): void { storeReal(i, true, false); }
export function opFstpSingle(i: Rec): void { storeReal(i, true, true); }
export function opFstDouble(i: Rec): void { storeReal(i, false, false); }
export function opFstpDouble(i: Rec): void { storeReal(i, false, true); }
export function opFstpExtended(i: Rec): void {
  if (!beginStore(i, 10)) return;
  let sig = INDEFINITE, top = INDEFINITE_TOP;
  if (isEmpty(0)) {
    if (!underflow()) return;
  } else {
    setC1(false);
    sig = significand(0);
    top = topOf(0);
  }
  if (storeExtended(i, sig, top)) popStack();
}

/**
 * `left` as a signed integer of `bits` bits in `integer`, by `rc`; what does not fit is an invalid operation and the
 * indefinite integer: false.
 */
export let integer: i64 = 0;
let up: bool = false;
let inexact: bool = false;
export function toInteger(n: Operand, bits: u32, rc: Rc): bool {
  up = false;
  inexact = false;
  integer = 0;
  if (n.kind == Kind.ZERO) return true;
  if (n.kind != Kind.NORMAL || n.exp > 63) return false;
  // value = hi + lo / 2^64
  let hi: u64 = 0, lo: u64 = 0;
  if (n.exp >= 63) hi = n.sig;
  else if (n.exp >= 0) {
    hi = n.sig >> (63 - n.exp);
    lo = n.sig << (n.exp + 1);
  } else lo = n.exp == -1 ? n.sig : n.exp < -64 ? 1 : (n.sig >> (-1 - n.exp)) | 1;
  if (lo != 0) {
    inexact = true;
    if (rc == Rc.NEAREST) up = lo > INTEGER_BIT || (lo == INTEGER_BIT && (hi & 1) != 0);
    else up = rc == Rc.UP ? n.sign == 0 : rc == Rc.DOWN && n.sign != 0;
    if (up) {
      hi++;
      if (hi == 0) return false;
    }
  }
  const limit = (<u64>1 << (bits - 1)) - (n.sign != 0 ? 0 : 1);
  if (hi > limit) return false;
  integer = n.sign != 0 ? -(<i64>hi) : <i64>hi;
  return true;
}
/** Reports what toInteger found beside the value. */
export function signalRounding(): void {
  setC1(up);
  if (inexact) signal(Fsw.PE);
}

@inline function storeInteger<T>(i: Rec, pop: bool, truncate: bool): void {
  if (!beginStore(i, sizeof<T>())) return;
  let value: i64 = <i64>1 << (8 * sizeof<T>() - 1);
  if (isEmpty(0)) {
    if (!underflow()) return;
  } else {
    setC1(false);
    unpackSt(left, 0);
    if (!toInteger(left, 8 * sizeof<T>(), truncate ? Rc.ZERO : rounding())) {
      if (!invalid()) return;
    } else {
      value = integer;
      signalRounding();
    }
  }
  const p = storePointer(i, sizeof<T>());
  if (p == 0) return;
  store<T>(p, <T>value);
  commitPointer(p);
  if (pop) popStack();
}
export function opFistW(i: Rec): void { storeInteger<i16>(i, false, false); }
export function opFistD(i: Rec): void { storeInteger<i32>(i, false, false); }
export function opFistpW(i: Rec): void { storeInteger<i16>(i, true, false); }
export function opFistpD(i: Rec): void { storeInteger<i32>(i, true, false); }
export function opFistpQ(i: Rec): void { storeInteger<i64>(i, true, false); }
export function opFisttpW(i: Rec): void { storeInteger<i16>(i, true, true); }
export function opFisttpD(i: Rec): void { storeInteger<i32>(i, true, true); }
export function opFisttpQ(i: Rec): void { storeInteger<i64>(i, true, true); }
