/** Time as an instruction sees it: one retired instruction is one nanosecond is one tick of the TSC. */
import { cpu } from '../cpu/state';
import { clock } from '../cpu/pending';
import { Block, HEADER, weightOf } from '../mmu/blocks';
import { Rec } from '../isa/record';

/** The clock at instruction `i` of the running block, whose instructions were taken from the budget when it began. */
export function clockAt(i: Rec): u64 {
  const block = changetype<Block>(<usize>cpu.block);
  let before: u32 = 0;
  for (let r: usize = <usize>cpu.block + HEADER; r < changetype<usize>(i); r += 32) before += weightOf(load<u16>(r));
  return clock() - block.count + before;
}
@inline export function tscAt(i: Rec): u64 { return clockAt(i) + cpu.tscOffset; }
