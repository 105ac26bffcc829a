/** Loads of segment registers (SDM Vol. 2B, "MOV—Move"; Vol. 3A, "Privilege Level Checking When Accessing Data Segments"). */
import { cpu, Seg } from '../cpu/state';
import { isIntel } from '../cpu/features';
import { abandoned, raise, Vector } from '../cpu/pending';
import { in64, inProtected, inV86, Rights, setSegBase, setSegment, setSelector } from '../cpu/segments';
import { openStackShadow } from '../cpu/rflags';
import { updateMode } from '../mmu/mode';
import { read } from '../mmu/access';
import { Rec } from '../isa/record';
import { memoryAddress } from '../isa/operand';
import {
  dplOf, fetchDescriptor, isConforming, isNull, isPresent, isWritableData, loadNull, loadSegment, markAccessed,
  raiseFor, typeOf,
} from './descriptor';
import { closeStack, openStack, pop, popPart } from './stack-access';

const V86_RIGHTS: u32 = 0xf3;

/**
 * In real-address mode a load changes selector and base only: limit and rights stay what they were, which is how
 * "unreal" mode comes about. In virtual-8086 mode all of the hidden part is fixed.
 */
export function setRealSegment(s: u32, sel: u32): void {
  const base = <u64>(sel & 0xffff) << 4;
  if (inV86()) setSegment(s, sel, base, 0xffff, V86_RIGHTS);
  else {
    setSelector(s, sel);
    setSegBase(s, base);
  }
}

/** Leaves the running block where the instructions behind this one would decode otherwise. */
function noteSegments(): void {
  const key = cpu.modeKey;
  updateMode();
  if (cpu.modeKey != key) cpu.leave = 1;
}

/** Is a data or readable code descriptor usable from `cpl` through a selector with `rpl`? */
@inline function isReadable(d: u64): bool {
  const type = typeOf(d);
  return type >= 16 && (type & (Rights.CODE | Rights.READABLE)) != Rights.CODE;
}

/** SS in protected mode. */
function loadStackSegment(sel: u32): void {
  const cpl = cpu.cpl;
  if (isNull(sel)) {
    if (!in64() || cpl == 3 || (sel & 3) != cpl) raise(Vector.GP, 0);
    else loadNull(Seg.SS, sel, cpl);
    return;
  }
  const d = fetchDescriptor(sel, Vector.GP);
  if (abandoned()) return;
  if ((sel & 3) != cpl || dplOf(d) != cpl || !isWritableData(d)) {
    raiseFor(Vector.GP, sel);
    return;
  }
  if (!isPresent(d)) {
    raiseFor(Vector.SS, sel);
    return;
  }
  const marked = markAccessed(sel, d);
  if (!abandoned()) loadSegment(Seg.SS, sel, marked);
}

/** Loads segment register `s`, never CS, as the running mode does it. Test abandoned(). */
export function loadSegmentRegister(s: u32, sel: u32): void {
  if (!inProtected()) setRealSegment(s, sel);
  else if (s == <u32>Seg.SS) loadStackSegment(sel);
  else if (isNull(sel)) loadNull(s, sel, 0);
  else {
    const d = fetchDescriptor(sel, Vector.GP);
    if (abandoned()) return;
    if (!isReadable(d) || (!isConforming(d) && (dplOf(d) < cpu.cpl || dplOf(d) < (sel & 3)))) {
      raiseFor(Vector.GP, sel);
      return;
    }
    if (!isPresent(d)) {
      raiseFor(Vector.NP, sel);
      return;
    }
    const marked = markAccessed(sel, d);
    if (abandoned()) return;
    loadSegment(s, sel, marked);
  }
  if (!abandoned() && s != <u32>Seg.FS && s != <u32>Seg.GS) noteSegments();
}

export function opMovToSreg<S>(i: Rec): void {
  const s = i.b;
  if (s == <u32>Seg.CS || s > <u32>Seg.GS) {
    raise(Vector.UD);
    return;
  }
  const sel = <u32>changetype<S>(0).read<u16>(i);
  if (abandoned()) return;
  loadSegmentRegister(s, sel);
  if (!abandoned() && s == <u32>Seg.SS) openStackShadow();
}

export function opPopSreg<T>(i: Rec): void {
  openStack();
  // Intel's processors read no more than the selector of a doubleword.
  const sel = sizeof<T>() == 4 && isIntel() ? <u32>popPart<u16>(4) : <u32>pop<T>() & 0xffff;
  if (abandoned()) return;
  const s = i.b;
  if (s == <u32>Seg.SS) {
    // The new SS.B does not matter for this pop.
    loadSegmentRegister(s, sel);
    if (abandoned()) return;
    closeStack();
    openStackShadow();
    return;
  }
  loadSegmentRegister(s, sel);
  if (!abandoned()) closeStack();
}

/** LDS and its kin: a far pointer of offset and selector. */
@inline function loadFarPointer<T, D>(i: Rec, s: u32): void {
  const offsetAt = memoryAddress(i, sizeof<T>(), false);
  if (abandoned()) return;
  const offset = read<T>(offsetAt);
  if (abandoned()) return;
  const selectorAt = memoryAddress(i, 2, false, sizeof<T>());
  if (abandoned()) return;
  const sel = <u32>read<u16>(selectorAt);
  if (abandoned()) return;
  loadSegmentRegister(s, sel);
  if (!abandoned()) changetype<D>(0).write<T>(i, offset);
}
export function opLds<T, D>(i: Rec): void { loadFarPointer<T, D>(i, Seg.DS); }
export function opLes<T, D>(i: Rec): void { loadFarPointer<T, D>(i, Seg.ES); }
export function opLss<T, D>(i: Rec): void { loadFarPointer<T, D>(i, Seg.SS); }
export function opLfs<T, D>(i: Rec): void { loadFarPointer<T, D>(i, Seg.FS); }
export function opLgs<T, D>(i: Rec): void { loadFarPointer<T, D>(i, Seg.GS); }
