/**
 * Segment and system descriptors as 64-bit words (SDM Vol. 3A, "Segment Descriptors", "System Descriptor Types"), and
 * the ways to read them from GDT and LDT. Faults name the selector in their error code, with the EXT bit of the event
 * being delivered.
 */
import { cpu, Seg } from '../cpu/state';
import { abandoned, raise, Vector } from '../cpu/pending';
import { inLongMode, Rights, segBase, segLimit, segRights, selector, setSegment } from '../cpu/segments';
import { readSystem, writeSystem } from '../mmu/access';

/** Types of system descriptors (SDM Vol. 3A, "System-Segment and Gate-Descriptor Types"). */
export const enum System {
  TSS16 = 1, LDT = 2, TSS16_BUSY = 3, CALL16 = 4, TASK_GATE = 5, INTERRUPT16 = 6, TRAP16 = 7,
  TSS32 = 9, TSS32_BUSY = 11, CALL32 = 12, INTERRUPT32 = 14, TRAP32 = 15,
}

/** EXT bit of error codes: 1 while an event that no program asked for is being delivered. */
export let ext: u32 = 0;
export function setExt(bit: u32): void { ext = bit; }

@inline export function isNull(sel: u32): bool { return (sel & 0xfffc) == 0; }
/** Raises `vector` with the selector as error code. */
export function raiseFor(vector: i32, sel: u32): void { raise(vector, (sel & 0xfffc) | ext); }

@inline export function baseOf(d: u64): u64 { return ((d >> 16) & 0xffffff) | ((d >> 32) & 0xff000000); }
@inline export function limitOf(d: u64): u32 {
  const limit = <u32>(d & 0xffff) | (<u32>(d >> 32) & 0xf0000);
  return (d & (<u64>1 << 55)) != 0 ? (limit << 12) | 0xfff : limit;
}
@inline export function rightsOf(d: u64): u32 { return <u32>(d >> 40) & 0xf0ff; }
/** Type with the S bit above it: below 16 for system descriptors. */
@inline export function typeOf(d: u64): u32 { return <u32>(d >> 40) & 0x1f; }
@inline export function dplOf(d: u64): u32 { return <u32>(d >> 45) & 3; }
@inline export function isPresent(d: u64): bool { return (d & (<u64>1 << 47)) != 0; }
@inline export function isCode(d: u64): bool { return (<u32>(d >> 40) & 0x18) == 0x18; }
@inline export function isConforming(d: u64): bool { return (<u32>(d >> 40) & 0x1c) == 0x1c; }
@inline export function isWritableData(d: u64): bool { return (<u32>(d >> 40) & 0x1a) == 0x12; }
@inline export function isLong(d: u64): bool { return (d & (<u64>1 << 53)) != 0; }
@inline export function isBig(d: u64): bool { return (d & (<u64>1 << 54)) != 0; }

@inline function tableBase(sel: u32): u64 { return (sel & 4) != 0 ? segBase(Seg.LDTR) : cpu.gdtrBase; }

/** Does the table of `sel` hold `size` bytes of descriptor there? */
export function inTable(sel: u32, size: u32): bool {
  if ((sel & 4) == 0) return (sel & 0xfff8) + size - 1 <= cpu.gdtrLimit;
  return (segRights(Seg.LDTR) & Rights.UNUSABLE) == 0 && (sel & 0xfff8) + size - 1 <= segLimit(Seg.LDTR);
}

/** The descriptor that `sel` names; beyond its table `vector` is raised for it. Test abandoned(). */
export function fetchDescriptor(sel: u32, vector: i32): u64 {
  if (!inTable(sel, 8)) {
    raiseFor(vector, sel);
    return 0;
  }
  return readSystem<u64>(tableBase(sel) + (sel & 0xfff8));
}
/** The upper half of a 16-byte descriptor. Test abandoned(). */
export function fetchUpper(sel: u32, vector: i32): u64 {
  if (!inTable(sel, 16)) {
    raiseFor(vector, sel);
    return 0;
  }
  return readSystem<u64>(tableBase(sel) + (sel & 0xfff8) + 8);
}

/** Sets the accessed bit in memory where it is clear; the descriptor with it set. Test abandoned(). */
export function markAccessed(sel: u32, d: u64): u64 {
  if ((d & (<u64>1 << 40)) != 0) return d;
  setTypeByte(sel, <u8>(d >> 40) | <u8>Rights.ACCESSED);
  return d | (<u64>1 << 40);
}
/** Writes the byte of a descriptor that holds its type. Test abandoned(). */
export function setTypeByte(sel: u32, value: u8): void {
  writeSystem<u8>(tableBase(sel) + (sel & 0xfff8) + 5, value);
}

/** Loads segment register `s` with a checked descriptor. */
export function loadSegment(s: u32, sel: u32, d: u64): void {
  setSegment(s, sel, baseOf(d), limitOf(d), rightsOf(d));
}
/** Loads segment register `s` with a null selector. FS and GS bases are cleared as Intel's processors do. */
export function loadNull(s: u32, sel: u32, dpl: u32): void {
  setSegment(s, sel, 0, 0, Rights.UNUSABLE | (dpl << 5));
}

/**
 * Raises what forbids a code descriptor as such: not code, or both L and D. Presence and privilege are the caller's.
 */
export function checkCode(sel: u32, d: u64): void {
  if (!isCode(d)) raiseFor(Vector.GP, sel);
  else if (inLongMode() && isLong(d) && isBig(d)) raiseFor(Vector.GP, sel);
}

/**
 * The descriptor of a stack segment for privilege `cpl`, checked as on a change of stacks: faults other than absence
 * raise `vector` (#TS from a TSS, #GP from a return frame). Test abandoned().
 */
export function fetchStack(sel: u32, cpl: u32, vector: i32): u64 {
  if (isNull(sel)) {
    raise(vector, ext);
    return 0;
  }
  const d = fetchDescriptor(sel, vector);
  if (abandoned()) return 0;
  if ((sel & 3) != cpl || dplOf(d) != cpl || !isWritableData(d)) {
    raiseFor(vector, sel);
    return 0;
  }
  if (!isPresent(d)) {
    raiseFor(Vector.SS, sel);
    return 0;
  }
  return markAccessed(sel, d);
}

/** `size` bytes of the current TSS at `offset`; beyond its limit #TS for TR. Test abandoned(). */
export function tssHolds(offset: u32, size: u32): bool {
  if (offset + size - 1 <= segLimit(Seg.TR)) return true;
  raiseFor(Vector.TS, selector(Seg.TR));
  return false;
}
