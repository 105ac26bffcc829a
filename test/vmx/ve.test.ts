/**
 * Virtualization exceptions (SDM Vol. 3C, "Convertible EPT Violations", "Virtualization-Exception Information", "Delivery
 * of Virtualization Exceptions").
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { HANDLER, IDT, IST, Sel, TABLES } from '../exec/lab.ts';
import { controls, Reason, Secondary, USER } from './controls.ts';
import { Ept, ExtendedTables, GUEST_TABLE, LINEAR, mapLinear, TRANSLATED, Violation } from './ept.ts';
import { type Fields, GUEST_CODE, GUEST_STACK, VMCALL, type VmxLab, vmxLab } from './lab.ts';

const VE = 20;
const DF = 8;
/** The virtualization-exception information area: nothing of the guest's. */
const AREA = 0x48000;
const DATA = 0x61000;
const OTHER = 0x62000;
/** MOV EAX, [RSI]; MOV [RSI], EAX; JMP RSI; VMCALL */
const READ = '8b 06';
const WRITE = '89 06';
const FETCH = 'ff e6';

let vmx: VmxLab;
let ept: ExtendedTables;
function set(long: boolean): void {
  ept = new ExtendedTables(vmx);
  vmx.write({
    ...controls({ secondary: Secondary.EPT | Secondary.VE }),
    EPTP: ept.pointer,
    VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS: AREA,
    EPTP_INDEX: 0x123,
  });
  if (long) vmx.lab.gate64(VE, BigInt(HANDLER));
  else vmx.lab.gate32(VE, HANDLER);
  vmx.lab.code(HANDLER, VMCALL);
  vmx.lab.set({ rsi: DATA + 0x234 });
}
beforeEach(async () => {
  vmx = await vmxLab();
  set(true);
});

const word = (offset: number) => vmx.lab.view().getUint32(AREA + offset, true);
const quad = (offset: number) => vmx.lab.view().getBigUint64(AREA + offset, true);
const information = () => ({
  reason: word(0),
  inUse: word(4),
  qualification: quad(8),
  linear: quad(16),
  physical: quad(24),
  index: vmx.lab.view().getUint16(AREA + 32, true),
});
/** Runs `bytes`; the handler of #VE executes VMCALL. True: it was reached. */
function converts(bytes: string, fields: Fields = {}): boolean {
  vmx.write(fields);
  vmx.guest(bytes);
  expect(vmx.inGuest).toBe(false);
  const converted = vmx.reason === Reason.VMCALL && vmx.read('GUEST_RIP') === BigInt(HANDLER);
  if (!converted) expect(vmx.reason).toBe(Reason.EPT_VIOLATION);
  expect(word(4) !== 0).toBe(converted);
  return converted;
}

describe('a convertible EPT violation', () => {
  it('fills the information area and is delivered through gate 20 as a fault without error code', () => {
    ept.set(DATA, 0n);
    vmx.lab.put64(AREA + 34, 0x1122334455667788n);
    expect(converts(READ, { GUEST_RFLAGS: 0x12 })).toBe(true);
    expect(information()).toEqual({
      reason: Reason.EPT_VIOLATION,
      inUse: 0xffffffff,
      qualification: Violation.READ | TRANSLATED,
      linear: BigInt(DATA + 0x234),
      physical: BigInt(DATA + 0x234),
      index: 0x123,
    });
    expect(vmx.lab.view().getBigUint64(AREA + 34, true)).toBe(0x1122334455667788n);
    const at = Number(vmx.read('GUEST_RSP'));
    expect(at).toBe(GUEST_STACK - 40);
    const frame = [0, 8, 16, 24, 32].map((n) => Number(vmx.lab.view().getBigUint64(at + n, true)));
    expect(frame).toEqual([GUEST_CODE, Sel.CODE64, 0x10012, GUEST_STACK, Sel.DATA]);
  });

  // biome-ignore format: a line per case
  it.each([
    ['a read of a page without rights', READ, 0n, Violation.READ],
    ['a write to a page without rights', WRITE, 0n, Violation.WRITE],
    ['a fetch from a page without rights', FETCH, 0n, Violation.FETCH],
    ['a write to a page that may be read', WRITE, Ept.R, Violation.WRITE | (Ept.R << Violation.RIGHTS)],
    ['a write to a page that may be read and executed', WRITE, Ept.R | Ept.X, Violation.WRITE | ((Ept.R | Ept.X) << Violation.RIGHTS)],
    ['a read of a page that may only be executed', READ, Ept.X, Violation.READ | (Ept.X << Violation.RIGHTS)],
    ['a fetch from a page that may be read and written', FETCH, Ept.R | Ept.W, Violation.FETCH | ((Ept.R | Ept.W) << Violation.RIGHTS)],
  ])('by %s says so in its exit qualification', (_name, bytes, rights, qualification) => {
    ept.set(DATA, rights);
    expect(converts(bytes)).toBe(true);
    expect(information().qualification).toBe(qualification | TRANSLATED);
    const rip = bytes === FETCH ? DATA + 0x234 : GUEST_CODE;
    expect(vmx.lab.view().getBigUint64(GUEST_STACK - 40, true)).toBe(BigInt(rip));
  });

  it('gives the linear address beside the guest-physical one', () => {
    mapLinear(vmx, 3, DATA, 3);
    ept.set(DATA, Ept.R);
    vmx.lab.set({ rsi: LINEAR + 0x3abc });
    expect(converts(WRITE)).toBe(true);
    expect(information()).toMatchObject({
      qualification: Violation.WRITE | (Ept.R << Violation.RIGHTS) | (TRANSLATED & ~Violation.USER),
      linear: BigInt(LINEAR + 0x3abc),
      physical: BigInt(DATA + 0xabc),
    });
  });
  it('of a guest paging structure gives the address of its entry', () => {
    mapLinear(vmx, 3, DATA);
    ept.set(GUEST_TABLE, 0n);
    vmx.lab.set({ rsi: LINEAR + 0x3abc });
    expect(converts(WRITE)).toBe(true);
    expect(information()).toMatchObject({
      qualification: Violation.READ | Violation.LINEAR,
      linear: BigInt(LINEAR + 0x3abc),
      physical: BigInt(GUEST_TABLE + 3 * 8),
    });
  });
  it('of a guest paging structure is a write too where EPT has accessed and dirty flags', () => {
    mapLinear(vmx, 3, DATA);
    ept.set(GUEST_TABLE, Ept.R);
    vmx.lab.set({ rsi: LINEAR + 0x3abc });
    expect(converts(READ, { EPTP: ept.pointer | 0x40n })).toBe(true);
    expect(information().qualification).toBe(
      Violation.READ | Violation.WRITE | (Ept.R << Violation.RIGHTS) | Violation.LINEAR,
    );
  });
  it('in the second page of an access is told of that page', () => {
    ept.set(OTHER, Ept.R);
    vmx.lab.set({ rsi: OTHER - 2 });
    expect(converts(WRITE)).toBe(true);
    expect(information()).toMatchObject({ linear: BigInt(OTHER), physical: BigInt(OTHER) });
    expect(vmx.lab.view().getUint16(OTHER - 2, true)).toBe(0);
  });
  it('is restarted once the handler has repaired it', () => {
    ept.set(DATA, 0n);
    vmx.lab.put32(DATA + 0x234, 0x1234);
    expect(converts(READ)).toBe(true);
    ept.set(DATA, Ept.ALL);
    vmx.lab.code(HANDLER, '48 cf');
    vmx.lab.code(GUEST_CODE, `${READ} ${VMCALL}`);
    vmx.enter('0f 01 c3', 5);
    expect([vmx.reason, vmx.lab.get('rax')]).toEqual([Reason.VMCALL, 0x1234n]);
  });
  it('is delivered to a handler at an inner privilege level, on a stack of the IST too', () => {
    ept.set(DATA, 0n);
    vmx.lab.gate64(VE, BigInt(HANDLER), { ist: 1 });
    expect(converts(READ, USER)).toBe(true);
    expect(vmx.read('GUEST_RSP')).toBe(BigInt(IST - 40));
  });
  it('is delivered through the interrupt table of 32-bit protected mode', async () => {
    vmx = await vmxLab(false);
    set(false);
    ept.set(DATA, 0n);
    expect(converts(READ)).toBe(true);
    expect(vmx.read('GUEST_RSP')).toBe(BigInt(GUEST_STACK - 12));
    expect(information()).toMatchObject({ linear: BigInt(DATA + 0x234), physical: BigInt(DATA + 0x234) });
  });
  it.each([
    ['', true],
    [', nor does the VM exit instead of it', false],
  ])('of page-directory-pointer-table entries that MOV to CR3 loads has no linear address%s', async (_name, does) => {
    vmx = await vmxLab(false);
    set(false);
    // PAE paging of one GiB, four pages of 2 MiB.
    const POINTERS = 0x63000;
    for (let n = 0; n < 4; n++) vmx.lab.put64(0x65000 + 8 * n, BigInt(n * 0x200000) | 0x83n);
    for (const table of [POINTERS, 0x66000]) vmx.lab.put64(table, 0x65001n);
    vmx.lab.set({ rsi: 0x66000, rdi: DATA });
    vmx.write({ GUEST_LINEAR_ADDRESS: 0x1234 });
    ept.set(0x66000, does ? 0n : Ept.SUPPRESS);
    // MOV EAX, [EDI] leaves an address behind; MOV CR3, ESI
    expect(
      converts('8b 07 0f 22 de', {
        GUEST_CR4: 0x2030,
        GUEST_CR3: POINTERS,
        GUEST_PDPTE0: 0x65001,
        PRIMARY_CONTROLS: 0x84006172,
      }),
    ).toBe(does);
    const told = {
      qualification: vmx.qualification,
      linear: vmx.read('GUEST_LINEAR_ADDRESS'),
      physical: vmx.read('GUEST_PHYSICAL_ADDRESS'),
    };
    expect(does ? information() : told).toMatchObject({
      qualification: Violation.READ,
      linear: 0n,
      physical: 0x66000n,
    });
    expect(vmx.read('GUEST_CR3')).toBe(BigInt(POINTERS));
  });
});

/** Guest-physical addresses that share no entry with the guest's code, tables and stack below the level named. */
const ALONE = { page: DATA, directory: 0x3ff000, pointers: 0x4000_0000, root: 2 ** 39 } as const;

describe('the suppress-#VE bit', () => {
  // biome-ignore format: a line per case
  it.each<[name: string, converts: boolean, gpa: number, prepare: (gpa: number) => void]>([
    ['of an entry that is not present decides: 0', true, ALONE.page, (gpa) => ept.setEntry(0, gpa, 0n)],
    ['of an entry that is not present decides: 1', false, ALONE.page, (gpa) => ept.setEntry(0, gpa, Ept.SUPPRESS)],
    ['of a directory entry that is not present decides: 0', true, ALONE.directory, (gpa) => ept.setEntry(1, gpa, 0n)],
    ['of a directory entry that is not present decides: 1', false, ALONE.directory, (gpa) => ept.setEntry(1, gpa, Ept.SUPPRESS)],
    ['of a pointer-table entry that is not present decides: 0', true, ALONE.pointers, (gpa) => ept.setEntry(2, gpa, 0n)],
    ['of a pointer-table entry that is not present decides: 1', false, ALONE.pointers, (gpa) => ept.setEntry(2, gpa, Ept.SUPPRESS)],
    ['of a PML4 entry that is not present decides: 0', true, ALONE.root, (gpa) => ept.setEntry(3, gpa, 0n)],
    ['of a PML4 entry that is not present decides: 1', false, ALONE.root, (gpa) => ept.setEntry(3, gpa, Ept.SUPPRESS)],
    ['of the entry that maps the page decides: 0', true, ALONE.page, (gpa) => ept.set(gpa, Ept.R)],
    ['of the entry that maps the page decides: 1', false, ALONE.page, (gpa) => ept.set(gpa, Ept.R | Ept.SUPPRESS)],
    ['of a 2-MByte page decides: 0', true, ALONE.directory, (gpa) => ept.setLarge(gpa, Ept.R)],
    ['of a 2-MByte page decides: 1', false, ALONE.directory, (gpa) => ept.setLarge(gpa, Ept.R | Ept.SUPPRESS)],
    ['of entries that refer to other structures says nothing', true, ALONE.page, (gpa) => {
      for (const level of [1, 2, 3]) ept.change(level, gpa, 0n, Ept.SUPPRESS);
      ept.set(gpa, Ept.R);
    }],
    ['of the leaf decides where the directory entry forbids the access: 0', true, ALONE.directory, (gpa) => ept.change(1, gpa, Ept.W, Ept.SUPPRESS)],
    ['of the leaf decides where the directory entry forbids the access: 1', false, ALONE.directory, (gpa) => {
      ept.change(1, gpa, Ept.W);
      ept.change(0, gpa, 0n, Ept.SUPPRESS);
    }],
  ])('%s', (_name, converted, gpa, prepare) => {
    mapLinear(vmx, 0, gpa);
    vmx.lab.set({ rsi: LINEAR });
    prepare(gpa);
    expect(converts(WRITE)).toBe(converted);
    const told = { linear: vmx.read('GUEST_LINEAR_ADDRESS'), physical: vmx.read('GUEST_PHYSICAL_ADDRESS') };
    expect(converted ? information() : told).toMatchObject({ linear: BigInt(LINEAR), physical: BigInt(gpa) });
  });
  it('counts in an entry that gives nothing but user-mode execution as in any that is present', () => {
    ept.set(DATA, Ept.XU);
    expect(converts(READ, controls({ secondary: Secondary.EPT | Secondary.VE | Secondary.MODE_BASED_EXECUTE }))).toBe(
      true,
    );
    expect(information().qualification).toBe(Violation.READ | (1n << 6n) | TRANSLATED);
  });
});

describe('an EPT violation stays a VM exit', () => {
  it('where the control is 0', () => {
    ept.set(DATA, 0n);
    expect(converts(READ, controls({ secondary: Secondary.EPT }))).toBe(false);
    expect(vmx.qualification).toBe(Violation.READ | TRANSLATED);
  });
  it.each([1, 0x80000000, 0xffffffff])('while the word at offset 4 of the information area is %i', (word) => {
    ept.set(DATA, 0n);
    vmx.lab.put32(AREA + 4, word);
    vmx.write({});
    vmx.guest(READ);
    expect(vmx.reason).toBe(Reason.EPT_VIOLATION);
    expect([vmx.lab.view().getUint32(AREA, true), quad(8), quad(16), quad(24)]).toEqual([0, 0n, 0n, 0n]);
    expect(vmx.lab.view().getUint32(AREA + 4, true)).toBe(word);
  });
  it('in real-address mode', () => {
    ept.set(DATA, 0n);
    const real = Object.fromEntries(
      ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'].flatMap((s) => [
        [`GUEST_${s}_SELECTOR`, 0],
        [`GUEST_${s}_LIMIT`, 0xffff],
        [`GUEST_${s}_ACCESS_RIGHTS`, s === 'CS' ? 0x9b : 0x93],
      ]),
    );
    const bases = { GUEST_CS_BASE: GUEST_CODE, GUEST_DS_BASE: DATA };
    vmx.lab.set({ rsi: 0x234 });
    vmx.lab.code(GUEST_CODE, '67 8b 06');
    vmx.write({
      ...controls({ secondary: Secondary.EPT | Secondary.VE | Secondary.UNRESTRICTED }),
      ...real, ...bases, GUEST_CR0: 0x30, GUEST_CR4: 0x2000, GUEST_EFER: 0, ENTRY_CONTROLS: 0x11fb, GUEST_RIP: 0, GUEST_IDTR_LIMIT: 0x3ff,
    }); // biome-ignore format: a line of fields
    vmx.enter('0f 01 c2', 3);
    expect([vmx.brokenRule, vmx.inGuest, vmx.reason]).toEqual([undefined, false, Reason.EPT_VIOLATION]);
    expect(vmx.qualification).toBe(Violation.READ | TRANSLATED);
    expect(word(4)).toBe(0);
  });
  // biome-ignore format: a line per case
  it.each([
    ['a software interrupt', 'cd 40', 0x40, 0x80000440],
    ['a breakpoint exception', 'cc', 3, 0x80000603],
    ['an invalid-opcode exception', '0f 0b', 6, 0x80000306],
  ])('while %s is delivered', (_name, bytes, vector, vectoring) => {
    vmx.lab.gate64(vector, BigInt(HANDLER), { ist: 1 });
    ept.set(IST - 8, Ept.R);
    vmx.guest(bytes);
    expect([vmx.inGuest, vmx.reason, Number(vmx.read('IDT_VECTORING_INFORMATION'))]).toEqual([false, 48, vectoring]);
    expect(vmx.qualification & 7n).toBe(Violation.WRITE);
    expect([vmx.read('GUEST_LINEAR_ADDRESS') & ~0xfffn, word(4)]).toEqual([BigInt(IST - 0x1000), 0]);
  });
  it('while an event that VM entry injects is delivered', () => {
    vmx.lab.gate64(0x40, BigInt(HANDLER));
    ept.set(IDT, 0n);
    vmx.write({ ENTRY_INTERRUPTION_INFORMATION: 0x80000040, GUEST_RFLAGS: 0x202 });
    vmx.guest('90');
    expect([vmx.inGuest, vmx.reason, Number(vmx.read('IDT_VECTORING_INFORMATION'))]).toEqual([false, 48, 0x80000040]);
    expect(vmx.read('GUEST_LINEAR_ADDRESS')).toBe(BigInt(IDT + 16 * 0x40));
    expect(word(4)).toBe(0);
  });
  it('while the virtualization exception itself is delivered: the area is in use by then', () => {
    ept.set(DATA, 0n);
    ept.set(IDT, 0n);
    vmx.guest(READ);
    expect([vmx.inGuest, vmx.reason, Number(vmx.read('IDT_VECTORING_INFORMATION'))]).toEqual([false, 48, 0x80000314]);
    expect(information()).toMatchObject({ inUse: 0xffffffff, physical: BigInt(DATA + 0x234) });
    expect(vmx.read('GUEST_PHYSICAL_ADDRESS')).toBe(BigInt(IDT + 16 * VE));
  });
});

it('an EPT misconfiguration is never converted', () => {
  ept.set(DATA, Ept.W);
  vmx.guest(READ);
  expect([vmx.reason, vmx.read('GUEST_PHYSICAL_ADDRESS'), word(4)]).toEqual([
    Reason.EPT_MISCONFIGURATION,
    BigInt(DATA + 0x234),
    0,
  ]);
});

describe('a virtualization exception', () => {
  beforeEach(() => ept.set(DATA, 0n));
  it('is a VM exit where bit 20 of the exception bitmap is 1, with the information in its area', () => {
    vmx.write({ EXCEPTION_BITMAP: 1 << VE });
    vmx.guest(READ);
    expect([vmx.reason, Number(vmx.read('EXIT_INTERRUPTION_INFORMATION'))]).toEqual([Reason.EXCEPTION_NMI, 0x80000314]);
    expect([vmx.qualification, vmx.read('IDT_VECTORING_INFORMATION')]).toEqual([0n, 0n]);
    expect(vmx.read('GUEST_RIP')).toBe(BigInt(GUEST_CODE));
    expect(information()).toMatchObject({ reason: 48, inUse: 0xffffffff, physical: BigInt(DATA + 0x234) });
  });
  it('that meets a contributory exception in its delivery becomes a double fault', () => {
    vmx.lab.gate64(VE, BigInt(HANDLER), { type: 0x0e });
    vmx.write({ EXCEPTION_BITMAP: 1 << DF });
    vmx.guest(READ);
    expect([vmx.reason, Number(vmx.read('EXIT_INTERRUPTION_INFORMATION'))]).toEqual([Reason.EXCEPTION_NMI, 0x80000b08]);
  });
  it('that meets a page fault in its delivery becomes a double fault', () => {
    vmx.write({ EXCEPTION_BITMAP: 1 << DF, GUEST_IDTR_BASE: LINEAR });
    vmx.lab.put64(TABLES + 0x2010, 0n);
    vmx.guest(READ);
    expect([vmx.reason, Number(vmx.read('EXIT_INTERRUPTION_INFORMATION'))]).toEqual([Reason.EXCEPTION_NMI, 0x80000b08]);
    expect(vmx.lab.get('cr2')).toBe(BigInt(LINEAR + 16 * VE));
  });
});
