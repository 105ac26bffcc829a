/**
 * PUSH, POP and the frames of PUSHA, ENTER and LEAVE (SDM Vol. 1, "Calling Procedures Using CALL and RET"). The width of
 * the stack pointer comes from SS, that of the operand from the instruction.
 */
import { GPR, Gpr, gpr, setGpr, setReg } from '../cpu/state';
import { abandoned } from '../cpu/pending';
import { selector } from '../cpu/segments';
import { Rec } from '../isa/record';
import { closeStack, openStack, peek, pop, probe, push, reserve, seekStack, stackTop } from './stack-access';

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
/** A selector is pushed zero-extended to the operand size. */
export function opPushSreg<T>(i: Rec): void { pushOne<T>(<T>selector(i.b)); }

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
  if (!reserve<T>(8)) return;
  for (let n: u32 = 0; n < 8; n++) push<T>(register<T>(n));
  closeStack();
}

/** The value of rSP in the frame is skipped. */
export function opPopa<T>(i: Rec): void {
  openStack();
  // Reading all eight first finds every fault before a register changes.
  for (let n: u64 = 0; n < 8; n++) {
    peek<T>(n * sizeof<T>());
    if (abandoned()) return;
  }
  for (let n: i32 = Gpr.RDI; n >= 0; n--) {
    const value = pop<T>();
    if (n != Gpr.RSP) setReg<T>(GPR + (n << 3), value);
  }
  closeStack();
}

@inline function place<T>(value: T, dry: bool): void {
  if (!dry) push<T>(value);
  else if (reserve<T>(1)) seekStack(stackTop - sizeof<T>());
}
/** Pushes the frame of ENTER and opens `size` bytes below; dry, it only finds the fault. Returns the new rBP. */
function buildFrame<T>(size: u64, level: u32, dry: bool): u64 {
  openStack();
  place<T>(load<T>(RBP), dry);
  if (abandoned()) return 0;
  const frame = stackTop;
  for (let n: u32 = 1; n < level; n++) {
    const here = stackTop;
    seekStack(gpr(Gpr.RBP) - n * sizeof<T>());
    const outer = peek<T>(0);
    if (abandoned()) return 0;
    seekStack(here);
    place<T>(outer, dry);
    if (abandoned()) return 0;
  }
  if (level > 0) place<T>(<T>frame, dry);
  if (abandoned()) return 0;
  seekStack(stackTop - size);
  probe<T>();
  return frame;
}
/** ENTER faults, besides its pushes, where a write at the final stack pointer would (SDM Vol. 2A, "ENTER"). */
export function opEnter<T, S>(i: Rec): void {
  const size = <u64>changetype<S>(0).read<u16>(i);
  const level: u32 = i.disp & 31;
  buildFrame<T>(size, level, true);
  if (abandoned()) return;
  const frame = buildFrame<T>(size, level, false);
  closeStack();
  setReg<T>(RBP, <T>frame);
}

export function opLeave<T>(i: Rec): void {
  openStack();
  seekStack(gpr(Gpr.RBP));
  const value = pop<T>();
  if (abandoned()) return;
  closeStack();
  setReg<T>(RBP, value);
}
