/**
 * XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS (SDM Vol. 1, "Managing State Using the XSAVE Feature Set"): x87, SSE, AVX
 * and PKRU state in an area of standard or compacted format.
 */
import { cpu, FPR, Gpr, gpr, YMM } from '../cpu/state';
import { Cr0, Cr4 } from '../cpu/control';
import { Exit } from '../cpu/exit';
import { cpuidEntry, isIntel } from '../cpu/features';
import { Intercept, intercepts } from '../cpu/intercepts';
import { heldMsr, MsrSlot } from '../cpu/msr';
import { abandoned, raise, Vector } from '../cpu/pending';
import { in64 } from '../cpu/segments';
import { State as Part } from '../cpu/vector-state';
import { Rec } from '../isa/record';
import { flushKeyed } from '../mmu/tlb';
import { exitsOnComponents } from '../vmx/intercepts';
import { alignedArea, loadX87, MXCSR_MASK, saveX87 } from './fxsave';
import { copyIn, copyOut, probeWrite } from './linear-copy';
import { displacement, instructionExit, operandInformation } from './exits';
import { initFpu } from './x87/control';

const enum Area { MXCSR = 24, ST = 32, XMM = 160, HEADER = 512, EXTENDED = 576, AVX_BYTES = 256, PKRU = 2688, PKRU_BYTES = 8 }
const COMPACTED: u64 = 1 << 63;
const MXCSR_INIT: u32 = 0x1f80;
const image: usize = memory.data(832, 16);
const HEADER: usize = 64;

/** The requested components, or 0 with an event pending. `supervisor`: those of IA32_XSS too. */
function requested(supervisor: bool): u64 {
  if ((cpu.cr4 & Cr4.OSXSAVE) == 0) raise(Vector.UD);
  else if ((cpu.cr0 & Cr0.TS) != 0) raise(Vector.NM);
  const mask = (gpr(Gpr.RDX) << 32) | (gpr(Gpr.RAX) & 0xffffffff);
  return mask & enabled(supervisor);
}
@inline function enabled(supervisor: bool): u64 { return supervisor ? cpu.xcr0 | heldMsr(MsrSlot.XSS) : cpu.xcr0; }
@inline function registers(): u32 { return in64() ? 16 : 8; }
@inline function pkruOffset(parts: u64, compact: bool): u32 {
  return !compact ? Area.PKRU : Area.EXTENDED + ((parts & Part.AVX) != 0 ? Area.AVX_BYTES : 0);
}
/** Bytes of an area with these components. */
function areaSize(parts: u64, compact: bool): u32 {
  if ((parts & Part.PKRU) != 0) return pkruOffset(parts, compact) + Area.PKRU_BYTES;
  return (parts & Part.AVX) != 0 ? Area.EXTENDED + Area.AVX_BYTES : Area.EXTENDED;
}
@inline function areaAddress(i: Rec, size: u32, write: bool): u64 { return alignedArea(i, size, 64, write); }

function anySet(from: usize, count: u32, stride: u32): bool {
  for (let n: u32 = 0; n < count; n++) if (v128.any_true(v128.load(from + n * stride))) return true;
  return false;
}
const TRACKED: u64 = Part.X87 | Part.SSE | Part.AVX;
/** Components whose values are not the initial ones. */
function changed(): u64 {
  let parts: u64 = 0;
  if (cpu.fcw != 0x37f || (cpu.fsw | cpu.ftw | cpu.fop | cpu.fipSelector | cpu.fdpSelector) != 0 || (cpu.fip | cpu.fdp) != 0
    || anySet(FPR, 8, 16)) parts |= Part.X87;
  if (anySet(YMM, registers(), 32)) parts |= Part.SSE;
  if (anySet(YMM + 16, registers(), 32)) parts |= Part.AVX;
  if (cpu.pkru != 0) parts |= Part.PKRU;
  return parts;
}
/**
 * XINUSE (SDM Vol. 1, "Processor Tracking of XSAVE-Managed State"). On Intel's processors a component is in use from the
 * first write on, whatever was written, until XRSTOR or VZEROUPPER initializes it.
 */
export function inUse(): u64 {
  const values = changed();
  if (!isIntel()) return values;
  cpu.initialized &= ~<u32>values;
  return values | (TRACKED & ~<u64>cpu.initialized);
}

/** How a variant saves: which components it leaves out, and the format. */
function save(i: Rec, wide: bool, optimized: bool, compact: bool, supervisor: bool): void {
  const parts = requested(supervisor);
  if (abandoned()) return;
  const size = areaSize(parts, compact);
  const la = areaAddress(i, size, true);
  if (abandoned() || !probeWrite(la, size) || !copyIn(la + Area.HEADER, image, HEADER)) return;
  const old = load<u64>(image);
  let used = inUse();
  if (compact && cpu.mxcsr != MXCSR_INIT) used |= Part.SSE;
  const written = optimized ? parts & used : parts;
  store<u64>(image, compact ? parts & used : (old & ~parts) | (parts & used));
  store<u64>(image, parts | COMPACTED, 8);
  copyOut(la + Area.HEADER, image, compact ? 16 : 8);
  if ((written & Part.X87) != 0) {
    saveX87(image, wide);
    copyOut(la, image, Area.MXCSR);
    copyOut(la + Area.ST, image + Area.ST, Area.XMM - Area.ST);
  }
  if (compact ? (written & Part.SSE) != 0 : (parts & (Part.SSE | Part.AVX)) != 0) {
    store<u32>(image, cpu.mxcsr);
    store<u32>(image, MXCSR_MASK, 4);
    copyOut(la + Area.MXCSR, image, 8);
  }
  if ((written & Part.SSE) != 0) saveHalves(la + Area.XMM, YMM);
  if ((written & Part.AVX) != 0) saveHalves(la + Area.EXTENDED, YMM + 16);
  if ((written & Part.PKRU) != 0) {
    store<u64>(image, cpu.pkru);
    copyOut(la + pkruOffset(parts, compact), image, Area.PKRU_BYTES);
  }
}
function saveHalves(la: u64, from: usize): void {
  const count = registers();
  for (let n: u32 = 0; n < count; n++) v128.store(image + (n << 4), v128.load(from + (n << 5)));
  copyOut(la, image, count << 4);
}

/** CPUID.0DH.1:EAX[1]: XSAVEC and the compacted form of XRSTOR. */
function hasCompaction(): bool {
  const e = cpuidEntry(0xd, 1);
  return e != 0 && (load<u32>(e) & 2) != 0;
}
/** Is the header one that may be restored (SDM Vol. 1, "Operation of XRSTOR", "Operation of XRSTORS")? */
function validHeader(supervisor: bool, compact: bool): bool {
  const header = image + Area.HEADER;
  const state = load<u64>(header), format = load<u64>(header, 8);
  const reservedFrom: u32 = 16;
  const reservedTo: u32 = compact ? 64 : 24;
  for (let n = reservedFrom; n < reservedTo; n += 8) if (load<u64>(header + n) != 0) return false;
  if (!compact) return !supervisor && format == 0 && (state & ~cpu.xcr0) == 0;
  if (!hasCompaction()) return false;
  return (format & ~COMPACTED & ~enabled(supervisor)) == 0 && (state & ~(format & ~COMPACTED)) == 0;
}
function restore(i: Rec, wide: bool, supervisor: bool): void {
  const parts = requested(supervisor);
  if (abandoned()) return;
  const la = areaAddress(i, Area.EXTENDED, false);
  if (abandoned() || !copyIn(la, image, Area.EXTENDED)) return;
  const state = load<u64>(image, Area.HEADER), format = load<u64>(image, Area.HEADER + 8);
  const compact = (format & COMPACTED) != 0;
  const mxcsr = load<u32>(image, Area.MXCSR);
  const loadsMxcsr = compact ? (parts & state & Part.SSE) != 0 : (parts & (Part.SSE | Part.AVX)) != 0;
  const badMxcsr = loadsMxcsr && (mxcsr & ~MXCSR_MASK) != 0;
  if (!validHeader(supervisor, compact) || (badMxcsr && !(compact && isIntel()))) {
    raise(Vector.GP, 0);
    return;
  }
  const taken = parts & state;
  const layout = compact ? format : taken;
  areaAddress(i, areaSize(layout, compact), false);
  if (abandoned()) return;
  const count = registers();
  if ((taken & Part.AVX) != 0 && !copyIn(la + Area.EXTENDED, image + Area.EXTENDED, count << 4)) return;
  let pkru: u32 = 0;
  if ((taken & Part.PKRU) != 0) {
    if (!copyIn(la + pkruOffset(layout, compact), image + Area.HEADER, Area.PKRU_BYTES)) return;
    pkru = load<u32>(image, Area.HEADER);
  }
  cpu.initialized = (cpu.initialized & ~<u32>parts) | <u32>(parts & ~taken & TRACKED);
  if ((taken & Part.X87) != 0) loadX87(image, wide);
  else if ((parts & Part.X87) != 0) {
    initFpu();
    memory.fill(FPR, 0, 128);
    cpu.initialized |= Part.X87;
  }
  if (badMxcsr) {
    // Intel's processors find this in the compacted form when they have loaded the registers beside it.
    loadHalves(YMM, Area.XMM, count, true);
    raise(Vector.GP, 0);
    return;
  }
  if (loadsMxcsr) cpu.mxcsr = mxcsr;
  else if (compact && (parts & Part.SSE) != 0) cpu.mxcsr = MXCSR_INIT;
  if ((parts & Part.SSE) != 0) loadHalves(YMM, Area.XMM, count, (taken & Part.SSE) != 0);
  if ((parts & Part.AVX) != 0) loadHalves(YMM + 16, Area.EXTENDED, count, (taken & Part.AVX) != 0);
  if ((parts & Part.PKRU) != 0 && cpu.pkru != pkru) {
    cpu.pkru = pkru;
    flushKeyed(Cr4.PKE);
  }
}
function loadHalves(to: usize, offset: u32, count: u32, saved: bool): void {
  for (let n: u32 = 0; n < count; n++) v128.store(to + (n << 5), saved ? v128.load(image + offset + (n << 4)) : i64x2.splat(0));
}

/** What XSAVES and XRSTORS check first. True: an event is pending. */
function forbidden(i: Rec, reason: Exit): bool {
  if (intercepts(Intercept.NO_XSAVES) || (cpu.cr4 & Cr4.OSXSAVE) == 0) raise(Vector.UD);
  else if (cpu.cpl != 0) raise(Vector.GP, 0);
  else if (intercepts(Intercept.XSAVES)) {
    const mask = (gpr(Gpr.RDX) << 32) | (gpr(Gpr.RAX) & 0xffffffff);
    if (exitsOnComponents(mask & heldMsr(MsrSlot.XSS))) instructionExit(i, reason, displacement(i), operandInformation(i));
  }
  return abandoned();
}
function saves(i: Rec, wide: bool): void {
  if (!forbidden(i, Exit.XSAVES)) save(i, wide, true, true, true);
}
function restores(i: Rec, wide: bool): void {
  if (!forbidden(i, Exit.XRSTORS)) restore(i, wide, true);
}

export function opXsave(i: Rec): void { save(i, false, false, false, false); }
export function opXsave64(i: Rec): void { save(i, true, false, false, false); }
export function opXsaveopt(i: Rec): void { save(i, false, true, false, false); }
export function opXsaveopt64(i: Rec): void { save(i, true, true, false, false); }
export function opXsavec(i: Rec): void { save(i, false, true, true, false); }
export function opXsavec64(i: Rec): void { save(i, true, true, true, false); }
export function opXsaves(i: Rec): void { saves(i, false); }
export function opXsaves64(i: Rec): void { saves(i, true); }
export function opXrstor(i: Rec): void { restore(i, false, false); }
export function opXrstor64(i: Rec): void { restore(i, true, false); }
export function opXrstors(i: Rec): void { restores(i, false); }
export function opXrstors64(i: Rec): void { restores(i, true); }
