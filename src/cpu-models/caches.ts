/**
 * The caches that CPUID describes. Nothing is cached here; guests size their buffers and schedule by what they read. Intel
 * describes them in leaves 2 and 4, AMD in 80000005H, 80000006H and 8000001DH (SDM Vol. 2A, "CPUID—CPU Identification"; APM
 * Vol. 3, "CPUID Fn8000_0005_E[D,C,B,A]X L1 Cache and TLB Identifiers" and the two after it).
 */
import type { ModelDefinition } from './models.ts';

/** Ways and sets of 64-byte lines. */
interface Cache {
  readonly ways: number;
  readonly sets: number;
}
export interface Caches {
  readonly l1d: Cache;
  readonly l1i: Cache;
  readonly l2: Cache;
  readonly l3?: Cache;
}
interface Answer {
  readonly eax?: number;
  readonly ebx?: number;
  readonly ecx?: number;
  readonly edx?: number;
}
type Put = (leaf: number, answer: Answer, subleaf?: number) => void;

const LINE = 64;
const KIB = 1024;
const cache = (kib: number, ways: number): Cache => ({ ways, sets: (kib * KIB) / (ways * LINE) });

const INTEL: Caches = { l1d: cache(32, 8), l1i: cache(32, 8), l2: cache(4096, 16) };
const K8: Caches = { l1d: cache(64, 2), l1i: cache(64, 2), l2: cache(512, 16), l3: cache(16384, 16) };
const ZEN: Caches = { l1d: cache(32, 8), l1i: cache(64, 4), l2: cache(512, 8), l3: cache(8192, 16) };
const ZEN3: Caches = { l1d: cache(32, 8), l1i: cache(32, 8), l2: cache(512, 8), l3: cache(32768, 16) };
const ZEN4: Caches = { ...ZEN3, l2: cache(1024, 8) };

/** Those of the model, as QEMU's models of that name have them. */
function cachesOf({ name, vendor }: ModelDefinition): Caches {
  if (vendor === 'GenuineIntel') return INTEL;
  if (name === 'EPYC') return ZEN;
  if (name === 'EPYC-Milan') return ZEN3;
  return name === 'EPYC-Genoa' ? ZEN4 : K8;
}

const bytes = ({ ways, sets }: Cache) => ways * sets * LINE;
/** Associativity as 80000006H encodes it. */
const CODED_WAYS: Readonly<Record<number, number>> = { 1: 1, 2: 2, 4: 4, 8: 6, 16: 8 };
const ONE_LINE_PER_TAG = 1 << 8;
/** Leaf 2: the byte that sends the reader to leaf 4; and 32 KiB L1 data, L1 instruction and 2 MiB L2 where there is none. */
const SEE_LEAF_4 = 0xff01;
const DESCRIPTORS = 0x002c307d;
/** 255 entries each of the L1 TLBs, fully associative; 512 of the L2 TLBs, of 4 ways. */
const L1_TLB = 0x01ff01ff;
const L2_TLB = 0x42004200;

const Kind = { DATA: 1, INSTRUCTION: 2, UNIFIED: 3 } as const;
const SELF_INITIALIZING = 1 << 8;

/** A cache in the form of leaves 4 and 8000001DH. */
function parameters(
  level: number,
  kind: number,
  { ways, sets }: Cache,
  edx: number,
  flags = SELF_INITIALIZING,
): Answer {
  return { eax: kind | (level << 5) | flags, ebx: (LINE - 1) | ((ways - 1) << 22), ecx: sets - 1, edx };
}

/** Puts the answers that describe the model's caches. */
export function putCaches(model: ModelDefinition, put: Put): void {
  const { l1d, l1i, l2, l3 } = cachesOf(model);
  const l2Answer = ((bytes(l2) / KIB) << 16) | (CODED_WAYS[l2.ways] << 12) | ONE_LINE_PER_TAG | LINE;
  if (model.vendor === 'GenuineIntel') {
    // Package-wide cores come with leaf 4's EAX[31:26]: one.
    put(2, model.level < 4 ? { eax: 1, edx: DESCRIPTORS } : { eax: SEE_LEAF_4 });
    put(4, parameters(1, Kind.DATA, l1d, 1), 0);
    put(4, parameters(1, Kind.INSTRUCTION, l1i, 1), 1);
    put(4, parameters(2, Kind.UNIFIED, l2, 1), 2);
    put(0x80000006, { ecx: l2Answer & ~ONE_LINE_PER_TAG });
    return;
  }
  put(2, {});
  const l1Answer = (one: Cache) => ((bytes(one) / KIB) << 24) | (one.ways << 16) | ONE_LINE_PER_TAG | LINE;
  put(0x80000005, { eax: L1_TLB, ebx: L1_TLB, ecx: l1Answer(l1d), edx: l1Answer(l1i) });
  const HALF_MIB = 512 * KIB;
  const l3Answer = l3 && ((bytes(l3) / HALF_MIB) << 18) | (CODED_WAYS[l3.ways] << 12) | ONE_LINE_PER_TAG | LINE;
  put(0x80000006, { ebx: L2_TLB, ecx: l2Answer, edx: l3Answer });
  put(0x8000001d, parameters(1, Kind.DATA, l1d, 1), 0);
  put(0x8000001d, parameters(1, Kind.INSTRUCTION, l1i, 1), 1);
  put(0x8000001d, parameters(2, Kind.UNIFIED, l2, 0, 0), 2);
  // Inclusive, with complex indexing.
  if (l3) put(0x8000001d, parameters(3, Kind.UNIFIED, l3, 6), 3);
}
