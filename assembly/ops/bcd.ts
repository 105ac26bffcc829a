/** Decimal adjustments (SDM Vol. 1, "Decimal Arithmetic Instructions"). OF, which is undefined after them, is clear. */
import { GPR } from '../cpu/state';
import { raise, Vector } from '../cpu/pending';
import { af, cf, changeFlags, Flag, flagsLogic } from '../cpu/flags';
import { Rec } from '../isa/record';

const CARRIES: u64 = Flag.CF | Flag.AF;

/** SF ZF PF of AL, CF and AF as given. */
@inline function flagsOfAl(carries: u64): void {
  flagsLogic<u8>(load<u8>(GPR));
  changeFlags(CARRIES, carries);
}
@inline function needsAdjust(al: u32): bool { return (al & 15) > 9 || af() != 0; }

/** AAA and AAS: `by` is what AX gains when the low digit is no digit. */
@inline function adjustAscii(by: u16): void {
  const adjust = needsAdjust(load<u8>(GPR));
  if (adjust) store<u16>(GPR, load<u16>(GPR) + by);
  store<u8>(GPR, load<u8>(GPR) & 15);
  flagsOfAl(adjust ? CARRIES : 0);
}
export function opAaa(i: Rec): void { adjustAscii(0x106); }
export function opAas(i: Rec): void { adjustAscii(<u16>-0x106); }

export function opDaa(i: Rec): void {
  const old: u32 = load<u8>(GPR);
  const low = needsAdjust(old);
  const high = old > 0x99 || cf() != 0;
  store<u8>(GPR, <u8>(old + (low ? 6 : 0) + (high ? 0x60 : 0)));
  flagsOfAl((low ? <u64>Flag.AF : 0) | (high ? <u64>Flag.CF : 0));
}
/** CF is also the borrow of the low digit's adjustment. */
export function opDas(i: Rec): void {
  const old: u32 = load<u8>(GPR);
  const low = needsAdjust(old);
  const high = old > 0x99 || cf() != 0;
  store<u8>(GPR, <u8>(old - (low ? 6 : 0) - (high ? 0x60 : 0)));
  flagsOfAl((low ? <u64>Flag.AF : 0) | (high || (low && old < 6) ? <u64>Flag.CF : 0));
}

export function opAam<S>(i: Rec): void {
  const base = changetype<S>(0).read<u8>(i);
  if (base == 0) {
    raise(Vector.DE);
    return;
  }
  const al = load<u8>(GPR);
  store<u16>(GPR, (<u16>(al / base) << 8) | <u16>(al % base));
  flagsOfAl(0);
}
export function opAad<S>(i: Rec): void {
  const base = changetype<S>(0).read<u8>(i);
  store<u16>(GPR, <u16><u8>(load<u8>(GPR) + load<u8>(GPR, 1) * base));
  flagsOfAl(0);
}
