/** What holds for every decoded block, asserted in the test build. */
import { ZERO } from '../cpu/state';
import { Block, weightOf } from '../code/blocks';
import { flagsRead, flagsWritten, infoOf, isRefined, KindTrait, traitsOf } from '../isa/kinds';
import { after, firstOf, Link, linkAt, NOT_TAKEN, Rec, TAKEN } from '../isa/record';
import { hasCount, plainKind } from '../isa/refine';
import { Kind } from '../isa/tables.gen';

/** Flags of the instructions so far that were not recorded. */
let stale: u32 = 0;

/** Asserts that offsets, weights, links and what refine did are sound. */
export function verifyBlock(block: Block): void {
  let weight: u32 = 0;
  let offset: u32 = 0;
  let i = firstOf(changetype<usize>(block));
  stale = 0;
  assert(i.offset == 0, 'a block begins at its first byte');
  while (true) {
    assert(i.offset >= offset && i.offset <= block.bytes, 'offsets of records go up and stay in the block');
    offset = i.offset;
    weight += weightOf(i.kind);
    verifyFlags(i);
    verifyRefined(i);
    if ((traitsOf(i.kind) & KindTrait.ENDS) != 0) break;
    i = after(i);
  }
  assert(stale == 0, 'all flags are right at the end of a block');
  assert(weight == block.count, 'the weights of its records add up to the instructions of a block');
  verifyLinks(i, block.bytes);
}

function verifyFlags(i: Rec): void {
  const plain = traitsOf(plainKind(i));
  const written = flagsWritten(plain);
  assert((flagsRead(plain) & stale) == 0, 'the flags that a record reads were recorded');
  assert(stale == 0 || (plain & KindTrait.FAULTS) == 0, 'all flags are right where a record may fault');
  if (flagsWritten(traitsOf(i.kind)) != written) stale |= written;
  else if ((plain & KindTrait.BY_COUNT) == 0 || hasCount(i)) stale &= ~written;
  assert(stale == 0 || (plain & KindTrait.LEAVES) == 0, 'all flags are right after a record that may leave the block');
}

function verifyRefined(i: Rec): void {
  if (!isRefined(i.kind)) return;
  const info = infoOf(i.kind);
  assert(!isRefined(info.plain), 'a refined kind stands for one of the decoder');
  assert(weightOf(i.kind) == weightOf(info.plain), 'a refined kind weighs what its plain kind does');
  if (info.isNear != 0) assert(i.index == <u32>ZERO, 'a near operand has no index');
  if (info.joined != 0) assert(after(i).kind == info.joined, 'a joined kind has its second after it');
}

/** Where a block of `bytes` goes on after its last record. */
function verifyLinks(last: Rec, bytes: u32): void {
  const kind: u32 = last.kind;
  const isFused = weightOf(last.kind) == 2;
  const isJcc = kind >= <u32>Kind.JCC_FIRST && kind < <u32>Kind.JCC_FIRST + 64;
  if (kind == Kind.END || kind == Kind.END_SLOW || kind == Kind.END_JUMP) {
    assert(last.offset == bytes, 'a block ends after its last instruction');
    if (kind == Kind.END) verifyLink(linkAt(last, TAKEN), bytes);
    return;
  }
  assert(after(last).kind == Kind.END_JUMP && after(last).offset == bytes, 'what comes after a jump tells where it ends');
  if (isJcc || isFused) verifyLink(linkAt(isFused ? after(last) : last, NOT_TAKEN), bytes);
}
function verifyLink(link: Link, bytes: u32): void {
  assert(link.delta == <i32>bytes, 'what is not taken leads to the next instruction');
  assert((link.chain & 30) == 0, 'a link leads to a block or to nothing');
}
