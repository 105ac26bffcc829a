/**
 * THE opcode table: every instruction of the processor, one row per encoding. Everything that decodes reads it: the
 * processor's decode tables, the disassembler, the translator, the tests and the list of what is implemented.
 */
import { twoByteRows } from './opcodes-0f.ts';
import { rows0f38 } from './opcodes-0f38.ts';
import { oneByteRows } from './opcodes-one-byte.ts';
import { vexRows } from './opcodes-vex.ts';
import type { Row } from './table.ts';

export const rows: readonly Row[] = [...oneByteRows, ...twoByteRows, ...rows0f38, ...vexRows];
