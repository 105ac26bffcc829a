/**
 * THE opcode table: every instruction of the processor, one row per encoding. Everything that decodes reads it: the
 * processor's decode tables, the disassembler, the translator, the tests and the list of what is implemented.
 */
import { twoByteRows } from './opcodes-0f.ts';
import { rows0f38 } from './opcodes-0f38.ts';
import { avxRows0f } from './opcodes-avx-0f.ts';
import { avxRows0f3a } from './opcodes-avx-0f3a.ts';
import { avxRows0f38 } from './opcodes-avx-0f38.ts';
import { fmaRows } from './opcodes-fma.ts';
import { oneByteRows } from './opcodes-one-byte.ts';
import { sseRows0f } from './opcodes-sse-0f.ts';
import { sseRows0f3a } from './opcodes-sse-0f3a.ts';
import { sseRows0f38 } from './opcodes-sse-0f38.ts';
import { vexRows } from './opcodes-vex.ts';
import { x87Rows } from './opcodes-x87.ts';
import type { Row } from './table.ts';

/** Instructions on general registers, system instructions included. */
export const integerRows: readonly Row[] = [...oneByteRows, ...twoByteRows, ...rows0f38, ...vexRows];

/** Instructions on x87 and vector registers. */
// biome-ignore format: by map
export const vectorRows: readonly Row[] = [
  ...x87Rows,
  ...sseRows0f, ...sseRows0f38, ...sseRows0f3a,
  ...avxRows0f, ...avxRows0f38, ...avxRows0f3a, ...fmaRows,
];

export const rows: readonly Row[] = [...integerRows, ...vectorRows];
