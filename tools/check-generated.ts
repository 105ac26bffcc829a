/**
 * Fails if a generated file is not what the generator makes now. Leaves the newly generated files in place.
 * Usage: tsx tools/check-generated.ts
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

function generated(): Map<string, string> {
  const files = ['src', 'assembly', 'docs', 'test'].flatMap((dir) =>
    readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' }).map((name) => join(dir, name)),
  );
  const named = files.filter((name) => /\.gen\.(ts|md)$/.test(name));
  return new Map(named.map((name) => [name, readFileSync(join(root, name), 'utf8')]));
}

const before = generated();
execFileSync(process.execPath, ['--import', 'tsx', join(root, 'tools/gen.ts')], { cwd: root, stdio: 'inherit' });
const after = generated();
const stale = [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name));
for (const name of stale) console.error(`${name} was stale: run \`npm run gen\` and commit the result`);
if (after.size === 0) console.error('the generator made no file at all');
if (stale.length > 0 || after.size === 0) process.exitCode = 1;
else console.log(`${after.size} generated files are up to date`);
