/**
 * The rules that VM entry checks (SDM Vol. 3C, "VM Entries"), in the manual's order. The processor records the number of
 * the first one that is broken; people read the text.
 */
import type { Section, VmEntryRule } from './rule.ts';
import { GUEST_RULES } from './rules-guest.ts';

// biome-ignore format: a line per rule
const SECTIONS: readonly Section[] = [
  ['VM-Execution Control Fields', [
    ['PIN_RESERVED', 'PIN_BASED_CONTROLS', 'reserved bits in the pin-based VM-execution controls must be set properly'],
    ['PRIMARY_RESERVED', 'PRIMARY_CONTROLS', 'reserved bits in the primary processor-based VM-execution controls must be set properly'],
    ['SECONDARY_RESERVED', 'SECONDARY_CONTROLS', 'reserved bits in the secondary processor-based VM-execution controls must be cleared'],
    ['CR3_TARGETS', 'CR3_TARGET_COUNT', 'the CR3-target count must not be greater than 4'],
    ['IO_BITMAPS', 'IO_BITMAP_A_ADDRESS IO_BITMAP_B_ADDRESS', 'with "use I/O bitmaps", bits 11:0 of each I/O-bitmap address, and bits beyond the physical-address width, must be 0'],
    ['MSR_BITMAPS', 'MSR_BITMAPS_ADDRESS', 'with "use MSR bitmaps", bits 11:0 of the MSR-bitmap address, and bits beyond the physical-address width, must be 0'],
    ['VIRTUAL_APIC', 'VIRTUAL_APIC_ADDRESS', 'with "use TPR shadow", bits 11:0 of the virtual-APIC address, and bits beyond the physical-address width, must be 0'],
    ['TPR_THRESHOLD_RESERVED', 'TPR_THRESHOLD', 'with "use TPR shadow" but not "virtual-interrupt delivery", bits 31:4 of the TPR threshold must be 0'],
    ['TPR_THRESHOLD_ABOVE', 'TPR_THRESHOLD VIRTUAL_APIC_ADDRESS', 'with "use TPR shadow" but neither "virtualize APIC accesses" nor "virtual-interrupt delivery", the TPR threshold must not be greater than bits 7:4 of VTPR'],
    ['VIRTUAL_NMIS', 'PIN_BASED_CONTROLS', 'without "NMI exiting", "virtual NMIs" must be 0'],
    ['NMI_WINDOW', 'PIN_BASED_CONTROLS PRIMARY_CONTROLS', 'without "virtual NMIs", "NMI-window exiting" must be 0'],
    ['APIC_ACCESS', 'APIC_ACCESS_ADDRESS', 'with "virtualize APIC accesses", bits 11:0 of the APIC-access address, and bits beyond the physical-address width, must be 0'],
    ['NEEDS_TPR_SHADOW', 'PRIMARY_CONTROLS SECONDARY_CONTROLS', 'without "use TPR shadow", "virtualize x2APIC mode", "APIC-register virtualization" and "virtual-interrupt delivery" must be 0'],
    ['X2APIC_MODE', 'SECONDARY_CONTROLS', 'with "virtualize x2APIC mode", "virtualize APIC accesses" must be 0'],
    ['VIRTUAL_INTERRUPTS', 'PIN_BASED_CONTROLS SECONDARY_CONTROLS', 'with "virtual-interrupt delivery", "external-interrupt exiting" must be 1'],
    ['POSTED_NEEDS', 'PIN_BASED_CONTROLS SECONDARY_CONTROLS EXIT_CONTROLS', 'with "process posted interrupts", "virtual-interrupt delivery" and "acknowledge interrupt on exit" must be 1'],
    ['POSTED_VECTOR', 'POSTED_INTERRUPT_NOTIFICATION_VECTOR', 'with "process posted interrupts", bits 15:8 of the notification vector must be 0'],
    ['POSTED_DESCRIPTOR', 'POSTED_INTERRUPT_DESCRIPTOR_ADDRESS', 'with "process posted interrupts", bits 5:0 of the descriptor address, and bits beyond the physical-address width, must be 0'],
    ['VPID', 'VPID', 'with "enable VPID", the VPID must not be 0'],
    ['EPTP', 'EPTP', 'with "enable EPT", the EPT pointer must have a supported memory type, page-walk length and accessed/dirty setting, and no reserved bit set'],
    ['PML_NEEDS_EPT', 'SECONDARY_CONTROLS', 'with "enable PML", "enable EPT" must be 1'],
    ['PML_ADDRESS', 'PML_ADDRESS', 'with "enable PML", bits 11:0 of the PML address, and bits beyond the physical-address width, must be 0'],
    ['NEEDS_EPT', 'SECONDARY_CONTROLS', 'with "unrestricted guest" or "mode-based execute control for EPT", "enable EPT" must be 1'],
    ['VMFUNC_RESERVED', 'VM_FUNCTION_CONTROLS', 'with "enable VM functions", reserved bits in the VM-function controls must be clear'],
    ['EPTP_SWITCHING', 'SECONDARY_CONTROLS VM_FUNCTION_CONTROLS EPTP_LIST_ADDRESS', 'with "EPTP switching", "enable EPT" must be 1, and bits 11:0 of the EPTP-list address, and bits beyond the physical-address width, must be 0'],
    ['SHADOWING', 'VMREAD_BITMAP_ADDRESS VMWRITE_BITMAP_ADDRESS', 'with "VMCS shadowing", bits 11:0 of the VMREAD- and VMWRITE-bitmap addresses, and bits beyond the physical-address width, must be 0'],
    ['VE_ADDRESS', 'VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS', 'with "EPT-violation #VE", bits 11:0 of the virtualization-exception information address, and bits beyond the physical-address width, must be 0'],
    ['TSC_SCALING', 'TSC_MULTIPLIER', 'with "use TSC scaling", the TSC multiplier must not be 0'],
  ]],
  ['VM-Exit Control Fields', [
    ['EXIT_RESERVED', 'EXIT_CONTROLS', 'reserved bits in the VM-exit controls must be set properly'],
    ['SAVE_TIMER', 'PIN_BASED_CONTROLS EXIT_CONTROLS', 'without "activate VMX-preemption timer", "save VMX-preemption timer value" must be 0'],
    ['EXIT_STORE', 'EXIT_MSR_STORE_ADDRESS EXIT_MSR_STORE_COUNT', 'with a VM-exit MSR-store count, bits 3:0 of the address, and bits beyond the physical-address width, must be 0'],
    ['EXIT_STORE_END', 'EXIT_MSR_STORE_ADDRESS EXIT_MSR_STORE_COUNT', 'the last byte of the VM-exit MSR-store area must lie within the physical-address width'],
    ['EXIT_LOAD', 'EXIT_MSR_LOAD_ADDRESS EXIT_MSR_LOAD_COUNT', 'with a VM-exit MSR-load count, bits 3:0 of the address, and bits beyond the physical-address width, must be 0'],
    ['EXIT_LOAD_END', 'EXIT_MSR_LOAD_ADDRESS EXIT_MSR_LOAD_COUNT', 'the last byte of the VM-exit MSR-load area must lie within the physical-address width'],
  ]],
  ['VM-Entry Control Fields', [
    ['ENTRY_RESERVED', 'ENTRY_CONTROLS', 'reserved bits in the VM-entry controls must be set properly'],
    ['EVENT_TYPE', 'ENTRY_INTERRUPTION_INFORMATION', 'the interruption type must not be reserved'],
    ['EVENT_VECTOR', 'ENTRY_INTERRUPTION_INFORMATION', 'the vector must be 2 for an NMI, at most 31 for a hardware exception, and 0 for another event'],
    ['EVENT_ERROR_CODE', 'ENTRY_INTERRUPTION_INFORMATION GUEST_CR0', 'an error code must be delivered with a hardware exception that has one in protected mode, and with nothing else'],
    ['EVENT_RESERVED', 'ENTRY_INTERRUPTION_INFORMATION', 'bits 30:12 of the VM-entry interruption-information field must be 0'],
    ['EVENT_CODE_HIGH', 'ENTRY_EXCEPTION_ERROR_CODE', 'bits 31:16 of the VM-entry exception error code must be 0'],
    ['EVENT_LENGTH', 'ENTRY_INSTRUCTION_LENGTH', 'the VM-entry instruction length of a software interrupt or exception must be 1 to 15, or 0 where IA32_VMX_MISC[30] allows it'],
    ['ENTRY_LOAD', 'ENTRY_MSR_LOAD_ADDRESS ENTRY_MSR_LOAD_COUNT', 'with a VM-entry MSR-load count, bits 3:0 of the address, and bits beyond the physical-address width, must be 0'],
    ['ENTRY_LOAD_END', 'ENTRY_MSR_LOAD_ADDRESS ENTRY_MSR_LOAD_COUNT', 'the last byte of the VM-entry MSR-load area must lie within the physical-address width'],
  ]],
  ['Checks on Host Control Registers, MSRs, and SSP', [
    ['HOST_CR0', 'HOST_CR0', 'CR0 must not set any bit to a value not supported in VMX operation'],
    ['HOST_CR4', 'HOST_CR4', 'CR4 must not set any bit to a value not supported in VMX operation'],
    ['HOST_CR3', 'HOST_CR3', 'bits of CR3 beyond the physical-address width must be 0'],
    ['HOST_SYSENTER', 'HOST_SYSENTER_ESP HOST_SYSENTER_EIP', 'IA32_SYSENTER_ESP and IA32_SYSENTER_EIP must be canonical'],
    ['HOST_PAT', 'HOST_PAT', 'with "load IA32_PAT", each byte of IA32_PAT must be 0, 1, 4, 5, 6 or 7'],
    ['HOST_EFER', 'HOST_EFER', 'with "load IA32_EFER", reserved bits in IA32_EFER must be 0'],
    ['HOST_EFER_LMA', 'HOST_EFER EXIT_CONTROLS', 'with "load IA32_EFER", LMA and LME must each be that of "host address-space size"'],
  ]],
  ['Checks on Host Segment and Descriptor-Table Registers', [
    ['HOST_SELECTOR', 'HOST_ES_SELECTOR HOST_CS_SELECTOR HOST_SS_SELECTOR HOST_DS_SELECTOR HOST_FS_SELECTOR HOST_GS_SELECTOR HOST_TR_SELECTOR', 'RPL and TI of each selector must be 0'],
    ['HOST_NULL', 'HOST_CS_SELECTOR HOST_TR_SELECTOR', 'the selectors of CS and TR must not be 0'],
    ['HOST_NULL_SS', 'HOST_SS_SELECTOR EXIT_CONTROLS', 'the selector of SS must not be 0 without "host address-space size"'],
    ['HOST_BASE', 'HOST_FS_BASE HOST_GS_BASE HOST_GDTR_BASE HOST_IDTR_BASE HOST_TR_BASE', 'the base addresses of FS, GS, GDTR, IDTR and TR must be canonical'],
  ]],
  ['Checks Related to Address-Space Size', [
    ['OUTSIDE_IA32E', 'ENTRY_CONTROLS EXIT_CONTROLS', 'outside IA-32e mode, "IA-32e mode guest" and "host address-space size" must be 0'],
    ['IN_IA32E', 'EXIT_CONTROLS', 'in IA-32e mode, "host address-space size" must be 1'],
    ['HOST_32', 'ENTRY_CONTROLS HOST_CR4 HOST_RIP', 'without "host address-space size", "IA-32e mode guest", CR4.PCIDE and bits 63:32 of RIP must be 0'],
    ['HOST_64', 'HOST_CR4 HOST_RIP', 'with "host address-space size", CR4.PAE must be 1 and RIP canonical'],
  ]],
];

const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];
const expand = (field: string): string[] =>
  field.startsWith('*') ? SEGMENTS.map((s) => `GUEST_${s}_${field.slice(1)}`) : [field];

export const RULES: readonly VmEntryRule[] = [...SECTIONS, ...GUEST_RULES].flatMap(([section, rows]) =>
  rows.map(([name, fields, text]) => ({ name, section, text, fields: fields.split(' ').flatMap(expand) })),
);
