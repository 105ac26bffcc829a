/**
 * Segment registers with their hidden parts: base u64, limit u32 (scaled to bytes), rights u32 (VMX access-rights
 * format), selector u32, at SEG + 32 * index.
 *
 *   16        15 14  13 12  7 6:5 4 3:0
 *   unusable  G  D/B L  AVL P DPL S type
 */
import { cpu, SEG, Seg } from './state';
import { raise, Vector } from './pending';
import { Cr0, Cr4, Efer } from './control';
import { Flag } from './flags';
import { Uses } from './vector-state';

export const enum Rights {
  ACCESSED = 1, WRITABLE = 2, READABLE = 2, EXPAND_DOWN = 4, CONFORMING = 4, CODE = 8, S = 0x10, P = 0x80, L = 0x2000,
  DB = 0x4000, G = 0x8000, UNUSABLE = 0x10000,
}

@inline export function segBase(s: u32): u64 { return load<u64>(SEG + (s << 5)); }
@inline export function segLimit(s: u32): u32 { return load<u32>(SEG + (s << 5), 8); }
@inline export function segRights(s: u32): u32 { return load<u32>(SEG + (s << 5), 12); }
@inline export function selector(s: u32): u32 { return load<u32>(SEG + (s << 5), 16); }
@inline export function setSegBase(s: u32, base: u64): void { store<u64>(SEG + (s << 5), base); }
@inline export function setSelector(s: u32, value: u32): void { store<u32>(SEG + (s << 5), value & 0xffff, 16); }

/** Sets all parts of a segment register. Callers follow with updateMode() of mmu/mode.ts. */
export function setSegment(s: u32, sel: u32, base: u64, limit: u32, rights: u32): void {
  putSegment(SEG + (s << 5), sel, base, limit, rights);
}
/** The same for a segment register's image at `p`. */
@inline export function putSegment(p: usize, sel: u32, base: u64, limit: u32, rights: u32): void {
  store<u64>(p, base);
  store<u32>(p, limit, 8);
  store<u32>(p, rights, 12);
  store<u32>(p, sel & 0xffff, 16);
}

@inline export function inRealMode(): bool { return (cpu.cr0 & Cr0.PE) == 0; }
@inline export function inV86(): bool { return (cpu.rflags & Flag.VM) != 0; }
/** Protected mode proper: neither real nor virtual-8086. */
@inline export function inProtected(): bool { return (cpu.cr0 & Cr0.PE) != 0 && (cpu.rflags & Flag.VM) == 0; }
@inline export function inLongMode(): bool { return (cpu.efer & Efer.LMA) != 0; }
@inline export function in64(): bool { return cpu.laMask == u64.MAX_VALUE; }

/** SDM Vol. 1, "Canonical Addressing". */
@inline export function isCanonical(la: u64): bool {
  const shift: u64 = (cpu.cr4 & Cr4.LA57) != 0 ? 7 : 16;
  return <u64>((<i64>(la << shift)) >> shift) == la;
}

/**
 * Code size 0/1/2 for 16/32/64, 4 flat segments, 8 32-bit stack, 16 real or virtual-8086 mode, 32 SSE
 * usable, 64 AVX usable.
 */
export const enum Key { SIZE = 3, FLAT = 4, STACK32 = 8, REAL = 16, SSE = 32, VEX = 64 }

const FLAT_DATA: u32 = Rights.P | Rights.S | Rights.WRITABLE | Rights.DB;
@inline function isFlat(s: u32): bool {
  return segBase(s) == 0 && segLimit(s) == 0xffffffff &&
    (segRights(s) & (Rights.UNUSABLE | Rights.CODE | Rights.EXPAND_DOWN | FLAT_DATA & ~Rights.DB))
      == (FLAT_DATA & ~Rights.DB);
}

/** Computes what decoding depends on. */
export function computeModeKey(): void {
  const cs = segRights(Seg.CS);
  const vector: u32 = ((cpu.blocked & Uses.SSE) == 0 ? <u32>Key.SSE : 0)
    | ((cpu.blocked & Uses.VEX) == 0 ? <u32>Key.VEX : 0);
  if (inLongMode() && (cs & Rights.L) != 0) {
    cpu.laMask = u64.MAX_VALUE;
    cpu.modeKey = 2 | Key.FLAT | Key.STACK32 | vector;
    return;
  }
  cpu.laMask = 0xffffffff;
  let key: u32 = (cs & Rights.DB) != 0 ? 1 : 0;
  if ((segRights(Seg.SS) & Rights.DB) != 0) key |= Key.STACK32;
  if (!inProtected()) key |= Key.REAL;
  if (segBase(Seg.CS) == 0 && segLimit(Seg.CS) == 0xffffffff && key == (1 | Key.STACK32) && isFlat(Seg.DS)
      && isFlat(Seg.ES) && isFlat(Seg.SS))
    key |= Key.FLAT;
  cpu.modeKey = key | vector;
}

/** Do `size` bytes at `first` lie in a segment of this limit and these rights (SDM Vol. 3A, "Limit Checking")? */
export function withinSegment(limit: u32, rights: u32, first: u32, size: u32): bool {
  const last = first + (size - 1);
  if ((rights & (Rights.CODE | Rights.EXPAND_DOWN)) == Rights.EXPAND_DOWN) {
    return first > limit && last >= first && ((rights & Rights.DB) != 0 || last <= 0xffff);
  }
  return last <= limit && last >= first;
}

/**
 * May `size` bytes at `first` of segment `s` be read or written, by its limit and, where protection is on, its type?
 * Real mode writes through a CS that was loaded as code. Not for 64-bit mode.
 */
export function segmentAllows(s: u32, first: u32, size: u32, write: bool): bool {
  const rights = segRights(s);
  if ((rights & Rights.UNUSABLE) != 0 || !withinSegment(segLimit(s), rights, first, size)) return false;
  if ((cpu.cr0 & Cr0.PE) == 0) return true;
  if (write) return (rights & (Rights.CODE | Rights.WRITABLE)) == Rights.WRITABLE;
  return (rights & (Rights.CODE | Rights.READABLE)) != Rights.CODE;
}

/**
 * Linear address of `size` bytes at `offset` of segment `s`, or a pending #GP(0) or #SS(0) where limit, type or
 * canonicality forbid it (SDM Vol. 3A, "Limit Checking", "Type Checking"). `stack` selects #SS beside the SS segment.
 */
export function linearAddress(s: u32, offset: u64, size: u32, write: bool, stack: bool): u64 {
  if (in64()) {
    const la = (s == Seg.FS || s == Seg.GS) ? segBase(s) + offset : offset;
    if (!isCanonical(la) || !isCanonical(la + size - 1)) raise(stack ? Vector.SS : Vector.GP, 0);
    return la;
  }
  const first = <u32>offset;
  if (!segmentAllows(s, first, size, write)) raise(s == Seg.SS ? Vector.SS : Vector.GP, 0);
  return (segBase(s) + first) & 0xffffffff;
}
