/**
 * PUSH, POP and the frames of PUSHA, ENTER and LEAVE (SDM Vol. 1, "Calling Procedures Using CALL and RET"). The width
 * of the stack pointer comes from SS, that of the operand from the instruction.
 */
import { GPR, Gpr, gpr, setGpr, setReg } from '../cpu/state';
import { isIntel } from '../cpu/features';
import { abandoned } from '../cpu/pending';
import { selector } from '../cpu/segments';
import { Rec } from '../isa/record';
import {
  closeStack, openStack, peek, pop, probe, push, pushPart, seekStack, stackTop, wholeStackTop,
} from './stack-access';

const RBP: usize = GPR + 8 * Gpr.RBP;
@inline function register<T>(n: u32): T { return load<T>(GPR + (n << 3)); }

@inline function pushOne<T>(value: T): void {
  openStack();
  push<T>(value);
  if (!abandoned()) closeStack();
}
export function opPush<T, S>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (!abandoned()) pushOne<T>(value);
}
/**
 * A selector is pushed zero-extended to the operand size; but a 32-bit push of Intel's processors is a 16-bit move (SDM
 * Vol. 2B, "PUSH—Push Word, Doubleword, or Quadword Onto the Stack").
 */
export function opPushSreg<T>(i: Rec): void {
  openStack();
  if (sizeof<T>() == 4 && isIntel()) pushPart<u16>(<u16>selector(i.b), 4);
  else push<T>(<T>selector(i.b));
  if (!abandoned()) closeStack();
}

/** An address that rSP is part of is computed after the increment (SDM Vol. 2B, "POP"). */
export function opPop<T, D>(i: Rec): void {
  const before = gpr(Gpr.RSP);
  openStack();
  const value = pop<T>();
  if (abandoned()) return;
  closeStack();
  changetype<D>(0).write<T>(i, value);
  if (abandoned()) setGpr(Gpr.RSP, before);
}

export function opPusha<T>(i: Rec): void {
  openStack();
  for (let n: u32 = 0; n < 8 && !abandoned(); n++) push<T>(register<T>(n));
  if (!abandoned()) closeStack();
}

/** The value of rSP in the frame is skipped. Registers that were loaded before a fault keep what they got. */
export function opPopa<T>(i: Rec): void {
  openStack();
  for (let n: i32 = Gpr.RDI; n >= 0; n--) {
    const value = pop<T>();
    if (abandoned()) return;
    if (n != Gpr.RSP) setReg<T>(GPR + (n << 3), value);
  }
  closeStack();
}

/**
 * The frame pointer is all of ESP where the operand has 32 bits and the stack 16. ENTER faults, besides its pushes,
 * where a write at the final stack pointer would (SDM Vol. 2A, "ENTER—Make Stack Frame for Procedure Parameters").
 */
export function opEnter<T, S>(i: Rec): void {
  const size = <u64>changetype<S>(0).read<u16>(i);
  const level: u32 = i.disp & 31;
  openStack();
  push<T>(load<T>(RBP));
  if (abandoned()) return;
  const frame = <T>wholeStackTop();
  for (let n: u32 = 1; n < level; n++) {
    const here = stackTop;
    seekStack(gpr(Gpr.RBP) - n * sizeof<T>());
    const outer = peek<T>(0);
    if (abandoned()) return;
    seekStack(here);
    push<T>(outer);
    if (abandoned()) return;
  }
  if (level > 0) push<T>(frame);
  if (abandoned()) return;
  seekStack(stackTop - size);
  if (!probe<T>()) return;
  closeStack();
  setReg<T>(RBP, frame);
}

export function opLeave<T>(i: Rec): void {
  openStack();
  seekStack(gpr(Gpr.RBP));
  const value = pop<T>();
  if (abandoned()) return;
  closeStack();
  setReg<T>(RBP, value);
}
