/** Which registers beside the general ones a row uses, and so what must hold before its handler runs. */
import { vectorRows } from '../opcodes.ts';
import { x87Rows } from '../opcodes-x87.ts';
import { argsOf, parseCode, type Row } from '../table.ts';

export type Use = 'vex' | 'sse' | 'mmx' | 'x87' | 'wait';

const vectors = new Set(vectorRows);
const x87 = new Set(x87Rows);

/** What a row uses (SDM Vol. 2A, "Instruction Exception Specification"; Vol. 3A for x87 and MMX). */
export function usesOf(row: Row): Use[] {
  if (!vectors.has(row)) return [];
  if (row.op === 'wait') return ['wait'];
  if (x87.has(row) || row.feature === 'fxsr') return ['x87'];
  if (parseCode(row.code).vex) return ['vex'];
  const uses: Use[] = [];
  const has = (letters: string) => argsOf(row).some((arg) => letters.includes(arg[0]) && /^[A-Z][a-z]/.test(arg));
  if (has('VWU') || row.op.endsWith('mxcsr')) uses.push('sse');
  if (has('PQN') || row.op === 'emms') uses.push('mmx');
  return uses;
}

/** Does the row first report a pending x87 exception (SDM Vol. 1, "x87 FPU Exception Synchronization"; "MMX Technology")? */
export function waits(row: Row): boolean {
  if (x87.has(row)) return row.op === 'fnop' || !row.op.startsWith('fn');
  return usesOf(row).includes('mmx') && !convertsFromMemory(row);
}
/** A conversion from memory touches no MMX register. */
function convertsFromMemory(row: Row): boolean {
  return argsOf(row)[0]?.startsWith('V') && argsOf(row)[1]?.startsWith('Q');
}

/** Code that a handler's call is wrapped in. What the record's bits say is asked before: assembly/cpu/vector-state.ts. */
export function guarded(row: Row, call: string): string {
  if (x87.has(row) || row.op === 'emms' || !usesOf(row).includes('mmx')) return call;
  if (!convertsFromMemory(row)) return `${call} endMmx();`;
  return `if (isMemory(i)) { ${call} return; } if (!beginMmx()) return; ${call} endMmx();`;
}
