/**
 * Extended page tables (SDM Vol. 3C, "The Extended Page Table Mechanism (EPT)"): guest-physical to physical addresses, the
 * VM exits of what they forbid, page-modification logging, and a cache of such translations that INVEPT empties.
 *
 * A cache entry: 0 guest page u64, its rights in bits 11:0 | 8 page u64. Rights that it does not have are looked up anew.
 */
import { cpu } from '../cpu/state';
import { NESTED, NESTED_ENTRIES } from '../cpu/window';
import { Exit, exit, setExitLinear, setExitPhysical } from '../cpu/exit';
import { abandoned } from '../cpu/pending';
import { physRead, physWrite } from '../cpu/phys';
import { offersEptVpid } from '../vmx/controls';
import { logPage } from '../vmx/pml';
import { raiseVirtualizationException } from '../vmx/virtualization-exception';
import { inApicAccessPage } from '../vmx/virtual-apic';
import { currentVpid } from '../vmx/guest';
import { walked } from './walked';
import { Access, contextTagOf, EntryFlag, flushCombined, regionOf } from './tlb';

/** Why a guest-physical address is accessed. */
export const enum Purpose {
  /** The access that an instruction makes. */
  DATA,
  /** To read an entry of a guest paging structure, or to set its accessed or dirty bit. */
  TABLE, TABLE_UPDATE,
  /** To load the PDPTE registers: no linear address is being translated. */
  PDPTE,
}
/** What guest paging says of the linear address, in the places that the exit qualification has for it. */
export const enum Linear { USER = 0x200, WRITABLE = 0x400, EXECUTE_DISABLE = 0x800 }

const enum Ept { R = 1, W = 2, X = 4, LEAF = 0x80, A = 0x100, D = 0x200, XU = 0x400 }
const enum Qualification { READ = 1, WRITE = 2, FETCH = 4, LINEAR_VALID = 0x80, TRANSLATED = 0x100, UNBLOCKED_BY_IRET = 0x1000 }
const ACCESSED_DIRTY: u64 = 0x40;
const FRAME: u64 = 0x000ffffffffff000;
const SUPPRESS_VE: u64 = 0x8000000000000000;
/** In a cache entry: a write needs no look at the tables (no dirty bit to be set). */
const WRITE_THROUGH: u32 = 8;
const VALID: u32 = 0x10;
/** It came from a page of 2 MiB or 1 GiB; from one of 1 GiB. */
const LARGE: u32 = 0x20;
const HUGE: u32 = 0x40;
/** Bits of IA32_VMX_EPT_VPID_CAP. */
const enum Cap { EXECUTE_ONLY = 0, PAGES_2M = 16, PAGES_1G = 17, ADVANCED = 22 }

export function setLinear(la: u64, rights: u32): void {
  walked.linear = la;
  walked.rights = rights;
}

/** Translates through the tables at `eptp`, 0 for none, under the VPID of the current VMCS. Callers select the TLB bank. */
export function useEptPointer(eptp: u64): void {
  if (eptp != 0 && cachedFor != eptp) {
    flushNested();
    cachedFor = eptp;
  }
  cpu.eptp = eptp;
  cpu.contextTag = contextTagOf(currentVpid(), eptp);
}

/** The EPT pointer that they came through. */
let cachedFor: u64 = 0;
/** The regions in which entries of large pages lie: see regionOf. */
let largeRegions: u64 = 0;
/** Forgets cached translations of guest-physical addresses. */
export function flushNested(): void {
  memory.fill(NESTED, 0, NESTED_ENTRIES * 16);
  largeRegions = 0;
}
/** The same after the state block was put back. */
export function resetNested(): void {
  flushNested();
  cachedFor = cpu.eptp;
}
/** Forgets that of `gpa`, with all of the GiB that came from large pages where its own may have been one. */
function forget(gpa: u64): void {
  const slot = slotOf(gpa);
  if (((load<u64>(slot) ^ gpa) & ~0xfff) == 0) store<u64>(slot, 0);
  if ((largeRegions & regionOf(gpa)) == 0) return;
  for (let s = NESTED, end = NESTED + NESTED_ENTRIES * 16; s < end; s += 16) {
    const tag = load<u64>(s);
    if ((tag & LARGE) != 0 && (tag ^ gpa) >> 30 == 0) store<u64>(s, 0);
  }
}
/** Of what size is the page that `gpa`, just translated, lies in? As flags of a TLB entry. */
export function sizeOf(gpa: u64): u32 {
  const tag = <u32>load<u64>(slotOf(gpa));
  return ((tag & LARGE) != 0 ? <u32>EntryFlag.WIDE : 0) | ((tag & HUGE) != 0 ? <u32>EntryFlag.HUGE : 0);
}

/**
 * At an entry without VPID: what is known of dirty flags goes with the linear translations, as on processors, and flags that
 * were cleared without INVEPT are set, and logged, again.
 */
export function forgetDirty(): void {
  if ((cpu.eptp & ACCESSED_DIRTY) != 0) flushNested();
}

@inline function slotOf(gpa: u64): usize { return NESTED + ((<usize>(gpa >> 12) & (NESTED_ENTRIES - 1)) << 4); }

/** Does EPT tell execution in user mode from that of the supervisor ("mode-based execute control")? */
@inline function tellsUserExecution(): bool { return cpu.eptKey != 0; }

/** Rights that an access needs, as bits of entries. */
function needed(access: u32, purpose: Purpose): u32 {
  if (purpose == Purpose.TABLE) return (cpu.eptp & ACCESSED_DIRTY) != 0 ? Ept.R | Ept.W : <u32>Ept.R;
  if (purpose == Purpose.TABLE_UPDATE) return Ept.R | Ept.W;
  if (access == Access.EXEC) return tellsUserExecution() && (walked.rights & Linear.USER) != 0 ? <u32>Ept.XU : <u32>Ept.X;
  return access == Access.WRITE ? <u32>Ept.W : <u32>Ept.R;
}

/** Physical address of guest-physical `gpa`. Test abandoned(): a VM exit (or #VE) may be pending instead. */
export function nested(gpa: u64, access: u32, purpose: Purpose): u64 {
  if (!ASC_NO_ASSERT) assert(cachedFor == cpu.eptp, 'translations that came through another EPT pointer');
  const want = needed(access, purpose);
  const slot = slotOf(gpa);
  const tag = load<u64>(slot);
  const wanted = (want & Ept.W) != 0 ? want | WRITE_THROUGH : want;
  if ((tag & ~0xfff) == (gpa & ~0xfff) && (<u32>tag & (wanted | VALID)) == (wanted | VALID)) return load<u64>(slot, 8) | (gpa & 0xfff);
  return walkEpt(gpa, want, access, purpose);
}

/** Entries of the current walk, by level. */
const path = memory.data<u64>([0, 0, 0, 0, 0]);

function walkEpt(gpa: u64, want: u32, access: u32, purpose: Purpose): u64 {
  const dirtyBits = (cpu.eptp & ACCESSED_DIRTY) != 0;
  const present: u64 = tellsUserExecution() ? Ept.R | Ept.W | Ept.X | Ept.XU : Ept.R | Ept.W | Ept.X;
  const top = <i32>(cpu.eptp >> 3) & 7;
  let table = cpu.eptp & FRAME;
  let rights: u64 = present;
  let level = top;
  if (gpa >> (12 + 9 * (<u64>top + 1)) != 0) return violate(gpa, 0, SUPPRESS_VE, access, purpose);
  while (true) {
    const shift: u64 = 12 + 9 * <u64>level;
    const at = table + (((gpa >> shift) & 511) << 3);
    const entry = physRead<u64>(at);
    if ((entry & present) == 0) return violate(gpa, 0, entry, access, purpose);
    const leaf = level == 0 || (level < 3 && (entry & Ept.LEAF) != 0);
    if (isMisconfigured(entry, level, leaf)) {
      exit(Exit.EPT_MISCONFIG);
      setExitPhysical(gpa);
      return 0;
    }
    rights &= entry;
    store<u64>(path + (level << 3), at);
    if (!leaf) {
      table = entry & FRAME;
      level--;
      continue;
    }
    if ((<u32>rights & want) != want) return violate(gpa, rights, entry, access, purpose);
    const dirties = dirtyBits && (want & Ept.W) != 0;
    if (dirtyBits && !setAccessed(top, level, entry, dirties, gpa)) return 0;
    const offset = gpa & ((<u64>1 << shift) - 1);
    const page = ((entry & FRAME & ~((<u64>1 << shift) - 1)) | offset) & ~0xfff;
    const slot = slotOf(gpa);
    const through: u64 = !dirtyBits || dirties || (entry & Ept.D) != 0 ? WRITE_THROUGH : 0;
    const size: u64 = level == 0 ? 0 : level == 1 ? LARGE : LARGE | HUGE;
    if (level > 0) largeRegions |= level == 1 ? regionOf(gpa) : u64.MAX_VALUE;
    store<u64>(slot, (gpa & ~0xfff) | (rights & (Ept.R | Ept.W | Ept.X | Ept.XU)) | through | VALID | size);
    store<u64>(slot, page, 8);
    return page | (gpa & 0xfff);
  }
}

/** SDM Vol. 3C, "EPT Misconfigurations" */
function isMisconfigured(entry: u64, level: i32, leaf: bool): bool {
  const rwx = <u32>entry & 7;
  if ((rwx & 3) == Ept.W) return true;
  const executes = (entry & Ept.X) != 0 || (tellsUserExecution() && (entry & Ept.XU) != 0);
  if ((rwx & 3) == 0 && executes && !offersEptVpid(Cap.EXECUTE_ONLY)) return true;
  if ((entry & FRAME & ~cpu.physMask) != 0) return true;
  if (!leaf) return (entry & (level >= 3 ? 0xf8 : 0x78)) != 0;
  if (level > 0 && !offersEptVpid(level == 1 ? Cap.PAGES_2M : Cap.PAGES_1G)) return true;
  if (level > 0 && (entry & FRAME & ((<u64>1 << (12 + 9 * <u64>level)) - 1)) != 0) return true;
  const type = (entry >> 3) & 7;
  return type == 2 || type == 3 || type == 7;
}

/** Sets accessed bits along the path, and the dirty bit of the leaf. False: a VM exit of page-modification logging. */
function setAccessed(top: i32, level: i32, leaf: u64, dirties: bool, gpa: u64): bool {
  if (dirties && (leaf & Ept.D) == 0 && !logPage(gpa)) {
    exit(Exit.PML_FULL, unblocked());
    return false;
  }
  for (let l = top; l >= level; l--) {
    const at = load<u64>(path + (l << 3));
    const entry = physRead<u64>(at);
    const bits: u64 = l == level && dirties ? Ept.A | Ept.D : Ept.A;
    if ((entry & bits) != bits) physWrite<u64>(at, entry | bits);
  }
  return true;
}

/** NMI unblocking due to IRET, as exit qualifications tell it. */
@inline function unblocked(): u64 { return cpu.iretUnblocked != 0 ? <u64>Qualification.UNBLOCKED_BY_IRET : 0; }

/**
 * An EPT violation: a VM exit, or a virtualization exception of the guest where the entry lets it be one. It drops what
 * the caches have of its addresses, so that software need not (SDM Vol. 3C, "Operations that Invalidate Cached Mappings").
 */
function violate(gpa: u64, rights: u64, entry: u64, access: u32, purpose: Purpose): u64 {
  forget(gpa);
  if (purpose == Purpose.PDPTE) setLinear(0, 0);
  else flushCombined(walked.linear);
  let q: u64 = (rights & 7) << 3;
  if (tellsUserExecution()) q |= (rights & Ept.XU) >> 4;
  if (purpose == Purpose.DATA) q |= access == Access.EXEC ? Qualification.FETCH : access == Access.WRITE ? Qualification.WRITE : Qualification.READ;
  else q |= needed(access, purpose) == Ept.R ? Qualification.READ : Qualification.READ | Qualification.WRITE;
  if (purpose != Purpose.PDPTE) q |= Qualification.LINEAR_VALID;
  if (purpose == Purpose.DATA) {
    q |= Qualification.TRANSLATED;
    if (offersEptVpid(Cap.ADVANCED)) q |= walked.rights;
  }
  q |= unblocked();
  if ((entry & SUPPRESS_VE) == 0 && raiseVirtualizationException(gpa, walked.linear, q)) return 0;
  exit(Exit.EPT_VIOLATION, q);
  setExitPhysical(gpa);
  setExitLinear(walked.linear);
  return 0;
}
/** Exit qualifications of guest-physical accesses to the APIC-access page: while an event is delivered, and else. */
const enum ApicAccess { EVENT = 10 << 12, INSTRUCTION = 15 << 12 }

/** Physical address of a guest paging-structure entry; EPT or not. Test abandoned(). */
@inline export function tableAddress(gpa: u64, update: bool): u64 {
  return cpu.eptp == 0 ? gpa : guestPhysical(gpa, update ? Access.WRITE : Access.READ, update ? Purpose.TABLE_UPDATE : Purpose.TABLE);
}
/**
 * nested for accesses that no linear address makes; on the APIC-access page they cause VM exits (SDM Vol. 3C,
 * "Guest-Physical Accesses to the APIC-Access Page"). Test abandoned().
 */
export function guestPhysical(gpa: u64, access: u32, purpose: Purpose): u64 {
  const pa = nested(gpa, access, purpose);
  if (inApicAccessPage(pa) && !abandoned()) exit(Exit.APIC_ACCESS, cpu.delivering >= 0 ? ApicAccess.EVENT : ApicAccess.INSTRUCTION);
  return pa;
}
