/**
 * Decimal adjustments (SDM Vol. 1, "Decimal Arithmetic Instructions"). Of the flags that are undefined Intel's
 * processors clear OF, and SF, ZF and PF are AL's; on AMD's they are those of the addition or subtraction that adjusts.
 */
import { GPR } from '../cpu/state';
import { isIntel } from '../cpu/features';
import { raise, Vector } from '../cpu/pending';
import { af, cf, changeFlags, Flag, flagsAdd, flagsLogic } from '../cpu/flags';
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
  const old = load<u16>(GPR);
  const sum = adjust ? old + by : old;
  store<u16>(GPR, sum & 0xff0f);
  if (isIntel()) flagsOfAl(adjust ? CARRIES : 0);
  else {
    flagsAdd<u16>(old, sum - old, sum);
    changeFlags(CARRIES, adjust ? CARRIES : 0);
  }
}
export function opAaa(i: Rec): void { adjustAscii(0x106); }
export function opAas(i: Rec): void { adjustAscii(<u16>-0x106); }

/** Flags of DAA and DAS; bit 7 of `overflow` is that of the adjustment. */
function decimalFlags(carries: u64, overflow: u32): void {
  flagsOfAl(carries);
  if (!isIntel()) changeFlags(Flag.OF, (overflow & 0x80) != 0 ? <u64>Flag.OF : 0);
}
export function opDaa(i: Rec): void {
  const old: u32 = load<u8>(GPR);
  const low = needsAdjust(old);
  const high = old > 0x99 || cf() != 0;
  const gain: u32 = (low ? 6 : 0) + (high ? 0x60 : 0);
  store<u8>(GPR, <u8>(old + gain));
  decimalFlags((low ? <u64>Flag.AF : 0) | (high ? <u64>Flag.CF : 0), ~(old ^ gain) & (old ^ (old + gain)));
}
/** CF is also the borrow of the low digit's adjustment. */
export function opDas(i: Rec): void {
  const old: u32 = load<u8>(GPR);
  const low = needsAdjust(old);
  const high = old > 0x99 || cf() != 0;
  const loss: u32 = (low ? 6 : 0) + (high ? 0x60 : 0);
  store<u8>(GPR, <u8>(old - loss));
  decimalFlags((low ? <u64>Flag.AF : 0) | (high || (low && old < 6) ? <u64>Flag.CF : 0),
    (old ^ loss) & (old ^ (old - loss)));
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
/** The undefined flags are those of the addition. */
export function opAad<S>(i: Rec): void {
  const base = changetype<S>(0).read<u8>(i);
  const left = load<u8>(GPR), right = <u8>(load<u8>(GPR, 1) * base), sum = <u8>(left + right);
  store<u16>(GPR, <u16>sum);
  flagsAdd<u8>(left, right, sum);
}
