/** Where the stack of an inner level lies, as a 16-bit or 32-bit TSS says (SDM Vol. 3A, "Stack Switching"). */
import { Seg } from '../cpu/state';
import { abandoned, Vector } from '../cpu/pending';
import { segBase, segRights } from '../cpu/segments';
import { readSystem } from '../mmu/access';
import { fetchStack, tssHolds } from './descriptor';

@unmanaged
class InnerStack {
  pointer: u64;
  descriptor: u64;
  selector: u32;
}
/** What the last readInnerStack found. */
export const innerStack = changetype<InnerStack>(memory.data(24));

/** Reads the stack of level `cpl` and checks its segment; false with an event pending. */
export function readInnerStack(cpl: u32): bool {
  const tss32 = (segRights(Seg.TR) & 8) != 0;
  const offset = tss32 ? (cpl << 3) + 4 : (cpl << 2) + 2;
  if (!tssHolds(offset, tss32 ? 6 : 4)) return false;
  const at = segBase(Seg.TR) + offset;
  innerStack.pointer = tss32 ? <u64>readSystem<u32>(at) : <u64>readSystem<u16>(at);
  if (abandoned()) return false;
  innerStack.selector = readSystem<u16>(at + (tss32 ? 4 : 2));
  if (abandoned()) return false;
  innerStack.descriptor = fetchStack(innerStack.selector, cpl, Vector.TS);
  return !abandoned();
}
