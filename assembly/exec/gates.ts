/**
 * Event delivery through the interrupt table (SDM Vol. 3A, "Exception- or Interrupt-Handler Procedures"; Vol. 2A, "INT
 * n/INTO/INT3/INT1"). Everything that can fail comes before anything that commits.
 */
import { cpu, Gpr, gpr, Seg, setGpr } from '../cpu/state';
import { abandoned, Event, raise, Vector } from '../cpu/pending';
import { Cr4 } from '../cpu/control';
import { Flag, rflags } from '../cpu/flags';
import { inLongMode, inRealMode, inV86, isCanonical, segBase, segRights, selector, setSegBase, setSelector } from '../cpu/segments';
import { clearResume, closeShadow, resumeFlag, writeRflags } from '../cpu/rflags';
import { readSystem } from '../mmu/access';
import { selectClass } from '../mmu/tlb';
import {
  baseOf, dplOf, ext, fetchDescriptor, fetchStack, isBig, isCode, isConforming, isLong, isNull, isPresent, limitOf, loadNull, loadSegment, markAccessed,
  raiseFor, rightsOf, setExt, System, tssHolds, typeOf,
} from '../ops/descriptor';
import { addItem, beginFrame, commitStackPointer, framePointer, pushFrame, stackMask, storeFrame, withStackPointer } from '../ops/frame';
import { callV86, isRedirected } from '../ops/int';
import { switched, switchTask, TaskSwitch } from '../ops/task';
import { enterDebugException } from './debug';

/** The event that is being delivered, and what its frame says of the program that it interrupts. */
@unmanaged
class Delivery {
  vector: u32;
  errorCode: u32;
  hasErrorCode: bool;
  /** INT n, INT3 and INTO: the gate's DPL counts. */
  isSoftware: bool;
  cpl: u32;
  rip: u64;
  flags: u64;
}
export const delivery = changetype<Delivery>(memory.data(32));

/** Does exception `v` push an error code outside real mode? (SDM Vol. 3A, "Protected-Mode Exceptions and Interrupts") */
@inline export function pushesErrorCode(v: u32): bool {
  return v < 32 && ((1 << v) & ((1 << Vector.DF) | (1 << Vector.TS) | (1 << Vector.NP) | (1 << Vector.SS) | (1 << Vector.GP) | (1 << Vector.PF) | (1 << Vector.AC) | (1 << Vector.CP))) != 0;
}
/** Tries to deliver the event in cpu.vector to a program at `cpl`; a fault on the way is left pending and nothing is committed. */
export function attempt(type: i32, cpl: u32): void {
  delivery.cpl = cpl;
  delivery.vector = <u32>cpu.vector;
  delivery.errorCode = cpu.errorCode;
  delivery.isSoftware = type == Event.SOFTWARE_INT || type == Event.SOFTWARE_EXCEPTION;
  delivery.hasErrorCode = cpu.injected != 0 ? cpu.injected == 2 : type == Event.FAULT && !inRealMode() && pushesErrorCode(delivery.vector);
  delivery.rip = cpu.blockRip;
  if (delivery.isSoftware || type == Event.PRIVILEGED_TRAP) delivery.rip = (delivery.rip + cpu.eventLength) & cpu.laMask;
  delivery.flags = rflags();
  // Injection changes neither RF nor DR6 and DR7 (SDM Vol. 3C, "Details of Vectored-Event Injection").
  if (cpu.injected == 0) {
    if (type == Event.FAULT) {
      if (delivery.vector == Vector.PF) cpu.cr2 = cpu.faultAddress;
      if (delivery.vector != Vector.DB || enterDebugException()) delivery.flags |= Flag.RF;
    } else if (type == Event.PRIVILEGED_TRAP && delivery.vector == Vector.DB) enterDebugException();
  }
  if (resumeFlag()) delivery.flags |= Flag.RF;
  setExt(delivery.isSoftware ? 0 : 1);
  const held = cpu.pendingDebug;
  if (inRealMode()) deliverReal();
  else if (inLongMode()) deliverLong();
  else if (cpu.injected != 0 && type == Event.SOFTWARE_INT && inV86() && (cpu.cr4 & Cr4.VME) != 0) deliverV86();
  else deliverProtected();
  if (abandoned()) {
    // What a failed attempt hit is as if it had not been; what a new task brought is its own.
    if (!switched) cpu.pendingDebug = held;
    return;
  }
  setExt(0);
  clearResume();
  closeShadow();
}

function deliverReal(): void {
  if (delivery.vector * 4 + 3 > cpu.idtrLimit) {
    raise(Vector.GP, 0);
    return;
  }
  const entry = readSystem<u32>(cpu.idtrBase + delivery.vector * 4);
  if (abandoned()) return;
  beginFrame(2);
  addItem(delivery.flags);
  addItem(selector(Seg.CS));
  addItem(delivery.rip);
  if (!pushFrame(0)) return;
  commitStackPointer();
  setSelector(Seg.CS, entry >> 16);
  setSegBase(Seg.CS, <u64>(entry >> 16) << 4);
  cpu.blockRip = entry & 0xffff;
  writeRflags(Flag.IF | Flag.TF | Flag.AC | Flag.RF, 0);
}

/** INT n that VM entry injects into virtual-8086 mode (SDM Vol. 3C, "Details of Vectored-Event Injection"). */
function deliverV86(): void {
  const redirected = isRedirected(delivery.vector);
  if (abandoned()) return;
  if (redirected) callV86(delivery.vector, delivery.rip);
  else if ((cpu.rflags & Flag.IOPL) != Flag.IOPL) raise(Vector.GP, 0);
  else deliverProtected();
}

/** Becomes `cpl` for the pushes: their access rights are those of the handler. */
@inline function become(cpl: u32): void {
  if (cpu.cpl == cpl) return;
  cpu.cpl = cpl;
  selectClass();
}

/** Commits CS:RIP and RFLAGS of the handler. */
function enter(sel: u32, cs: u64, rip: u64, cpl: u32, clearIf: bool): void {
  loadSegment(Seg.CS, (sel & 0xfffc) | cpl, cs);
  cpu.blockRip = rip;
  cpu.cpl = cpl;
  const mask: u64 = Flag.TF | Flag.NT | Flag.RF | Flag.VM;
  writeRflags(clearIf ? mask | Flag.IF : mask, 0);
}

/** Raises what the gate itself forbids. `code`: the error code that names the gate. */
function checkGate(gate: u64, code: u32): bool {
  const type = typeOf(gate);
  let good = type == System.INTERRUPT32 || type == System.TRAP32;
  if (!inLongMode()) good = good || type == System.TASK_GATE || type == System.INTERRUPT16 || type == System.TRAP16;
  if (!good || (delivery.isSoftware && dplOf(gate) < delivery.cpl)) raise(Vector.GP, code);
  else if (!isPresent(gate)) raise(Vector.NP, code);
  return !abandoned();
}

/** The handler's code descriptor, checked. Test abandoned(). */
function handlerCode(sel: u32): u64 {
  if (isNull(sel)) {
    raise(Vector.GP, ext);
    return 0;
  }
  const cs = fetchDescriptor(sel, Vector.GP);
  if (abandoned()) return 0;
  if (!isCode(cs) || dplOf(cs) > delivery.cpl || (inLongMode() && (!isLong(cs) || isBig(cs)))) {
    raiseFor(Vector.GP, sel);
    return 0;
  }
  if (!isPresent(cs)) {
    raiseFor(Vector.NP, sel);
    return 0;
  }
  return markAccessed(sel, cs);
}

/** SDM Vol. 3A, "64-Bit Mode Exception and Interrupt Handling" */
function deliverLong(): void {
  cpu.laMask = u64.MAX_VALUE;
  become(0);
  const code = (delivery.vector << 3) | 2 | ext;
  if (delivery.vector * 16 + 15 > cpu.idtrLimit) {
    raise(Vector.GP, code);
    return;
  }
  const at = cpu.idtrBase + (delivery.vector << 4);
  const gate = readSystem<u64>(at);
  if (abandoned()) return;
  const upper = readSystem<u64>(at + 8);
  if (abandoned() || !checkGate(gate, code)) return;
  const sel = <u32>(gate >> 16) & 0xffff;
  const cs = handlerCode(sel);
  if (abandoned()) return;
  const rip = (gate & 0xffff) | ((gate >> 32) & 0xffff0000) | (upper << 32);
  const inner = !isConforming(cs) && dplOf(cs) < delivery.cpl;
  const cpl = inner ? dplOf(cs) : delivery.cpl;
  const ist = <u32>(gate >> 32) & 7;
  let sp = gpr(Gpr.RSP);
  if (ist != 0 || inner) {
    const offset = ist != 0 ? 28 + (ist << 3) : 4 + (cpl << 3);
    if (!tssHolds(offset, 8)) return;
    sp = readSystem<u64>(segBase(Seg.TR) + offset);
    if (abandoned()) return;
  }
  if (!isCanonical(sp)) {
    raise(Vector.SS, ext);
    return;
  }
  if (!isCanonical(rip)) {
    raise(Vector.GP, ext);
    return;
  }
  become(cpl);
  beginFrame(8);
  addItem(selector(Seg.SS));
  addItem(gpr(Gpr.RSP));
  addItem(delivery.flags);
  addItem(selector(Seg.CS));
  addItem(delivery.rip);
  if (delivery.hasErrorCode) addItem(delivery.errorCode);
  if (!storeFrame(0, 0, 0, sp & ~15, ext)) return;
  setGpr(Gpr.RSP, framePointer);
  if (inner) loadNull(Seg.SS, cpl, cpl);
  enter(sel, cs, rip, cpl, typeOf(gate) == System.INTERRUPT32);
}

/** SDM Vol. 3A, "Exception- or Interrupt-Handler Procedures"; Vol. 3B, "Interrupt and Exception Handling in V-8086". */
function deliverProtected(): void {
  become(0);
  const code = (delivery.vector << 3) | 2 | ext;
  if (delivery.vector * 8 + 7 > cpu.idtrLimit) {
    raise(Vector.GP, code);
    return;
  }
  const gate = readSystem<u64>(cpu.idtrBase + (delivery.vector << 3));
  if (abandoned() || !checkGate(gate, code)) return;
  const sel = <u32>(gate >> 16) & 0xffff;
  if (typeOf(gate) == System.TASK_GATE) {
    become(delivery.cpl);
    cpu.rflags = (cpu.rflags & ~(<u64>Flag.RF)) | (delivery.flags & Flag.RF);
    switchTask(sel, TaskSwitch.INTERRUPT, delivery.rip, 0, delivery.hasErrorCode ? <i64>delivery.errorCode : -1);
    cpu.rflags &= ~(<u64>Flag.RF);
    return;
  }
  const cs = handlerCode(sel);
  if (abandoned()) return;
  const wide = (typeOf(gate) & 8) != 0;
  const rip = (gate & 0xffff) | (wide ? (gate >> 32) & 0xffff0000 : 0);
  const inner = !isConforming(cs) && dplOf(cs) < delivery.cpl;
  if (inV86() && (!inner || dplOf(cs) != 0)) {
    raiseFor(Vector.GP, sel);
    return;
  }
  const cpl = inner ? dplOf(cs) : delivery.cpl;
  const clearIf = (typeOf(gate) & 1) == 0;
  if (inner) deliverInner(sel, cs, rip, cpl, wide, clearIf);
  else {
    become(cpl);
    beginFrame(wide ? 4 : 2);
    addFrame();
    if (!pushFrame(ext)) return;
    if (rip > <u64>limitOf(cs)) {
      raise(Vector.GP, ext);
      return;
    }
    commitStackPointer();
    enter(sel, cs, rip, cpl, clearIf);
  }
}
function addFrame(): void {
  addItem(delivery.flags);
  addItem(selector(Seg.CS));
  addItem(delivery.rip);
  if (delivery.hasErrorCode) addItem(delivery.errorCode);
}

/** Through an interrupt or trap gate to an inner privilege level, from protected or virtual-8086 mode. */
function deliverInner(sel: u32, cs: u64, rip: u64, cpl: u32, wide: bool, clearIf: bool): void {
  const tss32 = (segRights(Seg.TR) & 8) != 0;
  const offset = tss32 ? (cpl << 3) + 4 : (cpl << 2) + 2;
  if (!tssHolds(offset, tss32 ? 6 : 4)) return;
  const sp: u64 = tss32 ? readSystem<u32>(segBase(Seg.TR) + offset) : readSystem<u16>(segBase(Seg.TR) + offset);
  if (abandoned()) return;
  const ssSel: u32 = readSystem<u16>(segBase(Seg.TR) + offset + (tss32 ? 4 : 2));
  if (abandoned()) return;
  const ss = fetchStack(ssSel, cpl, Vector.TS);
  if (abandoned()) return;
  become(cpl);
  const v86 = inV86();
  beginFrame(wide ? 4 : 2);
  if (v86) {
    addItem(selector(Seg.GS));
    addItem(selector(Seg.FS));
    addItem(selector(Seg.DS));
    addItem(selector(Seg.ES));
  }
  addItem(selector(Seg.SS));
  addItem(gpr(Gpr.RSP));
  addFrame();
  if (!storeFrame(baseOf(ss), limitOf(ss), rightsOf(ss), sp, (ssSel & 0xfffc) | ext)) return;
  if (rip > <u64>limitOf(cs)) {
    raise(Vector.GP, ext);
    return;
  }
  setGpr(Gpr.RSP, withStackPointer(sp, framePointer, stackMask(rightsOf(ss))));
  loadSegment(Seg.SS, ssSel, ss);
  if (v86) for (let s: u32 = 0; s < 6; s++) if (s != <u32>Seg.CS && s != <u32>Seg.SS) loadNull(s, 0, 0);
  enter(sel, cs, rip, cpl, clearIf);
}
