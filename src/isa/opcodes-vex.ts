/**
 * VEX-encoded instructions on general-purpose registers (BMI1, BMI2), after SDM Vol. 2. The notation is explained in
 * table.ts.
 */
import type { Row } from './table.ts';

// biome-ignore format: a table, read column by column
export const vexRows: readonly Row[] = [
  { code: 'VEX.LZ.NP.0F38 F2',    op: 'andn',   args: 'Gy,By,Ey', feature: 'bmi1' },
  { code: 'VEX.LZ.NP.0F38 F3 /1', op: 'blsr',   args: 'By,Ey',    feature: 'bmi1' },
  { code: 'VEX.LZ.NP.0F38 F3 /2', op: 'blsmsk', args: 'By,Ey',    feature: 'bmi1' },
  { code: 'VEX.LZ.NP.0F38 F3 /3', op: 'blsi',   args: 'By,Ey',    feature: 'bmi1' },
  { code: 'VEX.LZ.NP.0F38 F5',    op: 'bzhi',   args: 'Gy,Ey,By', feature: 'bmi2' },
  { code: 'VEX.LZ.F3.0F38 F5',    op: 'pext',   args: 'Gy,By,Ey', feature: 'bmi2' },
  { code: 'VEX.LZ.F2.0F38 F5',    op: 'pdep',   args: 'Gy,By,Ey', feature: 'bmi2' },
  { code: 'VEX.LZ.F2.0F38 F6',    op: 'mulx',   args: 'Gy,By,Ey', feature: 'bmi2' },
  { code: 'VEX.LZ.NP.0F38 F7',    op: 'bextr',  args: 'Gy,Ey,By', feature: 'bmi1' },
  { code: 'VEX.LZ.66.0F38 F7',    op: 'shlx',   args: 'Gy,Ey,By', feature: 'bmi2' },
  { code: 'VEX.LZ.F3.0F38 F7',    op: 'sarx',   args: 'Gy,Ey,By', feature: 'bmi2' },
  { code: 'VEX.LZ.F2.0F38 F7',    op: 'shrx',   args: 'Gy,Ey,By', feature: 'bmi2' },
  { code: 'VEX.LZ.F2.0F3A F0',    op: 'rorx',   args: 'Gy,Ey,Ib', feature: 'bmi2' },
];
