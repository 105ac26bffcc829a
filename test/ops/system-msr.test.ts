// MSRs by SDM Vol. 4, "Model-Specific Registers (MSRs)", and the sections of Vol. 3A that define them.
import { describe, expect, it } from 'vitest';
import { GP, oneInstruction, UD } from './one-instruction.ts';

const NON_CANONICAL = 0x8000_0000_0000_0000n;
/** Canonical with 57-bit linear addresses only. */
const CANONICAL_57 = 0x00ff_8000_0000_0000n;
const MSR = {
  TSC: 0x10, APIC_BASE: 0x1b, TSC_ADJUST: 0x3b, SYSENTER_CS: 0x174, SYSENTER_ESP: 0x175, SYSENTER_EIP: 0x176,
  MCG_CAP: 0x179, MISC_ENABLE: 0x1a0, PAT: 0x277, MTRRCAP: 0xfe, MTRR_DEF_TYPE: 0x2ff, EFER: 0xc0000080, STAR: 0xc0000081,
  LSTAR: 0xc0000082, CSTAR: 0xc0000083, SFMASK: 0xc0000084, FS_BASE: 0xc0000100, GS_BASE: 0xc0000101,
  KERNEL_GS_BASE: 0xc0000102, TSC_AUX: 0xc0000103,
} as const; // biome-ignore format: words

describe('RDMSR and WRMSR', () => {
  it('are #GP(0) outside CPL 0, and for an MSR that does not exist', async () => {
    const user = await oneInstruction({ cpl: 3 });
    expect(user.rdmsr(MSR.TSC)).toEqual(GP);
    const m = await oneInstruction();
    for (const index of [0x2, 0x12345, 0xc0001000, 0xffffffff]) {
      expect(m.rdmsr(index)).toEqual(GP);
      expect(m.wrmsr(index, 0n)).toEqual(GP);
    }
  });

  it.each([
    ['LSTAR', MSR.LSTAR],
    ['CSTAR', MSR.CSTAR],
    ['FS_BASE', MSR.FS_BASE],
    ['GS_BASE', MSR.GS_BASE],
    ['KERNEL_GS_BASE', MSR.KERNEL_GS_BASE],
    ['SYSENTER_ESP', MSR.SYSENTER_ESP],
    ['SYSENTER_EIP', MSR.SYSENTER_EIP],
  ])('%s holds canonical addresses only', async (_name, index) => {
    const m = await oneInstruction();
    expect(m.wrmsr(index, 0xffff_8000_1234_5678n)).toBe('done');
    expect(m.rdmsr(index)).toBe(0xffff_8000_1234_5678n);
    expect(m.wrmsr(index, NON_CANONICAL)).toEqual(GP);
    expect(m.rdmsr(index)).toBe(0xffff_8000_1234_5678n);
  });

  it('addresses may be canonical to 57 bits where the model has LA57, whatever CR4.LA57 is', async () => {
    const having = await oneInstruction();
    expect(having.wrmsr(MSR.LSTAR, CANONICAL_57)).toBe('done');
    const without = await oneInstruction({ cpu: 'max,-la57' });
    expect(without.wrmsr(MSR.LSTAR, CANONICAL_57)).toEqual(GP);
  });

  it.each([
    ['a reserved bit', 0x501n | (1n << 9n)],
    ['NXE where the model has no NX', 0xd01n, 'max,-nx'],
    ['SVME without SVM', 0x1501n],
    ['clearing LME while paging', 0x001n],
  ])('EFER refuses %s', async (_name, value, cpu = 'max') => {
    const m = await oneInstruction({ cpu });
    expect(m.wrmsr(MSR.EFER, value)).toEqual(GP);
    expect(m.rdmsr(MSR.EFER)).toBe(0x500n);
  });

  it('EFER.LMA follows paging, whatever is written to it', async () => {
    const m = await oneInstruction();
    expect(m.wrmsr(MSR.EFER, 0x901n)).toBe('done');
    expect(m.rdmsr(MSR.EFER)).toBe(0xd01n);
    const off = await oneInstruction({ mode: 'protected' });
    expect(off.wrmsr(MSR.EFER, 0x500n)).toBe('done');
    expect(off.rdmsr(MSR.EFER)).toBe(0x100n);
  });

  it('IA32_FMASK and TSC_AUX have 32 bits', async () => {
    const m = await oneInstruction();
    for (const index of [MSR.SFMASK, MSR.TSC_AUX]) {
      expect(m.wrmsr(index, 0xffffffffn)).toBe('done');
      expect(m.wrmsr(index, 1n << 32n)).toEqual(GP);
    }
  });

  it('IA32_PAT takes the six memory types and refuses 2, 3 and 8', async () => {
    const m = await oneInstruction();
    expect(m.rdmsr(MSR.PAT)).toBe(0x0007_0406_0007_0406n);
    expect(m.wrmsr(MSR.PAT, 0x0706_0504_0100_0000n)).toBe('done');
    for (const type of [2n, 3n, 8n]) expect(m.wrmsr(MSR.PAT, type << 40n)).toEqual(GP);
  });

  it('MTRRs take valid types, addresses within MAXPHYADDR and no reserved bits', async () => {
    const m = await oneInstruction({ cpu: 'max,phys-bits=40' });
    expect(m.rdmsr(MSR.MTRRCAP)).toBe(0x508n);
    expect(m.wrmsr(0x200, 0xff_0000_0006n)).toBe('done');
    expect(m.rdmsr(0x200)).toBe(0xff_0000_0006n);
    expect(m.wrmsr(0x200, 0x100_0000_0006n)).toEqual(GP);
    expect(m.wrmsr(0x200, 0x2n)).toEqual(GP);
    expect(m.wrmsr(0x201, 0xff_0000_0800n)).toBe('done');
    expect(m.wrmsr(0x201, 0xff_0000_0400n)).toEqual(GP);
    expect(m.wrmsr(0x210, 0n)).toEqual(GP);
    expect(m.wrmsr(0x250, 0x0606_0606_0606_0606n)).toBe('done');
    expect(m.wrmsr(0x26f, 0x0300_0000_0000_0000n)).toEqual(GP);
    expect(m.wrmsr(MSR.MTRR_DEF_TYPE, 0xc06n)).toBe('done');
    expect(m.wrmsr(MSR.MTRR_DEF_TYPE, 0x1006n)).toEqual(GP);
    expect(m.wrmsr(MSR.MTRR_DEF_TYPE, 0xc07n)).toEqual(GP);
  });

  it('machine-check banks take all zeros or all ones in CTL and zero in STATUS, and end where MCG_CAP says', async () => {
    const m = await oneInstruction();
    const banks = Number((m.rdmsr(MSR.MCG_CAP) as bigint) & 0xffn);
    const last = 0x400 + 4 * (banks - 1);
    expect(m.wrmsr(last, 0xffff_ffff_ffff_ffffn)).toBe('done');
    expect(m.wrmsr(last, 1n)).toEqual(GP);
    expect(m.wrmsr(last + 1, 0n)).toBe('done');
    expect(m.wrmsr(last + 1, 1n)).toEqual(GP);
    expect(m.rdmsr(last + 4)).toEqual(GP);
  });

  it('x2APIC registers exist in x2APIC mode only, which is left by way of off only', async () => {
    const m = await oneInstruction();
    const base = m.rdmsr(MSR.APIC_BASE) as bigint;
    expect(base).toBe(0xfee0_0900n);
    expect(m.rdmsr(0x802)).toEqual(GP);
    expect(m.wrmsr(MSR.APIC_BASE, base | 0x400n)).toBe('done');
    expect(m.rdmsr(0x802)).toBe(0n);
    expect(m.wrmsr(MSR.APIC_BASE, base)).toEqual(GP);
    expect(m.wrmsr(MSR.APIC_BASE, (base | 0x400n) & ~0x800n)).toEqual(GP);
    expect(m.wrmsr(MSR.APIC_BASE, base & ~0x800n)).toBe('done');
    expect(m.wrmsr(MSR.APIC_BASE, base | 0x400n)).toEqual(GP);
    expect(m.wrmsr(MSR.APIC_BASE, base | 1n)).toEqual(GP);
  });

  it('refuse x2APIC mode and its registers where the model has no x2APIC', async () => {
    const m = await oneInstruction({ cpu: 'max,-x2apic' });
    expect(m.wrmsr(MSR.APIC_BASE, 0xfee0_0d00n)).toEqual(GP);
    expect(m.rdmsr(0x802)).toEqual(GP);
  });
});

describe('the time-stamp counter', () => {
  const RDTSC = [0x0f, 0x31];
  const read = (m: Awaited<ReturnType<typeof oneInstruction>>) => (m.core.get('rdx') << 32n) | m.core.get('rax');

  it('counts retired instructions from reset, also within a block', async () => {
    const m = await oneInstruction();
    // rdtsc; mov ebx, eax; nop; nop; rdtsc
    m.core.memory.bytes(0x1000, 8).set([0x0f, 0x31, 0x89, 0xc3, 0x90, 0x90, 0x0f, 0x31]);
    m.core.set('rip', 0x1000n);
    m.core.run(5);
    expect(m.core.get('rbx')).toBe(0n);
    expect(m.core.get('rax')).toBe(4n);
  });

  it('takes what is written, and IA32_TSC_ADJUST tells by how much it was moved', async () => {
    const m = await oneInstruction();
    expect(m.wrmsr(MSR.TSC, 1_000_000n)).toBe('done');
    m.step(RDTSC);
    expect(read(m)).toBe(1_000_001n);
    expect(m.rdmsr(MSR.TSC_ADJUST)).toBe(1_000_000n);
    expect(m.wrmsr(MSR.TSC_ADJUST, 0n)).toBe('done');
    m.step(RDTSC);
    expect(read(m)).toBe(4n);
  });

  it('follows the embedder where it skips time', async () => {
    const m = await oneInstruction();
    m.core.advance(5000);
    m.step(RDTSC);
    expect(read(m)).toBe(5000n);
  });

  it('is #GP(0) to CPL 3 with CR4.TSD; RDTSCP gives TSC_AUX as well', async () => {
    const m = await oneInstruction({ cpl: 3 });
    m.core.writeMsr(MSR.TSC_AUX, 0x77n);
    expect(m.step([0x0f, 0x01, 0xf9])).toBe('done');
    expect(m.core.get('rcx')).toBe(0x77n);
    m.core.set('cr4', 0x24n);
    expect(m.step(RDTSC)).toEqual(GP);
    expect(m.step([0x0f, 0x01, 0xf9])).toEqual(GP);
  });

  it('RDPID reads TSC_AUX and is #UD without the feature', async () => {
    const m = await oneInstruction();
    m.wrmsr(MSR.TSC_AUX, 5n);
    expect(m.step([0xf3, 0x0f, 0xc7, 0xf8])).toBe('done');
    expect(m.core.get('rax')).toBe(5n);
    const without = await oneInstruction({ cpu: 'max,-rdpid' });
    expect(without.step([0xf3, 0x0f, 0xc7, 0xf8])).toEqual(UD);
  });
});

describe('segment bases', () => {
  const WRFSBASE = [0xf3, 0x48, 0x0f, 0xae, 0xd0];
  const RDGSBASE = [0xf3, 0x48, 0x0f, 0xae, 0xc8];

  it('are #UD without CR4.FSGSBASE, and take canonical addresses only', async () => {
    const m = await oneInstruction({ cpl: 3 });
    expect(m.step(WRFSBASE)).toEqual(UD);
    m.core.set('cr4', 0x1_0020n);
    expect(m.step(WRFSBASE, { rax: 0x1234n })).toBe('done');
    expect(m.core.getSegment('fs').base).toBe(0x1234n);
    expect(m.step(WRFSBASE, { rax: NON_CANONICAL })).toEqual(GP);
    m.core.writeMsr(MSR.GS_BASE, 0xffff_8000_0000_0000n);
    expect(m.step(RDGSBASE)).toBe('done');
    expect(m.core.get('rax')).toBe(0xffff_8000_0000_0000n);
  });

  it('with 32-bit operands write 32 bits, cleared above', async () => {
    const m = await oneInstruction();
    m.core.set('cr4', 0x1_0020n);
    expect(m.step([0xf3, 0x0f, 0xae, 0xd0], { rax: 0xffff_ffff_8765_4321n })).toBe('done');
    expect(m.core.getSegment('fs').base).toBe(0x8765_4321n);
  });
});

describe('protection keys', () => {
  const RDPKRU = [0x0f, 0x01, 0xee];
  const WRPKRU = [0x0f, 0x01, 0xef];

  it('are #UD without CR4.PKE, and want ECX and EDX to be 0', async () => {
    const m = await oneInstruction({ cpl: 3 });
    expect(m.step(RDPKRU, { rcx: 0n })).toEqual(UD);
    m.core.set('cr4', 0x40_0020n);
    expect(m.step(WRPKRU, { rax: 0x50n, rcx: 0n, rdx: 0n })).toBe('done');
    expect(m.step(RDPKRU, { rcx: 0n, rdx: 9n })).toBe('done');
    expect([m.core.get('rax'), m.core.get('rdx')]).toEqual([0x50n, 0n]);
    expect(m.step(WRPKRU, { rcx: 1n, rdx: 0n })).toEqual(GP);
    expect(m.step(WRPKRU, { rcx: 0n, rdx: 1n })).toEqual(GP);
    expect(m.step(RDPKRU, { rcx: 1n })).toEqual(GP);
  });

  it('deny an access from the instruction after WRPKRU, although the translation was known', async () => {
    const m = await oneInstruction({ cpl: 3 });
    m.core.set('cr4', 0x40_0020n);
    // The second large page has key 1.
    m.core.memory.bytes(0x12_00f, 1)[0] = 0x08;
    const load = [0x8a, 0x03];
    expect(m.step(load, { rbx: 0x20_0000n })).toBe('done');
    expect(m.step(WRPKRU, { rax: 4n, rcx: 0n, rdx: 0n })).toBe('done');
    expect(m.step(load, { rbx: 0x20_0000n })).toEqual({ vector: 14, errorCode: 0x25 });
    expect(m.step(WRPKRU, { rax: 8n, rcx: 0n, rdx: 0n })).toBe('done');
    expect(m.step(load, { rbx: 0x20_0000n })).toBe('done');
    expect(m.step([0x88, 0x03], { rbx: 0x20_0000n })).toEqual({ vector: 14, errorCode: 0x27 });
  });
});

describe('IA32_PKRS', () => {
  it('guards supervisor pages by key with CR4.PKS, and has 32 bits', async () => {
    const m = await oneInstruction();
    const load = [0x8a, 0x03];
    // The second large page: supervisor, key 1.
    m.core.memory.bytes(0x12_008, 8).set([0x83, 0, 0x20, 0, 0, 0, 0, 0x08]);
    expect(m.wrmsr(0x6e1, 1n << 32n)).toEqual(GP);
    expect(m.wrmsr(0x6e1, 4n)).toBe('done');
    expect(m.step(load, { rbx: 0x20_0000n })).toBe('done');
    expect(m.movToCr(4, 0x100_0020n)).toBe('done');
    expect(m.step(load, { rbx: 0x20_0000n })).toEqual({ vector: 14, errorCode: 0x21 });
    expect(m.wrmsr(0x6e1, 0n)).toBe('done');
    expect(m.step(load, { rbx: 0x20_0000n })).toBe('done');
    const without = await oneInstruction({ cpu: 'max,-pks' });
    expect(without.rdmsr(0x6e1)).toEqual(GP);
    expect(without.movToCr(4, 0x100_0020n)).toEqual(GP);
  });
});

describe('XSETBV', () => {
  const XSETBV = [0x0f, 0x01, 0xd1];
  const OSXSAVE = 0x4_0020n;

  it.each([
    ['XCR0 without x87', { rax: 2n, rcx: 0n, rdx: 0n }],
    ['AVX without SSE', { rax: 5n, rcx: 0n, rdx: 0n }],
    ['a component that does not exist', { rax: 1n, rcx: 0n, rdx: 0x4000_0000n }],
    ['another register than XCR0', { rax: 1n, rcx: 1n, rdx: 0n }],
  ])('refuses %s', async (_name, registers) => {
    const m = await oneInstruction();
    m.core.set('cr4', OSXSAVE);
    expect(m.step(XSETBV, registers)).toEqual(GP);
    expect(m.core.get('xcr0')).toBe(1n);
  });

  it('is #UD without CR4.OSXSAVE and #GP(0) outside CPL 0, where XGETBV is not', async () => {
    const m = await oneInstruction({ cpl: 3 });
    expect(m.step(XSETBV, { rax: 1n, rcx: 0n, rdx: 0n })).toEqual(UD);
    m.core.set('cr4', OSXSAVE);
    expect(m.step(XSETBV, { rax: 1n, rcx: 0n, rdx: 0n })).toEqual(GP);
    expect(m.step([0x0f, 0x01, 0xd0], { rcx: 0n })).toBe('done');
    expect(m.core.get('rax')).toBe(1n);
  });
});

describe('STAC and CLAC', () => {
  it('set and clear AC at CPL 0 and are #UD elsewhere and without SMAP', async () => {
    const m = await oneInstruction();
    expect(m.step([0x0f, 0x01, 0xcb])).toBe('done');
    expect(m.core.get('rflags') & 0x4_0000n).toBe(0x4_0000n);
    expect(m.step([0x0f, 0x01, 0xca])).toBe('done');
    expect(m.core.get('rflags') & 0x4_0000n).toBe(0n);
    const user = await oneInstruction({ cpl: 3 });
    expect(user.step([0x0f, 0x01, 0xcb])).toEqual(UD);
    const without = await oneInstruction({ cpu: 'max,-smap' });
    expect(without.step([0x0f, 0x01, 0xcb])).toEqual(UD);
  });
});

describe('INVPCID', () => {
  const INVPCID = [0x66, 0x0f, 0x38, 0x82, 0x03];
  const descriptor = (m: Awaited<ReturnType<typeof oneInstruction>>, pcid: bigint, la: bigint) => {
    const bytes = m.core.memory.bytes(m.data, 16);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
    view.setBigUint64(0, pcid, true);
    view.setBigUint64(8, la, true);
  };

  it.each([
    ['type 4', 4n, 0n, 0n],
    ['a PCID above 4095', 0n, 0x1000n, 0n],
    ['a PCID other than 0 while CR4.PCIDE is 0', 1n, 1n, 0n],
    ['a non-canonical address', 0n, 0n, NON_CANONICAL],
  ])('refuses %s', async (_name, type, pcid, la) => {
    const m = await oneInstruction();
    descriptor(m, pcid, la);
    expect(m.step(INVPCID, { rax: type, rbx: BigInt(m.data) })).toEqual(GP);
  });

  it('forgets the translation of an address', async () => {
    const m = await oneInstruction();
    const load = [0x8a, 0x01];
    expect(m.step(load, { rcx: 0x20_0000n })).toBe('done');
    m.core.memory.bytes(0x12_008, 1)[0] = 0;
    expect(m.step(load, { rcx: 0x20_0000n })).toBe('done');
    descriptor(m, 0n, 0x20_0000n);
    expect(m.step(INVPCID, { rax: 0n, rbx: BigInt(m.data) })).toBe('done');
    expect(m.step(load, { rcx: 0x20_0000n })).toEqual({ vector: 14, errorCode: 0 });
  });
});

describe('instructions that do nothing but exist', () => {
  it.each([
    ['ENDBR64', [0xf3, 0x0f, 0x1e, 0xfa]],
    ['NOP Ev', [0x0f, 0x1f, 0x00]],
    ['PAUSE', [0xf3, 0x90]],
    ['PREFETCHT0 of an unmapped line', [0x0f, 0x18, 0x0c, 0x25, 0, 0, 0, 0x70]],
    ['WBINVD', [0x0f, 0x09]],
    ['SERIALIZE', [0x0f, 0x01, 0xe8]],
  ])('%s', async (_name, code) => {
    const m = await oneInstruction();
    expect(m.step(code)).toBe('done');
    expect(m.core.get('rip')).toBe(BigInt(0x1000 + code.length));
  });

  it('CLFLUSH faults where a load would', async () => {
    const m = await oneInstruction();
    expect(m.step([0x0f, 0xae, 0x3b], { rbx: BigInt(m.data) })).toBe('done');
    expect(m.step([0x0f, 0xae, 0x3b], { rbx: 0x7000_0000n })).toEqual({ vector: 14, errorCode: 0 });
  });

  it.each([
    ['UD0', [0x0f, 0xff, 0xc0]],
    ['UD1', [0x0f, 0xb9, 0xc0]],
    ['UD2', [0x0f, 0x0b]],
    ['RSM outside SMM', [0x0f, 0xaa]],
    ['XGETBV without CR4.OSXSAVE', [0x0f, 0x01, 0xd0]],
  ])('%s is #UD', async (_name, code) => {
    const m = await oneInstruction();
    expect(m.step(code)).toEqual(UD);
  });

  it('MONITOR and MWAIT are #UD outside CPL 0, and #GP(0) for extensions that do not exist', async () => {
    const user = await oneInstruction({ cpl: 3 });
    expect(user.step([0x0f, 0x01, 0xc8])).toEqual(UD);
    const m = await oneInstruction();
    expect(m.step([0x0f, 0x01, 0xc8], { rax: BigInt(m.data), rcx: 0n })).toBe('done');
    expect(m.step([0x0f, 0x01, 0xc8], { rax: BigInt(m.data), rcx: 1n })).toEqual(GP);
    expect(m.step([0x0f, 0x01, 0xc9], { rcx: 2n })).toEqual(GP);
  });
});

describe('RDRAND and RDSEED', () => {
  it('set CF and clear the other arithmetic flags, and repeat from reset to reset', async () => {
    const values: bigint[] = [];
    for (let n = 0; n < 2; n++) {
      const m = await oneInstruction();
      expect(m.step([0x48, 0x0f, 0xc7, 0xf0], { rflags: 0x8d6n })).toBe('done');
      expect(m.core.get('rflags') & 0x8d5n).toBe(1n);
      values.push(m.core.get('rax'));
      expect(m.step([0x48, 0x0f, 0xc7, 0xf8])).toBe('done');
      expect(m.core.get('rax')).not.toBe(values[n]);
    }
    expect(values[0]).toBe(values[1]);
  });
});
