/**
 * From the bytes of an encoding to its row. The table is indexed by map and opcode once; what is left after that (prefix,
 * ModRM, W, B, L, mode) is decided by `select`, which states the rules of table.ts in code.
 */
import { rows } from './opcodes.ts';
import { type Code, type Feature, hasModrm, type OpcodeMap, parseCode, type Row, specificity } from './table.ts';

export type Mode = 16 | 32 | 64;

export interface Entry {
  readonly row: Row;
  readonly code: Code;
  readonly score: number;
  readonly modrm: boolean;
}

/** What selects among the rows of one opcode. */
export interface Choice {
  mode: Mode;
  /** The prefix that counts: F3 or F2, whichever came last, else 66. */
  prefix: 'NP' | '66' | 'F3' | 'F2';
  /** The ModRM byte, -1 where the opcode has none. */
  modrm: number;
  w: number;
  b: number;
  l: number;
}

const MAPS: Record<OpcodeMap, number> = { '': 0, '0F': 0x100, '0F38': 0x200, '0F3A': 0x300 };
const VEX = 0x400;
const NONE: readonly Entry[] = [];
/** Made when somebody decodes for the first time: most programs that load the table never do. */
let byOpcode: readonly (readonly Entry[])[] | undefined;

function indexRows(): readonly (readonly Entry[])[] {
  const index: Entry[][] = [];
  for (const row of rows) {
    const code = parseCode(row.code);
    const entry: Entry = { row, code, score: specificity(code), modrm: hasModrm(row) };
    const first = (code.vex ? VEX : 0) + MAPS[code.map] + code.opcode;
    for (let at = first; at < first + (code.plus ? 8 : 1); at++) {
      index[at] ??= [];
      index[at].push(entry);
    }
  }
  return index;
}

/** The rows of one opcode of one map. */
export function entriesFor(vex: boolean, map: OpcodeMap, opcode: number): readonly Entry[] {
  byOpcode ??= indexRows();
  return byOpcode[(vex ? VEX : 0) + MAPS[map] + opcode] ?? NONE;
}

function matches(entry: Entry, choice: Choice): boolean {
  const { code, row } = entry;
  if (row.traits?.includes(choice.mode === 64 ? 'i64' : 'o64')) return false;
  if (code.prefix !== undefined && code.prefix !== choice.prefix) {
    if (code.prefix !== 'NFx' || choice.prefix === 'F3' || choice.prefix === 'F2') return false;
  }
  if (code.reg !== undefined && code.reg !== ((choice.modrm >> 3) & 7)) return false;
  if (code.modrm !== undefined && code.modrm !== choice.modrm) return false;
  if (code.mod !== undefined && (code.mod === 'r') !== choice.modrm >= 0xc0) return false;
  if (code.w !== undefined && code.w !== choice.w) return false;
  if (code.b !== undefined && code.b !== choice.b) return false;
  if (code.l === undefined || code.l === 'LIG' || code.l === 'Lx') return true;
  return (code.l === 'L1') === (choice.l === 1);
}

/** All rows that match; more than one with the highest score is a conflict in the table. */
export function matching(entries: readonly Entry[], choice: Choice): Entry[] {
  return entries.filter((entry) => matches(entry, choice));
}

/** The row of an encoding, undefined where it is #UD. `offers` says which features the processor has; all by default. */
export function select(
  entries: readonly Entry[],
  choice: Choice,
  offers?: (feature: Feature) => boolean,
): Entry | undefined {
  let best: Entry | undefined;
  for (const entry of entries) {
    if (best && best.score >= entry.score) continue;
    if (!matches(entry, choice)) continue;
    if (entry.row.fallback && entry.row.feature && offers && !offers(entry.row.feature)) continue;
    best = entry;
  }
  return best;
}
