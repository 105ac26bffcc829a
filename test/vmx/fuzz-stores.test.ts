/**
 * Ordinary stores into the region of the current VMCS, at any time: between a VM exit and VMRESUME, while the guest runs, by
 * the guest itself. The processor stays in its memory and its budget, its own data stays as it is, and entries that fail
 * name their rule. (The test build also asserts that what needs no check would pass it.)
 */
import { expect, it } from 'vitest';
import { GPRS } from '../../src/core/types.ts';
import { offsetOf, VMCS_FIELDS } from '../../src/isa/vmx/fields.ts';
import { outside, watchOwnData } from '../exec/outside.ts';
import { randomNumbers } from '../random.ts';
import { controls, Pin, Primary, Secondary } from './controls.ts';
import { ExtendedTables } from './ept.ts';
import {
  BITMAPS,
  GUEST_CODE,
  HOST_CODE,
  LINK,
  MSR_LIST,
  VMCS,
  VMLAUNCH,
  VMRESUME,
  type VmxLab,
  vmxLab,
} from './lab.ts';
import { APIC_PAGE, VIRTUAL_APIC } from './virtual-apic.ts';

/** Guests, and entries of each. By hand: VMX_STORES=100000. */
const GUESTS = Number(process.env.VMX_STORES ?? 400);
const ENTRIES = 6;
const BUDGET = 30;
const SHADOWING = 0x4000;
const RAM_END = 0x400000;
const ENTRY_FAILURE = 0x8000_0000;
const NO_EXIT = 0xffff;
const NOTIFICATION = 0xf2;

/** Loads, stores, VMREAD, VMWRITE, control registers, MSRs, ports, interrupts, CR8, VMFUNC, and exits. */
// biome-ignore format: a line per kind
const PIECES = [
  '8b 06', '48 89 06', '89 07', 'a5', '83 0e 01', 'f0 48 0f c1 1e', '50', '58',
  '0f 78 c8', '0f 79 c8', '0f 01 d4', '0f 20 d8', '0f 22 d8', '0f 20 c0', '0f 22 c0', '44 0f 20 c1', '44 0f 22 c1', '0f 30', '0f 32',
  'e4 80', 'e6 80', 'cd 40', 'fb', 'fa', 'f4', '0f a2', '0f 01 c1', '0f 06', '48 0f c7 2e', '90',
];
/** All that takes an address of its own or a bound. */
const CONTROLS = {
  ...controls({
    pin: Pin.EXTERNAL | Pin.POSTED,
    primary: Primary.CR3_LOAD | Primary.TPR_SHADOW | Primary.MSR_BITMAPS | 0x2000000,
    secondary:
      Secondary.EPT | Secondary.VPID | Secondary.PML | Secondary.VE | Secondary.FUNCTIONS | Secondary.VIRTUAL_INTERRUPTS | Secondary.APIC_ACCESSES | SHADOWING,
    exit: 0x8000,
  }),
  VPID: 1,
  CR3_TARGET_COUNT: 2,
  PML_ADDRESS: 0x4b000,
  PML_INDEX: 511,
  VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS: 0x4c000,
  VIRTUAL_APIC_ADDRESS: VIRTUAL_APIC,
  APIC_ACCESS_ADDRESS: APIC_PAGE,
  POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: 0x4a000,
  POSTED_INTERRUPT_NOTIFICATION_VECTOR: NOTIFICATION,
  MSR_BITMAPS_ADDRESS: BITMAPS,
  IO_BITMAP_A_ADDRESS: BITMAPS + 0x1000,
  IO_BITMAP_B_ADDRESS: BITMAPS + 0x1000,
  VMREAD_BITMAP_ADDRESS: BITMAPS + 0x1000,
  VMWRITE_BITMAP_ADDRESS: BITMAPS + 0x1000,
  VMCS_LINK_POINTER: LINK,
  VM_FUNCTION_CONTROLS: 1,
  EPTP_LIST_ADDRESS: 0x4e000,
  EXIT_MSR_STORE_ADDRESS: MSR_LIST,
  EXIT_MSR_STORE_COUNT: 1,
  EXIT_MSR_LOAD_ADDRESS: MSR_LIST + 0x100,
  EXIT_MSR_LOAD_COUNT: 1,
  ENTRY_MSR_LOAD_ADDRESS: MSR_LIST + 0x100,
  ENTRY_MSR_LOAD_COUNT: 1,
}; // biome-ignore format: a line of controls

async function makeLab(): Promise<VmxLab> {
  const vmx = await vmxLab(true, 'max,+vmx', { extraBytes: 0x10000 });
  const { lab } = vmx;
  lab.core.mapExtra(0, 0xffff0000, 0, 0x10000, 'rom');
  lab.core.writeMsr(0x1b, 0xfee00d00n);
  lab.core.writeMsr(0x80f, 0x1ffn);
  lab.code(HOST_CODE, 'eb fe');
  for (let vector = 0; vector < 256; vector++) lab.gate64(vector, BigInt(GUEST_CODE + (vector & 15)));
  const ept = new ExtendedTables(vmx);
  lab.put64(0x4e000, ept.pointer);
  lab.put32(LINK, Number(lab.core.readMsr(0x480)) | 0x80000000);
  lab.put32(MSR_LIST, 0x277);
  lab.put32(MSR_LIST + 0x100, 0xc0000103);
  vmx.write({ ...CONTROLS, EPTP: ept.pointer | 0x40n });
  return vmx;
}

it('stores into the region never take the processor out of its memory, its budget or its rules', async () => {
  const vmx = await makeLab();
  const { lab } = vmx;
  const next = randomNumbers(0x57075e5);
  const pick = <T>(all: readonly T[]): T => all[next() % all.length];
  const wide = () => (BigInt(next()) << 32n) | BigInt(next());
  const state = lab.core.saveState();
  const memory = lab.core.memory.bytes(0, lab.core.memory.size);
  const good = memory.slice();
  const own = await watchOwnData(lab);
  const seen = { entered: 0, refused: 0, failed: 0 };

  const nasty = (value: bigint) =>
    pick([
      value ^ (1n << BigInt(next() % 64)),
      value ^ (1n << BigInt(next() % 32)),
      wide(),
      BigInt((next() % 0x400) * 0x1000),
      BigInt(RAM_END - 1 - (next() % 16)),
      0xffff_ffffn,
      0xffff_ffff_ffff_ffffn,
      BigInt(next() & 0xfff),
    ]);
  const poke = () => {
    for (let k = 1 + (next() % 3); k > 0; k--) {
      const { name } = pick(VMCS_FIELDS);
      vmx.write({ [name]: nasty(vmx.read(name)) });
    }
    if (next() % 8 === 0) lab.view().setUint32(VMCS + 8 + 4 * (next() % 2), next(), true);
  };
  const run = () => {
    const before = lab.core.retired;
    lab.core.run(BUDGET);
    expect(lab.core.retired - before).toBeLessThanOrEqual(BUDGET);
  };
  /** False: the host is in no state to do it (a VMX abort, host fields that leave it no code). */
  const enter = (instruction: string) => {
    vmx.write({ EXIT_REASON: NO_EXIT });
    const before = lab.core.retired;
    vmx.enter(instruction, 1);
    if (lab.core.retired === before) return false;
    const { reason, error, brokenRule } = vmx;
    if (!vmx.inGuest && reason === NO_EXIT) {
      expect([4, 5, 7, 8]).toContain(error);
      if (error >= 7) expect(brokenRule).toBeDefined();
      seen.refused++;
    } else if (!vmx.inGuest && reason >= ENTRY_FAILURE) {
      if (reason === ENTRY_FAILURE + 33) expect(brokenRule).toBeDefined();
      seen.failed++;
    } else seen.entered++;
    return true;
  };
  const guest = () => {
    const code = Array.from({ length: 25 }, () => pick(PIECES)).join(' ');
    lab.code(GUEST_CODE, `${code} 0f 01 c1`);
    for (const name of GPRS) if (name !== 'rsp') lab.set({ [name]: pick([wide(), BigInt(next() & 0xffff), 0x277n]) });
    const region = () => VMCS + offsetOf(pick(VMCS_FIELDS).encoding);
    lab.set({ rsi: region(), rdi: region() });
  };
  const round = () => {
    lab.core.loadState(state);
    memory.set(good);
    for (let n = 0; n < ENTRIES; n++) {
      guest();
      if (n > 0 && next() % 2 === 0) poke();
      if (n > 0 && next() % 3 > 0) vmx.write({ GUEST_RIP: GUEST_CODE });
      if (!enter(n === 0 ? VMLAUNCH : VMRESUME)) break;
      if (next() % 4 === 0) lab.core.deliverMsi(0xfee00000, NOTIFICATION);
      run();
      poke();
      run();
      if (vmx.inGuest) break;
    }
  };

  for (let n = 0; n < GUESTS; n++) {
    round();
    if (n % 64 !== 0) continue;
    for (const part of outside(lab)) expect(part.every((byte) => byte === 0)).toBe(true);
    expect(own.isWhole).toBe(true);
  }
  expect(seen.entered).toBeGreaterThan(GUESTS);
  expect(seen.refused + seen.failed).toBeGreaterThan(GUESTS / 8);
}, 600_000);
