/** IRET in all its forms (SDM Vol. 2A, "IRET/IRETD/IRETQ—Interrupt Return"). */
import { cpu, Gpr, gpr, Seg, setGpr } from '../cpu/state';
import { Intercept, intercepts } from '../cpu/intercepts';
import { abandoned, attend, Attention, raise, Vector } from '../cpu/pending';
import { Flag, rflags } from '../cpu/flags';
import { in64, inLongMode, inRealMode, inV86, isCanonical, Rights, segBase, segLimit, segRights, setSegment, setSelector } from '../cpu/segments';
import { writeRflags } from '../cpu/rflags';
import { updateMode, updatePrivilege } from '../mmu/mode';
import { nextRip, Rec } from '../isa/record';
import { checkCode, dplOf, fetchDescriptor, fetchStack, isConforming, isLong, isNull, isPresent, limitOf, loadNull, loadSegment, markAccessed, raiseFor } from './descriptor';
import { item, raisedStackPointer, readFrame } from './frame';
import { hasVirtualNmis } from '../vmx/guest';
import { setRealSegment } from './segments';
import { returnToTask } from './task';

const LOW: u64 = Flag.CF | Flag.PF | Flag.AF | Flag.ZF | Flag.SF | Flag.TF | Flag.DF | Flag.OF | Flag.NT;

/** Flags that IRET and POPF of `size` bytes may change at the running privilege, RF, VM and VIF aside. */
export function changeableFlags(size: u32): u64 {
  let mask = LOW;
  if (size > 2) mask |= Flag.AC | Flag.ID;
  if (inRealMode() || cpu.cpl == 0) mask |= Flag.IOPL;
  if (inRealMode() || <u64>cpu.cpl <= (cpu.rflags >> 12 & 3)) mask |= Flag.IF;
  return mask;
}

/**
 * SDM Vol. 3A, "Handling Multiple NMIs": IRET ends the blocking even where it faults. In a guest whose NMIs exit it ends
 * that of virtual NMIs, or none (SDM Vol. 3C, "Changes to Instruction Behavior in VMX Non-Root Operation").
 */
function unblockNmi(): void {
  if (intercepts(Intercept.NMI) && !hasVirtualNmis()) return;
  cpu.iretUnblocked = cpu.nmiBlocked;
  cpu.nmiBlocked = 0;
  if (cpu.nmiPending != 0 || cpu.deferred != 0) attend(Attention.INTERRUPT);
}

export function opIret<T>(i: Rec): void {
  const width: u32 = sizeof<T>();
  unblockNmi();
  if (inRealMode()) returnReal(width);
  else if (inV86()) returnFromV86(width);
  else if ((cpu.rflags & Flag.NT) != 0) {
    if (inLongMode()) raise(Vector.GP, 0);
    else returnToTask(nextRip(i), i.offset);
  } else if (in64()) returnLong(width);
  else returnProtected(width);
  if (!abandoned()) cpu.iretUnblocked = 0;
}

function returnReal(width: u32): void {
  if (!readFrame(width, 3)) return;
  const rip = item(0);
  if (rip > <u64>segLimit(Seg.CS)) {
    raise(Vector.GP, 0);
    return;
  }
  let mask = changeableFlags(width);
  if (width == 4) mask |= Flag.RF;
  setGpr(Gpr.RSP, raisedStackPointer(3 * width));
  setRealSegment(Seg.CS, <u32>item(1));
  cpu.blockRip = rip;
  writeRflags(mask, item(2));
  updateMode();
}

/** Virtual-8086 mode with IOPL 3, or with VME (SDM Vol. 3B, "Software Interrupt Handling in Virtual-8086 Mode"). */
function returnFromV86(width: u32): void {
  const VME: u64 = 1;
  const free = (cpu.rflags & Flag.IOPL) == Flag.IOPL;
  if (!free && (width != 2 || (cpu.cr4 & VME) == 0)) {
    raise(Vector.GP, 0);
    return;
  }
  if (!readFrame(width, 3)) return;
  const rip = item(0);
  const flags = item(2);
  if (rip > <u64>segLimit(Seg.CS)) {
    raise(Vector.GP, 0);
    return;
  }
  let mask = LOW;
  let value = flags;
  if (free) {
    mask |= Flag.IF;
    if (width == 4) mask |= Flag.AC | Flag.ID | Flag.RF;
  } else {
    if ((flags & Flag.TF) != 0 || ((flags & Flag.IF) != 0 && (cpu.rflags & Flag.VIP) != 0)) {
      raise(Vector.GP, 0);
      return;
    }
    mask |= Flag.VIF;
    value = (flags & 0xffff) | ((flags & Flag.IF) != 0 ? Flag.VIF : 0);
  }
  setGpr(Gpr.RSP, raisedStackPointer(3 * width));
  setRealSegment(Seg.CS, <u32>item(1));
  cpu.blockRip = rip;
  writeRflags(mask, value);
  updateMode();
}

/** The code descriptor to return to with privilege `rpl`, checked. Test abandoned(). */
export function returnCode(sel: u32): u64 {
  if (isNull(sel)) {
    raise(Vector.GP, 0);
    return 0;
  }
  const cs = fetchDescriptor(sel, Vector.GP);
  if (abandoned()) return 0;
  const rpl = sel & 3;
  checkCode(sel, cs);
  if (abandoned()) return 0;
  if (rpl < cpu.cpl || (isConforming(cs) ? dplOf(cs) > rpl : dplOf(cs) != rpl)) {
    raiseFor(Vector.GP, sel);
    return 0;
  }
  if (!isPresent(cs)) {
    raiseFor(Vector.NP, sel);
    return 0;
  }
  return markAccessed(sel, cs);
}
/** Raises #GP(0) where `rip` cannot be run in the code segment `cs`. */
export function checkTarget(cs: u64, rip: u64): bool {
  const good = inLongMode() && isLong(cs) ? isCanonical(rip) : rip <= <u64>limitOf(cs);
  if (!good) raise(Vector.GP, 0);
  return good;
}
/** The stack descriptor of a return to an outer level, 0 for the null selector that 64-bit code may have. */
export function returnStack(sel: u32, cs: u64, rpl: u32): u64 {
  if (isNull(sel) && inLongMode() && isLong(cs) && rpl != 3 && (sel & 3) == rpl) return 0;
  return fetchStack(sel, rpl, Vector.GP);
}
/** Loads what returnStack gave. */
export function loadReturnStack(sel: u32, ss: u64, rpl: u32): void {
  if (isNull(sel)) loadNull(Seg.SS, sel, rpl);
  else loadSegment(Seg.SS, sel, ss);
}

/** Loads the stack pointer of a return to `cs`, SS being loaded: a 16-bit stack leaves bits 31:16 of ESP alone. */
export function loadReturnPointer(cs: u64, sp: u64): void {
  if (inLongMode() && isLong(cs)) setGpr(Gpr.RSP, sp);
  else if ((segRights(Seg.SS) & Rights.DB) != 0) setGpr(Gpr.RSP, sp & 0xffffffff);
  else setGpr(Gpr.RSP, (gpr(Gpr.RSP) & 0xffff0000) | (sp & 0xffff));
}

/**
 * Takes away data segments that the outer level must not use, and makes null selectors 0 (SDM Vol. 2A, "IRET/IRETD/IRETQ—
 * Interrupt Return", RETURN-TO-OUTER-PRIVILEGE-LEVEL); the bases of FS and GS stay what they are.
 */
export function dropInnerSegments(cpl: u32): void {
  for (let s: u32 = 0; s < 6; s++) {
    if (s == <u32>Seg.CS || s == <u32>Seg.SS) continue;
    const rights = segRights(s);
    if ((rights & Rights.UNUSABLE) != 0) {
      setSelector(s, 0);
      continue;
    }
    const conforming = (rights & (Rights.CODE | Rights.CONFORMING)) == (Rights.CODE | Rights.CONFORMING);
    if (!conforming && ((rights >> 5) & 3) < cpl) setSegment(s, 0, segBase(s), segLimit(s), rights | Rights.UNUSABLE);
  }
}

/** From 64-bit mode: SS:RSP is always part of the frame, and read after CS was checked. */
function returnLong(width: u32): void {
  if (!readFrame(width, 3)) return;
  const rip = item(0), csSel = <u32>item(1) & 0xffff, flags = item(2);
  const cs = returnCode(csSel);
  if (abandoned() || !readFrame(width, 2, 3 * width)) return;
  const rpl = csSel & 3;
  const rsp = item(0), ssSel = <u32>item(1) & 0xffff;
  const ss = returnStack(ssSel, cs, rpl);
  if (abandoned() || !checkTarget(cs, rip)) return;
  leave(width, csSel, cs, rip, flags, rpl);
  loadReturnStack(ssSel, ss, rpl);
  loadReturnPointer(cs, rsp);
  updatePrivilege();
}

/** Commits flags, CS:RIP and CPL of a return. */
function leave(width: u32, csSel: u32, cs: u64, rip: u64, flags: u64, rpl: u32): void {
  let mask = changeableFlags(width);
  if (width > 2) {
    mask |= Flag.RF;
    if (cpu.cpl == 0) mask |= Flag.VIF | Flag.VIP;
  }
  if (rpl > cpu.cpl) dropInnerSegments(rpl);
  writeRflags(mask, flags);
  loadSegment(Seg.CS, csSel, cs);
  cpu.blockRip = rip;
  cpu.cpl = rpl;
}

function returnProtected(width: u32): void {
  if (!readFrame(width, 3)) return;
  const rip = item(0), csSel = <u32>item(1) & 0xffff, flags = item(2);
  if (width == 4 && (flags & Flag.VM) != 0 && cpu.cpl == 0 && !inLongMode()) {
    returnToV86(rip, csSel, flags);
    return;
  }
  const cs = returnCode(csSel);
  if (abandoned()) return;
  const rpl = csSel & 3;
  if (rpl == cpu.cpl) {
    if (!checkTarget(cs, rip)) return;
    setGpr(Gpr.RSP, raisedStackPointer(3 * width));
    leave(width, csSel, cs, rip, flags, rpl);
    updatePrivilege();
    return;
  }
  if (!readFrame(width, 2, 3 * width)) return;
  const sp = item(0), ssSel = <u32>item(1) & 0xffff;
  const ss = returnStack(ssSel, cs, rpl);
  if (abandoned() || !checkTarget(cs, rip)) return;
  leave(width, csSel, cs, rip, flags, rpl);
  loadReturnStack(ssSel, ss, rpl);
  loadReturnPointer(cs, sp);
  updatePrivilege();
}

/** SDM Vol. 3B, "Entering Virtual-8086 Mode" */
function returnToV86(rip: u64, csSel: u32, flags: u64): void {
  if (!readFrame(4, 6, 12)) return;
  setGpr(Gpr.RSP, item(0));
  writeRflags(0xffffffff, flags & 0x3f7fd5);
  cpu.cpl = 3;
  setRealSegment(Seg.SS, <u32>item(1));
  setRealSegment(Seg.ES, <u32>item(2));
  setRealSegment(Seg.DS, <u32>item(3));
  setRealSegment(Seg.FS, <u32>item(4));
  setRealSegment(Seg.GS, <u32>item(5));
  setRealSegment(Seg.CS, csSel);
  cpu.blockRip = rip & 0xffff;
  updateMode();
}
