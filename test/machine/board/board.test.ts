// The board under a guest that writes anything anywhere.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Width } from '../../../src/core/types.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { type FakeInstruction, fakeCore, forever, hlt, sti } from '../fake-core.ts';

const PORTS = [
  0x20, 0x21, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x92, 0xa0, 0xa1, 0xe0, 0xe4, 0xe8, 0xe9, 0x3f8,
  0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x4d0, 0x4d1, 0x510, 0x511, 0xcf9, 0x2000, 0x200f, 0x8900, 0xffff,
];
const WIDTHS: Width[] = [1, 2, 4];

describe('the board', () => {
  it('survives whatever a guest writes, and always answers with a value that fits', async () => {
    const access = fc.record({
      port: fc.constantFrom(...PORTS),
      width: fc.constantFrom(...WIDTHS),
      write: fc.boolean(),
      value: fc.nat(0xffff_ffff),
      pause: fc.constantFrom(0, 1, 1000, 1_000_000, 3_000_000_000),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(access, { maxLength: 60 }),
        fc.uint8Array({ maxLength: 40 }),
        async (accesses, typed) => {
          const program = accesses.map(
            ({ port, width, write, value, pause }): FakeInstruction =>
              (bus, core) => {
                if (write) bus.portOut(port, width, width === 4 ? value : value % 2 ** (8 * width));
                else {
                  const read = bus.portIn(port, width);
                  expect(Number.isInteger(read) && read >= 0 && read < 2 ** (8 * width)).toBe(true);
                }
                core.advance(pause);
              },
          );
          const { createCore } = fakeCore([sti, ...program, hlt, forever]);
          const machine = await Machine.create({
            kernel: Uint8Array.of(0),
            flat: { address: 0, mode: 16 },
            memory: '1M',
            devices: [{ type: 'pc-testdev' }],
            createCore,
          });
          machine.send(typed);
          const outcome = await machine.run({ instructions: 300 });
          expect(['halted', 'reset', 'powered-off', 'limit']).toContain(outcome.reason);
        },
      ),
      { seed: 16, numRuns: 150 },
    );
  });
});
