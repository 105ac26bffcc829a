/**
 * A processor for tests of one instruction at a time, in a mode of choice. Every gate of the IDT leads to an address
 * that tells its vector, so that what an instruction raises can be read from RIP.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCore, type WasmCore } from '../../src/core/index.ts';
import { type Bus, type RegisterName, Stop } from '../../src/core/types.ts';

const MEMORY = 0x40_0000;
const CODE = 0x1000;
const DATA = 0x2000;
const HANDLERS = 0x3000;
const IDT = 0x4000;
const GDT = 0x5000;
const TSS = 0x6000;
const STACK = 0x9000;
const KERNEL_STACK = 0xa000;
const TABLES = 0x10_000;
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);

const CR0 = { PE: 1n, ET: 0x10n, NE: 0x20n, PG: 0x8000_0000n } as const;
const EFER_LONG = 0x500n;
const CR4_PAE = 0x20n;
const FLAT = 0xffff_ffff;
const SELECTOR = { code: 0x08, data: 0x10, userCode: 0x1b, userData: 0x23, tss: 0x28 } as const;

const module = new WebAssembly.Module(readFileSync(join(import.meta.dirname, '../../build/core-test.wasm')));

export type Mode = 'long' | 'protected' | 'real';

export interface Setup {
  /** `-cpu`; by default max. */
  cpu?: string;
  mode?: Mode;
  /** Privilege level; 0 by default. */
  cpl?: 0 | 3;
  bus?: Partial<Bus>;
  /** What RDRAND begins with. */
  entropy?: bigint;
}

/** What became of an instruction: done, or an exception. */
export type Outcome = 'done' | { vector: number; errorCode?: number };

export const UD: Outcome = { vector: 6 };
export const GP: Outcome = { vector: 13, errorCode: 0 };

export interface OneInstruction {
  readonly core: WasmCore;
  /** Address of a page of data. */
  readonly data: number;
  /** Runs the one instruction of these bytes with these registers; afterwards RIP is put back for the next. */
  step(code: readonly number[], registers?: Partial<Record<RegisterName, bigint>>): Outcome;
  /** RDMSR and WRMSR as instructions. */
  rdmsr(index: number): bigint | Outcome;
  wrmsr(index: number, value: bigint): Outcome;
  /** MOV to a control register. */
  movToCr(n: number, value: bigint): Outcome;
  cpuid(leaf: number, subleaf?: number): { eax: number; ebx: number; ecx: number; edx: number };
}

const silent: Bus = {
  portIn: () => 0,
  portOut: () => {},
  mmioRead: () => 0,
  mmioWrite: () => {},
  interruptAcknowledge: () => 0xff,
};

/** Makes a processor in the mode and at the privilege level asked for. */
export async function oneInstruction(setup: Setup = {}): Promise<OneInstruction> {
  const { mode = 'long', cpl = 0, cpu, entropy } = setup;
  const bus = { ...silent, ...setup.bus };
  const core = await createCore({ memoryBytes: MEMORY, bus, cpu, entropy, source: module });
  if (mode === 'real') enterReal(core);
  else enterProtected(core, mode, cpl);

  const step: OneInstruction['step'] = (code, registers = {}) => {
    core.memory.bytes(CODE, code.length).set(code);
    core.invalidateCode(CODE, code.length);
    core.set('rip', BigInt(CODE));
    core.set('rsp', BigInt(STACK));
    for (const [name, value] of Object.entries(registers)) core.set(name as RegisterName, value);
    const level = core.getSegment('ss');
    const codeSegment = core.getSegment('cs');
    if (core.run(1) === Stop.SHUTDOWN) throw new Error('the exception could not be delivered: shutdown');
    const at = Number(core.get('rip')) - HANDLERS;
    if (at < 0 || at >= 0x1000) return 'done';
    const vector = at >> 4;
    const stack = Number(core.get('rsp'));
    const frame = new DataView(core.memory.bytes(stack, 8).slice().buffer);
    core.setSegment('cs', codeSegment);
    core.setSegment('ss', level);
    return WITH_ERROR_CODE.has(vector) ? { vector, errorCode: frame.getUint32(0, true) } : { vector };
  };
  const half = (value: bigint, n: number) => (value >> BigInt(32 * n)) & 0xffff_ffffn;
  return {
    core,
    data: DATA,
    step,
    rdmsr(index) {
      const outcome = step([0x0f, 0x32], { rcx: BigInt(index) });
      return outcome === 'done' ? (core.get('rdx') << 32n) | core.get('rax') : outcome;
    },
    wrmsr: (index, value) => step([0x0f, 0x30], { rcx: BigInt(index), rax: half(value, 0), rdx: half(value, 1) }),
    movToCr: (n, value) =>
      step(n < 8 ? [0x0f, 0x22, 0xc0 | (n << 3)] : [0x44, 0x0f, 0x22, 0xc0 | ((n - 8) << 3)], { rax: value }),
    cpuid(leaf, subleaf = 0) {
      step([0x0f, 0xa2], { rax: BigInt(leaf), rcx: BigInt(subleaf) });
      const of = (name: RegisterName) => Number(core.get(name));
      return { eax: of('rax'), ebx: of('rbx'), ecx: of('rcx'), edx: of('rdx') };
    },
  };
}

function view(core: WasmCore, pa: number): DataView {
  const bytes = core.memory.bytes(pa, 0x1000);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function enterReal(core: WasmCore): void {
  const ivt = view(core, IDT);
  for (let vector = 0; vector < 256; vector++) ivt.setUint32(4 * vector, HANDLERS + 16 * vector, true);
  core.set('idtr.base', BigInt(IDT));
  core.set('idtr.limit', 0x3ffn);
  core.setSegment('cs', { selector: 0, base: 0n, limit: 0xffff, rights: 0x9b });
}

function enterProtected(core: WasmCore, mode: Mode, cpl: 0 | 3): void {
  const long = mode === 'long';
  const codeHigh = long ? 0x00af_9b00 : 0x00cf_9b00;
  const gdt = view(core, GDT);
  const descriptors = [0, codeHigh, 0x00cf_9300, codeHigh | 0x6000, 0x00cf_f300, 0x0000_8b00];
  for (const [n, high] of descriptors.entries()) gdt.setBigUint64(8 * n, (BigInt(high) << 32n) | 0xffffn, true);
  const tss = view(core, TSS);
  if (long) tss.setBigUint64(4, BigInt(KERNEL_STACK), true);
  else {
    tss.setUint32(4, KERNEL_STACK, true);
    tss.setUint16(8, SELECTOR.data, true);
  }
  tss.setUint16(102, 0x68, true);
  const idt = view(core, IDT);
  for (let vector = 0; vector < 256; vector++) {
    const at = vector * (long ? 16 : 8);
    if (at >= 0x1000) break;
    idt.setUint32(at, (SELECTOR.code << 16) | (HANDLERS + 16 * vector), true);
    idt.setUint32(at + 4, 0x8e00, true);
  }
  const tables = view(core, TABLES);
  tables.setBigUint64(0, BigInt(TABLES + 0x1007), true);
  view(core, TABLES + 0x1000).setBigUint64(0, BigInt(TABLES + 0x2007), true);
  view(core, TABLES + 0x2000).setBigUint64(0, 0x87n, true);
  view(core, TABLES + 0x2000).setBigUint64(8, 0x20_0087n, true);
  core.set('gdtr.base', BigInt(GDT));
  core.set('gdtr.limit', 0xffn);
  core.set('idtr.base', BigInt(IDT));
  core.set('idtr.limit', 0xfffn);
  if (long) {
    core.set('cr4', CR4_PAE);
    core.set('efer', EFER_LONG);
    core.set('cr3', BigInt(TABLES));
  }
  core.set('cr0', CR0.PE | CR0.ET | CR0.NE | (long ? CR0.PG : 0n));
  const user = cpl === 3;
  const dpl = cpl << 5;
  core.setSegment('tr', { selector: SELECTOR.tss, base: BigInt(TSS), limit: 0x67, rights: 0x8b });
  const size = long ? 0xa000 : 0xc000;
  const codeSelector = user ? SELECTOR.userCode : SELECTOR.code;
  const dataSelector = user ? SELECTOR.userData : SELECTOR.data;
  core.setSegment('cs', { selector: codeSelector, base: 0n, limit: FLAT, rights: 0x9b | dpl | size });
  for (const name of ['ss', 'ds', 'es', 'fs', 'gs'] as const) {
    core.setSegment(name, { selector: dataSelector, base: 0n, limit: FLAT, rights: 0xc093 | dpl });
  }
}
