/** VMX instructions: success, the two kinds of failure with their numbers, faults (SDM Vol. 3C, "VMX Instruction Reference"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { CODE, enterUser, HANDLER, Sel, TABLES } from '../exec/lab.ts';
import { controls, Secondary, USER } from './controls.ts';
import { EPT } from './ept.ts';
import { type Fields, GUEST_CODE, HOST_CODE, VMCS, VMLAUNCH, VMRESUME, VMXON, type VmxLab, vmxLab } from './lab.ts';

const OTHER = 0x4d000;
const POINTER = CODE + 0x800;
const NO_VMCS = 0xffff_ffff_ffff_ffffn;
const FLAGS = 0x8d5n;
const UD = 6;
const GP = 13;
const PF = 14;
const OK = 'succeeds';
const INVALID = 'fails without a VMCS';
type Outcome = typeof OK | typeof INVALID | `error ${number}` | `fault ${number}`;
/** By RAX: the address of a pointer. By RCX: a type or a field; by RDX: a value. */
const BYTES = {
  VMXON: 'f3 0f c7 30',
  VMXOFF: '0f 01 c4',
  VMCLEAR: '66 0f c7 30',
  VMPTRLD: '0f c7 30',
  VMPTRST: '0f c7 38',
  VMREAD: '0f 78 ca',
  VMWRITE: '0f 79 ca',
  VMLAUNCH,
  VMRESUME,
  VMCALL: '0f 01 c1',
  INVEPT: '66 0f 38 80 08',
  INVVPID: '66 0f 38 81 08',
} as const;
type Name = keyof typeof BYTES;
const NAMES = Object.keys(BYTES) as Name[];

let vmx: VmxLab;
async function set(cpu?: string): Promise<void> {
  vmx = await vmxLab(true, cpu);
  for (const vector of [UD, GP, PF]) vmx.lab.gate64(vector, BigInt(HANDLER + 0x100 * vector));
  vmx.lab.put32(OTHER, Number(vmx.lab.core.readMsr(0x480) & 0x7fffffffn));
  vmx.lab.code(GUEST_CODE, BYTES.VMCALL);
}
beforeEach(() => set());

/** Executes one instruction of the host; `pointer` is what its memory operand holds. */
function execute(
  name: Name,
  pointer: bigint | number = 0,
  rcx: bigint | number = 0,
  rdx: bigint | number = 0,
): Outcome {
  vmx.lab.put64(POINTER, BigInt(pointer));
  vmx.lab.put64(POINTER + 8, 0n);
  return run(BYTES[name], { rax: POINTER, rcx, rdx });
}
function run(bytes: string, registers: Parameters<VmxLab['lab']['set']>[0]): Outcome {
  vmx.lab.code(CODE + 0x400, bytes);
  vmx.lab.set({ rip: CODE + 0x400, rflags: FLAGS | 2n, ...registers });
  vmx.lab.step();
  const at = Number(vmx.lab.get('rip'));
  if (at >= HANDLER && at < HANDLER + 0x2000) return `fault ${(at - HANDLER) >> 8}`;
  const flags = vmx.lab.get('rflags') & FLAGS;
  if (flags === 0n) return OK;
  if (flags === 1n) return INVALID;
  expect(flags).toBe(0x40n);
  return `error ${Number(vmx.read('VM_INSTRUCTION_ERROR'))}`;
}
/** What VMPTRST stores. */
function current(): bigint {
  expect(execute('VMPTRST', 0x1234)).toBe(OK);
  return vmx.lab.view().getBigUint64(POINTER, true);
}
const WIDE = 1n << 46n;

describe('VMX instructions on regions', () => {
  // biome-ignore format: a line per case
  it.each<[name: Name, what: string, pointer: bigint | number, outcome: Outcome]>([
    ['VMCLEAR', 'another region', OTHER, OK],
    ['VMCLEAR', 'an address that is not aligned', OTHER + 0x800, 'error 2'],
    ['VMCLEAR', 'an address beyond the physical-address width', WIDE, 'error 2'],
    ['VMCLEAR', 'the VMXON pointer', VMXON, 'error 3'],
    ['VMPTRLD', 'another region', OTHER, OK],
    ['VMPTRLD', 'an address that is not aligned', OTHER + 8, 'error 9'],
    ['VMPTRLD', 'an address beyond the physical-address width', WIDE, 'error 9'],
    ['VMPTRLD', 'the VMXON pointer', VMXON, 'error 10'],
    ['VMPTRLD', 'a region without the revision identifier', OTHER + 0x1000, 'error 11'],
    ['VMPTRLD', 'no memory', 0x4000_0000, 'error 11'],
    ['VMXON', 'a second region', OTHER, 'error 15'],
  ])('%s of %s', (name, _what, pointer, outcome) => {
    expect(execute(name, pointer)).toBe(outcome);
    expect(current()).toBe(BigInt(outcome === OK && name === 'VMPTRLD' ? OTHER : VMCS));
  });
  it.each(['VMCLEAR', 'VMPTRLD', 'VMXON'] as const)(
    '%s fails without a number where there is no current VMCS',
    (name) => {
      expect([execute('VMCLEAR', VMCS), current()]).toEqual([OK, NO_VMCS]);
      expect(execute(name, VMXON)).toBe(INVALID);
    },
  );
  it.each([
    ['with VMCS shadowing', '', OK],
    ['without VMCS shadowing', ',-vmx-shadow-vmcs', 'error 11'],
  ])('VMPTRLD of a shadow VMCS, %s: %s', async (_name, features, outcome) => {
    await set(`max,+vmx${features}`);
    vmx.lab.put32(OTHER, vmx.lab.view().getUint32(OTHER, true) | 0x80000000);
    expect(execute('VMPTRLD', OTHER)).toBe(outcome);
  });
  it('VMPTRLD back finds what VMWRITE wrote, in each VMCS its own', () => {
    const FIELD = 0x2010; // TSC offset
    expect([execute('VMPTRLD', OTHER), execute('VMWRITE', 0, FIELD, 0x2222)]).toEqual([OK, OK]);
    expect([execute('VMPTRLD', VMCS), execute('VMWRITE', 0, FIELD, 0x1111)]).toEqual([OK, OK]);
    for (const [pointer, value] of [[OTHER, 0x2222n], [VMCS, 0x1111n]] as const) {
      expect([execute('VMPTRLD', pointer), execute('VMREAD', 0, FIELD), vmx.lab.get('rdx')]).toEqual([OK, OK, value]);
    } // biome-ignore format: two pairs
  });
  it('VMCALL has no monitor to call', () => {
    expect(execute('VMCALL')).toBe('error 1');
  });
  it('VMXOFF ends it all', () => {
    expect(execute('VMXOFF')).toBe(OK);
    for (const name of NAMES.filter((n) => n !== 'VMXON')) expect([name, execute(name)]).toEqual([name, `fault ${UD}`]);
    expect([execute('VMXON', VMXON), current()]).toEqual([OK, NO_VMCS]);
  });
  // biome-ignore format: a line per case
  it.each<[what: string, pointer: bigint | number, outcome: Outcome]>([
    ['an address that is not aligned', VMXON + 1, INVALID],
    ['an address beyond the physical-address width', WIDE, INVALID],
    ['a region without the revision identifier', OTHER + 0x1000, INVALID],
  ])('VMXON of %s', (_what, pointer, outcome) => {
    expect(execute('VMXOFF')).toBe(OK);
    expect(execute('VMXON', pointer)).toBe(outcome);
    expect(execute('VMPTRST')).toBe(`fault ${UD}`);
  });
});

describe('VMLAUNCH and VMRESUME', () => {
  const launch = () => {
    vmx.enter(VMLAUNCH, 2);
    expect([vmx.reason, vmx.lab.get('rip')]).toEqual([18, BigInt(HOST_CODE)]);
  };
  it('fail without a number where there is no current VMCS', () => {
    execute('VMCLEAR', VMCS);
    expect([execute('VMLAUNCH'), execute('VMRESUME')]).toEqual([INVALID, INVALID]);
  });
  it('fail without a number where it is a shadow VMCS', () => {
    vmx.lab.put32(OTHER, vmx.lab.view().getUint32(OTHER, true) | 0x80000000);
    execute('VMPTRLD', OTHER);
    expect([execute('VMLAUNCH'), execute('VMRESUME')]).toEqual([INVALID, INVALID]);
  });
  it('need a VMCS that is clear, or launched', () => {
    expect(execute('VMRESUME')).toBe('error 5');
    launch();
    expect(execute('VMLAUNCH')).toBe('error 4');
  });
  it('find a VMCS launched that was not current for a while, and clear behind VMCLEAR', () => {
    launch();
    execute('VMPTRLD', OTHER);
    execute('VMPTRLD', VMCS);
    expect(execute('VMLAUNCH')).toBe('error 4');
    execute('VMCLEAR', VMCS);
    execute('VMPTRLD', VMCS);
    expect(execute('VMRESUME')).toBe('error 5');
    vmx.write({ GUEST_RIP: GUEST_CODE });
    launch();
  });
  it.each([VMLAUNCH, VMRESUME])('fail with number 26 behind a load of SS: %s', (bytes) => {
    vmx.lab.code(CODE + 0x400, `8e d0 ${bytes}`);
    vmx.lab.set({ rip: CODE + 0x400, rax: Sel.DATA });
    vmx.lab.step(2);
    expect([vmx.error, vmx.inGuest]).toEqual([26, false]);
  });
});

describe('VMREAD and VMWRITE', () => {
  const RSP = 0x681c;
  const VPID = 0;
  const PIN = 0x4000;
  const TSC_OFFSET = 0x2010;
  // biome-ignore format: a line per case
  it.each([
    ['16 bits', VPID, 0x1122_3344_5566_7788n, 0x7788n],
    ['32 bits', PIN, 0x1122_3344_5566_7788n, 0x5566_7788n],
    ['64 bits', TSC_OFFSET, 0x1122_3344_5566_7788n, 0x1122_3344_5566_7788n],
    ['the high half of 64 bits', TSC_OFFSET + 1, 0x1122_3344_5566_7788n, 0x5566_7788n],
    ['natural width', RSP, 0x1122_3344_5566_7788n, 0x1122_3344_5566_7788n],
  ])('of %s', (_name, field, written, read) => {
    expect([execute('VMWRITE', 0, field, written), execute('VMREAD', 0, field), vmx.lab.get('rdx')]).toEqual([OK, OK, read]);
  });
  it('of the high half leave the low one', () => {
    execute('VMWRITE', 0, TSC_OFFSET, 0x1111_1111_2222_2222n);
    execute('VMWRITE', 0, TSC_OFFSET + 1, 0x3333_3333n);
    execute('VMREAD', 0, TSC_OFFSET);
    expect(vmx.lab.get('rdx')).toBe(0x3333_3333_2222_2222n);
  });
  it('take memory operands of eight bytes', () => {
    vmx.lab.put64(POINTER, 0x1122_3344_5566_7788n);
    vmx.lab.put64(POINTER + 8, NO_VMCS);
    expect(run('0f 79 08', { rax: POINTER, rcx: PIN })).toBe(OK);
    expect(run('0f 78 08', { rax: POINTER + 8, rcx: PIN })).toBe(OK);
    expect(vmx.lab.view().getBigUint64(POINTER + 8, true)).toBe(0x5566_7788n);
  });
  // biome-ignore format: a line per case
  it.each<[what: string, field: bigint | number]>([
    ['an index that no field has', 0x4c02],
    ['bit 12', RSP | 0x1000],
    ['bit 15', RSP | 0x8000],
    ['bit 32', (1n << 32n) | BigInt(RSP)],
    ['the high half of 32 bits', PIN | 1],
    ['the high half of natural width', RSP | 1],
    ['the high half of 16 bits', VPID | 1],
  ])('fail with number 12 where the encoding has %s', (_what, field) => {
    expect([execute('VMREAD', 0, field), execute('VMWRITE', 0, field)]).toEqual(['error 12', 'error 12']);
  });
  it.each([
    ['where the processor writes to such fields', '', OK],
    ['where it does not', ',-vmx-vmwrite-vmexit-fields', 'error 13'],
  ])('VMWRITE to the exit reason, %s', async (_name, features, outcome) => {
    await set(`max,+vmx${features}`);
    expect([execute('VMWRITE', 0, 0x4402, 0x77), execute('VMREAD', 0, 0x4402)]).toEqual([outcome, OK]);
    expect(vmx.lab.get('rdx')).toBe(outcome === OK ? 0x77n : 0n);
  });
  it('fail without a number where there is no current VMCS', () => {
    execute('VMCLEAR', VMCS);
    expect([execute('VMREAD', 0, RSP), execute('VMWRITE', 0, RSP)]).toEqual([INVALID, INVALID]);
  });
});

describe('INVEPT and INVVPID', () => {
  const eptp = EPT | 0x1e;
  // biome-ignore format: a line per case
  it.each<[name: Name, what: string, type: number, descriptor: bigint | number, upper: bigint, outcome: Outcome]>([
    ['INVEPT', 'one context', 1, eptp, 0n, OK],
    ['INVEPT', 'all contexts, whatever the pointer is', 2, 0x123, 0n, OK],
    ['INVEPT', 'type 0', 0, eptp, 0n, 'error 28'],
    ['INVEPT', 'type 3', 3, eptp, 0n, 'error 28'],
    ['INVEPT', 'a pointer that VM entry would refuse', 1, eptp | 1, 0n, 'error 28'],
    ['INVEPT', 'reserved bits of the descriptor', 2, eptp, 1n, 'error 28'],
    ['INVVPID', 'an address', 0, 5, 0x1000n, OK],
    ['INVVPID', 'an address that is not canonical', 0, 5, 1n << 62n, 'error 28'],
    ['INVVPID', 'one context', 1, 5, 1n << 62n, OK],
    ['INVVPID', 'all contexts', 2, 0, 0n, OK],
    ['INVVPID', 'one context but for global translations', 3, 5, 0n, OK],
    ['INVVPID', 'type 4', 4, 5, 0n, 'error 28'],
    ['INVVPID', 'VPID 0 and an address', 0, 0, 0x1000n, 'error 28'],
    ['INVVPID', 'VPID 0', 1, 0, 0n, 'error 28'],
    ['INVVPID', 'VPID 0 but for global translations', 3, 0, 0n, 'error 28'],
    ['INVVPID', 'reserved bits of the descriptor', 1, 0x10005, 0n, 'error 28'],
    ['INVVPID', 'reserved bits of the descriptor for all contexts', 2, 0x10000, 0n, 'error 28'],
  ])('%s of %s', (name, _what, type, descriptor, upper, outcome) => {
    vmx.lab.put64(POINTER, BigInt(descriptor));
    vmx.lab.put64(POINTER + 8, upper);
    expect(run(BYTES[name], { rax: POINTER, rcx: type })).toBe(outcome);
  });
  it.each([
    ['INVEPT', 'vmx-invept-single-context', 1],
    ['INVEPT', 'vmx-invept-all-context', 2],
    ['INVVPID', 'vmx-invvpid-single-addr', 0],
    ['INVVPID', 'vmx-invvpid-single-context-noglobals', 3],
  ] as const)('%s of a type that the processor lacks fails: %s', async (name, feature, type) => {
    await set(`max,+vmx,-${feature}`);
    expect(execute(name, name === 'INVEPT' ? eptp : 5, type)).toBe('error 28');
  });
});

describe('outside CPL 0, 64-bit mode and root operation', () => {
  it.each(NAMES)('%s is #GP(0) at CPL 3', (name) => {
    enterUser(vmx.lab, true);
    expect(execute(name, OTHER)).toBe(`fault ${GP}`);
  });
  it.each(NAMES)('%s is #UD in compatibility mode', (name) => {
    vmx.lab.load({ cs: Sel.CODE32 });
    expect(execute(name, OTHER)).toBe(`fault ${UD}`);
  });
  it.each(['VMCLEAR', 'VMPTRLD', 'VMPTRST', 'INVEPT', 'INVVPID'] as const)(
    '%s of memory that is not there is #PF',
    (name) => {
      vmx.lab.put64(TABLES + 0x2010, 0n);
      expect(run(BYTES[name], { rax: 0x400000, rcx: 1 })).toBe(`fault ${PF}`);
      expect(vmx.lab.get('cr2')).toBe(0x400000n);
    },
  );
  // biome-ignore format: a line per few reasons
  const REASONS: readonly (readonly [Name, number])[] = [
    ['VMCALL', 18], ['VMCLEAR', 19], ['VMLAUNCH', 20], ['VMPTRLD', 21], ['VMPTRST', 22], ['VMREAD', 23], ['VMRESUME', 24], ['VMWRITE', 25],
    ['VMXOFF', 26], ['VMXON', 27], ['INVEPT', 50], ['INVVPID', 53],
  ];
  it.each(REASONS)('%s causes a VM exit in a guest, whatever CPL is', (name, reason) => {
    for (const fields of [{}, USER] as Fields[]) {
      vmx.write({ ...fields, ...controls({ secondary: Secondary.VPID }), VPID: 1 });
      vmx.lab.set({ rax: POINTER, rcx: 0x6800 });
      if (fields === USER) execute('VMCLEAR', VMCS);
      if (fields === USER) execute('VMPTRLD', VMCS);
      vmx.guest(BYTES[name]);
      expect([vmx.inGuest, vmx.reason, vmx.read('EXIT_INSTRUCTION_LENGTH')]).toEqual([
        false,
        reason,
        BigInt(BYTES[name].split(' ').length),
      ]);
    }
  });
  /** Parts of the VM-exit instruction information. */
  const Part = { SCALE: 3, REG1: 15 << 3, ADDRESS: 7 << 7, REGISTER: 1 << 10, SEGMENT: 7 << 15, INDEX: 15 << 18, NO_INDEX: 1 << 22, BASE: 15 << 23, NO_BASE: 1 << 27, REG2: 15 << 28 } as const; // biome-ignore format: a line of parts
  const MEMORY = Part.ADDRESS | Part.REGISTER | Part.SEGMENT | Part.NO_INDEX | Part.BASE | Part.NO_BASE;
  // biome-ignore format: a line per case
  it.each([
    ['VMREAD RDX, RCX', '0f 78 ca', Part.REG1 | Part.REGISTER | Part.REG2, (2 << 3) | (1 << 10) | (1 << 28)],
    ['VMWRITE R9, [RBX+RSI*4+100H]', '44 0f 79 8c b3 00 01 00 00', MEMORY | Part.SCALE | Part.INDEX | Part.REG2, 2 | (2 << 7) | (3 << 15) | (6 << 18) | (3 << 23) | (9 << 28)],
    ['VMCLEAR [RAX]', '66 0f c7 30', MEMORY, (2 << 7) | (3 << 15) | (1 << 22)],
    ['VMPTRLD FS:[R13]', '64 41 0f c7 75 00', MEMORY, (2 << 7) | (4 << 15) | (1 << 22) | (13 << 23)],
    ['INVEPT RCX, [RAX]', '66 0f 38 80 08', MEMORY | Part.REG2, (2 << 7) | (3 << 15) | (1 << 22) | (1 << 28)],
    ['INVVPID R15, [RAX]', '66 44 0f 38 81 38', MEMORY | Part.REG2, (2 << 7) | (3 << 15) | (1 << 22) | (15 << 28)],
  ])('the instruction information of %s names its operands', (_name, bytes, defined, information) => {
    vmx.guest(bytes);
    expect(Number(vmx.read('EXIT_INSTRUCTION_INFORMATION')) & defined).toBe(information | 0);
  });
});
