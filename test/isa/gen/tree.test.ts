/** The processor's decision tree and the disassembler's lookup are two readers of one table: they find the same rows. */
import { expect, it } from 'vitest';
import { buildTree, DIMENSIONS, MAPS } from '../../../src/isa/gen/tree.ts';
import { type Choice, entriesFor, select } from '../../../src/isa/lookup.ts';
import { rows } from '../../../src/isa/opcodes.ts';
import type { OpcodeMap } from '../../../src/isa/table.ts';

const { tree, fallback } = buildTree(rows);
const PREFIXES = ['NP', '66', 'F3', 'F2'] as const;

function walk(map: number, opcode: number, choice: Choice): number {
  let value = tree[map * 256 + opcode];
  while (value >= 0x8000) {
    const node = value - 0x8000;
    const answers = {
      mode64: choice.mode === 64 ? 1 : 0,
      l: choice.l,
      reg: (choice.modrm >> 3) & 7,
      mod: choice.modrm >= 0xc0 ? 1 : 0,
      rm: choice.modrm & 7,
      prefix: PREFIXES.indexOf(choice.prefix),
      w: choice.w,
      b: choice.b,
    };
    value = tree[node + 1 + answers[DIMENSIONS[tree[node]]]];
  }
  return value - 1;
}

it.each(MAPS.map((name, map) => [name, map] as const))('in map %j every encoding has one row', (name, map) => {
  const vex = name.startsWith('V');
  let found = 0;
  for (let opcode = 0; opcode < 256; opcode++) {
    const entries = entriesFor(vex, name.replace('V', '') as OpcodeMap, opcode);
    if (entries.length === 0) expect(tree[map * 256 + opcode]).toBe(0);
    if (entries.length === 0) continue;
    const step = entries.some((entry) => entry.modrm) ? 1 : 256;
    for (let bits = 0; bits < 64; bits++) {
      const [w, b, l] = [(bits >> 2) & 1, (bits >> 3) & 1, vex ? (bits >> 4) & 1 : 0];
      const base = { prefix: PREFIXES[bits & 3], w, b, l, mode: bits >> 5 ? 64 : 32 } as const;
      for (let modrm = 0; modrm < 256; modrm += modrm < 0xc0 ? 9 * step : step) {
        const choice = { ...base, modrm };
        const row = rows[walk(map, opcode, choice)];
        const expected = select(entries, choice)?.row;
        if (row !== expected) expect({ opcode, choice, row }).toEqual({ opcode, choice, row: expected });
        if (!row) continue;
        found++;
        if (!row.fallback) continue;
        const without = select(entries, choice, () => false)?.row;
        expect(rows[fallback.get(rows.indexOf(row)) ?? -1]).toBe(without);
      }
    }
  }
  expect(found).toBeGreaterThan(500);
});
