/** Names of control bits, for dumps (SDM Vol. 3C, "VM-Execution Control Fields", "VM-Exit Controls", "VM-Entry Controls"). */

/** Names by bit, '-' where there is none; a bit that is always 1 and means nothing has none. */
// biome-ignore format: a line per few bits
const NAMES: Readonly<Record<string, readonly string[]>> = {
  PIN_BASED_CONTROLS: ['external-interrupt exiting', '-', '-', 'NMI exiting', '-', 'virtual NMIs', 'activate VMX-preemption timer',
    'process posted interrupts'],
  PRIMARY_CONTROLS: ['-', '-', 'interrupt-window exiting', 'use TSC offsetting', '-', '-', '-', 'HLT exiting', '-', 'INVLPG exiting',
    'MWAIT exiting', 'RDPMC exiting', 'RDTSC exiting', '-', '-', 'CR3-load exiting', 'CR3-store exiting', '-', '-', 'CR8-load exiting',
    'CR8-store exiting', 'use TPR shadow', 'NMI-window exiting', 'MOV-DR exiting', 'unconditional I/O exiting', 'use I/O bitmaps', '-',
    'monitor trap flag', 'use MSR bitmaps', 'MONITOR exiting', 'PAUSE exiting', 'activate secondary controls'],
  SECONDARY_CONTROLS: ['virtualize APIC accesses', 'enable EPT', 'descriptor-table exiting', 'enable RDTSCP', 'virtualize x2APIC mode',
    'enable VPID', 'WBINVD exiting', 'unrestricted guest', 'APIC-register virtualization', 'virtual-interrupt delivery',
    'PAUSE-loop exiting', 'RDRAND exiting', 'enable INVPCID', 'enable VM functions', 'VMCS shadowing', '-', 'RDSEED exiting', 'enable PML',
    'EPT-violation #VE', '-', 'enable XSAVES/XRSTORS', '-', 'mode-based execute control for EPT', '-', '-', 'use TSC scaling'],
  EXIT_CONTROLS: ['-', '-', 'save debug controls', '-', '-', '-', '-', '-', '-', 'host address-space size', '-', '-', '-', '-', '-',
    'acknowledge interrupt on exit', '-', '-', 'save IA32_PAT', 'load IA32_PAT', 'save IA32_EFER', 'load IA32_EFER',
    'save VMX-preemption timer value'],
  ENTRY_CONTROLS: ['-', '-', 'load debug controls', '-', '-', '-', '-', '-', '-', 'IA-32e mode guest', '-', '-', '-', '-',
    'load IA32_PAT', 'load IA32_EFER'],
  GUEST_INTERRUPTIBILITY_STATE: ['blocking by STI', 'blocking by MOV SS', 'blocking by SMI', 'blocking by NMI', 'enclave interruption'],
  EXCEPTION_BITMAP: '#DE #DB - #BP #OF #BR #UD #NM #DF - #TS #NP #SS #GP #PF - #MF #AC #MC #XM #VE #CP'.split(' '),
};
const ACTIVITIES = ['active', 'HLT', 'shutdown', 'wait-for-SIPI'];

/** What the bits of a field say, empty for fields that are plain numbers. */
export function explainField(name: string, value: bigint): string {
  if (name === 'GUEST_ACTIVITY_STATE') return ACTIVITIES[Number(value)] ?? '';
  return (NAMES[name] ?? []).filter((text, bit) => text !== '-' && ((value >> BigInt(bit)) & 1n) !== 0n).join(', ');
}
