/**
 * A bare processor with descriptor tables, for tests of privileged architecture: everything in memory is where the test
 * put it, and nothing runs but the bytes of the test.
 */
import { type CoreOptions, createCore, type WasmCore } from '../../src/core/index.ts';
import type { RegisterName, SegmentName } from '../../src/core/types.ts';
import { type Bits, machineCode } from '../machine-code.ts';

export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
export const TABLES = 0x8000;
export const CODE = 0x10000;
export const HANDLER = 0x20000;
export const STACK0 = 0x30000;
export const STACK3 = 0x38000;
export const IST = 0x34000;

const EFER_LMA = 0x400n;
/** Of a code segment's rights: L and D. */
const [CS_LONG, CS_BIG] = [0x2000, 0x4000];

/** Selectors of the lab's GDT. */
export const Sel = {
  CODE32: 0x08,
  DATA: 0x10,
  CODE64: 0x18,
  USER_CODE32: 0x23,
  USER_DATA: 0x2b,
  USER_CODE64: 0x33,
  TSS: 0x38,
  CODE16: 0x48,
  DATA16: 0x50,
  CONFORMING: 0x58,
  FREE: 0x60,
} as const;

export const Flag = { CF: 1n, TF: 0x100n, IF: 0x200n, IOPL: 0x3000n, NT: 0x4000n, RF: 0x10000n, VM: 0x20000n } as const;

/** Rights of descriptors in the VMX format. */
export const Rights = {
  CODE32: 0xc09b,
  CODE64: 0xa09b,
  CODE16: 0x009b,
  DATA: 0xc093,
  DATA16: 0x0093,
  TSS32: 0x008b,
  TSS16: 0x0083,
} as const;

/** An 8-byte descriptor. `limit` is in the descriptor's own units. */
export function descriptor(base: number, limit: number, rights: number): bigint {
  const low = BigInt(limit & 0xffff) | (BigInt(base & 0xffffff) << 16n);
  const high = (rights & 0xff) | ((limit >> 8) & 0xf00) | (rights & 0xf000);
  return low | (BigInt(high) << 40n) | (BigInt(base >>> 24) << 56n);
}
/** A gate of 8 bytes: type includes P and DPL. */
export function gate(selector: number, offset: number, type: number, count = 0): bigint {
  const low = BigInt(offset & 0xffff) | (BigInt(selector) << 16n);
  return low | (BigInt(count | (type << 8)) << 32n) | (BigInt(offset >>> 16) << 48n);
}

const hex = (text: string) => Uint8Array.from(text.trim().split(/\s+/), (byte) => Number.parseInt(byte, 16));
const isHex = (text: string) => /^[0-9a-f\s]+$/i.test(text);

export class Lab {
  readonly core: WasmCore;

  constructor(core: WasmCore) {
    this.core = core;
  }

  get(name: RegisterName): bigint {
    return this.core.get(name);
  }
  set(values: Partial<Record<RegisterName, bigint | number>>): void {
    for (const [name, value] of Object.entries(values)) this.core.set(name as RegisterName, BigInt(value));
  }
  selector(name: SegmentName): number {
    return this.core.getSegment(name).selector;
  }
  /** The mode of the processor's code segment. */
  get bits(): Bits {
    const { rights } = this.core.getSegment('cs');
    if ((this.get('efer') & EFER_LMA) !== 0n && (rights & CS_LONG) !== 0) return 64;
    return (rights & CS_BIG) !== 0 ? 32 : 16;
  }
  /** Puts code at a physical address: bytes in hexadecimal, or a listing (test/machine-code.ts). */
  code(at: number, text: string, bits = this.bits): void {
    const bytes = isHex(text) ? hex(text) : machineCode(bits, at, text);
    this.core.memory.bytes(at, bytes.length).set(bytes);
    this.core.invalidateCode(at, bytes.length);
  }
  view(): DataView {
    const bytes = this.core.memory.bytes(0, this.core.memory.size);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  put64(at: number, value: bigint): void {
    this.view().setBigUint64(at, value, true);
  }
  put32(at: number, value: number): void {
    this.view().setUint32(at, value, true);
  }
  put16(at: number, value: number): void {
    this.view().setUint16(at, value, true);
  }
  /** `count` items of `width` bytes at the top of the stack, as numbers. */
  stack(width: 2 | 4 | 8, count: number): number[] {
    const { base } = this.core.getSegment('ss');
    const at = Number(base + this.get('rsp'));
    const view = this.view();
    return Array.from({ length: count }, (_, n) =>
      width === 8
        ? Number(view.getBigUint64(at + 8 * n, true))
        : width === 4
          ? view.getUint32(at + 4 * n, true)
          : view.getUint16(at + 2 * n, true),
    );
  }
  /** Defines a gate of long mode. */
  gate64(vector: number, offset: bigint, options: { ist?: number; type?: number; selector?: number } = {}): void {
    const { ist = 0, type = 0x8e, selector = Sel.CODE64 } = options;
    this.put64(IDT + 16 * vector, gate(selector, Number(offset & 0xffffffffn), type, ist));
    this.put64(IDT + 16 * vector + 8, offset >> 32n);
  }
  gate32(vector: number, offset: number, type = 0x8e, selector: number = Sel.CODE32): void {
    this.put64(IDT + 8 * vector, gate(selector, offset, type));
  }
  /** Runs instructions one at a time; an event that is delivered counts as one where its instruction did not retire. */
  step(count = 1): number {
    let stop = 0;
    for (let n = 0; n < count; n++) stop = this.core.run(1);
    return stop;
  }
  /** Loads segment registers with what the GDT says. */
  load(segments: Partial<Record<SegmentName, number>>): void {
    for (const [name, selector] of Object.entries(segments)) {
      const word = this.view().getBigUint64(GDT + (selector & ~7), true);
      const rights = Number((word >> 40n) & 0xf0ffn);
      const raw = Number(word & 0xffffn) | (Number((word >> 48n) & 15n) << 16);
      const limit = (rights & 0x8000) !== 0 ? ((raw << 12) | 0xfff) >>> 0 : raw;
      const base = ((word >> 16n) & 0xffffffn) | ((word >> 32n) & 0xff000000n);
      this.core.setSegment(name as SegmentName, { selector, base, limit, rights });
    }
  }
}

/** What a lab's processor is made with beside memory and bus. */
export type LabOptions = Pick<CoreOptions, 'extraBytes' | 'source' | 'vcpus'>;

async function emptyLab(cpu?: string, options: LabOptions = {}): Promise<Lab> {
  const bus = {
    portIn: () => 0xff,
    portOut: () => {},
    mmioRead: () => 0,
    mmioWrite: () => {},
    interruptAcknowledge: () => 0x20,
  };
  return new Lab(await createCore({ memoryBytes: 0x400000, bus, cpu, ...options }));
}

/** A GDT with the selectors of Sel. */
export function commonTables(lab: Lab): void {
  const user = 0x60;
  lab.put64(GDT + Sel.CODE32, descriptor(0, 0xfffff, Rights.CODE32));
  lab.put64(GDT + Sel.DATA, descriptor(0, 0xfffff, Rights.DATA));
  lab.put64(GDT + Sel.CODE64, descriptor(0, 0xfffff, Rights.CODE64));
  lab.put64(GDT + (Sel.USER_CODE32 & ~7), descriptor(0, 0xfffff, Rights.CODE32 | user));
  lab.put64(GDT + (Sel.USER_DATA & ~7), descriptor(0, 0xfffff, Rights.DATA | user));
  lab.put64(GDT + (Sel.USER_CODE64 & ~7), descriptor(0, 0xfffff, Rights.CODE64 | user));
  lab.put64(GDT + Sel.TSS, descriptor(TSS, 0x6f, Rights.TSS32));
  lab.put64(GDT + Sel.CODE16, descriptor(0, 0xffff, Rights.CODE16));
  lab.put64(GDT + Sel.DATA16, descriptor(0, 0xffff, Rights.DATA16));
  lab.put64(GDT + Sel.CONFORMING, descriptor(0, 0xfffff, Rights.CODE32 | 4));
  lab.set({ 'gdtr.base': GDT, 'gdtr.limit': 0xff, 'idtr.base': IDT, 'idtr.limit': 0xfff });
}

/** Ring 0 of 64-bit mode, the first 4 MiB mapped one to one for everybody. `cpu`: as `-cpu` says it. */
export async function longLab(cpu?: string, options: LabOptions = {}): Promise<Lab> {
  const lab = await emptyLab(cpu, options);
  commonTables(lab);
  lab.put64(TABLES, BigInt(TABLES + 0x1007));
  lab.put64(TABLES + 0x1000, BigInt(TABLES + 0x2007));
  lab.put64(TABLES + 0x2000, 0x87n);
  lab.put64(TABLES + 0x2008, 0x200087n);
  lab.set({ cr3: TABLES, cr4: 0x20, efer: 0x501, cr0: 0x80000011 });
  lab.put64(TSS + 4, BigInt(STACK0));
  lab.put64(TSS + 36, BigInt(IST));
  lab.load({ cs: Sel.CODE64, ss: Sel.DATA, ds: Sel.DATA, es: Sel.DATA, tr: Sel.TSS });
  lab.set({ rip: CODE, rsp: STACK0, rflags: 2 });
  return lab;
}

/** Ring 0 of 32-bit protected mode without paging. */
export async function protectedLab(cpu?: string): Promise<Lab> {
  const lab = await emptyLab(cpu);
  commonTables(lab);
  lab.set({ cr0: 0x11 });
  lab.put32(TSS + 4, STACK0);
  lab.put32(TSS + 8, Sel.DATA);
  lab.load({ cs: Sel.CODE32, ss: Sel.DATA, ds: Sel.DATA, es: Sel.DATA, tr: Sel.TSS });
  lab.set({ rip: CODE, rsp: STACK0, rflags: 2 });
  return lab;
}

/** Real-address mode at 0000:CODE16_AT. */
export async function realLab(cpu?: string): Promise<Lab> {
  const lab = await emptyLab(cpu);
  const real = { base: 0n, limit: 0xffff, rights: 0x93, selector: 0 };
  for (const name of ['ss', 'ds', 'es', 'fs', 'gs'] as const) lab.core.setSegment(name, real);
  lab.core.setSegment('cs', { ...real, rights: 0x9b });
  lab.set({ 'idtr.base': 0, 'idtr.limit': 0x3ff, rip: 0x7c00, rsp: 0x7000, rflags: 2 });
  return lab;
}

/** Enters ring 3 of the lab's mode at CODE. */
export function enterUser(lab: Lab, long: boolean): void {
  lab.load({
    cs: long ? Sel.USER_CODE64 : Sel.USER_CODE32,
    ds: Sel.USER_DATA,
    es: Sel.USER_DATA,
    ss: Sel.USER_DATA,
  });
  lab.set({ rip: CODE, rsp: STACK3 });
}

/** Enters virtual-8086 mode at CODE, RSP 3000:0100. */
export function enterV86(lab: Lab, rflags: bigint): void {
  const bases = { cs: CODE >> 4, ss: 0x3000, es: 0x5000, ds: 0x6000, fs: 0x7000, gs: 0x8000 };
  lab.set({ rflags });
  for (const [name, selector] of Object.entries(bases)) {
    const segment = { selector, base: BigInt(selector << 4), limit: 0xffff, rights: 0xf3 };
    lab.core.setSegment(name as SegmentName, segment);
  }
  lab.set({ rip: 0, rsp: 0x100 });
}
