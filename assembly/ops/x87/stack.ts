/** Moves within the x87 stack, its pointer and tags, and the constants (SDM Vol. 1, "x87 FPU Register Stack"). */
import { Rec } from '../../isa/record';
import { Rc } from '../fp/soft';
import { rounding } from './number';
import {
  canPush, free, INDEFINITE, INDEFINITE_TOP, isEmpty, note, popStack, push, rotate, setC1, setSt, significand,
  stackOperand, topOf, underflow,
} from './registers';

export function opFld(i: Rec): void {
  note(i);
  const n = stackOperand(i);
  if (isEmpty(n)) {
    if (underflow()) push(INDEFINITE, INDEFINITE_TOP);
    return;
  }
  const sig = significand(n), top = topOf(n);
  if (canPush()) push(sig, top);
}
function copyTo(i: Rec, pop: bool): void {
  note(i);
  let sig = INDEFINITE, top = INDEFINITE_TOP;
  if (isEmpty(0)) {
    if (!underflow()) return;
  } else {
    setC1(false);
    sig = significand(0);
    top = topOf(0);
  }
  setSt(stackOperand(i), sig, top);
  if (pop) popStack();
}
export function opFst(i: Rec): void { copyTo(i, false); }
export function opFstp(i: Rec): void { copyTo(i, true); }
/** FSTP at D9 /3, undocumented: an empty ST(0) is no stack fault, and is not copied. */
export function opFstpnce(i: Rec): void {
  note(i);
  setC1(false);
  if (!isEmpty(0)) setSt(stackOperand(i), significand(0), topOf(0));
  popStack();
}
export function opFxch(i: Rec): void {
  note(i);
  const n = stackOperand(i);
  if (isEmpty(0) || isEmpty(n)) {
    const first = isEmpty(0), second = isEmpty(n);
    if (!underflow()) return;
    if (first) setSt(0, INDEFINITE, INDEFINITE_TOP);
    if (second) setSt(n, INDEFINITE, INDEFINITE_TOP);
  } else setC1(false);
  const sig = significand(0), top = topOf(0);
  setSt(0, significand(n), topOf(n));
  setSt(n, sig, top);
}
export function opFnop(i: Rec): void { note(i); }
export function opFfree(i: Rec): void {
  note(i);
  setC1(false);
  free(stackOperand(i));
}
export function opFfreep(i: Rec): void {
  note(i);
  setC1(false);
  free(stackOperand(i));
  popStack();
}
export function opFincstp(i: Rec): void {
  note(i);
  setC1(false);
  rotate(1);
}
export function opFdecstp(i: Rec): void {
  note(i);
  setC1(false);
  rotate(7);
}

/** Pushes a constant that lies between `sig` and the next number, nearer to the one that `nearest` adds. */
function constant(i: Rec, sig: u64, top: u32, nearest: u64): void {
  note(i);
  const rc = rounding();
  if (canPush()) push(sig + (rc == Rc.UP ? 1 : rc == Rc.NEAREST ? nearest : 0), top);
}
export function opFldl2t(i: Rec): void { constant(i, 0xd49a784bcd1b8afe, 0x4000, 0); }
export function opFldl2e(i: Rec): void { constant(i, 0xb8aa3b295c17f0bb, 0x3fff, 1); }
export function opFldpi(i: Rec): void { constant(i, 0xc90fdaa22168c234, 0x4000, 1); }
export function opFldlg2(i: Rec): void { constant(i, 0x9a209a84fbcff798, 0x3ffd, 1); }
export function opFldln2(i: Rec): void { constant(i, 0xb17217f7d1cf79ab, 0x3ffe, 1); }
export function opFld1(i: Rec): void {
  note(i);
  if (canPush()) push(0x8000000000000000, 0x3fff);
}
export function opFldz(i: Rec): void {
  note(i);
  if (canPush()) push(0, 0);
}
