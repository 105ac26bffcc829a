/**
 * Turns the opcode table into the decision tree that the processor's decoder walks: an array of u16 where a value below
 * 0x8000 is a row number plus one (0: no such instruction) and one above is 0x8000 + the position of a node. A node is
 * the dimension that it asks about, then a child for each answer.
 */
import { type Code, parseCode, type Row, specificity } from '../table.ts';

/** Dimensions in the order in which they are asked, with the number of answers. Shared with assembly/isa/decoder.ts. */
export const DIMENSIONS = ['mode64', 'l', 'reg', 'mod', 'rm', 'prefix', 'w', 'b'] as const;
type Dimension = (typeof DIMENSIONS)[number];
const ANSWERS: Record<Dimension, number> = { mode64: 2, l: 2, reg: 8, mod: 2, rm: 8, prefix: 4, w: 2, b: 2 };

/** Maps in table order: legacy one-byte, 0F, 0F38, 0F3A, then VEX 0F, 0F38, 0F3A. */
export const MAPS = ['', '0F', '0F38', '0F3A', 'V0F', 'V0F38', 'V0F3A'] as const;

interface Candidate {
  readonly row: Row;
  readonly code: Code;
  readonly index: number;
}

const PREFIXES = ['NP', '66', 'F3', 'F2'];

/** May the row answer `value` on dimension `d`? undefined: it does not care. */
function answers(candidate: Candidate, d: Dimension, value: number): boolean | undefined {
  const { row, code } = candidate;
  switch (d) {
    case 'mode64':
      if (row.traits?.includes('i64')) return value === 0;
      return row.traits?.includes('o64') ? value === 1 : undefined;
    case 'l':
      if (!code.vex || code.l === 'LIG' || code.l === 'Lx') return undefined;
      return value === (code.l === 'L1' ? 1 : 0);
    case 'reg':
      if (code.modrm !== undefined) return value === ((code.modrm >> 3) & 7);
      return code.reg === undefined ? undefined : value === code.reg;
    case 'mod':
      if (code.modrm !== undefined) return value === 1;
      return code.mod === undefined ? undefined : value === (code.mod === 'r' ? 1 : 0);
    case 'rm':
      return code.modrm === undefined ? undefined : value === (code.modrm & 7);
    case 'prefix':
      if (code.prefix === undefined) return undefined;
      if (code.prefix === 'NFx') return value < 2;
      return PREFIXES[value] === code.prefix;
    case 'w':
      return code.w === undefined ? undefined : value === code.w;
    case 'b':
      return code.b === undefined ? undefined : value === code.b;
  }
}

/** The tree and where the seven maps' 256 entries begin in it. */
export function buildTree(rows: readonly Row[]): { tree: number[]; fallback: Map<number, number> } {
  const tree: number[] = new Array(MAPS.length * 256).fill(0);
  const memo = new Map<string, number>();
  const fallback = new Map<number, number>();
  const candidates = rows.map((row, index) => ({ row, code: parseCode(row.code), index }));

  const build = (list: Candidate[], from: number): number => {
    if (list.length === 0) return 0;
    for (let n = from; n < DIMENSIONS.length; n++) {
      const d = DIMENSIONS[n];
      if (!list.some((c) => answers(c, d, 0) !== undefined)) continue;
      const children: number[] = [];
      for (let value = 0; value < ANSWERS[d]; value++) {
        children.push(build(list.filter((c) => answers(c, d, value) !== false), n + 1)); // biome-ignore format: one step
      }
      if (children.every((child) => child === children[0])) return children[0];
      const key = `${n}:${children.join()}`;
      let node = memo.get(key);
      if (node === undefined) {
        node = 0x8000 + tree.length;
        tree.push(n, ...children);
        memo.set(key, node);
      }
      return node;
    }
    const sorted = [...list].sort((x, y) => specificity(y.code) - specificity(x.code));
    const [best, next] = sorted;
    if (best.row.fallback && next) fallback.set(best.index, next.index);
    return best.index + 1;
  };

  for (const [m, map] of MAPS.entries()) {
    for (let opcode = 0; opcode < 256; opcode++) {
      const list = candidates.filter(({ code }) => {
        if ((code.vex ? `V${code.map}` : code.map) !== map) return false;
        return code.plus ? (opcode & 0xf8) === code.opcode : opcode === code.opcode;
      });
      tree[m * 256 + opcode] = build(list, 0);
    }
  }
  if (tree.length > 0x8000) throw new Error(`opcode tree has ${tree.length} entries, the limit is 32768`);
  return { tree, fallback };
}
