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
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build as bundleWith, transform } from 'esbuild';
import { buildWasm } from './build-wasm.ts';
import { classNames, opcodeTables, packageSources, peers, styles } from './package-sources.ts';

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
    'tools/package-sources.ts',
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

/** The compiler indents by four blanks, which are a tenth of all declarations. */
const INDENT = /^(?: {4})+/gm;

/** The declarations that `exports` names. */
const DECLARED = ['index', 'node/index', 'entries/worker', 'entries/worker-thread', 'element/vm-launch'].map(
  (name) => `${name}.d.ts`,
);

/** Comments of a declaration file. */
const COMMENT = /^[ \t]*\/\*\*?[\s\S]*?\*\/\n?/gm;

/** The declaration files that one names by itself: what they declare is the library's, and keeps its comments. */
function namedBy(path: string): string[] {
  const targets = readFileSync(path, 'utf8').matchAll(/(?:from|import\() ?['"](\.[^'"]*)\.ts['"]/g);
  return [...targets].map(([, target]) => join(dirname(path), `${target}.d.ts`));
}

/**
 * Makes the declarations what their users need: `.js` in imports, where the compiler leaves `.ts`, and no declaration
 * that the library's own does not lead to; comments of what they only lead to stay in the sources.
 */
function trimDeclarations(): void {
  const entries = DECLARED.map((name) => join(dist, name));
  const named = new Set([...entries, ...entries.flatMap(namedBy)]);
  const needed = new Set<string>();
  const visit = (path: string): void => {
    if (needed.has(path)) return;
    needed.add(path);
    const text = readFileSync(path, 'utf8').replaceAll(/((?:from|import\() ?['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2');
    const short = text.replaceAll(INDENT, (indent) => '\t'.repeat(indent.length / 4));
    writeFileSync(path, named.has(path) ? short : short.replaceAll(COMMENT, ''));
    for (const [, target] of text.matchAll(/(?:from|import\() ?['"](\.[^'"]*)\.js['"]/g)) {
      visit(join(dirname(path), `${target}.d.ts`));
    }
  };
  for (const entry of entries) visit(entry);
  for (const path of filesOf('.d.ts')) if (!needed.has(path)) rmSync(path);
}

/** What is imported or run by name, and its source. What they share lies in chunks, as does what is loaded when needed. */
const ENTRIES = {
  index: 'entries/page',
  'index.node': 'entries/node',
  inline: 'entries/inline',
  worker: 'entries/worker',
  'worker.node': 'entries/worker-node',
  'worker-thread': 'entries/worker-thread',
  'worker-thread.node': 'entries/worker-thread-node',
  element: 'element/vm-launch',
  'node/index': 'node/index',
  'cli/main': 'cli/main',
};
/** Packages that go into the chunk that imports them, with their licences beside, so that the library depends on none. */
const BUNDLED = ['@xterm/xterm', 'fflate', 'fzstd'];
/** Columns: a message about an error shows the line that it comes from. */
const LONGEST_LINE = 160;

/**
 * Classes keep their names and lines are short, for those who read a stack trace; comments and the names of variables stay
 * in the sources (decision 0040). Chunks lie beside index.js, where the core looks for core.wasm.
 */
async function bundle(core: string): Promise<void> {
  const { outputFiles } = await bundleWith({
    entryPoints: Object.fromEntries(
      Object.entries(ENTRIES).map(([name, from]) => [name, join(root, `src/${from}.ts`)]),
    ),
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
    plugins: [packageSources(root, core), opcodeTables, classNames, peers, styles],
    write: false,
  });
  for (const { path, text } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, await withShortLines(text));
  }
  for (const name of BUNDLED)
    copyFileSync(join(root, 'node_modules', name, 'LICENSE'), join(dist, `${basename(name)}.LICENSE`));
}

/**
 * Breaks lines, and strings with them; but not where a file names another by `import.meta.url`: bundlers look for that
 * expression as it stands, and these files are small.
 */
async function withShortLines(text: string): Promise<string> {
  if (/new URL\([^)]*import\.meta\.url/.test(text)) return text;
  const { code } = await transform(text, { minifyWhitespace: true, lineLimit: LONGEST_LINE, target: 'es2022' });
  return code;
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
  await bundle(core);
  copyFileSync(core, join(dist, 'core.wasm'));
  chmodSync(join(dist, 'cli/main.js'), 0o755);
  writeFileSync(stampFile, stamp());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await build();
