/**
 * Near jumps, calls and returns (SDM Vol. 1, "Control Transfer Instructions"). A target outside the code segment or not
 * canonical is the jump's own #GP(0). Operands of 16 bits truncate RIP.
 */
import { cpu, GPR, Gpr, Seg, setReg } from '../cpu/state';
import { abandoned, raise, Vector } from '../cpu/pending';
import { isIntel } from '../cpu/features';
import { in64, isCanonical, segLimit } from '../cpu/segments';
import { condition, zf } from '../cpu/flags';
import { addressSize, nextRip, Rec } from '../isa/record';
import { closeStack, openStack, pop, push, seekStack, stackTop } from './stack-access';

/** Can RIP become `rip`? False with a pending #GP(0). */
export function reachable(rip: u64): bool {
  if (in64() ? isCanonical(rip) : rip <= <u64>segLimit(Seg.CS)) return true;
  raise(Vector.GP, 0);
  return false;
}
@inline function relative<T>(i: Rec): u64 { return <u64><T>(nextRip(i) + <u64><i64>i.imm); }
@inline function jump(rip: u64): void {
  if (reachable(rip)) cpu.blockRip = rip;
}
@inline function jumpIf<T>(i: Rec, yes: bool): void {
  if (yes) jump(relative<T>(i));
  else cpu.blockRip = nextRip(i);
}

export function opJmp<T>(i: Rec): void { jump(relative<T>(i)); }
export function opJmpTo<T, S>(i: Rec): void {
  const rip = <u64>changetype<S>(0).read<T>(i);
  if (!abandoned()) jump(rip);
}
export function opJcc<T>(i: Rec): void { jumpIf<T>(i, condition(i.b & 15)); }

/**
 * Can a call that returns to `after` go to `rip`? False with an event pending. Intel's processors have written the
 * return address, or met the fault of that, when they look at the target; RSP is as it was all the same.
 */
export function callable<T>(rip: u64, after: u64): bool {
  if (in64() ? isCanonical(rip) : rip <= <u64>segLimit(Seg.CS)) return true;
  if (isIntel()) {
    openStack();
    push<T>(<T>after);
    if (abandoned()) return false;
  }
  raise(Vector.GP, 0);
  return false;
}
function call<T>(i: Rec, rip: u64): void {
  if (!callable<T>(rip, nextRip(i))) return;
  openStack();
  push<T>(<T>nextRip(i));
  if (abandoned()) return;
  closeStack();
  cpu.blockRip = rip;
}
export function opCall<T>(i: Rec): void { call<T>(i, relative<T>(i)); }
export function opCallTo<T, S>(i: Rec): void {
  const rip = <u64>changetype<S>(0).read<T>(i);
  if (!abandoned()) call<T>(i, rip);
}

function ret<T>(release: u64): void {
  openStack();
  const rip = <u64>pop<T>();
  if (abandoned() || !reachable(rip)) return;
  seekStack(stackTop + release);
  closeStack();
  cpu.blockRip = rip;
}
export function opRet<T>(i: Rec): void { ret<T>(0); }
export function opRetImm<T, S>(i: Rec): void { ret<T>(<u64>changetype<S>(0).read<u16>(i)); }

const RCX: usize = GPR + 8 * Gpr.RCX;
/** The count of LOOP and JRCXZ: CX, ECX or RCX by the address size. */
function count(i: Rec): u64 {
  const size = addressSize(i);
  return size == 2 ? load<u64>(RCX) : size == 1 ? <u64>load<u32>(RCX) : <u64>load<u16>(RCX);
}
@inline function loop<T>(i: Rec, wanted: bool): void {
  const left = count(i) - 1;
  const size = addressSize(i);
  const none = size == 2 ? left == 0 : size == 1 ? <u32>left == 0 : <u16>left == 0;
  jumpIf<T>(i, wanted && !none);
  if (abandoned()) return;
  if (size == 2) setReg<u64>(RCX, left);
  else if (size == 1) setReg<u32>(RCX, <u32>left);
  else setReg<u16>(RCX, <u16>left);
}
export function opLoop<T>(i: Rec): void { loop<T>(i, true); }
export function opLoope<T>(i: Rec): void { loop<T>(i, zf()); }
export function opLoopne<T>(i: Rec): void { loop<T>(i, !zf()); }
export function opJrcxz<T>(i: Rec): void { jumpIf<T>(i, count(i) == 0); }
