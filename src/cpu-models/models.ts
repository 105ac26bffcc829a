/**
 * Processor models by QEMU's names: what a processor of that kind is and has. What this processor cannot do yet is left
 * out when a model is resolved, so that CPUID never promises it.
 */

export const VENDORS = ['GenuineIntel', 'AuthenticAMD'] as const;

export interface ModelDefinition {
  readonly name: string;
  readonly about: string;
  readonly vendor: (typeof VENDORS)[number];
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** Brand string of leaves 80000002H to 80000004H, at most 47 characters. */
  readonly brand: string;
  /** Highest basic leaf. */
  readonly level: number;
  /** Highest extended leaf; 0 where there is none. */
  readonly extendedLevel: number;
  readonly physBits: number;
  /** Space-separated features; 'everything' stands for all that are implemented. */
  readonly features: string;
}

const I486 = 'fpu vme pse';
const PENTIUM = `${I486} de tsc msr mce cx8 mmx`;
const PENTIUM3 = `${PENTIUM} pae sep mtrr pge mca cmov pat pse36 fxsr sse apic`;
const CORE2 = `${PENTIUM3} clflush sse2 pni ssse3 cx16 monitor syscall nx lm lahf_lm hypervisor`;
const VMX = `vmx vmx-vintr-pending vmx-tsc-offset vmx-hlt-exit vmx-invlpg-exit vmx-mwait-exit vmx-rdpmc-exit vmx-rdtsc-exit
 vmx-cr8-load-exit vmx-cr8-store-exit vmx-flexpriority vmx-movdr-exit vmx-io-exit vmx-io-bitmap vmx-msr-bitmap vmx-monitor-exit
 vmx-pause-exit vmx-secondary-ctls vmx-vnmi vmx-vnmi-pending vmx-apicv-xapic vmx-desc-exit vmx-wbinvd-exit vmx-exit-nosave-debugctl
 vmx-exit-ack-intr vmx-entry-noload-debugctl vmx-entry-ia32e-mode vmx-activity-hlt vmx-activity-shutdown vmx-activity-wait-sipi`;
const VMX_EPT = `vmx-ept vmx-page-walk-4 vmx-ept-execonly vmx-ept-2mb vmx-invept vmx-invept-single-context vmx-invept-all-context
 vmx-vpid vmx-invvpid vmx-invvpid-single-addr vmx-invvpid-single-context vmx-invvpid-all-context
 vmx-invvpid-single-context-noglobals vmx-mtf vmx-store-lma vmx-preemption-timer vmx-exit-save-pat vmx-exit-load-pat
 vmx-entry-load-pat vmx-exit-save-efer vmx-exit-load-efer vmx-entry-load-efer vmx-exit-save-preemption-timer`;
const PENRYN = `${CORE2} sse4_1 ${VMX}`;
const NEHALEM = `${PENRYN} sse4_2 popcnt x2apic ${VMX_EPT}`;
const HASWELL = `${NEHALEM} vmx-ept-1gb vmx-unrestricted-guest vmx-rdtscp-exit vmx-apicv-x2apic vmx-ple vmx-invpcid-exit vmx-rdrand-exit vmx-vmfunc vmx-eptp-switching vmx-shadow-vmcs vmx-eptad
 vmx-apicv-register vmx-apicv-vid vmx-posted-intr vmx-vmwrite-vmexit-fields pclmulqdq fma pcid movbe tsc-deadline aes xsave avx f16c rdrand fsgsbase tsc_adjust bmi1 avx2
 smep bmi2 erms invpcid abm rdtscp xsaveopt zero-fcs-fds`;
const SKYLAKE = `${HASWELL} vmx-rdseed-exit vmx-pml vmx-xsaves vmx-tsc-scaling vmx-zero-len-inject rdseed adx smap xsavec xgetbv1 clflushopt 3dnowprefetch pdpe1gb fdp-excptn-only`;
const ICELAKE = `${SKYLAKE} umip pku la57 rdpid gfni vaes vpclmulqdq sha_ni wbnoinvd clwb fsrm arch-capabilities`;

const OPTERON_G3 = `fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 pni monitor cx16
 popcnt syscall nx rdtscp lm lahf_lm svm abm sse4a misalignsse hypervisor`;
const EPYC = `${OPTERON_G3} pclmulqdq ssse3 fma sse4_1 sse4_2 movbe aes xsave avx f16c rdrand mmxext fxsr_opt pdpe1gb cr8legacy
 3dnowprefetch osvw topoext fsgsbase bmi1 avx2 smep bmi2 rdseed adx smap clflushopt sha_ni xsaveopt xsavec xgetbv1`;
const MILAN = `${EPYC} pcid erms invpcid clwb umip pku rdpid fsrm xsaves clzero wbnoinvd`;
const GENOA = `${MILAN} la57 gfni vaes vpclmulqdq`;

export const MODELS: readonly ModelDefinition[] = [
  {
    name: 'max',
    about: 'everything that is implemented',
    vendor: 'GenuineIntel',
    family: 6,
    model: 94,
    stepping: 3,
    brand: 'vmlaunch Processor',
    level: 0x16,
    extendedLevel: 0x80000008,
    physBits: 46,
    features: 'everything',
  },
  {
    name: 'qemu64',
    about: 'the smallest common x86-64 of AMD',
    vendor: 'AuthenticAMD',
    family: 15,
    model: 107,
    stepping: 1,
    brand: 'QEMU Virtual CPU version 2.5+',
    level: 0xd,
    extendedLevel: 0x80000008,
    physBits: 40,
    features: `${PENTIUM3} clflush sse2 pni cx16 syscall nx lm lahf_lm svm x2apic abm popcnt hypervisor`,
  },
  {
    name: '486',
    about: '32-bit, before CPUID had many bits',
    vendor: 'GenuineIntel',
    family: 4,
    model: 8,
    stepping: 0,
    brand: '',
    level: 1,
    extendedLevel: 0,
    physBits: 32,
    features: I486,
  },
  {
    name: 'pentium',
    about: '32-bit with MSRs, no PAE',
    vendor: 'GenuineIntel',
    family: 5,
    model: 4,
    stepping: 3,
    brand: '',
    level: 1,
    extendedLevel: 0,
    physBits: 32,
    features: PENTIUM,
  },
  {
    name: 'pentium3',
    about: '32-bit with PAE and SSE',
    vendor: 'GenuineIntel',
    family: 6,
    model: 8,
    stepping: 3,
    brand: '',
    level: 3,
    extendedLevel: 0,
    physBits: 36,
    features: PENTIUM3,
  },
  {
    name: 'Conroe',
    about: 'Intel Celeron 4x0 (Core 2), 64-bit',
    vendor: 'GenuineIntel',
    family: 6,
    model: 15,
    stepping: 3,
    brand: 'Intel Celeron_4x0 (Conroe/Merom Class Core 2)',
    level: 10,
    extendedLevel: 0x80000008,
    physBits: 36,
    features: CORE2,
  },
  {
    name: 'Penryn',
    about: 'Intel Core 2 Duo P9xxx, VT-x without EPT',
    vendor: 'GenuineIntel',
    family: 6,
    model: 23,
    stepping: 3,
    brand: 'Intel Core 2 Duo P9xxx (Penryn Class Core 2)',
    level: 10,
    extendedLevel: 0x80000008,
    physBits: 36,
    features: PENRYN,
  },
  {
    name: 'Nehalem',
    about: 'Intel Core i7 9xx, EPT without unrestricted guest',
    vendor: 'GenuineIntel',
    family: 6,
    model: 26,
    stepping: 3,
    brand: 'Intel Core i7 9xx (Nehalem Class Core i7)',
    level: 11,
    extendedLevel: 0x80000008,
    physBits: 36,
    features: NEHALEM,
  },
  {
    name: 'Haswell',
    about: 'Intel Core (Haswell)',
    vendor: 'GenuineIntel',
    family: 6,
    model: 60,
    stepping: 4,
    brand: 'Intel Core Processor (Haswell)',
    level: 0xd,
    extendedLevel: 0x80000008,
    physBits: 39,
    features: HASWELL,
  },
  {
    name: 'Skylake-Client',
    about: 'Intel Core (Skylake)',
    vendor: 'GenuineIntel',
    family: 6,
    model: 94,
    stepping: 3,
    brand: 'Intel Core Processor (Skylake)',
    level: 0xd,
    extendedLevel: 0x80000008,
    physBits: 39,
    features: SKYLAKE,
  },
  {
    name: 'Icelake-Server',
    about: 'Intel Xeon (Icelake), 5-level paging, 52-bit physical addresses',
    vendor: 'GenuineIntel',
    family: 6,
    model: 106,
    stepping: 6,
    brand: 'Intel Xeon Processor (Icelake)',
    level: 0xd,
    extendedLevel: 0x80000008,
    physBits: 52,
    features: ICELAKE,
  },
  {
    name: 'Opteron_G3',
    about: 'AMD Opteron 23xx (family 10h)',
    vendor: 'AuthenticAMD',
    family: 16,
    model: 2,
    stepping: 3,
    brand: 'AMD Opteron 23xx (Gen 3 Class Opteron)',
    level: 5,
    extendedLevel: 0x80000008,
    physBits: 40,
    features: OPTERON_G3,
  },
  {
    name: 'EPYC',
    about: 'AMD EPYC (Zen)',
    vendor: 'AuthenticAMD',
    family: 23,
    model: 1,
    stepping: 2,
    brand: 'AMD EPYC Processor',
    level: 0xd,
    extendedLevel: 0x8000001e,
    physBits: 40,
    features: EPYC,
  },
  {
    name: 'EPYC-Milan',
    about: 'AMD EPYC (Zen 3)',
    vendor: 'AuthenticAMD',
    family: 25,
    model: 1,
    stepping: 1,
    brand: 'AMD EPYC-Milan Processor',
    level: 0xd,
    extendedLevel: 0x8000001e,
    physBits: 40,
    features: MILAN,
  },
  {
    name: 'EPYC-Genoa',
    about: 'AMD EPYC (Zen 4), 5-level paging',
    vendor: 'AuthenticAMD',
    family: 25,
    model: 17,
    stepping: 0,
    brand: 'AMD EPYC-Genoa Processor',
    level: 0xd,
    extendedLevel: 0x80000022,
    physBits: 40,
    features: GENOA,
  },
];
