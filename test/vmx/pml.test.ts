/** Accessed and dirty flags for EPT, and page-modification logging (SDM Vol. 3C, the sections of these names). */
import { beforeEach, describe, expect, it } from 'vitest';
import { GDT, HANDLER, IST } from '../exec/lab.ts';
import { controls, Pin, Reason, Secondary } from './controls.ts';
import { Ept, ExtendedTables, GUEST_TABLE, LINEAR, mapLinear, Violation } from './ept.ts';
import { type Fields, GUEST_CODE, VMCALL, VMRESUME, type VmxLab, vmxLab } from './lab.ts';

const DATA = 0x61000;
const OTHER = 0x62000;
const HIGH = 0x3ff000;
const LOG = 0x4b000;
const READ = '8b 06';
const WRITE = '89 06';
const A = Ept.A;
const D = Ept.D;
/** Guest paging structures of the lab that translate LINEAR, in the order of a walk. */
const TABLE_PAGES = [0x8000, 0x9000, 0xa000, GUEST_TABLE];

let vmx: VmxLab;
let ept: ExtendedTables;
beforeEach(async () => {
  vmx = await vmxLab();
  ept = new ExtendedTables(vmx);
  vmx.write({
    ...controls({ secondary: Secondary.EPT | Secondary.PML }),
    EPTP: ept.pointer | 0x40n,
    PML_ADDRESS: LOG,
    PML_INDEX: 511,
  });
  vmx.lab.set({ rsi: DATA + 0x678, rax: 0x1234 });
});
const flags = (level: number, gpa: number) => ept.entry(level, gpa) & (A | D);
const index = () => Number(vmx.read('PML_INDEX'));
const logged = (n: number) => vmx.lab.view().getBigUint64(LOG + 8 * n, true);
/** What the log holds from entry 511 down to the index. */
const log = () => Array.from({ length: 511 - index() }, (_, n) => Number(logged(511 - n)));
function run(bytes: string, fields: Fields = {}): number {
  vmx.write(fields);
  vmx.guest(`${bytes} ${VMCALL}`);
  expect(vmx.inGuest).toBe(false);
  return vmx.reason;
}
/** Of every guest the log has its paging structures: walks write to them. */
const withoutTables = (pages: number[]) => pages.filter((page) => !TABLE_PAGES.includes(page));

describe('accessed and dirty flags for EPT', () => {
  it('are set on the whole path by a read, but for the dirty flag', () => {
    vmx.lab.set({ rsi: HIGH });
    expect(run(READ)).toBe(Reason.VMCALL);
    expect([3, 2, 1, 0].map((level) => flags(level, HIGH))).toEqual([A, A, A, A]);
  });
  it('are both set in the entry that maps the page by a write', () => {
    vmx.lab.set({ rsi: HIGH });
    expect(run(WRITE)).toBe(Reason.VMCALL);
    expect([3, 2, 1, 0].map((level) => flags(level, HIGH))).toEqual([A, A, A, A | D]);
  });
  it('are set in the entry of a 2-MByte page', () => {
    ept.setLarge(0x200000, Ept.ALL);
    vmx.lab.set({ rsi: HIGH });
    expect(run(WRITE)).toBe(Reason.VMCALL);
    expect(flags(1, HIGH)).toBe(A | D);
  });
  it('are set by a write behind a read of the same page', () => {
    vmx.lab.code(GUEST_CODE, `${READ} ${VMCALL} ${WRITE} ${VMCALL}`);
    vmx.write({ GUEST_RIP: GUEST_CODE });
    vmx.enter(undefined, 5);
    expect(flags(0, DATA)).toBe(A);
    vmx.write({ GUEST_RIP: GUEST_CODE + 5 });
    vmx.enter(VMRESUME, 5);
    expect([vmx.reason, flags(0, DATA)]).toEqual([Reason.VMCALL, A | D]);
  });
  it('take a walk of guest paging structures for a write to each, flags of the guest set or not', () => {
    mapLinear(vmx, 0, DATA, 0x67);
    vmx.lab.set({ rsi: LINEAR });
    expect(run(READ)).toBe(Reason.VMCALL);
    expect(TABLE_PAGES.map((page) => flags(0, page))).toEqual([A | D, A | D, A | D, A | D]);
    expect(flags(0, DATA)).toBe(A);
  });
  it('demand the right to write to guest paging structures', () => {
    mapLinear(vmx, 0, DATA, 0x67);
    ept.set(GUEST_TABLE, Ept.R);
    vmx.lab.set({ rsi: LINEAR });
    expect(run(READ)).toBe(Reason.EPT_VIOLATION);
    expect(vmx.qualification & 0x1bfn).toBe(
      Violation.READ | Violation.WRITE | (Ept.R << Violation.RIGHTS) | Violation.LINEAR,
    );
  });
  it('do not exist where bit 6 of the EPT pointer is 0: bits 8 and 9 are ignored', () => {
    ept.change(0, OTHER, 0n, D);
    expect(run(WRITE, { EPTP: ept.pointer, ...controls({ secondary: Secondary.EPT }) })).toBe(Reason.VMCALL);
    expect([3, 2, 1, 0].map((level) => flags(level, DATA))).toEqual([0n, 0n, 0n, 0n]);
    expect(flags(0, OTHER)).toBe(D);
  });
  it('stay as they are where the access is a violation', () => {
    ept.set(DATA, Ept.R);
    expect(run(WRITE)).toBe(Reason.EPT_VIOLATION);
    expect(flags(0, DATA) & D).toBe(0n);
  });
});

describe('page-modification logging', () => {
  it('logs the page of each write that sets a dirty flag, from the index down', () => {
    vmx.lab.set({ rdi: OTHER + 0xff8 });
    expect(run(`${WRITE} 89 07 ${WRITE}`)).toBe(Reason.VMCALL);
    expect(withoutTables(log())).toEqual([DATA, OTHER]);
    expect(logged(index())).toBe(0n);
  });
  it('logs guest paging structures, in the order of the walk, before the page itself', () => {
    mapLinear(vmx, 0, DATA);
    vmx.lab.set({ rsi: LINEAR + 0x123 });
    expect(run(WRITE)).toBe(Reason.VMCALL);
    expect(log()).toEqual([...TABLE_PAGES, DATA]);
  });
  it('logs the page of 4 KBytes that was written to in one of 2 MBytes', () => {
    ept.setLarge(0x200000, Ept.ALL);
    vmx.lab.set({ rsi: HIGH + 0x10 });
    expect(run(WRITE)).toBe(Reason.VMCALL);
    expect(withoutTables(log())).toEqual([HIGH]);
  });
  it('logs neither reads nor writes to pages that are dirty', () => {
    ept.set(OTHER, Ept.ALL | A | D);
    vmx.lab.set({ rdi: OTHER });
    expect(run(`${READ} 89 07`)).toBe(Reason.VMCALL);
    expect(withoutTables(log())).toEqual([]);
  });
  it('logs both pages of a write that crosses', () => {
    vmx.lab.set({ rsi: OTHER - 2 });
    expect(run(WRITE)).toBe(Reason.VMCALL);
    expect(withoutTables(log())).toEqual([DATA, OTHER]);
  });
  it('logs a page anew once its dirty flag was cleared and the translations dropped', () => {
    expect(run(WRITE)).toBe(Reason.VMCALL);
    ept.change(0, DATA, D);
    vmx.lab.put64(0x10300, ept.pointer | 0x40n);
    vmx.lab.put64(0x10308, 0n);
    vmx.lab.code(0x10400, '66 0f 38 80 03  invept rax, [rbx]');
    vmx.lab.set({ rip: 0x10400, rax: 1, rbx: 0x10300 });
    vmx.lab.step();
    vmx.write({ GUEST_RIP: GUEST_CODE });
    vmx.enter(VMRESUME, 5);
    expect([vmx.reason, withoutTables(log())]).toEqual([Reason.VMCALL, [DATA, DATA]]);
  });
  it('does not log without accessed and dirty flags', () => {
    expect(run(WRITE, { EPTP: ept.pointer })).toBe(Reason.VMCALL);
    expect(index()).toBe(511);
  });

  describe('with every paging structure of the guest dirty', () => {
    beforeEach(() => {
      for (const page of TABLE_PAGES) ept.set(page, Ept.ALL | A | D);
    });
    it('at index 0 logs there, and the index becomes FFFFH', () => {
      expect(run(WRITE, { PML_INDEX: 0 })).toBe(Reason.VMCALL);
      expect([logged(0), index()]).toEqual([BigInt(DATA), 0xffff]);
    });
    it.each([512, 0x8000, 0xffff])('at index %i exits before the write, and nothing has changed', (full) => {
      expect(run(WRITE, { PML_INDEX: full })).toBe(Reason.PML_FULL);
      expect([vmx.qualification, vmx.read('GUEST_RIP'), index()]).toEqual([0n, BigInt(GUEST_CODE), full]);
      expect([vmx.lab.view().getUint32(DATA + 0x678, true), flags(0, DATA) & D]).toEqual([0, 0n]);
    });
    it('goes on where the hypervisor has emptied the log', () => {
      expect(run(WRITE, { PML_INDEX: 0xffff })).toBe(Reason.PML_FULL);
      vmx.write({ PML_INDEX: 511 });
      vmx.enter(VMRESUME, 5);
      expect([vmx.reason, log()]).toEqual([Reason.VMCALL, [DATA]]);
      expect(vmx.lab.view().getUint32(DATA + 0x678, true)).toBe(0x1234);
    });
    it('does not exit where nothing is to be logged', () => {
      ept.set(DATA, Ept.ALL | A | D);
      expect(run(WRITE, { PML_INDEX: 0xffff })).toBe(Reason.VMCALL);
    });
    it('in the second page of a write exits before the first is written', () => {
      vmx.lab.set({ rsi: OTHER - 2 });
      expect(run(WRITE, { PML_INDEX: 0 })).toBe(Reason.PML_FULL);
      expect([logged(0), vmx.lab.view().getUint16(OTHER - 2, true)]).toEqual([BigInt(DATA), 0]);
    });
    it('in the delivery of an event tells which', () => {
      vmx.lab.gate64(0x40, BigInt(HANDLER), { ist: 1 });
      expect(run('cd 40', { PML_INDEX: 0xffff })).toBe(Reason.PML_FULL);
      expect([vmx.read('IDT_VECTORING_INFORMATION'), vmx.read('EXIT_INSTRUCTION_LENGTH')]).toEqual([0x80000440n, 2n]);
    });
    it('in IRET tells that NMIs were unblocked', () => {
      // The frame is read: what IRET writes to is a descriptor, whose accessed flag it sets.
      const frame = IST - 0x100;
      for (const [n, value] of [GUEST_CODE + 2, 0x18, 2, IST, 0x10].entries())
        vmx.lab.put64(frame + 8 * n, BigInt(value));
      vmx.lab.view().setUint8(GDT + 0x18 + 5, 0x9a);
      const pin = { PIN_BASED_CONTROLS: 0x16 | Pin.NMI | Pin.VIRTUAL_NMIS };
      expect(run('48 cf', { ...pin, PML_INDEX: 0xffff, GUEST_INTERRUPTIBILITY_STATE: 8, GUEST_RSP: frame })).toBe(
        Reason.PML_FULL,
      );
      expect([vmx.qualification, vmx.read('GUEST_INTERRUPTIBILITY_STATE')]).toEqual([Violation.UNBLOCKED_BY_IRET, 0n]);
    });
  });
});
