/** What `npm run test:unit` leaves out is there, and what it runs needs nothing but Node. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LEFT_OUT } from '../vitest.unit.config.ts';

const root = resolve(import.meta.dirname, '..');
const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => `test/${name}`);

const WILDCARDS: Record<string, string> = { '**/': '(.*/)?', '**': '.*', '*': '[^/]*', '.': '\\.' };
const patterns = Object.keys(LEFT_OUT).map((glob) => {
  const source = glob.replaceAll(/\*\*\/|\*\*|\*|\./g, (wildcard) => WILDCARDS[wildcard]);
  return { glob, pattern: new RegExp(`^${source}$`) };
});
const unit = tests.filter((name) => !patterns.some(({ pattern }) => pattern.test(name)));

/** Files that start other programs or fetch packages, and the builder of other cores than that of the tests. */
const NEEDY =
  /^(test\/(browser|linux)\/|test\/cli\/process\.ts|test\/devices\/block\/qemu-img\.ts|tools\/build(-\w+)?\.ts)/;

/** The needy file that `name` imports, if any, with the way to it. */
function wayToNeedy(name: string, way: readonly string[] = []): string | undefined {
  if (NEEDY.test(name)) return [...way, name].join(' -> ');
  if (way.includes(name) || !name.startsWith('test/') || !existsSync(join(root, name))) return undefined;
  const imports = readFileSync(join(root, name), 'utf8').matchAll(/^(?:import|export|\}) .*from '(\.[^']+)'/gm);
  for (const [, target] of imports) {
    const found = wayToNeedy(normalize(join(dirname(name), target)), [...way, name]);
    if (found) return found;
  }
  return undefined;
}

describe('the unit tests', () => {
  it.each(patterns)('leave out $glob, which is there', ({ pattern }) => {
    expect(tests.some((name) => pattern.test(name))).toBe(true);
  });

  it('are most of the tests', () => {
    expect(unit.length).toBeGreaterThan(tests.length / 2);
  });

  it('start no other program and build no other core', () => {
    expect(unit.map((name) => wayToNeedy(name)).filter((way) => way !== undefined)).toEqual([]);
  });
});
