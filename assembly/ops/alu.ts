/**
 * Arithmetic and logic. Every handler has the same three steps, in this order: read operands, commit the result, commit
 * the flags, with abandoned() tested before anything is committed, so that a fault leaves the guest as if the
 * instruction had not begun (SDM Vol. 3A, "Exception Classifications").
 */
import { abandoned } from '../cpu/pending';
import { flagsLogic } from '../cpu/flags';
import { Rec } from '../isa/record';
import { Alu, hotAlu, hotCmp, hotUnary, Unary } from './hot';

@inline function alu<T, D, S>(op: Alu, i: Rec): void {
  const right = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const left = changetype<D>(0).rmw<T>(i);
  if (abandoned()) return;
  changetype<D>(0).commit<T>(i, hotAlu<T>(op, left, right));
}
export function opAdd<T, D, S>(i: Rec): void { alu<T, D, S>(Alu.ADD, i); }
export function opOr<T, D, S>(i: Rec): void { alu<T, D, S>(Alu.OR, i); }
export function opAdc<T, D, S>(i: Rec): void { alu<T, D, S>(Alu.ADC, i); }
export function opSbb<T, D, S>(i: Rec): void { alu<T, D, S>(Alu.SBB, i); }
export function opAnd<T, D, S>(i: Rec): void { alu<T, D, S>(Alu.AND, i); }
export function opSub<T, D, S>(i: Rec): void { alu<T, D, S>(Alu.SUB, i); }
export function opXor<T, D, S>(i: Rec): void { alu<T, D, S>(Alu.XOR, i); }

export function opCmp<T, D, S>(i: Rec): void {
  const left = changetype<D>(0).read<T>(i);
  if (abandoned()) return;
  const right = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  hotCmp<T>(left, right);
}
export function opTest<T, D, S>(i: Rec): void {
  const left = changetype<D>(0).read<T>(i);
  if (abandoned()) return;
  const right = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  flagsLogic<T>(<T>(left & right));
}

@inline function unary<T, D>(op: Unary, i: Rec): void {
  const value = changetype<D>(0).rmw<T>(i);
  if (abandoned()) return;
  changetype<D>(0).commit<T>(i, hotUnary<T>(op, value));
}
export function opInc<T, D>(i: Rec): void { unary<T, D>(Unary.INC, i); }
export function opDec<T, D>(i: Rec): void { unary<T, D>(Unary.DEC, i); }
export function opNeg<T, D>(i: Rec): void { unary<T, D>(Unary.NEG, i); }
export function opNot<T, D>(i: Rec): void { unary<T, D>(Unary.NOT, i); }
