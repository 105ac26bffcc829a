/** What only hot records need: do operands fit, links of jumps, compare-and-jump pairs. */
import { isIntel } from '../cpu/features';
import { SEG, Seg, ZERO } from '../cpu/state';
import { d } from './decode-state';
import { Rec } from './record';
import { FUSION_COUNT, FUSIONS, Kind } from './tables.gen';

/** Rotate kinds of a rule: ROL and ROR of 32 and 64 bits. Those whose OF stays come right before Intel's others. */
const ROTATES: u32 = 4;

/** Can the hot kind compute this operand? FS and GS bases take the place of an absent index in 64-bit mode. */
export function hotFits(r: Rec, mode: u32, isMemory: bool, chosen: u32, opcode: u32): bool {
  if (mode != 2 && d.size == 3) return false;
  if (!isMemory) return true;
  if (d.addressSize != mode) return false;
  if (opcode == 0x8d) return true;
  if (mode == 2) {
    if (d.segment < 4) {
      // the stack bit selects #SS; overrides of CS, DS, ES, SS are ignored
      return true;
    }
    if (r.index != <u32>ZERO) return false;
    r.index = <u32>SEG + (chosen << 5);
    r.scale = r.scale & 0x40;
    return true;
  }
  return chosen != Seg.CS && chosen != Seg.FS && chosen != Seg.GS;
}

/** The hot kind `kind` as the model's vendor does it: of shifts, rotates and products, which leave flags undefined. */
export function kindByRule(kind: u32, rec: usize): u32 {
  if (kind < <u32>Kind.ROTATE_FIRST || kind >= <u32>Kind.AMD_FIRST) return kind;
  if (!isIntel()) return kind + (<u32>Kind.AMD_FIRST - <u32>Kind.ROTATE_FIRST);
  const count = <u32>d.immediate & (d.size == 3 ? 63 : 31);
  const keeps = kind < <u32>Kind.ROTATE_FIRST + ROTATES && d.pointer1 == <u32>rec + 24 && count > 1;
  return keeps ? kind - ROTATES : kind;
}

/** Fills the links of a hot jump: {delta, chain} taken and not taken, relative to the block's start. */
export function hotJump(rec: usize, kind: u32, end: u32, relative: i64): void {
  if (kind >= <u32>Kind.JCC_FIRST || kind == Kind.JMP) {
    store<i32>(rec, <i32>(relative + end), 4);
    store<u32>(rec, 0, 8);
    store<i32>(rec, <i32>end, 12);
    store<u32>(rec, 0, 16);
  } else {
    if (kind == Kind.CALL_32 || kind == Kind.CALL_64) {
      store<i32>(rec, <i32>(relative + end), 4);
      store<u32>(rec, 0, 8);
    }
    store<u32>(rec, end, 24);
  }
}

/**
 * Joins a compare or test d.at `before` with the conditional jump d.at `rec` into one record, the links into the next.
 * True when there is such a kind.
 */
export function fuse(before: usize, rec: usize): bool {
  const first: u32 = load<u16>(before);
  const condition = conditionOfJump(load<u16>(rec));
  if (condition < 0) return false;
  for (let n: u32 = 0; n < FUSION_COUNT; n++) {
    const f = FUSIONS + n * 6;
    if (load<u16>(f) == first && load<u16>(f, 2) == condition) {
      store<u16>(before, load<u16>(f, 4));
      return true;
    }
  }
  return false;
}
/** Condition of a hot Jcc kind, -1 for other kinds: the kinds of a condition are jcc, setcc, cmov32, cmov64. */
@inline function conditionOfJump(kind: u32): i32 {
  if (kind < <u32>Kind.JCC_FIRST || kind >= <u32>Kind.JCC_FIRST + 64 || ((kind - Kind.JCC_FIRST) & 3) != 0) return -1;
  return (kind - Kind.JCC_FIRST) >> 2;
}
