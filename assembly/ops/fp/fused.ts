/** Exact a * b + c with one rounding, on numbers of the current format of ieee.ts. */
import {
  exponent, flag, flushed, infinity, invalid, isInfinite, isNaN, isSignaling, isZero, operand, pack, quiet, rounding,
  sign, signBit, significand, take,
} from './ieee';
import { Fx, mul, mulAdd, Rc, rZero } from './soft';

/** Bits of a variant: what is negated, in even lanes (C_EVEN) or odd ones (C_ODD). */
export const enum Fused { ADD = 0, PRODUCT = 1, C_EVEN = 2, C_ODD = 4, SUB = 6 }

/**
 * The first NaN among a, b and c wins, and an invalid product beside a NaN is none (SDM Vol. 1, "FMA Instruction
 * Operand Order and Arithmetic Behavior").
 */
export function fused(variant: u32, a: u64, b: u64, c: u64, lane: u32): u64 {
  if (isNaN(a) || isNaN(b) || isNaN(c)) {
    if (isSignaling(a) || isSignaling(b) || isSignaling(c)) flag(Fx.INVALID);
    return quiet(isNaN(a) ? a : isNaN(b) ? b : c);
  }
  const x = flushed(a) ^ ((variant & Fused.PRODUCT) != 0 ? signBit : 0), y = flushed(b);
  const z = flushed(c) ^ ((variant & ((lane & 1) != 0 ? Fused.C_ODD : Fused.C_EVEN)) != 0 ? signBit : 0);
  const negative = (x ^ y) & signBit;
  const infinite = isInfinite(x) || isInfinite(y);
  if (infinite && (isZero(x) || isZero(y))) return invalid();
  if (infinite && isInfinite(z) && ((z ^ negative) & signBit) != 0) return invalid();
  operand(a);
  operand(b);
  operand(c);
  if (infinite) return negative | infinity;
  if (isInfinite(z)) return z;
  const nothing = rounding() == Rc.DOWN ? signBit : 0;
  if (isZero(x) || isZero(y)) {
    if (isZero(z)) return z == negative ? z : nothing;
    take(z);
  } else if (isZero(z)) mul(sign(x), exponent(x), significand(x), sign(y), exponent(y), significand(y));
  else
    mulAdd(sign(x), exponent(x), significand(x), sign(y), exponent(y), significand(y), sign(z), exponent(z),
      significand(z));
  return rZero ? nothing : pack();
}
