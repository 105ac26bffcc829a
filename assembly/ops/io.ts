/**
 * Port I/O (SDM Vol. 1, "Input/Output"). Whatever can fault is looked at before the port: an IN cannot be taken back.
 */
import { cpu, Gpr, GPR, gpr, Seg, setGpr, setReg } from '../cpu/state';
import { Exit, setExitLinear, setExitOperands } from '../cpu/exit';
import { Intercept, intercepts } from '../cpu/intercepts';
import { abandoned, raise, Vector } from '../cpu/pending';
import { Cr0 } from '../cpu/control';
import { Flag } from '../cpu/flags';
import { hitsPortBreakpoint } from '../cpu/debug';
import { linearAddress, segBase, segLimit, segRights } from '../cpu/segments';
import { Access, lookup } from '../mmu/tlb';
import { readMiss, readSystem, writeMiss } from '../mmu/access';
import { portIn, portOut } from '../mmu/bus';
import { commitPointer } from '../isa/operand';
import { addressMask, addressSize, Info, Rec, segmentOf } from '../isa/record';
import { exitsOnPorts } from '../vmx/intercepts';
import { pauses, SLICE } from './string';
import { instructionExit, linearOf } from './exits';

/** What an iteration of a repeated INS or OUTS costs, in instructions that take as long. */
const ITERATION_COST: u32 = 16;
const TSS_IO_BASE: u64 = 102;

/** SDM Vol. 1, "I/O Permission Bit Map": #GP(0) unless IOPL or the bitmap of a 32- or 64-bit TSS allows all bytes. */
function mayAccess(port: u32, width: u32): bool {
  const iopl = <u32>(cpu.rflags >> 12) & 3;
  if ((cpu.cr0 & Cr0.PE) == 0) return true;
  if ((cpu.rflags & Flag.VM) == 0 && cpu.cpl <= iopl) return true;
  const limit = segLimit(Seg.TR);
  if ((segRights(Seg.TR) & 8) != 0 && limit >= 103) {
    const at = <u32>readSystem<u16>(segBase(Seg.TR) + TSS_IO_BASE) + (port >> 3);
    if (abandoned()) return false;
    if (at + 1 <= limit) {
      const bits = <u32>readSystem<u16>(segBase(Seg.TR) + at);
      if (abandoned()) return false;
      if (((bits >> (port & 7)) & ((1 << width) - 1)) == 0) return true;
    }
  }
  raise(Vector.GP, 0);
  return false;
}

/** The port is DX or an immediate byte; the opcodes of the latter are E4H to E7H. */
@inline function portOf(i: Rec): u32 { return (i.b & ~3) == 0xe4 ? <u32>i.imm & 0xff : <u32>gpr(Gpr.RDX) & 0xffff; }
/** Bits of the exit qualification (SDM Vol. 3C, "Exit Qualification for I/O Instructions"). */
const enum IoExit { IN = 8, STRING = 0x10, REP = 0x20, IMMEDIATE = 0x40 }

/** True: access to `width` ports from `port` on causes a VM exit. */
function exitsOnPort(i: Rec, port: u32, width: u32, how: u32): bool {
  if (!intercepts(Intercept.PORTS) || !exitsOnPorts(port, width)) return false;
  instructionExit(i, Exit.IO_INSTRUCTION, (width - 1) | how | (port << 16));
  return true;
}
/** The same for INS and OUTS. */
function exitsOnString(i: Rec, port: u32, width: u32, input: bool): bool {
  const repeated = (i.info & (Info.REP | Info.REPNE)) != 0;
  if (!exitsOnPort(i, port, width, IoExit.STRING | (input ? IoExit.IN : 0) | (repeated ? IoExit.REP : 0))) return false;
  const s: u32 = input ? Seg.ES : segmentOf(i);
  setExitLinear(linearOf(s, gpr(input ? Gpr.RDI : Gpr.RSI) & addressMask(i)));
  setExitOperands((addressSize(i) << 7) | (s << 15));
  return true;
}
@inline function immediateBit(i: Rec): u32 { return (i.b & ~3) == 0xe4 ? <u32>IoExit.IMMEDIATE : 0; }

/** There is no 64-bit I/O: REX.W changes nothing. */
@inline function ioWidth<T>(): u32 { return sizeof<T>() == 8 ? 4 : sizeof<T>(); }

export function opIn<T, D, S>(i: Rec): void {
  const port = portOf(i);
  if (!mayAccess(port, ioWidth<T>()) || exitsOnPort(i, port, ioWidth<T>(), IoExit.IN | immediateBit(i))) return;
  const value = portIn(port, ioWidth<T>());
  hitsPortBreakpoint(port, ioWidth<T>());
  if (sizeof<T>() == 8) setReg<u32>(GPR, value);
  else setReg<T>(GPR, <T>value);
}
export function opOut<T, D, S>(i: Rec): void {
  const port = portOf(i);
  if (!mayAccess(port, ioWidth<T>()) || exitsOnPort(i, port, ioWidth<T>(), immediateBit(i))) return;
  hitsPortBreakpoint(port, ioWidth<T>());
  portOut(port, ioWidth<T>(), <u32>(sizeof<T>() == 1 ? gpr(Gpr.RAX) & 0xff : sizeof<T>() == 2 ? gpr(Gpr.RAX) & 0xffff : gpr(Gpr.RAX) & 0xffffffff));
}

/** Adds `delta` to an index or count register of the address size. */
@inline function step(r: u32, mask: u64, delta: i64): void {
  const value = gpr(r) + <u64>delta;
  setGpr(r, mask == 0xffff ? (gpr(r) & ~mask) | (value & mask) : value & mask);
}

@inline function insOnce(i: Rec, port: u32, width: u32): void {
  const la = linearAddress(Seg.ES, gpr(Gpr.RDI) & addressMask(i), width, true, false);
  if (abandoned()) return;
  let p = lookup(la, width, Access.WRITE);
  if (p == 0) p = writeMiss(la, width, 0, false);
  if (p == 0) return;
  const value = portIn(port, width);
  if (width == 1) store<u8>(p, <u8>value);
  else if (width == 2) store<u16>(p, <u16>value);
  else store<u32>(p, value);
  commitPointer(p);
}
@inline function outsOnce(i: Rec, port: u32, width: u32): void {
  const la = linearAddress(segmentOf(i), gpr(Gpr.RSI) & addressMask(i), width, false, false);
  if (abandoned()) return;
  let p = lookup(la, width, Access.READ);
  if (p == 0) p = readMiss(la, width, 0);
  if (p == 0) return;
  portOut(port, width, width == 1 ? load<u8>(p) : width == 2 ? load<u16>(p) : load<u32>(p));
}

/** INS and OUTS. */
function stringIo(i: Rec, width: u32, input: bool): void {
  const mask = addressMask(i);
  const repeated = (i.info & (Info.REP | Info.REPNE)) != 0;
  const port = <u32>gpr(Gpr.RDX) & 0xffff;
  // Silicon looks at the permission even where the count is 0.
  if (!mayAccess(port, width) || exitsOnString(i, port, width, input)) return;
  if (repeated && (gpr(Gpr.RCX) & mask) == 0) return;
  const delta: i64 = (cpu.rflags & Flag.DF) != 0 ? -<i64>width : width;
  let spent: u32 = 0;
  do {
    if (input) insOnce(i, port, width);
    else outsOnce(i, port, width);
    if (abandoned()) return;
    hitsPortBreakpoint(port, width);
    step(input ? Gpr.RDI : Gpr.RSI, mask, delta);
    if (!repeated) return;
    step(Gpr.RCX, mask, -1);
    if ((gpr(Gpr.RCX) & mask) == 0) return;
    // INS may have overwritten itself.
    spent += cpu.leave == 0 ? ITERATION_COST : SLICE;
  } while (!pauses(spent));
}
export function opIns<T, P>(i: Rec): void { stringIo(i, ioWidth<T>(), true); }
export function opOuts<T, P>(i: Rec): void { stringIo(i, ioWidth<T>(), false); }
