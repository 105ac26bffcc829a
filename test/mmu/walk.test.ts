/** Formats of paging-structure entries that depend on the model (SDM Vol. 3A, "Paging", and CPUID's PSE-36 and Page1GB). */
import { describe, expect, it } from 'vitest';
import { CODE, HANDLER, longLab, protectedLab, TABLES } from '../exec/lab.ts';

const RESERVED = 9n;

describe('a page-directory-pointer-table entry of a 1-GiB page', () => {
  async function read(cpu: string) {
    const lab = await longLab(cpu);
    lab.gate64(14, BigInt(HANDLER));
    lab.put64(TABLES + 0x1008, 0x87n);
    lab.put32(0x60000, 0x1234);
    lab.code(CODE, '8b 06');
    lab.set({ rip: CODE, rsi: 0x4006_0000 });
    lab.step(1);
    return lab;
  }
  it('maps it where the model has such pages', async () => {
    expect((await read('max')).get('rax')).toBe(0x1234n);
  });
  it('has a reserved bit set where it has not', async () => {
    const lab = await read('max,-pdpe1gb');
    expect([lab.get('rip'), lab.get('cr2')]).toEqual([BigInt(HANDLER), 0x4006_0000n]);
    expect(BigInt(lab.stack(8, 1)[0])).toBe(RESERVED);
  });
});

describe('bits 20:13 of a page-directory entry of a 4-MiB page', () => {
  async function read(cpu: string, entry: number) {
    const lab = await protectedLab(cpu);
    lab.gate32(14, HANDLER);
    lab.put32(TABLES, 0x83);
    lab.put32(TABLES + 4, entry);
    lab.put32(0x60000, 0x1234);
    lab.set({ cr3: TABLES, cr4: 0x10, cr0: 0x80000011, rsi: 0x46_0000 });
    lab.code(CODE, '8b 06');
    lab.step(1);
    return lab;
  }
  it('are address bits 39:32 with PSE-36', async () => {
    const lab = await read('max', 0x83 | (1 << 13));
    // There is no memory at 4 GiB: the bus answers.
    expect([lab.get('rip'), lab.get('rax')]).toEqual([BigInt(CODE + 2), 0n]);
  });
  it.each([13, 20, 21])('are reserved without it: bit %i', async (bit) => {
    const lab = await read('max,-pse36', 0x83 | (1 << bit));
    expect([lab.get('rip'), lab.get('cr2')]).toEqual([BigInt(HANDLER), 0x46_0000n]);
    expect(BigInt(lab.stack(4, 1)[0])).toBe(RESERVED);
  });
  it('may be 0 without it', async () => {
    expect((await read('max,-pse36', 0x83)).get('rax')).toBe(0x1234n);
  });
});
