/** Enumerations that the generator reads from AssemblyScript. */
import { expect, it } from 'vitest';
import { enumMembers } from '../../../src/isa/gen/emit-enums.ts';

it('the members of an enumeration have the values that its compiler gives them', () => {
  const source = `export const enum Other { X }
/** What for. */
export const enum Kind {
  A, B = 4, /** the third */ C,
  // a comment, with a comma
  D = 0x10, E = 0x1_0000,
}`;
  expect(enumMembers(source, 'Kind')).toEqual([
    ['A', 0],
    ['B', 4],
    ['C', 5],
    ['D', 0x10],
    ['E', 0x1_0000],
  ]);
});

it('an enumeration that is not there, or says what the generator cannot read, is refused', () => {
  expect(() => enumMembers('const enum A { X }', 'B')).toThrow(/no enumeration B/);
  expect(() => enumMembers('const enum A { X = 1 << 3 }', 'A')).toThrow(/cannot read 'X = 1 << 3'/);
});
