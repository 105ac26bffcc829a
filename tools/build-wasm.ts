/**
 * Builds the processor: assembly/ -> build/*.wasm, by the targets of asconfig.json. Release targets, and those for
 * shared memory, are compiled at three window bases and carry their relocation list. What is up to date is left alone.
 * Usage: tsx tools/build-wasm.ts [release|threads|test|test-threads].. [--force]
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { LAYOUT } from '../src/core/layout.gen.ts';
import { compile, parseWindow, readConfig, WINDOW_FILE } from './compile.ts';
import { type Build, findRelocations, setMemoryPages, withRelocations } from './relocations.ts';

/** Distance of one window from the next, in bytes. */
export const { WINDOW_SIZE } = LAYOUT;
/** First, second and eighth window: the bases at which a release is compiled. */
export const WINDOW_BASES = [LAYOUT.WINDOW, LAYOUT.WINDOW + WINDOW_SIZE, LAYOUT.WINDOW + 7 * WINDOW_SIZE] as const;

const HERE = dirname(fileURLToPath(import.meta.url));
const PAGE = 0x10000;

async function compileAt(root: string, target: string, bases: readonly number[]): Promise<Build[]> {
  const queue = [...bases.entries()];
  const builds: Build[] = [];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, window] = next;
      builds[index] = { window, bytes: await compile(root, target, window) };
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), bases.length) }, worker));
  return builds;
}

/** A hash over everything that decides the bytes of `target`. */
function stamp(root: string, target: string): string {
  const hash = createHash('sha256').update(`${target} ${compilerVersion()} `);
  const tools = ['build-wasm.ts', 'compile.ts', 'asc.mjs', 'data-section.ts', 'relocations.ts'].map((name) =>
    join(HERE, name),
  );
  const sources = readdirSync(join(root, 'assembly'), { recursive: true, encoding: 'utf8' });
  const inputs = sources.filter((name) => name.endsWith('.ts')).map((name) => join(root, 'assembly', name));
  for (const file of [join(root, 'asconfig.json'), ...tools, ...inputs.sort()]) {
    hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

function compilerVersion(): string {
  return JSON.parse(readFileSync(join(HERE, '../node_modules/assemblyscript/package.json'), 'utf8')).version;
}

/** Builds one target of `root` unless it is up to date. Returns the file's path. Throws where the compiler fails. */
export async function buildWasm(root: string, target: string, force = false): Promise<string> {
  const options = readConfig(root).targets[target];
  if (!options) throw new Error(`no target '${target}' in asconfig.json`);
  const file = join(root, String(options.outFile));
  const stampFile = `${file}.stamp`;
  const now = stamp(root, target);
  if (!force && existsSync(file) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === now) return file;
  mkdirSync(dirname(file), { recursive: true });
  const began = performance.now();
  const own = parseWindow(readFileSync(join(root, WINDOW_FILE), 'utf8')).base;
  const relocatable = options.optimizeLevel === 3 || options.sharedMemory === true;
  const builds = await compileAt(root, target, relocatable ? WINDOW_BASES : [own]);
  let bytes = setMemoryPages(builds[0].bytes, (builds[0].window + WINDOW_SIZE) / PAGE);
  let sites = '';
  if (relocatable) {
    const list = findRelocations(builds as [Build, Build, Build]);
    bytes = withRelocations(bytes, list);
    sites = `, ${list.sites.length} addresses to relocate`;
  }
  writeFileSync(`${file}.${process.pid}.tmp`, bytes);
  renameSync(`${file}.${process.pid}.tmp`, file);
  writeFileSync(stampFile, now);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${relative(root, file)}: ${bytes.length} bytes${sites}, ${seconds} s`);
  return file;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const args = process.argv.slice(2);
  const targets = args.filter((arg) => !arg.startsWith('--'));
  for (const target of targets.length > 0 ? targets : ['release', 'test']) {
    await buildWasm(resolve(HERE, '..'), target, args.includes('--force'));
  }
}
