/**
 * Reads and writes of guest memory by linear address. The fast path is inlined where it is used: one compare against
 * the TLB gives a host pointer. What the TLB cannot serve comes here: misses, page-crossing accesses, MMIO, pages that
 * hold decoded code, alignment checks. A result of 0 means that an event is pending.
 */
import { cpu, BOUNCE } from '../cpu/state';
import { isIntel } from '../cpu/features';
import { Exit, exit } from '../cpu/exit';
import { abandoned, raise, Vector } from '../cpu/pending';
import { in64, inLongMode, isCanonical } from '../cpu/segments';
import { Access, accessClass, Class, codeHost, fill, flushPage, lookup } from './tlb';
import { translate } from './walk';
import { walked } from './walked';
import { hostOf, Slot, slotFlags } from '../cpu/phys';
import { holdsCode, tellCodeWritten } from './code-frames';
import { mmioRead, mmioWrite } from './bus';
import { inApicAccessPage, readsVirtually, writesVirtually } from '../vmx/virtual-apic';
import { hitsDataBreakpoint } from '../cpu/debug';

/** How commitBounce finishes a write: straight to memory (it may hold code), or part by part. */
const enum Bounce { CODE, SPLIT, MMIO }

/**
 * A page fault. It drops what the TLB has of its page, so that a handler that gives more rights, or another frame, need
 * not (SDM Vol. 3A, "Operations that Invalidate TLBs and Paging-Structure Caches").
 */
export function pageFault(la: u64): void {
  flushPage(la);
  cpu.faultAddress = la;
  raise(Vector.PF, walked.error);
}

/** Physical address of `la` for this access; false with a pending #PF. */
@inline function physical(la: u64, access: u32, cls: u32): bool {
  if (translate(la, access, cls)) return true;
  if (!abandoned()) pageFault(la);
  return false;
}

const enum ApicAccess { FETCH = 2 << 12, EVENT = 3 << 12 }

/**
 * An access to the APIC-access page (SDM Vol. 3C, "Virtualizing Memory-Mapped APIC Accesses"): true where the virtual-APIC
 * page serves it, else a VM exit is pending.
 */
function isVirtualized(pa: u64, size: u32, access: u32, keep: bool): bool {
  const offset = <u32>pa & 0xfff;
  if (cpu.delivering < 0) {
    if (access == Access.READ && readsVirtually(offset, size)) return true;
    if (access == Access.WRITE && writesVirtually(offset, size) && (!keep || readsVirtually(offset, size))) return true;
  }
  exit(Exit.APIC_ACCESS, offset | (cpu.delivering >= 0 ? <u32>ApicAccess.EVENT : access == Access.EXEC ? <u32>ApicAccess.FETCH : access << 12));
  return false;
}
/** True: part of an access that crosses pages is to the APIC-access page, and a VM exit is pending. */
function crossesApicPage(pa1: u64, pa2: u64, access: u32): bool {
  if (!inApicAccessPage(pa1) && !inApicAccessPage(pa2)) return false;
  // Nothing of 8 bytes and more is virtualized.
  isVirtualized(inApicAccessPage(pa1) ? pa1 : pa2, 8, access, true);
  return true;
}
/** Host address of `pa` if it is plain memory; 0 for devices and the APIC-access page. */
@inline function plainHost(pa: u64): u32 { return inApicAccessPage(pa) ? 0 : hostOf(pa); }

function checkCanonical(la: u64, size: u32, stack: u32): bool {
  if (!in64() || (isCanonical(la) && isCanonical(la + size - 1))) return true;
  raise(stack != 0 ? Vector.SS : Vector.GP, 0);
  return false;
}

/**
 * Host pointer to `size` bytes (up to 64) at `la` for reading: into guest memory, or to BOUNCE with a copy.
 * 0: an event is pending. `stack` selects #SS for non-canonical addresses.
 */
export function readMiss(la: u64, size: u32, stack: u32): u32 {
  if (!checkCanonical(la, size, stack)) return 0;
  return readAs(la, size, accessClass());
}

/** readMiss by TLB class, for accesses that are not the running privilege's; `la` is canonical. */
export function readAs(la: u64, size: u32, cls: u32): u32 {
  if (cls == Class.USER_ALIGN && misaligned(la, size)) return 0;
  const inPage: u32 = 0x1000 - (<u32>la & 0xfff);
  if (size <= inPage) {
    if (!physical(la, Access.READ, cls)) return 0;
    const host = plainHost(walked.pa & cpu.a20Mask);
    if (host == 0) {
      if (inApicAccessPage(walked.pa) && !isVirtualized(walked.pa, size, Access.READ, false)) return 0;
      readMmio(walked.pa & cpu.a20Mask, size, <u32>BOUNCE);
      return abandoned() ? 0 : <u32>BOUNCE;
    }
    if (cpu.slowData == 0) {
      if (cls != Class.USER_ALIGN && cls == accessClass()) fill(la, host & ~0xfff, Access.READ, walked.flags);
    } else hitsDataBreakpoint(la, size, false);
    return host;
  }
  if (!physical(la, Access.READ, cls)) return 0;
  const pa1 = walked.pa & cpu.a20Mask;
  if (!physical((la + inPage) & cpu.laMask, Access.READ, cls)) return 0;
  const pa2 = walked.pa & cpu.a20Mask;
  if (crossesApicPage(pa1, pa2, Access.READ)) return 0;
  if (cpu.slowData != 0) hitsDataBreakpoint(la, size, false);
  readPart(pa1, inPage, <u32>BOUNCE);
  readPart(pa2, size - inPage, <u32>BOUNCE + inPage);
  return abandoned() ? 0 : <u32>BOUNCE;
}

/**
 * Is an operand of `size` bytes misaligned, with #AC(0) pending (SDM Vol. 3A, "Alignment Check Exception (#AC)")? Silicon
 * looks at the linear address before it translates it. Of vectors the manual lets the processor choose: Intel's check
 * none, AMD's do.
 */
function misaligned(la: u64, size: u32): bool {
  if (size >= 16) return !isIntel() && isMisaligned(la, size == 16 ? 16 : 8);
  return isMisaligned(la, size == 10 ? 8 : size);
}
@inline function isMisaligned(la: u64, unit: u32): bool {
  if ((<u32>la & (unit - 1)) == 0) return false;
  raise(Vector.AC, 0);
  return true;
}
/** Alignment check of an operand that consists of parts of `unit` bytes. False: #AC(0) is pending. */
export function checkAlignment(la: u64, unit: u32): bool {
  return accessClass() != Class.USER_ALIGN || !isMisaligned(la, unit);
}

/** The running privilege, for accesses that have no alignment check or had theirs. */
@inline function uncheckedClass(): u32 {
  const cls = accessClass();
  return cls == Class.USER_ALIGN ? Class.USER : cls;
}
/** readMiss without alignment check. */
export function readUnaligned(la: u64, size: u32, stack: u32): u32 {
  return checkCanonical(la, size, stack) ? readAs(la, size, uncheckedClass()) : 0;
}
/** writeMiss without alignment check. */
export function writeUnaligned(la: u64, size: u32, stack: u32, keep: bool): u32 {
  return checkCanonical(la, size, stack) ? writeAs(la, size, keep, uncheckedClass()) : 0;
}

function readMmio(pa: u64, size: u32, to: u32): void {
  for (let done: u32 = 0; done < size; done += 8) {
    const width = min<u32>(8, size - done);
    const value = mmioRead(pa + done, width);
    if (width == 8) store<u64>(to + done, value);
    else for (let n: u32 = 0; n < width; n++) store<u8>(to + done + n, <u8>(value >> (n << 3)));
  }
}
function writeMmio(pa: u64, size: u32, from: u32): void {
  for (let done: u32 = 0; done < size; done += 8) {
    const width = min<u32>(8, size - done);
    let value: u64 = 0;
    for (let n: u32 = 0; n < width; n++) value |= <u64>load<u8>(from + done + n) << (n << 3);
    mmioWrite(pa + done, width, value);
  }
}
function readPart(pa: u64, size: u32, to: u32): void {
  const host = plainHost(pa);
  if (host == 0) readMmio(pa, size, to);
  else memory.copy(to, host, size);
}
/** True: leave the running block after this instruction. What a device's register asks for comes before the next one. */
function writePart(pa: u64, size: u32, from: u32): bool {
  const host = plainHost(pa);
  if (host == 0 || slotFlags != Slot.RAM) {
    writeMmio(pa, size, from);
    return cpu.attention != 0;
  }
  memory.copy(host, from, size);
  return holdsCode(host) && tellCodeWritten(host, size);
}

/**
 * Host pointer to `size` bytes at `la` for writing: into guest memory, or BOUNCE, which the caller hands to
 * commitBounce after storing there. With `keep` BOUNCE holds the old contents (read-modify-write).
 * 0: an event is pending and nothing was changed.
 */
export function writeMiss(la: u64, size: u32, stack: u32, keep: bool): u32 {
  const code = codeHost(la);
  if (code != 0 && holdsCode(code) && (<u32>la & 0xfff) + size <= 0x1000) return bounceCode(code, size, keep);
  if (!checkCanonical(la, size, stack)) return 0;
  return writeAs(la, size, keep, accessClass());
}

/** writeMiss by TLB class; `la` is canonical. */
export function writeAs(la: u64, size: u32, keep: bool, cls: u32): u32 {
  if (cls == Class.USER_ALIGN && misaligned(la, size)) return 0;
  const inPage: u32 = 0x1000 - (<u32>la & 0xfff);
  if (!physical(la, Access.WRITE, cls)) return 0;
  const pa = walked.pa & cpu.a20Mask;
  cpu.bounceLength = size;
  cpu.bouncePa = pa;
  if (size <= inPage) {
    const host = plainHost(pa);
    if (host == 0 || slotFlags != Slot.RAM) {
      if (inApicAccessPage(pa) && !isVirtualized(pa, size, Access.WRITE, keep)) return 0;
      cpu.bounceKind = Bounce.MMIO;
      if (keep) readPart(pa, size, <u32>BOUNCE);
      return abandoned() ? 0 : <u32>BOUNCE;
    }
    if (cpu.slowData != 0) hitsDataBreakpoint(la, size, true);
    const code = holdsCode(host);
    if (cpu.slowData == 0 && cls != Class.USER_ALIGN && cls == accessClass()) fill(la, host & ~0xfff, Access.WRITE, walked.flags, code);
    return code ? bounceCode(host, size, keep) : host;
  }
  if (!physical((la + inPage) & cpu.laMask, Access.WRITE, cls)) return 0;
  cpu.bouncePa2 = walked.pa & cpu.a20Mask;
  if (crossesApicPage(pa, cpu.bouncePa2, Access.WRITE)) return 0;
  cpu.bounceKind = Bounce.SPLIT;
  if (cpu.slowData != 0) hitsDataBreakpoint(la, size, true);
  if (keep) {
    readPart(pa, inPage, <u32>BOUNCE);
    readPart(cpu.bouncePa2, size - inPage, <u32>BOUNCE + inPage);
  }
  return abandoned() ? 0 : <u32>BOUNCE;
}

/** Prepares a write to a frame that holds decoded code. */
function bounceCode(host: u32, size: u32, keep: bool): u32 {
  cpu.bounceLength = size;
  cpu.bounceKind = Bounce.CODE;
  cpu.bounceHost = host;
  if (keep) memory.copy(BOUNCE, host, size);
  return <u32>BOUNCE;
}

/** Carries out the write that was stored to BOUNCE. True: leave the running block after this instruction. */
export function commitBounce(): bool {
  const size = cpu.bounceLength;
  if (cpu.bounceKind == Bounce.CODE) {
    memory.copy(cpu.bounceHost, BOUNCE, size);
    return tellCodeWritten(cpu.bounceHost, size);
  }
  if (cpu.bounceKind == Bounce.MMIO) return writePart(cpu.bouncePa, size, <u32>BOUNCE);
  const first: u32 = 0x1000 - (<u32>cpu.bouncePa & 0xfff);
  const a = writePart(cpu.bouncePa, first, <u32>BOUNCE);
  const b = writePart(cpu.bouncePa2, size - first, <u32>BOUNCE + first);
  return a || b;
}

/** Reads by the running privilege; test abandoned(). */
@inline export function read<T>(la: u64, stack: u32 = 0): T {
  let p = lookup(la, sizeof<T>(), Access.READ);
  if (p == 0) p = readMiss(la, sizeof<T>(), stack);
  return p == 0 ? <T>0 : load<T>(p);
}
/** Writes by the running privilege; test abandoned(). */
@inline export function write<T>(la: u64, value: T, stack: u32 = 0): void {
  let p = lookup(la, sizeof<T>(), Access.WRITE);
  if (p == 0) p = writeMiss(la, sizeof<T>(), stack, false);
  if (p == 0) return;
  store<T>(p, value);
  if (p == <u32>BOUNCE) leaveIf(commitBounce());
}
/** Makes the block loop leave the running block after this instruction where a write asks for it. */
@inline export function leaveIf(asked: bool): void {
  if (asked) cpu.leave = 1;
}

/** Reads and writes of system structures (descriptor tables, TSS): supervisor accesses whatever CPL is. */
export function readSystem<T>(la: u64): T {
  if (accessClass() == Class.SUPERVISOR) {
    const hit = lookup(la, sizeof<T>(), Access.READ);
    if (hit != 0) return load<T>(hit);
  }
  const p = systemPointer(la, sizeof<T>(), false);
  return p == 0 ? <T>0 : load<T>(p);
}
export function writeSystem<T>(la: u64, value: T): void {
  const p = systemPointer(la, sizeof<T>(), true);
  if (p == 0) return;
  store<T>(p, value);
  if (p == <u32>BOUNCE) leaveIf(commitBounce());
}
/** Addresses of system structures have 64 bits in compatibility mode too. */
function systemPointer(la: u64, size: u32, write: bool): u32 {
  const mask = cpu.laMask;
  if (inLongMode()) cpu.laMask = u64.MAX_VALUE;
  let p: u32 = 0;
  if (checkCanonical(la, size, 0)) {
    p = write ? writeAs(la & cpu.laMask, size, false, Class.SUPERVISOR) : readAs(la & cpu.laMask, size, Class.SUPERVISOR);
  }
  cpu.laMask = mask;
  return p;
}

/** Host address of the instruction byte at linear address `lip`; 0 with a pending fault. */
export function fetchHost(lip: u64): u32 {
  let host = lookup(lip, 1, Access.EXEC);
  if (host != 0) return host;
  if (in64() && !isCanonical(lip)) {
    raise(Vector.GP, 0);
    return 0;
  }
  const cls = accessClass() & 1;
  if (!physical(lip, Access.EXEC, cls)) return 0;
  if (inApicAccessPage(walked.pa)) {
    isVirtualized(walked.pa, 1, Access.EXEC, false);
    return 0;
  }
  host = hostOf(walked.pa & cpu.a20Mask);
  if (host == 0) {
    raise(Vector.GP, 0);
    return 0;
  }
  fill(lip, host & ~0xfff, Access.EXEC, walked.flags);
  return host;
}
