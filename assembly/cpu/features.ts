/**
 * What the CPU model offers, as src/cpu-models wrote it into the CPUID page:
 *
 *   0     a byte for each Feature of the opcode table
 *   0x80  number of CPUID entries u32
 *   0x88  entries of 24 bytes {leaf, subleaf or ANY, eax, ebx, ecx, edx}, by leaf
 *   0xf00 the words of enum Word, u64 each
 */
import { CPUID } from './state';

/** Words of the model: bits of registers that may be set, and constants of the processor. */
export const enum Word {
  CR4 = 0xf00, EFER = 0xf08, XCR0 = 0xf10, PHYS_MASK = 0xf18, OFFERS = 0xf20, SIGNATURE = 0xf28,
  MISC_ENABLE = 0xf30, ARCH_CAPABILITIES = 0xf38,
}
/** Bits of Word.OFFERS: what the model has beside instructions. src/cpu-models/encode.ts sets them. */
export const enum Offer {
  INTEL = 1, MTRR = 2, PAT = 4, MCA = 8, X2APIC = 0x10, TSC_DEADLINE = 0x20, TSC_ADJUST = 0x40, LONG_MODE = 0x80,
  ARCH_CAPABILITIES = 0x100, APIC = 0x200, SVM = 0x400, VMX = 0x800, XSAVES = 0x1000, LA57 = 0x2000, PKS = 0x4000,
  SSE2 = 0x8000, FDP_EXCPTN_ONLY = 0x1_0000, ZERO_FCS_FDS = 0x2_0000, XGETBV1 = 0x4_0000,
  PDPE1GB = 0x8_0000, PSE36 = 0x10_0000,
}

const COUNT: usize = CPUID + 0x80;
const ENTRIES: usize = CPUID + 0x88;
const ENTRY: usize = 24;
const ANY: u32 = 0xffffffff;

@inline export function modelWord(w: u32): u64 { return load<u64>(CPUID + w); }
@inline export function offers(bits: u32): bool { return (load<u32>(CPUID + Word.OFFERS) & bits) != 0; }
/**
 * Does the model say GenuineIntel? Where the silicon of the two vendors differs and no CPUID bit tells which way it goes,
 * this decides; models of AMD behave as AMD's.
 */
@inline export function isIntel(): bool { return offers(Offer.INTEL); }

/**
 * May a register that only holds an address (segment and table bases, MSRs) take `la`? It may be canonical to 57 bits
 * where the model has 5-level paging, whatever CR4.LA57 is.
 */
export function isCanonicalForRegister(la: u64): bool {
  const shift: u64 = offers(Offer.LA57) ? 7 : 16;
  return <u64>((<i64>(la << shift)) >> shift) == la;
}

/** Address of the answer {eax, ebx, ecx, edx} for a leaf and subleaf; 0 where the model has none. */
export function cpuidEntry(leaf: u32, subleaf: u32): usize {
  for (let n: u32 = 0, count = load<u32>(COUNT); n < count; n++) {
    const e = ENTRIES + n * ENTRY;
    if (load<u32>(e) != leaf) continue;
    const s = load<u32>(e, 4);
    if (s == subleaf || s == ANY) return e + 8;
  }
  return 0;
}
