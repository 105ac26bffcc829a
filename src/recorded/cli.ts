/**
 * `vmlaunch vectors FILE..`: runs files of instruction vectors and counts what passes.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { createVectorRunner } from './create-runner.ts';
import { type Exclusion, excludedIndices, parseExclusions } from './exclusions.ts';
import { openVectors } from './reader.ts';
import { describeFailure, needsFpu, runFile } from './run-file.ts';
import type { VectorRunner } from './runner.ts';

const VERBOSE_FAILURES = 10;

export const HELP = `usage: vmlaunch vectors [options] FILE..

Runs instruction vectors (VEC1 files, .vec or .vec.gz), prints a line for each file and the total.

  -cpu MODEL       the processor model, as without a sub-command (default: max)
  --strict         compares what the files mask as undefined too, and all results exactly
  --verbose        shows the first ${VERBOSE_FAILURES} failures of each file: assembly, expected, got
  --grep TEXT      only the cases whose disassembly or form contains TEXT
  --limit N        at most N cases of each file
  --exclude LIST   leaves out the cases of a JSON list [{ "file", "index", "reason" }]

  vmlaunch vectors test/recorded/data/int-alu-64.vec.gz
  vmlaunch vectors -cpu qemu64 test/recorded/data/int-bits-64.vec.gz
  vmlaunch vectors --strict test/recorded/data/intel/int-shift-64.vec.gz
  vmlaunch vectors --verbose --grep 'bt ' test/recorded/data/*.vec.gz`;

interface Options {
  files: string[];
  cpu: string;
  strict: boolean;
  verbose: boolean;
  grep?: string;
  limit?: number;
  exclusions: Exclusion[];
}

/** Runs the sub-command. Returns the exit code: 0 when every case of every file passed. */
export async function main(argv: readonly string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = parseOptions(argv);
    if (!options) {
      console.log(HELP);
      return 0;
    }
    return await runAll(options);
  } catch (error) {
    console.error(`vmlaunch vectors: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

function parseOptions(argv: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    // QEMU's option has one dash, which parseArgs takes for a row of letters.
    args: argv.map((word) => (word === '-cpu' ? '--cpu' : word)),
    allowPositionals: true,
    options: {
      cpu: { type: 'string', default: 'max' },
      strict: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      grep: { type: 'string' },
      limit: { type: 'string' },
      exclude: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  if (positionals.length === 0) throw new Error('no FILE given (see --help)');
  const limit = values.limit === undefined ? undefined : Number(values.limit);
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1)) {
    throw new Error(`--limit ${values.limit}: a whole number of at least 1 is expected`);
  }
  const exclusions = values.exclude ? parseExclusions(readFileSync(values.exclude, 'utf8'), values.exclude) : [];
  const { cpu, strict, verbose, grep } = values;
  return { files: positionals, cpu, strict, verbose, grep, limit, exclusions };
}

async function runAll(options: Options): Promise<number> {
  const runner = await createVectorRunner(options.cpu);
  let [passed, failed, unable] = [0, 0, 0];
  for (const path of options.files) {
    const counts = runOne(runner, path, options);
    passed += counts.passed;
    failed += counts.failed;
    unable += counts.unable;
  }
  console.log(`${passed} passed, ${failed} failed${unable > 0 ? `, ${unable} not run` : ''}`);
  return failed + unable === 0 && passed > 0 ? 0 : 1;
}

function runOne(runner: VectorRunner, path: string, options: Options) {
  const file = openVectors(readFileSync(path), path);
  const title = `${file.group}-${file.mode}`.padEnd(20);
  if (needsFpu(file.group) && !runner.hasFpu) {
    console.log(`${title} ${file.count} not run: the processor has no floating-point and vector registers`);
    return { passed: 0, failed: 0, unable: file.count };
  }
  const shown: string[] = [];
  const selection = { ...options, exclude: excludedIndices(options.exclusions, basename(path)) };
  const tally = runFile(runner, file, selection, (failure) => {
    if (options.verbose && shown.length < VERBOSE_FAILURES) shown.push(describeFailure(failure));
  });
  const left = tally.excluded > 0 ? `, ${tally.excluded} left out` : '';
  console.log(`${title} ${tally.passed} passed, ${tally.failed} failed${left}`);
  for (const text of shown) console.log(text);
  return { passed: tally.passed, failed: tally.failed, unable: 0 };
}
