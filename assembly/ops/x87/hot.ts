/**
 * The hot records of the x87: what an instruction does in the common case. Each function either carries the instruction out
 * and returns true, or has changed nothing: then the handler does it. Nothing here raises, waits or reports an exception
 * that is not masked (src/isa/hot/x87.ts).
 */
import { cpu, FPR } from '../../cpu/state';
import { Flag, setArithmeticFlags } from '../../cpu/flags';
import { selector } from '../../cpu/segments';
import { Uses } from '../../cpu/vector-state';
import { Rec, segmentOf } from '../../isa/record';
import { hotHit, hotOffset, hotWriteHit } from '../hot';
import { orderOfNormal, Order } from './compare';
import { Fsw } from './control';
import { doubleSig, doubleTop, isNormal, isQuick, isZero, quickAdd, quickDiv, quickMul, singleSig, singleTop } from './quick';
import { INTEGER_BIT, note } from './registers';

const BIAS: i32 = 16383;
/** Bits of the opcode, as i.b has them: destination ST(i), pop, and the operation within a pair. */
const TO_OTHER: u32 = 0x400;
const POPS: u32 = 0x200;
const SECOND: u32 = 8;
const SUBTRACTS: u32 = 0x20;
const MASKS: u32 = 0x3f;
const SIGN: u32 = 0x8000;

/** May x87 instructions run, and is no exception pending? */
@inline function ready(): bool { return ((cpu.fsw & Fsw.ES) | (cpu.blocked & Uses.X87)) == 0; }
/** Physical number of ST(0). */
@inline function topNumber(): u32 { return (cpu.fsw >> 11) & 7; }
@inline function register(n: u32): usize { return FPR + (n << 4); }
@inline function isFull(n: u32): bool { return ((cpu.ftw >> n) & 1) != 0; }
/** Sets TOP, and C1 to 0. */
@inline function setTop(n: u32): void { cpu.fsw = (cpu.fsw & ~(Fsw.TOP | Fsw.C1)) | (n << 11); }
/** Pops: register `top` is ST(0). */
@inline function pop(top: u32): void {
  cpu.ftw &= ~(1 << top);
  cpu.fsw = (cpu.fsw & ~Fsw.TOP) | (((top + 1) & 7) << 11);
}
/** Pushes where the register has room. */
@inline function pushed(i: Rec, sig: u64, top: u32): bool {
  const to = (topNumber() + 7) & 7;
  if (isFull(to)) return false;
  note(i);
  store<u64>(register(to), sig);
  store<u16>(register(to), <u16>top, 8);
  cpu.ftw |= 1 << to;
  setTop(to);
  return true;
}
/** Remembers the data pointer; the segment is flat. */
@inline function noteData(i: Rec, la: u64): void {
  cpu.fdp = la;
  cpu.fdpSelector = selector(segmentOf(i));
}
@inline function addressOf(i: Rec): u64 { return hotOffset(i) & cpu.laMask; }

export function hotFld(i: Rec): bool {
  const top = topNumber(), from = (top + i.b) & 7, to = (top + 7) & 7;
  if (!isFull(from) || isFull(to) || !ready()) return false;
  note(i);
  v128.store(register(to), v128.load(register(from)));
  cpu.ftw |= 1 << to;
  setTop(to);
  return true;
}
/** FST and FSTP ST(i). */
export function hotFst(i: Rec): bool {
  const top = topNumber(), to = (top + i.b) & 7;
  if (!isFull(top) || !ready()) return false;
  note(i);
  v128.store(register(to), v128.load(register(top)));
  cpu.ftw |= 1 << to;
  cpu.fsw &= ~Fsw.C1;
  if ((i.b & SECOND) != 0) pop(top);
  return true;
}
export function hotFxch(i: Rec): bool {
  const top = topNumber(), other = (top + i.b) & 7;
  if (!isFull(top) || !isFull(other) || !ready()) return false;
  note(i);
  const value = v128.load(register(top));
  v128.store(register(top), v128.load(register(other)));
  v128.store(register(other), value);
  cpu.fsw &= ~Fsw.C1;
  return true;
}
/** FLD1 (D9 E8) and FLDZ (D9 EE). */
export function hotConstant(i: Rec): bool {
  if (!ready()) return false;
  return (i.b & 7) == 0 ? pushed(i, INTEGER_BIT, BIAS) : pushed(i, 0, 0);
}
/** FCHS (D9 E0) and FABS (D9 E1). */
export function hotSign(i: Rec): bool {
  const top = topNumber();
  if (!isFull(top) || !ready()) return false;
  note(i);
  const old: u32 = load<u16>(register(top), 8);
  store<u16>(register(top), <u16>((i.b & 1) != 0 ? old & ~SIGN : old ^ SIGN), 8);
  cpu.fsw &= ~Fsw.C1;
  return true;
}

const enum Binary { ADD, MUL, DIV }
/** ST(0) OP ST(i), or with SECOND set ST(i) OP ST(0), for the operations that are not commutative. */
@inline function onRegisters(i: Rec, op: Binary): bool {
  const top = topNumber(), other = (top + i.b) & 7;
  if (!isFull(top) || !isFull(other) || !ready()) return false;
  const first = register(top), second = register(other);
  const swapped = op != Binary.MUL && (i.b & SECOND) != 0;
  const a = swapped ? second : first, b = swapped ? first : second;
  const to = (i.b & TO_OTHER) != 0 ? second : first;
  const aSig = load<u64>(a), bSig = load<u64>(b);
  const aTop: u32 = load<u16>(a, 8), bTop: u32 = load<u16>(b, 8);
  const done = op == Binary.ADD ? quickAdd(to, aSig, aTop, bSig, bTop ^ ((i.b & SUBTRACTS) << 10))
    : op == Binary.MUL ? quickMul(to, aSig, aTop, bSig, bTop)
    : quickDiv(to, aSig, aTop, bSig, bTop);
  if (!done) return false;
  note(i);
  if ((i.b & POPS) != 0) pop(top);
  return true;
}
export function hotAdd(i: Rec): bool { return onRegisters(i, Binary.ADD); }
export function hotMul(i: Rec): bool { return onRegisters(i, Binary.MUL); }
export function hotDiv(i: Rec): bool { return onRegisters(i, Binary.DIV); }

/** The order of two numbers as condition codes, UNORDERED for what is neither normal nor zero. */
function order(a: u64, aTop: u32, b: u64, bTop: u32): u32 {
  const aZero = isZero(a, aTop), bZero = isZero(b, bTop);
  if (!(aZero || isNormal(a, aTop)) || !(bZero || isNormal(b, bTop))) return Order.UNORDERED;
  return aZero && bZero ? Order.EQUAL : orderOfNormal(a, aTop, b, bTop);
}
@inline function orderOfRegisters(top: u32, other: u32): u32 {
  if (!isFull(top) || !isFull(other) || !ready()) return Order.UNORDERED;
  const a = register(top), b = register(other);
  return order(load<u64>(a), load<u16>(a, 8), load<u64>(b), load<u16>(b, 8));
}
@inline function setCodes(codes: u32): void { cpu.fsw = (cpu.fsw & ~(Order.UNORDERED | Fsw.C1)) | codes; }

/** FCOM, FUCOM and their popping forms. */
export function hotCompare(i: Rec): bool {
  const top = topNumber();
  const codes = orderOfRegisters(top, (top + i.b) & 7);
  if (codes == Order.UNORDERED) return false;
  note(i);
  setCodes(codes);
  if ((i.b & SECOND) != 0) pop(top);
  return true;
}
/** FCOMPP and FUCOMPP. */
export function hotComparePop(i: Rec): bool {
  const top = topNumber(), other = (top + 1) & 7;
  const codes = orderOfRegisters(top, other);
  if (codes == Order.UNORDERED) return false;
  note(i);
  setCodes(codes);
  pop(top);
  pop(other);
  return true;
}
/** FCOMI, FUCOMI and their popping forms: C1 stays. */
export function hotCompareFlags(i: Rec): bool {
  const top = topNumber();
  const codes = orderOfRegisters(top, (top + i.b) & 7);
  if (codes == Order.UNORDERED) return false;
  note(i);
  setArithmeticFlags(codes == Order.EQUAL ? Flag.ZF : codes == Order.LESS ? Flag.CF : 0);
  if ((i.b & TO_OTHER) != 0) pop(top);
  return true;
}

/** Loads what a float or double stands for; `top` 0 says that it is not normal. */
@inline function loadReal(i: Rec, la: u64, sig: u64, top: u32, isNull: bool, sign: u32): bool {
  if (top == 0 && !isNull) return false;
  if (!(top == 0 ? pushed(i, 0, sign) : pushed(i, sig, top))) return false;
  noteData(i, la);
  return true;
}
export function hotLoadSingle(i: Rec): bool {
  const la = addressOf(i), p = hotHit(la, 4);
  if (p == 0 || !ready()) return false;
  const bits = load<u32>(p);
  return loadReal(i, la, singleSig(bits), singleTop(bits), bits << 1 == 0, (bits >> 16) & SIGN);
}
export function hotLoadDouble(i: Rec): bool {
  const la = addressOf(i), p = hotHit(la, 8);
  if (p == 0 || !ready()) return false;
  const bits = load<u64>(p);
  return loadReal(i, la, doubleSig(bits), doubleTop(bits), bits << 1 == 0, <u32>(bits >> 48) & SIGN);
}
export function hotLoadExtended(i: Rec): bool {
  const la = addressOf(i), p = hotHit(la, 10);
  if (p == 0 || !ready() || !pushed(i, load<u64>(p), load<u16>(p, 8))) return false;
  noteData(i, la);
  return true;
}
export function hotStoreExtended(i: Rec): bool {
  const la = addressOf(i), p = hotWriteHit(la, 10), top = topNumber();
  if (p == 0 || !ready() || !isFull(top)) return false;
  note(i);
  noteData(i, la);
  store<u64>(p, load<u64>(register(top)));
  store<u16>(p, load<u16>(register(top), 8), 8);
  setTop(top);
  pop(top);
  return true;
}

@inline function loadInteger(i: Rec, la: u64, value: i64): bool {
  let sig: u64 = 0, top: u32 = 0;
  if (value != 0) {
    const magnitude = value < 0 ? 0 - <u64>value : <u64>value;
    const shift = clz<u64>(magnitude);
    sig = magnitude << shift;
    top = (value < 0 ? SIGN : 0) | (BIAS + 63 - <u32>shift);
  }
  if (!pushed(i, sig, top)) return false;
  noteData(i, la);
  return true;
}
export function hotLoadW(i: Rec): bool {
  const la = addressOf(i), p = hotHit(la, 2);
  return p != 0 && ready() && loadInteger(i, la, <i64>load<i16>(p));
}
export function hotLoadD(i: Rec): bool {
  const la = addressOf(i), p = hotHit(la, 4);
  return p != 0 && ready() && loadInteger(i, la, <i64>load<i32>(p));
}
export function hotLoadQ(i: Rec): bool {
  const la = addressOf(i), p = hotHit(la, 8);
  return p != 0 && ready() && loadInteger(i, la, load<i64>(p));
}

/** PE and C1 of a store, then the pop that bit SECOND asks for. */
@inline function stored(i: Rec, la: u64, top: u32, inexact: bool, up: bool): void {
  note(i);
  noteData(i, la);
  cpu.fsw = (cpu.fsw & ~Fsw.C1) | (inexact ? Fsw.PE : 0) | (up ? Fsw.C1 : 0);
  if ((i.b & SECOND) != 0) pop(top);
}
/** FST and FSTP of a float or double, where it is normal or zero and rounded to nearest. */
@inline function storeReal<T>(i: Rec): bool {
  const DROPPED: u64 = sizeof<T>() == 8 ? 11 : 40, FRACTION: u64 = 63 - DROPPED, WIDTH: u64 = 8 * sizeof<T>() - 1;
  const EXPONENTS: u32 = sizeof<T>() == 8 ? 0x7ff : 0xff;
  const la = addressOf(i), p = hotWriteHit(la, sizeof<T>()), top = topNumber();
  if (p == 0 || !isFull(top) || !ready() || !isQuick()) return false;
  const sig = load<u64>(register(top)), upper: u32 = load<u16>(register(top), 8);
  const sign = <u64>(upper >> 15) << WIDTH;
  if (isZero(sig, upper)) {
    store<T>(p, <T>sign);
    stored(i, la, top, false, false);
    return true;
  }
  const exponent = (upper & 0x7fff) - (BIAS - (EXPONENTS >> 1));
  if (exponent - 1 >= EXPONENTS - 1 || !isNormal(sig, upper)) return false;
  const half: u64 = <u64>1 << (DROPPED - 1), rest = sig & (2 * half - 1), fraction = (sig << 1) >> (DROPPED + 1);
  const up = rest > half || (rest == half && (fraction & 1) != 0);
  const magnitude = (<u64>exponent << FRACTION) + fraction + (up ? 1 : 0);
  if (magnitude >> FRACTION == EXPONENTS) return false;
  store<T>(p, <T>(sign | magnitude));
  stored(i, la, top, rest != 0, up);
  return true;
}
export function hotStoreSingle(i: Rec): bool { return storeReal<u32>(i); }
export function hotStoreDouble(i: Rec): bool { return storeReal<u64>(i); }

/** FIST and FISTP, to nearest or towards zero, where the result fits. */
@inline function storeInteger<T>(i: Rec): bool {
  const la = addressOf(i), p = hotWriteHit(la, sizeof<T>()), top = topNumber();
  const rc = (cpu.fcw >> 10) & 3;
  if (p == 0 || !isFull(top) || !ready() || (cpu.fcw & MASKS) != MASKS || (rc != 0 && rc != 3)) return false;
  const sig = load<u64>(register(top)), upper: u32 = load<u16>(register(top), 8);
  const exponent = <i32>(upper & 0x7fff) - BIAS;
  let whole: u64 = 0, rest: u64 = 0;
  if (!isZero(sig, upper)) {
    if (!isNormal(sig, upper) || exponent >= 8 * sizeof<T>() - 2) return false;
    if (exponent >= 0) {
      whole = sig >> (63 - exponent);
      rest = sig << (exponent + 1);
    } else rest = exponent == -1 ? sig : 1;
  }
  const up = rc == 0 && (rest > INTEGER_BIT || (rest == INTEGER_BIT && (whole & 1) != 0));
  if (up) whole++;
  store<T>(p, <T>((upper & SIGN) != 0 ? 0 - whole : whole));
  stored(i, la, top, rest != 0, up);
  return true;
}
export function hotStoreD(i: Rec): bool { return storeInteger<i32>(i); }
export function hotStoreQ(i: Rec): bool { return storeInteger<i64>(i); }

/** ST(0) OP memory, by the operation in modrm.reg. */
function withMemory(i: Rec, la: u64, mSig: u64, mTop: u32): bool {
  const top = topNumber(), to = register(top);
  const sig = load<u64>(to), upper: u32 = load<u16>(to, 8);
  let done: bool;
  switch ((i.b >> 3) & 7) {
    case 0: done = quickAdd(to, sig, upper, mSig, mTop); break;
    case 1: done = quickMul(to, sig, upper, mSig, mTop); break;
    case 4: done = quickAdd(to, sig, upper, mSig, mTop ^ SIGN); break;
    case 5: done = quickAdd(to, mSig, mTop, sig, upper ^ SIGN); break;
    case 6: done = quickDiv(to, sig, upper, mSig, mTop); break;
    case 7: done = quickDiv(to, mSig, mTop, sig, upper); break;
    default: {
      const codes = order(sig, upper, mSig, mTop);
      done = codes != Order.UNORDERED;
      if (!done) break;
      setCodes(codes);
      if ((i.b & SECOND) != 0) pop(top);
    }
  }
  if (!done) return false;
  note(i);
  noteData(i, la);
  return true;
}
export function hotSingle(i: Rec): bool {
  const la = addressOf(i), p = hotHit(la, 4);
  if (p == 0 || !isFull(topNumber()) || !ready()) return false;
  const bits = load<u32>(p), top = singleTop(bits);
  if (top != 0) return withMemory(i, la, singleSig(bits), top);
  return bits << 1 == 0 && withMemory(i, la, 0, (bits >> 16) & SIGN);
}
export function hotDouble(i: Rec): bool {
  const la = addressOf(i), p = hotHit(la, 8);
  if (p == 0 || !isFull(topNumber()) || !ready()) return false;
  const bits = load<u64>(p), top = doubleTop(bits);
  if (top != 0) return withMemory(i, la, doubleSig(bits), top);
  return bits << 1 == 0 && withMemory(i, la, 0, <u32>(bits >> 48) & SIGN);
}
