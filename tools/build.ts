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
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildSync, transformSync } from 'esbuild';
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

/** The modules that import a package, which goes into them with its licence beside. */
const BUNDLED = { 'machine/loaders/decompress/zstd.js': 'fzstd' };

/** Puts each package into the one module that imports it, so that the library depends on none. */
function bundlePackages(): void {
  for (const [module, name] of Object.entries(BUNDLED)) {
    const path = join(dist, module);
    const options = { bundle: true, format: 'esm', target: 'es2022', allowOverwrite: true } as const;
    buildSync({ ...options, entryPoints: [path], outfile: path, external: ['../*.js', './*.js'], minify: true });
    copyFileSync(join(root, 'node_modules', name, 'LICENSE'), `${path.replace(/[\w-]+\.js$/, name)}.LICENSE`);
  }
}

/** Comments and long names stay in the sources and the declarations. */
function minify(): void {
  for (const path of filesOf('.js')) {
    const { code } = transformSync(readFileSync(path, 'utf8'), {
      legalComments: 'none',
      minify: true,
      target: 'es2022',
    });
    writeFileSync(path, code);
  }
}

function filesOf(ending: string): string[] {
  const names = readdirSync(dist, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(ending)).map((name) => join(dist, name));
}

async function build(): Promise<void> {
  const core = await buildWasm(root, 'release');
  if (isBuilt()) return;
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
  trimDeclarations();
  bundlePackages();
  minify();
  copyFileSync(core, join(dist, 'core.wasm'));
  const cli = join(dist, 'cli/main.js');
  if (existsSync(cli)) chmodSync(cli, 0o755);
  writeFileSync(stampFile, stamp());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await build();
