/**
 * From an instruction address to a block of records: look it up, or decode it. Blocks end at jumps, at instructions that
 * may change what decoding depends on, and at the end of a frame. An instruction that crosses into the next page is
 * decoded anew each time it runs.
 */
import { cpu, FETCH_BUFFER, LINK_NONE, Seg, STEP_BLOCK } from '../cpu/state';
import { JUMP_CACHE } from '../cpu/window';
import { setExitLength } from '../cpu/exit';
import { attend, Attention, Pending, raise, Vector } from '../cpu/pending';
import { Key, segBase, segLimit } from '../cpu/segments';
import { isHeld, mayRun } from '../cpu/vector-state';
import { fetchHost } from '../mmu/access';
import { addBlock, Block, dropAllCode, findBlock, hasRoom, HEADER, setPatchBlock, weightOf, WEIGHTS } from '../mmu/blocks';
import { decode, Decoded, decodedEnd, decodedExtra, decodedLength } from '../isa/decoder';
import { fuse } from '../isa/decode-hot';
import { HOT_KINDS, Kind, KIND_WEIGHTS } from '../isa/tables.gen';
import { IMM, INFO, Rec } from '../isa/record';
import { HANDLER_COUNT, HANDLERS } from './handlers.gen';

const MAX_BYTES: u32 = 200;
const MAX_RECORDS: u32 = 80;

/** What to add to the kind of a cold record for its handler's entry in the module's table. */
export let firstEntry: u32 = 0;

/** Entry of handler `n`, as the compiler recorded it. */
function entryOf(n: u32): u32 { return load<u32>(changetype<usize>(unchecked(HANDLERS[n]))); }

/** Runs the handler of a whole hot record, as a cold record would; true where the block goes on. */
export function runCold(rec: usize): bool {
  const info = load<u32>(rec, INFO);
  if (!isHeld(info) || mayRun(info)) call_indirect<void>(load<u32>(rec, IMM) + firstEntry, changetype<Rec>(rec));
  return (cpu.pending | cpu.leave) == 0;
}

/** Fills what static data cannot hold. To be called once before anything runs. */
export function initBlocks(): void {
  firstEntry = entryOf(0) - HOT_KINDS;
  assert(entryOf(HANDLER_COUNT - 1) == entryOf(0) + HANDLER_COUNT - 1);
  memory.fill(WEIGHTS, 1, 1024);
  memory.copy(WEIGHTS, KIND_WEIGHTS, HOT_KINDS);
  store<u64>(LINK_NONE, 0);
  setPatchBlock(patch);
  dropAllCode();
}

@inline function jumpSlot(rip: u64): usize { return JUMP_CACHE + (((<u32>rip ^ (<u32>rip >> 12)) & 4095) << 2); }

/** The block at RIP where the jump cache has it, else null. */
@inline export function cachedBlock(): Block | null {
  const block = changetype<Block | null>(<usize>load<u32>(jumpSlot(cpu.blockRip)));
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
  block.lip = lip;
  block.ctx = cpu.ctx;
  store<u32>(jumpSlot(rip), <u32>changetype<usize>(block));
  return block;
}

/**
 * Successor of the running block at RIP for a jump whose links lie at `link`; 0 when the block loop must return. A jump
 * within the page is chained: the mapping of the page is known to be what it is, and its code dies together.
 */
export function resolve(link: usize): usize {
  if (cpu.budget <= 0) return 0;
  const block = blockAtRip();
  if (block === null || cpu.budget <= 0) return 0;
  const from = changetype<Block>(<usize>cpu.block);
  if (link != LINK_NONE && (cpu.modeKey & Key.FLAT) != 0 && from.key == cpu.modeKey && cpu.block != <u32>STEP_BLOCK) {
    // Where the running block is, as it runs: its own lip is that of its last lookup, perhaps through another page.
    const at = (cpu.blockRip - <u64><i64>load<i32>(link)) & cpu.laMask;
    if (from.host != 0 && ((from.host ^ block.host) >> 12) == 0 && ((at ^ block.lip) >> 12) == 0) store<u32>(link, <u32>changetype<usize>(block), 4);
  }
  return changetype<usize>(block);
}

/** Decodes the block at `host`; null when not even one instruction fits in the frame or decodes. */
function build(host: u32): Block | null {
  if (!hasRoom(MAX_RECORDS + 4)) {
    dropAllCode();
    attend(Attention.CODE);
  }
  const start: usize = cpu.arenaTop;
  const block = changetype<Block>(start);
  const room: u32 = 0x1000 - (host & 0xfff);
  let rec = start + HEADER;
  let offset: u32 = 0;
  let count: u32 = 0;
  let before: usize = 0;
  let end: u32 = 0;
  while (true) {
    const outcome = decode(host + offset, rec, offset);
    if (decodedLength + offset > room || outcome != Decoded.OK) {
      if (count == 0) return null;
      break;
    }
    offset += decodedLength;
    count++;
    end = decodedEnd;
    if (end == 3) {
      if (before != 0 && rec == before + 32 && fuse(before, rec)) rec = before;
      break;
    }
    before = rec;
    rec += 32;
    if (decodedExtra() != 0) {
      store<u8>(rec, <u8>offset, 3);
      rec += 32;
    }
    if (end != 0 || offset > MAX_BYTES || rec - start > MAX_RECORDS * 32) break;
  }
  cpu.arenaTop = <u32>finish(rec, end, offset);
  block.count = <u16>count;
  block.bytes = <u16>offset;
  block.host = host;
  block.key = cpu.modeKey;
  block.ctx = 0;
  addBlock(block);
  return block;
}

/**
 * Ends the records of a block; returns the first free address. Behind an instruction that may change the mode (end 1) no
 * link is trusted: what the next block was decoded under may hold no longer.
 */
function finish(rec: usize, end: u32, offset: u32): usize {
  if (end == 3) {
    // what lies behind a jump tells where it ends; a fused pair has its links there too
    store<u16>(rec + 32, <u16>Kind.END_JUMP);
    store<u8>(rec + 32, <u8>offset, 3);
    return rec + 64;
  }
  const r = changetype<Rec>(rec);
  r.kind = end == 2 ? <u16>Kind.END_JUMP : end == 1 ? <u16>Kind.END_SLOW : <u16>Kind.END;
  r.offset = <u8>offset;
  store<i32>(rec, <i32>offset, 4);
  store<u32>(rec, 0, 8);
  return rec + 32;
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
  const rec = STEP_BLOCK + HEADER;
  let bytes: usize = host;
  let outcome = decode(bytes, rec, 0);
  // An instruction of more than 15 bytes is #GP before its sixteenth is fetched.
  if (min<u32>(decodedLength, 15) > room) {
    const second = fetchHost((lip + room) & cpu.laMask);
    if (second == 0) return null;
    memory.copy(FETCH_BUFFER, host, room);
    memory.copy(FETCH_BUFFER + room, second, 16 - room);
    bytes = FETCH_BUFFER;
    outcome = decode(bytes, rec, 0);
  }
  if (decodedLength > limit || outcome == Decoded.TOO_LONG) {
    raise(Vector.GP, 0);
    return null;
  }
  if (outcome == Decoded.UNDEFINED) {
    raise(Vector.UD, 0);
    return null;
  }
  finish(rec + (1 + decodedExtra()) * 32, decodedEnd, decodedLength);
  block.count = 1;
  block.bytes = <u16>decodedLength;
  block.host = 0;
  block.key = cpu.modeKey;
  block.ctx = 0;
  return block;
}

/** Scratch record of patch, and room for the record that decode may put behind it. */
const PATCH: usize = memory.data(64);

/**
 * Decodes anew the instructions of `block` that `size` written bytes at `host` touch, in place. Only hot records are
 * replaced, by ones of the same length that go on to the next: the instruction that does the writing may be among them.
 */
function patch(block: Block, host: u32, size: u32): bool {
  if (block.key != cpu.modeKey) return false;
  for (let rec = changetype<usize>(block) + HEADER; !isEnd(rec); rec += 32) {
    const start = block.host + load<u8>(rec, 3);
    const stop = block.host + load<u8>(rec + 32, 3);
    if (stop <= host || start >= host + size || start == stop) continue;
    const kind: u32 = load<u16>(rec);
    if (kind >= HOT_KINDS || weightOf(<u16>kind) != 1 || <u32>load<u16>(rec + 32) == Kind.END_JUMP) return false;
    const outcome = decode(start, PATCH, start - block.host);
    if (outcome != Decoded.OK || decodedLength != stop - start || decodedEnd != 0 || decodedExtra() != 0) return false;
    if (<u32>load<u16>(PATCH) >= HOT_KINDS) return false;
    relocateImmediates(PATCH, rec);
    memory.copy(rec, PATCH, 32);
  }
  return true;
}
@inline function isEnd(rec: usize): bool {
  const kind: u32 = load<u16>(rec);
  return kind == Kind.END || kind == Kind.END_SLOW || kind == Kind.END_JUMP;
}
/** Operand pointers of a record copied from `from` to `to` that lead into the record itself follow it. */
function relocateImmediates(from: usize, to: usize): void {
  const r = changetype<Rec>(from);
  if (<usize>r.a - from < 32) r.a = <u32>(r.a - from + to);
  if (<usize>r.b - from < 32) r.b = <u32>(r.b - from + to);
}

/** Instructions of the running block that retired before record `rec`. */
export function retiredBefore(rec: usize): u32 {
  let n: u32 = 0;
  for (let r: usize = <usize>cpu.block + HEADER; r < rec; r += 32) n += weightOf(load<u16>(r));
  return n;
}

/**
 * Leaves the running block at `rec`: RIP becomes that of the record's instruction, or of the next one where `after`, and
 * what did not retire goes back to the budget.
 */
export function leaveBlock(rec: usize, after: bool): void {
  const block = changetype<Block>(<usize>cpu.block);
  const at = after ? rec + 32 : rec;
  cpu.budget += <i32>(block.count - retiredBefore(at));
  cpu.leave = 0;
  let offset = load<u8>(at, 3);
  if (after && <u32>load<u16>(at) == Kind.SKIP) offset = load<u8>(at + 32, 3);
  cpu.blockRip = (cpu.blockRip + offset) & cpu.laMask;
  // Hypervisors skip instructions by it whose memory access exits, too.
  if (cpu.pending == Pending.VM_EXIT) setExitLength(load<u8>(at + 32, 3) - offset);
}
