/**
 * Random contents of what the processor reads from memory for VMX: regions that ordinary stores overwrote, extended page
 * tables, virtual-APIC pages. The processor never leaves its memory or its budget, and names the rule of an entry that fails.
 */
import { beforeEach, expect, it } from 'vitest';
import { GPRS } from '../../src/core/types.ts';
import { outside } from '../exec/outside.ts';
import { randomNumbers } from '../random.ts';
import { controls, Pin, Primary, Reason, Secondary } from './controls.ts';
import { EPT, ExtendedTables, LINEAR, mapLinear } from './ept.ts';
import { GUEST_CODE, HOST_CODE, VMCS, VMLAUNCH, type VmxLab, vmxLab } from './lab.ts';
import { APIC_PAGE, VIRTUAL_APIC } from './virtual-apic.ts';

const ENTRIES = 1000;
const BUDGET = 60;
const ENTRY_FAILURE = 0x8000_0000;
/** Basic reasons of entries that fail late: guest state, MSRs. */
const LATE = [33, 34];
const PAGE = 0x1000;

let vmx: VmxLab;
let next: () => number;
const bytes = (at: number, length: number) => vmx.lab.core.memory.bytes(at, length);
const wide = () => (BigInt(next()) << 32n) | BigInt(next());
const pick = <T>(all: readonly T[]): T => all[next() % all.length];

beforeEach(async () => {
  vmx = await vmxLab();
  // The host of every VM exit waits.
  vmx.lab.code(HOST_CODE, 'eb fe');
});

/** Runs what there is for BUDGET instructions and events: what became of the entry. */
function outcome(): 'entered' | 'refused' | 'failed' {
  const before = vmx.lab.core.retired;
  vmx.enter(VMLAUNCH, 1);
  const reason = vmx.reason;
  const refused = vmx.error;
  const { brokenRule } = vmx;
  vmx.lab.core.run(BUDGET);
  expect(vmx.lab.core.retired - before).toBeLessThanOrEqual(BUDGET + 1);
  if (refused !== 0) {
    expect([4, 7, 8]).toContain(refused);
    if (refused !== 4) expect(brokenRule).toBeDefined();
    return 'refused';
  }
  if (reason < ENTRY_FAILURE) return 'entered';
  expect(LATE).toContain(reason - ENTRY_FAILURE);
  if (reason - ENTRY_FAILURE === LATE[0]) expect(brokenRule).toBeDefined();
  return 'failed';
}
function expectInside(): void {
  for (const memory of outside(vmx.lab)) expect(memory.every((byte) => byte === 0)).toBe(true);
}

/** By RSI and RDI: loads, stores, read-modify-writes, string instructions, calls and jumps; what exits; CPU time. */
// biome-ignore format: a line per kind
const PIECES = [
  '8b 06', '48 8b 07', '89 07', '48 89 06', '83 0e 01', 'f0 48 0f c1 1e', 'a4', '48 a5', 'f3 aa', 'ff e6', 'ff d6', '0f c7 0f',
  '0f a2', '0f 01 c1', '0f 20 d8', '0f 22 d8', '0f 01 3e', '44 0f 20 c1', '44 0f 22 c1', '0f 30', '0f 32', 'cd 40', 'cc', '0f 0b',
  '48 81 c6 00 10 00 00', '48 81 c7 00 10 00 00', '48 81 ee 00 30 00 00', '48 83 c6 0e', '50', '58', 'fb', 'fa', 'f4', 'f3 90', '90',
];
/** The same of the APIC: its registers by address and by number, the TPR by its own name. */
// biome-ignore format: a line per kind
const APIC_PIECES = [
  '8b 06', '89 06', '8b 07', '89 07', '88 07', '83 0e 01', '0f 30', '0f 32', '44 0f 22 c0', '44 0f 20 c3', 'fb', 'fa', 'f4', '90', '48 cf',
];
function randomGuest(pieces = PIECES): void {
  vmx.lab.code(GUEST_CODE, `${Array.from({ length: 30 }, () => pick(pieces)).join(' ')} eb fe`);
  for (const name of GPRS)
    if (name !== 'rsp')
      vmx.lab.set({ [name]: pick([BigInt(next() & 0x3fffff), BigInt(LINEAR + (next() & 0xfff)), wide()]) });
}

it('a VMCS region that ordinary stores overwrote is entered, or refused by a rule that has a name', () => {
  next = randomNumbers(0x0badcafe);
  const state = vmx.lab.core.saveState();
  const good = bytes(VMCS, PAGE).slice();
  const seen = { entered: 0, refused: 0, failed: 0 };
  for (let n = 0; n < ENTRIES; n++) {
    vmx.lab.core.loadState(state);
    const region = bytes(VMCS, PAGE);
    region.set(good);
    const kind = next() % 4;
    if (kind === 0) for (let at = 8; at < PAGE; at++) region[at] = next();
    else for (let k = 0; k < kind * kind * 2; k++) region[8 + (next() % (PAGE - 8))] = next();
    vmx.write({ EXIT_REASON: 0xffff });
    randomGuest();
    seen[outcome()]++;
  }
  expectInside();
  expect(seen.refused).toBeGreaterThan(ENTRIES / 10);
  expect(seen.entered + seen.failed).toBeGreaterThan(ENTRIES / 20);
});

it('a guest under random extended page tables exits, or does what they allow', () => {
  next = randomNumbers(0x600df00d);
  const tables = 5 * PAGE;
  const ept = new ExtendedTables(vmx);
  mapLinear(vmx, 0, 0x61000);
  vmx.write({
    ...controls({
      primary: Primary.MSR_BITMAPS,
      secondary: Secondary.EPT | Secondary.PML | Secondary.VE | Secondary.MODE_BASED_EXECUTE,
    }),
    MSR_BITMAPS_ADDRESS: 0x42000,
    PML_ADDRESS: 0x4b000,
    VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS: 0x4c000,
  });
  const state = vmx.lab.core.saveState();
  const good = bytes(VMCS, PAGE).slice();
  const straight = bytes(EPT, tables).slice();
  const reasons = new Set<number>();
  for (let n = 0; n < ENTRIES; n++) {
    vmx.lab.core.loadState(state);
    bytes(VMCS, PAGE).set(good);
    bytes(EPT, tables).set(straight);
    for (let k = next() % 200; k > 0; k--) {
      // Entries of pages that matter are met more often than the rest.
      const at = EPT + (k % 4 === 0 ? (next() % 5) * PAGE + 8 * (next() % 3) : 3 * PAGE + 8 * (next() % 128));
      const entry = vmx.lab.view().getBigUint64(at, true);
      const page = BigInt(next() % 0x400) << 12n;
      vmx.lab.put64(
        at,
        pick([entry ^ (1n << BigInt(next() % 64)), page | (entry & 0xfffn), page | BigInt(next() & 0xfff), wide()]),
      );
    }
    vmx.write({ EPTP: ept.pointer | pick([0n, 0x40n]), PML_INDEX: pick([511, 3, 0, 0xffff]), EXIT_REASON: 0xffff });
    randomGuest();
    expect(outcome()).toBe('entered');
    reasons.add(vmx.reason);
  }
  expectInside();
  for (const reason of [Reason.EPT_VIOLATION, Reason.EPT_MISCONFIGURATION, Reason.PML_FULL])
    expect(reasons).toContain(reason);
});

it('a guest with a random virtual-APIC page and random requests exits, or goes on', () => {
  next = randomNumbers(0x5eed1234);
  vmx.lab.core.writeMsr(0x1b, 0xfee00d00n);
  vmx.lab.core.writeMsr(0x80f, 0x1ffn);
  vmx.write({
    VIRTUAL_APIC_ADDRESS: VIRTUAL_APIC, APIC_ACCESS_ADDRESS: APIC_PAGE, MSR_BITMAPS_ADDRESS: 0x42000, POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: 0x4a000,
    POSTED_INTERRUPT_NOTIFICATION_VECTOR: 0xf2,
  }); // biome-ignore format: a line of fields
  for (let vector = 0; vector < 256; vector++) vmx.lab.gate64(vector, BigInt(GUEST_CODE + (vector & 15)));
  const state = vmx.lab.core.saveState();
  const good = bytes(VMCS, PAGE).slice();
  const reasons = new Set<number>();
  for (let n = 0; n < ENTRIES; n++) {
    vmx.lab.core.loadState(state);
    bytes(VMCS, PAGE).set(good);
    for (const at of [VIRTUAL_APIC, 0x4a000])
      for (let k = 0; k < 0x400; k++) bytes(at + k, 1)[0] = (next() & 3) === 0 ? next() : 0;
    const mode = pick([Secondary.APIC_ACCESSES, Secondary.X2APIC]) | pick([0, Secondary.APIC_REGISTERS]);
    vmx.write({
      ...controls({
        pin: Pin.EXTERNAL | Pin.POSTED, primary: Primary.TPR_SHADOW | Primary.MSR_BITMAPS, secondary: mode | Secondary.VIRTUAL_INTERRUPTS, exit: 0x8000,
      }),
      GUEST_INTERRUPT_STATUS: next() & 0xffff,
      GUEST_RFLAGS: pick([2, 0x202]),
      GUEST_ACTIVITY_STATE: pick([0, 0, 0, 1]),
      EOI_EXIT_BITMAP_1: wide(),
      EXIT_REASON: 0xffff,
    }); // biome-ignore format: a line of controls
    randomGuest(APIC_PIECES);
    vmx.lab.set({
      rsi: APIC_PAGE + (next() & 0xff0),
      rdi: APIC_PAGE + (next() & 0xfff),
      rcx: 0x800 + (next() & 0x3f),
      rdx: 0,
      rax: pick([0, next() & 0xff, next()]),
    });
    if (next() % 2 === 0) vmx.lab.core.deliverMsi(0xfee00000, pick([0xf2, 0xf2, 0x33]));
    expect(outcome()).toBe('entered');
    reasons.add(vmx.reason);
  }
  expectInside();
  for (const reason of [Reason.APIC_ACCESS, Reason.APIC_WRITE, Reason.EXTERNAL_INTERRUPT])
    expect(reasons).toContain(reason);
});
