/**
 * Builds the package: the release core, then src/ -> dist/ as JavaScript with declarations, and the core beside it.
 * What is up to date is left alone. Usage: tsx tools/build.ts
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildWasm } from './build-wasm.ts';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'dist');
const stampFile = join(root, 'build/dist.stamp');

function stamp(): string {
  const hash = createHash('sha256');
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join('src', name));
  for (const name of [
    'tsconfig.json',
    'tsconfig.build.json',
    'build/core.wasm.stamp',
    'tools/build.ts',
    ...sources.sort(),
  ]) {
    hash
      .update(name)
      .update('\0')
      .update(readFileSync(join(root, name)))
      .update('\0');
  }
  return hash.digest('hex');
}

/** Whether dist/ holds what src/ and the built core say. */
export function isBuilt(): boolean {
  return existsSync(stampFile) && existsSync(join(dist, 'core.wasm')) && readFileSync(stampFile, 'utf8') === stamp();
}

/** The compiler leaves `.ts` in the imports of declarations; who uses them has only `.js` and `.d.ts`. */
function renameImports(): void {
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.d.ts'),
  )) {
    const path = join(dist, name);
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replaceAll(/((?:from|import\() ?['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2'),
    );
  }
}

async function build(): Promise<void> {
  const core = await buildWasm(root, 'release');
  if (isBuilt()) return;
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
  renameImports();
  copyFileSync(core, join(dist, 'core.wasm'));
  const cli = join(dist, 'cli/main.js');
  if (existsSync(cli)) chmodSync(cli, 0o755);
  writeFileSync(stampFile, stamp());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await build();
