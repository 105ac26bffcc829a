/**
 * Far JMP, CALL and RET (SDM Vol. 3A, "Privilege Level Checking When Transferring Program Control Between Code
 * Segments"). Checks come first; stack frames are written whole; registers change last.
 */
import { cpu, Gpr, gpr, Seg, setGpr } from '../cpu/state';
import { isIntel } from '../cpu/features';
import { abandoned, raise, Vector } from '../cpu/pending';
import { inLongMode, inProtected, isCanonical, segBase, segLimit, selector } from '../cpu/segments';
import { read, readSystem } from '../mmu/access';
import { selectBank } from '../mmu/tlb';
import { updateMode } from '../mmu/mode';
import { IMM, isMemory, nextRip, Rec } from '../isa/record';
import { memoryAddress } from '../isa/operand';
import {
  baseOf, dplOf, fetchDescriptor, fetchUpper, isBig, isCode, isConforming, isLong, isNull, isPresent, limitOf,
  loadNull, loadSegment, markAccessed, raiseFor, rightsOf, System, tssHolds, typeOf,
} from './descriptor';
import {
  addItem, beginFrame, commitStackPointer, framePointer, item, pushFrame, raisedStackPointer, readFrame, stackMask,
  storeFrame, withStackPointer,
} from './frame';
import { innerStack, readInnerStack } from './inner-stack';
import { checkTarget, dropInnerSegments, loadReturnPointer, loadReturnStack, returnCode, returnStack } from './iret';
import { setRealSegment } from './segments';
import { switchTask, TaskSwitch } from './task';

let farOffset: u64 = 0;
let farSelector: u32 = 0;

/** Reads the operand, an immediate or a far pointer in memory. */
@inline function readTarget<T>(i: Rec): bool {
  if (!isMemory(i)) {
    farOffset = <u64>load<T>(changetype<usize>(i), IMM);
    farSelector = i.b;
    return true;
  }
  const offsetAt = memoryAddress(i, sizeof<T>(), false);
  if (abandoned()) return false;
  farOffset = <u64>read<T>(offsetAt);
  if (abandoned()) return false;
  const selectorAt = memoryAddress(i, 2, false, sizeof<T>());
  if (abandoned()) return false;
  farSelector = <u32>read<u16>(selectorAt);
  return !abandoned();
}

function commitCode(sel: u32, cs: u64, rip: u64): void {
  loadSegment(Seg.CS, (sel & 0xfffc) | cpu.cpl, cs);
  cpu.blockRip = rip;
  updateMode();
}

/** Checks a code segment that JMP or CALL names directly. Test abandoned(). */
function directCode(sel: u32, d: u64): u64 {
  const dpl = dplOf(d);
  const good = isConforming(d) ? dpl <= cpu.cpl : dpl == cpu.cpl && (sel & 3) <= cpu.cpl;
  if (!good || (inLongMode() && isLong(d) && isBig(d))) {
    raiseFor(Vector.GP, sel);
    return 0;
  }
  if (!isPresent(d)) {
    raiseFor(Vector.NP, sel);
    return 0;
  }
  return markAccessed(sel, d);
}

/** What a call gate leads to. */
let gateRip: u64 = 0;
let gateSelector: u32 = 0;

/**
 * Checks the gate `sel` and the code segment behind it, which is returned. `call`: it may
 * lead inwards. Test abandoned().
 */
function throughGate(sel: u32, gate: u64, call: bool): u64 {
  if (dplOf(gate) < cpu.cpl || dplOf(gate) < (sel & 3)) {
    raiseFor(Vector.GP, sel);
    return 0;
  }
  if (!isPresent(gate)) {
    raiseFor(Vector.NP, sel);
    return 0;
  }
  gateRip = gate & 0xffff;
  if ((typeOf(gate) & 8) != 0) gateRip |= (gate >> 32) & 0xffff0000;
  const long = inLongMode();
  if (long) {
    const upper = fetchUpper(sel, Vector.GP);
    if (abandoned()) return 0;
    if (((upper >> 40) & 31) != 0) {
      raiseFor(Vector.GP, sel);
      return 0;
    }
    gateRip |= upper << 32;
  }
  gateSelector = <u32>(gate >> 16) & 0xffff;
  if (isNull(gateSelector)) {
    raise(Vector.GP, 0);
    return 0;
  }
  const cs = fetchDescriptor(gateSelector, Vector.GP);
  if (abandoned()) return 0;
  const dpl = dplOf(cs);
  const good = isCode(cs) && (call || isConforming(cs) ? dpl <= cpu.cpl : dpl == cpu.cpl)
    && (!long || (isLong(cs) && !isBig(cs)));
  if (!good) {
    raiseFor(Vector.GP, gateSelector);
    return 0;
  }
  if (!isPresent(cs)) {
    raiseFor(Vector.NP, gateSelector);
    return 0;
  }
  return markAccessed(gateSelector, cs);
}

/** Is it a gate or TSS of a kind that the running mode knows? #GP otherwise. */
function checkSystem(sel: u32, type: u32): bool {
  const long = inLongMode();
  const good = type == System.CALL32 || (!long && (type == System.CALL16 || type == System.TASK_GATE
    || type == System.TSS16 || type == System.TSS32));
  if (!good) raiseFor(Vector.GP, sel);
  return good;
}

/** To a TSS, directly or through a task gate. */
function toTask(i: Rec, sel: u32, d: u64, type: u32, how: TaskSwitch): void {
  if (dplOf(d) < cpu.cpl || dplOf(d) < (sel & 3)) {
    raiseFor(Vector.GP, sel);
    return;
  }
  if (!isPresent(d)) {
    raiseFor(Vector.NP, sel);
    return;
  }
  const tss = type == System.TASK_GATE ? <u32>(d >> 16) & 0xffff : sel;
  switchTask(tss, how, nextRip(i), i.offset);
}

export function opJmpFar<T>(i: Rec): void {
  if (!readTarget<T>(i)) return;
  const sel = farSelector;
  if (!inProtected()) {
    if (farOffset > <u64>segLimit(Seg.CS)) {
      raise(Vector.GP, 0);
      return;
    }
    setRealSegment(Seg.CS, sel);
    cpu.blockRip = farOffset;
    updateMode();
    return;
  }
  if (isNull(sel)) {
    raise(Vector.GP, 0);
    return;
  }
  const d = fetchDescriptor(sel, Vector.GP);
  if (abandoned()) return;
  if (isCode(d)) {
    const cs = directCode(sel, d);
    if (!abandoned() && checkTarget(cs, farOffset)) commitCode(sel, cs, farOffset);
    return;
  }
  const type = typeOf(d);
  if (!checkSystem(sel, type)) return;
  if ((type & 7) != System.CALL16) {
    toTask(i, sel, d, type, TaskSwitch.JMP);
    return;
  }
  const cs = throughGate(sel, d, false);
  if (!abandoned() && checkTarget(cs, gateRip)) commitCode(gateSelector, cs, gateRip);
}

/** Pushes CS and the return address in items of `width` bytes on the running stack. */
function pushReturn(i: Rec, width: u32): bool {
  beginFrame(width);
  addItem(selector(Seg.CS));
  addItem(nextRip(i));
  return pushFrame(0);
}

/**
 * Checks that `rip` can be run in the code segment `cs` and pushes CS and the return address. Intel's processors have
 * pushed when they check.
 */
function pushReturnTo(i: Rec, cs: u64, rip: u64, width: u32): bool {
  if (isIntel()) return pushReturn(i, width) && checkTarget(cs, rip);
  return checkTarget(cs, rip) && pushReturn(i, width);
}

export function opCallFar<T>(i: Rec): void {
  if (!readTarget<T>(i)) return;
  const sel = farSelector;
  const width: u32 = sizeof<T>();
  if (!inProtected()) {
    if (farOffset > <u64>segLimit(Seg.CS)) {
      raise(Vector.GP, 0);
      return;
    }
    if (!pushReturn(i, width)) return;
    commitStackPointer();
    setRealSegment(Seg.CS, sel);
    cpu.blockRip = farOffset;
    updateMode();
    return;
  }
  if (isNull(sel)) {
    raise(Vector.GP, 0);
    return;
  }
  const d = fetchDescriptor(sel, Vector.GP);
  if (abandoned()) return;
  if (isCode(d)) {
    const cs = directCode(sel, d);
    if (abandoned() || !pushReturnTo(i, cs, farOffset, width)) return;
    commitStackPointer();
    commitCode(sel, cs, farOffset);
    return;
  }
  const type = typeOf(d);
  if (!checkSystem(sel, type)) return;
  if ((type & 7) != System.CALL16) {
    toTask(i, sel, d, type, TaskSwitch.CALL);
    return;
  }
  const cs = throughGate(sel, d, true);
  if (abandoned()) return;
  const gateWidth: u32 = inLongMode() ? 8 : (type & 8) != 0 ? 4 : 2;
  if (!isConforming(cs) && dplOf(cs) < cpu.cpl) {
    if (!checkTarget(cs, gateRip)) return;
    if (inLongMode()) callInnerLong(i, cs);
    else callInner(i, cs, gateWidth, <u32>(d >> 32) & 31);
  } else if (pushReturnTo(i, cs, gateRip, gateWidth)) {
    commitStackPointer();
    commitCode(gateSelector, cs, gateRip);
  }
}

/** Writes the built frame with the rights of level `cpl`; false with the old level restored. */
function storeInner(cpl: u32, base: u64, limit: u32, rights: u32, sp: u64, code: u32): bool {
  const old = cpu.cpl;
  cpu.cpl = cpl;
  selectBank();
  if (storeFrame(base, limit, rights, sp, code)) return true;
  cpu.cpl = old;
  selectBank();
  return false;
}

/** SDM Vol. 3A, "Stack Switching": the parameters are copied between SS:ESP and the return address. */
function callInner(i: Rec, cs: u64, width: u32, parameters: u32): void {
  const cpl = dplOf(cs);
  if (!readInnerStack(cpl)) return;
  const sp = innerStack.pointer, ss = innerStack.descriptor, ssSel = innerStack.selector;
  if (parameters > 0 && !readFrame(width, parameters)) return;
  beginFrame(width);
  addItem(selector(Seg.SS));
  addItem(gpr(Gpr.RSP));
  for (let n = parameters; n > 0; n--) addItem(item(n - 1));
  addItem(selector(Seg.CS));
  addItem(nextRip(i));
  if (!storeInner(cpl, baseOf(ss), limitOf(ss), rightsOf(ss), sp, ssSel & 0xfffc)) return;
  setGpr(Gpr.RSP, withStackPointer(sp, framePointer, stackMask(rightsOf(ss))));
  loadSegment(Seg.SS, ssSel, ss);
  commitCode(gateSelector, cs, gateRip);
}

/** SDM Vol. 3A, "IA-32e Mode Call Gates" and "Stack Switching in 64-bit Mode": no parameters, SS becomes null. */
function callInnerLong(i: Rec, cs: u64): void {
  const cpl = dplOf(cs);
  const offset = 4 + (cpl << 3);
  if (!tssHolds(offset, 8)) return;
  const sp = readSystem<u64>(segBase(Seg.TR) + offset);
  if (abandoned()) return;
  if (!isCanonical(sp)) {
    raise(Vector.SS, 0);
    return;
  }
  const mask = cpu.laMask;
  const next = nextRip(i);
  cpu.laMask = u64.MAX_VALUE;
  beginFrame(8);
  addItem(selector(Seg.SS));
  addItem(gpr(Gpr.RSP));
  addItem(selector(Seg.CS));
  addItem(next);
  if (!storeInner(cpl, 0, 0, 0, sp, 0)) {
    cpu.laMask = mask;
    return;
  }
  setGpr(Gpr.RSP, framePointer);
  loadNull(Seg.SS, cpl, cpl);
  commitCode(gateSelector, cs, gateRip);
}

/** RET far, releasing `parameters` bytes on both stacks (SDM Vol. 2B, "RET—Return From Procedure"). */
function returnFar(width: u32, parameters: u32): void {
  if (!readFrame(width, 2)) return;
  const rip = item(0), sel = <u32>item(1) & 0xffff;
  if (!inProtected()) {
    if (rip > <u64>segLimit(Seg.CS)) {
      raise(Vector.GP, 0);
      return;
    }
    setGpr(Gpr.RSP, raisedStackPointer(2 * width + parameters));
    setRealSegment(Seg.CS, sel);
    cpu.blockRip = rip;
    updateMode();
    return;
  }
  const cs = returnCode(sel);
  if (abandoned()) return;
  const rpl = sel & 3;
  if (rpl == cpu.cpl) {
    if (!checkTarget(cs, rip)) return;
    setGpr(Gpr.RSP, raisedStackPointer(2 * width + parameters));
    commitCode(sel, cs, rip);
    return;
  }
  if (!readFrame(width, 2, 2 * width + parameters)) return;
  const sp = item(0), ssSel = <u32>item(1) & 0xffff;
  const ss = returnStack(ssSel, cs, rpl);
  if (abandoned() || !checkTarget(cs, rip)) return;
  cpu.cpl = rpl;
  loadReturnStack(ssSel, ss, rpl);
  loadReturnPointer(cs, sp + parameters);
  dropInnerSegments(rpl);
  commitCode(sel, cs, rip);
}
export function opRetf<T>(i: Rec): void { returnFar(sizeof<T>(), 0); }
export function opRetfImm<T, S>(i: Rec): void { returnFar(sizeof<T>(), <u32>i.imm & 0xffff); }
