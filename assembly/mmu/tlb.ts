/**
 * Translation caches. A bank has a read, a write and an execute table of 1024 entries {tag u64, addend u32, flags u32};
 * presence in a table is permission. Banks belong to an address space and to everything else that decides about a
 * permission (keyOf), so that a change of it selects a bank instead of flushing one.
 *
 * Bank descriptor: 0 space u64 | 8 key u32 | 12 generation | 16,20,24 used entries per table | 28 stamp | 32 table address
 *                  36 descriptor of the bank that ran before it did or after it
 *                  40 regions that entries of large pages lie in u64 | 48 of pages that are large under EPT too u64
 *                  56 of code whose entry gave way to another u64
 */
import { cpu, BANKS } from '../cpu/state';
import { JUMP_CACHE, JUMP_CACHE_ENTRIES, TLB, TLB_USED } from '../cpu/window';
import { Cr0, Cr4, Efer } from '../cpu/control';
import { Flag } from '../cpu/flags';

export const enum Access { READ, WRITE, EXEC }

/** What the privilege of an access is, for the TLB. */
export const enum Class {
  SUPERVISOR,
  USER,
  /** Supervisor with EFLAGS.AC = 1 under SMAP: may touch user pages. */
  SUPERVISOR_AC,
  /** User with alignment checks on: never cached, every access takes the slow path. */
  USER_ALIGN,
}

const COUNT: u32 = 8;
const TABLE: usize = 0x4000;
const BANK: usize = 3 * TABLE;
const ENTRIES: u32 = 1024;
const EMPTY: u64 = 1;
/** No translation, but already in the list of used entries. */
const DROPPED: u64 = 3;
/** Added to the tag of a page that may be written but holds decoded code: no access matches it, codeHost finds it. */
const CODE: u64 = 4;

/**
 * LARGE: of a page of more than 4 KiB by the tables that INVLPG is about; WIDE: of one by EPT, and by those if there are;
 * HUGE: of one of 1 GiB by any.
 */
export const enum EntryFlag { GLOBAL = 1, LARGE = 2, WIDE = 4, HUGE = 8 }
/** Places of the words for regions in a descriptor. */
const LARGE_REGIONS: usize = 40;
const WIDE_REGIONS: usize = 48;
const CODE_REGIONS: usize = 56;
/** Place of the descriptor of the bank that ran before or after: a system call or VM exit and its return alternate. */
const PARTNER: usize = 36;

/** Generations have 24 bits, beside the mode key in cpu.ctx. */
const LAST_GENERATION: u32 = 0xffffff;

let stamp: u32 = 0;

@inline function descriptor(n: u32): usize { return BANKS + (<usize>n << 6); }
@inline export function accessClass(): u32 {
  if (cpu.cpl == 3) {
    return (cpu.cr0 & Cr0.AM) != 0 && (cpu.rflags & Flag.AC) != 0 ? Class.USER_ALIGN : Class.USER;
  }
  return (cpu.cr4 & Cr4.SMAP) != 0 && (cpu.rflags & Flag.AC) != 0 ? Class.SUPERVISOR_AC : Class.SUPERVISOR;
}
/**
 * The address space that tags translations: PCID, or 0, in bits 11:0; then what VMX adds, VPID in bits 27:12 and the
 * frame of the EPT pointer above.
 */
@inline function space(): u64 { return cpu.contextTag | ((cpu.cr4 & Cr4.PCIDE) != 0 ? cpu.cr3 & 0xfff : 0); }
/**
 * What else decides about the permissions that a bank holds. VM entries and VM exits change any of it and keep
 * translations, so that it belongs to the key, bit for bit where the registers have it:
 *
 *   CR0.PG WP, CR4.PSE PAE PGE LA57 SMEP SMAP PKE PKS, EFER.LMA NXE   the format of the tables, and "Determination of
 *                                                                     Access Rights" (SDM Vol. 3A)
 *   bit 0      data breakpoints are armed: no page may be read or written without a look at them
 *   bits 2:1   the class of the access, which CPL, EFLAGS.AC, CR0.AM and CR4.SMAP make
 *   bit 3      mode-based execute control for EPT (cpu.eptKey)
 *
 * What decides too and is not here flushes when it changes: PKRU and IA32_PKRS (flushKeyed), the APIC base, A20 and the
 * physical map (flushAll, flushEverything). CR3 and the EPT and paging-structure entries are software's to invalidate.
 */
function keyOf(): u32 {
  return cpu.slowData | accessClass() << CLASS_SHIFT | cpu.eptKey
    | <u32>(cpu.cr0 & CR0_KEY) | <u32>(cpu.cr4 & CR4_KEY) | <u32>(cpu.efer & EFER_KEY);
}
const CLASS_SHIFT: u32 = 1;
const CLASSES: u32 = 6;
const CR0_KEY: u64 = Cr0.WP | <u64>Cr0.PG;
const CR4_KEY: u64 = Cr4.PSE | Cr4.PAE | Cr4.PGE | Cr4.LA57 | Cr4.SMEP | Cr4.SMAP | Cr4.PKE | Cr4.PKS;
const EFER_KEY: u64 = Efer.LMA | Efer.NXE;
/** Is the running bank the one of the state as it is? For assertions: whoever changes that state must call selectBank. */
export function isBankCurrent(): bool {
  const d = bankDescriptor();
  return load<u64>(d) == space() && load<u32>(d, 8) == keyOf() && cpu.ctx == ((load<u32>(d, 12) << 8) | cpu.modeKey);
}

const PCID_VPID: u64 = 0xfffffff;
const VPID: u64 = 0xffff000;
const VPID_SHIFT: u64 = 12;
const EPT_SHIFT: u64 = 28;
@inline export function contextTagOf(vpid: u32, eptp: u64): u64 { return (<u64>vpid << VPID_SHIFT) | (((eptp >> 12) & 0xffffffff) << EPT_SHIFT); }

export function resetTlbs(): void {
  for (let n: u32 = 0; n < COUNT; n++) {
    const d = descriptor(n);
    memory.fill(d, 0, 64);
    store<u64>(d, u64.MAX_VALUE);
    store<u32>(d, <u32>(TLB + n * BANK), 32);
    store<u32>(d, <u32>d, PARTNER);
  }
  for (let e = TLB, end = TLB + COUNT * BANK; e < end; e += 16) store<u64>(e, EMPTY);
  memory.fill(JUMP_CACHE, 0, JUMP_CACHE_ENTRIES * 4);
  cpu.nextGeneration = 0;
  cpu.bank = <u32>TLB;
}

/** A number that no bank has. When they come to their end, code forgets its contexts and every bank gets a new one. */
function newGeneration(): u32 {
  if (cpu.nextGeneration >= LAST_GENERATION) {
    memory.fill(JUMP_CACHE, 0, JUMP_CACHE_ENTRIES * 4);
    cpu.nextGeneration = 0;
    for (let n: u32 = 0; n < COUNT; n++) store<u32>(descriptor(n), ++cpu.nextGeneration, 12);
  }
  return ++cpu.nextGeneration;
}
/** Makes the code that was found through bank `d` be looked up anew. */
function renew(d: usize): void {
  store<u32>(d, newGeneration(), 12);
  store<u64>(d, 0, CODE_REGIONS);
}

/**
 * Makes the bank of the current privilege and address space the running one. To be called when either changed. Most often it
 * runs already, or is the one that did before.
 */
export function selectBank(): void {
  const wantedKey = keyOf();
  const wantedSpace = space();
  const running = bankDescriptor();
  if (isBankOf(running, wantedSpace, wantedKey)) {
    cpu.ctx = (load<u32>(running, 12) << 8) | cpu.modeKey;
    return;
  }
  switchBank(running, wantedSpace, wantedKey);
}
/** selectBank where nothing changed but the class of accesses: CPL or EFLAGS.AC. */
export function selectClass(): void {
  const running = bankDescriptor();
  const key = load<u32>(running, 8);
  const wantedKey = (key & ~CLASSES) | (accessClass() << CLASS_SHIFT);
  if (key == wantedKey) cpu.ctx = (load<u32>(running, 12) << 8) | cpu.modeKey;
  else switchBank(running, load<u64>(running), wantedKey);
}
function switchBank(running: usize, wantedSpace: u64, wantedKey: u32): void {
  const partner = <usize>load<u32>(running, PARTNER);
  const found = isBankOf(partner, wantedSpace, wantedKey) ? partner : findBank(wantedSpace, wantedKey);
  store<u32>(running, <u32>found, PARTNER);
  store<u32>(found, <u32>running, PARTNER);
  useBank(found);
}
@inline function isBankOf(d: usize, wantedSpace: u64, wantedKey: u32): bool {
  return load<u64>(d) == wantedSpace && load<u32>(d, 8) == wantedKey;
}
/** The bank of this address space and key: one that there is, or the one that was not used for longest, emptied. */
function findBank(wantedSpace: u64, wantedKey: u32): usize {
  for (let n: u32 = 0; n < COUNT; n++) {
    const d = descriptor(n);
    if (isBankOf(d, wantedSpace, wantedKey)) return d;
  }
  let oldest: usize = descriptor(0);
  for (let n: u32 = 1; n < COUNT; n++) if (load<u32>(descriptor(n), 28) < load<u32>(oldest, 28)) oldest = descriptor(n);
  flushBank(oldest, true);
  renew(oldest);
  store<u64>(oldest, wantedSpace);
  store<u32>(oldest, wantedKey, 8);
  return oldest;
}
@inline function useBank(d: usize): void {
  store<u32>(d, ++stamp, 28);
  cpu.bank = load<u32>(d, 32);
  cpu.ctx = (load<u32>(d, 12) << 8) | cpu.modeKey;
}
@inline function bankDescriptor(): usize { return descriptor((cpu.bank - <u32>TLB) / <u32>BANK); }

/** Drops the entries of a bank, with or without the global ones, and gives it a new generation. */
function flushBank(d: usize, globals: bool): void {
  // Nothing was put into it since the last flush, so that no code was found through it either.
  if ((load<u32>(d, 16) | load<u32>(d, 20) | load<u32>(d, 24)) == 0) return;
  const n = (<u32>d - <u32>BANKS) >> 6;
  for (let access: u32 = 0; access < 3; access++) {
    const table = load<u32>(d, 32) + access * TABLE;
    const list = TLB_USED + n * 0x2000 + access * 0x800;
    const used = load<u32>(d + (access << 2), 16);
    let kept: u32 = 0;
    for (let k: u32 = 0; k < used; k++) {
      const index = load<u16>(list + (k << 1));
      const entry = table + (<u32>index << 4);
      if (!globals && (load<u32>(entry, 12) & EntryFlag.GLOBAL) != 0) store<u16>(list + (kept++ << 1), index);
      else store<u64>(entry, EMPTY);
    }
    store<u32>(d + (access << 2), kept, 16);
  }
  if (globals) {
    store<u64>(d, 0, LARGE_REGIONS);
    store<u64>(d, 0, WIDE_REGIONS);
  }
  renew(d);
}

/** Drops all translations, of every VPID and every EPT pointer. */
export function flushEverything(): void { flushMatching(0, 0, true); }
/** Drops the translations of the current VPID, in all its address spaces, global ones too. */
export function flushAll(): void { flushMatching(VPID, cpu.contextTag & VPID, true); }
/** Drops the translations of one address space of the current VPID but for global pages. */
export function flushSpace(pcid: u64): void { flushMatching(PCID_VPID, (cpu.contextTag & VPID) | pcid, false); }
/** Drops the translations of a VPID, with or without global ones. */
export function flushVpid(vpid: u32, globals: bool): void { flushMatching(VPID, <u64>vpid << VPID_SHIFT, globals); }
/** Drops what was permitted under the CR4 bits of `keys`, of every VPID: PKRU and IA32_PKRS are the same for all. */
export function flushKeyed(keys: u32): void {
  for (let n: u32 = 0; n < COUNT; n++) {
    const d = descriptor(n);
    if ((load<u32>(d, 8) & keys) != 0) flushBank(d, true);
  }
  selectBank();
}
/** Drops the translations of all VPIDs but 0. */
export function flushAllVpids(): void {
  for (let n: u32 = 0; n < COUNT; n++) {
    const d = descriptor(n);
    if (load<u64>(d) != u64.MAX_VALUE && (load<u64>(d) & VPID) != 0) flushBank(d, true);
  }
  selectBank();
}
/** Drops the translations that came through EPT tables at `eptp`, or through any. */
export function flushEpt(single: bool, eptp: u64): void {
  const wanted = contextTagOf(0, eptp) >> EPT_SHIFT;
  for (let n: u32 = 0; n < COUNT; n++) {
    const d = descriptor(n);
    if (load<u64>(d) == u64.MAX_VALUE) continue;
    const tag = load<u64>(d) >> EPT_SHIFT;
    if (single ? tag == wanted : tag != 0) flushBank(d, true);
  }
  selectBank();
}

/** Flushes the banks whose address space has `value` in the bits of `mask`. */
function flushMatching(mask: u64, value: u64, globals: bool): void {
  for (let n: u32 = 0; n < COUNT; n++) {
    const d = descriptor(n);
    if (load<u64>(d) != u64.MAX_VALUE && (load<u64>(d) & mask) == value) flushBank(d, globals);
  }
  selectBank();
}

/** flushVpidPage of the current VPID. */
export function flushPage(la: u64): void { flushVpidPage(currentVpid(), la); }
@inline function currentVpid(): u32 { return <u32>((cpu.contextTag & VPID) >> VPID_SHIFT); }
/** The same where an EPT entry is the cause: what came from a large page of the guest's own but not of EPT's may stay. */
export function flushCombined(la: u64): void { dropPage(currentVpid(), la, WIDE_REGIONS, EntryFlag.WIDE); }

/** Bit of the 2 MiB that `la` lies in, among the 64 of a bank's words for large pages and for code. */
@inline export function regionOf(la: u64): u64 { return <u64>1 << (<u32>(la >> 21) * 0x9e3779b1 >> 26); }

/**
 * Drops what the caches know of the page of `la`, in every address space of a VPID. Entries that came from a large page
 * are dropped when they lie in the same GiB: the page to be invalidated may have been any of theirs.
 */
export function flushVpidPage(vpid: u32, la: u64): void { dropPage(vpid, la, LARGE_REGIONS, EntryFlag.LARGE); }
/** With it go entries with `flag` of the same GiB, where the word at `regions` says that there may be some. */
function dropPage(vpid: u32, la: u64, regions: usize, flag: u32): void {
  const region = regionOf(la);
  const page = la & ~0xfff;
  const place = (<usize>(<u32>la >> 8)) & 0x3ff0;
  const tag = <u64>vpid << VPID_SHIFT;
  let renewed = false;
  for (let n: u32 = 0; n < COUNT; n++) {
    const d = descriptor(n);
    if ((load<u64>(d) & VPID) != tag || load<u64>(d) == u64.MAX_VALUE) continue;
    const entry = <usize>load<u32>(d, 32) + place;
    dropEntry(entry, page);
    dropEntry(entry + TABLE, page);
    let code = dropEntry(entry + 2 * TABLE, page) || (load<u64>(d, CODE_REGIONS) & region) != 0;
    if ((load<u64>(d + regions) & region) != 0 && dropLarge(d, la, flag)) code = true;
    if (!code) continue;
    renew(d);
    renewed = true;
  }
  if (renewed) selectBank();
}
@inline function dropEntry(entry: usize, page: u64): bool {
  if ((load<u64>(entry) & ~CODE) != page) return false;
  store<u64>(entry, DROPPED);
  return true;
}
/** The large pages of a bank. True: there was one of code. */
function dropLarge(d: usize, la: u64, flag: u32): bool {
  const n = (<u32>d - <u32>BANKS) >> 6;
  let code = false;
  for (let access: u32 = 0; access < 3; access++) {
    const dropped = dropListed(load<u32>(d, 32) + access * TABLE, TLB_USED + n * 0x2000 + access * 0x800, load<u32>(d + (access << 2), 16), la, flag);
    if (access == Access.EXEC) code = dropped;
  }
  return code;
}
function dropListed(table: usize, list: usize, used: u32, la: u64, flag: u32): bool {
  let dropped = false;
  for (let k: u32 = 0; k < used; k++) {
    const entry = table + (<u32>load<u16>(list + (k << 1)) << 4);
    const inGib = ((load<u64>(entry) ^ la) >> 30) == 0;
    if (inGib && (load<u32>(entry, 12) & flag) != 0) {
      store<u64>(entry, DROPPED);
      dropped = true;
    }
  }
  return dropped;
}

/** Makes writes to the frame at host page `host` miss everywhere: the frame holds decoded code from now on. */
export function protectFrame(host: u32): void {
  for (let n: u32 = 0; n < COUNT; n++) {
    const d = descriptor(n);
    const list = TLB_USED + n * 0x2000 + 0x800;
    const table = load<u32>(d, 32) + TABLE;
    for (let k: u32 = 0, used = load<u32>(d, 20); k < used; k++) {
      const entry = table + (<u32>load<u16>(list + (k << 1)) << 4);
      if ((load<u64>(entry) & 0xfff) == 0 && <u32>load<u64>(entry) + load<u32>(entry, 8) == host) store<u64>(entry, load<u64>(entry) | CODE);
    }
  }
}

/** Records that `la`'s page is at host page `host` for this kind of access by the running class. */
export function fill(la: u64, host: u32, access: u32, flags: u32, code: bool = false): void {
  assert(isBankCurrent());
  const d = bankDescriptor();
  const index = (<u32>la >> 12) & (ENTRIES - 1);
  const entry = cpu.bank + access * TABLE + (index << 4);
  const old = load<u64>(entry);
  if (old == EMPTY) {
    const used = load<u32>(d + (access << 2), 16);
    store<u16>(TLB_USED + ((<u32>d - <u32>BANKS) >> 6) * 0x2000 + access * 0x800 + (used << 1), <u16>index);
    store<u32>(d + (access << 2), used + 1, 16);
  } else if (access == Access.EXEC && old != DROPPED) store<u64>(d, load<u64>(d, CODE_REGIONS) | regionsOf(old, load<u32>(entry, 12)), CODE_REGIONS);
  store<u64>(entry, code ? (la & ~0xfff) | CODE : la & ~0xfff);
  store<u32>(entry, host - <u32>(la & ~0xfff), 8);
  store<u32>(entry, flags, 12);
  if (flags & (EntryFlag.LARGE | EntryFlag.WIDE)) {
    const regions = regionsOf(la, flags);
    if (flags & EntryFlag.LARGE) store<u64>(d, load<u64>(d, LARGE_REGIONS) | regions, LARGE_REGIONS);
    if (flags & EntryFlag.WIDE) store<u64>(d, load<u64>(d, WIDE_REGIONS) | regions, WIDE_REGIONS);
  }
}
/** The regions that the page of an entry may cover: a large one of 32-bit paging is of 4 MiB. */
@inline function regionsOf(la: u64, flags: u32): u64 {
  if ((flags & EntryFlag.HUGE) != 0) return u64.MAX_VALUE;
  if ((flags & EntryFlag.LARGE) == 0 || (cpu.cr4 & Cr4.PAE) != 0) return regionOf(la);
  return regionOf(la) | regionOf(la ^ 0x200000);
}

/** Host address of `la` if the running bank's table for `access` has its page, else 0. */
@inline export function lookup(la: u64, size: u32, access: u32): u32 {
  const entry = cpu.bank + access * <u32>TABLE + ((<u32>la >> 8) & 0x3ff0);
  return load<u64>(entry) == ((la + size - 1) & ~0xfff) ? <u32>la + load<u32>(entry, 8) : 0;
}

/** Host address of `la` if the running bank knows its page as writable with decoded code, else 0. */
export function codeHost(la: u64): u32 {
  const entry = cpu.bank + <u32>TABLE + ((<u32>la >> 8) & 0x3ff0);
  return load<u64>(entry) == ((la & ~0xfff) | CODE) ? <u32>la + load<u32>(entry, 8) : 0;
}
