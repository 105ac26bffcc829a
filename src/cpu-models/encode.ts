/**
 * From a processor model to the CPUID page that the processor reads (assembly/cpu/features.ts): feature bytes, the
 * answers of CPUID, and the bits that control registers and MSRs may have.
 */
import { Capability, Offer, Word } from '../core/enums.gen.ts';
import { INSTRUCTION_FEATURES } from '../core/features.gen.ts';
import { putCaches } from './caches.ts';
import { FEATURE_WORDS, type Register } from './features.ts';
import type { CpuModel } from './resolve.ts';
import { vmxCapabilities } from './vmx.ts';

/** An answer of CPUID; subleaf ANY answers for all. */
export interface CpuidEntry {
  leaf: number;
  subleaf: number;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** Size of the CPUID page. */
export const CPUID_PAGE_BYTES = 0x1000;
const COUNT = 0x80;
const ENTRIES = 0x88;
const ENTRY_BYTES = 24;
const ANY = 0xffff_ffff;
const HYPERVISOR_LEAF = 0x4000_0000;
const EXTENDED = 0x8000_0000;
/** The TSC counts at 1 GHz: 40 ticks of a 25 MHz crystal. */
const TSC = { crystalHz: 25_000_000, numerator: 40, denominator: 1, mhz: 1000 } as const;

/** Bits of the model's OFFERS word by the feature that they stand for. */
const OFFERS: Readonly<Record<string, number>> = {
  mtrr: Offer.MTRR,
  pat: Offer.PAT,
  mca: Offer.MCA,
  x2apic: Offer.X2APIC,
  'tsc-deadline': Offer.TSC_DEADLINE,
  tsc_adjust: Offer.TSC_ADJUST,
  lm: Offer.LONG_MODE,
  'arch-capabilities': Offer.ARCH_CAPABILITIES,
  apic: Offer.APIC,
  svm: Offer.SVM,
  vmx: Offer.VMX,
  xsaves: Offer.XSAVES,
  la57: Offer.LA57,
  pks: Offer.PKS,
  sse2: Offer.SSE2,
  'fdp-excptn-only': Offer.FDP_EXCPTN_ONLY,
  'zero-fcs-fds': Offer.ZERO_FCS_FDS,
  xgetbv1: Offer.XGETBV1,
  pdpe1gb: Offer.PDPE1GB,
  pse36: Offer.PSE36,
};

/** CR4 bits by the feature that brings them (SDM Vol. 3A, "Control Registers"). */
const CR4: Readonly<Record<string, bigint>> = {
  vme: 3n, // with PVI
  tsc: 4n,
  de: 8n,
  pse: 0x10n,
  pae: 0x20n,
  mce: 0x40n,
  pge: 0x80n,
  umip: 0x800n,
  la57: 0x1000n,
  vmx: 0x2000n,
  fsgsbase: 0x1_0000n,
  pcid: 0x2_0000n,
  xsave: 0x4_0000n,
  smep: 0x10_0000n,
  smap: 0x20_0000n,
  pku: 0x40_0000n,
  pks: 0x100_0000n,
};
/** CR4 bits that say what software promises about instructions; they may be set as soon as a part of these is there. */
const CR4_OSFXSR_OSXMMEXCPT = 0x600n;
const CR4_PCE = 0x100n;
/** EFER bits by the feature that brings them. LMA, which only the processor sets, is not among them. */
const EFER: Readonly<Record<string, bigint>> = { syscall: 1n, lm: 0x100n, nx: 0x800n, svm: 0x1000n };
const XCR0: Readonly<Record<string, bigint>> = { xsave: 3n, avx: 4n, pku: 0x200n };

/** IA32_MISC_ENABLE after reset: fast strings, no BTS, no PEBS; and MONITOR. */
const MISC_ENABLE = 0x1801n;
const MISC_ENABLE_MONITOR = 1n << 18n;
/**
 * IA32_ARCH_CAPABILITIES: nothing is executed speculatively, so that the processor is not susceptible to any of
 * Meltdown, L1TF, SSB, MDS, page-size-change MCE, TAA, stale data by MMIO, BHI, PBRSB, GDS, RFDS.
 */
const ARCH_CAPABILITIES = [0, 3, 4, 5, 6, 8, 13, 14, 15, 20, 24, 26, 27].reduce(
  (bits, n) => bits | (1n << BigInt(n)),
  0n,
);

const dword = (text: string) => [...text].reduce((value, c, n) => value | (c.charCodeAt(0) << (8 * n)), 0);
const sum = (table: Readonly<Record<string, bigint>>, has: (name: string) => boolean) =>
  Object.entries(table).reduce((bits, [name, bit]) => (has(name) ? bits | bit : bits), 0n);

/** EAX of leaf 1: family, model, stepping. */
export function signatureOf(model: CpuModel): number {
  const extended = model.family >= 15 ? model.family - 15 : 0;
  const family = Math.min(model.family, 15);
  return (extended << 20) | ((model.model >> 4) << 16) | (family << 8) | ((model.model & 15) << 4) | model.stepping;
}

/** The vendor string as three doublewords, in the order EBX, EDX, ECX. */
function identity(text: string): Pick<CpuidEntry, 'ebx' | 'ecx' | 'edx'> {
  return { ebx: dword(text.slice(0, 4)), edx: dword(text.slice(4, 8)), ecx: dword(text.slice(8, 12)) };
}

/** Every answer of CPUID that does not follow from the processor's state. */
export function cpuidEntries(model: CpuModel): CpuidEntry[] {
  const { reported } = model;
  const entries: CpuidEntry[] = [];
  const put = (leaf: number, answer: Partial<CpuidEntry>, subleaf = ANY) => {
    const inRange = leaf >= EXTENDED ? leaf <= model.extendedLevel : leaf <= model.level || leaf >= HYPERVISOR_LEAF;
    if (inRange) entries.push({ leaf, subleaf, eax: 0, ebx: 0, ecx: 0, edx: 0, ...answer });
  };
  const featuresOf = (leaf: number, subleaf: number, register: Register) => {
    let bits = 0;
    for (const word of FEATURE_WORDS) {
      if (word.leaf !== leaf || word.subleaf !== subleaf || word.register !== register) continue;
      for (const [bit, name] of Object.entries(word.names)) if (reported.has(name)) bits |= 1 << Number(bit);
    }
    return bits;
  };
  put(0, { eax: model.level, ...identity(model.vendor) });
  const lineOf8 = reported.has('clflush') ? 8 << 8 : 0;
  const leaf1 = { ecx: featuresOf(1, 0, 'ecx'), edx: featuresOf(1, 0, 'edx') };
  put(1, { eax: signatureOf(model), ebx: lineOf8 | (1 << 16), ...leaf1 });
  putCaches(model, put);
  // MWAIT extensions with no C-state below C1: systems idle with HLT.
  if (reported.has('monitor')) put(5, { eax: 64, ebx: 64, ecx: 3 });
  put(6, { eax: model.level >= 6 ? 4 : 0 });
  const word7 = (register: Register) => featuresOf(7, 0, register);
  const second7 = featuresOf(7, 1, 'eax');
  put(7, { eax: second7 !== 0 ? 1 : 0, ebx: word7('ebx'), ecx: word7('ecx'), edx: word7('edx') }, 0);
  if (second7 !== 0) put(7, { eax: second7 }, 1);
  put(0xb, { eax: 0, ebx: 1, ecx: 0x100 }, 0);
  put(0xb, { eax: 0, ebx: 1, ecx: 0x201 }, 1);
  if (reported.has('xsave')) {
    const xcr0 = Number(xcr0Of(model));
    put(0xd, { eax: xcr0, ecx: xcr0 & 0x200 ? 2696 : xcr0 & 4 ? 832 : 576 }, 0);
    put(0xd, { eax: featuresOf(0xd, 1, 'eax') }, 1);
    if (xcr0 & 4) put(0xd, { eax: 256, ebx: 576 }, 2);
    if (xcr0 & 0x200) put(0xd, { eax: 8, ebx: 2688 }, 9);
  }
  if (reported.has('tsc')) {
    put(0x15, { eax: TSC.denominator, ebx: TSC.numerator, ecx: TSC.crystalHz });
    put(0x16, { eax: TSC.mhz, ebx: TSC.mhz, ecx: 100 });
  }
  if (reported.has('hypervisor')) put(HYPERVISOR_LEAF, { eax: HYPERVISOR_LEAF, ...identity('vmlaunchvmla') });
  put(EXTENDED, { eax: model.extendedLevel, ...(model.vendor === 'AuthenticAMD' ? identity(model.vendor) : {}) });
  const extended = (register: Register) => featuresOf(0x80000001, 0, register);
  // AMD repeats the bits of leaf 1 that both vendors mean alike.
  const repeated = model.vendor === 'AuthenticAMD' ? leaf1.edx & 0x0183f3ff : 0;
  put(0x80000001, { eax: signatureOf(model), ecx: extended('ecx'), edx: extended('edx') | repeated });
  for (let n = 0; n < 3; n++) {
    const part = (k: number) => dword(model.brand.slice(16 * n + 4 * k, 16 * n + 4 * k + 4));
    put(0x80000002 + n, { eax: part(0), ebx: part(1), ecx: part(2), edx: part(3) });
  }
  put(0x80000007, { edx: featuresOf(0x80000007, 0, 'edx') });
  const linearBits = !reported.has('lm') ? 32 : reported.has('la57') ? 57 : 48;
  put(0x80000008, { eax: model.physBits | (linearBits << 8), ebx: featuresOf(0x80000008, 0, 'ebx') });
  return entries;
}

function xcr0Of(model: CpuModel): bigint {
  return model.reported.has('xsave') ? sum(XCR0, (name) => model.reported.has(name)) : 1n;
}

/** The CPUID page of a model. */
export function encodeModel(model: CpuModel): Uint8Array {
  const bytes = new Uint8Array(CPUID_PAGE_BYTES);
  const view = new DataView(bytes.buffer);
  const has = (name: string) => model.reported.has(name);
  // APM Vol. 3, "PREFETCH PREFETCHW": a processor with long mode has them whatever 3DNowPrefetch says.
  const executes = (name: string) => model.decoded.has(name) || (name === '3dnowprefetch' && has('lm'));
  for (const [n, name] of INSTRUCTION_FEATURES.entries()) bytes[n + 1] = executes(name) ? 1 : 0;
  const entries = cpuidEntries(model);
  if (ENTRIES + entries.length * ENTRY_BYTES > Word.CR4)
    throw new RangeError(`${entries.length} CPUID answers do not fit`);
  view.setUint32(COUNT, entries.length, true);
  for (const [n, entry] of entries.entries()) {
    const words = [entry.leaf, entry.subleaf, entry.eax, entry.ebx, entry.ecx, entry.edx];
    for (const [k, word] of words.entries()) view.setUint32(ENTRIES + n * ENTRY_BYTES + 4 * k, word, true);
  }
  const sse = model.decoded.has('sse') || has('fxsr') ? CR4_OSFXSR_OSXMMEXCPT : 0n;
  const pce = model.decoded.has('rdpmc') ? CR4_PCE : 0n;
  const offers = Object.entries(OFFERS).reduce((bits, [name, bit]) => (has(name) ? bits | bit : bits), 0);
  const cr4 = sum(CR4, has) | sse | pce;
  const words: Record<keyof typeof Word, bigint> = {
    CR4: cr4,
    EFER: sum(EFER, has),
    XCR0: xcr0Of(model),
    PHYS_MASK: (1n << BigInt(model.physBits)) - 1n,
    OFFERS: BigInt(offers | (model.vendor === 'GenuineIntel' ? Offer.INTEL : 0)),
    SIGNATURE: BigInt(signatureOf(model)),
    MISC_ENABLE:
      model.vendor === 'GenuineIntel' ? MISC_ENABLE | (has('monitor') ? MISC_ENABLE_MONITOR : 0n) : MISC_ENABLE_MONITOR,
    ARCH_CAPABILITIES,
  };
  const put = (at: number, word: bigint) => view.setBigUint64(at, word, true);
  for (const [name, at] of Object.entries(Word)) put(at, words[name as keyof typeof Word]);
  if (has('vmx')) for (const [n, word] of vmxCapabilities(has, cr4).entries()) put(Capability.BASIC + 8 * n, word);
  return bytes;
}
