// Where things go in guest memory, and the map the guest is told.
import { describe, expect, it } from 'vitest';
import { MemoryLayout, memoryMap } from '../../../src/machine/firmware/memory-layout.ts';

const MIB = 0x10_0000;

describe('the memory map of the board', () => {
  it('offers conventional memory and all from 1 MiB on, and reserves what lies under the BIOS', () => {
    const available = memoryMap(64 * MIB).filter(({ type }) => type === 1);
    expect(available).toEqual([
      { base: 0, length: 0x9_fc00, type: 1 },
      { base: MIB, length: 63 * MIB, type: 1 },
    ]);
    expect(memoryMap(4000 * MIB).slice(3)).toEqual([
      { base: MIB, length: 2815 * MIB, type: 1 },
      { base: 4096 * MIB, length: 1184 * MIB, type: 1 },
    ]);
    expect(memoryMap(MIB).filter(({ type }) => type === 1)).toHaveLength(1);
  });
});

describe('the layout of guest memory', () => {
  it('refuses what leaves RAM or meets another, and says where', () => {
    const layout = new MemoryLayout(2 * MIB);
    layout.take('a', MIB, 0x1000);
    expect(() => layout.take('b', MIB + 0xfff, 2)).toThrow('b at 0x100fff+0x2 overlaps a at 0x100000+0x1000');
    expect(() => layout.take('c', 2 * MIB - 1, 2)).toThrow('c at 0x1fffff+0x2 is outside RAM (0x200000 bytes)');
    layout.take('touching', MIB + 0x1000, 1);
  });

  it('places tables at the top of conventional memory, below what is there', () => {
    const layout = new MemoryLayout(2 * MIB);
    expect(layout.placeLow('first', 0x1001)).toBe(0x9_e000);
    expect(layout.placeLow('second', 1)).toBe(0x9_d000);
    layout.take('image', 0x1_0000, 0x8_c000);
    expect(layout.placeLow('third', 0x1000)).toBe(0x9_c000);
    expect(layout.placeLow('fourth', 0x1000)).toBe(0xf000);
  });

  it('places them above everything where conventional memory is full', () => {
    const layout = new MemoryLayout(2 * MIB);
    layout.take('image', 0x1000, 0x10_0000);
    expect(layout.placeLow('tables', 0x1000)).toBe(0x10_1000);
    expect(() => layout.placeHigh('module', MIB)).toThrow('module at 0x102000');
  });
});
