/** The opcode table as data: it can be read, it does not contradict itself, and every row can be reached by some bytes. */
import { describe, expect, it } from 'vitest';
import { decode } from '../../src/isa/decode.ts';
import { format } from '../../src/isa/disasm.ts';
import { type Choice, entriesFor, type Mode, matching } from '../../src/isa/lookup.ts';
import { integerRows, rows, vectorRows } from '../../src/isa/opcodes.ts';
import { argsOf, hasModrm, type OpcodeMap, parseCode, type Row, widthOf } from '../../src/isa/table.ts';
import { encode } from './encode.ts';

const WELL_FORMED = /^(?!.*(undefined|NaN))[a-z]\w+( [^ ,]|$)/;
const show = (row: Row) => `${row.code} ${row.op} ${row.args}`.trimEnd();

describe('the notation', () => {
  it('reads prefix, map, opcode, group, register form and W', () => {
    expect(parseCode('66 0F 3A 16 W1')).toMatchObject({ vex: false, prefix: '66', map: '0F3A', opcode: 0x16, w: 1 });
    expect(parseCode('F3 0F AE /0 r')).toMatchObject({ prefix: 'F3', map: '0F', opcode: 0xae, reg: 0, mod: 'r' });
    expect(parseCode('NP 0F 01 (D0)')).toMatchObject({ prefix: 'NP', opcode: 1, modrm: 0xd0 });
    expect(parseCode('50+')).toMatchObject({ map: '', opcode: 0x50, plus: true });
    expect(parseCode('VEX.LZ.F2.0F3A F0')).toMatchObject({
      vex: true,
      l: 'LZ',
      prefix: 'F2',
      map: '0F3A',
      opcode: 0xf0,
    });
  });

  it.each(['0F 3B 00', 'F0 90', '1', '80 /8', '50 +', 'VEX.L0.0F 10', '80 m /0'])('refuses %j', (code) => {
    expect(() => parseCode(code)).toThrow(`'${code}'`);
  });

  it.each([
    ['the first operand of variable size decides', 'C1 /4', 'v'],
    ['a byte operand decides where none is of variable size', '88', 'b'],
    ['an immediate of a byte is no reason to be a byte handler', '0F 3A 0F', '-'],
    ['an operand of 32 or 64 bits gives y', 'F3 0F 38 F6', 'y'],
  ])('of operand sizes: %s', (_name, code, width) => {
    const row = rows.find((candidate) => candidate.code === code || candidate.code === `NP ${code}`);
    expect(row && widthOf(row)).toBe(width);
  });
});

describe('the table', () => {
  it('has the integer, x87 and vector instructions', () => {
    expect(integerRows.length).toBeGreaterThan(490);
    expect(vectorRows.length).toBeGreaterThan(900);
  });

  it('lets memory operands stand only in rows restricted to memory, and register operands only to registers', () => {
    const wrong = rows.filter((row) => {
      const { mod } = parseCode(row.code);
      const needsMemory = argsOf(row).some((arg) => /^M/.test(arg));
      const needsRegister = argsOf(row).some((arg) => /^[RUN][a-z]/.test(arg)) && !row.traits?.includes('nomod');
      return (needsMemory && mod !== 'm') || (needsRegister && mod !== 'r');
    });
    expect(wrong.map(show)).toEqual([]);
  });

  it('agrees within an opcode on whether ModRM follows', () => {
    const modrm = new Map<string, boolean>();
    const wrong = rows.filter((row) => {
      const { vex, map, opcode } = parseCode(row.code);
      const at = `${vex}${map} ${opcode}`;
      if (!modrm.has(at)) modrm.set(at, hasModrm(row));
      return modrm.get(at) !== hasModrm(row);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  it('allows LOCK only where the destination can be memory', () => {
    const locked = rows.filter((row) => row.traits?.includes('lock'));
    expect(locked.filter((row) => !/^[EM]/.test(row.args)).map(show)).toEqual([]);
    expect(new Set(locked.map((row) => row.op))).toEqual(
      new Set(
        'add or adc sbb and sub xor inc dec not neg xchg xadd cmpxchg cmpxchg8b cmpxchg16b bts btr btc'.split(' '),
      ),
    );
  });

  it('gives a fallback a row to fall back to', () => {
    const withoutPrefix = (row: Row) => row.code.slice(3).replace(/ B[01]$/, '');
    const falls = (row: Row) => rows.some(({ code }) => [withoutPrefix(row), `${withoutPrefix(row)}+`].includes(code));
    const lost = rows.filter((row) => row.fallback && !falls(row));
    expect(lost.map(show)).toEqual([]);
  });

  it('never has two rows that claim one encoding with equal right', () => {
    const conflicts = new Set<string>();
    for (const choice of everyChoice()) {
      const found = matching(entriesFor(choice.vex, choice.map, choice.opcode), choice);
      const best = Math.max(...found.map((entry) => entry.score));
      const claims = found.filter((entry) => entry.score === best);
      if (claims.length > 1) conflicts.add(claims.map((entry) => show(entry.row)).join(' / '));
    }
    expect([...conflicts]).toEqual([]);
  });

  it.each([16, 32, 64] as const)('has bytes that decode to each row in %i-bit mode, with a text', (mode) => {
    const lost: string[] = [];
    for (const row of rows) {
      if (row.traits?.includes(mode === 64 ? 'i64' : 'o64')) continue;
      const needsRex = !row.code.startsWith('VEX') && /W1|B1/.test(row.code);
      if (needsRex && mode !== 64) continue;
      const decoded = decode(encode(row, mode), { mode });
      if ('invalid' in decoded || decoded.row !== row || !WELL_FORMED.test(format(decoded))) lost.push(show(row));
    }
    expect(lost).toEqual([]);
  });
});

function* everyChoice(): Generator<Choice & { vex: boolean; map: OpcodeMap; opcode: number }> {
  const prefixes = ['NP', '66', 'F3', 'F2'] as const;
  for (const vex of [false, true]) {
    for (const map of ['', '0F', '0F38', '0F3A'] as const) {
      for (let opcode = 0; opcode < 256; opcode++) {
        if (entriesFor(vex, map, opcode).length < 2) continue;
        for (let bits = 0; bits < 64; bits++) {
          const prefix = prefixes[bits & 3];
          const [w, b, l] = [(bits >> 2) & 1, (bits >> 3) & 1, (bits >> 4) & 1];
          const mode: Mode = bits >> 5 ? 64 : 32;
          for (const modrm of [...Array(8).keys()].map((reg) => reg << 3)) {
            yield { vex, map, opcode, mode, prefix, modrm, w, b, l };
          }
          for (let modrm = 0xc0; modrm < 256; modrm++) yield { vex, map, opcode, mode, prefix, modrm, w, b, l };
        }
      }
    }
  }
}
