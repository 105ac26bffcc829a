/** Instructions that cause VM exits: reason, exit qualification, instruction length, instruction information. */
import { beforeEach, describe, expect, it } from 'vitest';
import { descriptor, GDT, Sel, TSS } from '../exec/lab.ts';
import { BITMAPS, type Fields, GUEST_CODE, type VmxLab, vmxLab } from './lab.ts';

const MUST = 0x0401_6172;
const primary = (bits: number) => ({ PRIMARY_CONTROLS: (MUST | bits) >>> 0 });
const secondary = (bits: number, more = 0) => ({ ...primary(0x80000000 | more), SECONDARY_CONTROLS: bits });
const OSXSAVE = 0x40000n;
const USER = {
  GUEST_CS_SELECTOR: Sel.USER_CODE64,
  GUEST_CS_ACCESS_RIGHTS: 0xa0fb,
  GUEST_SS_SELECTOR: Sel.USER_DATA,
  GUEST_SS_ACCESS_RIGHTS: 0xc0f3,
};
const UD = 6;
const GP = 13;

let vmx: VmxLab;
beforeEach(async () => {
  vmx = await vmxLab();
  vmx.lab.set({ rcx: 0x300, rdx: 0x1f0, rsi: 0x4000, rdi: 0x5000 });
});
/** Runs `bytes` with `fields` written, RAX being `rax`. */
function run(bytes: string, fields: Fields, rax = 0x6000n): void {
  vmx.write(fields);
  vmx.lab.set({ rax });
  vmx.guest(bytes);
}
const length = () => Number(vmx.read('EXIT_INSTRUCTION_LENGTH'));
const information = () => Number(vmx.read('EXIT_INSTRUCTION_INFORMATION'));

// biome-ignore format: a line per case
const EXITS: readonly (readonly [name: string, bytes: string, fields: Fields, reason: number, qualification?: number | bigint])[] = [
  ['CPUID', '0f a2', {}, 10],
  ['HLT', 'f4', primary(0x80), 12],
  ['INVD', '0f 08', {}, 13],
  ['INVLPG [RAX+8]', '0f 01 78 08', primary(0x200), 14, 0x6008],
  ['RDPMC', '0f 33', primary(0x800), 15],
  ['RDTSC', '0f 31', primary(0x1000), 16],
  ['VMCALL', '0f 01 c1', {}, 18],
  ['MOV CR3, RAX', '0f 22 d8', primary(0x8000), 28, 3],
  ['MOV RBX, CR3', '0f 20 db', primary(0x10000), 28, 0x313],
  ['MOV CR8, R9', '45 0f 22 c1', primary(0x80000), 28, 0x908],
  ['MOV RBX, CR8', '44 0f 20 c3', primary(0x100000), 28, 0x318],
  ['MOV CR0, RAX where a bit of the mask differs from the shadow', '0f 22 c0', { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 8 }, 28, 0],
  ['MOV CR4, RSI where a bit of the mask differs from the shadow', '0f 22 e6', { CR4_GUEST_HOST_MASK: 1, CR4_READ_SHADOW: 1 }, 28, 0x604],
  ['CLTS where the shadow has TS', '0f 06', { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 8 }, 28, 0x20],
  ['LMSW SI', '0f 01 f6', { CR0_GUEST_HOST_MASK: 2, CR0_READ_SHADOW: 2 }, 28, 0x40000030],
  ['MOV DR7, RAX', '0f 23 f8', primary(0x800000), 29, 7],
  ['MOV R11, DR6', '41 0f 21 f3', primary(0x800000), 29, 0xb16],
  ['IN AL, 80H', 'e4 80', primary(0x1000000), 30, 0x800048],
  ['OUT DX, AX', '66 ef', primary(0x1000000), 30, 0x1f00001],
  ['REP INSD', 'f3 6d', primary(0x1000000), 30, 0x1f0003b],
  ['RDMSR without bitmaps', '0f 32', {}, 31],
  ['WRMSR without bitmaps', '0f 30', {}, 32],
  ['MWAIT', '0f 01 c9', primary(0x400), 36, 0],
  ['MONITOR', '0f 01 c8', primary(0x20000000), 39],
  ['PAUSE', 'f3 90', primary(0x40000000), 40],
  ['LGDT [RAX+RCX*4+10H]', '0f 01 54 88 10', secondary(4), 46, 0x10],
  ['SIDT [RIP+20H]', '0f 01 0d 20 00 00 00', secondary(4), 46, GUEST_CODE + 7 + 0x20],
  ['LTR AX', '0f 00 d8', secondary(4), 47],
  ['RDTSCP', '0f 01 f9', secondary(8, 0x1000), 51],
  ['WBINVD', '0f 09', secondary(0x40), 54],
  ['XSETBV', '0f 01 d1', { GUEST_CR4: 0x2020n | OSXSAVE }, 55],
  ['RDRAND EBX', '0f c7 f3', secondary(0x800), 57],
  ['INVPCID RDX, [RSI-8]', '66 0f 38 82 56 f8', secondary(0x1000, 0x200), 58, 0xffff_ffff_ffff_fff8n],
  ['RDSEED R10', '49 0f c7 fa', secondary(0x10000), 61],
];

describe('in VMX non-root operation', () => {
  it.each(
    EXITS.map(
      ([name, bytes, fields, reason, qualification = 0]) => [name, bytes, fields, reason, qualification] as const,
    ),
  )('%s causes a VM exit', (_name, bytes, fields, reason, qualification) => {
    run(bytes, fields);
    expect([vmx.inGuest, vmx.reason, vmx.qualification, length()]).toEqual([
      false,
      reason,
      BigInt(qualification),
      bytes.split(' ').length,
    ]);
    expect(vmx.read('GUEST_RIP')).toBe(BigInt(GUEST_CODE));
  });

  // biome-ignore format: a line per case
  it.each([
    ['LGDT [RAX+RCX*4+10H]', '0f 01 54 88 10', secondary(4), 2 | (2 << 7) | (1 << 11) | (3 << 15) | (1 << 18) | (2 << 28)],
    ['SIDT GS:[R8]', '65 41 0f 01 08', secondary(4), (2 << 7) | (1 << 11) | (5 << 15) | (1 << 22) | (8 << 23) | (1 << 28)],
    ['STR RBX', '48 0f 00 cb', secondary(4), (3 << 3) | (2 << 7) | (1 << 10) | (1 << 11) | (1 << 28)],
    ['RDRAND EBX', '0f c7 f3', secondary(0x800), (3 << 3) | (1 << 11)],
    ['RDSEED R10', '49 0f c7 fa', secondary(0x10000), (10 << 3) | (2 << 11)],
    ['INVPCID RDX, [RSI]', '66 0f 38 82 16', secondary(0x1000, 0x200), (2 << 7) | (3 << 15) | (1 << 22) | (6 << 23) | (2 << 28)],
    ['OUTSB FS:', '64 6e', primary(0x1000000), (2 << 7) | (4 << 15)],
  ])('the instruction information of %s names its operands', (_name, bytes, fields, expected) => {
    run(bytes, fields);
    expect(vmx.inGuest).toBe(false);
    // Bit 11 is undefined where there are descriptor-table registers of 64-bit mode.
    const undefinedBits = vmx.reason === 46 || vmx.reason === 47 ? 1 << 11 : 0;
    expect(information() & ~undefinedBits).toBe(expected & ~undefinedBits);
  });

  it('INS gives the guest-linear address of its operand', () => {
    run('6c', primary(0x1000000));
    expect(vmx.read('GUEST_LINEAR_ADDRESS')).toBe(0x5000n);
  });
  it('LMSW from memory says so and gives its source and address', () => {
    vmx.lab.put16(0x6010, 0x1234);
    run('0f 01 70 10', { CR0_GUEST_HOST_MASK: 2, CR0_READ_SHADOW: 2 });
    expect(vmx.qualification).toBe(0x1234_0070n);
    expect(vmx.read('GUEST_LINEAR_ADDRESS')).toBe(0x6010n);
  });

  // biome-ignore format: a line per case
  it.each([
    ['RDTSCP', '0f 01 f9', {}],
    ['RDPID RAX', 'f3 0f c7 f8', {}],
    ['INVPCID RDX, [RSI]', '66 0f 38 82 16', {}],
    ['XSAVES [RSI]', '0f c7 2e', { GUEST_CR4: 0x2020n | OSXSAVE }],
    ['INVPCID RDX, [RSI] at CPL 3', '66 0f 38 82 16', USER],
  ])('%s is #UD where its secondary control is 0', (_name, bytes, fields) => {
    run(bytes, { ...fields, EXCEPTION_BITMAP: 1 << UD });
    expect([vmx.reason, vmx.read('EXIT_INTERRUPTION_INFORMATION')]).toEqual([0, 0x80000306n]);
  });

  // biome-ignore format: a line per case
  it.each([
    ['HLT', 'f4', primary(0x80), GP],
    ['RDMSR', '0f 32', {}, GP],
    ['MOV RAX, CR3', '0f 20 d8', primary(0x10000), GP],
    ['IN AL, DX', 'ec', primary(0x1000000), GP],
    ['MWAIT', '0f 01 c9', primary(0x400), UD],
  ])('%s at CPL 3 faults before it could exit', (_name, bytes, fields, vector) => {
    vmx.lab.put16(TSS + 102, 0xffff);
    run(bytes, { ...USER, ...fields, EXCEPTION_BITMAP: 1 << vector });
    expect([vmx.reason, Number(vmx.read('EXIT_INTERRUPTION_INFORMATION')) & 0xff]).toEqual([0, vector]);
  });
  // biome-ignore format: a line per case
  it.each<[name: string, fields: Fields]>([
    ['its privilege', { ...USER, EXCEPTION_BITMAP: 1 << GP }],
    ['DR4 under CR4.DE', { GUEST_CR4: 0x2028, EXCEPTION_BITMAP: 1 << UD }],
  ])('MOV DR exits before the fault of %s', (_name, fields) => {
    run('0f 23 e0', { ...primary(0x800000), ...fields });
    expect([vmx.reason, vmx.qualification]).toEqual([29, 4n]);
  });
  // biome-ignore format: a line per case
  it.each([
    ['XSETBV at CPL 3', '0f 01 d1', { ...USER, GUEST_CR4: 0x2020n | OSXSAVE }, GP],
    ['XSETBV without CR4.OSXSAVE', '0f 01 d1', {}, UD],
    ['INVD at CPL 3', '0f 08', USER, GP],
    ['WBINVD at CPL 3', '0f 09', { ...USER, ...secondary(0x40) }, GP],
    ['LGDT at CPL 3', '0f 01 16', { ...USER, ...secondary(4) }, GP],
    ['RDTSC at CPL 3 under CR4.TSD', '0f 31', { ...USER, ...primary(0x1000), GUEST_CR4: 0x2024 }, GP],
    ['RDPMC at CPL 3', '0f 33', { ...USER, ...primary(0x800) }, GP],
    ['INVLPG at CPL 3', '0f 01 3e', { ...USER, ...primary(0x200) }, GP],
    ['CLTS at CPL 3', '0f 06', { ...USER, CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 8 }, GP],
    ['INVPCID at CPL 3', '66 0f 38 82 16', { ...USER, ...secondary(0x1000, 0x200) }, GP],
  ])('%s faults before it could exit', (_name, bytes, fields, vector) => {
    run(bytes, { ...fields, EXCEPTION_BITMAP: 1 << vector });
    expect([vmx.reason, Number(vmx.read('EXIT_INTERRUPTION_INFORMATION')) & 0xff]).toEqual([0, vector]);
  });

  it('reads of CR0 and CR4 show the read shadow in the bits of the mask', () => {
    run('0f 20 c3 0f 20 e1 0f 01 e2 0f 01 c1', {
      CR0_GUEST_HOST_MASK: 0x28, CR0_READ_SHADOW: 8, CR4_GUEST_HOST_MASK: 0x2001, CR4_READ_SHADOW: 1,
    }); // biome-ignore format: a line of fields
    expect(vmx.reason).toBe(18);
    expect(vmx.lab.get('rbx')).toBe(0x80000019n);
    expect(vmx.lab.get('rcx')).toBe(0x21n);
    expect(vmx.lab.get('rdx') & 0xffffn).toBe(0x19n);
  });
  it('MOV to CR0 that agrees with the shadow leaves the bits of the mask as they are', () => {
    run('0f 22 c0 0f 01 c1', { CR0_GUEST_HOST_MASK: 0x20, CR0_READ_SHADOW: 0 }, 0x80000019n);
    expect([vmx.reason, vmx.read('GUEST_CR0')]).toEqual([18, 0x80000039n]);
  });
  it('CLTS leaves TS alone where the mask has it and the shadow has not', () => {
    run('0f 06 0f 01 c1', { CR0_GUEST_HOST_MASK: 8, GUEST_CR0: 0x80000039n });
    expect([vmx.reason, vmx.read('GUEST_CR0')]).toEqual([18, 0x80000039n]);
  });
  // biome-ignore format: a line per case
  it.each([
    ['the first of two values', 2, 0, 18],
    ['the second of two values', 2, 1, 18],
    ['a value beyond the count', 2, 2, 28],
    ['the last of four values', 4, 3, 18],
    ['a value without a count', 0, 0, 28],
  ])('MOV to CR3 of %s of the CR3-target list', (_name, count, place, reason) => {
    const cr3 = vmx.lab.get('cr3');
    run('0f 22 d8 0f 01 c1', { ...primary(0x8000), CR3_TARGET_COUNT: count, [`CR3_TARGET_VALUE_${place}`]: cr3 }, cr3);
    expect(vmx.reason).toBe(reason);
  });
  it('PAUSE outside CPL 0 begins no loop', () => {
    run('f3 90 eb fc', { ...secondary(0x400), ...USER, PLE_GAP: 10, PLE_WINDOW: 5 });
    expect(vmx.inGuest).toBe(true);
  });

  it.each([
    ['a port whose bit is 0', 0x1f0, 18],
    ['a port whose bit is 1', 0x3f8, 30],
    ['two ports of which the second has its bit 1', 0x3f7, 30],
    ['a port of bitmap B whose bit is 1', 0x8001, 30],
    ['ports that wrap around', 0xffff, 30],
  ])('OUT to %s is what the I/O bitmaps say', (_name, port, reason) => {
    vmx.lab.put64(BITMAPS + (0x3f8 >> 3), 1n);
    vmx.lab.put64(BITMAPS + 0x1000, 2n);
    vmx.lab.set({ rdx: port });
    run('66 ef 0f 01 c1', {
      ...primary(0x2000000),
      IO_BITMAP_A_ADDRESS: BITMAPS,
      IO_BITMAP_B_ADDRESS: BITMAPS + 0x1000,
    });
    expect(vmx.reason).toBe(reason);
  });
  it.each([
    ['RDMSR of one whose read bit is 0', '0f 32', 0x174, 18],
    ['RDMSR of one whose read bit is 1', '0f 32', 0x175, 31],
    ['RDMSR of a high one whose read bit is 1', '0f 32', 0xc0000080, 31],
    ['WRMSR of one whose write bit is 1', '0f 30', 0x174, 32],
    ['WRMSR of a high one whose write bit is 1', '0f 30', 0xc0000102, 32],
    ['RDMSR of one beyond the bitmaps', '0f 32', 0x2000, 31],
    ['RDMSR of one between the bitmaps', '0f 32', 0xbfffffff, 31],
  ])('%s is what the MSR bitmaps say', (_name, bytes, index, reason) => {
    vmx.lab.put64(BITMAPS + 0x28, 1n << (0x175n & 63n));
    vmx.lab.put64(BITMAPS + 0x400 + 0x10, 1n);
    vmx.lab.put64(BITMAPS + 0x800 + 0x28, 1n << (0x174n & 63n));
    vmx.lab.put64(BITMAPS + 0xc00 + 0x20, 4n);
    vmx.lab.set({ rcx: index });
    run(`${bytes} 0f 01 c1`, { ...primary(0x10000000), MSR_BITMAPS_ADDRESS: BITMAPS });
    expect(vmx.reason).toBe(reason);
  });

  it('RDTSC and RDMSR add the TSC offset, after the multiplier', () => {
    vmx.lab.set({ rcx: 0x10 });
    const fields = { ...secondary(0x2000000, 0x10000008), MSR_BITMAPS_ADDRESS: BITMAPS, TSC_MULTIPLIER: 3n << 48n };
    run('0f 31 89 c3 89 d6 0f 32 0f 01 c1', { ...fields, TSC_OFFSET: 7n << 40n });
    const { now } = vmx.lab.core;
    const tsc = (high: 'rsi' | 'rdx', low: 'rbx' | 'rax') => (vmx.lab.get(high) << 32n) | vmx.lab.get(low);
    for (const value of [tsc('rsi', 'rbx'), tsc('rdx', 'rax')]) {
      expect(value - (7n << 40n)).toBeLessThanOrEqual(3n * now);
      expect(value - (7n << 40n)).toBeGreaterThan(3n * (now - 12n));
      expect((value - (7n << 40n)) % 3n).toBe(0n);
    }
  });

  it('PAUSE in a loop at CPL 0 exits once the window is over', () => {
    vmx.write({ ...secondary(0x400), PLE_GAP: 10, PLE_WINDOW: 30 });
    vmx.guest('next:\n f3 90  pause\n eb fc  jmp next', 100);
    expect([
      vmx.inGuest,
      vmx.reason,
      vmx.lab.core.state.field('pauseAt') - vmx.lab.core.state.field('pauseLoopAt'),
    ]).toEqual([false, 40, 32n]);
  });
  it('PAUSE that comes less often than the gap begins a loop each time', () => {
    vmx.write({ ...secondary(0x400), PLE_GAP: 1, PLE_WINDOW: 3 });
    vmx.guest('next:\n f3 90  pause\n 90  nop\n eb fb  jmp next', 100);
    expect(vmx.inGuest).toBe(true);
  });
});

describe('a task switch in VMX non-root operation', () => {
  beforeEach(async () => {
    vmx = await vmxLab(false);
    vmx.lab.put64(GDT + Sel.FREE, descriptor(TSS + 0x800, 0x67, 0x89));
  });
  it.each([
    ['JMP', 'ea 00 00 00 00 60 00', 2, {}],
    ['CALL', '9a 00 00 00 00 60 00', 0, {}],
  ])('by %s causes a VM exit that names the selector, and nothing else happens', (_name, bytes, source, fields) => {
    run(bytes, fields);
    expect([vmx.reason, vmx.qualification, length()]).toEqual([9, BigInt(source) * (1n << 30n) + 0x60n, 7]);
    expect(vmx.read('GUEST_RIP')).toBe(BigInt(GUEST_CODE));
    expect(vmx.read('GUEST_TR_SELECTOR')).toBe(BigInt(Sel.TSS));
  });
  it('by IRET names the task that the link does', () => {
    vmx.lab.put16(TSS, Sel.FREE);
    vmx.lab.put64(GDT + Sel.FREE, descriptor(TSS + 0x800, 0x67, 0x8b));
    run('cf', { GUEST_RFLAGS: 0x4002 });
    expect([vmx.reason, vmx.qualification, length()]).toEqual([9, (1n << 30n) + 0x60n, 1]);
  });
  it('by INT through a task gate tells of the interrupt that was being delivered', () => {
    vmx.lab.gate32(0x40, 0, 0x85, Sel.FREE);
    run('cd 40', {});
    expect([vmx.reason, vmx.qualification, length()]).toEqual([9, (3n << 30n) + 0x60n, 2]);
    expect(vmx.read('IDT_VECTORING_INFORMATION')).toBe(0x80000440n);
  });
  it('is a fault where the TSS cannot be used', () => {
    vmx.lab.put64(GDT + Sel.FREE, descriptor(TSS + 0x800, 0x67, 0x09));
    run('ea 00 00 00 00 60 00', { EXCEPTION_BITMAP: 1 << 11 });
    expect([vmx.reason, Number(vmx.read('EXIT_INTERRUPTION_INFORMATION')) & 0xff]).toEqual([0, 11]);
  });
});
