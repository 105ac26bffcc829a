/** VM functions and EPTP switching (SDM Vol. 3C, "VM Functions"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { HANDLER, TABLES } from '../exec/lab.ts';
import { controls, Reason, Secondary, USER } from './controls.ts';
import { Ept, ExtendedTables, LINEAR, mapLinear } from './ept.ts';
import { type Fields, GUEST_CODE, VMCALL, VMRESUME, type VmxLab, vmxLab } from './lab.ts';

const UD_INFORMATION = 0x80000306n;
const LIST = 0x48000;
const AREA = 0x49000;
const DATA = 0x61000;
const OTHER = 0x62000;
const VMFUNC = '0f 01 d4';

let vmx: VmxLab;
let views: ExtendedTables[];
beforeEach(async () => {
  vmx = await vmxLab();
  views = [0, 1, 2].map((n) => new ExtendedTables(vmx, n));
  for (const [n, view] of views.entries()) vmx.lab.put64(LIST + 8 * n, view.pointer);
  vmx.write({
    ...controls({ secondary: Secondary.EPT | Secondary.FUNCTIONS }),
    EPTP: views[0].pointer,
    VM_FUNCTION_CONTROLS: 1,
    EPTP_LIST_ADDRESS: LIST,
    EPTP_INDEX: 0x777,
    EXCEPTION_BITMAP: 1 << 6,
    VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS: AREA,
  });
  vmx.lab.set({ rax: 0, rcx: 1 });
});
/** Runs VMFUNC and VMCALL, `index` being in ECX: the exit reason. */
function outcome(rax: bigint | number, rcx: bigint | number, fields: Fields = {}): number {
  vmx.lab.set({ rax, rcx });
  vmx.write(fields);
  vmx.guest(`${VMFUNC} ${VMCALL}`);
  expect(vmx.inGuest).toBe(false);
  return vmx.reason;
}
function expectExit(): void {
  expect([vmx.reason, vmx.qualification, vmx.read('EXIT_INSTRUCTION_LENGTH')]).toEqual([Reason.VMFUNC, 0n, 3n]);
  expect([vmx.read('GUEST_RIP'), vmx.read('EPTP')]).toEqual([BigInt(GUEST_CODE), views[0].pointer]);
  expect(vmx.read('EPTP_INDEX')).toBe(0x777n);
}

describe('VMFUNC', () => {
  // biome-ignore format: a line per case
  it.each<[name: string, rax: bigint | number, fields: Fields]>([
    ['where VM functions are not enabled', 0, controls({ secondary: Secondary.EPT })],
    ['where the secondary controls are not activated', 0, { PRIMARY_CONTROLS: 0x0400_6172 }],
    ['of a function above 63', 64, {}],
    ['of a function far above 63', 0xffffffff, {}],
    ['of a function above 63 where none is enabled', 64, { VM_FUNCTION_CONTROLS: 0 }],
  ])('%s is #UD', (_name, rax, fields) => {
    outcome(rax, 1, fields);
    expect([vmx.reason, vmx.read('EXIT_INTERRUPTION_INFORMATION')]).toEqual([Reason.EXCEPTION_NMI, UD_INFORMATION]);
    expect(vmx.read('EPTP')).toBe(views[0].pointer);
  });
  it('is #UD in root operation', () => {
    vmx.lab.gate64(6, BigInt(HANDLER));
    vmx.lab.code(0x10200, VMFUNC);
    vmx.lab.set({ rip: 0x10200 });
    vmx.lab.step();
    expect(vmx.lab.get('rip')).toBe(BigInt(HANDLER));
  });
  it.each([1, 2, 63])('of function %i, which is not enabled, causes a VM exit', (rax) => {
    outcome(rax, 1);
    expectExit();
  });
  it('of EPTP switching causes a VM exit where that is not enabled', () => {
    outcome(0, 1, { VM_FUNCTION_CONTROLS: 0 });
    expectExit();
  });
  it('looks at 32 bits of EAX and ECX', () => {
    expect(outcome(1n << 32n, (7n << 32n) | 1n)).toBe(Reason.VMCALL);
    expect(vmx.read('EPTP')).toBe(views[1].pointer);
  });
  it('is for every privilege level', () => {
    expect(outcome(0, 2, USER)).toBe(Reason.VMCALL);
    expect(vmx.read('EPTP')).toBe(views[2].pointer);
  });
});

describe('EPTP switching', () => {
  it.each([512, 513, 0x10000, 0xffffffff])('causes a VM exit where ECX is %i', (index) => {
    vmx.lab.put64(LIST + 0x1000, views[1].pointer);
    outcome(0, index);
    expectExit();
  });
  // biome-ignore format: a line per case
  it.each([
    ['no value', 0n],
    ['a memory type that is neither uncacheable nor write-back', 0x201019n],
    ['a page-walk length of 3', 0x201016n],
    ['reserved bits', 0x20181en],
    ['an address beyond the physical-address width', (1n << 51n) | 0x20101en],
  ])('causes a VM exit where the list has %s', (_name, pointer) => {
    vmx.lab.put64(LIST + 8, pointer);
    outcome(0, 1);
    expectExit();
  });
  it('takes the last entry of the list', () => {
    vmx.lab.put64(LIST + 8 * 511, views[2].pointer);
    expect(outcome(0, 511)).toBe(Reason.VMCALL);
    expect(vmx.read('EPTP')).toBe(views[2].pointer);
  });
  it('reads the list by physical address, whatever the guest may reach', () => {
    for (const view of views) view.set(LIST, 0n);
    expect(outcome(0, 1)).toBe(Reason.VMCALL);
    expect(vmx.read('EPTP')).toBe(views[1].pointer);
  });
  it.each([
    ['EPT-violation #VE', controls({ secondary: Secondary.EPT | Secondary.FUNCTIONS | Secondary.VE })],
    ['no use of EPT-violation #VE, which the processor offers', {}],
  ])('with %s writes the EPTP index', (_name, fields) => {
    expect(outcome(0, 2, fields)).toBe(Reason.VMCALL);
    expect([vmx.read('EPTP'), vmx.read('EPTP_INDEX')]).toEqual([views[2].pointer, 2n]);
  });
  it('leaves EPTP index alone on a processor without EPT-violation #VE', async () => {
    vmx = await vmxLab(true, 'max,+vmx,-vmx-ve');
    const view = new ExtendedTables(vmx);
    vmx.lab.put64(LIST + 16, view.pointer);
    vmx.lab.set({ rax: 0, rcx: 2 });
    vmx.write({ ...controls({ secondary: Secondary.EPT | Secondary.FUNCTIONS }), EPTP: view.pointer, VM_FUNCTION_CONTROLS: 1, EPTP_LIST_ADDRESS: LIST, EPTP_INDEX: 0x777 }); // biome-ignore format: a line of fields
    vmx.guest(`${VMFUNC} ${VMCALL}`);
    expect([vmx.reason, vmx.read('EPTP_INDEX')]).toEqual([Reason.VMCALL, 0x777n]);
  });
  it('gives virtualization exceptions the new index', () => {
    views[2].set(DATA, 0n);
    vmx.lab.gate64(20, BigInt(HANDLER));
    vmx.lab.code(HANDLER, VMCALL);
    vmx.lab.set({ rcx: 2, rsi: DATA });
    vmx.write({ ...controls({ secondary: Secondary.EPT | Secondary.FUNCTIONS | Secondary.VE }) });
    vmx.guest(`${VMFUNC} 8b 06`);
    expect([vmx.reason, vmx.read('GUEST_RIP')]).toEqual([Reason.VMCALL, BigInt(HANDLER)]);
    expect(vmx.lab.view().getUint16(AREA + 32, true)).toBe(2);
  });
  it('changes neither flags nor registers', () => {
    vmx.lab.set({ rdx: 0x1234, rbx: 0x5678 });
    vmx.write({ GUEST_RFLAGS: 0xad7 });
    expect(outcome(0, 1)).toBe(Reason.VMCALL);
    expect([vmx.read('GUEST_RFLAGS'), vmx.lab.get('rax'), vmx.lab.get('rcx')]).toEqual([0xad7n, 0n, 1n]);
    expect([vmx.lab.get('rdx'), vmx.lab.get('rbx')]).toEqual([0x1234n, 0x5678n]);
  });
  it('does not load the PDPTE registers anew', async () => {
    vmx = await vmxLab(false);
    views = [0, 1].map((n) => new ExtendedTables(vmx, n));
    vmx.lab.put64(LIST + 8, views[1].pointer);
    const DIRECTORY = 0x65000;
    for (let n = 0; n < 2; n++) vmx.lab.put64(DIRECTORY + 8 * n, BigInt(n * 0x200000) | 0x83n);
    vmx.lab.set({ rax: 0, rcx: 1 });
    vmx.write({
      ...controls({ secondary: Secondary.EPT | Secondary.FUNCTIONS }), EPTP: views[0].pointer, VM_FUNCTION_CONTROLS: 1, EPTP_LIST_ADDRESS: LIST,
      GUEST_CR4: 0x2030, GUEST_CR3: 0x66000, GUEST_PDPTE0: DIRECTORY | 1,
    }); // biome-ignore format: a line of fields
    vmx.guest(`${VMFUNC} ${VMCALL}`);
    expect([vmx.reason, vmx.read('EPTP'), vmx.read('GUEST_PDPTE0')]).toEqual([
      18,
      views[1].pointer,
      BigInt(DIRECTORY | 1),
    ]);
  });
});

/** MOV EBX, [RSI]; VMFUNC with ECX 1; MOV EDX, [RSI]; VMFUNC with ECX 0; MOV EBP, [RSI]; VMCALL */
const SWITCH_AND_READ = `8b 1e b9 01 00 00 00 ${VMFUNC} 8b 16 b9 00 00 00 00 ${VMFUNC} 8b 2e ${VMCALL}`;
const read = () => [vmx.lab.get('rbx'), vmx.lab.get('rdx'), vmx.lab.get('rbp')];

describe('translations cached under one EPT pointer', () => {
  beforeEach(() => {
    vmx.lab.put32(DATA, 0x1111);
    vmx.lab.put32(OTHER, 0x2222);
    vmx.lab.set({ rsi: DATA });
  });
  it.each([
    ['without VPID', 0],
    ['with VPID', Secondary.VPID],
  ])('are not used under another, %s', (_name, vpid) => {
    views[1].set(DATA, Ept.ALL, OTHER);
    vmx.write({ ...controls({ secondary: Secondary.EPT | Secondary.FUNCTIONS | vpid }), VPID: 5 });
    vmx.guest(SWITCH_AND_READ);
    expect([vmx.reason, ...read()]).toEqual([Reason.VMCALL, 0x1111n, 0x2222n, 0x1111n]);
    // Once more, with what the first run cached.
    vmx.write({ GUEST_RIP: GUEST_CODE });
    vmx.lab.set({ rbx: 0, rdx: 0, rbp: 0 });
    vmx.enter(VMRESUME, 20);
    expect([vmx.reason, ...read()]).toEqual([Reason.VMCALL, 0x1111n, 0x2222n, 0x1111n]);
  });
  it('are not used under another for writes', () => {
    views[1].set(DATA, Ept.ALL, OTHER);
    vmx.lab.set({ rbx: 0xaaaa, rdx: 0xbbbb });
    vmx.guest(`89 1e ${VMFUNC} 89 16 ${VMCALL}`);
    expect([vmx.lab.view().getUint32(DATA, true), vmx.lab.view().getUint32(OTHER, true)]).toEqual([0xaaaa, 0xbbbb]);
  });
  it('are not used under another for the very next instruction', () => {
    // MOV AL, 1; VMCALL in one view, MOV AL, 2; VMCALL in the other.
    vmx.lab.code(0x51000, `${VMFUNC} b0 01 ${VMCALL}`);
    vmx.lab.code(0x52000, `90 90 90 b0 02 ${VMCALL}`);
    views[1].set(0x51000, Ept.ALL, 0x52000);
    vmx.lab.set({ rsi: 0x51000 });
    vmx.guest('ff e6');
    expect([vmx.reason, vmx.lab.get('rax')]).toEqual([Reason.VMCALL, 2n]);
  });
  it('are not used under another for a page that the second does not map', () => {
    views[1].set(DATA, 0n);
    vmx.guest(SWITCH_AND_READ);
    expect([vmx.reason, vmx.read('GUEST_PHYSICAL_ADDRESS')]).toEqual([Reason.EPT_VIOLATION, BigInt(DATA)]);
    expect(vmx.lab.get('rbx')).toBe(0x1111n);
  });
  it('are not used under another for guest paging structures', () => {
    const [FIRST, SECOND] = [0x70000, 0x71000];
    mapLinear(vmx, 0, DATA);
    vmx.lab.put64(SECOND, BigInt(OTHER | 7));
    views[1].set(FIRST, Ept.ALL, SECOND);
    vmx.lab.set({ rsi: LINEAR });
    vmx.guest(SWITCH_AND_READ);
    expect([vmx.reason, ...read()]).toEqual([Reason.VMCALL, 0x1111n, 0x2222n, 0x1111n]);
    expect(vmx.lab.view().getBigUint64(TABLES + 0x2010, true) & ~0x20n).toBe(BigInt(FIRST | 7));
  });
  it('outlive a change of the tables of the other, and not INVEPT of their own', () => {
    views[1].set(DATA, Ept.ALL, OTHER);
    vmx.guest(SWITCH_AND_READ);
    views[0].set(DATA, Ept.ALL, OTHER);
    views[1].set(DATA, Ept.ALL, DATA);
    // INVEPT of one context, twice: RAX is the type, [RBX] the descriptor.
    for (const view of [views[0], views[1]]) {
      vmx.lab.put64(0x10300, view.pointer);
      vmx.lab.put64(0x10308, 0n);
      vmx.lab.code(0x10400, '66 0f 38 80 03  invept rax, [rbx]');
      vmx.lab.set({ rip: 0x10400, rax: 1, rbx: 0x10300 });
      vmx.lab.step();
      expect(vmx.lab.get('rflags') & 0x8d5n).toBe(0n);
    }
    vmx.lab.set({ rax: 0, rbx: 0, rdx: 0, rbp: 0 });
    vmx.write({ GUEST_RIP: GUEST_CODE, EPTP: views[0].pointer });
    vmx.enter(VMRESUME, 20);
    expect([vmx.reason, ...read()]).toEqual([Reason.VMCALL, 0x2222n, 0x1111n, 0x2222n]);
  });
});
