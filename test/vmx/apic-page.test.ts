/**
 * The APIC-access page, the TPR shadow and x2APIC mode (SDM Vol. 3C, "Virtualizing Memory-Mapped APIC Accesses",
 * "Virtualizing MSR-Based APIC Accesses", "TPR Virtualization").
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { HANDLER, TSS } from '../exec/lab.ts';
import { controls, Pin, Primary, Reason, Secondary } from './controls.ts';
import { Ept, ExtendedTables, GUEST_TABLE, LINEAR, mapLinear } from './ept.ts';
import { BITMAPS, type Fields, GUEST_CODE, VMCALL, VMLAUNCH, type VmxLab, vmxLab } from './lab.ts';
import { APIC_PAGE, Reg, VIRTUAL_APIC } from './virtual-apic.ts';

const { TPR } = Reg;
const GP_INFORMATION = 0x80000b0dn;
const { TPR_SHADOW, MSR_BITMAPS } = Primary;
const { APIC_ACCESSES, X2APIC, APIC_REGISTERS, VIRTUAL_INTERRUPTS, EPT } = Secondary;
const page = (secondary: number, primary: number = TPR_SHADOW): Fields =>
  controls({ pin: Pin.EXTERNAL, primary, secondary: APIC_ACCESSES | secondary });

let vmx: VmxLab;
beforeEach(async () => {
  vmx = await vmxLab();
  vmx.write({
    VIRTUAL_APIC_ADDRESS: VIRTUAL_APIC,
    APIC_ACCESS_ADDRESS: APIC_PAGE,
    EXCEPTION_BITMAP: 1 << 13,
    MSR_BITMAPS_ADDRESS: BITMAPS,
  });
  for (let at = 0; at < 0x1000; at += 4) {
    vmx.lab.put32(VIRTUAL_APIC + at, 0x5a000000 + at);
    vmx.lab.put32(APIC_PAGE + at, 0x33000000);
  }
});
const virtual = (offset: number) => vmx.lab.view().getUint32(VIRTUAL_APIC + offset, true);
/** Runs `bytes` and VMCALL on RSI: exit reason and qualification. */
function run(bytes: string, rsi: number, fields: Fields): [reason: number, qualification: bigint] {
  vmx.write(fields);
  vmx.lab.set({ rsi });
  vmx.guest(`${bytes} ${VMCALL}`);
  expect(vmx.inGuest).toBe(false);
  return [vmx.reason, vmx.qualification];
}
/** Exit qualification of an APIC-access exit. */
const access = (type: number, offset: number) => [Reason.APIC_ACCESS, BigInt((type << 12) | offset)];
const READ = 0;
const WRITE = 1;
const FETCH = 2;
const EVENT = 3;
const MONITOR = 4;
const PHYSICAL_EVENT = 10;
const PHYSICAL = 15;

const offsets = (...ranges: (number | readonly [number, number])[]): Set<number> =>
  new Set(
    ranges.flatMap((range) => {
      const [first, last] = typeof range === 'number' ? [range, range] : range;
      return Array.from({ length: (last - first) / 16 + 1 }, (_, n) => first + 16 * n);
    }),
  );
const ALL = [...offsets([0, 0xff0])];
/** "Virtualizing Reads from the APIC-Access Page" */
const READS = offsets(0x20, 0x30, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, [0x100, 0x170], [0x180, 0x1f0], [0x200, 0x270], 0x280, 0x300, 0x310, [0x320, 0x370], 0x380, 0x3e0); // biome-ignore format: the manual's list
/** "Virtualizing Writes to the APIC-Access Page" */
const WRITES = offsets(0x20, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310, [0x320, 0x370], 0x380, 0x3e0);
/** Offsets whose writes, once virtualized, cause no APIC-write exit. */
const QUIET = { '0': [TPR], '200': [TPR, 0xb0], '100': [TPR, 0x310], '300': [TPR, 0xb0, 0x310] };

describe('on the APIC-access page', () => {
  it.each([
    ['no control of registers', 0, offsets(TPR), offsets(TPR)],
    ['virtual-interrupt delivery', VIRTUAL_INTERRUPTS, offsets(TPR), offsets(TPR, 0xb0, 0x300)],
    ['APIC-register virtualization', APIC_REGISTERS, READS, WRITES],
    ['both', APIC_REGISTERS | VIRTUAL_INTERRUPTS, READS, WRITES],
  ])('with %s, the manual lists what is virtualized', (_name, secondary, reads, writes) => {
    const state = vmx.lab.core.saveState();
    const virtualPage = vmx.lab.core.memory.bytes(VIRTUAL_APIC, 0x1000);
    const [good, region] = [virtualPage.slice(), vmx.lab.core.memory.bytes(0x41000, 0x1000).slice()];
    const quiet: number[] = QUIET[secondary.toString(16) as keyof typeof QUIET];
    for (const offset of ALL) {
      for (const bytes of ['8b 06', '89 06']) {
        vmx.lab.core.loadState(state);
        vmx.lab.core.memory.bytes(VIRTUAL_APIC, 0x1000).set(good);
        vmx.lab.core.memory.bytes(0x41000, 0x1000).set(region);
        vmx.write(page(secondary));
        vmx.lab.set({ rax: 0, rsi: APIC_PAGE + offset });
        const isRead = bytes === '8b 06';
        vmx.lab.code(GUEST_CODE, `${bytes} ${VMCALL}`);
        vmx.enterInOneRun();
        const { reason, qualification } = vmx;
        const where = `${isRead ? 'read' : 'write'} of ${offset.toString(16)}`;
        if (!(isRead ? reads : writes).has(offset)) {
          expect([where, reason, qualification]).toEqual([where, ...access(isRead ? READ : WRITE, offset)]);
        } else if (isRead) {
          expect([where, reason, vmx.lab.get('rax')]).toEqual([where, Reason.VMCALL, BigInt(0x5a000000 + offset)]);
        } else if (quiet.includes(offset)) {
          expect([where, reason]).toEqual([where, Reason.VMCALL]);
          expect([where, virtual(offset)]).toEqual([where, 0]);
        } else {
          expect([where, reason, qualification]).toEqual([where, Reason.APIC_WRITE, BigInt(offset)]);
          expect([virtual(offset), vmx.read('GUEST_RIP')]).toEqual([0, BigInt(GUEST_CODE + 2)]);
        }
        expect(vmx.lab.view().getUint32(APIC_PAGE + offset, true)).toBe(0x33000000);
      }
    }
  });

  // biome-ignore format: a line per case
  it.each<[name: string, bytes: string, offset: number, outcome: readonly (number | bigint)[], rax?: bigint]>([
    ['a byte of the first four is read', '8a 06', TPR + 3, [Reason.VMCALL], 0x5an],
    ['a word of the first four is read', '66 8b 06', TPR + 2, [Reason.VMCALL], 0x5a00n],
    ['a word that goes beyond the first four is not read', '66 8b 06', TPR + 3, access(READ, TPR + 3)],
    ['a doubleword that is not aligned is not read', '8b 06', TPR + 1, access(READ, TPR + 1)],
    ['a doubleword of the next four is not read', '8b 06', TPR + 4, access(READ, TPR + 4)],
    ['a quadword is not read', '48 8b 06', TPR, access(READ, TPR)],
    ['a quadword is not written', '48 89 06', TPR, access(WRITE, TPR)],
    ['a read-modify-write is a write', '83 0e 00', 0x30, access(WRITE, 0x30)],
    ['an access that begins on the page before is told by its part on the page', '8b 06', -2, access(READ, 0)],
    ['an instruction is not fetched', 'ff e6', TPR, access(FETCH, TPR)],
    ['MONITOR is told as such', '48 89 f0 31 c9 31 d2 0f 01 c8', 0x100, access(MONITOR, 0x100)],
  ])('%s', (_name, bytes, offset, outcome, rax) => {
    vmx.lab.set({ rax: 0 });
    const [reason, qualification] = run(bytes, APIC_PAGE + offset, page(0));
    expect(outcome.length === 1 ? [reason] : [reason, qualification]).toEqual(outcome);
    if (rax !== undefined) expect(vmx.lab.get('rax')).toBe(rax);
  });
  it('nothing is virtualized without a TPR shadow', () => {
    expect(run('8b 06', APIC_PAGE + TPR, page(0, 0))).toEqual(access(READ, TPR));
  });
  it('a page fault comes before the APIC-access exit', () => {
    mapLinear(vmx, 0, APIC_PAGE, 0);
    vmx.write({ EXCEPTION_BITMAP: 1 << 14 });
    const [reason, address] = run('8b 06', LINEAR + 0x30, page(0));
    expect([reason, address]).toEqual([Reason.EXCEPTION_NMI, BigInt(LINEAR + 0x30)]);
  });
  it('is known by its physical address, wherever the guest maps it', () => {
    mapLinear(vmx, 0, APIC_PAGE);
    expect(run('8b 06', LINEAR + 0x30, page(0))).toEqual(access(READ, 0x30));
  });
  it('an access while an event is delivered says so, and what the event was', () => {
    vmx.lab.gate64(0x40, BigInt(HANDLER), { ist: 1 });
    vmx.lab.put64(TSS + 36, BigInt(APIC_PAGE + TPR + 8));
    expect(run('cd 40', 0, page(0))[0]).toBe(Reason.APIC_ACCESS);
    expect(vmx.qualification >> 12n).toBe(BigInt(EVENT));
    expect([vmx.read('IDT_VECTORING_INFORMATION'), vmx.read('EXIT_INSTRUCTION_LENGTH')]).toEqual([0x80000440n, 2n]);
  });
});

describe('a guest-physical access to the APIC-access page', () => {
  let ept: ExtendedTables;
  beforeEach(() => {
    ept = new ExtendedTables(vmx);
    vmx.write({ EPTP: ept.pointer });
    mapLinear(vmx, 0, APIC_PAGE + 0x1000);
    // The page table lies on the APIC-access page.
    ept.set(GUEST_TABLE, Ept.ALL, APIC_PAGE);
  });
  it('causes an APIC-access exit while an instruction executes', () => {
    const [reason, qualification] = run('8b 06', LINEAR, page(EPT));
    expect([reason, qualification >> 12n]).toEqual([Reason.APIC_ACCESS, BigInt(PHYSICAL)]);
  });
  it('causes an APIC-access exit while an event is delivered', () => {
    vmx.lab.gate64(0x40, BigInt(HANDLER), { ist: 1 });
    vmx.lab.put64(TSS + 36, BigInt(LINEAR + 0x800));
    const [reason, qualification] = run('cd 40', 0, page(EPT));
    expect([reason, qualification >> 12n]).toEqual([Reason.APIC_ACCESS, BigInt(PHYSICAL_EVENT)]);
  });
});

describe('the TPR shadow', () => {
  const shadow = (secondary = 0): Fields => controls({ pin: Pin.EXTERNAL, primary: TPR_SHADOW, secondary });
  it('is what MOV from CR8 reads: bits 7:4', () => {
    vmx.lab.put32(VIRTUAL_APIC + TPR, 0xffffff9c);
    expect(run('44 0f 20 c0', 0, shadow())[0]).toBe(Reason.VMCALL);
    expect(vmx.lab.get('rax')).toBe(9n);
  });
  it('is what MOV to CR8 writes: the whole byte, and nothing beside it', () => {
    vmx.lab.set({ rax: 6 });
    expect(run('44 0f 22 c0', 0, shadow())[0]).toBe(Reason.VMCALL);
    expect([virtual(TPR), virtual(TPR + 4), vmx.lab.get('cr8')]).toEqual([0x60, 0x5a000084, 0n]);
  });
  // biome-ignore format: a line per case
  it.each([
    ['below the threshold exits behind the instruction', 4, 5, Reason.TPR_BELOW_THRESHOLD],
    ['at the threshold does not exit', 5, 5, Reason.VMCALL],
    ['above the threshold does not exit', 6, 5, Reason.VMCALL],
  ])('that MOV to CR8 puts %s', (_name, value, threshold, reason) => {
    vmx.lab.put32(VIRTUAL_APIC + TPR, 0xf0);
    vmx.lab.set({ rax: value });
    expect(run('44 0f 22 c0', 0, { ...shadow(), TPR_THRESHOLD: threshold })[0]).toBe(reason);
    expect([virtual(TPR), vmx.read('GUEST_RIP')]).toEqual([value << 4, BigInt(GUEST_CODE + 4)]);
  });
  it('that a write to the APIC-access page puts below the threshold exits behind the instruction', () => {
    vmx.lab.put32(VIRTUAL_APIC + TPR, 0xf0);
    vmx.lab.set({ rax: 0x4f });
    expect(run('88 06', APIC_PAGE + TPR, { ...page(0), TPR_THRESHOLD: 5 })).toEqual([Reason.TPR_BELOW_THRESHOLD, 0n]);
    expect([virtual(TPR), vmx.read('GUEST_RIP')]).toEqual([0x4f, BigInt(GUEST_CODE + 2)]);
  });
  it.each([0, 1])('below the threshold at VM entry exits before any instruction, activity state %i too', (activity) => {
    vmx.lab.put32(VIRTUAL_APIC + TPR, 0x4f);
    vmx.write({ ...page(0), TPR_THRESHOLD: 5, GUEST_ACTIVITY_STATE: activity });
    vmx.enter(VMLAUNCH, 2);
    expect([vmx.inGuest, vmx.reason, vmx.read('GUEST_RIP')]).toEqual([
      false,
      Reason.TPR_BELOW_THRESHOLD,
      BigInt(GUEST_CODE),
    ]);
  });
  it('has no threshold under virtual-interrupt delivery', () => {
    vmx.lab.put32(VIRTUAL_APIC + TPR, 0);
    vmx.lab.set({ rax: 0 });
    expect(run('44 0f 22 c0', 0, { ...shadow(VIRTUAL_INTERRUPTS), TPR_THRESHOLD: 15 })[0]).toBe(Reason.VMCALL);
  });
});

describe('x2APIC mode', () => {
  const RDMSR = '0f 32';
  const WRMSR = '0f 30';
  const mode = (more = 0): Fields =>
    controls({ pin: Pin.EXTERNAL, primary: TPR_SHADOW | MSR_BITMAPS, secondary: X2APIC | more });
  // biome-ignore format: a line per case
  it.each([
    ['the TPR', 0x808, 0, 0x5a000080],
    ['every register with APIC-register virtualization', 0x803, APIC_REGISTERS, 0x5a000030],
    ['registers that are reserved too', 0x8f1, APIC_REGISTERS, 0x5a000f10],
  ])('RDMSR reads eight bytes of the virtual-APIC page: %s', (_name, index, secondary, low) => {
    vmx.lab.set({ rcx: index });
    expect(run(RDMSR, 0, mode(secondary))[0]).toBe(Reason.VMCALL);
    expect([vmx.lab.get('rax'), vmx.lab.get('rdx')]).toEqual([BigInt(low), BigInt(low + 4)]);
  });
  it('RDMSR exits first where the bitmap says so', () => {
    vmx.lab.code(BITMAPS + (0x808 >> 3), '01');
    vmx.lab.set({ rcx: 0x808 });
    expect(run(RDMSR, 0, mode())[0]).toBe(31);
  });
  it('RDMSR of what is not virtualized reads the APIC of the processor', () => {
    vmx.lab.core.writeMsr(0x1b, 0xfee00d00n);
    vmx.lab.set({ rcx: 0x803 });
    expect(run(RDMSR, 0, mode())[0]).toBe(Reason.VMCALL);
    expect(vmx.lab.get('rax') & 0xffn).toBeGreaterThanOrEqual(0x10n);
    expect(vmx.lab.get('rax') & 0xffn).toBeLessThanOrEqual(0x15n);
  });
  it('WRMSR to the TPR stores it in the virtual-APIC page', () => {
    vmx.lab.set({ rcx: 0x808, rax: 0x37, rdx: 0 });
    expect(run(WRMSR, 0, mode())[0]).toBe(Reason.VMCALL);
    expect(virtual(TPR)).toBe(0x37);
  });
  // biome-ignore format: a line per case
  it.each([
    ['bit 8 of the TPR', 0x808, 0x100, 0, 0],
    ['bit 32 of the TPR', 0x808, 0, 1, 0],
    ['an EOI that is not 0', 0x80b, 1, 0, VIRTUAL_INTERRUPTS],
    ['bit 8 of the self IPI', 0x83f, 0x130, 0, VIRTUAL_INTERRUPTS],
  ])('WRMSR that sets %s is #GP(0)', (_name, rcx, rax, rdx, secondary) => {
    vmx.lab.set({ rcx, rax, rdx });
    expect(run(WRMSR, 0, mode(secondary))[0]).toBe(Reason.EXCEPTION_NMI);
    expect([vmx.read('EXIT_INTERRUPTION_INFORMATION'), virtual((rcx & 0xff) << 4)]).toEqual([GP_INFORMATION, 0x5a000000 + ((rcx & 0xff) << 4)]);
  });
  it('WRMSR to the TPR puts it below the threshold', () => {
    vmx.lab.put32(VIRTUAL_APIC + TPR, 0xf0);
    vmx.lab.set({ rcx: 0x808, rax: 0x4f, rdx: 0 });
    expect(run(WRMSR, 0, { ...mode(), TPR_THRESHOLD: 5 })[0]).toBe(Reason.TPR_BELOW_THRESHOLD);
    expect(vmx.read('GUEST_RIP')).toBe(BigInt(GUEST_CODE + 2));
  });
});
