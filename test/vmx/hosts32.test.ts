/**
 * Hypervisors in 32-bit protected mode, with 32-bit and with PAE paging: they set their VMCS up by VMWRITE of 32 bits, run a
 * guest that executes CPUID, and resume it (SDM Vol. 3C, "VMX Instruction Reference", "Loading Page-Directory-Pointer-Table
 * Entries").
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { VMCS_FIELDS } from '../../src/isa/vmx/fields.ts';
import { CODE, HANDLER, TABLES } from '../exec/lab.ts';
import { controls, Primary, Reason, Secondary } from './controls.ts';
import { ExtendedTables } from './ept.ts';
import {
  type Fields,
  fieldsOf,
  GUEST_CODE,
  GUEST_STACK,
  HOST_CODE,
  PAE_POINTERS,
  VMCALL,
  type VmxLab,
  vmxLab,
} from './lab.ts';

/** Another VMCS than that of the lab, and the hypervisor's table of fields and its notes. */
const SECOND_VMCS = 0x4d000;
const TABLE = 0x54000;
const NOTES = 0x58000;
/** VMCLEAR [EDX]; VMPTRLD [EDX]; for the EDI pairs at ESI: VMWRITE, to HLT where it fails; VMLAUNCH; HLT */
const SETUP = '66 0f c7 32 0f c7 32 8b 06 8b 5e 04 0f 79 c3 76 09 83 c6 08 4f 75 f0 0f 01 c2 f4';
/**
 * Of the VM exit, to [EBP]: reason, both halves of the guest-physical address, CR3 and the second PDPTE. CPUID it emulates
 * by EAX = 12345678H and goes on behind it; else it halts.
 */
const ON_EXIT = [
  ['b8 02 44 00 00', '0f 78 45 00'], // reason
  ['b8 00 24 00 00', '0f 78 45 04'], // guest-physical address
  ['b8 01 24 00 00', '0f 78 45 08'],
  ['b8 02 68 00 00', '0f 78 45 0c'], // CR3
  ['b8 0c 28 00 00', '0f 78 45 10'], // PDPTE1
  ['b8 0d 28 00 00', '0f 78 45 14'],
  ['83 7d 00 0a 75 1b'], // CMP [EBP], CPUID; JNE
  ['b8 1e 68 00 00 0f 78 c3 83 c3 02 0f 79 c3'], // RIP += 2
  ['ff 45 18'], // exits that were emulated
  ['b8 78 56 34 12 0f 01 c3'], // MOV EAX; VMRESUME
  ['90 90 f4'],
]
  .flat()
  .join(' ');
const CPUID = '0f a2';

let vmx: VmxLab;
const note = (offset: number) => vmx.lab.view().getUint32(NOTES + offset, true);

/** Pairs of encoding and value as a 32-bit VMWRITE takes them: 64-bit fields have two. */
function pairsOf(fields: Fields): number[] {
  return VMCS_FIELDS.flatMap(({ name, encoding, width, type }) => {
    const value = fields[name];
    if (value === undefined || type === 'read-only') return [];
    const wide = BigInt.asUintN(64, BigInt(value));
    const low = Number(wide & 0xffffffffn);
    return width === '64' ? [encoding, low, encoding | 1, Number(wide >> 32n)] : [encoding, low];
  });
}
/** The hypervisor runs: whether it halted, and the reason of the last VM exit. */
function hypervise(fields: Fields, bytes: string): number {
  const all = { ...fieldsOf(vmx.lab, false), GUEST_RIP: GUEST_CODE, ...fields };
  const pairs = pairsOf(all);
  for (const [n, value] of pairs.entries()) vmx.lab.put32(TABLE + 4 * n, value);
  vmx.lab.code(HOST_CODE, ON_EXIT);
  vmx.lab.code(GUEST_CODE, bytes);
  vmx.lab.code(CODE + 0x200, SETUP);
  vmx.lab.put32(SECOND_VMCS, Number(vmx.lab.core.readMsr(0x480) & 0x7fffffffn));
  vmx.lab.put64(CODE + 0x90, BigInt(SECOND_VMCS));
  vmx.lab.set({ rip: CODE + 0x200, rdx: CODE + 0x90, rsi: TABLE, rdi: pairs.length / 2, rbp: NOTES, rax: 0 });
  vmx.lab.core.run(3000);
  expect([vmx.lab.core.state.number('activity'), vmx.inGuest]).toEqual([1, false]);
  // Not that of SETUP, which is for what failed.
  expect(Number(vmx.lab.get('rip'))).toBe(HOST_CODE + ON_EXIT.split(' ').length);
  return note(0);
}

/** Paging structures of a PAE guest at GUEST_POINTERS: `linear`, by GiB, where its first 4 MiB lead. */
const GUEST_POINTERS = 0x69020;
const GUEST_DIRECTORY = 0x68000;
const PAGE = 0x6a000;
const pointers = [GUEST_DIRECTORY | 1, 0, 0, GUEST_DIRECTORY | 1];
function guestPae(): void {
  for (const n of [0, 1]) vmx.lab.put64(GUEST_DIRECTORY + 8 * n, BigInt((n << 21) | 0x87));
  for (const [n, entry] of pointers.entries()) vmx.lab.put64(GUEST_POINTERS + 8 * n, BigInt(entry));
}
const EPT_CONTROLS = controls({ secondary: Secondary.EPT });
const ept = () => ({ ...EPT_CONTROLS, EPTP: new ExtendedTables(vmx).pointer });
const PAE = { GUEST_CR4: 0x2020, GUEST_CR3: GUEST_POINTERS };
const PDPTES = { GUEST_PDPTE0: pointers[0], GUEST_PDPTE3: pointers[3] };
const FLAT_32 = { GUEST_CR4: 0x2010, GUEST_CR3: TABLES };
const REAL: Fields = {
  ...Object.fromEntries(
    ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'].flatMap((s) => [
      [`GUEST_${s}_SELECTOR`, 0], [`GUEST_${s}_LIMIT`, 0xffff], [`GUEST_${s}_ACCESS_RIGHTS`, s === 'CS' ? 0x9b : 0x93],
    ]),
  ),
  GUEST_CR0: 0x20, GUEST_CR4: 0x2000, GUEST_CS_BASE: GUEST_CODE, GUEST_RIP: 0, GUEST_RSP: 0x8000, GUEST_IDTR_LIMIT: 0x3ff,
}; // biome-ignore format: a line of fields

describe.each([
  ['32-bit paging', false],
  ['PAE paging', 'pae'],
] as const)('a hypervisor with %s', (_name, mode) => {
  beforeEach(async () => {
    vmx = await vmxLab(mode);
    // The lab's 32-bit tables: there in every mode.
    vmx.lab.put32(TABLES, 0x83);
    guestPae();
  });

  const guests: readonly (readonly [name: string, fields: () => Fields])[] = [
    ['like itself', () => ({})],
    ['of 32-bit paging', () => FLAT_32],
    ['of PAE paging', () => PAE],
    ['of 32-bit paging under EPT', () => ({ ...FLAT_32, ...ept() })],
    ['of PAE paging under EPT', () => ({ ...PAE, ...ept(), ...PDPTES })],
    ['of real-address mode', () => ({ ...REAL, ...ept(), SECONDARY_CONTROLS: Secondary.EPT | Secondary.UNRESTRICTED })],
  ];
  it.each(guests)('runs a guest %s, emulates what exits and resumes it', (_guest, fields) => {
    // MOV ECX, EAX between the two: what the hypervisor gave is the guest's.
    expect(hypervise(fields(), `${CPUID} 89 c1 ${CPUID} ${VMCALL}`)).toBe(Reason.VMCALL);
    expect(note(0x18)).toBe(2);
    expect(vmx.lab.get('rcx') & 0xffffn).toBe(0x5678n);
  });
  it('finds itself in its own paging mode behind each VM exit', () => {
    const before = { cr0: vmx.lab.get('cr0'), cr3: vmx.lab.get('cr3'), cr4: vmx.lab.get('cr4') };
    hypervise(mode === 'pae' ? FLAT_32 : PAE, VMCALL);
    expect({ cr0: vmx.lab.get('cr0'), cr3: vmx.lab.get('cr3'), cr4: vmx.lab.get('cr4') }).toEqual(before);
    expect([vmx.lab.get('efer'), vmx.lab.selector('cs'), vmx.lab.core.getSegment('cs').rights]).toEqual([
      0n,
      8,
      0xc09b,
    ]);
  });
  it('writes both halves of 64-bit fields, of which the first write clears the upper', () => {
    const offset = 0x7777_8888_9999n;
    hypervise({ TSC_OFFSET: offset, ...controls({ primary: Primary.TSC_OFFSETTING }) }, VMCALL);
    // VMREAD of both halves; VMWRITE of the low one; VMREAD of the high one.
    vmx.lab.code(
      CODE + 0x300,
      `
      b8 10 20 00 00  mov eax, 0x2010
      0f 78 c3        vmread ebx, eax
      40              inc eax
      0f 78 c1        vmread ecx, eax
      48              dec eax
      0f 79 c3        vmwrite eax, ebx
      40              inc eax
      0f 78 c2        vmread edx, eax
      `,
    );
    vmx.lab.set({ rip: CODE + 0x300, rdx: 0xffff });
    vmx.lab.core.state.setField('activity', 0n);
    vmx.lab.core.run(1);
    vmx.lab.set({ rip: CODE + 0x300 });
    vmx.lab.step(8);
    expect([vmx.lab.get('rbx'), vmx.lab.get('rcx'), vmx.lab.get('rdx')]).toEqual([0x8888_9999n, 0x7777n, 0n]);
  });

  describe('PDPTE registers of its guest', () => {
    /** MOV EAX, [C0000000H + PAGE] */
    const READ = 'a1 00 a0 06 c0';
    beforeEach(() => vmx.lab.put32(PAGE, 0x4711));

    it('come from memory on VM entry without EPT', () => {
      expect(hypervise(PAE, `${READ} 89 c1 ${VMCALL}`)).toBe(Reason.VMCALL);
      expect(vmx.lab.get('rcx')).toBe(0x4711n);
    });
    it('come from the VMCS under EPT, whatever memory says', () => {
      for (let n = 0; n < 4; n++) vmx.lab.put64(GUEST_POINTERS + 8 * n, 0n);
      expect(hypervise({ ...PAE, ...ept(), ...PDPTES }, `${READ} 89 c1 ${VMCALL}`)).toBe(Reason.VMCALL);
      expect(vmx.lab.get('rcx')).toBe(0x4711n);
    });
    it.each([
      ['without EPT', false],
      ['under EPT', true],
    ])('change by MOV to CR3, not by a write to their table: %s', (_name, extended) => {
      // MOV [GUEST_POINTERS+8], the pointer; the page at 1 GiB is not there: #PF, which exits.
      const store = 'c7 05 28 90 06 00 01 80 06 00';
      const read = 'a1 00 a0 06 40';
      const fields = { ...PAE, ...(extended ? { ...ept(), ...PDPTES } : {}), EXCEPTION_BITMAP: 1 << 14 };
      expect(hypervise(fields, `${store} ${read} ${VMCALL}`)).toBe(Reason.EXCEPTION_NMI);
      vmx.lab.core.state.setField('activity', 0n);
      guestPae();
      // MOV EAX, CR3; MOV CR3, EAX
      expect(hypervise(fields, `${store} 0f 20 d8 0f 22 d8 ${read} 89 c1 ${VMCALL}`)).toBe(Reason.VMCALL);
      expect(vmx.lab.get('rcx')).toBe(0x4711n);
      if (extended) expect([note(0x10), note(0x14)]).toEqual([GUEST_DIRECTORY | 1, 0]);
    });
    it('with reserved bits make MOV to CR3 #GP(0), and the old ones stay', () => {
      // MOV [GUEST_POINTERS+8], 3; MOV EAX, CR3; MOV CR3, EAX; the handler reads by the old ones.
      vmx.lab.gate32(13, HANDLER);
      vmx.lab.code(HANDLER, `${READ} 89 c1 ${VMCALL}`);
      expect(hypervise(PAE, 'c7 05 28 90 06 00 03 00 00 00 0f 20 d8 0f 22 d8')).toBe(Reason.VMCALL);
      expect([vmx.lab.get('rcx'), vmx.lab.view().getUint32(GUEST_STACK - 16, true)]).toEqual([0x4711n, 0]);
    });
  });
  it('gets EPT violations of its guest with both halves of the address', () => {
    // A page of 2 MiB at linear 80000000H, guest-physical 12_3440_0000H.
    vmx.lab.put64(0x6b000, 0x12_3440_0087n);
    const fields = { ...PAE, ...ept(), ...PDPTES, GUEST_PDPTE2: 0x6b001 };
    expect(hypervise(fields, 'a1 38 12 00 80')).toBe(Reason.EPT_VIOLATION);
    expect([note(4), note(8)]).toEqual([0x3440_1238, 0x12]);
  });
  it('sees CR3 of its guest as the guest left it', () => {
    vmx.lab.put64(0x6c040, BigInt(GUEST_DIRECTORY | 1));
    // MOV EAX, 6C040H; MOV CR3, EAX
    expect(hypervise(PAE, `b8 40 c0 06 00 0f 22 d8 ${VMCALL}`)).toBe(Reason.VMCALL);
    expect(note(0xc)).toBe(0x6c040);
  });
});

it('a hypervisor with PAE paging whose own pointer table changes keeps it until the VM exit loads it anew', async () => {
  vmx = await vmxLab('pae');
  vmx.lab.put64(PAE_POINTERS + 8, 0x65001n);
  vmx.lab.put32(PAGE, 0x4711);
  hypervise({}, VMCALL);
  vmx.lab.code(CODE + 0x300, `a1 00 a0 06 40  mov eax, [${0x4000_0000 + PAGE}]`);
  vmx.lab.core.state.setField('activity', 0n);
  vmx.lab.core.run(1);
  vmx.lab.set({ rip: CODE + 0x300 });
  vmx.lab.step();
  expect(vmx.lab.get('rax')).toBe(0x4711n);
});
