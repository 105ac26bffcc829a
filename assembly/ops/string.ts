/**
 * String instructions (SDM Vol. 1, "String Operations"). A repeated one commits its registers after every piece of
 * work: a fault or a pause leaves those of the completed iterations, with RIP at the instruction, which then goes on
 * where it stopped. A piece is what one host pointer per operand can reach, else a single element by the ordinary
 * access path.
 */
import { cpu, GPR, Gpr, Seg, setReg } from '../cpu/state';
import { isIntel } from '../cpu/features';
import { abandon, abandoned, Attention, Pending, spend } from '../cpu/pending';
import { closeShadow } from '../cpu/rflags';
import { in64, linearAddress, segBase, segmentAllows } from '../cpu/segments';
import { Flag, flagsSub } from '../cpu/flags';
import { stackBit } from '../isa/operand';
import { addressMask, addressSize, Info, Rec, segmentOf } from '../isa/record';
import { read, write } from '../mmu/access';
import { Access, lookup } from '../mmu/tlb';
import { copyElements, fillElements } from './string-bulk';

const RAX: usize = GPR;
const RCX: usize = GPR + 8 * Gpr.RCX;
const RSI: usize = GPR + 8 * Gpr.RSI;
const RDI: usize = GPR + 8 * Gpr.RDI;

/** What work costs, in instructions that would take as long; a repeated instruction pauses when it has spent SLICE. */
export const SLICE: u32 = 16384;
/** An element by the ordinary access path, which may lead to a device. */
const ELEMENT_COST: u32 = 16;
const PIECE_COST: u32 = 64;

/**
 * How many elements there are to do. With a 32-bit address size Intel's processors clear the upper half of RCX
 * before they do the first, if any; MOVS and STOS that of their indices too.
 */
@inline function elements(i: Rec): u64 {
  if (!repeats(i)) return 1;
  if (addressSize(i) == 1 && isIntel()) narrow(RCX);
  return load<u64>(RCX) & addressMask(i);
}
/** Clears the upper half of an index of a repeated instruction, where `elements` cleared that of RCX. */
@inline function narrowIndex(i: Rec, register: usize): void {
  if (repeats(i) && addressSize(i) == 1 && isIntel()) narrow(register);
}
@inline function narrow(register: usize): void { store<u32>(register, 0, 4); }

@inline function repeats(i: Rec): bool { return (i.info & (Info.REP | Info.REPNE)) != 0; }
@inline function down(): bool { return (cpu.rflags & Flag.DF) != 0; }
/** Bytes from one element to the next. */
@inline function stride<T>(): u64 { return down() ? -(<u64>sizeof<T>()) : <u64>sizeof<T>(); }

/** Writes the part of a register that the address size names. */
function setIndex(i: Rec, register: usize, value: u64): void {
  const size = addressSize(i);
  if (size == 2) store<u64>(register, value);
  else if (size == 1) setReg<u32>(register, <u32>value);
  else setReg<u16>(register, <u16>value);
}
@inline function advance(i: Rec, register: usize, bytes: u64): void {
  setIndex(i, register, load<u64>(register) + bytes);
}

function readElement<T>(s: u32, offset: u64, stack: u32): T {
  const la = linearAddress(s, offset, sizeof<T>(), false, stack != 0);
  return abandoned() ? <T>0 : read<T>(la, stack);
}
function writeElement<T>(offset: u64, value: T): void {
  const la = linearAddress(Seg.ES, offset, sizeof<T>(), true, false);
  if (!abandoned()) write<T>(la, value);
}
@inline function sourceElement<T>(i: Rec): T {
  return readElement<T>(segmentOf(i), load<u64>(RSI) & addressMask(i), stackBit(i));
}
@inline function targetElement<T>(i: Rec): T { return readElement<T>(Seg.ES, load<u64>(RDI) & addressMask(i), 0); }

/** Host pointer to the first element of the last span. */
let spanHost: u32 = 0;
/**
 * How many elements of 2^`shift` bytes, `most` at most, can be reached from the one at `offset` through one host
 * pointer: in one page, one segment and without wrapping. 0: not even one.
 */
function span(s: u32, offset: u64, mask: u64, shift: u32, most: u64, access: u32): u64 {
  const size: u32 = 1 << shift;
  if ((cpu.attention & Attention.DEBUG) != 0) return 0;
  let la = offset;
  if (!in64()) la = (la + segBase(s)) & 0xffffffff;
  else if (s == Seg.FS || s == Seg.GS) la += segBase(s);
  const host = lookup(la, size, access);
  if (host == 0) return 0;
  spanHost = host;
  const inPage: u64 = la & 0xfff;
  const backward = down();
  let n = backward ? (inPage >> shift) + 1 : (0x1000 - inPage) >> shift;
  n = min<u64>(n, most);
  n = min<u64>(n, (backward ? offset >> shift : (mask - offset) >> shift) + 1);
  if (in64()) return n;
  const first = backward ? offset - ((n - 1) << shift) : offset;
  return segmentAllows(s, <u32>first, <u32>n << shift, access == Access.WRITE) ? n : 0;
}
@inline function sourceSpan<T>(i: Rec, most: u64): u64 {
  return span(segmentOf(i), load<u64>(RSI) & addressMask(i), addressMask(i), alignof<T>(), most, Access.READ);
}
@inline function targetSpan<T>(i: Rec, most: u64, access: u32): u64 {
  return span(Seg.ES, load<u64>(RDI) & addressMask(i), addressMask(i), alignof<T>(), most, access);
}
/** Host address of the lowest byte of `n` elements that start at `host`. */
@inline function lowest<T>(host: u32, n: u64): u32 { return down() ? host - <u32>(n - 1) * sizeof<T>() : host; }

/**
 * After a piece of work: must the instruction leave the processor to others before it goes on? It then comes back to
 * the same RIP, without an interrupt shadow; what it spent is taken from the instructions that `run` may still execute.
 */
export function pauses(spent: u32): bool {
  if (spent < SLICE && cpu.attention == 0) return false;
  spend(spent);
  closeShadow();
  abandon(Pending.PAUSED);
  return true;
}

export function opMovs<T>(i: Rec): void {
  const repeated = repeats(i);
  let left = elements(i);
  narrowIndex(i, RSI);
  narrowIndex(i, RDI);
  let spent: u32 = 0;
  while (left != 0) {
    let n: u64 = repeated ? sourceSpan<T>(i, left) : 0;
    const from = spanHost;
    if (n != 0) n = targetSpan<T>(i, n, Access.WRITE);
    if (n != 0) {
      copyElements<T>(lowest<T>(spanHost, n), lowest<T>(from, n), <u32>n * sizeof<T>(), down());
      spent += PIECE_COST;
    } else {
      const value = sourceElement<T>(i);
      if (abandoned()) return;
      writeElement<T>(load<u64>(RDI) & addressMask(i), value);
      if (abandoned()) return;
      n = 1;
      spent += ELEMENT_COST;
    }
    advance(i, RSI, n * stride<T>());
    advance(i, RDI, n * stride<T>());
    if (!repeated) return;
    left -= n;
    setIndex(i, RCX, left);
    if (left != 0 && pauses(spent)) return;
  }
}

export function opStos<T, S>(i: Rec): void {
  const repeated = repeats(i);
  let left = elements(i);
  narrowIndex(i, RDI);
  let spent: u32 = 0;
  const value = load<T>(RAX);
  while (left != 0) {
    let n: u64 = repeated ? targetSpan<T>(i, left, Access.WRITE) : 0;
    if (n != 0) {
      fillElements<T>(lowest<T>(spanHost, n), value, <u32>n * sizeof<T>());
      spent += PIECE_COST;
    } else {
      writeElement<T>(load<u64>(RDI) & addressMask(i), value);
      if (abandoned()) return;
      n = 1;
      spent += ELEMENT_COST;
    }
    advance(i, RDI, n * stride<T>());
    if (!repeated) return;
    left -= n;
    setIndex(i, RCX, left);
    if (left != 0 && pauses(spent)) return;
  }
}

export function opLods<T, D>(i: Rec): void {
  const repeated = repeats(i);
  let left = elements(i);
  let spent: u32 = 0;
  while (left != 0) {
    let n: u64 = repeated ? sourceSpan<T>(i, left) : 0;
    let value: T;
    if (n != 0) {
      value = load<T>(spanHost + <u32>((n - 1) * stride<T>()));
      spent += PIECE_COST;
    } else {
      value = sourceElement<T>(i);
      if (abandoned()) return;
      n = 1;
      spent += ELEMENT_COST;
    }
    setReg<T>(RAX, value);
    advance(i, RSI, n * stride<T>());
    if (!repeated) return;
    left -= n;
    setIndex(i, RCX, left);
    if (left != 0 && pauses(spent)) return;
  }
}

/**
 * SCAS and CMPS write the flags of the last comparison when they are done, not before: a fault restores them (SDM
 * Vol. 2B, "REP/REPE/REPZ/REPNE/REPNZ"). On AMD's processors a fault leaves those of the last comparison.
 */
export function opScas<T, S>(i: Rec): void {
  const repeated = repeats(i);
  const whileEqual = (i.info & Info.REP) != 0;
  let left = elements(i);
  let spent: u32 = 0;
  const wanted = load<T>(RAX);
  let value: T = 0;
  let compared = false;
  while (left != 0) {
    let n: u64 = repeated ? targetSpan<T>(i, left, Access.READ) : 0;
    if (n != 0) {
      const step = <u32>stride<T>();
      const last = spanHost + <u32>(n - 1) * step;
      let at = spanHost;
      while (true) {
        value = load<T>(at);
        if ((value == wanted) != whileEqual || at == last) break;
        at += step;
      }
      n = <u64>(down() ? spanHost - at : at - spanHost) / sizeof<T>() + 1;
      spent += PIECE_COST + <u32>n;
    } else {
      const element = targetElement<T>(i);
      if (abandoned()) {
        if (compared && !isIntel()) flagsSub<T>(wanted, value, <T>(wanted - value));
        return;
      }
      value = element;
      n = 1;
      spent += ELEMENT_COST;
    }
    compared = true;
    advance(i, RDI, n * stride<T>());
    left -= n;
    if (repeated) setIndex(i, RCX, left);
    if (left == 0 || (value == wanted) != whileEqual) {
      flagsSub<T>(wanted, value, <T>(wanted - value));
      return;
    }
    if (pauses(spent)) return;
  }
}

export function opCmps<T>(i: Rec): void {
  const repeated = repeats(i);
  const whileEqual = (i.info & Info.REP) != 0;
  let left = elements(i);
  let spent: u32 = 0;
  let one: T = 0, other: T = 0;
  let compared = false;
  while (left != 0) {
    let n: u64 = repeated ? sourceSpan<T>(i, left) : 0;
    let source = spanHost;
    if (n != 0) n = targetSpan<T>(i, n, Access.READ);
    if (n != 0) {
      const step = <u32>stride<T>();
      let at = spanHost;
      const last = at + <u32>(n - 1) * step;
      while (true) {
        one = load<T>(source);
        other = load<T>(at);
        if ((one == other) != whileEqual || at == last) break;
        at += step;
        source += step;
      }
      n = <u64>(down() ? spanHost - at : at - spanHost) / sizeof<T>() + 1;
      spent += PIECE_COST + <u32>n;
    } else {
      // Where both would fault silicon reports the one at rDI; the manual gives no order.
      const target = targetElement<T>(i);
      const from = abandoned() ? <T>0 : sourceElement<T>(i);
      if (abandoned()) {
        if (compared && !isIntel()) flagsSub<T>(one, other, <T>(one - other));
        return;
      }
      other = target;
      one = from;
      n = 1;
      spent += ELEMENT_COST;
    }
    compared = true;
    advance(i, RSI, n * stride<T>());
    advance(i, RDI, n * stride<T>());
    left -= n;
    if (repeated) setIndex(i, RCX, left);
    if (left == 0 || (one == other) != whileEqual) {
      flagsSub<T>(one, other, <T>(one - other));
      return;
    }
    if (pauses(spent)) return;
  }
}
