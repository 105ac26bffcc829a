/**
 * A decoded instruction: 32 bytes in the record arena. Operands are absolute addresses of state, so that reading one
 * has no branch; an absent base or index is the address of ZERO, an immediate operand the address of the record's own
 * `imm`. Hot records (kind < HOT_KINDS) need no more than the first 28 bytes and may hold a 64-bit immediate; cold
 * records have `info`. Those from Kind.FIRST_WHOLE on have it too, and in `imm` the kind that
 * they would have if they were cold.
 *
 *    0 kind u16 | 2 scale u8 | 3 offset u8 | 4 a | 8 b | 12 base | 16 index | 20 disp i32 | 24 imm i32 | 28 info
 *
 * A block (code/blocks.ts) is a header of the same size, then its records. A direct jump has a Link for each way at TAKEN and
 * NOT_TAKEN; a compare or test that was joined with one has them in the record after it, which was the jump's.
 */
import { cpu } from '../cpu/state';
import { HEADER } from '../code/blocks';

/** Where a jump goes: RIP of the block plus `delta`. */
@unmanaged
export class Link {
  delta: i32;
  /** The block there. With UNPROVED added it is so only where the block has this address in the running context. */
  chain: u32;
}
export const UNPROVED: u32 = 1;
/** No block is known: nothing ever lies at address 0, so that looking there proves nothing. */
export const NO_CHAIN: u32 = UNPROVED;

@unmanaged
export class Rec {
  kind: u16;
  /** log2 of the index scale; bit 6 set when the segment is SS by default or by prefix. */
  scale: u8;
  /** Bytes from the start of the block. */
  offset: u8;
  a: u32;
  b: u32;
  base: u32;
  index: u32;
  disp: i32;
  imm: i32;
  info: u32;
}

export const RECORD: usize = 32;
export const IMM: usize = offsetof<Rec>('imm');
/** Links in the record of a jump. */
export const TAKEN: usize = offsetof<Rec>('a');
export const NOT_TAKEN: usize = offsetof<Rec>('base');

/** The record after `i`, and the first one of the block at `block`. */
@inline export function after(i: Rec): Rec { return changetype<Rec>(changetype<usize>(i) + RECORD); }
@inline export function firstOf(block: usize): Rec { return changetype<Rec>(block + HEADER); }
/** Where the immediate lies: four bytes, in hot records eight. */
@inline export function immediate(i: Rec): usize { return changetype<usize>(i) + IMM; }
@inline export function linkAt(i: Rec, at: usize): Link { return changetype<Link>(changetype<usize>(i) + at); }

/** Fields of Rec.info. */
export const enum Info {
  LENGTH = 0xf,
  SEGMENT_SHIFT = 4,
  MEMORY = 1 << 7,
  /** 0, 1, 2 for 16, 32, 64 bits. */
  OPERAND_SHIFT = 8,
  ADDRESS_SHIFT = 10,
  LOCK = 1 << 12,
  REP = 1 << 13,
  REPNE = 1 << 14,
  OPERAND_PREFIX = 1 << 15,
  REG_SHIFT = 16,
  REX_W = 1 << 19,
  VEX_L = 1 << 20,
  /** Bits 21 to 25 and 27 say what the instruction uses: cpu/vector-state.ts. */
  VEX = 1 << 21,
  /** The memory operand needs neither a segment's base nor its limit nor a narrower address. */
  FLAT = 1 << 26,
}

@inline export function lengthOf(i: Rec): u32 { return i.info & Info.LENGTH; }
@inline export function isMemory(i: Rec): bool { return (i.info & Info.MEMORY) != 0; }
@inline export function segmentOf(i: Rec): u32 { return (i.info >> Info.SEGMENT_SHIFT) & 7; }
@inline export function isVex(i: Rec): bool { return (i.info & Info.VEX) != 0; }
/** Is the vector length 256 bits? */
@inline export function isLong(i: Rec): bool { return (i.info & Info.VEX_L) != 0; }
/** 0, 1, 2 for 16, 32, 64 bits. */
@inline export function operandSize(i: Rec): u32 { return (i.info >> Info.OPERAND_SHIFT) & 3; }
@inline export function addressSize(i: Rec): u32 { return (i.info >> Info.ADDRESS_SHIFT) & 3; }
@inline export function regField(i: Rec): u32 { return (i.info >> Info.REG_SHIFT) & 7; }
@inline export function addressMask(i: Rec): u64 {
  const size = addressSize(i);
  return size == 2 ? u64.MAX_VALUE : size == 1 ? 0xffffffff : 0xffff;
}
/** RIP of the instruction, and of the one after it. */
@inline export function ripOf(i: Rec): u64 { return (cpu.blockRip + i.offset) & cpu.laMask; }
@inline export function nextRip(i: Rec): u64 { return (cpu.blockRip + i.offset + lengthOf(i)) & cpu.laMask; }
