/** A processor without VMX, or without parts of it (SDM Vol. 3C, "Discovering Support for VMX"; Vol. 3D, Appendix A). */
import { beforeEach, describe, expect, it } from 'vitest';
import { CODE, enterUser, HANDLER, type Lab, longLab } from '../exec/lab.ts';
import { VMLAUNCH, VMRESUME, vmxLab } from './lab.ts';

const UD = 6;
const GP = 13;
const FEATURE_CONTROL = 0x3a;
const VMX_BASIC = 0x480;
const VMX_VMFUNC = 0x491;
const VMXE = 0x2000n;
// biome-ignore format: a line per few instructions
const INSTRUCTIONS: readonly (readonly [name: string, bytes: string])[] = [
  ['VMXON [RAX]', 'f3 0f c7 30'], ['VMXOFF', '0f 01 c4'], ['VMCLEAR [RAX]', '66 0f c7 30'], ['VMPTRLD [RAX]', '0f c7 30'],
  ['VMPTRST [RAX]', '0f c7 38'], ['VMREAD RBX, RAX', '0f 78 c3'], ['VMWRITE RAX, RBX', '0f 79 c3'], ['VMLAUNCH', VMLAUNCH],
  ['VMRESUME', VMRESUME], ['VMCALL', '0f 01 c1'], ['VMFUNC', '0f 01 d4'], ['INVEPT RCX, [RAX]', '66 0f 38 80 08'],
  ['INVVPID RCX, [RAX]', '66 0f 38 81 08'],
];

let lab: Lab;
/** Executes one instruction at CPL 0: the vector of the fault that it raised, if any. */
function fault(bytes: string): number | undefined {
  lab.code(CODE, bytes);
  lab.set({ rip: CODE });
  lab.step();
  const at = Number(lab.get('rip')) - HANDLER;
  return at >= 0 && at < 0x2000 ? at / 0x100 : undefined;
}
async function set(cpu?: string): Promise<void> {
  lab = await longLab(cpu);
  for (const vector of [UD, GP]) lab.gate64(vector, BigInt(HANDLER + 0x100 * vector));
  lab.set({ rax: 0x40000, rcx: 1 });
}
const rdmsr = (index: number) => {
  lab.set({ rcx: index });
  return fault('0f 32');
};
const wrmsr = (index: number, value: number) => {
  lab.set({ rcx: index, rax: value, rdx: 0 });
  return fault('0f 30');
};
const cpuid1 = () => {
  lab.set({ rax: 1, rcx: 0 });
  expect(fault('0f a2')).toBeUndefined();
  return lab.get('rcx');
};

describe.each(['max,-vmx', 'Skylake-Client,-vmx', 'Penryn,-vmx'])('a processor of model %s', (cpu) => {
  beforeEach(() => set(cpu));
  it('says in CPUID that it has no VMX', () => {
    expect(cpuid1() & 0x20n).toBe(0n);
  });
  it('raises #GP(0) where CR4.VMXE would be set', () => {
    lab.set({ rax: 0x2020 });
    expect([fault('0f 22 e0'), lab.get('cr4')]).toEqual([GP, 0x20n]);
  });
  it.each(INSTRUCTIONS)('has no %s', (_name, bytes) => {
    expect(fault(bytes)).toBe(UD);
  });
  it.each(INSTRUCTIONS)('has no %s at CPL 3', (_name, bytes) => {
    enterUser(lab, true);
    expect(fault(bytes)).toBe(UD);
  });
  it('has no IA32_FEATURE_CONTROL', () => {
    expect([rdmsr(FEATURE_CONTROL), wrmsr(FEATURE_CONTROL, 5)]).toEqual([GP, GP]);
  });
  it('has no capability MSRs', () => {
    for (let index = VMX_BASIC; index <= VMX_VMFUNC; index++) {
      expect([index, rdmsr(index), wrmsr(index, 0)]).toEqual([index, GP, GP]);
    }
  });
});

describe('a processor with VMX', () => {
  beforeEach(() => set('max,+vmx'));
  it('says so in CPUID', () => {
    expect(cpuid1() & 0x20n).toBe(0x20n);
  });
  it.each(INSTRUCTIONS)('has no %s while CR4.VMXE is 0', (_name, bytes) => {
    expect(fault(bytes)).toBe(UD);
  });
  it('allows CR4.VMXE', () => {
    lab.set({ rax: 0x2020 });
    expect([fault('0f 22 e0'), lab.get('cr4')]).toEqual([undefined, 0x2020n]);
  });
  // biome-ignore format: a line per case
  it.each([
    ['0 after reset', undefined, GP],
    ['not locked', 4, GP],
    ['locked without VMX', 1, GP],
    ['locked for VMX inside SMX only', 3, GP],
    ['locked with VMX', 5, undefined],
  ])('VMXON where IA32_FEATURE_CONTROL is %s: %o', (_name, value, expected) => {
    if (value !== undefined) expect(wrmsr(FEATURE_CONTROL, value)).toBeUndefined();
    lab.set({ cr0: lab.get('cr0') | 0x20n, cr4: 0x20n | VMXE, rax: CODE + 0x800 });
    lab.put32(0x40000, Number(lab.core.readMsr(VMX_BASIC) & 0x7fffffffn));
    lab.put64(CODE + 0x800, 0x40000n);
    expect(fault('f3 0f c7 30')).toBe(expected);
    if (expected === undefined) expect(lab.get('rflags') & 0x8d5n).toBe(0n);
  });
  it('IA32_FEATURE_CONTROL is written once, and never with reserved bits', () => {
    expect(rdmsr(FEATURE_CONTROL)).toBeUndefined();
    expect(lab.get('rax')).toBe(0n);
    expect(wrmsr(FEATURE_CONTROL, 0x200)).toBe(GP);
    expect([wrmsr(FEATURE_CONTROL, 4), wrmsr(FEATURE_CONTROL, 5)]).toEqual([undefined, undefined]);
    expect([wrmsr(FEATURE_CONTROL, 5), wrmsr(FEATURE_CONTROL, 0)]).toEqual([GP, GP]);
    expect([rdmsr(FEATURE_CONTROL), lab.get('rax')]).toEqual([undefined, 5n]);
  });
  it('capability MSRs can only be read', () => {
    for (let index = VMX_BASIC; index <= VMX_VMFUNC; index++) {
      expect([index, rdmsr(index), wrmsr(index, 0)]).toEqual([index, undefined, GP]);
    }
  });
  it('does not let go of CR4.VMXE, CR0.NE, PE and PG in VMX operation', async () => {
    const vmx = await vmxLab();
    lab = vmx.lab;
    lab.gate64(GP, BigInt(HANDLER + 0x100 * GP));
    lab.set({ rax: 0x20 });
    expect(fault('0f 22 e0')).toBe(GP);
    for (const bit of [0x20n, 0x8000_0000n]) {
      lab.set({ rax: lab.get('cr0') & ~bit });
      expect(fault('0f 22 c0')).toBe(GP);
    }
  });
  // biome-ignore format: a line per case
  it.each([
    ['secondary controls', '-vmx-secondary-ctls', [0x48b, 0x48c, 0x491]],
    ['EPT and VPID', '-vmx-ept,-vmx-vpid', [0x48c]],
    ['VM functions', '-vmx-vmfunc', [0x491]],
  ])('without %s lacks the MSRs that tell of them', async (_name, features, absent) => {
    await set(`max,+vmx,${features}`);
    for (let index = VMX_BASIC; index <= VMX_VMFUNC; index++) {
      expect([index, rdmsr(index)]).toEqual([index, absent.includes(index) ? GP : undefined]);
    }
  });
  it.each([
    ['INVEPT without EPT', '-vmx-ept', '66 0f 38 80 08'],
    ['INVVPID without VPID', '-vmx-vpid', '66 0f 38 81 08'],
  ])('%s is #UD in VMX operation too', async (_name, feature, bytes) => {
    lab = (await vmxLab(true, `max,+vmx,${feature}`)).lab;
    lab.gate64(UD, BigInt(HANDLER + 0x100 * UD));
    lab.set({ rax: 0x40000, rcx: 2 });
    expect(fault(bytes)).toBe(UD);
  });
});
