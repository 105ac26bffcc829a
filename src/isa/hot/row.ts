/**
 * What a hot record is, as data. Records (assembly/isa/record.ts) name their kind by number; the kind's row says all that
 * an engine needs to execute one: the interpreter's switch is printed from the rows (src/isa/gen/print-hot.ts), and a
 * translator reads the same rows.
 */

/**
 * Where operands are. [a], [b] and [base] are what the record's fields point to: a register, or for [b] the record's own
 * immediate; `memory` is the operand at base + index * scale + disp.
 *
 *   none    nothing, or what the operation implies
 *   r       [a] op [b]          rm      [a] op memory       mr      memory op [a]
 *   one     op [a]              mem     op memory
 *   ri      [a] = [b] op imm    mi      [a] = memory op imm
 *   links   op; where it goes on is in the record's own links
 *   vr      [a] = [b] op [base] vm      [a] = [b] op memory
 *   vi      [b] = [base] op imm vri     [a] = [base] op imm
 *   load    [a] = memory        store   memory = [a]
 *   whole   as the handler in `imm` does it, which the operation may leave it to
 */
export type Form =
  | 'none' | 'r' | 'rm' | 'mr' | 'one' | 'mem' | 'ri' | 'mi' | 'links'
  | 'vr' | 'vm' | 'vi' | 'vri' | 'load' | 'store' | 'whole'; // biome-ignore format: words

/** Bits of an operand; 0 where there is none or the handler knows. */
export type Width = 0 | 8 | 16 | 32 | 64 | 128 | 256;

/** A subset of the arithmetic flags, by their initials: carry, parity, adjust, zero, sign, overflow. */
export type Flags = string;
export const ALL_FLAGS: Flags = 'CPAZSO';

export interface FlagUse {
  readonly reads: Flags;
  /** Flags that become others. All that are not here are left. */
  readonly writes: Flags;
  /** A masked count of 0 leaves them after all. */
  readonly byCount?: true;
}

/** What flags become that the manuals leave undefined: assembly/ops/hot.ts. */
export type Rule = 'INTEL' | 'AMD' | 'KEEP';
/** SSE, which keeps the upper half of its destination, and VEX, which clears it, of 128 and 256 bits. */
export type VectorForm = 'x' | 'v128' | 'v256';

export interface HotRow {
  readonly name: string;
  readonly op: string;
  readonly form: Form;
  readonly width: Width;
  /** Number of the condition (SDM Vol. 2, "Condition Test Field") that the operation asks. */
  readonly condition?: number;
  /** The operand that an extending move reads. */
  readonly source?: { readonly width: 8 | 16 | 32; readonly signed: boolean };
  readonly rule?: Rule;
  readonly vector?: VectorForm;
  /** Must a memory operand be aligned to its size? */
  readonly aligned?: true;
  readonly flags: FlagUse;
  readonly memory: 'none' | 'read' | 'write' | 'both';
  /** May it end with an event pending, having changed nothing? */
  readonly faults: boolean;
  /** Is it the last of its block? */
  readonly ends: boolean;
  /** Instructions that retire with it. */
  readonly weight: 0 | 1 | 2;
  /** The instruction writes flags that nobody reads, so that they are left as they are. */
  readonly quiet?: true;
  /** The memory operand has no index. */
  readonly near?: true;
  /** The kind that the next record has, which is executed at once. */
  readonly joined?: string;
}

export const NO_FLAGS: FlagUse = { reads: '', writes: '' };
export const ALL_WRITTEN: FlagUse = { reads: '', writes: ALL_FLAGS };

/** May the block be left after it: for a store into code, or for what a handler did? */
export const mayLeave = (row: HotRow): boolean =>
  row.memory === 'write' || row.memory === 'both' || row.form === 'whole';

/** Names of the conditions by their number. */
export const CONDITIONS = [
  'o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g',
]; // biome-ignore format: words
/** The flags that a condition asks; those of each pair are the same. */
const ASKED = ['O', 'C', 'Z', 'CZ', 'S', 'P', 'SO', 'ZSO'];
export const askedBy = (condition: number): Flags => ASKED[condition >> 1];

/** A row from what is said of it: by default one instruction that neither touches memory nor fails nor ends its block. */
export function row(name: string, op: string, form: Form, width: Width, more: Partial<HotRow> = {}): HotRow {
  const memory = more.memory ?? 'none';
  return { name, op, form, width, flags: NO_FLAGS, memory, faults: memory !== 'none', ends: false, weight: 1, ...more };
}
