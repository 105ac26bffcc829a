/** XSAVE and XRSTOR after SDM Vol. 1, "Managing State Using the XSAVE Feature Set". */
import { beforeEach, describe, expect, it } from 'vitest';
import { GP, type OneInstruction, oneInstruction, UD } from './one-instruction.ts';

const XSAVE = [0x0f, 0xae, 0x27]; // [RDI]
const XRSTOR = [0x0f, 0xae, 0x2f];
const XSAVEC = [0x0f, 0xc7, 0x27];
const XRSTORS = [0x0f, 0xc7, 0x1f];
const WRPKRU = [0x0f, 0x01, 0xef];
const RDPKRU = [0x0f, 0x01, 0xee];
const XSETBV = [0x0f, 0x01, 0xd1];
const OSFXSR_OSXSAVE = 0x4_0600n;
const PKE = 0x40_0000n;
const ALL = 7n;
const PKRU_STATE = 0x200;
const COMPACTED = 1n << 63n;

let cpu: OneInstruction;
const area = () => cpu.core.memory.bytes(cpu.data, 1024);
const view = () => new DataView(area().buffer, area().byteOffset, 1024);
const run = (code: readonly number[], offset = 0n) =>
  cpu.step(code, { rdi: BigInt(cpu.data) + offset, rax: ALL, rdx: 0n });

beforeEach(async () => {
  cpu = await oneInstruction();
  cpu.movToCr(4, cpu.core.get('cr4') | OSFXSR_OSXSAVE);
  cpu.step([0x0f, 0x01, 0xd1], { rax: ALL, rcx: 0n, rdx: 0n });
  area().fill(0);
});

describe('XSAVE', () => {
  it('is undefined without CR4.OSXSAVE', () => {
    cpu.movToCr(4, cpu.core.get('cr4') & ~0x4_0000n);
    expect(run(XSAVE)).toEqual(UD);
  });
  it('needs an area aligned to 64 bytes', () => expect(run(XSAVE, 32n)).toEqual(GP));
  it('restores the x87 constant that it saved', () => {
    cpu.step([0xdb, 0xe3]);
    cpu.step([0xd9, 0xeb]);
    expect(run(XSAVE)).toBe('done');
    expect(view().getUint32(512, true) & 1).toBe(1);
    expect(view().getBigUint64(32, true)).toBe(0xc90f_daa2_2168_c235n);
    cpu.step([0xdb, 0xe3]);
    expect(run(XRSTOR)).toBe('done');
    cpu.step([0xdb, 0x3f], { rdi: BigInt(cpu.data) + 0x300n });
    expect(view().getBigUint64(0x300, true)).toBe(0xc90f_daa2_2168_c235n);
  });
});

describe('XRSTOR', () => {
  it('refuses components that XCR0 has not', () => {
    view().setUint32(512, 8, true);
    expect(run(XRSTOR)).toEqual(GP);
  });
  it('refuses a header with reserved bytes', () => {
    view().setUint8(512 + 16, 1);
    expect(run(XRSTOR)).toEqual(GP);
  });
  it('refuses reserved bits of MXCSR', () => {
    view().setUint32(512, 2, true);
    view().setUint32(24, 0x1_0000, true);
    expect(run(XRSTOR)).toEqual(GP);
  });
});

describe('XSAVEC', () => {
  it('marks the area as compacted, which XRSTORS demands', () => {
    expect(run(XRSTORS)).toEqual(GP);
    expect(run(XSAVEC)).toBe('done');
    expect(view().getBigUint64(520, true)).toBe(0x8000_0000_0000_0007n);
    expect(run(XRSTORS)).toBe('done');
  });
});

describe('PKRU state', () => {
  const PKRU = 0x5555_5554n;
  const withMask = (code: readonly number[], mask: number) =>
    cpu.step(code, { rdi: BigInt(cpu.data), rax: BigInt(mask), rdx: 0n });
  const write = (value: bigint) => cpu.step(WRPKRU, { rax: value, rcx: 0n, rdx: 0n });
  const read = () => {
    expect(cpu.step(RDPKRU, { rcx: 0n })).toBe('done');
    return cpu.core.get('rax');
  };
  const wide = () =>
    new DataView(cpu.core.memory.bytes(cpu.data, 0xc00).buffer, cpu.core.memory.bytes(cpu.data, 1).byteOffset);

  beforeEach(() => {
    cpu.movToCr(4, cpu.core.get('cr4') | PKE);
    expect(cpu.step(XSETBV, { rax: ALL | BigInt(PKRU_STATE), rcx: 0n, rdx: 0n })).toBe('done');
    expect(write(PKRU)).toBe('done');
  });

  it('lies where CPUID says, and comes back', () => {
    const { eax, ebx } = cpu.cpuid(0xd, 9);
    expect(eax).toBe(8);
    expect(withMask(XSAVE, PKRU_STATE)).toBe('done');
    expect(wide().getUint32(512, true)).toBe(PKRU_STATE);
    expect(wide().getBigUint64(ebx, true)).toBe(PKRU);
    write(0n);
    expect(withMask(XRSTOR, PKRU_STATE)).toBe('done');
    expect(read()).toBe(PKRU);
  });

  it('is 0 after XRSTOR of an area without it', () => {
    expect(withMask(XRSTOR, PKRU_STATE)).toBe('done');
    expect(read()).toBe(0n);
  });

  it('follows what precedes it in a compacted area', () => {
    expect(withMask(XSAVEC, PKRU_STATE)).toBe('done');
    expect(wide().getBigUint64(520, true)).toBe(COMPACTED | BigInt(PKRU_STATE));
    expect(wide().getBigUint64(576, true)).toBe(PKRU);
    expect(withMask(XSAVEC, PKRU_STATE | 4)).toBe('done');
    expect(wide().getBigUint64(576 + 256, true)).toBe(PKRU);
    write(0n);
    expect(withMask(XRSTORS, PKRU_STATE | 4)).toBe('done');
    expect(read()).toBe(PKRU);
  });

  it('is not saved without its bit in XCR0, and cannot be restored', () => {
    cpu.step(XSETBV, { rax: ALL, rcx: 0n, rdx: 0n });
    expect(withMask(XSAVE, PKRU_STATE | 1)).toBe('done');
    expect(wide().getUint32(512, true) & PKRU_STATE).toBe(0);
    wide().setUint32(512, PKRU_STATE, true);
    expect(withMask(XRSTOR, PKRU_STATE)).toEqual(GP);
  });
});

describe('XINUSE, as XGETBV with ECX = 1 shows it', () => {
  const XGETBV = [0x0f, 0x01, 0xd0];
  const FNINIT = [0xdb, 0xe3];
  const EMMS = [0x0f, 0x77];
  const VZEROUPPER = [0xc5, 0xf8, 0x77];
  const VZEROALL = [0xc5, 0xfc, 0x77];
  const inUse = () => {
    expect(cpu.step(XGETBV, { rcx: 1n })).toBe('done');
    return Number(cpu.core.get('rax'));
  };
  /** An area whose components all have their initial values, of which `bits` are marked as saved. */
  const load = (bits: number) => {
    area().fill(0);
    view().setUint16(0, 0x37f, true);
    view().setUint32(24, 0x1f80, true);
    view().setUint32(512, bits, true);
    expect(run(XRSTOR)).toBe('done');
  };

  // Recorded on an Intel processor: a component is in use from the first write on, whatever was written.
  it.each([0, 1, 2, 4, 7])('is %i after XRSTOR of these components, initial values or not', (bits) => {
    load(bits);
    expect(inUse()).toBe(bits);
  });
  it('loses AVX by VZEROUPPER, SSE and AVX by VZEROALL', () => {
    load(7);
    cpu.step(VZEROUPPER);
    expect(inUse()).toBe(3);
    load(7);
    cpu.step(VZEROALL);
    expect(inUse()).toBe(1);
  });
  it.each([
    ['FNINIT', FNINIT],
    ['EMMS', EMMS],
  ])('keeps x87 through %s', (_name, code) => {
    load(7);
    cpu.step(code);
    expect(inUse()).toBe(7);
    load(0);
    cpu.step(code);
    expect(inUse()).toBe(1);
  });
  it('has SSE and AVX from the first value that is not the initial one until VZEROUPPER', () => {
    load(0);
    cpu.step([0xc5, 0xf5, 0x76, 0xc9]); // vpcmpeqd ymm1, ymm1, ymm1
    expect(inUse()).toBe(6);
    cpu.step(VZEROUPPER);
    expect(inUse()).toBe(2);
  });
  it('is in the header that XSAVE stores', () => {
    load(7);
    cpu.step(VZEROUPPER);
    area().fill(0);
    expect(run(XSAVE)).toBe('done');
    expect(view().getUint32(512, true)).toBe(3);
  });
  it('needs ECX 0 or 1, and 1 needs CPUID.0DH.1:EAX[2]', async () => {
    expect(cpu.step(XGETBV, { rcx: 2n })).toEqual(GP);
    for (const [model, offered] of [
      ['Haswell', false],
      ['Skylake-Client', true],
      ['max', true],
    ] as const) {
      const other = await oneInstruction({ cpu: model });
      other.movToCr(4, other.core.get('cr4') | OSFXSR_OSXSAVE);
      expect((other.cpuid(0xd, 1).eax & 4) !== 0).toBe(offered);
      expect(other.step(XGETBV, { rcx: 1n })).toEqual(offered ? 'done' : GP);
    }
  });
});
