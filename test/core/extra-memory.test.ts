// Memory beside RAM: ROM from which a processor starts after reset, and RAM that moves.
import { expect, it } from 'vitest';
import { createCore } from '../../src/core/index.ts';
import { emptyBus, flat32 } from './guest.ts';

it('a processor fresh from reset fetches from ROM below 4 GiB', async () => {
  const core = await createCore({ memoryBytes: 1 << 20, extraBytes: 0x2000, bus: emptyBus });
  core.extra.set([0xea, 0x00, 0xf0, 0x00, 0xf0], 0xff0); // jmp f000:f000
  core.mapExtra(0, 0xffff_f000, 0, 0x1000, 'rom');
  core.memory.bytes(0xff000, 3).set([0xb0, 0x42, 0xf4]); // mov al, 0x42; hlt
  core.run(10);
  expect(core.get('rax') & 0xffn).toBe(0x42n);
});

// mov byte [0x40000000], 0x55; mov al, [0x40000000]; jmp $
const STORE_AND_LOAD = [0xc6, 0x05, 0, 0, 0, 0x40, 0x55, 0xa0, 0, 0, 0, 0x40, 0xeb, 0xfe];

it.each([
  ['rom', 0],
  ['ram', 0x55],
] as const)('a store to a slot of %s leaves %i', async (access, left) => {
  const core = await flat32(STORE_AND_LOAD, { extraBytes: 0x1000 });
  core.mapExtra(3, 0x4000_0000, 0, 0x1000, access);
  core.run(5);
  expect([core.extra[0], core.get('rax') & 0xffn]).toEqual([left, BigInt(left)]);
});

it('a slot defined again has left its old place', async () => {
  const core = await flat32(STORE_AND_LOAD, { extraBytes: 0x1000 });
  core.extra[0] = 7;
  core.mapExtra(3, 0x4000_0000, 0, 0x1000, 'ram');
  core.mapExtra(3, 0x5000_0000, 0, 0x1000, 'ram');
  core.run(5);
  expect([core.extra[0], core.get('rax') & 0xffn]).toEqual([7, 0xffn]);
});

it('a slot that leaves the memory beside RAM is refused', async () => {
  const core = await flat32([], { extraBytes: 0x1000 });
  expect(() => core.mapExtra(0, 0, 0x1000, 0x1000, 'ram')).toThrow('4096+4096 is not in the 4096 bytes');
  expect(() => core.mapExtra(12, 0, 0, 0x1000, 'ram')).toThrow('slot 12');
});
