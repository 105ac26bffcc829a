// Processor models: what -cpu may say, what CPUID answers (SDM Vol. 2A, "CPUID—CPU Identification"), and that what is off is #UD.
import { describe, expect, it } from 'vitest';
import { INCOMPLETE_FEATURES } from '../../src/core/features.gen.ts';
import { AMD_ONLY, NEEDS } from '../../src/cpu-models/features.ts';
import { cpuidEntries, IMPLEMENTED, MODELS, resolveModel } from '../../src/cpu-models/index.ts';
import { oneInstruction, UD } from '../ops/one-instruction.ts';

const text = (...words: number[]) => new TextDecoder().decode(new Uint8Array(new Uint32Array(words).buffer));

describe('-cpu', () => {
  it('names what it does not know, and what there is', () => {
    expect(() => resolveModel('maximal')).toThrow(/unknown model 'maximal'; known are max, qemu64/);
    expect(() => resolveModel('max,+warp')).toThrow(/unknown feature 'warp'; known are fpu, vme/);
    expect(() => resolveModel('max,smap')).toThrow(/cannot read 'smap'; features are written \+name/);
    expect(() => resolveModel('max,+3dnow')).toThrow(/feature '3dnow' is not implemented/);
    expect(() => resolveModel('max,phys-bits=60')).toThrow(/phys-bits=60 must be an integer from 32 to 52/);
  });

  it("takes features on and off, by both of QEMU's spellings", () => {
    expect(resolveModel('max,-smap').reported.has('smap')).toBe(false);
    expect(resolveModel('max,smap=off').reported.has('smap')).toBe(false);
    expect(resolveModel('486,tsc=on,+tsc-adjust,+msr').reported.has('tsc_adjust')).toBe(true);
    expect(resolveModel('qemu64,-3dnow,-cr8legacy').name).toBe('qemu64');
  });

  it('makes a model of another vendor', async () => {
    expect(() => resolveModel('max,vendor=Cyrix')).toThrow(/vendor=Cyrix must be GenuineIntel or AuthenticAMD/);
    const [leaf] = cpuidEntries(resolveModel('qemu64,vendor=GenuineIntel'));
    expect(text(leaf.ebx, leaf.edx, leaf.ecx)).toBe('GenuineIntel');
    // IA32_MISC_ENABLE is Intel's.
    expect((await oneInstruction({ cpu: 'qemu64,vendor=GenuineIntel' })).rdmsr(0x1a0)).not.toEqual(
      (await oneInstruction({ cpu: 'qemu64' })).rdmsr(0x1a0),
    );
  });

  it('offers VM-execution controls of instructions only with the instructions', () => {
    const { reported } = resolveModel('Penryn,+vmx');
    const controls = ['vmx-rdtscp-exit', 'vmx-invpcid-exit', 'vmx-rdrand-exit', 'vmx-rdseed-exit', 'vmx-xsaves'];
    expect(controls.filter((name) => reported.has(name))).toEqual([]);
    expect(controls.filter((name) => !resolveModel('max').reported.has(name))).toEqual([]);
  });

  it.each([
    ['Penryn', [false, false]],
    ['Nehalem', [true, false]],
    ['Haswell', [true, true]],
  ])('has EPT and unrestricted guests in %s as that processor had them', (name, expected) => {
    const { reported } = resolveModel(name);
    expect(['vmx-ept', 'vmx-unrestricted-guest'].map((feature) => reported.has(feature))).toEqual(expected);
  });

  it('drops what builds on a feature that is off', () => {
    const model = resolveModel('max,-lm');
    for (const name of ['la57', 'pcid', 'fsgsbase', 'pdpe1gb']) expect(model.reported.has(name)).toBe(false);
    expect(resolveModel('max,-apic').reported.has('x2apic')).toBe(false);
  });

  it('reports nothing that builds on what is not executed yet', () => {
    for (const { name } of MODELS) {
      const { reported } = resolveModel(name);
      for (const feature of reported) for (const needed of NEEDS[feature] ?? []) expect(reported).toContain(needed);
    }
  });

  it('raises the highest leaf for a feature that needs it', () => {
    expect(resolveModel('pentium').level).toBe(1);
    expect(resolveModel('pentium,+smep').level).toBe(7);
  });

  it('has no model that reports what is not executed', () => {
    for (const { name } of MODELS) {
      const { reported } = resolveModel(name);
      expect([...reported].filter((feature) => INCOMPLETE_FEATURES.includes(feature))).toEqual([]);
    }
  });

  it('max is all that is implemented, of one vendor', () => {
    const { reported } = resolveModel('max');
    const whole = [...IMPLEMENTED].filter((name) => (NEEDS[name] ?? []).every((needed) => reported.has(needed)));
    expect(whole.filter((name) => !AMD_ONLY.includes(name) && !reported.has(name))).toEqual([]);
  });

  // QEMU 7.2's EAX, EBX, ECX, EDX of CPUID under TCG for `-cpu NAME`; EPYC-Genoa is of 8.1.
  it.each([
    ['Opteron_G3', 0x0010_0f23, [0x4002_0140, 0x4002_0140], [0x0200_8140, 0x0080_8140]],
    ['EPYC', 0x0080_0f12, [0x2008_0140, 0x4004_0140], [0x0200_6140, 0x0040_8140]],
    ['EPYC-Milan', 0x00a0_0f11, [0x2008_0140, 0x2008_0140], [0x0200_6140, 0x0100_8140]],
  ])("describes the signature and the caches of %s as QEMU's does", async (cpu, signature, l1, l2) => {
    const m = await oneInstruction({ cpu });
    expect(m.cpuid(1).eax).toBe(signature);
    const first = m.cpuid(0x80000005);
    expect([first.eax, first.ebx, first.ecx, first.edx]).toEqual([0x01ff_01ff, 0x01ff_01ff, ...l1]);
    const second = m.cpuid(0x80000006);
    expect([second.eax, second.ebx, second.ecx, second.edx]).toEqual([0, 0x4200_4200, ...l2]);
    expect(m.cpuid(2)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
    expect(m.cpuid(4)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
  });

  it("describes EPYC's caches in leaf 8000001DH as QEMU's does", async () => {
    const m = await oneInstruction({ cpu: 'EPYC' });
    const answers = [0, 1, 2, 3, 4].map((n) => Object.values(m.cpuid(0x8000001d, n)));
    expect(answers).toEqual([
      [0x121, 0x01c0_003f, 0x3f, 1],
      [0x122, 0x00c0_003f, 0xff, 1],
      [0x43, 0x01c0_003f, 0x3ff, 0],
      [0x163, 0x03c0_003f, 0x1fff, 6],
      [0, 0, 0, 0],
    ]);
  });

  // SDM Vol. 2A, "CPUID—CPU Identification": descriptor FFH of leaf 2 means "use leaf 4".
  it.each(['max', 'Nehalem', 'Icelake-Server'])(
    'says one size of the second-level cache in all leaves of %s',
    async (cpu) => {
      const m = await oneInstruction({ cpu });
      expect(m.cpuid(2)).toEqual({ eax: 0xff01, ebx: 0, ecx: 0, edx: 0 });
      const { ebx, ecx } = m.cpuid(4, 2);
      const bytes = ((ebx >>> 22) + 1) * (((ebx >>> 12) & 0x3ff) + 1) * ((ebx & 0xfff) + 1) * (ecx + 1);
      expect(m.cpuid(0x80000006).ecx >>> 16).toBe(bytes / 1024);
    },
  );

  it('has no two answers for one leaf and subleaf', () => {
    for (const { name } of MODELS) {
      const keys = cpuidEntries(resolveModel(name)).map((entry) => `${entry.leaf}.${entry.subleaf}`);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });
});

describe('CPUID', () => {
  it.each(['max', 'qemu64', '486', 'Nehalem'])('of %s names its vendor, signature and brand', async (name) => {
    const model = resolveModel(name);
    const m = await oneInstruction({ cpu: name, mode: 'protected' });
    const vendor = m.cpuid(0);
    expect(text(vendor.ebx, vendor.edx, vendor.ecx)).toBe(model.vendor);
    expect(vendor.eax).toBe(model.level);
    const { eax } = m.cpuid(1);
    const family = (eax >> 8) & 15;
    expect(family === 15 ? family + ((eax >> 20) & 255) : family).toBe(model.family);
    expect(((eax >> 4) & 15) | (((eax >> 16) & 15) << 4)).toBe(model.model);
    expect(eax & 15).toBe(model.stepping);
    if (model.extendedLevel === 0) return;
    const brand = [2, 3, 4].map((n) => m.cpuid(0x80000000 + n));
    expect(text(...brand.flatMap(({ eax: a, ebx, ecx, edx }) => [a, ebx, ecx, edx])).replace(/\0+$/, '')).toBe(
      model.brand,
    );
  });

  it('answers beyond the highest leaf with the highest basic one on Intel, with zeros on AMD', async () => {
    const intel = await oneInstruction({ cpu: 'Nehalem' });
    expect(intel.cpuid(0x2000)).toEqual(intel.cpuid(0xb));
    const amd = await oneInstruction({ cpu: 'qemu64' });
    expect(amd.cpuid(0x2000)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
  });

  it('reports address widths by model', async () => {
    for (const [cpu, phys] of [
      ['Penryn', 36],
      ['Skylake-Client', 39],
      ['qemu64', 40],
      ['max', 46],
      ['Icelake-Server', 52],
    ] as const) {
      const m = await oneInstruction({ cpu });
      expect(m.cpuid(0x80000008).eax & 0xff).toBe(phys);
    }
    expect((await oneInstruction()).cpuid(0x80000008).eax >> 8).toBe(57);
    expect((await oneInstruction({ cpu: 'max,-la57' })).cpuid(0x80000008).eax >> 8).toBe(48);
  });

  it('has a second page of extended features where one of these is there', async () => {
    const m = await oneInstruction();
    expect(m.cpuid(7).eax).toBe(1);
    expect(m.cpuid(7, 1).eax).toBe(1 << 4); // AVX-VNNI
    const without = await oneInstruction({ cpu: 'max,-avx-vnni' });
    expect([without.cpuid(7).eax, without.cpuid(7, 1).eax]).toEqual([0, 0]);
    expect(without.step([0xc4, 0xe2, 0x79, 0x50, 0xc0])).toEqual(UD);
  });

  it('reports OSPKE as CR4.PKE and the APIC as IA32_APIC_BASE say', async () => {
    const m = await oneInstruction();
    expect(m.cpuid(7).ecx & 0x18).toBe(0x08);
    expect(m.movToCr(4, 0x40_0020n)).toBe('done');
    expect(m.cpuid(7).ecx & 0x18).toBe(0x18);
    expect(m.cpuid(1).edx & 0x200).toBe(0x200);
    m.wrmsr(0x1b, 0xfee0_0100n);
    expect(m.cpuid(1).edx & 0x200).toBe(0);
  });

  it('is limited by IA32_MISC_ENABLE and hides NX by it', async () => {
    const m = await oneInstruction();
    const value = m.rdmsr(0x1a0) as bigint;
    expect(m.cpuid(0x80000001).edx & (1 << 20)).not.toBe(0);
    m.wrmsr(0x1a0, value | (1n << 22n) | (1n << 34n));
    expect(m.cpuid(0).eax).toBe(2);
    expect(m.cpuid(0x80000001).edx & (1 << 20)).toBe(0);
  });

  it('tells a TSC of 1 GHz from crystal and ratio', async () => {
    const { eax, ebx, ecx } = (await oneInstruction()).cpuid(0x15);
    expect((ecx * ebx) / eax).toBe(1e9);
  });

  it('reset leaves the signature in EDX', async () => {
    const m = await oneInstruction({ cpu: 'Penryn' });
    const { eax } = m.cpuid(1);
    m.core.reset();
    expect(m.core.get('rdx')).toBe(BigInt(eax));
  });
});

describe('an instruction whose feature is off is #UD', () => {
  it.each([
    ['rdrand', [0x0f, 0xc7, 0xf0]],
    ['rdtscp', [0x0f, 0x01, 0xf9]],
    ['tsc', [0x0f, 0x31]],
    ['msr', [0x0f, 0x32]],
    ['clflush', [0x0f, 0xae, 0x3b]],
    ['fsgsbase', [0xf3, 0x0f, 0xae, 0xc0]],
    ['pku', [0x0f, 0x01, 0xee]],
    ['monitor', [0x0f, 0x01, 0xc8]],
    ['movbe', [0x0f, 0x38, 0xf0, 0x03]],
    ['cmov', [0x0f, 0x44, 0xc1]],
    ['cx16', [0x48, 0x0f, 0xc7, 0x0b]],
    ['lahf_lm', [0x9f]],
    ['lahf_lm', [0x9e]],
  ])('%s', async (feature, code) => {
    const m = await oneInstruction({ cpu: `max,-${feature}` });
    expect(m.step(code, { rbx: BigInt(m.data) })).toEqual(UD);
  });

  it('but LAHF and SAHF outside 64-bit mode, where they always were', async () => {
    const m = await oneInstruction({ cpu: 'max,-lahf_lm', mode: 'protected' });
    expect([m.step([0x9f]), m.step([0x9e])]).toEqual(['done', 'done']);
  });

  it.each([
    ['pentium3', 'a processor with neither 3DNowPrefetch nor long mode', UD],
    ['pentium3,+3dnowprefetch', 'one with 3DNowPrefetch', 'done'],
    ['max,-3dnowprefetch', 'one with long mode, which brings them (APM Vol. 3, "PREFETCH PREFETCHW")', 'done'],
  ])('PREFETCHW and its group on %s, %s', async (cpu, _why, outcome) => {
    const m = await oneInstruction({ cpu, mode: 'protected' });
    for (const modrm of [0x03, 0x0b, 0x1b]) {
      expect(m.step([0x0f, 0x0d, modrm], { rbx: BigInt(m.data) })).toEqual(outcome);
    }
  });
});

describe('RDRAND and RDSEED', () => {
  const RDRAND = [0x48, 0x0f, 0xc7, 0xf0];
  const RDSEED = [0x48, 0x0f, 0xc7, 0xf8];
  async function numbers(entropy?: bigint): Promise<bigint[]> {
    const m = await oneInstruction({ entropy });
    return [RDRAND, RDSEED, RDRAND].map((code) => {
      expect(m.step(code)).toBe('done');
      return m.core.get('rax');
    });
  }
  it('follow what the processor was given, and nothing else', async () => {
    expect(await numbers(1n)).toEqual(await numbers(1n));
    expect(await numbers(1n)).not.toEqual(await numbers(2n));
    expect(new Set([...(await numbers(1n)), ...(await numbers(2n))]).size).toBe(6);
  });
  it('do not begin again with a reset', async () => {
    const { core } = await oneInstruction({ entropy: 1n });
    const before = core.state.field('random');
    core.state.setField('random', before + 5n);
    core.reset();
    expect(core.state.field('random')).toBe(before + 5n);
  });
});
