/**
 * The current stack as instructions use it. Open it, push or pop, close it: rSP changes at closeStack only, so that a
 * fault on the way leaves it as it was; what was pushed before stays in memory, as on silicon. Test abandoned() after
 * every call that may fail. Violations are #SS(0).
 */
import { BOUNCE, cpu, GPR, Gpr, gpr, Seg } from '../cpu/state';
import { abandoned, raise, Vector } from '../cpu/pending';
import { in64, Key, segBase, segLimit, segRights, withinSegment } from '../cpu/segments';
import { Access, lookup } from '../mmu/tlb';
import { commitBounce, leaveIf, readMiss, writeMiss } from '../mmu/access';

/** Pointer of the open stack: what rSP becomes at closeStack. */
export let stackTop: u64 = 0;
/** The bits of rSP that stack instructions use: 16 or 32 by SS.B, 64 in 64-bit mode. */
let mask: u64 = 0;

export function openStack(): void {
  mask = in64() ? u64.MAX_VALUE : (cpu.modeKey & Key.STACK32) != 0 ? 0xffffffff : 0xffff;
  stackTop = gpr(Gpr.RSP) & mask;
}

/** Makes the open stack's pointer rSP: 16 bits of it, 32 with the upper half cleared, or 64. */
export function closeStack(): void {
  if (mask == 0xffff) store<u16>(GPR + 8 * Gpr.RSP, <u16>stackTop);
  else store<u64>(GPR + 8 * Gpr.RSP, stackTop);
}

/** What rSP would become at closeStack, all of it. */
export function wholeStackTop(): u64 { return mask == 0xffff ? (gpr(Gpr.RSP) & 0xffff0000) | stackTop : stackTop; }

/** Moves the pointer of the open stack to `offset` without access. */
@inline export function seekStack(offset: u64): void { stackTop = offset & mask; }

/** Linear address of `size` bytes at `offset` of the stack, or a pending #SS(0). */
@inline function slot(offset: u64, size: u32): u64 {
  if (in64()) return offset;
  if (!withinSegment(segLimit(Seg.SS), segRights(Seg.SS), <u32>offset, size)) raise(Vector.SS, 0);
  return (segBase(Seg.SS) + offset) & 0xffffffff;
}
function readSlot(offset: u64, size: u32): u32 {
  const la = slot(offset, size);
  if (abandoned()) return 0;
  const p = lookup(la, size, Access.READ);
  return p != 0 ? p : readMiss(la, size, 1);
}
function writeSlot(offset: u64, size: u32): u32 {
  const la = slot(offset, size);
  if (abandoned()) return 0;
  const p = lookup(la, size, Access.WRITE);
  return p != 0 ? p : writeMiss(la, size, 1, false);
}

/** Would a write of T at the pointer of the open stack succeed? False: its fault is pending. */
export function probe<T>(): bool { return writeSlot(stackTop, sizeof<T>()) != 0; }

export function push<T>(value: T): void { pushPart<T>(value, sizeof<T>()); }
/** Pushes an item of `size` bytes of which only the low ones are written. */
export function pushPart<T>(value: T, size: u32): void {
  const offset = (stackTop - size) & mask;
  const p = writeSlot(offset, sizeof<T>());
  if (p == 0) return;
  store<T>(p, value);
  if (p == <u32>BOUNCE) leaveIf(commitBounce());
  stackTop = offset;
}

export function pop<T>(): T {
  const value = peek<T>(0);
  if (!abandoned()) stackTop = (stackTop + sizeof<T>()) & mask;
  return value;
}

/** Pops an item of `size` bytes of which only the low ones are read. */
export function popPart<T>(size: u32): T {
  const value = peek<T>(0);
  if (!abandoned()) stackTop = (stackTop + size) & mask;
  return value;
}

/** Value of the open stack `bytes` above its pointer. */
export function peek<T>(bytes: u64): T {
  const p = readSlot((stackTop + bytes) & mask, sizeof<T>());
  return p == 0 ? <T>0 : load<T>(p);
}
