/**
 * Refines the records of a block once all are known: flags that nobody can see are not recorded, a memory operand without
 * an index is computed as such, and kinds that often follow each other are joined. What can be seen is seen as before:
 * flags are right wherever the block may be left, which is before a record that may fault, after one that stores, around
 * every handler, and at the end.
 */
import { ZERO } from '../cpu/state';
import { kindByRule } from './decode-hot';
import { ALL_FLAGS, flagsRead, flagsWritten, infoOf, isRefined, KindTrait, traitsOf } from './kinds';
import { after, immediate, Rec, RECORD } from './record';
import { HOT_KINDS, PAIRS } from './tables.gen';

@inline function before(i: Rec): Rec { return changetype<Rec>(changetype<usize>(i) - RECORD); }
@inline function isBefore(i: Rec, other: Rec): bool { return changetype<usize>(i) < changetype<usize>(other); }

/** Does a shift or rotate write its flags for certain? */
export function hasCount(i: Rec): bool { return i.b == <u32>immediate(i) && (load<u8>(immediate(i)) & 31) != 0; }

/** Refines the records from `first` to `last`, with which the block ends. */
export function refine(first: Rec, last: Rec): void {
  let live = ALL_FLAGS;
  for (let i = last; !isBefore(i, first); i = before(i)) {
    let kind: u32 = i.kind;
    const traits = traitsOf(kind);
    const written = flagsWritten(traits);
    if ((traits & KindTrait.LEAVES) != 0) live = ALL_FLAGS;
    if (kind < HOT_KINDS) {
      const quiet = infoOf(kind).quiet;
      if (quiet != 0 && (written & live) == 0) kind = quiet;
      const near = infoOf(kind).near;
      if (near != 0 && i.index == <u32>ZERO) kind = near;
      i.kind = <u16>kind;
    }
    if ((traits & KindTrait.BY_COUNT) == 0 || hasCount(i)) live &= ~written;
    live |= flagsRead(traits);
    if ((traits & KindTrait.FAULTS) != 0) live = ALL_FLAGS;
  }
  for (let i = first; isBefore(i, last); i = after(i)) {
    const joined = joinedKind(i.kind, after(i).kind);
    if (joined == 0) continue;
    i.kind = <u16>joined;
    i = after(i);
  }
}
/** The kind that executes a record of kind `first` and the next one of kind `second`, 0 where there is none. */
function joinedKind(first: u32, second: u32): u32 {
  if (first >= HOT_KINDS) return 0;
  let at = PAIRS + (<usize>infoOf(first).pairs << 1);
  while (load<u16>(at) != 0) {
    if (load<u16>(at) == second) return load<u16>(at, 2);
    at += 4;
  }
  return 0;
}

/** The kind that the decoder gave record `i`. */
export function plainKind(i: Rec): u32 {
  return isRefined(i.kind) ? kindByRule(infoOf(i.kind).plain, i) : i.kind;
}
/** Gives records the kinds back that the decoder gave them. */
export function unrefine(first: Rec, last: Rec): void {
  for (let i = first; !isBefore(last, i); i = after(i)) {
    i.kind = <u16>plainKind(i);
  }
}
