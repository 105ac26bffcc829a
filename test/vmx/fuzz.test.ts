/**
 * Random VMCS contents and random VMX instructions: the processor never leaves its memory or its budget, and every VM
 * entry goes through or fails for a reason that it can name.
 */
import { describe, expect, it } from 'vitest';
import { Stop } from '../../src/core/types.ts';
import { VMCS_FIELDS } from '../../src/isa/vmx/fields.ts';
import { CODE } from '../exec/lab.ts';
import { randomNumbers } from '../random.ts';
import { GUEST_CODE, HOST_CODE, VMCS, VMLAUNCH, type VmxLab, vmxLab } from './lab.ts';

const ENTRIES = 3000;
const PROGRAMS = 300;
const BUDGET = 2000;
const INVALID_STATE = 33;
const MSR_LOAD_FAIL = 34;
const ENTRY_FAILURE = 0x8000_0000;

const wide = (next: () => number): bigint => (BigInt(next()) << 32n) | BigInt(next());

/** A value that is likely to be nearly right: what was there with bits flipped, an address, or anything. */
function mutate(value: bigint, next: () => number): bigint {
  switch (next() % 4) {
    case 0:
      return value ^ (1n << BigInt(next() % 64));
    case 1:
      return BigInt((next() % 0x400) * 0x1000);
    case 2:
      return BigInt(next() % 0x1000);
    default:
      return wide(next);
  }
}

const region = (vmx: VmxLab): Uint8Array => vmx.lab.core.memory.bytes(VMCS, 0x1000);

describe('a VMCS with random fields', () => {
  it.each([true, false])(
    'is entered, or refused by a rule that has a name (64-bit: %s)',
    async (long) => {
      const vmx = await vmxLab(long);
      const next = randomNumbers(0x1234_5678);
      const good = region(vmx).slice();
      const state = vmx.lab.core.saveState();
      const seen = { entered: 0, refused: 0, failed: 0 };
      for (let n = 0; n < ENTRIES; n++) {
        vmx.lab.core.loadState(state);
        region(vmx).set(good);
        for (let k = 1 + (next() % 3); k > 0; k--) {
          const field = VMCS_FIELDS[next() % VMCS_FIELDS.length].name;
          vmx.write({ [field]: mutate(vmx.read(field), next) });
        }
        vmx.write({ EXIT_REASON: 0xffff });
        vmx.enter(VMLAUNCH, 1);
        const reason = vmx.reason;
        if (vmx.error !== 0) {
          expect([7, 8]).toContain(vmx.error);
          expect(vmx.brokenRule).toBeDefined();
          seen.refused++;
        } else if (reason >= ENTRY_FAILURE) {
          const basic = reason - ENTRY_FAILURE;
          expect([INVALID_STATE, MSR_LOAD_FAIL]).toContain(basic);
          if (basic === INVALID_STATE) expect(vmx.brokenRule).toBeDefined();
          seen.failed++;
        } else seen.entered++;
        // Whatever the guest or the host is now, it keeps to its budget.
        const before = vmx.lab.core.retired;
        vmx.lab.core.run(50);
        expect(vmx.lab.core.retired - before).toBeLessThanOrEqual(50);
      }
      for (const count of Object.values(seen)) expect(count).toBeGreaterThan(ENTRIES / 100);
    },
    120_000,
  );
});

/** VMX instructions on [RAX] to [RDI], VMREAD and VMWRITE between registers, and what a hypervisor does besides. */
const PIECES = [
  ...['f3 0f c7 30', '66 0f c7 33', '0f c7 33', '0f c7 39', '0f 01 c1', '0f 01 c2', '0f 01 c3', '0f 01 c4', '0f 01 d4'],
  ...['0f 78 c8', '0f 79 c8', '0f 78 0b', '66 0f 38 80 0b', '66 0f 38 81 0b', '0f a2', 'f4', '0f 20 d8', '0f 22 d8'],
  ...[
    '48 c7 c0 00 00 04 00',
    '48 c7 c3 00 10 04 00',
    '48 ff c1',
    '48 ff c0',
    'e6 80',
    '0f 30',
    '0f 32',
    'fb',
    'fa',
    '90',
  ],
];

describe('random VMX instructions', () => {
  it('neither hang the processor nor take it out of its memory', async () => {
    const vmx = await vmxLab(true);
    const next = randomNumbers(0x8765_4321);
    const state = vmx.lab.core.saveState();
    const good = region(vmx).slice();
    const stops = new Set<number>();
    for (let n = 0; n < PROGRAMS; n++) {
      vmx.lab.core.loadState(state);
      region(vmx).set(good);
      for (const at of [CODE + 0x200, HOST_CODE, GUEST_CODE]) {
        const code = Array.from({ length: 40 }, () => PIECES[next() % PIECES.length]).join(' ');
        vmx.lab.code(at, `${code} eb fe`);
      }
      vmx.lab.set({ rip: CODE + 0x200, rax: CODE + 0x80, rbx: CODE + 0x88, rcx: wide(next) & 0x7fffn });
      const before = vmx.lab.core.retired;
      stops.add(vmx.lab.core.run(BUDGET));
      expect(vmx.lab.core.retired - before).toBeLessThanOrEqual(BUDGET);
    }
    expect(stops).toContain(Stop.BUDGET);
  }, 120_000);
});
