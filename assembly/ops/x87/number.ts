/**
 * Operands of x87 arithmetic taken apart, and results put together again: NaN rules, denormal operands, rounding by the
 * control word, and the responses to overflow and underflow (SDM Vol. 1, "x87 FPU Floating-Point Exception
 * Conditions").
 */
import { cpu } from '../../cpu/state';
import { Fx, Rc, raised, rExp, rHi, round, roundedUp, rSign, rZero } from '../fp/soft';
import { Fsw } from './control';
import { INDEFINITE, INDEFINITE_TOP, INTEGER_BIT, QUIET_BIT, setC1, signal, st } from './registers';

export const enum Kind { NORMAL, ZERO, INFINITY, QUIET, SIGNALING, UNSUPPORTED }
export const MIN_EXP: i32 = -16382;
export const MAX_EXP: i32 = 16383;
const EXPONENT_WRAP: i32 = 24576;

/** A number taken apart: a finite one is 2^exp * 1.sig; a NaN keeps its significand. */
@unmanaged
export class Operand {
  sig: u64;
  exp: i32;
  sign: u32;
  kind: Kind;
  denormal: bool;
}
/** Destination and source of the running instruction, and a third for help. */
export const left = changetype<Operand>(memory.data(32, 8));
export const right = changetype<Operand>(memory.data(32, 8));

/** The encoded result of an operation, and whether an unmasked exception keeps it from its destination. */
export let outSig: u64 = 0;
export let outTop: u32 = 0;
@inline export function setOut(sig: u64, top: u32): void {
  outSig = sig;
  outTop = top;
}
@inline export function isNan(n: Operand): bool { return n.kind >= Kind.QUIET; }

export function unpack(n: Operand, sig: u64, top: u32): void {
  const exp = top & 0x7fff;
  n.sign = top >> 15;
  n.sig = sig;
  n.denormal = false;
  if (exp == 0) {
    if (sig == 0) {
      n.kind = Kind.ZERO;
      n.exp = 0;
      return;
    }
    const shift = <i32>clz<u64>(sig);
    n.kind = Kind.NORMAL;
    n.denormal = true;
    n.sig = sig << shift;
    n.exp = MIN_EXP - shift;
    return;
  }
  n.exp = <i32>exp - 16383;
  if ((sig & INTEGER_BIT) == 0) n.kind = Kind.UNSUPPORTED;
  else if (exp != 0x7fff) n.kind = Kind.NORMAL;
  else if (sig == INTEGER_BIT) n.kind = Kind.INFINITY;
  else n.kind = (sig & QUIET_BIT) != 0 ? Kind.QUIET : Kind.SIGNALING;
}
@inline export function unpackSt(n: Operand, k: u32): void {
  const p = st(k);
  unpack(n, load<u64>(p), load<u16>(p, 8));
}
/** A float or double as an operand; its fraction is left aligned in `fraction`, without integer bit. */
@inline function unpackSmall(n: Operand, sign: u32, exp: u32, maxExp: u32, bias: i32, fraction: u64): void {
  n.sign = sign;
  n.denormal = false;
  n.sig = INTEGER_BIT | (fraction >> 1);
  n.exp = <i32>exp - bias;
  if (exp == maxExp) {
    n.exp = MAX_EXP + 1;
    n.kind = fraction == 0 ? Kind.INFINITY : (n.sig & QUIET_BIT) != 0 ? Kind.QUIET : Kind.SIGNALING;
  } else if (exp != 0) n.kind = Kind.NORMAL;
  else if (fraction == 0) {
    n.kind = Kind.ZERO;
    n.sig = 0;
    n.exp = 0;
  } else {
    const shift = <i32>clz<u64>(fraction);
    n.kind = Kind.NORMAL;
    n.denormal = true;
    n.sig = fraction << shift;
    n.exp = -bias - shift;
  }
}
export function unpackSingle(n: Operand, bits: u32): void {
  unpackSmall(n, bits >> 31, (bits >> 23) & 0xff, 0xff, 127, <u64>bits << 41);
}
export function unpackDouble(n: Operand, bits: u64): void {
  unpackSmall(n, <u32>(bits >> 63), <u32>(bits >> 52) & 0x7ff, 0x7ff, 1023, bits << 12);
}
export function unpackInteger(n: Operand, value: i64): void {
  n.denormal = false;
  n.sign = value < 0 ? 1 : 0;
  if (value == 0) {
    n.kind = Kind.ZERO;
    n.sig = 0;
    n.exp = 0;
    return;
  }
  const size: u64 = value < 0 ? 0 - <u64>value : <u64>value;
  const shift = <i32>clz<u64>(size);
  n.kind = Kind.NORMAL;
  n.sig = size << shift;
  n.exp = 63 - shift;
}
/** The operand as a value of 80 bits, whose conversion is exact. */
export function setOutOperand(n: Operand): void {
  const sign = n.sign << 15;
  if (n.kind == Kind.ZERO) setOut(0, sign);
  else if (n.kind == Kind.NORMAL && n.exp < MIN_EXP) setOut(n.sig >> (MIN_EXP - n.exp), sign);
  else if (n.kind == Kind.NORMAL) setOut(n.sig, sign | <u32>(n.exp + 16383));
  else setOut(n.sig, sign | 0x7fff);
}

/** The default response to an invalid operation; false when it is not masked. */
export function invalid(): bool {
  setOut(INDEFINITE, INDEFINITE_TOP);
  return !signal(Fsw.IE);
}
/** The result of an operation with a NaN or unsupported operand (SDM Vol. 1, "Rules for Handling NaNs"). */
export function propagate(a: Operand, b: Operand): bool {
  if (a.kind == Kind.UNSUPPORTED || b.kind == Kind.UNSUPPORTED) return invalid();
  let from = a;
  if (!isNan(a)) from = b;
  else if (isNan(b)) {
    if (a.kind != b.kind) from = a.kind == Kind.QUIET ? a : b;
    else if (b.sig > a.sig || (b.sig == a.sig && b.sign < a.sign)) from = b;
  }
  setOut(from.sig | QUIET_BIT, (from.sign << 15) | 0x7fff);
  return a.kind == Kind.SIGNALING || b.kind == Kind.SIGNALING ? !signal(Fsw.IE) : true;
}
export function propagateOne(n: Operand): bool { return propagate(n, n); }
/** Reports a denormal operand; false when that is not masked. */
@inline export function admitDenormals(any: bool): bool { return !any || !signal(Fsw.DE); }

@inline export function rounding(): Rc { return <Rc>((cpu.fcw >> 10) & 3); }
@inline export function precision(): u32 {
  const pc = (cpu.fcw >> 8) & 3;
  return pc == 0 ? 24 : pc == 2 ? 53 : 64;
}
/** Does infinity, not the largest finite number, stand for what is too large? */
export function overflowsToInfinity(sign: u32, rc: Rc): bool {
  return rc == Rc.NEAREST || (rc == Rc.UP && sign == 0) || (rc == Rc.DOWN && sign != 0);
}
/** Rounds the result of soft.ts to `bits` and encodes it. The result is always stored, unmasked exceptions or not. */
export function finish(bits: u32): bool {
  const rc = rounding();
  const overflows = (cpu.fcw & Fsw.OE) == 0;
  round(bits, MIN_EXP, overflows ? i32.MAX_VALUE : MAX_EXP, rc, (cpu.fcw & Fsw.UE) != 0);
  const sign = rSign << 15;
  let up = roundedUp;
  let flags = raised;
  if (overflows && !rZero && rExp > MAX_EXP) {
    flags |= Fx.OVERFLOW;
    const exp = rExp - EXPONENT_WRAP;
    if (exp > MAX_EXP) {
      setOut(INTEGER_BIT, sign | 0x7fff);
      flags |= Fx.INEXACT;
      up = true;
    } else setOut(rHi, sign | <u32>(exp + 16383));
  } else if (raised == 0) setOut(rZero ? 0 : rHi, rZero ? sign : sign | encodedExponent(rExp));
  else if ((raised & Fx.OVERFLOW) != 0) {
    up = overflowed(bits, rc);
    flags |= Fx.INEXACT;
  }
  else if ((raised & Fx.UNDERFLOW) != 0 && (cpu.fcw & Fsw.UE) == 0) {
    const exp = rExp + EXPONENT_WRAP;
    if (exp < MIN_EXP) {
      setOut(0, sign);
      flags |= Fx.INEXACT;
    } else setOut(rHi, sign | <u32>(exp + 16383));
  } else setOut(rZero ? 0 : rHi, rZero ? sign : sign | encodedExponent(rExp));
  setC1(up);
  if (flags != 0) signal(flags);
  return true;
}
@inline function encodedExponent(exp: i32): u32 { return (rHi & INTEGER_BIT) != 0 ? <u32>(exp + 16383) : 0; }
/** The masked response to overflow; is it larger than the exact result? */
function overflowed(bits: u32, rc: Rc): bool {
  const sign = rSign << 15;
  if (overflowsToInfinity(rSign, rc)) {
    setOut(INTEGER_BIT, sign | 0x7fff);
    return true;
  }
  setOut(bits == 64 ? u64.MAX_VALUE : ~((<u64>1 << (64 - bits)) - 1), sign | 0x7ffe);
  return false;
}
