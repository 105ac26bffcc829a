/**
 * Control and debug registers (SDM Vol. 2B, "MOV—Move to/from Control Registers" and "MOV—Move to/from Debug Registers";
 * Vol. 3A, "Control Registers"; Vol. 3B, "Debug Registers"). What a write forgets of cached translations is Vol. 3A,
 * "Operations that Invalidate TLBs and Paging-Structure Caches".
 */
import { cpu, Seg } from '../cpu/state';
import { abandoned, raise, Vector } from '../cpu/pending';
import { Cr0, Cr4, Efer } from '../cpu/control';
import { in64, Rights, segRights } from '../cpu/segments';
import { Exit } from '../cpu/exit';
import { modelWord, Word } from '../cpu/features';
import { inGuest, Intercept, intercepts } from '../cpu/intercepts';
import { flushAll, flushSpace, selectBank } from '../mmu/tlb';
import { loadPdptes } from '../mmu/walk';
import { updateMode } from '../mmu/mode';
import { Dr6, Dr7, updateDebug } from '../cpu/debug';
import { keepsFixedCr0, seenCr0, seenCr4, writtenCr0, writtenCr4 } from '../vmx/control-registers';
import { Rec } from '../isa/record';
import { clearsNoTs, exitsOnReadCr, exitsOnWriteCr, lmswExits, seenCr8, setSeenCr8 } from './guest-cr';
import { instructionExit, registerNumber } from './exits';

const CR0_WRITABLE: u64 = Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS | Cr0.NE | Cr0.WP | Cr0.AM | Cr0.NW | Cr0.CD | <u64>Cr0.PG;
/** CR4 bits on which cached translations depend. */
const CR4_PAGING: u64 = Cr4.PSE | Cr4.PAE | Cr4.PGE | Cr4.PCIDE | Cr4.SMEP | Cr4.SMAP | Cr4.PKE | Cr4.PKS | Cr4.LA57;
/** CR4 bits whose change loads the PDPTE registers. */
const CR4_PDPTES: u64 = Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP;
const CR3_NO_FLUSH: u64 = 0x8000000000000000;
const CR3_ADDRESS: u64 = 0x000ffffffffff000;
const DR6_WRITABLE: u64 = 0xe00f;
const DR7_WRITABLE: u64 = 0xffff23ff;

/** Writes CR0. False with a pending #GP(0): nothing changed. */
export function setCr0(written: u64): bool {
  const old = cpu.cr0;
  const value = (written & CR0_WRITABLE) | Cr0.ET;
  const changed = old ^ value;
  const paging = (value & Cr0.PG) != 0;
  const is64 = in64();
  if (written >> 32 != 0 || (paging && (value & Cr0.PE) == 0) || (value & (Cr0.NW | Cr0.CD)) == Cr0.NW) return fail();
  if (cpu.vmxOn != 0 && !keepsFixedCr0(value)) return fail();
  let efer = cpu.efer;
  if ((changed & Cr0.PG) != 0) {
    if (paging) {
      if ((efer & Efer.LME) != 0) {
        if ((cpu.cr4 & Cr4.PAE) == 0 || (segRights(Seg.CS) & Rights.L) != 0) return fail();
        // A 16-bit TSS: SDM Vol. 3A, "Initializing IA-32e Mode".
        if ((segRights(Seg.TR) & (Rights.UNUSABLE | 8)) == 0) return fail();
        efer |= Efer.LMA;
      }
    } else {
      if (is64 || (cpu.cr4 & Cr4.PCIDE) != 0) return fail();
      efer &= ~(<u64>Efer.LMA);
    }
  }
  if ((changed & (Cr0.PG | Cr0.CD | Cr0.NW)) != 0 && paging && (cpu.cr4 & Cr4.PAE) != 0 && (efer & Efer.LMA) == 0) {
    if (!loadPdptes(cpu.cr3)) return fail();
  }
  cpu.efer = efer;
  cpu.cr0 = value;
  if ((changed & (Cr0.PG | Cr0.WP)) != 0) flushAll();
  updateMode();
  return true;
}

/** Writes CR3; with PCIDs bit 63 keeps the address space's translations. False with a pending #GP(0). */
export function setCr3(written: u64): bool {
  const pcids = (cpu.cr4 & Cr4.PCIDE) != 0;
  const value = pcids ? written & ~CR3_NO_FLUSH : written;
  if ((value & ~(cpu.physMask & CR3_ADDRESS | 0xfff)) != 0) return fail();
  if ((cpu.cr0 & Cr0.PG) != 0 && (cpu.cr4 & Cr4.PAE) != 0 && (cpu.efer & Efer.LMA) == 0 && !loadPdptes(value)) return fail();
  cpu.cr3 = value;
  if (!pcids) flushSpace(0);
  else if ((written & CR3_NO_FLUSH) == 0) flushSpace(value & 0xfff);
  else selectBank();
  return true;
}

/** Writes CR4. False with a pending #GP(0): nothing changed. */
export function setCr4(value: u64): bool {
  const changed = cpu.cr4 ^ value;
  if ((value & ~modelWord(Word.CR4)) != 0 || (cpu.vmxOn != 0 && (value & Cr4.VMXE) == 0)) return fail();
  if ((cpu.efer & Efer.LMA) != 0 && ((value & Cr4.PAE) == 0 || (changed & Cr4.LA57) != 0)) return fail();
  if ((changed & value & Cr4.PCIDE) != 0 && ((cpu.efer & Efer.LMA) == 0 || (cpu.cr3 & 0xfff) != 0)) return fail();
  if ((changed & CR4_PDPTES) != 0 && (cpu.cr0 & Cr0.PG) != 0 && (value & Cr4.PAE) != 0 && (cpu.efer & Efer.LMA) == 0) {
    if (!loadPdptes(cpu.cr3)) return fail();
  }
  cpu.cr4 = value;
  if ((changed & CR4_PAGING) != 0) flushAll();
  updateMode();
  return true;
}

function fail(): bool {
  if (!abandoned()) raise(Vector.GP, 0);
  return false;
}

/** A control register that does not exist is #UD at every privilege; the others are #GP(0) outside CPL 0. */
function mayAccessCr(n: u32): bool {
  if (n == 1 || (n > 4 && n != 8)) raise(Vector.UD);
  else if (cpu.cpl != 0) raise(Vector.GP, 0);
  return !abandoned();
}

export function opMovFromCr<T, D>(i: Rec): void {
  if (!mayAccessCr(i.b) || exitsOnReadCr(i, i.b)) return;
  let value: u64;
  switch (i.b) {
    case 0: value = seenCr0(); break;
    case 2: value = cpu.cr2; break;
    case 3: value = cpu.cr3; break;
    case 4: value = seenCr4(); break;
    default: value = seenCr8(); break;
  }
  changetype<D>(0).write<T>(i, <T>value);
}

export function opMovToCr<T, S>(i: Rec): void {
  if (!mayAccessCr(i.b)) return;
  const value = <u64>changetype<S>(0).read<T>(i);
  if (inGuest() && exitsOnWriteCr(i, i.b, value)) return;
  switch (i.b) {
    case 0: setCr0(writtenCr0(value)); break;
    case 2: cpu.cr2 = value; break;
    case 3: setCr3(value); break;
    case 4: setCr4(writtenCr4(value)); break;
    default:
      if (value > 15) raise(Vector.GP, 0);
      else setSeenCr8(value);
      break;
  }
}

export function opClts(i: Rec): void {
  if (clearsNoTs(i)) return;
  cpu.cr0 &= ~(<u64>Cr0.TS);
  updateMode();
}

/** LMSW changes PE, MP, EM and TS, and cannot clear PE. */
export function opLmsw<S>(i: Rec): void {
  const word = <u64>changetype<S>(0).read<u16>(i);
  if (abandoned() || lmswExits(i, word)) return;
  setCr0(writtenCr0((cpu.cr0 & ~(<u64>(Cr0.MP | Cr0.EM | Cr0.TS))) | (word & (Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS))));
}

/** User-mode instruction prevention: SGDT, SIDT, SLDT, SMSW and STR are #GP(0) outside CPL 0. */
export function preventedByUmip(): bool {
  if ((cpu.cr4 & Cr4.UMIP) == 0 || cpu.cpl == 0) return false;
  raise(Vector.GP, 0);
  return true;
}
export function opSmsw<T, D>(i: Rec): void {
  if (preventedByUmip()) return;
  changetype<D>(0).write<T>(i, <T>seenCr0());
}
export function opSmswMem<D>(i: Rec): void {
  if (preventedByUmip()) return;
  changetype<D>(0).write<u16>(i, <u16>seenCr0());
}

/** The debug register that `i` names, 4 and 5 meaning 6 and 7; -1 with an event pending. `from`: 10H for MOV from it. */
function debugRegister(i: Rec, from: u32): i32 {
  let n = i.b;
  // A VM exit comes even before faults of privilege and of CR4.DE.
  if (n > 7) raise(Vector.UD);
  else if (intercepts(Intercept.MOV_DR)) instructionExit(i, Exit.DR_ACCESS, n | from | (registerNumber(i.base) << 8));
  else if (cpu.cpl != 0) raise(Vector.GP, 0);
  else if ((n == 4 || n == 5) && (cpu.cr4 & Cr4.DE) != 0) raise(Vector.UD);
  if (abandoned()) return -1;
  if (n == 4 || n == 5) n += 2;
  if ((cpu.dr7 & Dr7.GD) != 0) {
    cpu.pendingDebug |= Dr6.BD;
    raise(Vector.DB);
    return -1;
  }
  return n;
}
export function opMovFromDr<T, D>(i: Rec): void {
  const n = debugRegister(i, 0x10);
  if (n < 0) return;
  const value = n == 0 ? cpu.dr0 : n == 1 ? cpu.dr1 : n == 2 ? cpu.dr2 : n == 3 ? cpu.dr3 : n == 6 ? cpu.dr6 : cpu.dr7;
  changetype<D>(0).write<T>(i, <T>value);
}
export function opMovToDr<T, S>(i: Rec): void {
  const n = debugRegister(i, 0);
  if (n < 0) return;
  const value = <u64>changetype<S>(0).read<T>(i);
  if (n >= 6 && value >> 32 != 0) {
    raise(Vector.GP, 0);
    return;
  }
  switch (n) {
    case 0: cpu.dr0 = value; break;
    case 1: cpu.dr1 = value; break;
    case 2: cpu.dr2 = value; break;
    case 3: cpu.dr3 = value; break;
    case 6: cpu.dr6 = (value & DR6_WRITABLE) | <u64><u32>Dr6.ONES; break;
    default: cpu.dr7 = (value & DR7_WRITABLE) | Dr7.ONES;
  }
  updateDebug();
  selectBank();
}
