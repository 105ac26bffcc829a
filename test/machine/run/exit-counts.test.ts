// Exits to the machine around a processor of functions, counted as KVM would.
import { describe, expect, it } from 'vitest';
import { Stop } from '../../../src/core/types.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { Report } from '../../../src/machine/run/report.ts';
import { type FakeInstruction, fakeCore, hlt, out, sti } from '../fake-core.ts';

/** Interrupt controllers ready at vectors 0x20 and 0x28, ending interrupts by themselves; a timer of a millisecond. */
const TIMER: FakeInstruction[] = [
  ...[out(0x20, 0x11), out(0x21, 0x20, 4, 3), out(0xa0, 0x11), out(0xa1, 0x28, 2, 3), out(0x21, 0xfe)],
  ...[out(0x43, 0x34), out(0x40, 1193 & 0xff, 1193 >> 8)],
];
const hltForGood: FakeInstruction = (_bus, core) => {
  core.set('rflags', 2n);
  return Stop.HALT;
};

async function exitsOf(program: FakeInstruction[]): Promise<Report['exits']> {
  const { createCore } = fakeCore(program);
  const flat = { address: 0x7c00, mode: 16 } as const;
  const machine = await Machine.create({ kernel: Uint8Array.of(0x90), flat, memory: '1M', createCore });
  await machine.run();
  return machine.report.exits;
}

describe('exits to the machine', () => {
  it('have KVM’s names, the most frequent first', async () => {
    const exits = await exitsOf([
      out(0x3f8, 65, 66),
      (bus) => void bus.portIn(0x60, 1),
      (bus) => void bus.mmioRead(0xd000_0000, 4),
      hlt,
    ]);
    expect(exits.every(({ cpu, level }) => cpu === 0 && level === 0)).toBe(true);
    expect(exits.map(({ reason, count }) => `${reason} ${count}`)).toEqual([
      'IO_OUT 2',
      'IO_IN 1',
      'MMIO_READ 1',
      'HLT 1',
    ]);
  });

  it('by HLT last until the processor wakes, one exit for each sleep', async () => {
    const halts = (await exitsOf([...TIMER, sti, hlt, hlt, hltForGood])).find(({ reason }) => reason === 'HLT');
    expect(halts?.count).toBe(3);
    // 1193 ticks of 838.1 ns.
    expect(halts?.mostNs).toBeGreaterThan(990_000);
    expect(halts?.mostNs).toBeLessThan(1_010_000);
    expect(halts?.totalNs).toBeLessThan(2 * 1_010_000);
  });
});
