/**
 * Decodes instructions into blocks of records. Blocks end at jumps, at instructions that may change what decoding depends
 * on, and at the end of a frame. An instruction that crosses into the next page is decoded anew each time it runs.
 */
import { cpu, FETCH_BUFFER, LINK_NONE, Seg, STEP_BLOCK } from '../cpu/state';
import { attend, Attention, raise, Vector } from '../cpu/pending';
import { Key, segBase, segLimit } from '../cpu/segments';
import { isHeld, mayRun } from '../cpu/vector-state';
import { fetchHost } from '../mmu/access';
import { addBlock, Block, dropAllCode, hasRoom, initCode, setPatchBlock, weightOf, WEIGHTS } from '../code/blocks';
import { decode, Decoded, decodedEnd, decodedExtra, decodedLength, End } from '../isa/decoder';
import { fuse } from '../isa/decode-hot';
import { HOT_KINDS, Kind, KIND_WEIGHTS } from '../isa/tables.gen';
import { after, firstOf, Link, linkAt, NO_CHAIN, Rec, RECORD, TAKEN } from '../isa/record';
import { refine, unrefine } from '../isa/refine';
import { HANDLER_COUNT, HANDLERS } from './handlers.gen';
import { verifyBlock } from './verify';

const MAX_BYTES: u32 = 200;
const MAX_RECORDS: u32 = 80;

/** What to add to the kind of a cold record for its handler's entry in the module's table. */
export let firstEntry: u32 = 0;

/** Entry of handler `n`, as the compiler recorded it. */
function entryOf(n: u32): u32 { return load<u32>(changetype<usize>(unchecked(HANDLERS[n]))); }

/** Runs the handler of a whole hot record, as a cold record would; true where the block goes on. */
export function runCold(i: Rec): bool {
  if (!isHeld(i.info) || mayRun(i.info)) call_indirect<void>(<u32>i.imm + firstEntry, i);
  return (cpu.pending | cpu.leave) == 0;
}

/** Fills what static data cannot hold. To be called once before anything runs. */
export function initBlocks(): void {
  firstEntry = entryOf(0) - HOT_KINDS;
  assert(entryOf(HANDLER_COUNT - 1) == entryOf(0) + HANDLER_COUNT - 1);
  memory.fill(WEIGHTS, 1, 1024);
  memory.copy(WEIGHTS, KIND_WEIGHTS, HOT_KINDS);
  changetype<Link>(LINK_NONE).delta = 0;
  changetype<Link>(LINK_NONE).chain = NO_CHAIN;
  setPatchBlock(patch);
  initCode();
}

/** Decodes the block at `host`; null when not even one instruction fits in the frame or decodes. */
export function build(host: u32): Block | null {
  if (!hasRoom(MAX_RECORDS + 4)) {
    dropAllCode();
    attend(Attention.CODE);
  }
  const block = changetype<Block>(<usize>cpu.arenaTop);
  const room: u32 = 0x1000 - (host & 0xfff);
  const first = firstOf(cpu.arenaTop);
  let r = first;
  let offset: u32 = 0;
  let count: u32 = 0;
  let before: Rec | null = null;
  let end = End.NONE;
  while (true) {
    const outcome = decode(host + offset, changetype<usize>(r), offset);
    if (decodedLength + offset > room || outcome != Decoded.OK) {
      if (count == 0) return null;
      break;
    }
    offset += decodedLength;
    count++;
    end = decodedEnd;
    if (end == End.LINKS) {
      if (before !== null && after(before) === r && fuse(before)) r = before;
      break;
    }
    before = r;
    r = after(r);
    if (decodedExtra() != 0) {
      r.offset = <u8>offset;
      r = after(r);
    }
    if (end != End.NONE || offset > MAX_BYTES || changetype<usize>(r) - changetype<usize>(first) >= MAX_RECORDS * RECORD) break;
  }
  cpu.arenaTop = <u32>changetype<usize>(finish(r, end, offset));
  refine(first, r);
  block.count = <u16>count;
  block.bytes = <u16>offset;
  block.host = host;
  block.key = cpu.modeKey;
  block.ctx = 0;
  if (!ASC_NO_ASSERT) verifyBlock(block);
  addBlock(block);
  return block;
}

/**
 * Ends the records of a block of `bytes` at `r`; returns the first free one. After an instruction that may change the mode
 * (End.SLOW) no link is trusted: what the next block was decoded under may hold no longer.
 */
function finish(r: Rec, end: End, bytes: u32): Rec {
  if (end == End.LINKS) {
    // What comes after a jump tells where it ends; a fused pair has its links there too.
    const last = after(r);
    last.kind = <u16>Kind.END_JUMP;
    last.offset = <u8>bytes;
    return after(last);
  }
  r.kind = end == End.JUMP ? <u16>Kind.END_JUMP : end == End.SLOW ? <u16>Kind.END_SLOW : <u16>Kind.END;
  r.offset = <u8>bytes;
  linkAt(r, TAKEN).delta = <i32>bytes;
  linkAt(r, TAKEN).chain = NO_CHAIN;
  return after(r);
}

/**
 * Decodes the one instruction at RIP, wherever it lies, into the step block. null: a fault is pending.
 */
export function stepBlock(): Block | null {
  const rip = cpu.blockRip;
  const flat = (cpu.modeKey & Key.FLAT) != 0;
  const lip = flat ? rip : (segBase(Seg.CS) + rip) & 0xffffffff;
  let limit: u32 = 15;
  if (!flat) {
    if (rip > <u64>segLimit(Seg.CS)) {
      raise(Vector.GP, 0);
      return null;
    }
    limit = <u32>min<u64>(15, <u64>segLimit(Seg.CS) - rip + 1);
  }
  const host = fetchHost(lip);
  if (host == 0) return null;
  const room: u32 = 0x1000 - (<u32>lip & 0xfff);
  const block = changetype<Block>(STEP_BLOCK);
  const r = firstOf(STEP_BLOCK);
  let bytes: usize = host;
  let outcome = decode(bytes, changetype<usize>(r), 0);
  // An instruction of more than 15 bytes is #GP before its sixteenth is fetched.
  if (min<u32>(decodedLength, 15) > room) {
    const second = fetchHost((lip + room) & cpu.laMask);
    if (second == 0) return null;
    memory.copy(FETCH_BUFFER, host, room);
    memory.copy(FETCH_BUFFER + room, second, 16 - room);
    bytes = FETCH_BUFFER;
    outcome = decode(bytes, changetype<usize>(r), 0);
  }
  if (decodedLength > limit || outcome == Decoded.TOO_LONG) {
    raise(Vector.GP, 0);
    return null;
  }
  if (outcome == Decoded.UNDEFINED) {
    raise(Vector.UD, 0);
    return null;
  }
  finish(decodedExtra() != 0 ? after(after(r)) : after(r), decodedEnd, decodedLength);
  block.count = 1;
  block.bytes = <u16>decodedLength;
  block.host = 0;
  block.key = cpu.modeKey;
  block.ctx = 0;
  return block;
}

/** Scratch record of patch, and room for the record that decode may put after it. */
const PATCH: usize = memory.data(64);

/**
 * Decodes anew the instructions of `block` that `size` written bytes at `host` touch, in place. Only hot records are
 * replaced, by ones of the same length that go on to the next: the instruction that does the writing may be among them.
 */
function patch(block: Block, host: u32, size: u32): bool {
  if (block.key != cpu.modeKey) return false;
  const first = firstOf(changetype<usize>(block));
  let last = first;
  while (!isEnd(last)) last = after(last);
  unrefine(first, last);
  for (let r = first; r !== last; r = after(r)) {
    const start = block.host + r.offset;
    const stop = block.host + after(r).offset;
    if (stop <= host || start >= host + size || start == stop) continue;
    if (r.kind >= HOT_KINDS || weightOf(r.kind) != 1 || after(r).kind == Kind.END_JUMP) return false;
    const outcome = decode(start, PATCH, start - block.host);
    if (outcome != Decoded.OK || decodedLength != stop - start || decodedEnd != End.NONE || decodedExtra() != 0) return false;
    const p = changetype<Rec>(PATCH);
    if (p.kind >= HOT_KINDS) return false;
    if (p.a - <u32>PATCH < RECORD) p.a += <u32>changetype<usize>(r) - <u32>PATCH;
    if (p.b - <u32>PATCH < RECORD) p.b += <u32>changetype<usize>(r) - <u32>PATCH;
    memory.copy(changetype<usize>(r), PATCH, RECORD);
  }
  refine(first, last);
  if (!ASC_NO_ASSERT) verifyBlock(block);
  return true;
}
@inline function isEnd(r: Rec): bool { return r.kind == Kind.END || r.kind == Kind.END_SLOW || r.kind == Kind.END_JUMP; }
