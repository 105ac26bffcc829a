/**
 * Which kinds of records does a guest execute? Builds the processor with a call at each block, runs a boot of Debian's
 * kernel or the integer kernels of roms/bench, and prints the shares of instructions that cold handlers and hot kinds have,
 * and the pairs of kinds that follow each other most, each chosen after the ones before it.
 * Usage: tsx tools/kind-counts.ts [linux|bench64|bench32] [pairs]
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { benchImage, RAM_BYTES } from '../bench/guest-run.ts';
import { Machine } from '../src/index.ts';
import { HOT } from '../src/isa/hot/index.ts';
import { FIELDS, LAYOUT } from '../src/core/layout.gen.ts';
import { boot, prepareSoftware } from '../test/linux/guest.ts';
import { WINDOW_SIZE } from './build-wasm.ts';
import { compile } from './compile.ts';
import { setMemoryPages } from './relocations.ts';

const ROOT = resolve(import.meta.dirname, '..');
const RECORD = 32;
const SHOWN = 40;
const KERNELS = ['alu', 'core', 'ldst', 'interp', 'fnptr', 'fib', 'sieve', 'qsort', 'sha256'];
const INIT = '#!/bin/busybox sh\necho shell\n/bin/busybox poweroff -f\n';

/** A block: how often it ran, its instructions, and the kinds of its records by name. */
interface Counted {
  runs: number;
  instructions: number;
  kinds: string[];
}

/** The processor with an import `entered`, called with the address of each block that begins. */
async function countingCore(): Promise<Uint8Array<ArrayBuffer>> {
  const tree = mkdtempSync(join(tmpdir(), 'vmlaunch-kinds-'));
  try {
    cpSync(join(ROOT, 'assembly'), join(tree, 'assembly'), { recursive: true });
    cpSync(join(ROOT, 'asconfig.json'), join(tree, 'asconfig.json'));
    const file = join(tree, 'assembly/exec/interpret.gen.ts');
    const text = readFileSync(file, 'utf8').replace(/^( *)(cpu\.block = .*;)$/gm, '$1$2\n$1entered(cpu.block);');
    writeFileSync(file, `${text}\n@external('env', 'entered')\ndeclare function entered(block: u32): void;\n`);
    const pages = (LAYOUT.WINDOW + WINDOW_SIZE) / 0x10000;
    return setMemoryPages(await compile(tree, 'release'), pages) as Uint8Array<ArrayBuffer>;
  } finally {
    rmSync(tree, { recursive: true });
  }
}

const handlers = Array.from(
  readFileSync(join(ROOT, 'assembly/exec/handlers.gen.ts'), 'utf8').matchAll(
    /^function h\d+\(i: Rec\): void \{ (.*) \}$/gm,
  ),
  ([, body]) => `*${/\bop\w+(<[^>]*>)?/.exec(body)?.[0]}`,
);
const nameOf = (kind: number): string => HOT[kind]?.name ?? handlers[kind - HOT.length];

/** Counts blocks of the arena, which is emptied from time to time. */
class Counter {
  readonly blocks: Counted[] = [];
  readonly #live = new Map<number, Counted>();
  #top = 0;

  entered(view: DataView, block: number): void {
    if (block < LAYOUT.WINDOW + LAYOUT.ARENA) return;
    const top = view.getUint32(LAYOUT.WINDOW + FIELDS.arenaTop.at, true);
    if (top < this.#top) this.#live.clear();
    this.#top = top;
    let counted = this.#live.get(block);
    if (!counted) {
      counted = { runs: 0, instructions: view.getUint16(block, true), kinds: kindsOf(view, block) };
      this.#live.set(block, counted);
      this.blocks.push(counted);
    }
    counted.runs++;
  }
}
/** Kinds of a block's records; of two joined ones each its own. */
function kindsOf(view: DataView, block: number): string[] {
  const kinds: string[] = [];
  for (let at = block + RECORD; ; at += RECORD) {
    const kind = view.getUint16(at, true);
    kinds.push(nameOf(kind).split('+')[0]);
    if (HOT[kind]?.ends) return kinds;
  }
}

async function runGuest(guest: string, source: Uint8Array<ArrayBuffer>): Promise<void> {
  if (guest === 'linux') {
    await boot({ ...(await prepareSoftware()), source }, INIT);
    return;
  }
  for (const kernel of KERNELS) {
    const machine = await Machine.create({
      kernel: benchImage(guest === 'bench32' ? 32 : 64),
      memory: RAM_BYTES,
      append: `bench=${kernel} units=1`,
      devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
      source,
    });
    await machine.run();
  }
}

/** Joins what `chosen` has, left to right as assembly/isa/refine.ts does, and gives how often other pairs follow each other. */
function countPairs(blocks: readonly Counted[], chosen: ReadonlySet<string>): Map<string, number> {
  const pairs = new Map<string, number>();
  for (const { runs, kinds } of blocks) {
    for (let n = 0; n + 1 < kinds.length; n++) {
      const pair = `${kinds[n]} ${kinds[n + 1]}`;
      if (chosen.has(pair)) n++;
      else if (!pair.includes('*') && !/ (end|skip)/.test(pair)) pairs.set(pair, (pairs.get(pair) ?? 0) + runs);
    }
  }
  return pairs;
}

function print(title: string, shares: Iterable<readonly [string, number]>, total: number): void {
  console.log(`\n${title}, % of instructions`);
  for (const [name, count] of [...shares].sort((a, b) => b[1] - a[1]).slice(0, SHOWN)) {
    console.log(`${((100 * count) / total).toFixed(2).padStart(7)}  ${name}`);
  }
}

const [guest = 'linux', pairs = '0'] = process.argv.slice(2);
if (!['linux', 'bench64', 'bench32'].includes(guest)) throw new Error(`no guest '${guest}': linux, bench64 or bench32`);
const counter = new Counter();
// The core's imports are fixed; this one is added where they are handed over.
const { instantiate } = WebAssembly;
WebAssembly.instantiate = (async (module: WebAssembly.Module, imports: WebAssembly.Imports) => {
  const view = new DataView((imports.env.memory as WebAssembly.Memory).buffer);
  const env = { ...imports.env, entered: (block: number) => counter.entered(view, block) };
  return instantiate(module, { env });
}) as typeof instantiate;
await runGuest(guest, await countingCore());

const shares = new Map<string, number>();
let total = 0;
for (const { runs, instructions, kinds } of counter.blocks) {
  total += runs * instructions;
  for (const kind of kinds) shares.set(kind, (shares.get(kind) ?? 0) + runs);
}
console.log(`${total} instructions in ${counter.blocks.length} blocks`);
print(
  'Cold handlers',
  [...shares].filter(([name]) => name.startsWith('*')),
  total,
);
print(
  'Hot kinds',
  [...shares].filter(([name]) => !name.startsWith('*')),
  total,
);
const chosen = new Map<string, number>();
while (chosen.size < Number(pairs)) {
  const rest = countPairs(counter.blocks, new Set(chosen.keys()));
  const [pair, count] = [...rest].reduce((best, one) => (one[1] > best[1] ? one : best), ['', 0]);
  if (count === 0) break;
  chosen.set(pair, count);
}
if (chosen.size > 0) print('Pairs', chosen, total);
