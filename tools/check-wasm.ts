/**
 * Fails if the built core, a function or the package outgrew its limits, or if the interpreter lost its jump table: the optimiser
 * silently turns a `switch` of more than about a thousand cases into a chain of tests, ten times slower.
 * Usage: tsx tools/check-wasm.ts
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readRelocations } from '../src/relocate.ts';
import { readBodies } from './wasm-code.ts';

/** Least and most targets of the interpreter's br_table. */
const LEAST_TARGETS = 200;
const MOST_TARGETS = 1000;
/** Bytes of a function: Safari's engine never optimises one above 100,000, and says nothing. */
const MOST_BODY = 95_000;
/** Bytes of build/core.wasm, and of the unpacked package. */
const MOST_WASM = 700_000;
const MOST_PACKAGE = 1_300_000;

interface PackReport {
  size: number;
  unpackedSize: number;
  entryCount: number;
}

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

const npm = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'], { cwd: root });
const [pack] = Object.values(JSON.parse(npm.toString())) as PackReport[];
console.log(`package: ${pack.size} bytes packed, ${pack.unpackedSize} unpacked, ${pack.entryCount} files`);
if (pack.unpackedSize >= MOST_PACKAGE) {
  problems.push(`the package unpacks to ${pack.unpackedSize} bytes; the limit is ${MOST_PACKAGE}`);
}

for (const problem of problems) console.error(`error: ${problem}`);
if (problems.length > 0) process.exitCode = 1;
