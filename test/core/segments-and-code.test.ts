// Decoded code depends on the segments it was decoded under: what changes them ends a block, and links do not survive it.
import { expect, it } from 'vitest';
import { createCore } from '../../src/core/index.ts';
import { emptyBus, flat32, u32 } from './guest.ts';

/** GDT at 0x2000: null, flat code, flat data, data with base 0x10000. */
const GDT = [0n, 0x00cf9b000000ffffn, 0x00cf93000000ffffn, 0x00cf93010000ffffn];

async function withGdt(code: readonly number[]) {
  const core = await flat32(code);
  const gdt = core.memory.bytes(0x2000, 32);
  for (const [n, descriptor] of GDT.entries())
    new DataView(gdt.buffer, gdt.byteOffset).setBigUint64(8 * n, descriptor, true);
  core.set('gdtr.base', 0x2000n);
  core.set('gdtr.limit', 31n);
  return core;
}

it.each([
  ['MOV DS', [0x66, 0xb8, 0x18, 0, 0x8e, 0xd8]], // mov ax, 0x18; mov ds, ax
  ['POP DS', [0x6a, 0x18, 0x1f]], // push 0x18; pop ds
  ['LDS', [0xc5, 0x35, 0x00, 0x30, 0, 0]], // lds esi, [0x3000]
])('%s with another base takes effect on the next instruction', async (_name, load) => {
  const core = await withGdt([...load, 0xc6, 0x05, 0x00, 0x40, 0, 0, 0x55, 0xeb, 0xfe]); // mov byte [0x4000], 0x55
  core.memory.bytes(0x3004, 2).set([0x18, 0]);
  core.run(10);
  expect(u32(core, 0x14000)).toBe(0x55);
  expect(u32(core, 0x4000)).toBe(0);
});

it('code that ran with a flat DS is decoded anew when DS has a base', async () => {
  // loop: mov ds, bx; inc dword [0x4000]; xchg ebx, edx; loop
  const core = await withGdt([0x8e, 0xdb, 0xff, 0x05, 0x00, 0x40, 0, 0, 0x87, 0xda, 0xe2, 0xf4, 0xeb, 0xfe]);
  core.set('rbx', 0x10n);
  core.set('rdx', 0x18n);
  core.set('rcx', 10n);
  core.run(4 * 10 + 1);
  expect([u32(core, 0x4000), u32(core, 0x14000)]).toEqual([5, 5]);
});

it('real mode writes through CS, whatever it was loaded as', async () => {
  const core = await createCore({ memoryBytes: 1 << 20, bus: emptyBus });
  core.memory.bytes(0x1000, 6).set([0x2e, 0xc6, 0x06, 0x00, 0x20, 0x55]); // mov byte cs:[0x2000], 0x55
  core.setSegment('cs', { selector: 0, base: 0n, limit: 0xffff, rights: 0x9f });
  core.set('rip', 0x1000n);
  core.run(1);
  expect(core.get('rip')).toBe(0x1006n);
  expect(core.memory.bytes(0x2000, 1)[0]).toBe(0x55);
});
