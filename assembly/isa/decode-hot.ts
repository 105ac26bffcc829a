/** What only hot records need: do operands fit, links of jumps, compare-and-jump pairs. */
import { isIntel } from '../cpu/features';
import { SEG, Seg, ZERO } from '../cpu/state';
import { d } from './decode-state';
import { after, immediate, linkAt, NO_CHAIN, NOT_TAKEN, Rec, TAKEN } from './record';
import { FUSION_COUNT, FUSIONS, Kind } from './tables.gen';

/** Rotate kinds of a rule: ROL and ROR of 32, then of 64 bits. Those whose OF stays come right before Intel's others. */
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

/** Intel's hot kind `kind` of record `r` as the model's vendor does it: of shifts, rotates and products, which leave flags undefined. */
export function kindByRule(kind: u32, r: Rec): u32 {
  if (kind < <u32>Kind.ROTATE_FIRST || kind >= <u32>Kind.AMD_FIRST) return kind;
  if (!isIntel()) return kind + (<u32>Kind.AMD_FIRST - <u32>Kind.ROTATE_FIRST);
  if (kind >= <u32>Kind.ROTATE_FIRST + ROTATES || r.b != <u32>immediate(r)) return kind;
  const is64 = ((kind - Kind.ROTATE_FIRST) & 2) != 0;
  const count: u32 = load<u8>(immediate(r)) & (is64 ? 63 : 31);
  return count > 1 ? kind - ROTATES : kind;
}

@inline function setLink(r: Rec, at: usize, delta: i32): void {
  linkAt(r, at).delta = delta;
  linkAt(r, at).chain = NO_CHAIN;
}
/** Fills the links of a hot jump that ends at byte `end` of its block; of a call, also where it returns to. */
export function hotJump(r: Rec, kind: u32, end: u32, relative: i64): void {
  const jumps = kind >= <u32>Kind.JCC_FIRST || kind == Kind.JMP;
  if (jumps || kind == Kind.CALL_32 || kind == Kind.CALL_64) setLink(r, TAKEN, <i32>(relative + end));
  if (jumps) setLink(r, NOT_TAKEN, <i32>end);
  else r.imm = end;
}

/**
 * Joins a compare or test with the conditional jump in the record after it: the links stay there. True when there is such a
 * kind.
 */
export function fuse(compare: Rec): bool {
  const first: u32 = compare.kind;
  const condition = conditionOfJump(after(compare).kind);
  if (condition < 0) return false;
  for (let n: u32 = 0; n < FUSION_COUNT; n++) {
    const f = FUSIONS + n * 6;
    if (load<u16>(f) == first && load<u16>(f, 2) == condition) {
      compare.kind = load<u16>(f, 4);
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
