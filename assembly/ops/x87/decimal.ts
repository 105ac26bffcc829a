/** FBLD and FBSTP: packed decimal integers of 18 digits (SDM Vol. 1, "BCD and Packed BCD Integers"). */
import { readPointer } from '../../isa/operand';
import { Rec } from '../../isa/record';
import { invalid, left, outSig, outTop, rounding, setOutOperand, unpackInteger, unpackSt } from './number';
import { integer, signalRounding, toInteger } from './load-store';
import {
  canPush, INDEFINITE, INDEFINITE_TOP, isEmpty, noteMemory, popStack, push, setC1, underflow,
} from './registers';
import { beginStore, storeExtended } from './store';

const LIMIT: i64 = 1000000000000000000;

export function opFbld(i: Rec): void {
  const p = readPointer(i, 10);
  if (p == 0) return;
  noteMemory(i);
  if (!canPush()) return;
  let value: i64 = 0;
  for (let n = 8; n >= 0; n--) {
    const pair = <i64>load<u8>(p + n);
    value = value * 100 + (pair >> 4) * 10 + (pair & 15);
  }
  unpackInteger(left, value);
  setOutOperand(left);
  push(outSig, outTop | ((<u32>load<u8>(p, 9) & 0x80) << 8));
}
export function opFbstp(i: Rec): void {
  if (!beginStore(i, 10)) return;
  let valid: bool = false;
  if (isEmpty(0)) {
    if (!underflow()) return;
  } else {
    setC1(false);
    unpackSt(left, 0);
    valid = toInteger(left, 64, rounding()) && integer < LIMIT && integer > -LIMIT;
    if (valid) signalRounding();
    else if (!invalid()) return;
  }
  let digits: u64 = INDEFINITE, top: u32 = INDEFINITE_TOP;
  if (valid) {
    let rest: u64 = integer < 0 ? <u64>-integer : <u64>integer;
    digits = 0;
    for (let n: u64 = 0; n < 16; n++) {
      digits |= (rest % 10) << (n << 2);
      rest /= 10;
    }
    top = <u32>(rest / 10 << 4 | rest % 10) | (left.sign << 15);
  }
  if (storeExtended(i, digits, top)) popStack();
}
