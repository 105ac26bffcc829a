/**
 * The VMX capability MSRs (SDM Vol. 3D, "VMX Capability Reporting Facility") of a model, from features by QEMU's names.
 * A bit is listed here once the processor does what it promises, and not before.
 */

/** What a feature allows: bits of the allowed 1-settings of controls, or of a capability MSR. */
type Bits = Readonly<Record<number, string>>;

// biome-ignore format: a line per few bits
export const VMX_FEATURES = {
  pin: { 5: 'vmx-vnmi', 6: 'vmx-preemption-timer', 7: 'vmx-posted-intr' },
  primary: {
    2: 'vmx-vintr-pending', 3: 'vmx-tsc-offset', 7: 'vmx-hlt-exit', 9: 'vmx-invlpg-exit', 10: 'vmx-mwait-exit', 11: 'vmx-rdpmc-exit',
    12: 'vmx-rdtsc-exit', 19: 'vmx-cr8-load-exit', 20: 'vmx-cr8-store-exit', 21: 'vmx-flexpriority', 22: 'vmx-vnmi-pending',
    23: 'vmx-movdr-exit', 24: 'vmx-io-exit', 25: 'vmx-io-bitmap', 27: 'vmx-mtf', 28: 'vmx-msr-bitmap', 29: 'vmx-monitor-exit',
    30: 'vmx-pause-exit', 31: 'vmx-secondary-ctls',
  },
  secondary: {
    0: 'vmx-apicv-xapic', 1: 'vmx-ept', 2: 'vmx-desc-exit', 3: 'vmx-rdtscp-exit', 4: 'vmx-apicv-x2apic', 5: 'vmx-vpid',
    6: 'vmx-wbinvd-exit', 7: 'vmx-unrestricted-guest', 8: 'vmx-apicv-register', 9: 'vmx-apicv-vid', 10: 'vmx-ple', 11: 'vmx-rdrand-exit',
    12: 'vmx-invpcid-exit', 13: 'vmx-vmfunc', 14: 'vmx-shadow-vmcs', 16: 'vmx-rdseed-exit', 17: 'vmx-pml', 18: 'vmx-ve',
    20: 'vmx-xsaves', 22: 'vmx-mbec', 25: 'vmx-tsc-scaling',
  },
  exit: {
    2: 'vmx-exit-nosave-debugctl', 15: 'vmx-exit-ack-intr', 18: 'vmx-exit-save-pat', 19: 'vmx-exit-load-pat', 20: 'vmx-exit-save-efer',
    21: 'vmx-exit-load-efer', 22: 'vmx-exit-save-preemption-timer',
  },
  entry: { 2: 'vmx-entry-noload-debugctl', 9: 'vmx-entry-ia32e-mode', 14: 'vmx-entry-load-pat', 15: 'vmx-entry-load-efer' },
  misc: {
    5: 'vmx-store-lma', 6: 'vmx-activity-hlt', 7: 'vmx-activity-shutdown', 8: 'vmx-activity-wait-sipi', 29: 'vmx-vmwrite-vmexit-fields',
    30: 'vmx-zero-len-inject',
  },
  ept: {
    0: 'vmx-ept-execonly', 6: 'vmx-page-walk-4', 7: 'vmx-page-walk-5', 8: 'vmx-ept', 14: 'vmx-ept', 16: 'vmx-ept-2mb', 17: 'vmx-ept-1gb',
    20: 'vmx-invept', 21: 'vmx-eptad', 22: 'vmx-ept-advanced-exitinfo', 25: 'vmx-invept-single-context', 26: 'vmx-invept-all-context',
    32: 'vmx-invvpid', 40: 'vmx-invvpid-single-addr', 41: 'vmx-invvpid-single-context', 42: 'vmx-invvpid-all-context',
    43: 'vmx-invvpid-single-context-noglobals',
  },
  vmfunc: { 0: 'vmx-eptp-switching' },
} as const satisfies Record<string, Bits>;

export const VMX_FEATURE_NAMES: readonly string[] = [
  ...new Set(Object.values(VMX_FEATURES).flatMap((bits) => Object.values<string>(bits))),
];

/** What goes only with something else; everything needs 'vmx'. */
const VMX_NEEDS: Readonly<Record<string, string>> = {
  'vmx-vnmi-pending': 'vmx-vnmi',
  'vmx-apicv-x2apic': 'vmx-flexpriority',
  'vmx-apicv-register': 'vmx-flexpriority',
  'vmx-apicv-vid': 'vmx-flexpriority',
  'vmx-posted-intr': 'vmx-apicv-vid',
  'vmx-exit-save-preemption-timer': 'vmx-preemption-timer',
  'vmx-ept': 'vmx-page-walk-4',
  'vmx-page-walk-4': 'vmx-secondary-ctls',
  'vmx-unrestricted-guest': 'vmx-ept',
  'vmx-pml': 'vmx-eptad',
  'vmx-ve': 'vmx-ept',
  'vmx-mbec': 'vmx-ept',
  'vmx-eptp-switching': 'vmx-vmfunc',
  'vmx-rdtscp-exit': 'rdtscp',
  'vmx-invpcid-exit': 'invpcid',
  'vmx-rdrand-exit': 'rdrand',
  'vmx-rdseed-exit': 'rdseed',
  'vmx-xsaves': 'xsaves',
};

/** The features of NEEDS that virtualization adds. */
export function vmxNeeds(): Record<string, readonly string[]> {
  const secondary: readonly string[] = Object.values<string>(VMX_FEATURES.secondary);
  const ept: readonly string[] = Object.values<string>(VMX_FEATURES.ept);
  const needs = (name: string): string[] => {
    const control = secondary.includes(name) ? ['vmx-secondary-ctls'] : [];
    if (VMX_NEEDS[name]) return [VMX_NEEDS[name], ...control];
    if (control.length > 0) return control;
    if (name.startsWith('vmx-invvpid')) return ['vmx-vpid'];
    return [ept.includes(name) ? 'vmx-ept' : 'vmx'];
  };
  return Object.fromEntries(VMX_FEATURE_NAMES.map((name) => [name, needs(name)]));
}

/** IA32_VMX_BASIC: revision identifier, regions of 4 KiB of type write-back, INS/OUTS information, TRUE controls. */
const REVISION = 0x766d6c00n & 0x7fffffffn;
const BASIC = REVISION | (0x1000n << 32n) | (6n << 50n) | (1n << 54n) | (1n << 55n);
/** The preemption timer counts at the TSC's rate, so that even a guest of few instructions sees it move; four CR3 targets. */
const MISC = 0n | (4n << 16n);
/** Bits that are 1 in the default1 classes, and those of them that the TRUE MSRs allow to be 0. */
const DEFAULT1 = { pin: 0x16, primary: 0x0401e172, exit: 0x36dff, entry: 0x11ff } as const;
const MAY_BE_0 = { pin: 0, primary: 0x0001_8000, exit: 4, entry: 4 } as const;
/** What every processor with VMX offers: interrupt and NMI exiting, host address-space size. */
const ALWAYS = { pin: 9, primary: 0, exit: 0x200, entry: 0 } as const;
const CR0_FIXED = { zero: 0x8000_0021n, one: 0xffff_ffffn } as const;
const CR4_VMXE = 0x2000n;
/** Highest index of a field's encoding by the feature that brings the field; that of every model's last one. */
const HIGHEST_INDEX = { 'vmx-tsc-scaling': 0x19n, 'vmx-preemption-timer': 0x17n, 'vmx-xsaves': 0x16n } as const;
const LAST_INDEX = 0x15n;

const bitsOf = (bits: Bits, has: (name: string) => boolean): bigint =>
  Object.entries(bits).reduce((all, [bit, name]) => (has(name) ? all | (1n << BigInt(bit)) : all), 0n);

/** MSRs 480H to 491H. `cr4`: the bits that CR4 may have. */
export function vmxCapabilities(has: (name: string) => boolean, cr4: bigint): bigint[] {
  const controls = (kind: 'pin' | 'primary' | 'exit' | 'entry', exact: boolean): bigint => {
    const must = BigInt(DEFAULT1[kind]);
    const may = must | BigInt(ALWAYS[kind]) | bitsOf(VMX_FEATURES[kind], has);
    return (exact ? must & ~BigInt(MAY_BE_0[kind]) : must) | (may << 32n);
  };
  const secondary = bitsOf(VMX_FEATURES.secondary, has) << 32n;
  return [
    BASIC,
    controls('pin', false),
    controls('primary', false),
    controls('exit', false),
    controls('entry', false),
    MISC | bitsOf(VMX_FEATURES.misc, has),
    CR0_FIXED.zero,
    CR0_FIXED.one,
    CR4_VMXE,
    cr4,
    (Object.entries(HIGHEST_INDEX).find(([name]) => has(name))?.[1] ?? LAST_INDEX) << 1n,
    secondary,
    bitsOf(VMX_FEATURES.ept, has),
    controls('pin', true),
    controls('primary', true),
    controls('exit', true),
    controls('entry', true),
    bitsOf(VMX_FEATURES.vmfunc, has),
  ];
}
