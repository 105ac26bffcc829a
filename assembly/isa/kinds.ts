/** What is known of hot kinds: the generated tables of src/isa/hot with names. */
import { HOT_KINDS, Kind, KINDS } from './tables.gen';

/** Arithmetic flags as bits: those that a kind reads, and, six bits up, those that it writes. */
export const ALL_FLAGS: u32 = 0x3f;

export const enum KindTrait {
  WRITES_SHIFT = 6,
  /** A masked count of 0 leaves the flags that it writes. */
  BY_COUNT = 1 << 12,
  /** It may end with an event pending instead. */
  FAULTS = 1 << 13,
  /** The block may be left after it. */
  LEAVES = 1 << 14,
  /** It is the last of its block. */
  ENDS = 1 << 15,
}

@unmanaged
class KindInfo {
  traits: u16;
  /** The kind that does the same and leaves the flags alone; 0: none. */
  quiet: u16;
  /** The kind for a memory operand without an index; 0: none. */
  near: u16;
  /** The kind that the decoder gave. */
  plain: u16;
  /** Where the kinds are that join it with the next record's. */
  pairs: u16;
  /** The kind that the next record has where this one executes it too; 0: it does not. */
  joined: u16;
  /** 1: the memory operand has no index. */
  isNear: u16;
}

@inline export function infoOf(kind: u32): KindInfo { return changetype<KindInfo>(KINDS + <usize>kind * offsetof<KindInfo>()); }
/** Traits of any kind: whatever a handler does, it may fault or leave, and flags are right before and after it. */
@inline export function traitsOf(kind: u32): u32 {
  return kind < HOT_KINDS ? infoOf(kind).traits : ALL_FLAGS | KindTrait.FAULTS | KindTrait.LEAVES;
}
/** Is it a kind that refine gave (isa/refine.ts)? */
@inline export function isRefined(kind: u32): bool { return kind >= <u32>Kind.FIRST_REFINED && kind < <u32>Kind.FIRST_WHOLE; }
@inline export function flagsRead(traits: u32): u32 { return traits & ALL_FLAGS; }
@inline export function flagsWritten(traits: u32): u32 { return (traits >> KindTrait.WRITES_SHIFT) & ALL_FLAGS; }
