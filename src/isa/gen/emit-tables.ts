/** Generates assembly/isa/tables.gen.ts: the decision tree, descriptors of the rows, weights and fusions of hot kinds. */

import { FIRST_REFINED, FIRST_WHOLE, fusedKinds, HOT, kindOf, nearOf, plainOf, quietOf } from '../hot/index.ts';
import { ALL_FLAGS, type Flags, type HotRow, mayLeave } from '../hot/row.ts';
import { rows } from '../opcodes.ts';
import { type Feature, hasModrm, type Row, type Trait, widthOf } from '../table.ts';
import type { Numbers } from './emit-handlers.ts';
import { METHODS, operandsOf } from './operands.ts';
import { hotKinds } from './rows.ts';
import { buildTree, MAPS } from './tree.ts';
import { type Use, usesOf, waits } from './uses.ts';

/** Bits of a descriptor's flags. Keep in step with assembly/isa/decoder.ts. */
const TRAITS: Trait[] = [
  'lock',
  'cpl0',
  'ends',
  'jump',
  'd64',
  'f64',
  'prot',
  'rep',
  'nomod',
  'vsib',
  'i64',
  'o64',
  'vsibx',
  'l1avx2',
];
/** Bits 21 and up of the flags, as in assembly/cpu/vector-state.ts. */
const USES: Use[] = ['vex', 'sse', 'mmx', 'x87', 'wait'];
const WIDTHS = ['-', 'b', 'v', 'y'];
/** The bit of what first reports a pending x87 exception. */
const PENDING = 27;
const SHAPE = 14;
const PATTERN = 13;

export const FEATURES: Feature[] = [...new Set(rows.flatMap((row) => (row.feature ? [row.feature] : [])))].sort();

/**
 * {pattern u8, hot pair u8, feature u8, width u8, flags u32, handlers by size u8 each, fallback u16} of a row; the handlers
 * as 1 + distance from the row's first, 0 for none. Rows share shapes.
 */
function shape(row: Row, handlers: number[], fallback: number, patterns: Pool, hots: Pool): number[] {
  const view = new DataView(new ArrayBuffer(SHAPE));
  const byte = (at: number, value: number) => {
    if (value > 255) throw new Error(`opcode table: ${row.code} ${row.op}: byte ${at} of its shape would be ${value}`);
    view.setUint8(at, value);
  };
  byte(0, patterns.add(pattern(row)));
  byte(1, hots.add(hotPair(row)));
  byte(2, row.feature ? FEATURES.indexOf(row.feature) + 1 : 0);
  byte(3, WIDTHS.indexOf(widthOf(row)));
  let flags = 0;
  for (const trait of row.traits ?? []) flags |= 1 << TRAITS.indexOf(trait);
  for (const use of usesOf(row)) flags |= 1 << (21 + USES.indexOf(use));
  if (waits(row)) flags |= 1 << PENDING;
  view.setUint32(4, flags, true);
  const first = firstOf(handlers);
  for (let size = 0; size < 4; size++) byte(8 + size, handlers[size] < 0 ? 0 : handlers[size] - first + 1);
  view.setUint16(12, fallback, true);
  return [...new Uint8Array(view.buffer)];
}
function firstOf(handlers: number[]): number {
  return Math.min(...handlers.map((handler) => (handler < 0 ? 0xffff : handler))) % 0xffff;
}

/** {operands, 4 methods, 4 sizes, 4 fixed registers} of a row. */
function pattern(row: Row): number[] {
  const bytes = new Array(PATTERN).fill(0);
  const operands = operandsOf(row);
  if (operands.length > 4) throw new Error(`opcode table: ${row.code} has more than 4 operands`);
  bytes[0] = operands.length;
  for (const [n, operand] of operands.entries()) {
    bytes[1 + n] = METHODS.indexOf(operand.method);
    bytes[5 + n] = operand.size;
    bytes[9 + n] = operand.fixed | (operand.cls === 'B' ? 0x80 : 0);
  }
  return bytes;
}
/** {hot kinds with registers by size, hot kinds with memory by size} of a row. */
function hotPair(row: Row): number[] {
  const pairs = [0, 1, 2, 3].map((size) => hotKinds(row, size));
  return [...pairs.map((pair) => pair.register), ...pairs.map((pair) => pair.memory)];
}
/**
 * Undefined opcodes before whose #UD Intel's processors fetch a ModRM byte, as recorded at the end of a page: all of the
 * three-byte maps, and these of map 0F.
 */
const UNDEFINED_WITH_MODRM = [0x3b, 0xa6, 0xa7];
function isModrmUndefined(map: number, opcode: number): boolean {
  return MAPS[map] === '0F38' || MAPS[map] === '0F3A' || (MAPS[map] === '0F' && UNDEFINED_WITH_MODRM.includes(opcode));
}

/** Lists of numbers, each kept once. */
class Pool {
  readonly lists: number[][] = [];
  readonly #indexes = new Map<string, number>();

  add(list: number[]): number {
    const key = list.join();
    const index = this.#indexes.get(key) ?? this.lists.push(list) - 1;
    this.#indexes.set(key, index);
    return index;
  }
}

const bitsOf = (flags: Flags): number => [...flags].reduce((bits, flag) => bits | (1 << ALL_FLAGS.indexOf(flag)), 0);
/** What a kind does, for who looks at a block: KindTraits of assembly/isa/kinds.ts. */
function kindTraits(row: HotRow): number {
  const { reads, writes, byCount } = row.flags;
  const bits = [byCount ?? false, row.faults, mayLeave(row), row.ends];
  return bitsOf(reads) | (bitsOf(writes) << 6) | bits.reduce((sum, bit, n) => sum | (Number(bit) << (12 + n)), 0);
}
/** A KindInfo of assembly/isa/kinds.ts for every kind, and the pairs: {second kind, joined kind}.., 0. */
function emitKinds(): { kinds: number[]; pairs: number[] } {
  const pairs = [0];
  const kinds = HOT.flatMap((row) => {
    const joined = HOT.filter((one) => one.joined !== undefined && one.name === `${row.name}+${one.joined}`);
    const at = joined.length > 0 ? pairs.length : 0;
    for (const one of joined) pairs.push(kindOf(one.joined ?? ''), kindOf(one.name));
    if (at > 0) pairs.push(0);
    const isDecoded = HOT.indexOf(row) < FIRST_REFINED;
    const isPlainOrQuiet = isDecoded || row.quiet === true;
    return [
      kindTraits(row),
      isDecoded ? quietOf(row.name) : 0,
      isPlainOrQuiet && !row.near && !row.joined ? nearOf(row.name) : 0,
      plainOf(row.name),
      at,
      row.joined ? kindOf(row.joined) : 0,
      row.near ? 1 : 0,
    ];
  });
  return { kinds, pairs };
}

export function emitTables(numbers: Numbers): string {
  const { tree, fallback } = buildTree(rows);
  const patterns = new Pool();
  const hots = new Pool();
  const shapes = new Pool();
  const descriptors = rows.flatMap((row, n) => {
    const handlers = numbers.get(row) ?? [-1, -1, -1, -1];
    return [shapes.add(shape(row, handlers, (fallback.get(n) ?? -1) + 1, patterns, hots)), firstOf(handlers)];
  });
  const modrm = new Array(7 * 32).fill(0);
  const walk = (value: number): boolean => {
    if (value < 0x8000) return value > 0 && hasModrm(rows[value - 1]);
    const node = value - 0x8000;
    return tree.slice(node + 1, node + 1 + [2, 2, 8, 2, 8, 4, 2, 2][tree[node]]).some(walk);
  };
  const isTaken = (n: number) => walk(tree[n]) || isModrmUndefined(n >> 8, n & 255);
  for (let n = 0; n < 8 * modrm.length; n++) if (isTaken(n)) modrm[n >> 3] |= 1 << (n & 7);
  const fusions = HOT.flatMap((kind, n) => {
    const fused = /^(cmp|test)_(r|rm|mr)\d+$/.test(kind.name) ? fusedKinds(kind.name) : [];
    return fused.flatMap((to, condition) => (to ? [{ n, condition, to }] : []));
  });
  const list = (values: readonly number[]) => values.join(',').replace(/((?:\d+,){40})/g, '$1\n  ');
  const { kinds, pairs } = emitKinds();
  const kind = (name: string) => HOT.findIndex((k) => k.name === name);
  return `// Generated by tools/gen.ts from src/isa/opcodes.ts. Do not edit.

/** Decision tree: see src/isa/gen/tree.ts. */
export const TREE: usize = memory.data<u16>([
  ${list(tree)},
]);
/** A bit for each map and opcode: 1 where ModRM follows. */
export const HAS_MODRM: usize = memory.data<u8>([
  ${list(modrm)},
]);
/** {shape, first handler} of rows. */
export const DESCRIPTORS: usize = memory.data<u16>([
  ${list(descriptors)},
]);
/** Shapes of rows, ${SHAPE} bytes each: see src/isa/gen/emit-tables.ts. */
export const SHAPES: usize = memory.data<u8>([
  ${list(shapes.lists.flat())},
]);
/** Operands of rows, ${PATTERN} bytes each. */
export const PATTERNS: usize = memory.data<u8>([
  ${list(patterns.lists.flat())},
]);
/** Hot kinds of rows, eight each: by size with registers, then with memory. */
export const HOT_PAIRS: usize = memory.data<u16>([
  ${list(hots.lists.flat())},
]);
/** Retired instructions by hot kind. */
export const KIND_WEIGHTS: usize = memory.data<u8>([
  ${list(HOT.map((k) => k.weight))},
]);
/** What is known of hot kinds: see assembly/isa/kinds.ts. */
export const KINDS: usize = memory.data<u16>([
  ${list(kinds)},
]);
/** Kinds that join the next record's: {its kind, joined kind}.., 0. */
export const PAIRS: usize = memory.data<u16>([
  ${list(pairs)},
]);
/** {kind, condition, fused kind} of compare-and-jump pairs. */
export const FUSIONS: usize = memory.data<u16>([
  ${list(fusions.flatMap((f) => [f.n, f.condition, f.to]))},
]);
export const FUSION_COUNT: u32 = ${fusions.length};
export const HOT_KINDS: u32 = ${HOT.length};
export const enum Kind { END = ${kind('end')}, END_SLOW = ${kind('end_slow')}, END_JUMP = ${kind('end_jump')}, SKIP = ${kind('skip')}, FIRST_REFINED = ${FIRST_REFINED}, FIRST_WHOLE = ${FIRST_WHOLE}, JCC_FIRST = ${kind('jcc_o')}, JMP = ${kind('jmp')}, ROTATE_FIRST = ${kind('rol_r32')}, AMD_FIRST = ${kind('amd_rol_r32')}, CALL_32 = ${kind('call_32')}, CALL_64 = ${kind('call_64')} }

/** CPUID features that gate instructions; FEATURE_BYTES + n is 1 where feature n is on. */
export const enum Feature { NONE, ${FEATURES.map((feature) =>
    feature
      .toUpperCase()
      .replaceAll('-', '_')
      .replace(/^(?=\d)/, '_'),
  ).join(', ')} }
`;
}
