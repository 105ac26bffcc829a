/** The README's table of instructions counts what the opcode table has. */
import { expect, it } from 'vitest';
import { familyOf, implementedTable } from '../../src/isa/implemented.ts';
import { integerRows, rows } from '../../src/isa/opcodes.ts';

it('every row belongs to a family', () => {
  for (const row of rows) expect(familyOf(row)).not.toBe('');
});

it('a family that is complete shows its size, one that is not shows of how many, one that is absent is not there', () => {
  expect(implementedTable((row) => row.feature === 'vmx')).toBe(
    '| Family | Instructions |\n| --- | --- |\n| VMX | 13 |\n',
  );
  const table = implementedTable((row) => integerRows.includes(row));
  expect(table).toMatch(/^\| SVM \| 7 \|$/m);
  expect(table).toMatch(/^\| SSE2 \| 3 of \d+ \|$/m);
  expect(table).not.toContain('x87');
});
