/**
 * Builds the package: the release core, then src/ -> dist/: declarations file by file, JavaScript in few files, because
 * each costs those who start the command a millisecond; and the core beside it. What is up to date is left alone. Usage: tsx tools/build.ts
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
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { buildWasm } from './build-wasm.ts';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'dist');
const stampFile = join(root, 'build/dist.stamp');
/** A core that is up to date takes less. */
const PATIENCE_MS = 3000;

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
    'package-lock.json',
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

/**
 * Makes the declarations what their users need: `.js` in imports, where the compiler leaves `.ts`, and no declaration
 * that the library's own does not lead to.
 */
function trimDeclarations(): void {
  const needed = new Set<string>();
  const visit = (path: string): void => {
    if (needed.has(path)) return;
    needed.add(path);
    const text = readFileSync(path, 'utf8').replaceAll(/((?:from|import\() ?['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2');
    writeFileSync(path, text);
    for (const [, target] of text.matchAll(/(?:from|import\() ?['"](\.[^'"]*)\.js['"]/g)) {
      visit(join(dirname(path), `${target}.d.ts`));
    }
  };
  for (const entry of ['index.d.ts', 'node/index.d.ts']) visit(join(dist, entry));
  for (const path of filesOf('.d.ts')) if (!needed.has(path)) rmSync(path);
}

/** What is imported or run by name. What these share lies in chunks beside, and so does what is loaded when it is needed. */
const ENTRIES = ['index', 'node/index', 'cli/main'];
/** Packages that go into the chunk that imports them, with their licences beside, so that the library depends on none. */
const BUNDLED = ['fflate', 'fzstd'];

/**
 * Comments and long names stay in the sources and the declarations. Chunks lie beside index.js, where the core looks for
 * core.wasm.
 */
function bundle(): void {
  buildSync({
    entryPoints: ENTRIES.map((name) => join(root, `src/${name}.ts`)),
    outbase: join(root, 'src'),
    outdir: dist,
    bundle: true,
    splitting: true,
    chunkNames: '[name]-[hash]',
    format: 'esm',
    target: 'es2022',
    external: ['node:*'],
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
  for (const name of BUNDLED) copyFileSync(join(root, 'node_modules', name, 'LICENSE'), join(dist, `${name}.LICENSE`));
}

function filesOf(ending: string): string[] {
  const names = readdirSync(dist, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(ending)).map((name) => join(dist, name));
}

async function build(): Promise<void> {
  const patience = setTimeout(() => console.log('compiling the processor, which takes some minutes'), PATIENCE_MS);
  const core = await buildWasm(root, 'release').finally(() => clearTimeout(patience));
  if (isBuilt()) return;
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
  trimDeclarations();
  bundle();
  copyFileSync(core, join(dist, 'core.wasm'));
  chmodSync(join(dist, 'cli/main.js'), 0o755);
  writeFileSync(stampFile, stamp());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await build();
