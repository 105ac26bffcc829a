/** IA32_TSC_DEADLINE (SDM Vol. 3A, "TSC-Deadline Mode"): an unsigned number, compared with an unsigned counter. */
import { beforeEach, expect, it } from 'vitest';
import { CODE, type Lab, longLab } from './lab.ts';

const APIC_BASE = 0x1b;
const X2APIC = 0xfee00d00n;
const SVR = 0x80f;
const LVT_TIMER = 0x832;
const DEADLINE_MODE = 0x40000n;
const VECTOR = 0x40n;
/** The word of the IRR that has the vector. */
const IRR = 0x822;
const TSC = 0x10;
const TSC_DEADLINE = 0x6e0;
const INSTRUCTIONS = 20;

let lab: Lab;
beforeEach(async () => {
  lab = await longLab();
  lab.core.writeMsr(APIC_BASE, X2APIC);
  lab.core.writeMsr(SVR, 0x1ffn);
  lab.core.writeMsr(LVT_TIMER, DEADLINE_MODE | VECTOR);
  lab.code(CODE, '90  nop\n 90  nop\n eb fc  jmp 0x10000');
});
/** Is the timer's interrupt requested within INSTRUCTIONS instructions? */
function fires(): boolean {
  lab.core.run(INSTRUCTIONS);
  return lab.core.readMsr(IRR) !== 0n;
}

it.each([0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn])(
  'a deadline of %d does not come, and is read back',
  (deadline) => {
    lab.core.writeMsr(TSC_DEADLINE, deadline);
    expect(fires()).toBe(false);
    expect(lab.core.readMsr(TSC_DEADLINE)).toBe(deadline);
  },
);

it('a deadline in the past comes at once', () => {
  lab.core.writeMsr(TSC, 1000n);
  lab.core.writeMsr(TSC_DEADLINE, 5n);
  expect(fires()).toBe(true);
});

it.each([
  ['comes', 10n, true],
  ['does not come before its time', 1000n, false],
])('a deadline beyond 2^63 on a counter beyond 2^63 %s', (_what, later, expected) => {
  const now = 0x9000_0000_0000_0000n;
  lab.core.writeMsr(TSC, now);
  lab.core.writeMsr(TSC_DEADLINE, now + later);
  expect(fires()).toBe(expected);
});

it('a counter that is set beyond an armed deadline makes it come', () => {
  lab.core.writeMsr(TSC_DEADLINE, 0xf000_0000_0000_0000n);
  expect(fires()).toBe(false);
  lab.core.writeMsr(TSC, 0xf000_0000_0000_0001n);
  expect(fires()).toBe(true);
});
