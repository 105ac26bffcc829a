/**
 * CPUID features by QEMU's names, and the bit that reports each (SDM Vol. 2A, "CPUID—CPU Identification"; APM Vol. 3,
 * "CPUID Feature Bit Determination").
 */

import { VMX_FEATURE_NAMES, vmxNeeds } from './vmx.ts';

export type Register = 'eax' | 'ebx' | 'ecx' | 'edx';

/** A register of a CPUID answer whose bits are features. */
export interface FeatureWord {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: Register;
  /** Names by bit. */
  readonly names: Readonly<Record<number, string>>;
}

// biome-ignore format: a line per eight bits
export const FEATURE_WORDS: readonly FeatureWord[] = [
  { leaf: 1, subleaf: 0, register: 'edx', names: {
    0: 'fpu', 1: 'vme', 2: 'de', 3: 'pse', 4: 'tsc', 5: 'msr', 6: 'pae', 7: 'mce',
    8: 'cx8', 9: 'apic', 11: 'sep', 12: 'mtrr', 13: 'pge', 14: 'mca', 15: 'cmov',
    16: 'pat', 17: 'pse36', 19: 'clflush', 23: 'mmx', 24: 'fxsr', 25: 'sse', 26: 'sse2' } },
  { leaf: 1, subleaf: 0, register: 'ecx', names: {
    0: 'pni', 1: 'pclmulqdq', 3: 'monitor', 5: 'vmx', 9: 'ssse3', 12: 'fma', 13: 'cx16', 17: 'pcid',
    19: 'sse4_1', 20: 'sse4_2', 21: 'x2apic', 22: 'movbe', 23: 'popcnt', 24: 'tsc-deadline', 25: 'aes',
    26: 'xsave', 28: 'avx', 29: 'f16c', 30: 'rdrand', 31: 'hypervisor' } },
  { leaf: 7, subleaf: 0, register: 'ebx', names: {
    0: 'fsgsbase', 1: 'tsc_adjust', 3: 'bmi1', 5: 'avx2', 6: 'fdp-excptn-only', 7: 'smep', 8: 'bmi2', 9: 'erms', 10: 'invpcid', 13: 'zero-fcs-fds',
    18: 'rdseed', 19: 'adx', 20: 'smap', 23: 'clflushopt', 24: 'clwb', 29: 'sha_ni' } },
  { leaf: 7, subleaf: 0, register: 'ecx', names: {
    2: 'umip', 3: 'pku', 8: 'gfni', 9: 'vaes', 10: 'vpclmulqdq', 16: 'la57', 22: 'rdpid', 27: 'movdiri', 28: 'movdir64b', 31: 'pks' } },
  { leaf: 7, subleaf: 0, register: 'edx', names: { 4: 'fsrm', 14: 'serialize', 29: 'arch-capabilities' } },
  { leaf: 7, subleaf: 1, register: 'eax', names: { 4: 'avx-vnni' } },
  { leaf: 0xd, subleaf: 1, register: 'eax', names: { 0: 'xsaveopt', 1: 'xsavec', 2: 'xgetbv1', 3: 'xsaves' } },
  { leaf: 0x80000001, subleaf: 0, register: 'ecx', names: { 0: 'lahf_lm', 2: 'svm', 5: 'abm', 6: 'sse4a', 8: '3dnowprefetch' } },
  { leaf: 0x80000001, subleaf: 0, register: 'edx', names: { 11: 'syscall', 20: 'nx', 26: 'pdpe1gb', 27: 'rdtscp', 29: 'lm' } },
  { leaf: 0x80000007, subleaf: 0, register: 'edx', names: { 8: 'invtsc' } },
  { leaf: 0x80000008, subleaf: 0, register: 'ebx', names: { 9: 'wbnoinvd' } },
];

/** Every feature that has a bit, in the order of the words; then those of the VMX capability MSRs. */
export const FEATURE_NAMES: readonly string[] = [
  ...FEATURE_WORDS.flatMap((word) => Object.values(word.names)),
  ...VMX_FEATURE_NAMES,
];

/** Names of QEMU's that this processor will hardly have; switching them off is what they already are. */
// biome-ignore format: words
export const ABSENT_FEATURES: readonly string[] = [
  '3dnow', '3dnowext', 'acpi', 'cet-ss', 'cet-ibt', 'cmp_legacy', 'cr8legacy', 'dca', 'ds', 'ds_cpl', 'dtes64', 'est', 'fma4', 'fxsr_opt',
  'hle', 'ht', 'ia64', 'ibpb', 'kvmclock', 'mmxext', 'mpx', 'npt', 'osvw', 'pbe', 'pdcm', 'pmu', 'pn', 'rtm', 'skinit', 'smx',
  'spec-ctrl', 'ss', 'ssbd', 'stibp', 'tbm', 'tm', 'tm2', 'topoext', 'waitpkg', 'wdt', 'xop', 'xtpr',
];

/** What only processors of AMD have. */
export const AMD_ONLY: readonly string[] = ['svm', 'sse4a'];

/** Instructions that no CPUID bit reports, and what every processor that has them has. */
export const UNREPORTED: Readonly<Record<string, string>> = { rdpmc: 'msr' };

/** A feature goes with those it builds on: without one of them it is off too. */
export const NEEDS: Readonly<Record<string, readonly string[]>> = {
  mca: ['mce', 'msr'],
  apic: ['msr'],
  x2apic: ['apic'],
  'tsc-deadline': ['apic', 'tsc'],
  tsc_adjust: ['tsc', 'msr'],
  rdtscp: ['tsc'],
  invtsc: ['tsc'],
  mtrr: ['msr'],
  pat: ['msr'],
  sep: ['msr'],
  syscall: ['msr'],
  lm: ['pae', 'msr', 'syscall'],
  nx: ['pae', 'msr'],
  pdpe1gb: ['lm'],
  pcid: ['lm'],
  invpcid: ['lm'],
  la57: ['lm'],
  fsgsbase: ['lm'],
  pku: ['lm'],
  pks: ['lm'],
  lahf_lm: ['lm'],
  cx16: ['lm'],
  pse36: ['pse'],
  mmx: ['fpu'],
  'fdp-excptn-only': ['fpu'],
  'zero-fcs-fds': ['fpu'],
  sse: ['fxsr'],
  sse2: ['sse'],
  pni: ['sse2'],
  ssse3: ['pni'],
  sse4a: ['pni'],
  sse4_1: ['ssse3'],
  sse4_2: ['sse4_1'],
  aes: ['sse2'],
  pclmulqdq: ['sse2'],
  sha_ni: ['sse2'],
  gfni: ['sse2'],
  avx: ['xsave', 'sse2'],
  avx2: ['avx'],
  'avx-vnni': ['avx2'],
  fma: ['avx'],
  f16c: ['avx'],
  vaes: ['avx'],
  vpclmulqdq: ['avx'],
  xsaveopt: ['xsave'],
  xsavec: ['xsave'],
  xgetbv1: ['xsave'],
  xsaves: ['xsave'],
  vmx: ['lm'],
  svm: ['lm'],
  ...vmxNeeds(),
  'arch-capabilities': ['msr'],
};
