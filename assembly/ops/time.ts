/** Time as an instruction sees it: one retired instruction is one nanosecond is one tick of the TSC. */
import { cpu } from '../cpu/state';
import { clock } from '../cpu/pending';
import { Block, HEADER, weightOf } from '../code/blocks';
import { Rec } from '../isa/record';
import { guestTscMultiplier, guestTscOffset, hasGuestTsc } from '../vmx/time';
import { mulHigh } from './wide';

/** The clock at instruction `i` of the running block, whose instructions were taken from the budget when it began. */
export function clockAt(i: Rec): u64 {
  const block = changetype<Block>(<usize>cpu.block);
  let before: u32 = 0;
  for (let r: usize = <usize>cpu.block + HEADER; r < changetype<usize>(i); r += 32) before += weightOf(load<u16>(r));
  return clock() - block.count + before;
}
@inline export function tscAt(i: Rec): u64 { return seenTsc(clockAt(i) + cpu.tscOffset); }

/** The time-stamp counter as a guest reads it where it is `tsc` (SDM Vol. 3C, "Time-Stamp Counter Offset and Multiplier"). */
export function seenTsc(tsc: u64): u64 {
  if (!hasGuestTsc()) return tsc;
  const multiplier = guestTscMultiplier();
  return guestTscOffset() + (multiplier != 0 ? scaled(tsc, multiplier) : tsc);
}
/** Bits 111:48 of the product. */
@inline function scaled(a: u64, b: u64): u64 { return (mulHigh(a, b) << 16) | (a * b >> 48); }
