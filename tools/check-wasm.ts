/**
 * Fails if the built core, a function or the package outgrew its limits, or if the interpreter lost its jump table: the optimiser
 * silently turns a `switch` of more than about a thousand cases into a chain of tests, ten times slower.
 * Usage: tsx tools/check-wasm.ts
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { readRelocations } from '../src/core/relocate.ts';
import { packPackage } from './pack.ts';
import { readBodies } from './wasm-code.ts';

/** Least and most targets of the interpreter's br_table. */
const LEAST_TARGETS = 200;
const MOST_TARGETS = 1000;
/** Bytes of a function: Safari's engine never optimises one above 100,000, and says nothing. */
const MOST_BODY = 95_000;
/**
 * Bytes of build/core.wasm, of the unpacked package, and of what a page loads, packed as servers pack it. The aims are
 * 1,500,000 for the package and 300,000 for the page.
 */
const MOST_WASM = 700_000;
const MOST_PACKAGE = 1_545_000;
const MOST_PAGE = 308_000;

const root = resolve(import.meta.dirname, '..');
const problems: string[] = [];

const wasm = new Uint8Array(readFileSync(join(root, 'build/core.wasm')));
const bodies = readBodies(wasm);
const widest = bodies.reduce((best, body) => (body.widestTable > best.widestTable ? body : best));
const largest = bodies.reduce((best, body) => (body.size > best.size ? body : best));
console.log(`core.wasm: ${wasm.length} bytes, ${bodies.length} functions, the largest ${largest.size} bytes`);
console.log(`widest br_table: ${widest.widestTable} targets, in function ${widest.index} of ${widest.size} bytes`);
if (wasm.length >= MOST_WASM) problems.push(`core.wasm has ${wasm.length} bytes; the limit is ${MOST_WASM}`);
if (widest.widestTable <= LEAST_TARGETS) {
  problems.push(`no function has a br_table of more than ${LEAST_TARGETS} targets: the interpreter's switch was lost`);
}
if (widest.widestTable >= MOST_TARGETS)
  problems.push(`the interpreter has ${widest.widestTable} cases; the limit is ${MOST_TARGETS}`);
if (largest.size >= MOST_BODY)
  problems.push(`function ${largest.index} has ${largest.size} bytes; the limit is ${MOST_BODY}`);
const sites = readRelocations(wasm)?.sites.length ?? 0;
console.log(`relocation list: ${sites} addresses`);
if (sites === 0) problems.push('core.wasm has no relocation list');

const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-pack-'));
const pack = packPackage(root, folder);
rmSync(folder, { recursive: true });
console.log(`package: ${pack.size} bytes packed, ${pack.unpackedSize} unpacked, ${pack.entryCount} files`);
if (pack.unpackedSize >= MOST_PACKAGE) {
  problems.push(`the package unpacks to ${pack.unpackedSize} bytes; the limit is ${MOST_PACKAGE}`);
}

const { outputFiles, metafile } = await build({
  entryPoints: [join(root, 'dist/index.js')],
  outdir: join(root, 'build'),
  bundle: true,
  splitting: true,
  format: 'esm',
  minify: true,
  write: false,
  metafile: true,
  logLevel: 'error',
});
/** What is loaded at once: what is only imported when it is needed does not count. */
const loaded = new Set<string>();
const load = (path: string): void => {
  if (loaded.has(path)) return;
  loaded.add(path);
  for (const { path: next, kind } of metafile.outputs[path].imports) if (kind === 'import-statement') load(next);
};
load(relative(process.cwd(), outputFiles[0].path));
const scripts = outputFiles.filter(({ path }) => loaded.has(relative(process.cwd(), path)));
const page = [wasm, ...scripts.map(({ contents }) => contents)].map((bytes) => gzipSync(bytes).length);
const pageBytes = page.reduce((sum, length) => sum + length, 0);
console.log(`page: ${pageBytes} bytes with gzip, ${page[0]} of them core.wasm`);
if (pageBytes >= MOST_PAGE) problems.push(`a page loads ${pageBytes} bytes; the limit is ${MOST_PAGE}`);

for (const problem of problems) console.error(`error: ${problem}`);
if (problems.length > 0) process.exitCode = 1;
