/**
 * Stack frames of far transfers: built in a buffer and written in one piece, so that a fault in the middle of a frame
 * leaves memory and the stack pointer alone. Reads work the same way.
 */
import { BOUNCE, Gpr, gpr, Seg, setGpr } from '../cpu/state';
import { abandoned, raise, Vector } from '../cpu/pending';
import { in64, isCanonical, Rights, segBase, segLimit, segRights, withinSegment } from '../cpu/segments';
import { Access, accessClass, Class, lookup } from '../mmu/tlb';
import { commitBounce, leaveIf, readAs, writeAs } from '../mmu/access';

const CAPACITY: u32 = 512;
const BUFFER: usize = memory.data(512);
let at: u32 = 0;
let unit: u32 = 0;

/** Copies a frame: V8 leaves wasm for every memory.copy, which costs more than these few words. */
function copyFrame(to: usize, from: usize, size: u32): void {
  let done: u32 = 0;
  for (; done + 8 <= size; done += 8) store<u64>(to + done, load<u64>(from + done));
  for (; done < size; done += 2) store<u16>(to + done, load<u16>(from + done));
}

/** Starts a frame of items of `width` (2, 4, 8) bytes. */
export function beginFrame(width: u32): void {
  at = CAPACITY;
  unit = width;
}
/** Adds an item, as PUSH would. */
export function addItem(value: u64): void {
  at -= unit;
  if (unit == 8) store<u64>(BUFFER + at, value);
  else if (unit == 4) store<u32>(BUFFER + at, <u32>value);
  else store<u16>(BUFFER + at, <u16>value);
}

/** Bits of the stack pointer that a stack segment with `rights` uses. */
@inline export function stackMask(rights: u32): u64 {
  return in64() ? u64.MAX_VALUE : (rights & Rights.DB) != 0 ? 0xffffffff : 0xffff;
}
/** Stack pointer `old` moved to `sp` within the bits of `mask`. */
@inline export function withStackPointer(old: u64, sp: u64, mask: u64): u64 {
  return mask == 0xffff ? (old & ~mask) | (sp & mask) : sp & mask;
}

/** Host pointer to stack memory by the running privilege; #SS(code) for addresses that no stack has. 0: pending. */
function stackPointer(base: u64, limit: u32, rights: u32, sp: u64, size: u32, write: bool, code: u32): u32 {
  let la = sp;
  if (in64()) {
    if (!isCanonical(la) || !isCanonical(la + size - 1)) {
      raise(Vector.SS, code);
      return 0;
    }
  } else {
    if ((rights & Rights.UNUSABLE) != 0 || !withinSegment(limit, rights, <u32>sp, size)) {
      raise(Vector.SS, code);
      return 0;
    }
    la = (base + sp) & 0xffffffff;
  }
  const p = lookup(la, size, write ? Access.WRITE : Access.READ);
  if (p != 0) return p;
  let cls = accessClass();
  if (cls == Class.USER_ALIGN) {
    if ((<u32>la & (unit - 1)) != 0) {
      raise(Vector.AC, 0);
      return 0;
    }
    cls = Class.USER;
  }
  return write ? writeAs(la, size, false, cls) : readAs(la, size, cls);
}

/**
 * Writes the frame below stack pointer `sp` of the given segment; the new stack pointer (within its mask) is in
 * `framePointer`. A fault raises #SS(`code`), #PF or #AC and nothing is written.
 */
export function storeFrame(base: u64, limit: u32, rights: u32, sp: u64, code: u32): bool {
  const mask = stackMask(rights);
  const size = CAPACITY - at;
  const top = sp & mask;
  framePointer = (top - size) & mask;
  if (top != 0 && top < <u64>size && !in64()) return storeWrapping(base, limit, rights, top, mask, code);
  const p = stackPointer(base, limit, rights, framePointer, size, true, code);
  if (p == 0) return false;
  copyFrame(p, BUFFER + at, size);
  if (p == <u32>BOUNCE) leaveIf(commitBounce());
  return true;
}
export let framePointer: u64 = 0;

function storeWrapping(base: u64, limit: u32, rights: u32, top: u64, mask: u64, code: u32): bool {
  for (let pass = 0; pass < 2; pass++) {
    for (let n: u32 = CAPACITY - unit, sp = (top - unit) & mask; n >= at; n -= unit, sp = (sp - unit) & mask) {
      const p = stackPointer(base, limit, rights, sp, unit, true, code);
      if (p == 0) return false;
      if (pass == 0) continue;
      copyFrame(p, BUFFER + n, unit);
      if (p == <u32>BOUNCE) leaveIf(commitBounce());
    }
  }
  return true;
}

/** Writes the frame on the current stack; the caller moves the stack pointer with commitStackPointer. */
export function pushFrame(code: u32): bool {
  return storeFrame(segBase(Seg.SS), segLimit(Seg.SS), segRights(Seg.SS), gpr(Gpr.RSP), code);
}
/** Moves the stack pointer to where the last frame was written. */
export function commitStackPointer(): void {
  setGpr(Gpr.RSP, withStackPointer(gpr(Gpr.RSP), framePointer, stackMask(segRights(Seg.SS))));
}

/**
 * Reads `count` items of `width` bytes of the current stack, starting `skip` bytes above the stack pointer; item(n)
 * gives them. False: #SS(0) or a fault of the access is pending, of the highest item that has one: silicon reads CS before
 * RIP and RFLAGS before both.
 */
export function readFrame(width: u32, count: u32, skip: u32 = 0): bool {
  const rights = segRights(Seg.SS);
  const mask = stackMask(rights);
  unit = width;
  const size = width * count;
  const sp = (gpr(Gpr.RSP) + skip) & mask;
  if (in64() || (sp + size <= mask + 1 && (rights & Rights.UNUSABLE) == 0 && withinSegment(segLimit(Seg.SS), rights, <u32>sp, size))) {
    const p = lookup(in64() ? sp : (segBase(Seg.SS) + sp) & 0xffffffff, size, Access.READ);
    if (p != 0) {
      copyFrame(BUFFER, p, size);
      return true;
    }
  }
  for (let n: i32 = count - 1; n >= 0; n--) {
    const p = stackPointer(segBase(Seg.SS), segLimit(Seg.SS), rights, (sp + n * width) & mask, width, false, 0);
    if (p == 0) return false;
    copyFrame(BUFFER + n * width, p, width);
  }
  return !abandoned();
}
/** Item `n` of the frame that readFrame read, counted from the top of the stack. */
export function item(n: u32): u64 {
  if (unit == 8) return load<u64>(BUFFER + (n << 3));
  return unit == 4 ? load<u32>(BUFFER + (n << 2)) : load<u16>(BUFFER + (n << 1));
}
/** The stack pointer `bytes` higher, within the bits that the current stack uses. */
export function raisedStackPointer(bytes: u32): u64 {
  const old = gpr(Gpr.RSP);
  return withStackPointer(old, old + bytes, stackMask(segRights(Seg.SS)));
}
