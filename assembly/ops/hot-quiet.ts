/** Bodies of hot records whose flags nobody reads: isa/refine.ts. */
import { signExtend } from '../cpu/flags';
import { Alu, Shift, Unary } from './hot';

@inline export function quietAlu<T>(op: Alu, left: T, right: T): T {
  if (op == Alu.ADD) return <T>(left + right);
  if (op == Alu.SUB) return <T>(left - right);
  return <T>(op == Alu.AND ? left & right : op == Alu.OR ? left | right : left ^ right);
}
@inline export function quietUnary<T>(op: Unary, value: T): T {
  return op == Unary.INC ? <T>(value + 1) : op == Unary.DEC ? <T>(value - 1) : <T>(0 - value);
}
/** Operands of 32 and 64 bits: counts are masked as the host masks them. */
@inline export function quietShift<T>(op: Shift, value: T, by: T): T {
  if (op == Shift.SHL) return <T>(value << by);
  if (op == Shift.SHR) return <T>(value >> by);
  if (op == Shift.SAR) return sizeof<T>() == 8 ? <T>(<i64>signExtend<T>(value) >> <i64>by) : <T>(<i32>value >> <i32>by);
  return op == Shift.ROL ? rotl<T>(value, by) : rotr<T>(value, by);
}
