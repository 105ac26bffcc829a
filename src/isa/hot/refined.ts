/**
 * Kinds that records get once their block is known (assembly/isa/refine.ts): each does what its plain kind does, with less.
 * An engine that makes its own of a block may treat them as their plain kinds.
 */

import { PAIRS } from './pairs.ts';
import { type HotRow, NO_FLAGS } from './row.ts';

/** Kinds whose flags are often written again before anybody can see them. */
const QUIET = /^(add|sub|and|or|xor|shl|shr|sar|rol|ror|imul2|inc|dec|neg)_r(32|64)$|^add_rm(32|64)$/;
/** Kinds whose memory operand seldom has an index. */
const NEAR =
  /^mov_(rm|mr)(32|64)$|^mov_mr8$|^movzx[BW]_rm32$|^movsxd_rm64$|^lea_rm(32|64)$|^add_rm(32|64)_quiet$|^(cmp|test)_mr8_ne$|^cmp_mr8_e$/;
/** Shifts and products by each rule differ only in flags. */
export const ruleless = (name: string): string => name.replace(/^(keep|amd)_/, '');

export interface Refined {
  readonly row: HotRow;
  /** Name of the kind that it stands for. */
  readonly plain: string;
}

/** The refined kinds of `rows`, in the order in which a block's records become them: quiet, near, joined. */
export function refinedRows(rows: readonly HotRow[]): Refined[] {
  const quiet = rows
    .filter((row) => QUIET.test(row.name))
    .map((row) => ({
      row: { ...row, name: `${row.name}_quiet`, flags: NO_FLAGS, quiet: true } as const,
      plain: row.name,
    }));
  const near = [...rows.map((row) => ({ row, plain: row.name })), ...quiet]
    .filter(({ row }) => NEAR.test(row.name))
    .map(({ row, plain }) => ({ row: { ...row, name: `${row.name}_near`, near: true } as const, plain }));
  const known = new Map(
    [...rows.map((row) => ({ row, plain: row.name })), ...quiet, ...near].map((one) => [one.row.name, one]),
  );
  const joined = PAIRS.map(([first, second]) => {
    const one = known.get(first);
    if (!one || !known.has(second)) throw new Error(`hot rows: no kinds for the pair ${first}, ${second}`);
    return { row: { ...one.row, name: `${first}+${second}`, joined: second }, plain: one.plain };
  });
  return [...quiet, ...near, ...joined];
}
