/** The arithmetic and the tables of the benches. */
import { describe, expect, it } from 'vitest';
import { compareEngines, geometricMean, median } from '../../bench/compare.ts';
import { type Engine, parseOutput } from '../../bench/guest-run.ts';
import { figure, formatTable } from '../../bench/table.ts';

const output = (name: string, checksum: string) => `BENCH ${name} kernel 0\r\nCHECK ${name} ${checksum}\r\n`;

function fakeEngine(name: string, checksum: string, unitMs: readonly number[], instructions?: number): Engine {
  return {
    name,
    widths: [32],
    run: async () => ({ units: unitMs.map((cpuMs) => ({ cpuMs, instructions })), output: output('alu', checksum) }),
  };
}

const plan = { width: 32, benches: ['alu'], rounds: 2, units: 3 } as const;

describe('a bench', () => {
  it('takes the middle of the sorted units, or the mean of the two in the middle', () => {
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  it('averages ratios geometrically', () => {
    expect(geometricMean([1, 4, 16])).toBeCloseTo(4);
  });

  it('leaves the first unit of every run out', async () => {
    const results = await compareEngines([fakeEngine('a', '1', [1000, 5, 6, 7], 42)], plan);
    expect(results.get('alu')!.get('a')).toMatchObject({ medianMs: 6, instructions: 42, units: 6 });
  });

  it('refuses to compare engines that computed different things', async () => {
    const engines = [fakeEngine('a', '1', [1, 1]), fakeEngine('b', '2', [1, 1])];
    await expect(compareEngines(engines, plan)).rejects.toThrow('the engines disagree on the result: a 1, b 2');
  });

  it('reads what the guest prints, with or without a checksum', () => {
    expect(parseOutput(`BENCH memcpy bytes 64\n${output('fib', '00ff')}`)).toEqual([
      { name: 'memcpy', counts: 'bytes', perUnit: 64, checksum: undefined },
      { name: 'fib', counts: 'kernel', perUnit: 0, checksum: '00ff' },
    ]);
  });

  it('prints a table that Markdown understands', () => {
    expect(formatTable(['name', 'n'], [['a', '10']])).toBe('| name |  n |\n|------|---:|\n| a    | 10 |');
    expect([123.4, 12.34, 1.234, Number.NaN].map(figure)).toEqual(['123', '12.3', '1.23', '-']);
  });
});
