/** Software interrupts (SDM Vol. 2A, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"). */
import { cpu, Seg } from '../cpu/state';
import { isIntel } from '../cpu/features';
import { abandoned, Event, raise, raiseSoftware, Vector } from '../cpu/pending';
import { Flag, ovf, rflags, signExtend } from '../cpu/flags';
import { inV86, segBase, segLimit, selector } from '../cpu/segments';
import { writeRflags } from '../cpu/rflags';
import { Cr4 } from '../cpu/control';
import { read, readSystem } from '../mmu/access';
import { updateMode } from '../mmu/mode';
import { memoryAddress } from '../isa/operand';
import { lengthOf, nextRip, Rec } from '../isa/record';
import { addItem, beginFrame, commitStackPointer, pushFrame } from './frame';
import { setRealSegment } from './segments';

function interrupt(i: Rec, vector: u32, type: i32): void {
  cpu.eventLength = lengthOf(i);
  raiseSoftware(vector, type);
}

/**
 * Does the TSS redirect INT `vector` to the 8086 program (SDM Vol. 3B, "Class 3: Software Interrupt Handling in
 * Virtual-8086 Mode")? The bitmap is the 32 bytes below the I/O permission map. Test abandoned().
 */
export function isRedirected(vector: u32): bool {
  if ((cpu.cr4 & Cr4.VME) == 0) return false;
  const base = segBase(Seg.TR);
  const map = <u32>readSystem<u16>(base + 102);
  if (abandoned()) return false;
  const at = map - 32 + (vector >> 3);
  if (map < 32 || at > segLimit(Seg.TR)) {
    raise(Vector.GP, 0);
    return false;
  }
  const bits = readSystem<u8>(base + at);
  return !abandoned() && (bits >> <u8>(vector & 7) & 1) == 0;
}

/** Calls the handler of the 8086 program's own interrupt table, with VIF in the place of IF below IOPL 3. */
export function callV86(vector: u32, returnTo: u64): void {
  const entry = read<u32>(vector << 2);
  if (abandoned()) return;
  const virtual = (cpu.rflags & Flag.IOPL) != Flag.IOPL;
  let flags = rflags();
  if (virtual) flags = (flags & ~(<u64>Flag.IF)) | Flag.IOPL | ((flags & Flag.VIF) != 0 ? Flag.IF : 0);
  beginFrame(2);
  addItem(flags);
  addItem(selector(Seg.CS));
  addItem(returnTo);
  if (!pushFrame(0)) return;
  commitStackPointer();
  setRealSegment(Seg.CS, entry >> 16);
  cpu.blockRip = entry & 0xffff;
  writeRflags(Flag.TF | Flag.NT | Flag.RF | (virtual ? Flag.VIF : Flag.IF), 0);
  updateMode();
}

export function opInt<S>(i: Rec): void {
  const vector = <u32>i.imm & 0xff;
  if (inV86()) {
    const redirected = isRedirected(vector);
    if (abandoned()) return;
    if (redirected) {
      callV86(vector, nextRip(i));
      return;
    }
    if ((cpu.rflags & Flag.IOPL) != Flag.IOPL) {
      raise(Vector.GP, 0);
      return;
    }
  }
  interrupt(i, vector, Event.SOFTWARE_INT);
}
export function opInt3(i: Rec): void { interrupt(i, Vector.BP, Event.SOFTWARE_EXCEPTION); }
export function opInto(i: Rec): void {
  if (ovf() != 0) interrupt(i, Vector.OF, Event.SOFTWARE_EXCEPTION);
  else cpu.blockRip = nextRip(i);
}
/**
 * A trap (SDM Vol. 2A, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"); on AMD's processors RIP stays,
 * as after a fault.
 */
export function opInt1(i: Rec): void {
  if (isIntel()) interrupt(i, Vector.DB, Event.PRIVILEGED_TRAP);
  else raise(Vector.DB);
}

/** SDM Vol. 2A, "BOUND—Check Array Index Against Bounds": both bounds are signed. */
export function opBound<T, S>(i: Rec): void {
  const index = signExtend<T>(changetype<S>(0).read<T>(i));
  const lowAt = memoryAddress(i, sizeof<T>(), false);
  if (abandoned()) return;
  const low = signExtend<T>(read<T>(lowAt));
  if (abandoned()) return;
  const highAt = memoryAddress(i, sizeof<T>(), false, sizeof<T>());
  if (abandoned()) return;
  const high = signExtend<T>(read<T>(highAt));
  if (abandoned()) return;
  if (<i64>index < <i64>low || <i64>index > <i64>high) raise(Vector.BR);
}
