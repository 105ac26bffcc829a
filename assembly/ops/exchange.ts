/**
 * Exchanges and compare-exchanges. The destination is checked for writing before anything else, and a failing compare
 * writes the old value back: "the destination operand receives a write cycle without regard to the result of the
 * comparison" (SDM Vol. 2A, "CMPXCHG").
 */
import { GPR, Gpr, gpr, setGpr, setReg } from '../cpu/state';
import { abandoned, raise, Vector } from '../cpu/pending';
import { changeFlags, Flag, flagsAdd, flagsSub } from '../cpu/flags';
import { isMemory, Rec } from '../isa/record';
import { commitPointer, memoryAddress, Rm, stackBit } from '../isa/operand';
import { Access, lookup } from '../mmu/tlb';
import { writeMiss } from '../mmu/access';

const RDX: usize = GPR + 8 * Gpr.RDX;

export function opXchg<T, D, S>(i: Rec): void {
  const left = changetype<D>(0).rmw<T>(i);
  if (abandoned()) return;
  changetype<D>(0).commit<T>(i, changetype<S>(0).read<T>(i));
  if (abandoned()) return;
  changetype<S>(0).write<T>(i, left);
}
/** Where both operands are one register it gets the sum. */
export function opXadd<T, D, S>(i: Rec): void {
  const left = changetype<D>(0).rmw<T>(i);
  if (abandoned()) return;
  const right = changetype<S>(0).read<T>(i);
  const sum = <T>(left + right);
  if (!isMemory(i)) changetype<S>(0).write<T>(i, left);
  changetype<D>(0).commit<T>(i, sum);
  if (abandoned()) return;
  if (isMemory(i)) changetype<S>(0).write<T>(i, left);
  flagsAdd<T>(left, right, sum);
}

/** A register destination of a failing compare keeps even its upper half. */
export function opCmpxchg<T, D, S>(i: Rec): void {
  const old = changetype<D>(0).rmw<T>(i);
  if (abandoned()) return;
  const expected = load<T>(GPR);
  const equal = old == expected;
  if (equal) changetype<D>(0).commit<T>(i, changetype<S>(0).read<T>(i));
  else if (isMemory(i)) changetype<D>(0).commit<T>(i, old);
  if (abandoned()) return;
  if (!equal) setReg<T>(GPR, old);
  flagsSub<T>(expected, old, <T>(expected - old));
}

export function opCmpxchg8b(i: Rec): void {
  const old = changetype<Rm>(0).rmw<u64>(i);
  if (abandoned()) return;
  const equal = old == ((gpr(Gpr.RDX) << 32) | (gpr(Gpr.RAX) & 0xffffffff));
  changetype<Rm>(0).commit<u64>(i, equal ? (gpr(Gpr.RCX) << 32) | (gpr(Gpr.RBX) & 0xffffffff) : old);
  if (abandoned()) return;
  if (!equal) {
    setReg<u32>(GPR, <u32>old);
    setReg<u32>(RDX, <u32>(old >> 32));
  }
  changeFlags(Flag.ZF, equal ? <u64>Flag.ZF : 0);
}
/** #GP(0) where the operand is not aligned on 16 bytes (SDM Vol. 2A, "CMPXCHG8B/CMPXCHG16B"). */
export function opCmpxchg16b(i: Rec): void {
  const la = memoryAddress(i, 16, true);
  if (abandoned()) return;
  if ((la & 15) != 0) {
    raise(Vector.GP, 0);
    return;
  }
  let p = lookup(la, 16, Access.WRITE);
  if (p == 0) p = writeMiss(la, 16, stackBit(i), true);
  if (p == 0) return;
  const low = load<u64>(p), high = load<u64>(p, 8);
  const equal = low == gpr(Gpr.RAX) && high == gpr(Gpr.RDX);
  if (equal) {
    store<u64>(p, gpr(Gpr.RBX));
    store<u64>(p, gpr(Gpr.RCX), 8);
  } else {
    setGpr(Gpr.RAX, low);
    setGpr(Gpr.RDX, high);
  }
  commitPointer(p);
  changeFlags(Flag.ZF, equal ? <u64>Flag.ZF : 0);
}
