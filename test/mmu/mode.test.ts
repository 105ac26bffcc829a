/**
 * What registers decide holds from the next instruction on: each writer of a control register, XCR0, PKRU, IA32_PKRS, DR7
 * and EFLAGS.AC, followed at once by an instruction that must notice, step by step and in one run.
 */
import { describe, expect, it } from 'vitest';
import { CODE, HANDLER, type Lab, longLab, STACK0, TABLES } from '../exec/lab.ts';

const PAGE = 0x400000;
const TABLE = 0x70000;
const FRAME = 0x60000;
const AREA = 0x62000;
const PG = 0x8000_0000;
const CR0 = 0x1_0031;
const CR4 = 0x40_0620;
const XSAVE = 0x4_0000;
const Cr0 = { EM: 4, TS: 8, WP: 0x1_0000 };
const Cr4 = { OSFXSR: 0x200, SMEP: 0x10_0000, SMAP: 0x20_0000, PKE: 0x40_0000, PKS: 0x100_0000 };
const EFER = 0xc0000080;
const PKRS = 0x6e1;
const NONE = -1;
const DB = 1;
const UD = 6;
const NM = 7;
const PF = 14;
/** Bits of a page of everybody, of the supervisor, that may not be written; protection key 1; not to be executed. */
const USER = 7n;
const SUPERVISOR = 3n;
const READ_ONLY = 1n;
const KEY = 1n << 59n;
const NX = 1n << 63n;

/** MOV EBP, [RSI] and back. */
const LOAD = '8b 2e';
const STORE = '89 2e';
const FXSAVE = '0f ae 07';
const MOVAPS = '0f 28 07';
const FNINIT = 'db e3';
const VADDPS = 'c5 fc 58 c0';
/** RSI names the page, RDI a plain area, RBX what is written to a register. */
const CLTS = '0f 06';
const LMSW = '0f 01 f3';
const MOV_CR0 = '0f 22 c3';
const MOV_CR4 = '0f 22 e3';
const MOV_DR7 = '0f 23 fb';
const XSETBV = '0f 01 d1';
const WRMSR = '0f 30';
const WRPKRU = '0f 01 ef';
const XRSTOR = '0f ae 2f';
const STAC = '0f 01 cb';
const CLAC = '0f 01 ca';
const POPF = '53 9d';

interface Case {
  name: string;
  /** The page's bits. */
  page?: bigint;
  cr0?: number;
  cr4?: number;
  rflags?: number;
  pkru?: number;
  set?: Partial<Record<'rax' | 'rbx' | 'rcx' | 'rdx' | 'xcr0' | 'dr0', number>>;
  prepare?: (lab: Lab) => void;
  /** What comes before the write, the write, and what must notice. */
  code: readonly string[];
  /** The vector of what stops it, or NONE. */
  stops: number;
}

// biome-ignore format: a line or two per case
const CASES: readonly Case[] = [
  ...Object.entries({ FXSAVE, MOVAPS, FNINIT }).map(([name, code]) => ({ name: `CLTS lets ${name} run`, cr0: CR0 | Cr0.TS, code: [CLTS, code], stops: NONE })),
  { name: 'CLTS lets XSAVE run', cr0: CR0 | Cr0.TS, cr4: CR4 | XSAVE, set: { rax: 3, xcr0: 3 }, code: [CLTS, '0f ae 27'], stops: NONE },
  { name: 'MOV to CR0 that sets TS stops SSE', set: { rbx: PG + (CR0 | Cr0.TS) }, code: [MOVAPS, MOV_CR0, MOVAPS], stops: NM },
  { name: 'MOV to CR0 that clears TS lets SSE run', cr0: CR0 | Cr0.TS, set: { rbx: PG + CR0 }, code: [MOV_CR0, MOVAPS], stops: NONE },
  { name: 'MOV to CR0 that sets EM makes SSE undefined', set: { rbx: PG + (CR0 | Cr0.EM) }, code: [MOVAPS, MOV_CR0, MOVAPS], stops: UD },
  { name: 'LMSW that sets TS stops the FPU', set: { rbx: 0x39 }, code: [FNINIT, LMSW, FNINIT], stops: NM },
  { name: 'LMSW that clears TS lets the FPU run', cr0: CR0 | Cr0.TS, set: { rbx: 0x31 }, code: [LMSW, FNINIT], stops: NONE },
  { name: 'MOV to CR0 that sets WP protects a page that was written', page: READ_ONLY, cr0: CR0 & ~Cr0.WP, set: { rbx: PG + CR0 }, code: [STORE, MOV_CR0, STORE], stops: PF },
  { name: 'MOV to CR0 that clears WP opens it', page: READ_ONLY, set: { rbx: PG + (CR0 & ~Cr0.WP) }, code: [LOAD, MOV_CR0, STORE], stops: NONE },
  { name: 'MOV to CR4 that clears OSFXSR makes SSE undefined', set: { rbx: CR4 & ~Cr4.OSFXSR }, code: [MOVAPS, MOV_CR4, MOVAPS], stops: UD },
  { name: 'MOV to CR4 that clears OSXSAVE makes AVX undefined', cr4: CR4 | XSAVE, set: { xcr0: 7, rbx: CR4 }, code: [VADDPS, MOV_CR4, VADDPS], stops: UD },
  { name: 'MOV to CR4 that sets SMAP closes the pages of users', page: USER, set: { rbx: CR4 | Cr4.SMAP }, code: [LOAD, MOV_CR4, LOAD], stops: PF },
  { name: 'MOV to CR4 that clears SMAP opens them', page: USER, cr4: CR4 | Cr4.SMAP, set: { rbx: CR4 }, code: [MOV_CR4, LOAD], stops: NONE },
  { name: 'MOV to CR4 that sets SMEP forbids their code', page: USER, set: { rbx: CR4 | Cr4.SMEP }, code: ['ff d6', MOV_CR4, 'ff d6'], stops: PF },
  { name: 'MOV to CR4 that sets PKE heeds PKRU', page: USER | KEY, cr4: CR4 & ~Cr4.PKE, pkru: 0xc, set: { rbx: CR4 }, code: [LOAD, MOV_CR4, LOAD], stops: PF },
  { name: 'MOV to CR4 that sets PKS heeds IA32_PKRS', page: SUPERVISOR | KEY, prepare: (lab) => lab.core.writeMsr(PKRS, 0xcn), set: { rbx: CR4 | Cr4.PKS }, code: [LOAD, MOV_CR4, LOAD], stops: PF },
  { name: 'WRMSR to EFER that clears NXE makes NX a reserved bit', page: SUPERVISOR | NX, prepare: (lab) => lab.core.set('efer', 0xd01n), set: { rax: 0x501, rcx: EFER }, code: [LOAD, WRMSR, LOAD], stops: PF },
  { name: 'WRMSR to EFER that sets NXE makes it a bit of its own', page: SUPERVISOR | NX, set: { rax: 0xd01, rcx: EFER }, code: [WRMSR, LOAD], stops: NONE },
  { name: 'WRMSR to IA32_PKRS closes a page', page: SUPERVISOR | KEY, cr4: CR4 | Cr4.PKS, set: { rax: 0xc, rcx: PKRS }, code: [LOAD, WRMSR, LOAD], stops: PF },
  { name: 'WRPKRU closes a page', page: USER | KEY, set: { rax: 0xc }, code: [LOAD, WRPKRU, LOAD], stops: PF },
  { name: 'WRPKRU opens a page', page: USER | KEY, pkru: 0xc, code: [WRPKRU, LOAD], stops: NONE },
  { name: 'XRSTOR of PKRU closes a page', page: USER | KEY, cr4: CR4 | XSAVE, set: { rax: 0x200, xcr0: 0x203 },
    prepare: (lab) => { lab.put64(AREA + 512, 0x200n); lab.put32(AREA + 2688, 0xc); }, code: [LOAD, XRSTOR, LOAD], stops: PF },
  { name: 'XSETBV that takes AVX away makes it undefined', cr4: CR4 | XSAVE, set: { rax: 3, xcr0: 7 }, code: [VADDPS, XSETBV, VADDPS], stops: UD },
  { name: 'XSETBV that gives AVX lets it run', cr4: CR4 | XSAVE, set: { rax: 7, xcr0: 3 }, code: [XSETBV, VADDPS], stops: NONE },
  { name: 'MOV to DR7 watches a page that was read', set: { dr0: PAGE, rbx: 0x000f_0401 }, code: [LOAD, MOV_DR7, LOAD], stops: DB },
  { name: 'MOV to DR7 watches a page that was written', set: { dr0: PAGE, rbx: 0x000d_0401 }, code: [STORE, MOV_DR7, STORE], stops: DB },
  { name: 'CLAC closes the pages of users', page: USER, cr4: CR4 | Cr4.SMAP, rflags: 0x40002, code: [LOAD, CLAC, LOAD], stops: PF },
  { name: 'STAC opens them', page: USER, cr4: CR4 | Cr4.SMAP, code: [STAC, LOAD], stops: NONE },
  { name: 'POPF that clears AC closes them', page: USER, cr4: CR4 | Cr4.SMAP, rflags: 0x40002, set: { rbx: 2 }, code: [LOAD, POPF, LOAD], stops: PF },
  { name: 'POPF that sets AC opens them', page: USER, cr4: CR4 | Cr4.SMAP, set: { rbx: 0x40002 }, code: [POPF, LOAD], stops: NONE },
];

/** Runs a case to the HLT behind its code or that of a handler: the handler's vector, or NONE. */
async function stopOf({ page = SUPERVISOR, cr0 = CR0, cr4 = CR4, ...rest }: Case, stepped: boolean): Promise<number> {
  const lab = await longLab('max,+pks');
  // All below the page is the supervisor's.
  lab.put64(TABLES + 0x2000, 0x83n);
  lab.put64(TABLES + 0x2010, BigInt(TABLE | 7));
  lab.put64(TABLE, BigInt(FRAME) | page);
  for (let vector = 0; vector < 32; vector++) {
    lab.gate64(vector, BigInt(HANDLER + 16 * vector));
    lab.code(HANDLER + 16 * vector, 'f4');
  }
  lab.code(FRAME, 'c3');
  lab.set({ cr0: PG + cr0, cr4, rflags: rest.rflags ?? 2, rsi: PAGE, rdi: AREA, rsp: STACK0 });
  lab.set({ rax: 0, rbx: 0, rcx: 0, rdx: 0, ...rest.set });
  lab.core.state.setNumber('pkru', rest.pkru ?? 0);
  const code = rest.code.join(' ');
  lab.code(CODE, `${code} f4`);
  lab.set({ rip: CODE });
  rest.prepare?.(lab);
  if (stepped) for (let n = 0; n < 20; n++) lab.core.run(1);
  else lab.core.run(20);
  const rip = Number(lab.get('rip'));
  return rip === CODE + code.split(' ').length + 1 ? NONE : (rip - HANDLER - 1) / 16;
}

describe.each([
  ['step by step', true],
  ['in one run', false],
])('%s', (_how, stepped) => {
  it.each(CASES.map((each) => [each.name, each] as const))('%s', async (_name, each) => {
    expect(await stopOf(each, stepped)).toBe(each.stops);
  });
});
