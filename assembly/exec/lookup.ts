/** From an instruction address to a block of records: the jump cache, then the index, then decoding. */
import { cpu, LINK_NONE, Seg, STEP_BLOCK } from '../cpu/state';
import { Key, segBase, segLimit } from '../cpu/segments';
import { fetchHost } from '../mmu/access';
import { Block, cache, cached, findBlock } from '../code/blocks';
import { Link, UNPROVED } from '../isa/record';
import { build } from './build';

/** The block at RIP where the jump cache has it, else null. */
@inline export function cachedBlock(): Block | null {
  const block = changetype<Block | null>(cached(cpu.blockRip));
  return block !== null && block.lip == cpu.blockRip && block.ctx == cpu.ctx ? block : null;
}

/** The block at RIP, decoded if need be; null with a pending fault, or with a block to be run by step(). */
export function blockAtRip(): Block | null {
  const rip = cpu.blockRip;
  const flat = (cpu.modeKey & Key.FLAT) != 0;
  const lip = flat ? rip : (segBase(Seg.CS) + rip) & 0xffffffff;
  const host = fetchHost(lip);
  if (host == 0) return null;
  let block = findBlock(host, cpu.modeKey);
  if (block === null) {
    block = build(host);
    if (block === null) return null;
  }
  if (!flat) {
    if (rip + block.bytes - 1 > <u64>segLimit(Seg.CS)) return null;
    return block;
  }
  cache(block, lip);
  return block;
}

/**
 * Successor of the running block at RIP for a jump with the link at `link`; null when the block loop must return. The jump is
 * chained: within the page for good, since its mapping is known to be what it is and its code dies together; to another page
 * unproved.
 */
export function resolve(link: usize): Block | null {
  if (cpu.budget <= 0) return null;
  let block = link != LINK_NONE ? cachedBlock() : null;
  if (block === null) block = blockAtRip();
  if (block === null || cpu.budget <= 0) return null;
  const from = changetype<Block>(<usize>cpu.block);
  if (link != LINK_NONE && (cpu.modeKey & Key.FLAT) != 0 && from.key == cpu.modeKey && cpu.block != <u32>STEP_BLOCK) {
    // Where the running block is, as it runs: its own lip is that of its last lookup, perhaps through another page.
    const l = changetype<Link>(link);
    const at = (cpu.blockRip - <u64><i64>l.delta) & cpu.laMask;
    const isNear = from.host != 0 && ((from.host ^ block.host) >> 12) == 0 && ((at ^ block.lip) >> 12) == 0;
    l.chain = <u32>changetype<usize>(block) + (isNear ? 0 : UNPROVED);
  }
  return block;
}
