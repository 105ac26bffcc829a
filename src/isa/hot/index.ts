/**
 * The hot kinds: operand forms common enough to have a case of their own in the interpreter's switch. Everything else goes
 * through the handlers of assembly/ops. A record's `kind` is the number of its row in HOT; numbers beyond are handlers.
 */
import { integerRows } from './integer.ts';
import { type Refined, refinedRows, ruleless } from './refined.ts';
import { CONDITIONS, type HotRow } from './row.ts';
import { scalarRows, vectorRows } from './vector.ts';
import { x87Rows } from './x87.ts';

const decoded: HotRow[] = [...integerRows, ...vectorRows];
const refined: Refined[] = refinedRows(decoded);
/** Kinds from here on are what the decoder's become in a block. */
export const FIRST_REFINED = decoded.length;
/** Kinds from here on have whole records, which their handlers can execute as well. */
export const FIRST_WHOLE = FIRST_REFINED + refined.length;
export const HOT: readonly HotRow[] = [...decoded, ...refined.map(({ row }) => row), ...x87Rows, ...scalarRows];

const numbers = new Map(HOT.map((row, n) => [row.name, n]));
if (numbers.size !== HOT.length) throw new Error('hot rows: two of one name');
const plains = new Map(refined.map(({ row, plain }) => [row.name, plain]));
/** Number of the hot kind `name`, or 0. */
export const kindOf = (name: string): number => numbers.get(name) ?? 0;
/** Number of the kind that the decoder gives where a block's record may have kind `name`. */
export const plainOf = (name: string): number => kindOf(plains.get(name) ?? name);
/** Number of the kind that leaves the flags alone, 0 where there is none. */
export const quietOf = (name: string): number => kindOf(`${ruleless(name)}_quiet`);
/** Number of the kind for an operand without an index, 0 where there is none. */
export const nearOf = (name: string): number => kindOf(`${name}_near`);
/** For a compare or test kind: the fused kinds by condition, 0 where there is none. */
export function fusedKinds(name: string): number[] {
  return CONDITIONS.map((condition) => kindOf(`${name}_${condition}`));
}
