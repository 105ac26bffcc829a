/** Cache control: what its address meets (SDM Vol. 2A, "CLFLUSH—Flush Cache Line"). */
import { expect, it } from 'vitest';
import { CODE, HANDLER, longLab } from '../exec/lab.ts';

const DATA = 0x5000;
const CLFLUSH_RAX = '0f ae 38';

// "Executing CLFLUSH .. is treated as a load" for protection; recorded Intel silicon takes it for one at breakpoints too.
it.each([
  ['a data breakpoint for reads and writes', 0x3_0003n, true],
  ['a data breakpoint for writes', 0x1_0003n, false],
])('CLFLUSH and %s: DR7 %s, met %s', async (_name, dr7, hit) => {
  const lab = await longLab();
  lab.gate64(1, BigInt(HANDLER));
  lab.set({ dr0: DATA, dr7: dr7 | 0x400n, rax: DATA });
  lab.code(CODE, `${CLFLUSH_RAX} 90`);
  lab.step(2);
  expect((lab.get('dr6') & 1n) !== 0n).toBe(hit);
});
