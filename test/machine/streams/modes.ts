/**
 * The modes of the random streams: memory and registers of a processor on a machine with 8 MiB, everything mapped one to
 * one for everybody where there is paging, so that streams reach RAM, devices and the tables themselves.
 */
import type { SegmentName } from '../../../src/core/types.ts';
import {
  CODE,
  commonTables,
  descriptor,
  enterUser,
  enterV86,
  GDT,
  gate,
  HANDLER,
  IST,
  type Lab,
  Rights,
  Sel,
  STACK0,
  TSS,
} from '../../exec/lab.ts';

export const MODES = [
  'real-address',
  'unreal',
  'virtual-8086',
  '16-bit protected',
  '32-bit protected',
  'PAE',
  '64-bit',
  'compatibility',
  'VMX guest',
] as const;
export type Mode = (typeof MODES)[number];

/** Four page directories of PAE or long-mode paging, a directory of 32-bit paging, and what refers to the former. */
const DIRECTORIES = 0x10_0000;
export const DIRECTORY_32 = 0x10_4000;
export const POINTERS = 0x10_5000;
/** The same four directories, whose rights are those of long mode. */
const LONG_POINTERS = 0x10_7000;
export const ROOT = 0x10_6000;
/** Where handlers of 32-bit and of real-address mode lie. */
export const HANDLER_32 = HANDLER + 0x2000;
export const HANDLER_16 = HANDLER + 0x4000;
/** Interrupt table of 32-bit protected mode, and its task state. */
export const IDT_32 = 0x4000;
export const TSS_32 = 0x5000;

/** ADD RSP, 8; INC QWORD [RSP]; IRETQ and the like: what faults is skipped byte by byte. */
const SKIP = { 64: '48 ff 04 24 48 cf', 32: 'ff 04 24 cf', 16: '55 89 e5 ff 46 02 5d cf' } as const;
const DROP_CODE = { 64: '48 83 c4 08', 32: '83 c4 04' } as const;
const WITH_CODE = [8, 10, 11, 12, 13, 14, 17];

/** Tables of every mode, and handlers: those that skip what faulted, or, as `next` decides, somewhere in the stream. */
export function putTables(lab: Lab, next: () => number): void {
  commonTables(lab);
  const user = 0x60;
  lab.put64(GDT + Sel.CODE16, descriptor(CODE, 0xffff, Rights.CODE16));
  lab.put64(GDT + 0x68, descriptor(TSS_32, 0x6f, Rights.TSS32));
  lab.put64(GDT + 0x70, descriptor(CODE, 0xffff, Rights.CODE16 | user));
  for (let n = 0; n < 2048; n++) lab.put64(DIRECTORIES + 8 * n, (BigInt(n) << 21n) | 0x87n);
  for (let n = 0; n < 1024; n++) lab.put32(DIRECTORY_32 + 4 * n, ((n << 22) | 0x87) >>> 0);
  for (let n = 0; n < 4; n++) {
    lab.put64(POINTERS + 8 * n, BigInt((DIRECTORIES + 0x1000 * n) | 1));
    lab.put64(LONG_POINTERS + 8 * n, BigInt((DIRECTORIES + 0x1000 * n) | 7));
  }
  lab.put64(ROOT, BigInt(LONG_POINTERS | 7));
  lab.put64(TSS + 4, BigInt(STACK0));
  lab.put64(TSS + 36, BigInt(IST));
  lab.put32(TSS_32 + 4, STACK0);
  lab.put32(TSS_32 + 8, Sel.DATA);
  for (let vector = 0; vector < 256; vector++) {
    const [at64, at32, at16] = [HANDLER, HANDLER_32, HANDLER_16].map((at) =>
      next() % 4 === 0 ? CODE + (next() % 0x1000) : at + 16 * vector,
    );
    const rights = next() % 8 === 0 ? 0xee : 0x8e;
    lab.gate64(vector, BigInt(at64), { ist: vector === 8 ? 1 : 0, type: rights });
    lab.put64(IDT_32 + 8 * vector, gate(Sel.CODE32, at32, rights));
    lab.put16(4 * vector, at16 & 15);
    lab.put16(4 * vector + 2, at16 >> 4);
    const hasCode = WITH_CODE.includes(vector);
    lab.code(HANDLER + 16 * vector, `${hasCode ? DROP_CODE[64] : ''} ${SKIP[64]}`);
    lab.code(HANDLER_32 + 16 * vector, `${hasCode ? DROP_CODE[32] : ''} ${SKIP[32]}`);
    lab.code(HANDLER_16 + 16 * vector, SKIP[16]);
  }
}

function load(lab: Lab, names: readonly SegmentName[], base: number, limit: number, rights: number): void {
  for (const name of names)
    lab.core.setSegment(name, { selector: (base >> 4) & 0xffff, base: BigInt(base), limit, rights });
}
const DATA_SEGMENTS = ['ss', 'ds', 'es', 'fs', 'gs'] as const;

function enterReal(lab: Lab, limit: number): void {
  load(lab, DATA_SEGMENTS, 0, limit, 0x93);
  load(lab, ['cs'], CODE, 0xffff, 0x9b);
  lab.set({ 'idtr.base': 0, 'idtr.limit': 0x3ff, rip: 0, rsp: 0x7000 });
}

function enterLong(lab: Lab): void {
  lab.set({ cr3: ROOT, cr4: 0x620, efer: 0x501, cr0: 0x8000_0031 });
  lab.load({ cs: Sel.CODE64, ss: Sel.DATA, ds: Sel.DATA, es: Sel.DATA, tr: Sel.TSS });
  lab.set({ rip: CODE, rsp: STACK0 });
}

function enterProtected(lab: Lab): void {
  lab.set({ cr0: 0x31, cr4: 0x610, cr3: DIRECTORY_32, 'idtr.base': IDT_32, 'idtr.limit': 0x7ff });
  lab.load({ cs: Sel.CODE32, ss: Sel.DATA, ds: Sel.DATA, es: Sel.DATA, tr: 0x68 });
  lab.set({ rip: CODE, rsp: STACK0 });
}

/** What the streams of `mode` begin with: the instructions that load the PDPTE registers, as no embedder can. */
export const PREAMBLES: Partial<Record<Mode, string>> = {
  // mov eax, POINTERS; mov cr3, eax; mov eax, 0x80000031; mov cr0, eax
  PAE: 'b8 00 50 10 00 0f 22 d8 b8 31 00 00 80 0f 22 c0',
};

/** Brings a processor fresh from reset into `mode`, at the beginning of the stream. All but VMX guests. */
export function enter(lab: Lab, mode: Exclude<Mode, 'VMX guest'>, next: () => number): void {
  lab.set({ rflags: 2 | (next() & 0x200) | (next() % 16 === 0 ? 0x100 : 0) });
  const inUser = next() % 2 === 0;
  switch (mode) {
    case 'real-address':
      enterReal(lab, 0xffff);
      break;
    case 'unreal':
      enterReal(lab, 0xffff_ffff);
      break;
    case '64-bit':
      enterLong(lab);
      if (inUser) enterUser(lab, true);
      break;
    case 'compatibility':
      enterLong(lab);
      if (inUser) enterUser(lab, false);
      else lab.load({ cs: Sel.CODE32 });
      break;
    case 'PAE':
      enterProtected(lab);
      lab.set({ cr4: 0x620 });
      break;
    case 'virtual-8086':
      enterProtected(lab);
      lab.set({ cr0: 0x8000_0031 });
      enterV86(lab, 0x2_0002n | BigInt(next() & 0x3200));
      break;
    case '16-bit protected':
      enterProtected(lab);
      lab.load({ cs: Sel.CODE16, ss: Sel.DATA16 });
      lab.set({ rip: 0, rsp: 0x7000 });
      break;
    case '32-bit protected':
      enterProtected(lab);
      if (next() % 2 === 0) lab.set({ cr0: 0x8000_0031 });
      if (inUser) enterUser(lab, false);
      break;
    default:
      throw mode satisfies never;
  }
}
