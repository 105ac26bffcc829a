/** LDTR and TR, and the instructions that only ask what a selector is worth (SDM Vol. 3A, "Pointer Validation"). */
import { cpu, Seg } from '../cpu/state';
import { Exit } from '../cpu/exit';
import { abandoned, raise, Vector } from '../cpu/pending';
import { changeFlags, Flag } from '../cpu/flags';
import { isCanonicalForRegister } from '../cpu/features';
import { inLongMode, Rights, selector, setSegment } from '../cpu/segments';
import { preventedByUmip } from './control-regs';
import { Rec } from '../isa/record';
import { exitsOnTable } from './exits';
import {
  baseOf, dplOf, fetchDescriptor, fetchUpper, inTable, isConforming, isNull, isPresent, limitOf, loadNull, raiseFor, rightsOf, setTypeByte, System, typeOf,
} from './descriptor';

/** Loads LDTR or TR; in IA-32e mode the descriptor has 16 bytes and a 64-bit base. */
function loadSystemSegment(s: u32, sel: u32, d: u64, rights: u32): void {
  let base = baseOf(d);
  if (inLongMode()) {
    const upper = fetchUpper(sel, Vector.GP);
    if (abandoned()) return;
    base |= upper << 32;
    if (((upper >> 40) & 31) != 0 || !isCanonicalForRegister(base)) {
      raiseFor(Vector.GP, sel);
      return;
    }
  }
  if (s == <u32>Seg.TR) {
    setTypeByte(sel, <u8>rights);
    if (abandoned()) return;
  }
  setSegment(s, sel, base, limitOf(d), rights);
}

/** What the VM-exit instruction information calls them. */
const enum Access { SLDT, STR, LLDT, LTR }

export function opLldt<S>(i: Rec): void {
  if (exitsOnTable(i, Exit.LDTR_TR, Access.LLDT)) return;
  const sel = <u32>changetype<S>(0).read<u16>(i);
  if (abandoned()) return;
  if (isNull(sel)) {
    loadNull(Seg.LDTR, sel, 0);
    return;
  }
  if ((sel & 4) != 0) {
    raiseFor(Vector.GP, sel);
    return;
  }
  const d = fetchDescriptor(sel, Vector.GP);
  if (abandoned()) return;
  if (typeOf(d) != System.LDT) raiseFor(Vector.GP, sel);
  else if (!isPresent(d)) raiseFor(Vector.NP, sel);
  else loadSystemSegment(Seg.LDTR, sel, d, rightsOf(d));
}

export function opLtr<S>(i: Rec): void {
  if (exitsOnTable(i, Exit.LDTR_TR, Access.LTR)) return;
  const sel = <u32>changetype<S>(0).read<u16>(i);
  if (abandoned()) return;
  if (isNull(sel)) {
    raise(Vector.GP, 0);
    return;
  }
  if ((sel & 4) != 0) {
    raiseFor(Vector.GP, sel);
    return;
  }
  const d = fetchDescriptor(sel, Vector.GP);
  if (abandoned()) return;
  const type = typeOf(d);
  if (type != System.TSS32 && (type != System.TSS16 || inLongMode())) raiseFor(Vector.GP, sel);
  else if (!isPresent(d)) raiseFor(Vector.NP, sel);
  else loadSystemSegment(Seg.TR, sel, d, rightsOf(d) | 2);
}

/** False with a pending #GP(0) where UMIP prevents it outside CPL 0, or with a VM exit. */
function maySee(i: Rec, access: Access): bool {
  return !preventedByUmip() && !exitsOnTable(i, Exit.LDTR_TR, access);
}
export function opSldt<T, D>(i: Rec): void { if (maySee(i, Access.SLDT)) changetype<D>(0).write<T>(i, <T>selector(Seg.LDTR)); }
export function opSldtMem<D>(i: Rec): void { if (maySee(i, Access.SLDT)) changetype<D>(0).write<u16>(i, <u16>selector(Seg.LDTR)); }
export function opStr<T, D>(i: Rec): void { if (maySee(i, Access.STR)) changetype<D>(0).write<T>(i, <T>selector(Seg.TR)); }
export function opStrMem<D>(i: Rec): void { if (maySee(i, Access.STR)) changetype<D>(0).write<u16>(i, <u16>selector(Seg.TR)); }

@inline function answer(yes: bool): void { changeFlags(Flag.ZF, yes ? Flag.ZF : 0); }

/** The descriptor of `sel` where it is visible from the running level; 0 where it is not. Test abandoned(). */
function visible(sel: u32): u64 {
  if (isNull(sel) || !inTable(sel, 8)) return 0;
  const d = fetchDescriptor(sel, Vector.GP);
  if (abandoned()) return 0;
  return isConforming(d) || (dplOf(d) >= cpu.cpl && dplOf(d) >= (sel & 3)) ? d : 0;
}
@inline function oneOf(type: u32, types: u32): bool { return type >= 16 || (types >> type & 1) != 0; }

const TSS_AND_LDT: u32 = (1 << System.TSS16) | (1 << System.LDT) | (1 << System.TSS16_BUSY) | (1 << System.TSS32) | (1 << System.TSS32_BUSY);
const LONG_TSS_AND_LDT: u32 = (1 << System.LDT) | (1 << System.TSS32) | (1 << System.TSS32_BUSY);

export function opLar<T, D, S>(i: Rec): void {
  const sel = <u32>changetype<S>(0).read<u16>(i);
  if (abandoned()) return;
  const d = visible(sel);
  if (abandoned()) return;
  const legacy: u32 = TSS_AND_LDT | (1 << System.CALL16) | (1 << System.TASK_GATE) | (1 << System.CALL32);
  const good = d != 0 && oneOf(typeOf(d), inLongMode() ? LONG_TSS_AND_LDT | (1 << System.CALL32) : legacy);
  answer(good);
  if (good) changetype<D>(0).write<T>(i, <T>((d >> 32) & 0xffff00));
}
export function opLsl<T, D, S>(i: Rec): void {
  const sel = <u32>changetype<S>(0).read<u16>(i);
  if (abandoned()) return;
  const d = visible(sel);
  if (abandoned()) return;
  const good = d != 0 && oneOf(typeOf(d), inLongMode() ? LONG_TSS_AND_LDT : TSS_AND_LDT);
  answer(good);
  if (good) changetype<D>(0).write<T>(i, <T>limitOf(d));
}
export function opVerr<S>(i: Rec): void {
  const sel = <u32>changetype<S>(0).read<u16>(i);
  if (abandoned()) return;
  const d = visible(sel);
  if (abandoned()) return;
  answer(d != 0 && typeOf(d) >= 16 && (typeOf(d) & (Rights.CODE | Rights.READABLE)) != Rights.CODE);
}
export function opVerw<S>(i: Rec): void {
  const sel = <u32>changetype<S>(0).read<u16>(i);
  if (abandoned()) return;
  const d = visible(sel);
  if (abandoned()) return;
  answer(d != 0 && typeOf(d) >= 16 && (typeOf(d) & (Rights.CODE | Rights.WRITABLE)) == Rights.WRITABLE);
}

/** SDM Vol. 3A, "Checking Caller Access Privileges (ARPL Instruction)" */
export function opArpl<D, S>(i: Rec): void {
  const mine = <u32>changetype<S>(0).read<u16>(i) & 3;
  const sel = <u32>changetype<D>(0).read<u16>(i);
  if (abandoned()) return;
  const raised = (sel & 3) < mine;
  if (raised) changetype<D>(0).write<u16>(i, <u16>((sel & 0xfffc) | mine));
  if (abandoned()) return;
  answer(raised);
}
