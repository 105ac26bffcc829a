/** Hardware task switching (SDM Vol. 3A, "Task Switching"). */
import { cpu, gpr, Seg, setGpr } from '../cpu/state';
import { Exit, exit, setExitLength } from '../cpu/exit';
import { Intercept, intercepts } from '../cpu/intercepts';
import { abandoned, Pending, raise, Vector } from '../cpu/pending';
import { Flag, rflags } from '../cpu/flags';
import { inLongMode, Rights, segBase, segLimit, segRights, selector, setSegment } from '../cpu/segments';
import { resumeFlag, writeRflags } from '../cpu/rflags';
import { Cr0, Cr4 } from '../cpu/control';
import { Dr6, updateDebug, updateStepping } from '../cpu/debug';
import { readSystem, writeSystem } from '../mmu/access';
import { flushSpace, selectBank } from '../mmu/tlb';
import { loadPdptes } from '../mmu/walk';
import { updateMode } from '../mmu/mode';
import {
  baseOf, dplOf, ext, fetchDescriptor, inTable, isCode, isConforming, isNull, isPresent, isWritableData, limitOf, loadNull, loadSegment,
  markAccessed, raiseFor, rightsOf, setTypeByte, System, typeOf,
} from './descriptor';
import { addItem, beginFrame, commitStackPointer, pushFrame } from './frame';
import { setRealSegment } from './segments';

/** What asks for the switch. */
export const enum TaskSwitch { JMP, CALL, IRET, INTERRUPT }

/**
 * True after a switch that went through: an event that is pending nevertheless is one of the new task, in whose context
 * everything is already.
 */
export let switched: bool = false;
export function clearSwitched(): void { switched = false; }

const SAVED: usize = memory.data(104);
@inline function field32(offset: usize): u32 { return load<u32>(SAVED + offset); }
@inline function field16(offset: usize): u32 { return load<u16>(SAVED + offset); }

/** General registers, selectors and the rest of a TSS, in the two formats. */
const enum Tss32 { LINK = 0, CR3 = 28, EIP = 32, EFLAGS = 36, EAX = 40, ES = 72, LDT = 96, TRAP = 100, LIMIT = 103 }
const enum Tss16 { LINK = 0, IP = 14, FLAGS = 16, AX = 18, ES = 34, LDT = 42, LIMIT = 43 }

@inline function isWide(type: u32): bool { return (type & 8) != 0; }

/**
 * Switches to the task of TSS selector `sel`. `rip` is where the old task goes on; `offset` is how far the running
 * instruction is from its block's start, for faults in the new task. `errorCode` is pushed there unless negative.
 */
export function switchTask(sel: u32, how: TaskSwitch, rip: u64, offset: u32, errorCode: i64 = -1): void {
  switched = false;
  const vector: i32 = how == TaskSwitch.IRET ? Vector.TS : Vector.GP;
  if ((sel & 4) != 0 || isNull(sel) || !inTable(sel, 8)) {
    raiseFor(vector, sel);
    return;
  }
  const d = fetchDescriptor(sel, vector);
  if (abandoned()) return;
  const type = typeOf(d);
  const busy: u32 = how == TaskSwitch.IRET ? 2 : 0;
  if (type != (System.TSS32 | busy) && type != (System.TSS16 | busy)) {
    raiseFor(vector, sel);
    return;
  }
  if (!isPresent(d)) {
    raiseFor(Vector.NP, sel);
    return;
  }
  if (limitOf(d) < <u32>(isWide(type) ? Tss32.LIMIT : Tss16.LIMIT)) {
    raiseFor(Vector.TS, sel);
    return;
  }
  if (intercepts(Intercept.TASK_SWITCH)) {
    exitOnSwitch(sel, how, rip, offset);
    return;
  }
  if (!readTss(baseOf(d), isWide(type)) || !saveOld(rip, how)) return;
  if (!markBusy(sel, d, how)) return;
  const nested = how == TaskSwitch.CALL || how == TaskSwitch.INTERRUPT;
  if (nested) {
    writeSystem<u16>(baseOf(d), <u16>selector(Seg.TR));
    if (abandoned()) return;
  }
  enterTask(sel, d, isWide(type), nested);
  if (!abandoned() && errorCode >= 0) pushErrorCode(<u32>errorCode, isWide(type));
  updateMode();
  // The block loop adds the instruction's offset when it leaves a block for a fault.
  if (cpu.pending == Pending.EVENT) cpu.blockRip = cpu.blockRip - offset;
}

/** In a guest a task switch becomes a VM exit instead (SDM Vol. 3C, "Treatment of Task Switches"). */
function exitOnSwitch(sel: u32, how: TaskSwitch, rip: u64, offset: u32): void {
  const source: u64 = how == TaskSwitch.INTERRUPT ? 3 : how == TaskSwitch.JMP ? 2 : how == TaskSwitch.IRET ? 1 : 0;
  exit(Exit.TASK_SWITCH, (source << 30) | sel);
  setExitLength(how == TaskSwitch.INTERRUPT ? 0 : <u32>(rip - cpu.blockRip) - offset);
}

/** Copies the new TSS, so that nothing of it can fault later. */
function readTss(base: u64, wide: bool): bool {
  const size: u32 = wide ? Tss32.LIMIT + 1 : Tss16.LIMIT + 1;
  for (let at: u32 = 0; at < size; at += 4) {
    const value = readSystem<u32>((base + at) & 0xffffffff);
    if (abandoned()) return false;
    store<u32>(SAVED + at, value);
  }
  return true;
}

/** Writes the running task to its TSS: once all of its pages turned out to be writable. */
function saveOld(rip: u64, how: TaskSwitch): bool {
  const wide = isWide(segRights(Seg.TR));
  const base = segBase(Seg.TR);
  const last: u32 = wide ? Tss32.ES + 23 : Tss16.ES + 7;
  if (segLimit(Seg.TR) < last) {
    raiseFor(Vector.TS, selector(Seg.TR));
    return false;
  }
  const lastByte = readSystem<u8>(base + last);
  if (abandoned()) return false;
  writeSystem<u8>(base + last, lastByte);
  if (abandoned()) return false;
  let flags = rflags() | (resumeFlag() ? <u64>Flag.RF : 0);
  if (how == TaskSwitch.IRET) flags &= ~(<u64>Flag.NT);
  if (wide) {
    save32(base, Tss32.EIP, <u32>rip);
    save32(base, Tss32.EFLAGS, <u32>flags);
    for (let n: u32 = 0; n < 8; n++) save32(base, Tss32.EAX + (n << 2), <u32>gpr(n));
    for (let s: u32 = 0; s < 6; s++) save16(base, Tss32.ES + (s << 2), selector(s));
  } else {
    save16(base, Tss16.IP, <u32>rip);
    save16(base, Tss16.FLAGS, <u32>flags);
    for (let n: u32 = 0; n < 8; n++) save16(base, Tss16.AX + (n << 1), <u32>gpr(n));
    for (let s: u32 = 0; s < 4; s++) save16(base, Tss16.ES + (s << 1), selector(s));
  }
  return !abandoned();
}
function save32(base: u64, offset: u32, value: u32): void { if (!abandoned()) writeSystem<u32>((base + offset) & 0xffffffff, value); }
function save16(base: u64, offset: u32, value: u32): void { if (!abandoned()) writeSystem<u16>((base + offset) & 0xffffffff, <u16>value); }

/** Busy bits of both descriptors (SDM Vol. 3A, "Effect of a Task Switch on Busy Flag, NT Flag, ..."). */
function markBusy(sel: u32, d: u64, how: TaskSwitch): bool {
  if (how == TaskSwitch.JMP || how == TaskSwitch.IRET) {
    const old = fetchDescriptor(selector(Seg.TR), Vector.GP);
    if (abandoned()) return false;
    setTypeByte(selector(Seg.TR), <u8>(old >> 40) & ~2);
    if (abandoned()) return false;
  }
  if (how != TaskSwitch.IRET) setTypeByte(sel, <u8>(d >> 40) | 2);
  return !abandoned();
}

/** Loads the new task: from here on faults are its own. */
function enterTask(sel: u32, d: u64, wide: bool, nested: bool): void {
  switched = true;
  setSegment(Seg.TR, sel, baseOf(d), limitOf(d), rightsOf(d) | 2);
  cpu.cr0 |= Cr0.TS;
  if (wide && (cpu.cr0 & Cr0.PG) != 0) loadCr3(field32(Tss32.CR3));
  for (let n: u32 = 0; n < 8; n++) setGpr(n, wide ? <u64>field32(Tss32.EAX + (n << 2)) : 0xffff0000 | <u64>field16(Tss16.AX + (n << 1)));
  cpu.blockRip = wide ? field32(Tss32.EIP) : field16(Tss16.IP);
  let flags: u64 = wide ? field32(Tss32.EFLAGS) : field16(Tss16.FLAGS);
  if (nested) flags |= Flag.NT;
  writeRflags(0x3f7fd5, flags);
  const v86 = (flags & Flag.VM) != 0 && wide;
  cpu.dr7 &= ~(<u64>0x155);
  updateDebug();
  const first: usize = wide ? Tss32.ES : Tss16.ES;
  const count: u32 = wide ? 6 : 4;
  const csSel = field16(first + (wide ? 4 : 2));
  cpu.cpl = v86 ? 3 : csSel & 3;
  selectBank();
  // Visible selectors first: a fault finds them loaded, but not usable.
  for (let s: u32 = 0; s < 6; s++) loadNull(s, s < count ? field16(first + (s << (wide ? 2 : 1))) : 0, cpu.cpl);
  loadNull(Seg.LDTR, field16(wide ? Tss32.LDT : Tss16.LDT), 0);
  if (wide && (field16(Tss32.TRAP) & 1) != 0) {
    cpu.pendingDebug |= Dr6.BT;
  }
  updateStepping();
  loadLdt();
  if (abandoned()) return;
  if (v86) {
    for (let s: u32 = 0; s < 6; s++) setRealSegment(s, selector(s));
    return;
  }
  loadCode();
  if (!abandoned()) loadStack();
  for (let s: u32 = 0; s < 6; s++) if (!abandoned() && s != <u32>Seg.CS && s != <u32>Seg.SS) loadData(s);
  if (!abandoned() && cpu.blockRip > <u64>segLimit(Seg.CS)) raise(Vector.GP, ext);
}

function loadCr3(value: u32): void {
  if ((cpu.cr4 & Cr4.PAE) != 0 && !inLongMode() && !loadPdptes(value)) return;
  cpu.cr3 = value;
  flushSpace(0);
}

function loadLdt(): void {
  const sel = selector(Seg.LDTR);
  if (isNull(sel)) return;
  if ((sel & 4) != 0) {
    raiseFor(Vector.TS, sel);
    return;
  }
  const d = fetchDescriptor(sel, Vector.TS);
  if (abandoned()) return;
  if (typeOf(d) != System.LDT || !isPresent(d)) raiseFor(Vector.TS, sel);
  else loadSegment(Seg.LDTR, sel, d);
}
function loadCode(): void {
  const sel = selector(Seg.CS);
  if (isNull(sel)) {
    raise(Vector.TS, ext);
    return;
  }
  const d = fetchDescriptor(sel, Vector.TS);
  if (abandoned()) return;
  if (!isCode(d) || (isConforming(d) ? dplOf(d) > cpu.cpl : dplOf(d) != cpu.cpl)) raiseFor(Vector.TS, sel);
  else if (!isPresent(d)) raiseFor(Vector.NP, sel);
  else finish(Seg.CS, sel, d);
}
function loadStack(): void {
  const sel = selector(Seg.SS);
  if (isNull(sel)) {
    raise(Vector.TS, ext);
    return;
  }
  const d = fetchDescriptor(sel, Vector.TS);
  if (abandoned()) return;
  if (!isWritableData(d) || (sel & 3) != cpu.cpl || dplOf(d) != cpu.cpl) raiseFor(Vector.TS, sel);
  else if (!isPresent(d)) raiseFor(Vector.SS, sel);
  else finish(Seg.SS, sel, d);
}
function loadData(s: u32): void {
  const sel = selector(s);
  if (isNull(sel)) return;
  const d = fetchDescriptor(sel, Vector.TS);
  if (abandoned()) return;
  const type = typeOf(d);
  const readable = type >= 16 && (type & (Rights.CODE | Rights.READABLE)) != Rights.CODE;
  if (!readable || (!isConforming(d) && (dplOf(d) < cpu.cpl || dplOf(d) < (sel & 3)))) raiseFor(Vector.TS, sel);
  else if (!isPresent(d)) raiseFor(Vector.NP, sel);
  else finish(s, sel, d);
}
function finish(s: u32, sel: u32, d: u64): void {
  const marked = markAccessed(sel, d);
  if (!abandoned()) loadSegment(s, sel, marked);
}

/** The error code of the exception that a task gate handles, on the new task's stack. */
function pushErrorCode(code: u32, wide: bool): void {
  updateMode();
  beginFrame(wide ? 4 : 2);
  addItem(code);
  if (pushFrame(ext)) commitStackPointer();
}

/** IRET with NT set: back to the task that the running one's link names. */
export function returnToTask(rip: u64, offset: u32): void {
  const link = <u32>readSystem<u16>(segBase(Seg.TR));
  if (!abandoned()) switchTask(link, TaskSwitch.IRET, rip, offset);
}
