/** MSR areas of VM entry and VM exit (SDM Vol. 3C, "Loading MSRs", "Saving MSRs", "VMX Aborts"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { Stop } from '../../src/core/types.ts';
import { CODE } from '../exec/lab.ts';
import { controls, Reason, Secondary } from './controls.ts';
import {
  type Fields,
  GUEST_CODE,
  HOST_CODE,
  MSR_LIST,
  VMCALL,
  VMCS,
  VMLAUNCH,
  VMRESUME,
  type VmxLab,
  vmxLab,
} from './lab.ts';

const STORE = 0x4c000;
const Msr = {
  APIC_BASE: 0x1b,
  FEATURE_CONTROL: 0x3a,
  SMM_MONITOR: 0x9b,
  SYSENTER_CS: 0x174,
  PAT: 0x277,
  VMX_BASIC: 0x480,
  X2APIC_TPR: 0x808,
  NONE: 0x4ff,
  EFER: 0xc0000080,
  STAR: 0xc0000081,
  LSTAR: 0xc0000082,
  FS_BASE: 0xc0000100,
  GS_BASE: 0xc0000101,
  KERNEL_GS_BASE: 0xc0000102,
} as const;
const ABORT_INDICATOR = VMCS + 4;

let vmx: VmxLab;
beforeEach(async () => {
  vmx = await vmxLab();
  vmx.lab.code(GUEST_CODE, VMCALL);
});
type Entry = readonly [index: number, value: bigint | number, reserved?: number];
function list(at: number, entries: readonly Entry[]): void {
  for (const [n, [index, value, reserved = 0]] of entries.entries()) {
    vmx.lab.put32(at + 16 * n, index);
    vmx.lab.put32(at + 16 * n + 4, reserved);
    vmx.lab.put64(at + 16 * n + 8, BigInt(value));
  }
}
function entryLoads(...entries: Entry[]): void {
  list(MSR_LIST, entries);
  vmx.write({ ENTRY_MSR_LOAD_COUNT: entries.length, ENTRY_MSR_LOAD_ADDRESS: MSR_LIST });
}
function exitLoads(...entries: Entry[]): void {
  list(MSR_LIST + 0x800, entries);
  vmx.write({ EXIT_MSR_LOAD_COUNT: entries.length, EXIT_MSR_LOAD_ADDRESS: MSR_LIST + 0x800 });
}
function exitStores(...entries: Entry[]): void {
  list(STORE, entries);
  vmx.write({ EXIT_MSR_STORE_COUNT: entries.length, EXIT_MSR_STORE_ADDRESS: STORE });
}
const msr = (index: number) => vmx.lab.core.readMsr(index);
const stored = (n: number) => vmx.lab.view().getBigUint64(STORE + 16 * n + 8, true);

/** Entries that cannot be loaded. */
// biome-ignore format: a line per case
const BAD: readonly (readonly [name: string, entry: Entry])[] = [
  ['IA32_FS_BASE', [Msr.FS_BASE, 0]],
  ['IA32_GS_BASE', [Msr.GS_BASE, 0]],
  ['IA32_SMM_MONITOR_CTL', [Msr.SMM_MONITOR, 0]],
  ['reserved bits of the entry', [Msr.STAR, 0, 1]],
  ['an MSR that does not exist', [Msr.NONE, 0]],
  ['an MSR that can only be read', [Msr.VMX_BASIC, 0]],
  ['an MSR that is locked', [Msr.FEATURE_CONTROL, 5]],
  ['an address that is not canonical', [Msr.LSTAR, 1n << 62n]],
  ['a value that WRMSR refuses', [Msr.PAT, 2]],
  ['a change of EFER.LME while there is paging', [Msr.EFER, 0]],
  ['reserved bits of EFER', [Msr.EFER, 0x502]],
];

describe('VM entry', () => {
  it('loads the MSRs of its list in order', () => {
    entryLoads([Msr.STAR, 0x1111], [Msr.LSTAR, 0x2222], [Msr.STAR, 0x3333]);
    vmx.enter(VMLAUNCH, 3);
    expect([vmx.reason, msr(Msr.STAR), msr(Msr.LSTAR)]).toEqual([Reason.VMCALL, 0x3333n, 0x2222n]);
  });
  it('loads them behind the fields of the guest state', () => {
    vmx.write({ GUEST_SYSENTER_CS: 0x1111 });
    entryLoads([Msr.SYSENTER_CS, 0x2222]);
    vmx.enter(VMLAUNCH, 3);
    expect([vmx.reason, vmx.read('GUEST_SYSENTER_CS')]).toEqual([Reason.VMCALL, 0x2222n]);
  });
  it.each(BAD)('fails by a VM exit that counts from 1 where the list has %s', (_name, entry) => {
    vmx.lab.core.writeMsr(Msr.STAR, 0n);
    entryLoads([Msr.STAR, 0x1111], entry, [Msr.KERNEL_GS_BASE, 0x2222]);
    vmx.write({ GUEST_RFLAGS: 0x8d7, EXIT_INTERRUPTION_INFORMATION: 0x80000123 });
    vmx.enter(VMLAUNCH, 1);
    expect([vmx.inGuest, vmx.reason, vmx.qualification]).toEqual([false, 0x80000000 + Reason.MSR_LOAD_FAIL, 2n]);
    expect([vmx.lab.get('rip'), vmx.lab.get('rflags'), vmx.lab.get('cr0')]).toEqual([
      BigInt(HOST_CODE),
      2n,
      0x80000031n,
    ]);
    // What came before it stays loaded; nothing of the guest is saved.
    expect([msr(Msr.STAR), msr(Msr.KERNEL_GS_BASE), vmx.read('GUEST_RFLAGS')]).toEqual([0x1111n, 0n, 0x8d7n]);
  });
  it('that fails so leaves the VMCS clear, loads the MSRs of the exit list and stores none', () => {
    entryLoads([Msr.NONE, 0]);
    exitLoads([Msr.LSTAR, 0x4444]);
    exitStores([Msr.STAR, 0x5555]);
    vmx.enter(VMLAUNCH, 1);
    expect([vmx.qualification, msr(Msr.LSTAR), stored(0)]).toEqual([1n, 0x4444n, 0x5555n]);
    vmx.enter(VMRESUME, 1);
    expect(vmx.error).toBe(5);
  });
  it('does not load x2APIC registers in x2APIC mode', () => {
    vmx.lab.core.writeMsr(Msr.APIC_BASE, 0xfee00d00n);
    entryLoads([Msr.X2APIC_TPR, 0]);
    vmx.enter(VMLAUNCH, 1);
    expect([vmx.reason, vmx.qualification]).toEqual([0x80000000 + Reason.MSR_LOAD_FAIL, 1n]);
  });
  it('loads as many as IA32_VMX_MISC recommends', () => {
    const most = 512 * (Number((msr(0x485) >> 25n) & 7n) + 1);
    const at = 0x300000;
    list(
      at,
      Array.from({ length: most }, (_, n): Entry => [Msr.STAR, n]),
    );
    vmx.write({ ENTRY_MSR_LOAD_COUNT: most, ENTRY_MSR_LOAD_ADDRESS: at });
    vmx.enter(VMLAUNCH, 3);
    expect([vmx.reason, msr(Msr.STAR)]).toEqual([Reason.VMCALL, BigInt(most - 1)]);
  });
  it('gives the guest the EFER of its list', () => {
    // RDMSR of EFER; VMCALL
    vmx.lab.code(GUEST_CODE, `b9 80 00 00 c0 0f 32 ${VMCALL}`);
    vmx.write({ MSR_BITMAPS_ADDRESS: 0x42000, ...controls({ primary: 0x10000000 }) });
    entryLoads([Msr.EFER, 0xd01]);
    vmx.enter(VMLAUNCH, 5);
    expect([vmx.reason, vmx.lab.get('rax')]).toEqual([Reason.VMCALL, 0xd01n]);
  });
});

describe('a VM exit', () => {
  it('stores the MSRs of its list as the guest left them, then loads those of the host', () => {
    entryLoads([Msr.STAR, 0x1111]);
    exitStores([Msr.STAR, 0], [Msr.KERNEL_GS_BASE, 0]);
    exitLoads([Msr.STAR, 0x2222]);
    vmx.lab.core.writeMsr(Msr.KERNEL_GS_BASE, 0x3333n);
    vmx.enter(VMLAUNCH, 3);
    expect([vmx.reason, stored(0), stored(1), msr(Msr.STAR)]).toEqual([Reason.VMCALL, 0x1111n, 0x3333n, 0x2222n]);
    expect(vmx.lab.view().getUint32(ABORT_INDICATOR, true)).toBe(0);
  });
  it('stores what can only be read', () => {
    exitStores([Msr.VMX_BASIC, 0], [Msr.FS_BASE, 0]);
    vmx.write({ GUEST_FS_BASE: 0x7777 });
    vmx.enter(VMLAUNCH, 3);
    expect([stored(0), stored(1)]).toEqual([msr(Msr.VMX_BASIC), 0x7777n]);
  });
  it('loads MSRs behind the fields of the host state', () => {
    vmx.write({ HOST_SYSENTER_CS: 0x1111 });
    exitLoads([Msr.SYSENTER_CS, 0x2222]);
    vmx.enter(VMLAUNCH, 3);
    expect(msr(Msr.SYSENTER_CS)).toBe(0x2222n);
  });
  const abort = (indicator: number): void => {
    vmx.lab.code(HOST_CODE, '90 90 90');
    vmx.enter(VMLAUNCH, 3);
    expect(vmx.lab.view().getUint32(ABORT_INDICATOR, true)).toBe(indicator);
    const { retired } = vmx.lab.core;
    expect(vmx.lab.core.run(5)).toBe(Stop.SHUTDOWN);
    expect([vmx.lab.core.retired, vmx.inGuest]).toEqual([retired, false]);
  };
  it.each(BAD)('aborts, and the processor shuts down, where the list to load has %s', (_name, entry) => {
    exitLoads([Msr.STAR, 0x1111], entry);
    abort(4);
  });
  // biome-ignore format: a line per case
  it.each<[name: string, entry: Entry]>([
    ['reserved bits of the entry', [Msr.STAR, 0, 1]],
    ['an MSR that does not exist', [Msr.NONE, 0]],
  ])('aborts, and the processor shuts down, where the list to store has %s', (_name, entry) => {
    exitStores([Msr.STAR, 0], entry);
    abort(1);
  });
  it('that aborts leaves VPID and EPT behind with the guest, whatever starts the processor again', () => {
    exitStores([Msr.NONE, 0]);
    vmx.write({ ...controls({ secondary: Secondary.VPID }), VPID: 5 });
    abort(1);
    const { core } = vmx.lab;
    vmx.lab.code(CODE, '90');
    core.set('rip', BigInt(CODE));
    core.state.setNumber('activity', 0);
    const { retired } = core;
    // A core for tests asserts before each block that what is derived from registers is up to date.
    core.run(1);
    expect([core.retired, core.get('rip')]).toEqual([retired + 1, BigInt(CODE + 1)]);
  });
  it('aborts where the page-directory-pointer table of a 32-bit host has reserved bits', async () => {
    vmx = await vmxLab(false);
    vmx.lab.code(GUEST_CODE, VMCALL);
    vmx.lab.put64(0x66000, 0x65003n);
    vmx.write({ HOST_CR4: 0x2030, HOST_CR3: 0x66000 });
    abort(2);
  });
  it('of a VM entry that broke a rule loads MSRs too', () => {
    exitLoads([Msr.STAR, 0x1111]);
    const fields: Fields = { GUEST_RFLAGS: 0 };
    vmx.write(fields);
    vmx.enter(VMLAUNCH, 1);
    expect([vmx.reason, msr(Msr.STAR)]).toEqual([0x80000021, 0x1111n]);
  });
});
