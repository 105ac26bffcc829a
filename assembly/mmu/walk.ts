/**
 * Page walks (SDM Vol. 3A, "Paging"). A format is a class without fields; asc resolves every call, so one walk serves
 * 32-bit, PAE, 4-level and 5-level paging.
 */
import { cpu } from '../cpu/state';
import { Cr0, Cr4, Efer } from '../cpu/control';
import { Offer, offers } from '../cpu/features';
import { abandoned } from '../cpu/pending';
import { Access, Class, EntryFlag } from './tlb';
import { guestPhysical, Linear, nested, Purpose, setLinear, sizeOf, tableAddress } from './ept';
import { physRead, physWrite } from '../cpu/phys';
import { walked } from './walked';

/** Bits of a page-fault error code (SDM Vol. 3A, "Page-Fault Exceptions"). */
export const enum PageFault { P = 1, W = 2, U = 4, RSVD = 8, I = 16, PK = 32 }
const enum Entry { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 }
const NX: u64 = 0x8000000000000000;
const FRAME: u64 = 0x000ffffffffff000;

/** Four-byte entries, two levels, 4 MiB pages; with PSE-36 these have 40-bit addresses. */
class Paging32 {
  read(pa: u64): u64 { return <u64>physRead<u32>(pa); }
  setBits(pa: u64, bits: u64): void { physWrite<u32>(pa, physRead<u32>(pa) | <u32>bits); }
  indexBits(): u32 { return 10; }
  entryShift(): u32 { return 2; }
  isLeaf(entry: u64, level: i32): bool { return level == 0 || ((entry & Entry.PS) != 0 && (cpu.cr4 & Cr4.PSE) != 0); }
  reserved(entry: u64, level: i32, leaf: bool): bool {
    if (!leaf || level != 1) return false;
    if (!offers(Offer.PSE36)) return (entry & 0x3fe000) != 0;
    return (entry & 0x200000) != 0 || (((entry >> 13) & 0xff) << 32 & ~cpu.physMask) != 0;
  }
  frame(entry: u64, level: i32, leaf: bool): u64 {
    return leaf && level == 1 ? (entry & 0xffc00000) | (((entry >> 13) & 0xff) << 32) : entry & 0xfffff000;
  }
}

/** Eight-byte entries: PAE, 4-level and 5-level. */
class Paging64 {
  read(pa: u64): u64 { return physRead<u64>(pa); }
  setBits(pa: u64, bits: u64): void { physWrite<u64>(pa, physRead<u64>(pa) | bits); }
  indexBits(): u32 { return 9; }
  entryShift(): u32 { return 3; }
  isLeaf(entry: u64, level: i32): bool { return level == 0 || (level <= 2 && (entry & Entry.PS) != 0); }
  reserved(entry: u64, level: i32, leaf: bool): bool {
    let mask = FRAME & ~cpu.physMask;
    if ((cpu.efer & Efer.NXE) == 0) mask |= NX;
    if ((cpu.efer & Efer.LMA) == 0) mask |= 0x7ff0000000000000;
    if (leaf) {
      if (level > 0) mask |= (<u64>1 << (12 + 9 * level)) - 1 & ~0x1fff;
      if (level == 2 && !offers(Offer.PDPE1GB)) mask |= Entry.PS;
    } else if (level >= 3) mask |= Entry.PS;
    return (entry & mask) != 0;
  }
  frame(entry: u64, level: i32, leaf: bool): u64 { return entry & FRAME & ~((<u64>1 << (leaf ? 12 + 9 * level : 12)) - 1); }
}

/**
 * Translates `la` for an access of kind `access` by class `cls` with the current paging mode, setting accessed and dirty
 * bits. True: walked.pa and walked.flags are valid. False: walked.error is the page-fault error code, unless
 * abandoned(): EPT forbids it.
 */
export function translate(la: u64, access: u32, cls: u32): bool {
  if (cpu.eptp == 0) return translateLinear(la, access, cls);
  setLinear(la, Linear.USER | Linear.WRITABLE);
  if (!translateLinear(la, access, cls)) return false;
  const gpa = walked.pa;
  walked.pa = nested(gpa, access, Purpose.DATA);
  if (abandoned()) return false;
  if ((cpu.cr0 & Cr0.PG) == 0 || (walked.flags & EntryFlag.LARGE) != 0) walked.flags |= sizeOf(gpa);
  return true;
}
function translateLinear(la: u64, access: u32, cls: u32): bool {
  if ((cpu.cr0 & Cr0.PG) == 0) {
    walked.pa = la;
    walked.flags = EntryFlag.GLOBAL;
    return true;
  }
  if ((cpu.cr4 & Cr4.PAE) == 0) return walk<Paging32>(cpu.cr3 & 0xfffff000, la & 0xffffffff, 1, access, cls);
  if ((cpu.efer & Efer.LMA) != 0) {
    return walk<Paging64>(cpu.cr3 & FRAME, la, (cpu.cr4 & Cr4.LA57) != 0 ? 4 : 3, access, cls);
  }
  const n = <u32>(la >> 30) & 3;
  const pdpte = n == 0 ? cpu.pdpte0 : n == 1 ? cpu.pdpte1 : n == 2 ? cpu.pdpte2 : cpu.pdpte3;
  if ((pdpte & Entry.P) == 0) return deny(0, access, cls);
  return walk<Paging64>(pdpte & FRAME, la & 0xffffffff, 1, access, cls);
}

function deny(bits: u32, access: u32, cls: u32): bool {
  let code = bits;
  if (access == Access.WRITE) code |= PageFault.W;
  if ((cls & 1) != 0) code |= PageFault.U;
  const nx = (cpu.efer & Efer.NXE) != 0 && (cpu.cr4 & Cr4.PAE) != 0;
  if (access == Access.EXEC && (nx || (cpu.cr4 & Cr4.SMEP) != 0)) code |= PageFault.I;
  walked.error = code;
  return false;
}

function walk<F>(root: u64, la: u64, top: i32, access: u32, cls: u32): bool {
  const f = changetype<F>(0);
  let table = root;
  let level = top;
  let rights: u64 = Entry.W | Entry.U;
  let noExecute: u64 = 0;
  const started = level;
  pendingAccessed = 0;
  while (true) {
    const shift = 12 + f.indexBits() * <u32>level;
    const pa = table + (((la >> shift) & ((1 << f.indexBits()) - 1)) << f.entryShift());
    const host = tableAddress(pa, false);
    if (cpu.eptp != 0 && abandoned()) return false;
    const entry = f.read(host);
    if ((entry & Entry.P) == 0) return deny(0, access, cls);
    const leaf = f.isLeaf(entry, level);
    if (f.reserved(entry, level, leaf)) return deny(PageFault.P | PageFault.RSVD, access, cls);
    rights &= entry;
    noExecute |= entry & NX;
    if (!leaf) {
      if ((entry & Entry.A) == 0) remember(level, pa);
      table = f.frame(entry, level, false);
      level--;
      continue;
    }
    if (!allowed(rights, noExecute, entry, access, cls)) return false;
    for (let l = started; pendingAccessed != 0 && l > level; l--) {
      if ((pendingAccessed & (1 << l)) != 0 && !update<F>(accessedPa(l), Entry.A)) return false;
    }
    const bits: u64 = access == Access.WRITE ? Entry.A | Entry.D : Entry.A;
    if ((entry & bits) != bits && !update<F>(pa, bits)) return false;
    if (cpu.eptp != 0) {
      setLinear(la, ((rights & Entry.U) != 0 ? <u32>Linear.USER : 0) | ((rights & Entry.W) != 0 ? <u32>Linear.WRITABLE : 0)
        | (noExecute != 0 ? <u32>Linear.EXECUTE_DISABLE : 0));
    }
    walked.pa = f.frame(entry, level, true) | (la & ((<u64>1 << shift) - 1));
    walked.flags = (entry & Entry.G) != 0 && (cpu.cr4 & Cr4.PGE) != 0 ? EntryFlag.GLOBAL : 0;
    if (level > 0) walked.flags |= level > 1 ? <u32>EntryFlag.LARGE | EntryFlag.HUGE : <u32>EntryFlag.LARGE;
    return true;
  }
}

/** Sets bits of the entry at `pa`; false where EPT forbids it. */
@inline function update<F>(pa: u64, bits: u64): bool {
  const host = tableAddress(pa, true);
  if (cpu.eptp != 0 && abandoned()) return false;
  changetype<F>(0).setBits(host, bits);
  return true;
}

/** Tables of the current walk whose accessed bit must be set if the walk succeeds. */
let pendingAccessed: u32 = 0;
const accessed = memory.data<u64>([0, 0, 0, 0, 0]);
@inline function remember(level: i32, pa: u64): void {
  pendingAccessed |= 1 << level;
  store<u64>(accessed + (level << 3), pa);
}
@inline function accessedPa(level: i32): u64 { return load<u64>(accessed + (level << 3)); }

/** SDM Vol. 3A, "Determination of Access Rights", with protection keys. */
function allowed(rights: u64, noExecute: u64, leaf: u64, access: u32, cls: u32): bool {
  const userPage = (rights & Entry.U) != 0;
  const userAccess = (cls & 1) != 0;
  let good: bool;
  if (userAccess) {
    good = userPage && (access != Access.WRITE || (rights & Entry.W) != 0);
  } else {
    good = access != Access.WRITE || (rights & Entry.W) != 0 || (cpu.cr0 & Cr0.WP) == 0;
    if (userPage) {
      if (access == Access.EXEC) good = good && (cpu.cr4 & Cr4.SMEP) == 0;
      else if ((cpu.cr4 & Cr4.SMAP) != 0 && cls != Class.SUPERVISOR_AC) good = false;
    }
  }
  if (access == Access.EXEC && noExecute != 0 && (cpu.efer & Efer.NXE) != 0) good = false;
  let keyBits: u32 = 0;
  if ((cpu.efer & Efer.LMA) != 0 && access != Access.EXEC) {
    const key = <u32>(leaf >> 59) & 15;
    const on = userPage ? (cpu.cr4 & Cr4.PKE) != 0 : (cpu.cr4 & Cr4.PKS) != 0;
    const disable = on ? ((userPage ? cpu.pkru : cpu.pkrs) >> (key << 1)) & 3 : 0;
    const writeMatters = userAccess || (cpu.cr0 & Cr0.WP) != 0;
    if ((disable & 1) != 0 || ((disable & 2) != 0 && access == Access.WRITE && writeMatters)) keyBits = PageFault.PK;
  }
  if (good && keyBits == 0) return true;
  return deny(PageFault.P | keyBits, access, cls);
}

/**
 * Loads the PDPTE registers from `cr3`. False where a present one has reserved bits set: #GP(0) for MOV to CR3; or, with
 * abandoned(), where EPT forbids to read them.
 */
export function loadPdptes(cr3: u64): bool {
  let table = cr3 & 0xffffffe0;
  if (cpu.eptp != 0) table = guestPhysical(table, Access.READ, Purpose.PDPTE);
  if (abandoned()) return false;
  const reserved = (FRAME & ~cpu.physMask) | 0xfff00000000001e6;
  const e0 = physRead<u64>(table), e1 = physRead<u64>(table + 8), e2 = physRead<u64>(table + 16), e3 = physRead<u64>(table + 24);
  if (isReserved(e0, reserved) || isReserved(e1, reserved) || isReserved(e2, reserved) || isReserved(e3, reserved)) return false;
  cpu.pdpte0 = e0;
  cpu.pdpte1 = e1;
  cpu.pdpte2 = e2;
  cpu.pdpte3 = e3;
  return true;
}
@inline function isReserved(pdpte: u64, reserved: u64): bool { return (pdpte & Entry.P) != 0 && (pdpte & reserved) != 0; }
