// Looking through a guest's page tables from outside, in every format.
import { describe, expect, it } from 'vitest';
import type { RegisterName } from '../../../src/core/types.ts';
import { readLinear, translate } from '../../../src/machine/host/translate.ts';
import { FakeCore } from '../fake-core.ts';

const [PRESENT, LARGE] = [1n, 0x80n];
const PG = 1n << 31n;
const [PSE, PAE, LA57] = [1n << 4n, 1n << 5n, 1n << 12n];
const LMA = 1n << 10n;

const guest = (registers: Partial<Record<RegisterName, bigint>>, entries: [at: number, entry: bigint][]): FakeCore => {
  const core = new FakeCore(0x10_0000, null as never, []);
  for (const [name, value] of Object.entries(registers)) core.set(name as RegisterName, value);
  for (const [at, entry] of entries) {
    const bytes = core.memory.bytes(at, 8);
    new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, entry, true);
  }
  return core;
};

describe('translation from outside', () => {
  it('is the identity without paging', () => {
    expect(translate(guest({ cr0: 1n }, []), 0x1234_5678n)).toBe(0x1234_5678);
  });

  it('walks two levels of 32-bit tables, and 4 MiB pages with PSE', () => {
    const core = guest({ cr0: PG, cr4: PSE, cr3: 0x1000n }, [
      [0x1000, 0x2000n | PRESENT],
      [0x1004, 0x0080_0000n | LARGE | PRESENT],
      [0x2000 + 4 * 5, 0x7000n | PRESENT],
    ]);
    expect(translate(core, 0x5123n)).toBe(0x7123);
    expect(translate(core, 0x40_0000n + 0x12_3456n)).toBe(0x92_3456);
    expect(translate(core, 0x6000n)).toBeNull();
  });

  it('walks PAE tables from their four pointers', () => {
    const core = guest({ cr0: PG, cr4: PAE, cr3: 0x1020n }, [
      [0x1028, 0x2000n | PRESENT],
      [0x2000, 0x3000n | PRESENT],
      [0x2008, 0x1_0020_0000n | LARGE | PRESENT],
      [0x3008, 0x8000_0000_0000_9000n | PRESENT],
    ]);
    expect(translate(core, 0x4000_1abcn)).toBe(0x9abc);
    expect(translate(core, 0x4020_0001n)).toBe(0x1_0020_0001);
    expect(translate(core, 0x1000n)).toBeNull();
  });

  it.each([
    [4, 0n],
    [5, LA57],
  ])('walks %i levels in long mode, with pages of 4 KiB, 2 MiB and 1 GiB', (levels, la57) => {
    const root = levels === 5 ? 0x1000n : 0x2000n;
    const core = guest({ cr0: PG, cr4: PAE | la57, efer: LMA, cr3: root | 0x18n }, [
      [0x1000, 0x2000n | PRESENT],
      [0x2000, 0x3000n | PRESENT],
      [0x3000, 0x4000n | PRESENT],
      [0x3008, 0x8000_0000n | LARGE | PRESENT],
      [0x4000, 0x5000n | PRESENT],
      [0x4008, 0x60_0000n | LARGE | PRESENT],
      [0x5008, 0xa000n | PRESENT],
    ]);
    expect(translate(core, 0x1fffn)).toBe(0xafff);
    expect(translate(core, 0x20_0004n)).toBe(0x60_0004);
    expect(translate(core, 0x4000_0008n)).toBe(0x8000_0008);
    expect(translate(core, 0x8000_0000n)).toBeNull();
  });

  it('reads up to a hole, and nothing through tables outside RAM', () => {
    const core = guest({ cr0: PG, cr3: 0x1000n }, [
      [0x1000, 0x2000n | PRESENT],
      [0x2000, 0x7000n | PRESENT],
    ]);
    core.memory.bytes(0x7ffe, 2).set([0xab, 0xcd]);
    expect([...readLinear(core, 0xffen, 8)]).toEqual([0xab, 0xcd]);
    core.set('cr3', 0x7fff_f000n);
    expect(readLinear(core, 0n, 4)).toHaveLength(0);
  });
});
