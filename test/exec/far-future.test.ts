// The timers of the processor itself, far beyond what a double counts: the seam between it and the run loop.
import { expect, it } from 'vitest';
import { createCore } from '../../src/core/index.ts';
import { NEVER } from '../../src/core/types.ts';

const bus = {
  portIn: () => 0,
  portOut: () => {},
  mmioRead: () => 0,
  mmioWrite: () => {},
  interruptAcknowledge: () => 0,
};
/** IA32_APIC_BASE and registers of the x2APIC: SDM Vol. 3A, "x2APIC Register Address Space". */
const Msr = { BASE: 0x1b, SPURIOUS: 0x80f, LVT_TIMER: 0x832, INITIAL: 0x838, DIVIDE: 0x83e } as const;

it('the APIC timer keeps its period after decades, to the nanosecond', async () => {
  const core = await createCore({ memoryBytes: 0x10_0000, bus });
  while (core.now < 2n ** 61n) core.advance(Number.MAX_SAFE_INTEGER);
  core.advance(1);
  core.memory.bytes(0x7c00, 2).set([0xeb, 0xfe]);
  core.setSegment('cs', { selector: 0, base: 0n, limit: 0xffff, rights: 0x9b });
  core.set('rip', 0x7c00n);
  expect(core.nextDeadline).toBe(NEVER);
  core.writeMsr(Msr.BASE, 0xfee0_0d00n);
  core.writeMsr(Msr.SPURIOUS, 0x1ffn);
  core.writeMsr(Msr.DIVIDE, 0b1011n);
  core.writeMsr(Msr.LVT_TIMER, 0x2_0040n);
  const start = core.now;
  core.writeMsr(Msr.INITIAL, 1001n);
  const period = core.nextDeadline - start;
  expect(period % 1001n).toBe(0n);
  for (let n = 2n; n < 6n; n++) {
    core.advance(Number(core.nextDeadline - core.now));
    core.run(1);
    expect(core.nextDeadline - start).toBe(n * period);
  }
});
