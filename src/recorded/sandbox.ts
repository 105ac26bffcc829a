/**
 * The machine a vector runs on: a 64-bit system with three user pages, and a supervisor whose only deed is to say that
 * an exception arrived. Every gate leads to a handler of its own, so that its address tells the vector.
 */
import { Cr0, Cr4, Efer } from '../core/enums.gen.ts';
import type { GuestMemory, Segment, SegmentName } from '../core/types.ts';
import {
  DONE_PORT,
  FRAME,
  HANDLER_STRIDE,
  LAST_USER_PAGE,
  PAGE_SIZE,
  SELECTOR,
  SUPERVISOR_FRAMES,
  supervisorAddress,
  TABLE_FRAMES,
} from './layout.ts';
import { PageTables, PTE } from './page-tables.ts';
import type { Mode, VectorFile } from './reader.ts';
import type { VectorCore } from './vector-core.ts';

const XCR0_X87_SSE_AVX = 7n;

/** SDM Vol. 3A, "Exception and Interrupt Reference": those that push an error code. */
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17, 21]);
/** Gates open to ring 3: #BP and #OF. */
const USER_VECTORS = new Set([3, 4]);

/** Bits of a descriptor's second doubleword that hold its limit 19:16 as F, G = 1. */
const FLAT = 0x008f_0000;
const DESCRIPTOR = {
  KERNEL_CODE_64: 0x0020_9b00 | FLAT,
  DATA: 0x0040_9300 | FLAT,
  USER_CODE_32: 0x0040_fb00 | FLAT,
  USER_DATA: 0x0040_f300 | FLAT,
  USER_CODE_64: 0x0020_fb00 | FLAT,
} as const;
const INTERRUPT_GATE = 0x8e00;
const GATE_DPL_3 = 0x6000;
const TSS_LIMIT = 0x67;

const RIGHTS = {
  USER_CODE_64: 0xa0fb,
  USER_CODE_32: 0xc0fb,
  USER_DATA: 0xc0f3,
  TSS: 0x8b,
  LDT_UNUSABLE: 0x10082,
  UNUSABLE: 0x10000,
} as const;
const NULL_SEGMENT: Segment = { selector: 0, base: 0n, limit: 0, rights: RIGHTS.UNUSABLE };
const USER_DATA: Segment = { selector: SELECTOR.USER_DATA, base: 0n, limit: 0xffffffff, rights: RIGHTS.USER_DATA };
const USER_CODE: Record<Mode, Segment> = {
  32: { selector: SELECTOR.USER_CODE_32, base: 0n, limit: 0xffffffff, rights: RIGHTS.USER_CODE_32 },
  64: { selector: SELECTOR.USER_CODE_64, base: 0n, limit: 0xffffffff, rights: RIGHTS.USER_CODE_64 },
};

/** What the processor pushed, and which gate it took. */
export interface Trap {
  vector: number;
  errorCode: number;
  rip: bigint;
  rflags: bigint;
  rsp: bigint;
}

/** Resets the processor and puts the system's tables into guest RAM. */
export function buildSandbox(core: VectorCore, file: VectorFile): void {
  core.reset();
  const { memory } = core;
  memory.bytes(FRAME.IDT, FRAME.TABLES - FRAME.IDT).fill(0);
  const tables = new PageTables(memory, FRAME.TABLES, TABLE_FRAMES);
  for (const frame of SUPERVISOR_FRAMES) tables.map(supervisorAddress(frame), frame, PTE.WRITABLE);
  tables.map(BigInt(file.codePage), FRAME.CODE, PTE.USER);
  tables.map(BigInt(file.memPage), FRAME.MEM, PTE.USER | PTE.WRITABLE | PTE.NO_EXECUTE);
  tables.map(BigInt(file.lowPage), FRAME.LOW, PTE.USER | PTE.WRITABLE | PTE.NO_EXECUTE);
  tables.map(LAST_USER_PAGE, FRAME.STACK, PTE.NO_EXECUTE);
  writeGdt(memory);
  writeIdt(memory);
  writeHandlers(memory);
  const tss = viewOf(memory, FRAME.TSS, TSS_LIMIT + 1);
  tss.setBigUint64(4, supervisorAddress(FRAME.STACK) + BigInt(PAGE_SIZE), true);
  tss.setUint16(0x66, TSS_LIMIT + 1, true);

  core.set('efer', Efer.SCE | Efer.LME | Efer.LMA | Efer.NXE);
  core.set('cr4', Cr4.PAE | Cr4.OSFXSR | Cr4.OSXMMEXCPT | Cr4.UMIP | Cr4.OSXSAVE);
  core.set('cr3', BigInt(tables.root));
  core.set('cr0', Cr0.PE | Cr0.MP | Cr0.ET | Cr0.NE | Cr0.WP | Cr0.AM | Cr0.PG);
  core.set('xcr0', XCR0_X87_SSE_AVX);
  core.set('gdtr.base', supervisorAddress(FRAME.GDT));
  core.set('gdtr.limit', BigInt(SELECTOR.TSS + 15));
  core.set('idtr.base', supervisorAddress(FRAME.IDT));
  core.set('idtr.limit', BigInt(PAGE_SIZE - 1));
  core.setSegment('tr', {
    selector: SELECTOR.TSS,
    base: supervisorAddress(FRAME.TSS),
    limit: TSS_LIMIT,
    rights: RIGHTS.TSS,
  });
  core.setSegment('ldtr', { ...NULL_SEGMENT, rights: RIGHTS.LDT_UNUSABLE });
  const others: [SegmentName, Segment][] = [
    ['ds', USER_DATA],
    ['es', USER_DATA],
    ['fs', NULL_SEGMENT],
    ['gs', NULL_SEGMENT],
  ];
  for (const [name, segment] of others) core.setSegment(name, segment);
}

/** Puts the processor into ring 3. General registers, RIP and RFLAGS are the caller's. */
export function enterUserMode(core: VectorCore, mode: Mode): void {
  core.setSegment('cs', USER_CODE[mode]);
  core.setSegment('ss', USER_DATA);
}

/** Reads the trap frame of the handler that the processor stands in; undefined when it stands in none. */
export function readTrap(core: VectorCore): Trap | undefined {
  const offset = core.get('rip') - supervisorAddress(FRAME.HANDLERS);
  if (offset < 0n || offset >= BigInt(PAGE_SIZE)) return undefined;
  const vector = Math.floor(Number(offset) / HANDLER_STRIDE);
  const hasErrorCode = WITH_ERROR_CODE.has(vector);
  const frame = viewOf(core.memory, FRAME.STACK + PAGE_SIZE - 40, 40);
  return {
    vector,
    errorCode: hasErrorCode ? viewOf(core.memory, FRAME.STACK + PAGE_SIZE - 48, 4).getUint32(0, true) : 0,
    rip: frame.getBigUint64(0, true),
    rflags: frame.getBigUint64(16, true),
    rsp: frame.getBigUint64(24, true),
  };
}

function writeGdt(memory: GuestMemory): void {
  const gdt = viewOf(memory, FRAME.GDT, PAGE_SIZE);
  const put = (selector: number, high: number) => {
    gdt.setUint32(selector & ~7, 0xffff, true);
    gdt.setUint32((selector & ~7) + 4, high, true);
  };
  put(SELECTOR.KERNEL_CODE, DESCRIPTOR.KERNEL_CODE_64);
  put(SELECTOR.KERNEL_DATA, DESCRIPTOR.DATA);
  put(SELECTOR.USER_CODE_32, DESCRIPTOR.USER_CODE_32);
  put(SELECTOR.USER_DATA, DESCRIPTOR.USER_DATA);
  put(SELECTOR.USER_CODE_64, DESCRIPTOR.USER_CODE_64);
  const base = supervisorAddress(FRAME.TSS);
  const low = (base << 16n) & 0xff_ffff_0000n;
  const top = ((base >> 24n) & 0xffn) << 56n;
  gdt.setBigUint64(SELECTOR.TSS, low | top | (BigInt(RIGHTS.TSS) << 40n) | BigInt(TSS_LIMIT), true);
  gdt.setBigUint64(SELECTOR.TSS + 8, base >> 32n, true);
}

function writeIdt(memory: GuestMemory): void {
  const idt = viewOf(memory, FRAME.IDT, PAGE_SIZE);
  for (let vector = 0; vector < 256; vector++) {
    const handler = supervisorAddress(FRAME.HANDLERS) + BigInt(vector * HANDLER_STRIDE);
    const at = vector * 16;
    idt.setUint16(at, Number(handler & 0xffffn), true);
    idt.setUint16(at + 2, SELECTOR.KERNEL_CODE, true);
    idt.setUint16(at + 4, USER_VECTORS.has(vector) ? INTERRUPT_GATE | GATE_DPL_3 : INTERRUPT_GATE, true);
    idt.setUint16(at + 6, Number((handler >> 16n) & 0xffffn), true);
    idt.setUint32(at + 8, Number(handler >> 32n), true);
  }
}

/** `out DONE_PORT, al`, then `jmp $` until the stop that this asks for. */
function writeHandlers(memory: GuestMemory): void {
  const handlers = memory.bytes(FRAME.HANDLERS, PAGE_SIZE);
  for (let at = 0; at < PAGE_SIZE; at += HANDLER_STRIDE) handlers.set([0xe6, DONE_PORT, 0xeb, 0xfe], at);
}

function viewOf(memory: GuestMemory, pa: number, length: number): DataView {
  const bytes = memory.bytes(pa, length);
  return new DataView(bytes.buffer, bytes.byteOffset, length);
}
