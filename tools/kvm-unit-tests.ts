/**
 * Runs a folder of kvm-unit-tests' .flat files, which are built elsewhere, and prints a table of their verdicts: what
 * docs/kvm-unit-tests.md holds.
 *
 *   tsx tools/kvm-unit-tests.ts [--budget N] [--append TEXT] [--cpu MODEL] [--memory SIZE] [--smp N] [--machine TYPE]
 *       [--bare 1] [--seconds N] [--logs FOLDER] FOLDER [SUITE..]
 *
 * Each suite (tools/kvm-unit-suites.ts, or a file's name) runs in a process of its own, as `vmlaunch -kernel X.flat -append
 * TEXT -device isa-debug-exit,iobase=0xf4,iosize=0x4 -device pc-testdev -nographic -m 256M -cpu max` would run it, for at
 * most N instructions (2e9, or what the suite needs) and N seconds (300). Options go before what a suite says. Tests skip
 * what the processor does not offer, so a count of PASS says more than no FAIL.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../bench/table.ts';
import { Machine, type Outcome } from '../src/index.ts';
import { type Settings, type Suite, suitesOf, wordsOf } from './kvm-unit-suites.ts';

const DEFAULTS: Settings = { budget: 2e9, append: '', cpu: 'max', memory: '256M', smp: 1, machine: 'pc', bare: 0 };
const DEFAULT_SECONDS = 300;
const BARE = { bytes: new TextEncoder().encode('TEST_DEVICE=0\n'), commandLine: 'env' };
const RELEASE_CORE = fileURLToPath(new URL('../build/core.wasm', import.meta.url));
const EXIT_PORT = 0xf4;
/** Verdicts of the tests' own exit codes, which isa-debug-exit turns into (code << 1) | 1. */
const EXIT_NAMES: Record<number, string> = { 0: 'pass', 1: 'fail', 77: 'skip', 127: 'abort' };

interface Limits {
  seconds: number;
  /** Folder for the outputs. */
  logs?: string;
}

interface Verdict {
  pass: number;
  fail: number;
  skip: number;
  ending: string;
  instructions: number;
  seconds: number;
  /** The first lines that say FAIL or are the last words of a test that did not end. */
  remarks: string[];
}

interface RunResult {
  outcome: Outcome;
  instructions: number;
  seconds: number;
}

/** Boots one file in this process; what it prints goes to standard output, the result to standard error as JSON. */
async function runOne(path: string, settings: Settings): Promise<void> {
  const machine = await Machine.create({
    kernel: new Uint8Array(readFileSync(path)),
    kernelName: path,
    append: settings.append,
    memory: settings.memory,
    cpu: settings.cpu,
    vcpus: settings.smp,
    machine: settings.machine,
    modules: settings.bare ? [BARE] : [],
    devices: [{ type: 'isa-debug-exit', iobase: EXIT_PORT, iosize: 4 }, { type: 'pc-testdev' }],
    source: existsSync(RELEASE_CORE) ? readFileSync(RELEASE_CORE) : undefined,
  });
  machine.on('console', (_text, info) => {
    process.stdout.write(info.bytes);
  });
  const outcome = await machine.run({ instructions: settings.budget });
  const { instructions, hostSeconds } = machine.report;
  const result: RunResult = { outcome, instructions, seconds: hostSeconds };
  process.stderr.write(`\n${JSON.stringify(result)}\n`);
}

/** Runs one file in a child process and reads its verdict. */
async function judge(path: string, settings: Settings, { seconds, logs }: Limits, name: string): Promise<Verdict> {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), '--one', ...settingArgs(settings), path];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  child.stdout.setEncoding('latin1').on('data', (text) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
  await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  if (child.signalCode === 'SIGKILL') errors += `\nno end after ${seconds} s`;
  if (logs) writeFileSync(join(logs, `${name}.txt`), `${output}\n${errors}`, 'latin1');
  return readVerdict(output, errors);
}

function settingArgs(settings: Settings): string[] {
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/** Counts the lines of a test's output, and explains its end. */
export function readVerdict(output: string, errors: string): Verdict {
  const lines = output.split(/\r?\n/);
  const count = (word: string) => lines.filter((line) => line.startsWith(`${word}:`)).length;
  const result = parseResult(errors);
  const fails = lines.filter((line) => line.startsWith('FAIL:') || line.includes(': FAIL'));
  const lastWords = lines.filter((line) => line !== '').slice(-1);
  const hasEnded = result?.outcome.reason === 'debug-exit';
  return {
    pass: count('PASS'),
    fail: count('FAIL'),
    skip: count('SKIP'),
    ending: result ? describe(result.outcome) : 'crash',
    instructions: result?.instructions ?? 0,
    seconds: result?.seconds ?? 0,
    remarks: result ? [...fails.slice(0, 3), ...(hasEnded ? [] : lastWords)] : errors.trim().split('\n').slice(0, 8),
  };
}

function parseResult(errors: string): RunResult | undefined {
  const line = errors.split('\n').findLast((text) => text.startsWith('{"outcome"'));
  return line ? (JSON.parse(line) as RunResult) : undefined;
}

function describe(outcome: Outcome): string {
  if (outcome.reason !== 'debug-exit') return outcome.reason;
  const status = ((outcome.code << 1) | 1) & 0xff;
  return `${status} ${EXIT_NAMES[outcome.code] ?? `code ${outcome.code}`}`;
}

async function runFolder(
  folder: string,
  names: readonly string[],
  wishes: Partial<Settings>,
  limits: Limits,
): Promise<void> {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.flat'))
    .map((name) => basename(name, '.flat'))
    .sort();
  const suites = suitesOf(files, names);
  const needy = suites.filter((suite) => (wishes.smp ?? suite.smp ?? 1) > 1);
  if (needy.length > 0 && !existsSync(RELEASE_CORE)) {
    const which = needy.map(({ name }) => name).join(', ');
    throw new Error(`several processors need build/core.wasm: run 'npm run build' first, or leave out ${which}`);
  }
  if (limits.logs) mkdirSync(limits.logs, { recursive: true });
  const rows: string[][] = [];
  for (const suite of suites) {
    const { name, file = name } = suite;
    const settings = { ...DEFAULTS, ...withoutNames(suite), ...wishes };
    const verdict = await judge(join(folder, `${file}.flat`), settings, limits, name);
    const { pass, fail, skip, ending, instructions, seconds } = verdict;
    const mips = seconds > 0 ? instructions / seconds / 1e6 : 0;
    rows.push([
      name,
      wordsOf(suite),
      ...[pass, fail, skip].map(String),
      ending,
      instructions.toLocaleString('en-US'),
      mips.toFixed(0),
    ]);
    for (const remark of verdict.remarks) process.stderr.write(`${name}: ${remark}\n`);
  }
  console.log(formatTable(['suite', 'options', 'PASS', 'FAIL', 'SKIP', 'exit', 'instructions', 'MIPS'], rows));
}

function withoutNames({ name: _name, file: _file, ...settings }: Suite): Partial<Settings> {
  return settings;
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      one: { type: 'boolean', default: false },
      budget: text,
      append: text,
      cpu: text,
      memory: text,
      smp: text,
      machine: text,
      bare: text,
      seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
      logs: text,
    },
  });
  const [first, ...names] = positionals;
  if (!first) throw new Error('usage: tsx tools/kvm-unit-tests.ts [options] FOLDER [SUITE..]');
  const { one, seconds, logs, ...words } = values;
  const wishes = readWishes(words);
  if (one) await runOne(first, { ...DEFAULTS, ...wishes });
  else await runFolder(first, names, wishes, { seconds: Number(seconds), logs });
}

function readWishes({ budget, smp, bare, machine, ...words }: Record<string, string | undefined>): Partial<Settings> {
  if (budget !== undefined && !(Number(budget) >= 1))
    throw new Error(`--budget ${budget}: a number of instructions is expected`);
  if (machine !== undefined && machine !== 'pc' && machine !== 'microvm')
    throw new Error(`--machine ${machine}: pc or microvm is expected`);
  return {
    ...words,
    ...(budget && { budget: Number(budget) }),
    ...(smp && { smp: Number(smp) }),
    ...(bare && { bare: Number(bare) }),
    ...(machine && { machine }),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
