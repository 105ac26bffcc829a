/**
 * CPUID (SDM Vol. 2A, "CPUID—CPU Identification"): looks the leaf up in what the CPU model answers, and puts in the bits
 * that follow the state of the processor.
 */
import { CPUID, cpu, Gpr, gpr, setGpr } from '../cpu/state';
import { Cr4 } from '../cpu/control';
import { Exit } from '../cpu/exit';
import { in64 } from '../cpu/segments';
import { cpuidEntry, isIntel } from '../cpu/features';
import { Intercept } from '../cpu/intercepts';
import { heldMsr, MsrSlot } from '../cpu/msr';
import { Rec } from '../isa/record';
import { exitsIf } from './exits';

const EXTENDED: u32 = 0x80000000;
const MISC_LIMIT_CPUID: u64 = 1 << 22;
const MISC_MONITOR: u64 = 1 << 18;
const MISC_XD_DISABLE: u64 = 1 << 34;
const XSAVE_HEADER_END: u32 = 576;

@inline function maximum(leaf: u32): u32 {
  const e = cpuidEntry(leaf, 0);
  return e != 0 ? load<u32>(e) : 0;
}

/** The leaf that answers for `leaf`: Intel processors answer for an absent one with the highest basic leaf. */
function answering(leaf: u32): u32 {
  const basic = maximum(0);
  if (leaf <= basic || cpuidEntry(leaf, 0) != 0) return leaf;
  if ((leaf >> 30) == 2 && leaf <= maximum(EXTENDED)) return leaf;
  return isIntel() ? basic : leaf;
}

/** Bytes of an XSAVE area with these components, in standard or compacted format. */
function xsaveSize(components: u64, compacted: bool): u32 {
  let end = XSAVE_HEADER_END;
  for (let n: u32 = 2; n < 63; n++) {
    if ((components >> n & 1) == 0) continue;
    const e = cpuidEntry(0xd, n);
    if (e == 0) continue;
    const aligned = (load<u32>(e, 8) & 2) != 0;
    const at = compacted ? (aligned ? (end + 63) & ~63 : end) : load<u32>(e, 4);
    end = max(end, at + load<u32>(e));
  }
  return end;
}

@inline function bit(value: u32, n: u32, on: bool): u32 { return on ? value | (1 << n) : value & ~(1 << n); }

export function opCpuid(i: Rec): void {
  if (exitsIf(i, Intercept.CPUID, Exit.CPUID)) return;
  const leaf = answering(<u32>gpr(Gpr.RAX));
  const subleaf = <u32>gpr(Gpr.RCX);
  const e = cpuidEntry(leaf, subleaf);
  let a: u32 = 0, b: u32 = 0, c: u32 = 0, d: u32 = 0;
  if (e != 0) {
    a = load<u32>(e);
    b = load<u32>(e, 4);
    c = load<u32>(e, 8);
    d = load<u32>(e, 12);
  }
  switch (leaf) {
    case 0:
      if ((cpu.miscEnable & MISC_LIMIT_CPUID) != 0) a = min<u32>(a, 2);
      break;
    case 1:
      b = (b & 0xffffff) | (cpu.id << 24);
      c = bit(c, 27, (cpu.cr4 & Cr4.OSXSAVE) != 0);
      if ((cpu.miscEnable & MISC_MONITOR) == 0) c = bit(c, 3, false);
      if ((cpu.apicBase & 0x800) == 0) d = bit(d, 9, false);
      break;
    case 7:
      if (subleaf == 0) c = bit(c, 4, (cpu.cr4 & Cr4.PKE) != 0);
      break;
    case 0xb:
      if (e == 0) c = subleaf & 0xff;
      d = cpu.id;
      break;
    case 0xd:
      if (e != 0 && subleaf == 0) b = xsaveSize(cpu.xcr0, false);
      else if (e != 0 && subleaf == 1 && (a & 10) != 0) b = xsaveSize(cpu.xcr0 | heldMsr(MsrSlot.XSS), true);
      break;
    case 0x80000001:
      if ((cpu.miscEnable & MISC_XD_DISABLE) != 0) d = bit(d, 20, false);
      if (isIntel() && !in64()) d = bit(d, 11, false);
      break;
    default: break;
  }
  setGpr(Gpr.RAX, a);
  setGpr(Gpr.RBX, b);
  setGpr(Gpr.RCX, c);
  setGpr(Gpr.RDX, d);
}
