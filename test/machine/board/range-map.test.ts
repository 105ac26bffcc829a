// Ranges that overlap: the first wins, and others answer where they stick out.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RangeMap } from '../../../src/machine/board/range-map.ts';

const at = (map: RangeMap<{ base: number; length: number }>, from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => map.find(from + n)?.base ?? null);

it('an address belongs to the range around it, and to nobody beyond', () => {
  const map = new RangeMap<{ base: number; length: number }>();
  map.set([
    { base: 8, length: 2 },
    { base: 2, length: 3 },
  ]);
  expect(at(map, 0, 11)).toEqual([null, null, 2, 2, 2, null, null, null, 8, 8, null]);
});

it('of ranges that overlap the first answers, as a search through the list would find', () => {
  const range = fc.record({ base: fc.nat(60), length: fc.integer({ min: 1, max: 30 }) });
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), fc.array(fc.nat(99)), (ranges, addresses) => {
      const map = new RangeMap<(typeof ranges)[number]>();
      map.set(ranges);
      for (const address of addresses) {
        const first = ranges.find(({ base, length }) => address >= base && address < base + length) ?? null;
        expect(map.find(address)).toBe(first);
      }
    }),
    { seed: 5, numRuns: 300 },
  );
});
