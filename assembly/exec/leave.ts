/** Leaving a block before its end, exactly: RIP, the instructions that did not retire, and what a VM exit tells of one. */
import { cpu } from '../cpu/state';
import { setExitLength } from '../cpu/exit';
import { Pending } from '../cpu/pending';
import { Block, weightOf } from '../code/blocks';
import { after, firstOf, Rec } from '../isa/record';
import { Kind } from '../isa/tables.gen';

/** Instructions of the running block that retired before record `i`. */
function retiredBefore(i: Rec): u32 {
  let n: u32 = 0;
  for (let r = firstOf(cpu.block); changetype<usize>(r) < changetype<usize>(i); r = after(r)) n += weightOf(r.kind);
  return n;
}

/**
 * Leaves the running block at record `i`: RIP becomes that of its instruction, or of the next one where `done`, and what
 * did not retire goes back to the budget.
 */
export function leaveBlock(i: Rec, done: bool): void {
  const block = changetype<Block>(<usize>cpu.block);
  const at = done ? after(i) : i;
  cpu.budget += <i32>(block.count - retiredBefore(at));
  cpu.leave = 0;
  const offset = done && at.kind == Kind.SKIP ? after(at).offset : at.offset;
  cpu.blockRip = (cpu.blockRip + offset) & cpu.laMask;
  // Hypervisors skip instructions by it whose memory access exits, too.
  if (cpu.pending == Pending.VM_EXIT) setExitLength(after(at).offset - offset);
}
