/** MMX instructions that have no SSE form, or another one: moves, word shuffles and inserts, masked stores, EMMS. */
import { BOUNCE, cpu, Gpr, gpr, setReg } from '../cpu/state';
import { isIntel } from '../cpu/features';
import { abandoned, Pending, Vector } from '../cpu/pending';
import { endMmx, enterMmx, State } from '../cpu/vector-state';
import { linearAddress } from '../cpu/segments';
import { checkAlignment, leaveIf, commitBounce, writeUnaligned } from '../mmu/access';
import { Access, lookup } from '../mmu/tlb';
import { addressMask, isMemory, Rec, segmentOf } from '../isa/record';
import { commitVector, put128, putMmx, putMmxTo, sourceMmx, UNALIGNED, writeVector } from '../isa/vector';

@inline function isPageFault(): bool { return cpu.pending == Pending.EVENT && cpu.vector == Vector.PF; }
@inline function storeRm<T>(i: Rec): void {
  if (!isMemory(i)) {
    setReg<T>(i.base, load<T>(i.a));
    return;
  }
  const p = writeVector(i, sizeof<T>(), UNALIGNED);
  if (p == 0) {
    // Intel's processors have entered MMX state before they translate the address.
    if (isIntel() && isPageFault()) enterMmx();
    return;
  }
  store<T>(p, load<T>(i.a));
  commitVector(p);
}
export function opMovdToMmx(i: Rec): void {
  const p = sourceMmx(i, 4);
  if (p != 0) putMmx(i, load<u32>(p));
}
export function opMovqToMmx(i: Rec): void {
  const p = sourceMmx(i);
  if (p != 0) putMmx(i, load<u64>(p));
}
export function opMovdFromMmx(i: Rec): void { storeRm<u32>(i); }
export function opMovqFromMmx(i: Rec): void { storeRm<u64>(i); }
export function opMovqMmx<D, S>(i: Rec): void {
  if (!changetype<D>(0).isRm()) opMovqToMmx(i);
  else if (isMemory(i)) storeRm<u64>(i);
  else putMmxTo(i.base, load<u64>(i.a));
}
export function opMovntq(i: Rec): void { storeRm<u64>(i); }
export function opMovq2dq(i: Rec): void { put128(i, v128.load64_zero(i.base)); }
export function opMovdq2q(i: Rec): void { putMmx(i, load<u64>(i.base)); }
/** The x87 registers are empty and TOP is 0, for the floating-point instructions that follow. */
export function opEmms(i: Rec): void {
  endMmx();
  cpu.ftw = 0;
  cpu.initialized &= ~State.X87;
}

export function opPmovmskb(i: Rec): void { store<u64>(i.a, i8x16.bitmask(v128.load64_zero(i.base))); }
export function opPshufw(i: Rec): void {
  const p = sourceMmx(i);
  if (p == 0) return;
  const value = load<u64>(p);
  let result: u64 = 0;
  for (let n: u32 = 0; n < 4; n++) result |= ((value >> (((i.imm >> (2 * n)) & 3) << 4)) & 0xffff) << (n << 4);
  putMmx(i, result);
}
export function opPinsrw(i: Rec): void {
  const p = sourceMmx(i, 2);
  if (p == 0) return;
  store<u16>(i.a + ((i.imm & 3) << 1), load<u16>(p));
  putMmx(i, load<u64>(i.a));
}
export function opPinsrwMem(i: Rec): void { opPinsrw(i); }
export function opPextrw(i: Rec): void { store<u64>(i.a, load<u16>(i.base + ((i.imm & 3) << 1))); }
export function opPshufb(i: Rec): void {
  const p = sourceMmx(i);
  if (p == 0) return;
  const indices = v128.and(v128.load64_zero(p), i8x16.splat(<i8>0x87));
  putMmx(i, i64x2.extract_lane(i8x16.swizzle(v128.load64_zero(i.a), indices), 0));
}

/** Writes the bytes of the register at `from` whose mask byte at `mask` is negative to DS:rDI. */
@inline function maskedStore(i: Rec, size: u32, from: u32, mask: u32): void {
  const la = linearAddress(segmentOf(i), gpr(Gpr.RDI) & addressMask(i), size, true, false);
  if (abandoned()) return;
  // Intel's processors store two quadwords.
  if (!checkAlignment(la, isIntel() ? 8 : size)) return;
  let p = lookup(la, size, Access.WRITE);
  if (p == 0) p = writeUnaligned(la, size, 0, true);
  if (p == 0) return;
  for (let n: u32 = 0; n < size; n++) if (load<i8>(mask + n) < 0) store<u8>(p + n, load<u8>(from + n));
  if (p == <u32>BOUNCE) leaveIf(commitBounce());
}
/** On Intel's processors in MMX state before the store is tried at all. */
export function opMaskmovq(i: Rec): void {
  if (isIntel()) enterMmx();
  maskedStore(i, 8, i.a, i.base);
}
export function opMaskmovdqu(i: Rec): void { maskedStore(i, 16, i.a, i.base); }
