/**
 * The code cache, an index of decoded code: blocks by host address and mode, and by frame, so that a write to a frame finds what it
 * invalidates. A block is a header and instruction records (isa/record.ts) that never leave one frame.
 *
 *    0 count u16 | 2 bytes u16 | 4 host | 8 lip u64 | 16 ctx | 20 key | 24 next in hash chain | 28 next in frame chain
 */
import { cpu } from '../cpu/state';
import { clearShared, orShared } from '../cpu/shared';
import { ARENA, ARENA_END, BLOCK_HASH, BLOCK_HASH_ENTRIES, CODE_FRAMES, FRAME_HASH, FRAME_HASH_ENTRIES, FRAME_LINES, JUMP_CACHE, JUMP_CACHE_ENTRIES } from '../cpu/window';
import { beginFrames, endFrames, frameMessage, MAX_FRAMES, postFrame } from '../apic/mailbox';
import { flushEverything, protectFrame } from '../mmu/tlb';
import { onCodeWritten } from '../mmu/code-frames';

@unmanaged
export class Block {
  /** Instructions. */
  count: u16;
  bytes: u16;
  /** Linear-memory address of the first instruction byte. */
  host: u32;
  /** Linear instruction address and context for which the jump cache may use the block. */
  lip: u64;
  ctx: u32;
  key: u32;
  hashNext: u32;
  frameNext: u32;
}

export const HEADER: usize = 32;
/** Kinds that mark the first record of a block whose code was overwritten; the second stands for two instructions. */
export const KIND_DEAD: u16 = 0;
export const KIND_DEAD_PAIR: u16 = 1;

@inline function hashSlot(host: u32, key: u32): usize {
  return BLOCK_HASH + (((host ^ (host >> 13) ^ (key << 9)) & (BLOCK_HASH_ENTRIES - 1)) << 2);
}
/** The 64-byte lines of `size` bytes at `host`, a bit each. */
@inline function linesOf(host: u32, size: u32): u64 {
  const first: u64 = (host >> 6) & 63;
  const last: u64 = ((host + size - 1) >> 6) & 63;
  return (u64.MAX_VALUE << first) & (u64.MAX_VALUE >> (63 - last));
}
@inline function linesSlot(frame: usize): usize { return FRAME_LINES + ((frame - FRAME_HASH) << 1); }
@inline function frameSlot(host: u32): usize { return FRAME_HASH + (((host >> 12) & (FRAME_HASH_ENTRIES - 1)) << 2); }

/** Drops all decoded code. Nobody may hold a block pointer afterwards. */
export function dropAllCode(): void {
  memory.fill(BLOCK_HASH, 0, BLOCK_HASH_ENTRIES * 4);
  memory.fill(FRAME_HASH, 0, FRAME_HASH_ENTRIES * 4);
  memory.fill(FRAME_LINES, 0, FRAME_HASH_ENTRIES * 8);
  memory.fill(JUMP_CACHE, 0, JUMP_CACHE_ENTRIES * 4);
  cpu.arenaTop = <u32>ARENA;
}

/** Is there room for a block of `records` records? */
@inline export function hasRoom(records: u32): bool { return cpu.arenaTop + (records + 1) * 32 <= <u32>ARENA_END; }

export function findBlock(host: u32, key: u32): Block | null {
  let at = load<u32>(hashSlot(host, key));
  while (at != 0) {
    const block = changetype<Block>(<usize>at);
    if (block.host == host && block.key == key) return block;
    at = block.hashNext;
  }
  return null;
}

/** Enters a decoded block into the index and takes write permission from its frame. */
export function addBlock(block: Block): void {
  const slot = hashSlot(block.host, block.key);
  block.hashNext = load<u32>(slot);
  store<u32>(slot, <u32>changetype<usize>(block));
  const frame = frameSlot(block.host);
  block.frameNext = load<u32>(frame);
  store<u32>(frame, <u32>changetype<usize>(block));
  const lines = linesSlot(frame);
  store<u64>(lines, load<u64>(lines) | linesOf(block.host, block.bytes));
  const mark = CODE_FRAMES + (block.host >> 12);
  const bit = <u8>1 << <u8>cpu.id;
  if ((load<u8>(mark) & bit) == 0) {
    if (load<u8>(mark) == 0) postFrame(block.host, false);
    orShared<u8>(mark, bit);
    protectFrame(block.host & ~0xfff);
  }
}

/** Carries out what other vCPUs say about frames. */
export function readFrameMessages(): void {
  const count = beginFrames();
  if (count == 0) return;
  if (count > MAX_FRAMES) {
    dropAllCode();
    flushEverything();
  } else for (let n: u32 = 0; n < count; n++) {
    const message = frameMessage(n);
    const host = message & ~0xfff;
    if ((message & 1) != 0) codeWritten(host, 0x1000);
    else protectFrame(host);
  }
  endFrames();
}

function unhash(block: Block): void {
  let slot = hashSlot(block.host, block.key);
  while (load<u32>(slot) != 0 && load<u32>(slot) != <u32>changetype<usize>(block)) slot = <usize>load<u32>(slot) + offsetof<Block>('hashNext');
  if (load<u32>(slot) != 0) store<u32>(slot, block.hashNext);
}

/**
 * Decodes anew the records of a block that `size` bytes at `host` belong to; false where the block must die instead.
 * Set by the layer that decodes.
 */
export let patchBlock: (block: Block, host: u32, size: u32) => bool = (block: Block, host: u32, size: u32): bool => false;
export function setPatchBlock(patch: (block: Block, host: u32, size: u32) => bool): void { patchBlock = patch; }

/** Makes writes to memory known here. Once, before anything runs. */
export function initCode(): void {
  onCodeWritten(codeWritten);
  dropAllCode();
}

@inline function jumpSlot(rip: u64): usize { return JUMP_CACHE + (((<u32>rip ^ (<u32>rip >> 12)) & (JUMP_CACHE_ENTRIES - 1)) << 2); }
/** What the jump cache has for `rip`: null, or a block whose `lip` and `ctx` tell whether it is the one. */
@inline export function cached(rip: u64): Block { return changetype<Block>(<usize>load<u32>(jumpSlot(rip))); }
/** Makes `block` the one that linear address `lip`, which is RIP too, leads to in the running context. */
export function cache(block: Block, lip: u64): void {
  block.lip = lip;
  block.ctx = cpu.ctx;
  store<u32>(jumpSlot(lip), <u32>changetype<usize>(block));
}

/**
 * Tells that `size` bytes at `host` changed (they must not cross a frame). Blocks that hold them are patched, or taken
 * out of the index and marked dead, so that jumps that still lead to them look up the code anew.
 * True: the running block is among the dead and must be left after the current instruction.
 */
export function codeWritten(host: u32, size: u32): bool {
  const others = load<u8>(CODE_FRAMES + (host >> 12)) & ~(<u8>1 << <u8>cpu.id);
  if (others != 0 && size < 0x1000) postFrame(host, true);
  let slot = frameSlot(host);
  const lines = linesSlot(slot);
  if ((load<u64>(lines) & linesOf(host, size)) == 0) return false;
  let running = false;
  let left = false;
  while (true) {
    const at = load<u32>(slot);
    if (at == 0) break;
    const block = changetype<Block>(<usize>at);
    if (host + size > block.host && host < block.host + block.bytes && !patchBlock(block, host, size)) {
      if (at == cpu.block) running = true;
      unhash(block);
      kill(block);
      store<u32>(slot, block.frameNext);
    } else {
      if (((block.host ^ host) >> 12) == 0) left = true;
      slot = <usize>at + offsetof<Block>('frameNext');
    }
  }
  if (load<u32>(frameSlot(host)) == 0) store<u64>(lines, 0);
  if (!left) clearShared<u8>(CODE_FRAMES + (host >> 12), <u8>1 << <u8>cpu.id);
  return running;
}

function kill(block: Block): void {
  block.ctx = 0;
  block.host = 0;
  const first = changetype<usize>(block) + HEADER;
  store<u16>(first, weightOf(load<u16>(first)) == 2 ? KIND_DEAD_PAIR : KIND_DEAD);
}

/** Instructions for which a record stands: 2 for fused pairs, 0 for block ends. Set by the generated tables. */
export const WEIGHTS: usize = memory.data(1024);
@inline export function weightOf(kind: u16): u32 { return kind < 1024 ? load<u8>(WEIGHTS + kind) : 1; }
