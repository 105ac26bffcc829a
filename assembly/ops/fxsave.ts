/** FXSAVE and FXRSTOR (SDM Vol. 1, "FXSAVE Area", and Vol. 2, FXSAVE): the 512-byte image of x87, MMX and SSE state. */
import { cpu, FPR, YMM } from '../cpu/state';
import { Cr4 } from '../cpu/control';
import { isIntel } from '../cpu/features';
import { abandoned, raise, Vector } from '../cpu/pending';
import { in64 } from '../cpu/segments';
import { State } from '../cpu/vector-state';
import { checkAlignment } from '../mmu/access';
import { memoryAddress } from '../isa/operand';
import { Rec } from '../isa/record';
import { copyIn, copyOut, probeWrite } from './linear-copy';
import { setControlWord, updateSummary } from './x87/control';
import { loadPointers, shownCodeSelector, shownDataPointer, shownDataSelector, shownOpcode } from './x87/pointers';

const IMAGE: u32 = 512;
export const MXCSR_MASK: u32 = 0xffff;
const ST: usize = 32;
const XMM: usize = 160;

/**
 * Linear address of a save area that has to be aligned to `alignment` bytes: #GP(0), or #AC(0) for misalignments that
 * the processor chooses (SDM Vol. 2A, "FXSAVE—Save x87 FPU, MMX Technology, and SSE State"). Intel's choose those
 * within a doubleword, and look at the alignment before they look whether the whole area is inside
 * the segment. Test abandoned().
 */
export function alignedArea(i: Rec, size: u32, alignment: u32, write: bool): u64 {
  const la = memoryAddress(i, isIntel() ? 1 : size, write);
  if (abandoned()) return la;
  if ((la & (alignment - 1)) == 0) return memoryAddress(i, size, write);
  if (!isIntel() || checkAlignment(la, 4)) raise(Vector.GP, 0);
  return la;
}
@inline function imageAddress(i: Rec, write: bool): u64 { return alignedArea(i, IMAGE, 16, write); }

/** The image, put together here before it is stored and taken apart here after it is loaded. */
const image: usize = memory.data(512);

/** x87 part of the image, also that of XSAVE: `wide` has 64-bit pointers. */
export function saveX87(to: usize, wide: bool): void {
  store<u16>(to, <u16>cpu.fcw);
  store<u16>(to, <u16>cpu.fsw, 2);
  store<u16>(to, <u16>(cpu.ftw & 0xff), 4);
  store<u16>(to, <u16>shownOpcode(), 6);
  if (wide) {
    store<u64>(to, cpu.fip, 8);
    store<u64>(to, shownDataPointer(), 16);
  } else {
    store<u32>(to, <u32>cpu.fip, 8);
    store<u32>(to, shownCodeSelector(), 12);
    store<u32>(to, <u32>shownDataPointer(), 16);
    store<u32>(to, shownDataSelector(), 20);
  }
  const top = (cpu.fsw >> 11) & 7;
  for (let n: u32 = 0; n < 8; n++) {
    const from = FPR + (((top + n) & 7) << 4);
    store<u64>(to + ST + (n << 4), load<u64>(from));
    store<u64>(to + ST + (n << 4), load<u16>(from, 8), 8);
  }
}
export function loadX87(from: usize, wide: bool): void {
  setControlWord(load<u16>(from));
  cpu.fsw = load<u16>(from, 2);
  cpu.ftw = load<u8>(from, 4);
  cpu.fop = load<u16>(from, 6) & 0x7ff;
  cpu.fip = wide ? load<u64>(from, 8) : load<u32>(from, 8);
  cpu.fdp = wide ? load<u64>(from, 16) : load<u32>(from, 16);
  cpu.fipSelector = wide ? 0 : load<u16>(from, 12);
  cpu.fdpSelector = wide ? 0 : load<u16>(from, 20);
  loadPointers();
  const top = (cpu.fsw >> 11) & 7;
  for (let n: u32 = 0; n < 8; n++) {
    const to = FPR + (((top + n) & 7) << 4);
    store<u64>(to, load<u64>(from + ST + (n << 4)));
    store<u64>(to, load<u16>(from + ST + (n << 4), 8), 8);
  }
  updateSummary();
}

function save(i: Rec, wide: bool): void {
  const la = imageAddress(i, true);
  // All of it is stored, so that an absent page is a write fault; what keeps its contents is read before.
  if (abandoned() || !probeWrite(la, IMAGE) || !copyIn(la, image, IMAGE)) return;
  memory.fill(image, 0, 24);
  saveX87(image, wide);
  store<u32>(image, cpu.mxcsr, 24);
  store<u32>(image, MXCSR_MASK, 28);
  const registers: u32 = in64() ? 16 : 8;
  if ((cpu.cr4 & Cr4.OSFXSR) != 0) {
    for (let n: u32 = 0; n < registers; n++) v128.store(image + XMM + (n << 4), v128.load(YMM + (n << 5)));
  }
  copyOut(la, image, IMAGE);
}
function restore(i: Rec, wide: bool): void {
  const la = imageAddress(i, false);
  if (abandoned()) return;
  if (!copyIn(la, image, IMAGE)) return;
  const sse = (cpu.cr4 & Cr4.OSFXSR) != 0;
  const mxcsr = load<u32>(image, 24);
  if (sse && (mxcsr & ~MXCSR_MASK) != 0) {
    raise(Vector.GP, 0);
    return;
  }
  loadX87(image, wide);
  if (!sse) return;
  cpu.initialized &= ~State.SSE;
  cpu.mxcsr = mxcsr;
  const registers: u32 = in64() ? 16 : 8;
  for (let n: u32 = 0; n < registers; n++) v128.store(YMM + (n << 5), v128.load(image + XMM + (n << 4)));
}
export function opFxsave(i: Rec): void { save(i, false); }
export function opFxsave64(i: Rec): void { save(i, true); }
export function opFxrstor(i: Rec): void { restore(i, false); }
export function opFxrstor64(i: Rec): void { restore(i, true); }
