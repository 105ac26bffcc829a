/** Exact arithmetic on two numbers of the current format of ieee.ts: the slow path of SSE and AVX. */
import {
  exponent, flag, flushed, infinity, invalid, isInfinite, isNaN, isNegative, isSignaling, isZero, magnitude, operand, pack, propagate,
  rounding, sign, signBit, significand, take,
} from './ieee';
import { add, div, Fx, mul, Rc, rZero, sqrt } from './soft';

/** Operations. ADDSUB subtracts in even lanes and adds in odd ones. CMP + predicate gives all ones or zero. */
export const enum Op { ADD, SUB, MUL, DIV, SQRT, MIN, MAX, ADDSUB, CMP }

export function compute(op: u32, a: u64, b: u64, lane: u32): u64 {
  switch (op) {
    case Op.ADD: return sum(a, b, 0);
    case Op.SUB: return sum(a, b, signBit);
    case Op.MUL: return product(a, b);
    case Op.DIV: return quotient(a, b);
    case Op.SQRT: return root(b);
    case Op.MIN:
    case Op.MAX: return extreme(op, a, b);
    case Op.ADDSUB: return sum(a, b, (lane & 1) != 0 ? 0 : signBit);
    default: return compares(op - Op.CMP, a, b) ? u64.MAX_VALUE : 0;
  }
}

/** The sign of an exact zero that is the sum of numbers of different signs. */
@inline function cancelled(): u64 { return rounding() == Rc.DOWN ? signBit : 0; }

/** a + b, or a - b where `flip` is the sign bit. */
function sum(a: u64, b: u64, flip: u64): u64 {
  if (isNaN(a) || isNaN(b)) return propagate(a, b);
  if (isInfinite(a) && isInfinite(b)) return (a ^ b ^ flip) == 0 ? a : invalid();
  a = operand(a);
  b = operand(b) ^ flip;
  if (isInfinite(a)) return a;
  if (isInfinite(b)) return b;
  if (isZero(a) && isZero(b)) return a == b ? a : cancelled();
  if (isZero(a)) take(b);
  else if (isZero(b)) take(a);
  else add(sign(a), exponent(a), significand(a), sign(b), exponent(b), significand(b));
  return rZero ? cancelled() : pack();
}
function product(a: u64, b: u64): u64 {
  if (isNaN(a) || isNaN(b)) return propagate(a, b);
  const negative = (a ^ b) & signBit;
  const x = flushed(a), y = flushed(b);
  if ((isInfinite(x) && isZero(y)) || (isZero(x) && isInfinite(y))) return invalid();
  operand(a);
  operand(b);
  if (isInfinite(x) || isInfinite(y)) return negative | infinity;
  if (isZero(x) || isZero(y)) return negative;
  mul(sign(x), exponent(x), significand(x), sign(y), exponent(y), significand(y));
  return pack();
}
function quotient(a: u64, b: u64): u64 {
  if (isNaN(a) || isNaN(b)) return propagate(a, b);
  const negative = (a ^ b) & signBit;
  const x = flushed(a), y = flushed(b);
  if ((isInfinite(x) && isInfinite(y)) || (isZero(x) && isZero(y))) return invalid();
  if (isZero(y) && !isInfinite(x)) {
    flag(Fx.ZERO_DIVIDE);
    return negative | infinity;
  }
  operand(a);
  operand(b);
  if (isInfinite(x)) return negative | infinity;
  if (isInfinite(y) || isZero(x)) return negative;
  div(sign(x), exponent(x), significand(x), sign(y), exponent(y), significand(y));
  return pack();
}
function root(a: u64): u64 {
  if (isNaN(a)) return propagate(a, a);
  const x = flushed(a);
  if (isZero(x)) return x;
  if (isNegative(x)) return invalid();
  operand(a);
  if (isInfinite(x)) return x;
  sqrt(exponent(x), significand(x));
  return pack();
}

/** -1, 0 or 1 for a less than, equal to or greater than b; neither is a NaN. */
function order(a: u64, b: u64): i32 {
  if (isZero(a) && isZero(b)) return 0;
  const x = isNegative(a) ? -<i64>magnitude(a) : <i64>magnitude(a);
  const y = isNegative(b) ? -<i64>magnitude(b) : <i64>magnitude(b);
  return x < y ? -1 : x > y ? 1 : 0;
}
/** The second operand where either is a NaN or both are zeros (SDM Vol. 2, "MINPD"). */
function extreme(op: u32, a: u64, b: u64): u64 {
  if (isNaN(a) || isNaN(b)) {
    flag(Fx.INVALID);
    return flushed(b);
  }
  a = operand(a);
  b = operand(b);
  return order(a, b) == (op == Op.MIN ? -1 : 1) ? a : b;
}

/** What a comparison found: bits of a predicate's answer. */
export const enum Relation { LESS = 1, EQUAL = 2, GREATER = 4, UNORDERED = 8 }
/** A quiet NaN is invalid where `signals`. */
export function relation(a: u64, b: u64, signals: bool): u32 {
  if (isNaN(a) || isNaN(b)) {
    if (signals || isSignaling(a) || isSignaling(b)) flag(Fx.INVALID);
    return Relation.UNORDERED;
  }
  const found = order(operand(a), operand(b));
  return found < 0 ? Relation.LESS : found > 0 ? Relation.GREATER : Relation.EQUAL;
}
/**
 * For predicates 0 to 15 the relations that they hold for, four bits each (SDM Vol. 2, "Comparison Predicate for CMPPD and
 * CMPPS Instructions"): EQ LT LE UNORD NEQ NLT NLE ORD, EQ_UQ NGE NGT FALSE NEQ_OQ GE GT TRUE.
 */
const HOLDS: u64 = 0xf465_0b9a_7ced_8312;
/** Predicates 0 to 15 that signal quiet NaNs; 16 to 31 are the same the other way round. */
const SIGNALS: u32 = 0x6666;
@inline export function accepted(predicate: u32): u32 { return <u32>(HOLDS >> ((predicate & 15) << 2)) & 15; }
function compares(predicate: u32, a: u64, b: u64): bool {
  const signals = ((SIGNALS >> (predicate & 15)) ^ (predicate >> 4)) & 1;
  return (relation(a, b, signals != 0) & accepted(predicate)) != 0;
}
