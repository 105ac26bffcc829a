/** FBLD and FBSTP: packed decimal integers of 18 digits (SDM Vol. 1, "BCD and Packed BCD Integers"). */
import { commitPointer, readPointer, writePointer } from '../../isa/operand';
import { Rec } from '../../isa/record';
import { invalid, left, outSig, outTop, rounding, setOutOperand, unpackInteger, unpackSt } from './number';
import { integer, signalRounding, toInteger } from './load-store';
import { canPush, isEmpty, noteMemory, popStack, push, setC1, underflow } from './registers';

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
  const p = writePointer(i, 10, false);
  if (p == 0) return;
  noteMemory(i);
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
  if (valid) {
    let rest: u64 = integer < 0 ? <u64>-integer : <u64>integer;
    for (let n = 0; n < 9; n++) {
      const pair = rest % 100;
      rest /= 100;
      store<u8>(p + n, <u8>((pair / 10) << 4 | pair % 10));
    }
    store<u8>(p, left.sign != 0 ? 0x80 : 0, 9);
  } else {
    store<u64>(p, 0xc000000000000000);
    store<u16>(p, 0xffff, 8);
  }
  commitPointer(p);
  popStack();
}
