/**
 * The fields of a VMCS (SDM Vol. 3D, "Field Encoding in VMCS"): one line each, in the order of their encodings. The
 * generator makes offsets for the processor of it, and dumps take their names from here.
 */

/** Width of a field by bits 14:13 of its encoding. */
export const WIDTHS = ['16', '64', '32', 'natural'] as const;
/** Type of a field by bits 11:10 of its encoding. */
export const TYPES = ['control', 'read-only', 'guest', 'host'] as const;

export interface VmcsField {
  /** With the access type "full". */
  encoding: number;
  /** The manual's name as an identifier. */
  name: string;
  width: (typeof WIDTHS)[number];
  type: (typeof TYPES)[number];
  /** The field exists where a control of this kind may be 1: a secondary one, or what emit-vmcs.ts names. */
  needs?: string;
}

/** Names by the encoding of the first; '-' leaves an index free. A name after ':' is what the field needs. */
// biome-ignore format: a line per group of fields
const GROUPS: readonly (readonly [number, string])[] = [
  [0x0000, 'VPID:vpid POSTED_INTERRUPT_NOTIFICATION_VECTOR:posted EPTP_INDEX:ve'],
  [0x0800, 'GUEST_ES_SELECTOR GUEST_CS_SELECTOR GUEST_SS_SELECTOR GUEST_DS_SELECTOR GUEST_FS_SELECTOR GUEST_GS_SELECTOR'],
  [0x080c, 'GUEST_LDTR_SELECTOR GUEST_TR_SELECTOR GUEST_INTERRUPT_STATUS:vid PML_INDEX:pml'],
  [0x0c00, 'HOST_ES_SELECTOR HOST_CS_SELECTOR HOST_SS_SELECTOR HOST_DS_SELECTOR HOST_FS_SELECTOR HOST_GS_SELECTOR'],
  [0x0c0c, 'HOST_TR_SELECTOR'],
  [0x2000, 'IO_BITMAP_A_ADDRESS IO_BITMAP_B_ADDRESS MSR_BITMAPS_ADDRESS EXIT_MSR_STORE_ADDRESS EXIT_MSR_LOAD_ADDRESS'],
  [0x200a, 'ENTRY_MSR_LOAD_ADDRESS EXECUTIVE_VMCS_POINTER PML_ADDRESS:pml TSC_OFFSET VIRTUAL_APIC_ADDRESS:tpr'],
  [0x2014, 'APIC_ACCESS_ADDRESS:apicv POSTED_INTERRUPT_DESCRIPTOR_ADDRESS:posted VM_FUNCTION_CONTROLS:vmfunc EPTP:ept'],
  [0x201c, 'EOI_EXIT_BITMAP_0:vid EOI_EXIT_BITMAP_1:vid EOI_EXIT_BITMAP_2:vid EOI_EXIT_BITMAP_3:vid'],
  [0x2024, 'EPTP_LIST_ADDRESS:vmfunc VMREAD_BITMAP_ADDRESS:shadow VMWRITE_BITMAP_ADDRESS:shadow'],
  [0x202a, 'VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS:ve XSS_EXITING_BITMAP:xsaves - - TSC_MULTIPLIER:scaling'],
  [0x2400, 'GUEST_PHYSICAL_ADDRESS:ept'],
  [0x2800, 'VMCS_LINK_POINTER GUEST_DEBUGCTL GUEST_PAT:pat GUEST_EFER:efer'],
  [0x280a, 'GUEST_PDPTE0:ept GUEST_PDPTE1:ept GUEST_PDPTE2:ept GUEST_PDPTE3:ept'],
  [0x2c00, 'HOST_PAT:pat HOST_EFER:efer'],
  [0x4000, 'PIN_BASED_CONTROLS PRIMARY_CONTROLS EXCEPTION_BITMAP PAGE_FAULT_ERROR_CODE_MASK PAGE_FAULT_ERROR_CODE_MATCH'],
  [0x400a, 'CR3_TARGET_COUNT EXIT_CONTROLS EXIT_MSR_STORE_COUNT EXIT_MSR_LOAD_COUNT ENTRY_CONTROLS ENTRY_MSR_LOAD_COUNT'],
  [0x4016, 'ENTRY_INTERRUPTION_INFORMATION ENTRY_EXCEPTION_ERROR_CODE ENTRY_INSTRUCTION_LENGTH TPR_THRESHOLD:tpr'],
  [0x401e, 'SECONDARY_CONTROLS:secondary PLE_GAP:ple PLE_WINDOW:ple'],
  [0x4400, 'VM_INSTRUCTION_ERROR EXIT_REASON EXIT_INTERRUPTION_INFORMATION EXIT_INTERRUPTION_ERROR_CODE'],
  [0x4408, 'IDT_VECTORING_INFORMATION IDT_VECTORING_ERROR_CODE EXIT_INSTRUCTION_LENGTH EXIT_INSTRUCTION_INFORMATION'],
  [0x4800, 'GUEST_ES_LIMIT GUEST_CS_LIMIT GUEST_SS_LIMIT GUEST_DS_LIMIT GUEST_FS_LIMIT GUEST_GS_LIMIT GUEST_LDTR_LIMIT'],
  [0x480e, 'GUEST_TR_LIMIT GUEST_GDTR_LIMIT GUEST_IDTR_LIMIT'],
  [0x4814, 'GUEST_ES_ACCESS_RIGHTS GUEST_CS_ACCESS_RIGHTS GUEST_SS_ACCESS_RIGHTS GUEST_DS_ACCESS_RIGHTS'],
  [0x481c, 'GUEST_FS_ACCESS_RIGHTS GUEST_GS_ACCESS_RIGHTS GUEST_LDTR_ACCESS_RIGHTS GUEST_TR_ACCESS_RIGHTS'],
  [0x4824, 'GUEST_INTERRUPTIBILITY_STATE GUEST_ACTIVITY_STATE GUEST_SMBASE GUEST_SYSENTER_CS - VMX_PREEMPTION_TIMER_VALUE:timer'],
  [0x4c00, 'HOST_SYSENTER_CS'],
  [0x6000, 'CR0_GUEST_HOST_MASK CR4_GUEST_HOST_MASK CR0_READ_SHADOW CR4_READ_SHADOW'],
  [0x6008, 'CR3_TARGET_VALUE_0 CR3_TARGET_VALUE_1 CR3_TARGET_VALUE_2 CR3_TARGET_VALUE_3'],
  [0x6400, 'EXIT_QUALIFICATION IO_RCX IO_RSI IO_RDI IO_RIP GUEST_LINEAR_ADDRESS'],
  [0x6800, 'GUEST_CR0 GUEST_CR3 GUEST_CR4 GUEST_ES_BASE GUEST_CS_BASE GUEST_SS_BASE GUEST_DS_BASE GUEST_FS_BASE GUEST_GS_BASE'],
  [0x6812, 'GUEST_LDTR_BASE GUEST_TR_BASE GUEST_GDTR_BASE GUEST_IDTR_BASE GUEST_DR7 GUEST_RSP GUEST_RIP GUEST_RFLAGS'],
  [0x6822, 'GUEST_PENDING_DEBUG_EXCEPTIONS GUEST_SYSENTER_ESP GUEST_SYSENTER_EIP'],
  [0x6c00, 'HOST_CR0 HOST_CR3 HOST_CR4 HOST_FS_BASE HOST_GS_BASE HOST_TR_BASE HOST_GDTR_BASE HOST_IDTR_BASE'],
  [0x6c10, 'HOST_SYSENTER_ESP HOST_SYSENTER_EIP HOST_RSP HOST_RIP'],
];

export const VMCS_FIELDS: readonly VmcsField[] = GROUPS.flatMap(([first, names]) =>
  names.split(' ').flatMap((word, n) => {
    if (word === '-') return [];
    const [name, needs] = word.split(':');
    const encoding = first + 2 * n;
    const width = WIDTHS[(encoding >> 13) & 3];
    return { encoding, name, width, type: TYPES[(encoding >> 10) & 3], ...(needs ? { needs } : {}) };
  }),
);

/** Fields that every VM entry checks: they are written all the time, and cheap to check. */
export const CHECKED_ALWAYS: ReadonlySet<string> = new Set(
  `VMCS_LINK_POINTER GUEST_PDPTE0 GUEST_PDPTE1 GUEST_PDPTE2 GUEST_PDPTE3 ENTRY_INTERRUPTION_INFORMATION
  ENTRY_EXCEPTION_ERROR_CODE ENTRY_INSTRUCTION_LENGTH GUEST_INTERRUPTIBILITY_STATE GUEST_ACTIVITY_STATE GUEST_RIP
  GUEST_RFLAGS GUEST_PENDING_DEBUG_EXCEPTIONS`.split(/\s+/),
);
/**
 * Fields that no rule of VM entry is about: any value is good, or what uses it takes the bits that it can use. The processor
 * reads them where they lie.
 */
export const NEVER_CHECKED: ReadonlySet<string> = new Set([
  ...VMCS_FIELDS.filter(({ type }) => type === 'read-only').map(({ name }) => name),
  ...`EXCEPTION_BITMAP PAGE_FAULT_ERROR_CODE_MASK PAGE_FAULT_ERROR_CODE_MATCH TSC_OFFSET PLE_GAP PLE_WINDOW
  XSS_EXITING_BITMAP EOI_EXIT_BITMAP_0 EOI_EXIT_BITMAP_1 EOI_EXIT_BITMAP_2 EOI_EXIT_BITMAP_3 EPTP_INDEX GUEST_INTERRUPT_STATUS PML_INDEX EXECUTIVE_VMCS_POINTER GUEST_SMBASE GUEST_SYSENTER_CS
  VMX_PREEMPTION_TIMER_VALUE HOST_SYSENTER_CS CR0_GUEST_HOST_MASK CR4_GUEST_HOST_MASK CR0_READ_SHADOW CR4_READ_SHADOW
  CR3_TARGET_VALUE_0 CR3_TARGET_VALUE_1 CR3_TARGET_VALUE_2 CR3_TARGET_VALUE_3 GUEST_RSP HOST_RSP`.split(/\s+/),
]);

/** Bytes of the region before the first field: revision identifier, abort indicator, launch state. */
export const FIRST_FIELD = 0x10;

/** Slots of eight bytes by group (width and type): where each group begins, and how many indices it has. */
export const FIELD_GROUPS: readonly { start: number; count: number }[] = (() => {
  let start = 0;
  return Array.from({ length: 16 }, (_, group) => {
    const indices = VMCS_FIELDS.filter((field) => groupOf(field.encoding) === group).map((f) => indexOf(f.encoding));
    const count = indices.length === 0 ? 0 : Math.max(...indices) + 1;
    const place = { start, count };
    start += count;
    return place;
  });
})();

function groupOf(encoding: number): number {
  return ((encoding >> 11) & 12) | ((encoding >> 10) & 3);
}

function indexOf(encoding: number): number {
  return (encoding >> 1) & 0x1ff;
}

/** Offset of a field in the region that this processor keeps: only it and its dumps may know. */
export function offsetOf(encoding: number): number {
  return FIRST_FIELD + 8 * (FIELD_GROUPS[groupOf(encoding)].start + indexOf(encoding));
}
