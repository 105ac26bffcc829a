/**
 * What vector and MMX instructions need of CR0, CR4 and XCR0, what they do to state that others share, and how they fault
 * (SDM Vol. 2A, "Exceptions Type 1" to "Type 5"; Vol. 3A, "System Programming for Instruction Set Extensions").
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { CODE, HANDLER, type Lab, longLab, realLab, TABLES } from './lab.ts';

const UD = 6;
const NM = 7;
const GP = 13;
const PF = 14;
const MF = 16;
const DATA = 0x60000;
const CR0 = { PE: 1n, MP: 2n, EM: 4n, TS: 8n, ET: 0x10n, NE: 0x20n, PG: 0x80000000n } as const;
const OSFXSR = 0x200n;
const OSXSAVE = 0x40000n;
const BASE_CR0 = CR0.PE | CR0.ET | CR0.NE | CR0.PG;

const PADDD_XMM = '66 0f fe c1'; // paddd xmm0, xmm1
const PADDD_LOAD = '66 0f fe 07'; // paddd xmm0, [rdi]
const VPADDD_XMM = 'c5 f1 fe c0'; // vpaddd xmm0, xmm1, xmm0
const VPADDD_LOAD = 'c5 f1 fe 07'; // vpaddd xmm0, xmm1, [rdi]
const PADDD_MMX = '0f fe c1'; // paddd mm0, mm1
const MOVDQU_LOAD = 'f3 0f 6f 07'; // movdqu xmm0, [rdi]
const VMOVDQA_LOAD = 'c5 fd 6f 07'; // vmovdqa ymm0, [rdi]
const VMOVDQU_STORE = 'c5 fe 7f 07'; // vmovdqu [rdi], ymm0
const VZEROUPPER = 'c5 f8 77';
const GATHER = 'c4 e2 6d 90 04 8f'; // vpgatherdd ymm0, [rdi+ymm1*4], ymm2
const GATHER_SAME = 'c4 e2 6d 90 14 8f'; // vpgatherdd ymm2, [rdi+ymm1*4], ymm2
const MASKED_LOAD = 'c4 e2 6d 8c 07'; // vpmaskmovd ymm0, ymm2, [rdi]
const LDMXCSR = '0f ae 17'; // ldmxcsr [rdi]

interface Fpu {
  mxcsr: number;
  fcw: number;
  fsw: number;
  ftw: number;
  ymm: Uint8Array;
  st: Uint8Array;
}

let lab: Lab;
beforeEach(async () => {
  lab = await longLab();
  lab.set({ cr0: BASE_CR0, cr4: 0x20n | OSFXSR | OSXSAVE, xcr0: 7 });
  for (const vector of [UD, NM, GP, PF, MF]) lab.gate64(vector, BigInt(HANDLER + 16 * vector));
  lab.set({ rdi: DATA });
});

function fpu(): Fpu {
  const state = { mxcsr: 0, fcw: 0, fsw: 0, ftw: 0, ymm: new Uint8Array(512), st: new Uint8Array(80) };
  lab.core.getFpu(state);
  return state;
}
function setFpu(change: (state: Fpu, ymm: DataView) => void): void {
  const state = fpu();
  change(state, new DataView(state.ymm.buffer));
  lab.core.setFpu(state);
}
/** Doubleword `n` of YMM register `register`. */
function dword(register: number, n: number): number {
  return new DataView(fpu().ymm.buffer).getUint32(32 * register + 4 * n, true);
}
/** Runs one instruction; the vector of the fault that it raised, or -1. */
function run(bytes: string): number {
  lab.code(CODE, bytes);
  lab.set({ rip: CODE });
  lab.step();
  const rip = Number(lab.get('rip'));
  return rip >= HANDLER && rip < HANDLER + 0x1000 ? (rip - HANDLER) / 16 : -1;
}
/** Takes the page at `la`, of 4 KiB from now on like its neighbours, out of the first 2 MiB. */
function unmap(la: number): void {
  const table = TABLES + 0x3000;
  for (let n = 0; n < 512; n++) lab.put64(table + 8 * n, BigInt(n * 0x1000) | (n === la >> 12 ? 0n : 7n));
  lab.put64(TABLES + 0x2000, BigInt(table | 7));
  lab.set({ cr3: TABLES });
}

describe('SSE', () => {
  it('runs with CR4.OSFXSR and is #UD without it', () => {
    expect(run(PADDD_XMM)).toBe(-1);
    lab.set({ cr4: 0x20n });
    expect(run(PADDD_XMM)).toBe(UD);
  });
  it('is #NM with CR0.TS, and #UD with CR0.EM even so', () => {
    lab.set({ cr0: BASE_CR0 | CR0.TS });
    expect(run(PADDD_XMM)).toBe(NM);
    lab.set({ cr0: BASE_CR0 | CR0.TS | CR0.EM });
    expect(run(PADDD_XMM)).toBe(UD);
  });
  it('raises #GP(0) for a misaligned 128-bit operand, but not in MOVDQU', () => {
    lab.set({ rdi: DATA + 4 });
    expect(run(PADDD_LOAD)).toBe(GP);
    expect(run(MOVDQU_LOAD)).toBe(-1);
  });
  it('keeps bits 255:128 of its destination', () => {
    setFpu((_, ymm) => ymm.setUint32(16, 0x1234, true));
    run(PADDD_XMM);
    expect(dword(0, 4)).toBe(0x1234);
  });
  it('takes no reserved bit in MXCSR', () => {
    lab.put32(DATA, 0x1f80 | 0x10000);
    expect(run(LDMXCSR)).toBe(GP);
    lab.put32(DATA, 0x9fc0);
    expect(run(LDMXCSR)).toBe(-1);
    expect(fpu().mxcsr).toBe(0x9fc0);
  });
});

describe('AVX', () => {
  it('is #UD without CR4.OSXSAVE and without both state bits of XCR0', () => {
    expect(run(VPADDD_XMM)).toBe(-1);
    lab.set({ xcr0: 3 });
    expect(run(VPADDD_XMM)).toBe(UD);
    lab.set({ xcr0: 7, cr4: 0x20n | OSFXSR });
    expect(run(VPADDD_XMM)).toBe(UD);
  });
  it('does not heed CR0.EM and CR4.OSFXSR, but is #NM with CR0.TS', () => {
    lab.set({ cr0: BASE_CR0 | CR0.EM, cr4: 0x20n | OSXSAVE });
    expect(run(VPADDD_XMM)).toBe(-1);
    lab.set({ cr0: BASE_CR0 | CR0.TS });
    expect(run(VPADDD_XMM)).toBe(NM);
  });
  it('is #UD in real-address mode', async () => {
    lab = await realLab();
    lab.set({ cr4: OSFXSR | OSXSAVE, xcr0: 7 });
    lab.put32(4 * UD, (HANDLER >> 4) << 16);
    lab.code(0x7c00, VPADDD_XMM);
    lab.step();
    expect(lab.get('rip')).toBe(0n);
    expect(lab.selector('cs')).toBe(HANDLER >> 4);
  });
  it('needs no alignment but in VMOVDQA, which needs that of its whole vector', () => {
    lab.set({ rdi: DATA + 4 });
    expect(run(VPADDD_LOAD)).toBe(-1);
    lab.set({ rdi: DATA + 16 });
    expect(run(VMOVDQA_LOAD)).toBe(GP);
  });
  it('clears bits 255:128 in its 128-bit forms', () => {
    setFpu((_, ymm) => ymm.setUint32(16, 0x1234, true));
    run(VPADDD_XMM);
    expect(dword(0, 4)).toBe(0);
  });
  it('VZEROUPPER clears the upper halves of all sixteen registers and nothing else', () => {
    setFpu((state) => state.ymm.fill(0xff));
    run(VZEROUPPER);
    for (let n = 0; n < 16; n++) expect([dword(n, 3), dword(n, 4), dword(n, 7)]).toEqual([0xffffffff, 0, 0]);
  });
  it('a store across a page boundary into an absent page writes nothing', () => {
    unmap(DATA + 0x1000);
    setFpu((state) => state.ymm.fill(0xff));
    lab.set({ rdi: DATA + 0xff0 });
    expect(run(VMOVDQU_STORE)).toBe(PF);
    expect(lab.get('cr2')).toBe(BigInt(DATA + 0x1000));
    expect(lab.view().getUint32(DATA + 0xff0, true)).toBe(0);
  });
});

describe('masked and gathered accesses', () => {
  it('VPMASKMOVD does not touch what its mask leaves out', () => {
    unmap(DATA + 0x1000);
    lab.put32(DATA + 0xff8, 0x77);
    setFpu((_, ymm) => ymm.setUint32(64, 0x80000000, true));
    lab.set({ rdi: DATA + 0xff8 });
    expect(run(MASKED_LOAD)).toBe(-1);
    expect([dword(0, 0), dword(0, 1)]).toEqual([0x77, 0]);
    setFpu((_, ymm) => ymm.setUint32(64 + 8, 0x80000000, true));
    expect(run(MASKED_LOAD)).toBe(PF);
  });
  it('a gather that faults keeps the elements it has, and goes on from there', () => {
    unmap(DATA + 0x1000);
    lab.put32(DATA + 4, 0x11);
    setFpu((_, ymm) => {
      for (let n = 0; n < 8; n++) ymm.setUint32(64 + 4 * n, 0xffffffff, true);
      for (let n = 0; n < 8; n++) ymm.setUint32(32 + 4 * n, n === 5 ? 0x400 : 1, true);
    });
    expect(run(GATHER)).toBe(PF);
    expect([dword(0, 4), dword(0, 5)]).toEqual([0x11, 0]);
    expect([dword(2, 4), dword(2, 5), dword(2, 6)]).toEqual([0, 0xffffffff, 0xffffffff]);
    lab.put64(TABLES + 0x3000 + 8 * ((DATA + 0x1000) >> 12), BigInt(DATA + 0x1007));
    lab.put32(DATA + 0x1000, 0x22);
    lab.put32(DATA + 4, 0x33);
    expect(run(GATHER)).toBe(-1);
    expect([dword(0, 4), dword(0, 5), dword(0, 6)]).toEqual([0x11, 0x22, 0x33]);
    expect(dword(2, 6)).toBe(0);
  });
  it('a gather whose destination is its mask is #UD', () => {
    expect(run(GATHER_SAME)).toBe(UD);
  });
});

describe('MMX', () => {
  it('heeds CR0.EM and CR0.TS, not CR4.OSFXSR', () => {
    lab.set({ cr4: 0x20n });
    expect(run(PADDD_MMX)).toBe(-1);
    lab.set({ cr0: BASE_CR0 | CR0.TS });
    expect(run(PADDD_MMX)).toBe(NM);
    lab.set({ cr0: BASE_CR0 | CR0.EM });
    expect(run(PADDD_MMX)).toBe(UD);
  });
  it('sets TOP to 0 and all tags to valid, and the upper 16 bits of its destination', () => {
    setFpu((state) => {
      state.fsw = 0x3800;
      state.ftw = 0;
    });
    expect(run(PADDD_MMX)).toBe(-1);
    const { fsw, ftw, st } = fpu();
    expect([fsw & 0x3800, ftw]).toEqual([0, 0xff]);
    expect([st[8], st[9]]).toEqual([0xff, 0xff]);
  });
  it('delivers a pending x87 exception first', () => {
    setFpu((state) => {
      state.fsw = 0x8081;
      state.fcw = 0x37e;
    });
    expect(run(PADDD_MMX)).toBe(MF);
  });
  it('leaves the tags alone when it faults', () => {
    unmap(DATA);
    setFpu((state) => {
      state.ftw = 0;
    });
    expect(run('0f fe 07')).toBe(PF);
    expect(fpu().ftw).toBe(0);
  });
});
