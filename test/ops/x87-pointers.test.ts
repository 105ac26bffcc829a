/**
 * The x87's pointers to its last instruction: SDM Vol. 1, "x87 FPU Instruction and Data (Operand) Pointers", "Fopcode
 * Compatibility Sub-mode", and what an Intel processor with CPUID.07H.0:EBX bits 6 and 13 was seen to save.
 */
import { describe, expect, it } from 'vitest';
import { type OneInstruction, oneInstruction } from './one-instruction.ts';

const FDP_EXCPTN_ONLY = 1 << 6;
const ZERO_FCS_FDS = 1 << 13;
const OSFXSR = 0x600n;

const bytes = (text: string) => text.split(' ').map((byte) => Number.parseInt(byte, 16));
const FNINIT = 'db e3';
const FXSAVE64 = '48 0f ae 07'; // [RDI]
const FXRSTOR64 = '48 0f ae 0f';
const FNSTENV = 'd9 37';
const IMAGE = 0x400;

async function processor(cpu?: string): Promise<OneInstruction> {
  const m = await oneInstruction({ cpu });
  m.movToCr(4, m.core.get('cr4') | OSFXSR);
  const view = new DataView(m.core.memory.bytes(m.data, 0x100).buffer, m.core.memory.bytes(m.data, 1).byteOffset);
  view.setFloat64(0, 1, true);
  view.setUint16(0x28, 0x4080, true); // 2^129 in ten bytes at 20H
  view.setUint8(0x27, 0x80);
  view.setUint16(0x40, 0x340, true);
  view.setUint16(0x48, 0x37f, true);
  view.setBigUint64(0x58, 0x7ff0_0000_0000_0001n, true);
  return m;
}
function run(m: OneInstruction, ...code: string[]): void {
  const registers = { rbx: BigInt(m.data), rdi: BigInt(m.data + IMAGE) };
  for (const text of code) expect(m.step(bytes(text), registers)).toBe('done');
}
function image(m: OneInstruction) {
  const view = new DataView(
    m.core.memory.bytes(m.data, 0x800).buffer,
    m.core.memory.bytes(m.data, 1).byteOffset + IMAGE,
  );
  const dataOffset = (address: bigint) => (address === 0n ? 0 : Number(address) - m.data);
  return {
    view,
    fop: view.getUint16(6, true),
    fip: view.getBigUint64(8, true),
    fdp: dataOffset(view.getBigUint64(16, true)),
  };
}

const UNMASK = 'd9 6b 40'; // fldcw [rbx+40H]
const FLD_M64 = 'dd 03';
const FLD1 = 'd9 e8';

describe('a processor that keeps opcode and data pointer for unmasked exceptions', () => {
  // instructions behind FNINIT, then FOP and FDP (beyond RBX) as recorded
  it.each([
    [[FLD_M64], 0, 0],
    [[FLD1], 0, 0],
    [[FLD_M64, 'd9 d0'], 0, 0],
    [[FLD1, 'd9 ee', 'de f9'], 0, 0], // fdivp by 0, masked
    [[UNMASK, FLD1, 'd9 ee', 'd8 f9'], 0x0f9, 0],
    [[UNMASK, FLD1, 'd8 73 50'], 0x073, 0x50],
    [[UNMASK, 'dd 43 58'], 0x543, 0x58], // fld of a signaling NaN
    [[UNMASK, 'db 6b 20', 'db 5b 50'], 0x35b, 0x50], // fistp m32 of what does not fit
    [[UNMASK, 'd8 c1'], 0x0c1, 0], // fadd from an empty stack
    [[FLD1, 'dc 1b'], 0, 0],
  ])('after %j saves FOP %i and FDP %i', async (code, fop, fdp) => {
    const m = await processor();
    expect(m.cpuid(7).ebx & (FDP_EXCPTN_ONLY | ZERO_FCS_FDS)).toBe(FDP_EXCPTN_ONLY | ZERO_FCS_FDS);
    run(m, FNINIT, ...code, FXSAVE64);
    const saved = image(m);
    expect([saved.fop, saved.fdp]).toEqual([fop, fdp]);
    expect(saved.fip).not.toBe(0n);
  });

  it('saves what FXRSTOR loaded until an exception changes it, and zeros after FNINIT', async () => {
    const m = await processor();
    image(m).view.setUint16(0, 0x37f, true);
    image(m).view.setUint16(6, 0x123, true);
    image(m).view.setBigUint64(16, BigInt(m.data + 0x77), true);
    image(m).view.setUint32(24, 0x1f80, true);
    run(m, FXRSTOR64, FLD_M64, FXSAVE64);
    expect([image(m).fop, image(m).fdp]).toEqual([0x123, 0x77]);
    run(m, FNINIT, FLD_M64, FXSAVE64);
    expect([image(m).fop, image(m).fdp]).toEqual([0, 0]);
  });

  it('saves selectors as zeros', async () => {
    const m = await processor();
    run(m, FNINIT, FLD_M64, FNSTENV);
    expect([image(m).view.getUint16(16, true), image(m).view.getUint16(24, true)]).toEqual([0, 0]);
  });
});

describe('older processors', () => {
  it('of Intel keep the opcode for unmasked exceptions from the Pentium 4 on, and data pointer and selectors always', async () => {
    const m = await processor('Nehalem');
    expect(m.cpuid(7).ebx & (FDP_EXCPTN_ONLY | ZERO_FCS_FDS)).toBe(0);
    run(m, FNINIT, FLD_M64, FXSAVE64);
    const { fop } = image(m);
    run(m, FNINIT, FLD_M64, FNSTENV);
    const { view } = image(m);
    expect([fop, view.getUint32(20, true), view.getUint16(16, true)]).toEqual([0, m.data, 8]);
  });

  it('of AMD keep all of it always', async () => {
    const m = await processor('qemu64');
    run(m, FNINIT, FLD_M64, FXSAVE64);
    expect([image(m).fop, image(m).fdp]).toEqual([0x503, 0]);
    expect(image(m).view.getBigUint64(16, true)).toBe(BigInt(m.data));
  });

  it.each([
    ['Haswell', ZERO_FCS_FDS],
    ['Skylake-Client', ZERO_FCS_FDS | FDP_EXCPTN_ONLY],
    ['Icelake-Server', ZERO_FCS_FDS | FDP_EXCPTN_ONLY],
  ])('%s reports what Intel documents of it', async (cpu, bits) => {
    const m = await processor(cpu);
    expect(m.cpuid(7).ebx & (FDP_EXCPTN_ONLY | ZERO_FCS_FDS)).toBe(bits);
  });
});
