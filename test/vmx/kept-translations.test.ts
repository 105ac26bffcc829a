/**
 * Translations that a guest with a VPID keeps over VM exits and VM entries: what they permit follows the registers that an
 * entry loads, as on processors, which look at them at each access; and what invalidates them.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { CODE, TABLES } from '../exec/lab.ts';
import { controls, Reason, Secondary, USER } from './controls.ts';
import { Ept, ExtendedTables, GUEST_TABLE, LINEAR, mapLinear, WRITE_BACK } from './ept.ts';
import { type Fields, GUEST_CODE, HOST_CODE, VMCALL, VMRESUME, type VmxLab, vmxLab } from './lab.ts';

const PF = 14;
const DB = 1;
const WP = 0x10000n;
const PG = 0x8000_0000n;
const Cr4 = { PAE: 0x20n, SMEP: 0x100000n, SMAP: 0x200000n, PKE: 0x400000n, PKS: 0x1000000n };
const EFER_NXE = 0x800n;
const KEY = 1n << 59n;
const NX = 1n << 63n;
const FRAME = 0x61000;
const LOAD_DEBUG = 4n;
const LOAD_EFER = 0x8000n;
const LOAD = '8b 06';
const STORE = '89 06';
const CALL = 'ff d6';

let vmx: VmxLab;
beforeEach(async () => {
  vmx = await vmxLab(true, 'max,+vmx,+pks');
  vmx.lab.code(HOST_CODE, 'eb fe');
  vmx.lab.code(FRAME, 'c3');
  vmx.lab.set({ rsi: LINEAR });
  // All but the page is the supervisor's.
  vmx.lab.put64(TABLES + 0x2000, 0xa3n); // accessed already, as what translations know says
});

/** Goes on in the guest at `rip`, until it exits. */
function resume(rip: number, fields: Fields = {}): void {
  vmx.vmwrite({ ...fields, GUEST_RIP: rip });
  vmx.enter(VMRESUME, 1);
  for (let n = 0; n < 8 && vmx.inGuest; n++) vmx.lab.core.run(1);
}
/** Lets the guest do `code`, exit, and do it again under other `fields`: the vector of the exception, or undefined. */
function again(code: string, before: Fields, after: Fields): number | undefined {
  vmx.write({ EXCEPTION_BITMAP: (1 << PF) | (1 << DB), ...before });
  vmx.guest(`${code} ${VMCALL} ${code} 90 ${VMCALL}`);
  expect(vmx.reason).toBe(Reason.VMCALL);
  resume(GUEST_CODE + code.split(' ').length + 3, after);
  return vmx.reason === Reason.EXCEPTION_NMI ? Number(vmx.read('EXIT_INTERRUPTION_INFORMATION') & 0xffn) : undefined;
}

interface Case {
  name: string;
  page: bigint;
  code: string;
  before: () => Fields;
  after: () => Fields;
  raises: number | undefined;
}
const cr0 = () => vmx.read('GUEST_CR0');
const cr4 = () => vmx.read('GUEST_CR4');
const efer = () => vmx.read('GUEST_EFER');
const entry = (bits: bigint) => ({ ENTRY_CONTROLS: vmx.read('ENTRY_CONTROLS') | bits });
/** Data breakpoint 0 for reads and writes of four bytes. */
const WATCH = 0xf0401;

// biome-ignore format: a line per case
const CASES: readonly Case[] = [
  { name: 'CR0.WP = 1', page: 1n, code: STORE, before: () => ({ GUEST_CR0: cr0() & ~WP }), after: () => ({ GUEST_CR0: cr0() | WP }), raises: PF },
  { name: 'CR0.WP = 0', page: 1n, code: LOAD, before: () => ({ GUEST_CR0: cr0() | WP }), after: () => ({ GUEST_CR0: cr0() & ~WP }), raises: undefined },
  { name: 'CR4.SMAP = 1', page: 7n, code: LOAD, before: () => ({}), after: () => ({ GUEST_CR4: cr4() | Cr4.SMAP }), raises: PF },
  { name: 'CR4.SMEP = 1', page: 7n, code: CALL, before: () => ({}), after: () => ({ GUEST_CR4: cr4() | Cr4.SMEP }), raises: PF },
  { name: 'CR4.PKE = 1', page: 7n | KEY, code: LOAD, before: () => ({}), after: () => ({ GUEST_CR4: cr4() | Cr4.PKE }), raises: PF },
  { name: 'CR4.PKS = 1', page: 3n | KEY, code: LOAD, before: () => ({}), after: () => ({ GUEST_CR4: cr4() | Cr4.PKS }), raises: PF },
  { name: 'EFER.NXE = 0', page: 3n | NX, code: LOAD, before: () => ({ ...entry(LOAD_EFER), GUEST_EFER: efer() | EFER_NXE }), after: () => ({ GUEST_EFER: efer() & ~EFER_NXE }), raises: PF },
  { name: 'a data breakpoint', page: 3n, code: LOAD, before: () => entry(LOAD_DEBUG), after: () => ({ GUEST_DR7: WATCH }), raises: DB },
  { name: 'no data breakpoint', page: 3n, code: LOAD, before: () => ({ ...entry(LOAD_DEBUG) }), after: () => ({ GUEST_DR7: 0x400 }), raises: undefined },
];

describe.each([
  ['with a VPID', Secondary.VPID],
  ['without a VPID', 0],
])('%s', (_how, secondary) => {
  it.each(CASES.map((each) => [each.name, each] as const))('%s of a VM entry holds', (_name, each) => {
    mapLinear(vmx, 0, FRAME);
    vmx.lab.put64(GUEST_TABLE, BigInt(FRAME) | each.page);
    vmx.lab.core.state.setNumber('pkru', 0xc);
    vmx.lab.core.writeMsr(0x6e1, 0xcn);
    vmx.write({ ...controls(secondary ? { secondary } : {}), VPID: 1 });
    if (each.name.includes('breakpoint')) vmx.lab.core.set('dr0', BigInt(LINEAR));
    expect(again(each.code, each.before(), each.after())).toBe(each.raises);
  });

  it('paging that a VM entry turns on is used, and what was known without it is forgotten by MOV to CR3', () => {
    const ept = new ExtendedTables(vmx);
    const table = 0x60000;
    vmx.lab.put32(table, 0x62003);
    for (let n = 0; n < 1024; n++) vmx.lab.put32(0x62000 + 4 * n, (n << 12) | 3);
    vmx.lab.put32(0x62000 + 4 * 5, 0x6003); // 5000H is at 6000H
    vmx.lab.put32(0x5000, 0x1111);
    vmx.lab.put32(0x6000, 0x2222);
    vmx.write({
      ...controls({ secondary: Secondary.EPT | Secondary.UNRESTRICTED | secondary }),
      VPID: 1,
      EPTP: ept.pointer,
      ENTRY_CONTROLS: vmx.read('ENTRY_CONTROLS') & ~0x200n,
      GUEST_EFER: 0,
      GUEST_CS_ACCESS_RIGHTS: 0xc09b,
      GUEST_CS_SELECTOR: 8,
      GUEST_CR0: cr0() & ~PG,
      GUEST_CR4: cr4() & ~Cr4.PAE,
      GUEST_CR3: table,
    });
    // mov eax, [5000h]; vmcall; mov eax, [5000h]; vmcall; mov eax, cr3; mov cr3, eax; mov eax, [5000h]; vmcall
    const code = `a1 00 50 00 00 ${VMCALL} a1 00 50 00 00 ${VMCALL} 0f 20 d8 0f 22 d8 a1 00 50 00 00 ${VMCALL}`;
    vmx.guest(code);
    expect(vmx.lab.get('rax')).toBe(0x1111n);
    resume(GUEST_CODE + 8, { GUEST_CR0: cr0() | PG });
    expect(vmx.lab.get('rax')).toBe(0x2222n);
    vmx.lab.put32(0x62000 + 4 * 5, 0x5003);
    resume(GUEST_CODE + 16);
    expect(vmx.lab.get('rax')).toBe(0x1111n);
  });
});

describe('protection keys', () => {
  const CLOSED = 0xc;
  /** XRSTOR [CODE + 0x300] of PKRU. */
  const xrstor = () => {
    vmx.lab.put64(CODE + 0x300 + 512, 0x200n);
    vmx.lab.put32(CODE + 0x300 + 2688, CLOSED);
    vmx.lab.set({ rax: 0x200, rdi: CODE + 0x300 });
    return '0f ae 2f';
  };
  const wrpkru = () => {
    vmx.lab.set({ rax: CLOSED, rcx: 0 });
    return '0f 01 ef';
  };
  const wrmsr = () => {
    vmx.lab.set({ rax: CLOSED, rcx: 0x6e1 });
    return '0f 30';
  };
  it.each([
    ['WRPKRU', wrpkru, USER, 7n],
    ['XRSTOR', xrstor, USER, 7n],
    ['WRMSR to IA32_PKRS', wrmsr, {}, 3n],
  ])('by %s of the host hold for a guest with a VPID', (_name, program, privilege, page) => {
    vmx.lab.put64(TABLES + 0x2000, 0xa7n);
    mapLinear(vmx, 0, FRAME);
    vmx.lab.put64(GUEST_TABLE, BigInt(FRAME) | page | KEY);
    vmx.lab.set({ cr4: vmx.lab.get('cr4') | Cr4.PKE | Cr4.PKS | 0x40000n, xcr0: 0x207 });
    vmx.write({
      HOST_CR4: vmx.lab.get('cr4'),
      GUEST_CR4: vmx.lab.get('cr4'),
      ...controls({ secondary: Secondary.VPID }),
      VPID: 1,
      EXCEPTION_BITMAP: 1 << PF,
      ...privilege,
    });
    vmx.guest(`${LOAD} ${VMCALL} ${LOAD} ${VMCALL}`);
    expect(vmx.reason).toBe(Reason.VMCALL);
    vmx.lab.set({ rip: CODE + 0x200, rdx: 0 });
    vmx.lab.code(CODE + 0x200, program());
    vmx.lab.step(1);
    resume(GUEST_CODE + 5);
    expect(vmx.reason).toBe(Reason.EXCEPTION_NMI);
  });
});

/** SDM Vol. 3C, "Operations that Invalidate Cached Mappings": what an EPT violation invalidates by itself. */
describe('an EPT violation', () => {
  const A = 0x60000;
  const B = 0x61000;
  let ept: ExtendedTables;
  beforeEach(() => {
    vmx.lab.put64(TABLES + 0x2000, 0xa7n);
    ept = new ExtendedTables(vmx);
    vmx.lab.put64(A, 0x1111n);
    vmx.lab.put64(B, 0x2222n);
    vmx.write({ ...controls({ secondary: Secondary.EPT | Secondary.VPID }), EPTP: ept.pointer, VPID: 1 });
    vmx.lab.set({ rsi: A });
  });

  it('drops what was read through its linear address', () => {
    ept.set(A, Ept.R | Ept.X | Ept.XU);
    // mov eax, [rsi]; mov dword [rsi], 3333h; mov ebx, [rsi]
    vmx.guest(`8b 06 c7 06 33 33 00 00 8b 1e ${VMCALL}`);
    expect(vmx.reason).toBe(Reason.EPT_VIOLATION);
    ept.set(A, Ept.ALL | Ept.XU, B);
    resume(GUEST_CODE + 2);
    expect(vmx.lab.get('rbx')).toBe(0x3333n);
  });

  it('drops the code at its linear address', () => {
    ept.set(A, Ept.R | Ept.X | Ept.XU);
    vmx.lab.code(A, 'b8 01 00 00 00  mov eax, 1\n c3  ret');
    vmx.lab.code(B, 'b8 02 00 00 00  mov eax, 2\n c3  ret');
    // call rsi; mov byte [rsi+800h], 0; call rsi
    vmx.guest(`ff d6 c6 86 00 08 00 00 00 ff d6 ${VMCALL}`);
    expect(vmx.reason).toBe(Reason.EPT_VIOLATION);
    expect(vmx.lab.get('rax')).toBe(1n);
    ept.set(A, Ept.ALL | Ept.XU, B);
    resume(GUEST_CODE + 2);
    expect(vmx.lab.get('rax')).toBe(2n);
  });

  it('drops what is known of its guest-physical address', () => {
    ept.set(A, Ept.R);
    mapLinear(vmx, 0, A);
    vmx.lab.set({ rdi: LINEAR });
    // mov eax, [rsi]; mov [rsi], eax; mov ebx, [rdi], which is the same page by another linear address
    vmx.guest(`8b 06 89 06 8b 1f ${VMCALL}`);
    expect(vmx.reason).toBe(Reason.EPT_VIOLATION);
    ept.set(A, Ept.R, B);
    resume(GUEST_CODE + 4);
    expect(vmx.lab.get('rbx')).toBe(0x2222n);
  });

  it.each([[true], [false]])('drops all of its large page (paging: %s)', (paging) => {
    // Guest-physical 2 MiB to 4 MiB: first the frames of the first 2 MiB, then those of the second.
    ept.setEntry(1, 0x200000, WRITE_BACK | Ept.LARGE | Ept.R | Ept.X | Ept.XU);
    vmx.lab.put64(B + 0x200000, 0x2222n);
    vmx.lab.put64(B, 0x1111n);
    vmx.lab.set({ rsi: 0x200000 + B, rdi: 0x200000 + A });
    if (!paging) {
      vmx.write({
        ...controls({ secondary: Secondary.EPT | Secondary.VPID | Secondary.UNRESTRICTED }),
        ENTRY_CONTROLS: vmx.read('ENTRY_CONTROLS') & ~0x200n,
        GUEST_EFER: 0,
        GUEST_CS_ACCESS_RIGHTS: 0xc09b,
        GUEST_CS_SELECTOR: 8,
        GUEST_CR0: cr0() & ~PG,
      });
    }
    // mov eax, [rsi]; mov [rdi], eax; mov ebx, [rsi]
    vmx.guest(`8b 06 89 07 8b 1e ${VMCALL}`);
    expect(vmx.reason).toBe(Reason.EPT_VIOLATION);
    expect(vmx.lab.get('rax')).toBe(0x1111n);
    ept.setEntry(1, 0x200000, 0x200000n | WRITE_BACK | Ept.LARGE | Ept.ALL | Ept.XU);
    resume(GUEST_CODE + 2);
    expect(vmx.lab.get('rbx')).toBe(0x2222n);
  });
});
