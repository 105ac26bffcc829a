/**
 * Moves and extensions, conditional moves and sets: one read, then one write, which alone may fail after it.
 */
import { BOUNCE, GPR, Gpr, gpr, Seg, setReg } from '../cpu/state';
import { abandoned, raise, Vector } from '../cpu/pending';
import { condition } from '../cpu/flags';
import { linearAddress, selector } from '../cpu/segments';
import { addressMask, Rec, segmentOf } from '../isa/record';
import { commitPointer, effectiveOffset, readPointer, stackBit } from '../isa/operand';
import { read, writeMiss } from '../mmu/access';

export function opMov<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, value);
}
export function opMovnti<T, D, S>(i: Rec): void { opMov<T, D, S>(i); }
export function opMovdiri<T, D, S>(i: Rec): void { opMov<T, D, S>(i); }

export function opMovbe<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, bswap<T>(value));
}

export function opMovzxB<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<u8>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, <T>value);
}
export function opMovzxW<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<u16>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, <T>value);
}
export function opMovsxB<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<u8>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, <T><i8>value);
}
export function opMovsxW<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<u16>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, <T><i16>value);
}
/** With a 16-bit operand size the source has 16 bits too (SDM Vol. 2B, "MOVSX/MOVSXD"). */
export function opMovsxd<T, D, S>(i: Rec): void {
  if (sizeof<T>() == 2) {
    opMov<T, D, S>(i);
    return;
  }
  const value = changetype<S>(0).read<u32>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, <T><i32>value);
}

/** #UD for the segment registers 6 and 7 that there are not. */
@inline function isSegment(i: Rec): bool {
  if (i.b < 6) return true;
  raise(Vector.UD);
  return false;
}
/** MOV from a segment register: a 32 or 64-bit register is zero-extended, memory has 16 bits. */
export function opMovFromSreg<T, D>(i: Rec): void {
  if (isSegment(i)) changetype<D>(0).write<T>(i, <T>selector(i.b));
}
export function opMovFromSregMem<D>(i: Rec): void {
  if (isSegment(i)) changetype<D>(0).write<u16>(i, <u16>selector(i.b));
}

/** 64 bytes from the memory operand to ES:register, which must be aligned (SDM Vol. 2B, "MOVDIR64B"). */
export function opMovdir64b<D>(i: Rec): void {
  const from = readPointer(i, 64);
  if (abandoned()) return;
  const copy = BOUNCE + 128;
  memory.copy(copy, from, 64);
  const la = linearAddress(Seg.ES, changetype<D>(0).read<u64>(i) & addressMask(i), 64, true, false);
  if (abandoned()) return;
  if ((la & 63) != 0) {
    raise(Vector.GP, 0);
    return;
  }
  const to = writeMiss(la, 64, 0, false);
  if (to == 0) return;
  memory.copy(to, copy, 64);
  commitPointer(to);
}

export function opLea<T, D>(i: Rec): void { changetype<D>(0).write<T>(i, <T>effectiveOffset(i)); }

/** CBW, CWDE, CDQE. */
export function opCbw<T>(i: Rec): void {
  if (sizeof<T>() == 2) store<u16>(GPR, <u16>load<i8>(GPR));
  else if (sizeof<T>() == 4) setReg<u32>(GPR, <u32>load<i16>(GPR));
  else store<u64>(GPR, <u64>load<i32>(GPR));
}
/** CWD, CDQ, CQO. */
export function opCwd<T>(i: Rec): void {
  const rdx = GPR + 8 * Gpr.RDX;
  if (sizeof<T>() == 2) store<u16>(rdx, <u16>(load<i16>(GPR) >> 15));
  else if (sizeof<T>() == 4) setReg<u32>(rdx, <u32>(load<i32>(GPR) >> 31));
  else store<u64>(rdx, <u64>(load<i64>(GPR) >> 63));
}

/** A memory source is read, and a 32-bit destination zero-extended, whatever the condition. */
export function opCmovcc<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, condition(i.b & 15) ? value : changetype<D>(0).read<T>(i));
}
export function opSetcc<T, D>(i: Rec): void { changetype<D>(0).write<T>(i, condition(i.b & 15) ? <T>1 : <T>0); }

/** AL := [segment: rBX + AL] */
export function opXlat(i: Rec): void {
  const offset = (gpr(Gpr.RBX) + load<u8>(GPR)) & addressMask(i);
  const la = linearAddress(segmentOf(i), offset, 1, false, stackBit(i) != 0);
  if (abandoned()) return;
  const value = read<u8>(la, stackBit(i));
  if (abandoned()) return;
  store<u8>(GPR, value);
}
