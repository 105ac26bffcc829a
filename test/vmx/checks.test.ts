/** VM-entry checks: each rule of the manual is broken once, alone, and the processor names it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { RULES } from '../../src/isa/vmx/rules.ts';
import { BITMAPS, type Fields, HOST_CODE, LINK, MSR_LIST, VMCS, VMRESUME, type VmxLab, vmxLab } from './lab.ts';

const Pin = { NMI: 0x8, VIRTUAL_NMIS: 0x20, TIMER: 0x40, POSTED: 0x80, EXTERNAL: 1, MUST: 0x16 } as const;
/** Primary controls, with those that must be 1; NMI stands for NMI-window exiting. */
const MUST = 0x0401_6172;
const Primary = { SHADOW: 0x200000, NMI: 0x400000, IO: 0x2000000, MSR: 0x10000000 } as const;
const primary = (bits: number) => (MUST | bits | 0x80000000) >>> 0;
const secondary = (bits: number) => ({ PRIMARY_CONTROLS: primary(0), SECONDARY_CONTROLS: bits });
const Exit = {
  MUST: 0x36dfb,
  HOST_64: 0x200,
  ACKNOWLEDGE: 0x8000,
  LOAD_PAT: 0x80000,
  LOAD_EFER: 0x200000,
  SAVE_TIMER: 0x400000,
};
const Entry = { MUST: 0x11fb, GUEST_64: 0x200, DEBUG: 4, LOAD_PAT: 0x4000, LOAD_EFER: 0x8000 };
const CPUID = '0f a2';
const WIDE = 1n << 52n;
const NON_CANONICAL = 0x8000_0000_0000n;
const VALID = 0x80000000;
const event = (type: number, vector: number, code = 0) => (VALID | (type << 8) | vector | (code << 11)) >>> 0;
const V86 = { GUEST_RFLAGS: 0x20002, ENTRY_CONTROLS: Entry.MUST };
/** What makes the guest of a 64-bit host one of 32-bit protected mode without PAE. */
const GUEST_32 = { ENTRY_CONTROLS: Entry.MUST, GUEST_CR4: 0x2010, GUEST_CS_ACCESS_RIGHTS: 0xc09b };
const v86Segments: Fields = Object.fromEntries(
  ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'].flatMap((s) => [
    [`GUEST_${s}_SELECTOR`, 0x1000],
    [`GUEST_${s}_BASE`, 0x10000],
    [`GUEST_${s}_LIMIT`, 0xffff],
    [`GUEST_${s}_ACCESS_RIGHTS`, 0xf3],
  ]),
);
const EPT = 2;
const EPTP = 0x1e;
const withEpt = (bits: number) => ({ ...secondary(EPT | bits), EPTP });

/** The rule and what breaks it. */
type Case = readonly [rule: string, fields: Fields];

// biome-ignore format: a line per case
const CONTROLS: readonly Case[] = [
  ['PIN_RESERVED', { PIN_BASED_CONTROLS: 0 }],
  ['PRIMARY_RESERVED', { PRIMARY_CONTROLS: 0 }],
  ['SECONDARY_RESERVED', secondary(1 << 30)],
  ['CR3_TARGETS', { CR3_TARGET_COUNT: 5 }],
  ['IO_BITMAPS', { PRIMARY_CONTROLS: primary(Primary.IO), IO_BITMAP_B_ADDRESS: BITMAPS + 1 }],
  ['IO_BITMAPS', { PRIMARY_CONTROLS: primary(Primary.IO), IO_BITMAP_A_ADDRESS: WIDE }],
  ['MSR_BITMAPS', { PRIMARY_CONTROLS: primary(Primary.MSR), MSR_BITMAPS_ADDRESS: BITMAPS + 0x800 }],
  ['VIRTUAL_APIC', { PRIMARY_CONTROLS: primary(Primary.SHADOW), VIRTUAL_APIC_ADDRESS: 8 }],
  ['TPR_THRESHOLD_RESERVED', { PRIMARY_CONTROLS: primary(Primary.SHADOW), VIRTUAL_APIC_ADDRESS: BITMAPS, TPR_THRESHOLD: 16 }],
  ['TPR_THRESHOLD_ABOVE', { PRIMARY_CONTROLS: primary(Primary.SHADOW), VIRTUAL_APIC_ADDRESS: BITMAPS, TPR_THRESHOLD: 1 }],
  ['VIRTUAL_NMIS', { PIN_BASED_CONTROLS: Pin.MUST | Pin.VIRTUAL_NMIS }],
  ['NMI_WINDOW', { PRIMARY_CONTROLS: primary(Primary.NMI) }],
  ['APIC_ACCESS', { ...secondary(1), APIC_ACCESS_ADDRESS: 1 }],
  ['NEEDS_TPR_SHADOW', secondary(0x10)],
  ['NEEDS_TPR_SHADOW', secondary(0x100)],
  ['NEEDS_TPR_SHADOW', secondary(0x200)],
  ['X2APIC_MODE', { PRIMARY_CONTROLS: primary(Primary.SHADOW), SECONDARY_CONTROLS: 0x11, VIRTUAL_APIC_ADDRESS: BITMAPS }],
  ['VIRTUAL_INTERRUPTS', { PRIMARY_CONTROLS: primary(Primary.SHADOW), SECONDARY_CONTROLS: 0x200 }],
  ['POSTED_NEEDS', { PIN_BASED_CONTROLS: Pin.MUST | Pin.POSTED }],
  ['POSTED_VECTOR', {
    PIN_BASED_CONTROLS: Pin.MUST | Pin.POSTED | Pin.EXTERNAL, PRIMARY_CONTROLS: primary(Primary.SHADOW), SECONDARY_CONTROLS: 0x200,
    EXIT_CONTROLS: Exit.MUST | Exit.HOST_64 | Exit.ACKNOWLEDGE, POSTED_INTERRUPT_NOTIFICATION_VECTOR: 0x100,
  }],
  ['POSTED_DESCRIPTOR', {
    PIN_BASED_CONTROLS: Pin.MUST | Pin.POSTED | Pin.EXTERNAL, PRIMARY_CONTROLS: primary(Primary.SHADOW), SECONDARY_CONTROLS: 0x200,
    EXIT_CONTROLS: Exit.MUST | Exit.HOST_64 | Exit.ACKNOWLEDGE, POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: 0x20,
  }],
  ['VPID', secondary(0x20)],
  ['EPTP', { ...secondary(EPT), EPTP: 0x1d }],
  ['EPTP', { ...secondary(EPT), EPTP: 0x16 }],
  ['EPTP', { ...secondary(EPT), EPTP: 0x9e }],
  ['EPTP', { ...secondary(EPT), EPTP: WIDE | 0x1en }],
  ['PML_NEEDS_EPT', secondary(0x20000)],
  ['PML_ADDRESS', { ...withEpt(0x20000), PML_ADDRESS: 8 }],
  ['NEEDS_EPT', secondary(0x80)],
  ['NEEDS_EPT', secondary(0x400000)],
  ['VMFUNC_RESERVED', { ...withEpt(0x2000), VM_FUNCTION_CONTROLS: 2 }],
  ['EPTP_SWITCHING', { ...secondary(0x2000), VM_FUNCTION_CONTROLS: 1 }],
  ['EPTP_SWITCHING', { ...withEpt(0x2000), VM_FUNCTION_CONTROLS: 1, EPTP_LIST_ADDRESS: 1 }],
  ['SHADOWING', { ...secondary(0x4000), VMWRITE_BITMAP_ADDRESS: 1 }],
  ['VE_ADDRESS', { ...secondary(0x40000), VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS: WIDE }],
  ['TSC_SCALING', secondary(0x2000000)],
  ['EXIT_RESERVED', { EXIT_CONTROLS: 0x200 }],
  ['SAVE_TIMER', { EXIT_CONTROLS: Exit.MUST | Exit.HOST_64 | Exit.SAVE_TIMER }],
  ['EXIT_STORE', { EXIT_MSR_STORE_COUNT: 1, EXIT_MSR_STORE_ADDRESS: MSR_LIST + 8 }],
  ['EXIT_STORE_END', { EXIT_MSR_STORE_COUNT: 2, EXIT_MSR_STORE_ADDRESS: (1n << 46n) - 16n }],
  ['EXIT_LOAD', { EXIT_MSR_LOAD_COUNT: 1, EXIT_MSR_LOAD_ADDRESS: WIDE }],
  ['EXIT_LOAD_END', { EXIT_MSR_LOAD_COUNT: 2, EXIT_MSR_LOAD_ADDRESS: (1n << 46n) - 16n }],
  ['ENTRY_RESERVED', { ENTRY_CONTROLS: 0x200 }],
  ['EVENT_TYPE', { ENTRY_INTERRUPTION_INFORMATION: event(1, 0) }],
  ['EVENT_VECTOR', { ENTRY_INTERRUPTION_INFORMATION: event(2, 3) }],
  ['EVENT_VECTOR', { ENTRY_INTERRUPTION_INFORMATION: event(3, 32) }],
  ['EVENT_VECTOR', { ENTRY_INTERRUPTION_INFORMATION: event(7, 1) }],
  ['EVENT_ERROR_CODE', { ENTRY_INTERRUPTION_INFORMATION: event(3, 13) }],
  ['EVENT_ERROR_CODE', { ENTRY_INTERRUPTION_INFORMATION: event(3, 6, 1) }],
  ['EVENT_ERROR_CODE', { ENTRY_INTERRUPTION_INFORMATION: event(4, 13, 1) }],
  ['EVENT_ERROR_CODE', { ...withEpt(0x80), GUEST_CR0: 0x20, ENTRY_INTERRUPTION_INFORMATION: event(3, 13, 1) }],
  ['EVENT_RESERVED', { ENTRY_INTERRUPTION_INFORMATION: event(0, 0x20) + 0x1000 }],
  ['EVENT_CODE_HIGH', { ENTRY_INTERRUPTION_INFORMATION: event(3, 13, 1), ENTRY_EXCEPTION_ERROR_CODE: 0x10000 }],
  ['EVENT_LENGTH', { ENTRY_INTERRUPTION_INFORMATION: event(4, 0x80), ENTRY_INSTRUCTION_LENGTH: 16 }],
  ['ENTRY_LOAD', { ENTRY_MSR_LOAD_COUNT: 1, ENTRY_MSR_LOAD_ADDRESS: 1 }],
  ['ENTRY_LOAD_END', { ENTRY_MSR_LOAD_COUNT: 2, ENTRY_MSR_LOAD_ADDRESS: (1n << 46n) - 16n }],
];

// biome-ignore format: a line per case
const HOST: readonly Case[] = [
  ['HOST_CR0', { HOST_CR0: 0x80000011 }],
  ['HOST_CR0', { HOST_CR0: 0x1_8000_0031n }],
  ['HOST_CR4', { HOST_CR4: 0x20 }],
  ['HOST_CR4', { HOST_CR4: 0x2020n | (1n << 40n) }],
  ['HOST_CR3', { HOST_CR3: WIDE }],
  ['HOST_SYSENTER', { HOST_SYSENTER_EIP: NON_CANONICAL << 9n }],
  ['HOST_PAT', { EXIT_CONTROLS: Exit.MUST | Exit.HOST_64 | Exit.LOAD_PAT, HOST_PAT: 0x02n << 56n }],
  ['HOST_EFER', { EXIT_CONTROLS: Exit.MUST | Exit.HOST_64 | Exit.LOAD_EFER, HOST_EFER: 0x502 }],
  ['HOST_EFER_LMA', { EXIT_CONTROLS: Exit.MUST | Exit.HOST_64 | Exit.LOAD_EFER, HOST_EFER: 0x101 }],
  ['HOST_EFER_LMA', { EXIT_CONTROLS: Exit.MUST | Exit.HOST_64 | Exit.LOAD_EFER, HOST_EFER: 1 }],
  ['HOST_SELECTOR', { HOST_GS_SELECTOR: 0x13 }],
  ['HOST_SELECTOR', { HOST_TR_SELECTOR: 0x3c }],
  ['HOST_NULL', { HOST_CS_SELECTOR: 0 }],
  ['HOST_NULL', { HOST_TR_SELECTOR: 0 }],
  ['HOST_NULL_SS', { HOST_SS_SELECTOR: 0, EXIT_CONTROLS: Exit.MUST }],
  ['HOST_BASE', { HOST_GDTR_BASE: 1n << 62n }],
  ['HOST_BASE', { HOST_TR_BASE: 1n << 62n }],
  ['IN_IA32E', { EXIT_CONTROLS: Exit.MUST }],
  ['HOST_64', { HOST_CR4: 0x2000 }],
  ['HOST_64', { HOST_RIP: 1n << 62n }],
];
// biome-ignore format: a line per case
const HOST_32: readonly Case[] = [
  ['OUTSIDE_IA32E', { EXIT_CONTROLS: Exit.MUST | Exit.HOST_64 }],
  ['OUTSIDE_IA32E', { ENTRY_CONTROLS: Entry.MUST | Entry.GUEST_64 }],
  ['HOST_32', { HOST_RIP: 1n << 32n }],
  ['HOST_32', { HOST_CR4: 0x22010 }],
];

// biome-ignore format: a line per case
const GUEST: readonly Case[] = [
  ['GUEST_CR0', { GUEST_CR0: 0x80000011 }],
  ['GUEST_CR0', { GUEST_CR0: 0x31 }],
  ['GUEST_CR0_PG', { ...withEpt(0x80), GUEST_CR0: 0x80000020 }],
  ['GUEST_CR4', { GUEST_CR4: 0x20 }],
  ['GUEST_DEBUGCTL', { ENTRY_CONTROLS: Entry.MUST | Entry.GUEST_64 | Entry.DEBUG, GUEST_DEBUGCTL: 4 }],
  ['IA32E_PAGING', { GUEST_CR4: 0x2000 }],
  ['IA32E_PCIDE', { ...GUEST_32, GUEST_CR4: 0x22010 }],
  ['GUEST_CR3', { GUEST_CR3: WIDE }],
  ['GUEST_DR7', { ENTRY_CONTROLS: Entry.MUST | Entry.GUEST_64 | Entry.DEBUG, GUEST_DR7: 1n << 32n }],
  ['GUEST_SYSENTER', { GUEST_SYSENTER_ESP: 1n << 62n }],
  ['GUEST_PAT', { ENTRY_CONTROLS: Entry.MUST | Entry.GUEST_64 | Entry.LOAD_PAT, GUEST_PAT: 8 }],
  ['GUEST_EFER', { ENTRY_CONTROLS: Entry.MUST | Entry.GUEST_64 | Entry.LOAD_EFER, GUEST_EFER: 0x502 }],
  ['GUEST_EFER_LMA', { ENTRY_CONTROLS: Entry.MUST | Entry.GUEST_64 | Entry.LOAD_EFER, GUEST_EFER: 0x101 }],
  ['GUEST_EFER_LMA', { ENTRY_CONTROLS: Entry.MUST | Entry.GUEST_64 | Entry.LOAD_EFER, GUEST_EFER: 0x401 }],
  ['TR_SELECTOR', { GUEST_TR_SELECTOR: 0x3c }],
  ['LDTR_SELECTOR', { GUEST_LDTR_ACCESS_RIGHTS: 0x82, GUEST_LDTR_SELECTOR: 4 }],
  ['SS_SELECTOR', { GUEST_SS_SELECTOR: 0x13 }],
  ['V86_BASE', { ...V86, GUEST_CR4: 0x2010, ...v86Segments, GUEST_DS_BASE: 0x10010 }],
  ['SYSTEM_BASE', { GUEST_TR_BASE: 1n << 62n }],
  ['SYSTEM_BASE', { GUEST_GS_BASE: 1n << 62n }],
  ['SYSTEM_BASE', { GUEST_LDTR_ACCESS_RIGHTS: 0x82, GUEST_LDTR_BASE: 1n << 62n }],
  ['HIGH_BASE', { GUEST_CS_BASE: 1n << 32n }],
  ['HIGH_BASE', { GUEST_ES_BASE: 1n << 32n }],
  ['V86_LIMIT', { ...V86, GUEST_CR4: 0x2010, ...v86Segments, GUEST_GS_LIMIT: 0xfffff }],
  ['V86_RIGHTS', { ...V86, GUEST_CR4: 0x2010, ...v86Segments, GUEST_SS_ACCESS_RIGHTS: 0x93 }],
  ['CS_TYPE', { GUEST_CS_ACCESS_RIGHTS: 0xa093 }],
  ['CS_TYPE', { GUEST_CS_ACCESS_RIGHTS: 0xa09a }],
  ['SS_TYPE', { GUEST_SS_ACCESS_RIGHTS: 0xc091 }],
  ['DATA_TYPE', { GUEST_FS_ACCESS_RIGHTS: 0xc092 }],
  ['DATA_TYPE', { GUEST_DS_ACCESS_RIGHTS: 0xc099 }],
  ['SEGMENT_S', { GUEST_DS_ACCESS_RIGHTS: 0xc083 }],
  ['CS_DPL', { GUEST_CS_ACCESS_RIGHTS: 0xa0fb }],
  ['CS_DPL', { GUEST_CS_ACCESS_RIGHTS: 0xa0ff }],
  ['SS_DPL', { GUEST_SS_ACCESS_RIGHTS: 0xc0f3, GUEST_CS_ACCESS_RIGHTS: 0xa09f }],
  ['DATA_DPL', { GUEST_ES_SELECTOR: 0x13 }],
  ['SEGMENT_P', { GUEST_GS_ACCESS_RIGHTS: 0xc013 }],
  ['SEGMENT_RESERVED', { GUEST_CS_ACCESS_RIGHTS: 0xa19b }],
  ['SEGMENT_RESERVED', { GUEST_DS_ACCESS_RIGHTS: 0x2c093 }],
  ['CS_DB', { GUEST_CS_ACCESS_RIGHTS: 0xe09b }],
  ['SEGMENT_G', { GUEST_SS_LIMIT: 0xfffffffe }],
  ['SEGMENT_G', { GUEST_SS_ACCESS_RIGHTS: 0x4093 }],
  ['TR_TYPE', { GUEST_TR_ACCESS_RIGHTS: 0x83 }],
  ['TR_RIGHTS', { GUEST_TR_ACCESS_RIGHTS: 0x1008b }],
  ['TR_RIGHTS', { GUEST_TR_ACCESS_RIGHTS: 0xb }],
  ['TR_G', { GUEST_TR_ACCESS_RIGHTS: 0x808b }],
  ['LDTR_RIGHTS', { GUEST_LDTR_ACCESS_RIGHTS: 0x83 }],
  ['LDTR_G', { GUEST_LDTR_ACCESS_RIGHTS: 0x8082 }],
  ['TABLE_BASE', { GUEST_IDTR_BASE: 1n << 62n }],
  ['TABLE_LIMIT', { GUEST_GDTR_LIMIT: 0x10000 }],
  ['GUEST_RIP', { GUEST_RIP: 1n << 62n }],
  ['GUEST_RIP', { ...GUEST_32, GUEST_RIP: 1n << 32n }],
  ['RFLAGS_RESERVED', { GUEST_RFLAGS: 0 }],
  ['RFLAGS_RESERVED', { GUEST_RFLAGS: 0x8002 }],
  ['RFLAGS_VM', { ...v86Segments, GUEST_RFLAGS: 0x20002 }],
  ['RFLAGS_IF', { ENTRY_INTERRUPTION_INFORMATION: event(0, 0x20) }],
  ['ACTIVITY', { GUEST_ACTIVITY_STATE: 4 }],
  ['ACTIVITY_HLT', {
    GUEST_ACTIVITY_STATE: 1, GUEST_CS_SELECTOR: 0x33, GUEST_CS_ACCESS_RIGHTS: 0xa0fb, GUEST_SS_SELECTOR: 0x2b, GUEST_SS_ACCESS_RIGHTS: 0xc0f3,
  }],
  ['ACTIVITY_BLOCKED', { GUEST_ACTIVITY_STATE: 1, GUEST_INTERRUPTIBILITY_STATE: 2 }],
  ['ACTIVITY_EVENT', { GUEST_ACTIVITY_STATE: 1, ENTRY_INTERRUPTION_INFORMATION: event(3, 6) }],
  ['ACTIVITY_EVENT', { GUEST_ACTIVITY_STATE: 2, ENTRY_INTERRUPTION_INFORMATION: event(0, 0x20), GUEST_RFLAGS: 0x202 }],
  ['ACTIVITY_EVENT', { GUEST_ACTIVITY_STATE: 3, ENTRY_INTERRUPTION_INFORMATION: event(2, 2) }],
  ['BLOCKING_RESERVED', { GUEST_INTERRUPTIBILITY_STATE: 0x20 }],
  ['BLOCKING_BOTH', { GUEST_INTERRUPTIBILITY_STATE: 3, GUEST_RFLAGS: 0x202 }],
  ['BLOCKING_IF', { GUEST_INTERRUPTIBILITY_STATE: 1 }],
  ['BLOCKING_INTERRUPT', { GUEST_INTERRUPTIBILITY_STATE: 2, GUEST_RFLAGS: 0x202, ENTRY_INTERRUPTION_INFORMATION: event(0, 0x20) }],
  ['BLOCKING_NMI', { GUEST_INTERRUPTIBILITY_STATE: 2, ENTRY_INTERRUPTION_INFORMATION: event(2, 2) }],
  ['BLOCKING_SMI', { GUEST_INTERRUPTIBILITY_STATE: 4 }],
  ['BLOCKING_STI_NMI', { GUEST_INTERRUPTIBILITY_STATE: 1, GUEST_RFLAGS: 0x202, ENTRY_INTERRUPTION_INFORMATION: event(2, 2) }],
  ['BLOCKING_VIRTUAL_NMI', {
    PIN_BASED_CONTROLS: Pin.MUST | Pin.NMI | Pin.VIRTUAL_NMIS, GUEST_INTERRUPTIBILITY_STATE: 8, ENTRY_INTERRUPTION_INFORMATION: event(2, 2),
  }],
  ['BLOCKING_ENCLAVE', { GUEST_INTERRUPTIBILITY_STATE: 0x10 }],
  ['PENDING_RESERVED', { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x2000 }],
  ['PENDING_BS', { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x4000, GUEST_INTERRUPTIBILITY_STATE: 2 }],
  ['PENDING_BS', { GUEST_RFLAGS: 0x102, GUEST_INTERRUPTIBILITY_STATE: 2 }],
  ['PENDING_RTM', { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x11000 }],
  ['LINK_ADDRESS', { VMCS_LINK_POINTER: LINK + 1 }],
  ['LINK_REVISION', { VMCS_LINK_POINTER: LINK }],
  ['LINK_CURRENT', { VMCS_LINK_POINTER: VMCS }],
  ['PDPTES', { ...GUEST_32, GUEST_CR4: 0x2020, GUEST_CR3: BITMAPS + 0x20 }],
  ['PDPTES', { ...GUEST_32, ...withEpt(0), GUEST_CR4: 0x2020, GUEST_PDPTE2: 3 }],
];

let vmx: VmxLab;
/** As if every control existed, so that each rule can be broken. */
function pretendEverything(): void {
  for (const index of [0x48d, 0x48e, 0x490]) vmx.pretend(index, 0xffffn << 32n);
  vmx.pretend(0x48e, 0xffffffffn << 32n);
  vmx.pretend(0x48b, 0x027fffffn << 32n);
  vmx.pretend(0x48f, 0x7fffffn << 32n);
  vmx.pretend(0x48c, 0x204140n);
  vmx.pretend(0x491, 1n);
  vmx.lab.put64(BITMAPS + 0x20, 3n);
}

describe('VM entry of a 64-bit host', () => {
  beforeEach(async () => {
    vmx = await vmxLab();
    pretendEverything();
  });

  it('succeeds where every rule is kept', () => {
    vmx.enter();
    expect(vmx.brokenRule).toBeUndefined();
    expect(vmx.inGuest).toBe(true);
  });
  it.each(CONTROLS)('fails with error 7 where controls break %s', (rule, fields) => {
    vmx.write(fields);
    vmx.enter();
    expect([vmx.brokenRule, vmx.error, vmx.inGuest]).toEqual([rule, 7, false]);
  });
  it.each(HOST)('fails with error 8 where the host state breaks %s', (rule, fields) => {
    vmx.write(fields);
    vmx.enter();
    expect([vmx.brokenRule, vmx.error, vmx.inGuest]).toEqual([rule, 8, false]);
  });
  it.each(GUEST)('becomes a VM exit where the guest state breaks %s', (rule, fields) => {
    vmx.write(fields);
    vmx.enter();
    expect([vmx.brokenRule, vmx.reason, vmx.inGuest]).toEqual([rule, 0x80000021, false]);
    expect(vmx.lab.get('rip')).toBe(BigInt(HOST_CODE));
    const causes: Record<string, bigint> = { PDPTES: 2n, BLOCKING_STI_NMI: 3n };
    expect(vmx.qualification).toBe(rule.startsWith('LINK_') ? 4n : (causes[rule] ?? 0n));
  });
  it.each([...CONTROLS, ...HOST, ...GUEST])(
    'finds %s broken by a write after an entry that kept it',
    (rule, fields) => {
      vmx.guest(CPUID);
      vmx.vmwrite(fields);
      vmx.enter(VMRESUME);
      expect([vmx.brokenRule, vmx.inGuest]).toEqual([rule, false]);
    },
  );
  it('leaves the VMCS clear where it fails, so that VMRESUME still is an error', () => {
    vmx.write({ GUEST_RFLAGS: 0 });
    vmx.enter();
    vmx.enter(VMRESUME);
    expect(vmx.error).toBe(5);
  });
});

describe('VM entry of a 32-bit host', () => {
  beforeEach(async () => {
    vmx = await vmxLab(false);
  });
  it('succeeds where every rule is kept', () => {
    vmx.enter();
    expect(vmx.brokenRule).toBeUndefined();
    expect(vmx.inGuest).toBe(true);
  });
  it.each(HOST_32)('fails with error 8 where the host state breaks %s', (rule, fields) => {
    vmx.write(fields);
    vmx.enter();
    expect([vmx.brokenRule, vmx.error]).toEqual([rule, 8]);
  });
});

it('every rule that VM entry checks is broken by a case, in the order of the manual', () => {
  const cases = [
    ...CONTROLS,
    ...HOST.slice(0, -3),
    ...HOST_32.slice(0, 2),
    ['IN_IA32E'],
    ...HOST_32.slice(2),
    ...HOST.slice(-2),
    ...GUEST,
  ];
  expect([...new Set(cases.map(([rule]) => rule))]).toEqual(RULES.map(({ name }) => name));
});
