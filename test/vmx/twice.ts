/**
 * Runs a guest twice from the same state, in one run and instruction by instruction, and holds the two exits against each
 * other: nothing that a guest sees may depend on where the embedder lets the processor come back.
 */
import type { WasmCore } from '../../src/core/index.ts';
import { FIELDS, LAYOUT } from '../../src/core/layout.gen.ts';

/** The page of mailboxes and the I/O APIC's. */
const SHARED_BYTES = 0x2000;
/** What VM exits leave in the state block. */
const ALL_EXITS = 2;
const STOP = 16;

/** Fields that are the way to a state and not the state: caches, budgets, scratch, what was recorded. */
const WAYS = new Set([
  ...['budget', 'bank', 'ctx', 'retiredEnd', 'block', 'arenaTop', 'nextGeneration', 'runEnd', 'leave', 'attention'],
  ...['bounceLength', 'bounceKind', 'bouncePa', 'bouncePa2', 'rmw', 'operand', 'walkError', 'faultAddress'],
  ...['lazyResult', 'lazyCarry', 'vector', 'errorCode', 'eventType', 'eventLength', 'recordExits'],
  ...['clean', 'exitCount', 'shadowAt', 'resumeAt', 'shadowsDebug'],
]);

/** The parts of memory that hold everything but caches. */
function partsOf(core: WasmCore): Uint8Array[] {
  const ram = core.memory.bytes(0, core.memory.size);
  const shared = new Uint8Array(ram.buffer, LAYOUT.MAILBOXES, SHARED_BYTES);
  return [shared, ram, core.extra];
}

/** Copies of the parts in buffers that are used again: tests are many, and the parts are some megabytes. */
class Copy {
  #parts: Uint8Array[] = [];

  take(core: WasmCore): void {
    for (const [n, part] of partsOf(core).entries()) {
      if (this.#parts[n]?.length !== part.length) this.#parts[n] = new Uint8Array(part.length);
      this.#parts[n].set(part);
    }
  }
  bringBack(core: WasmCore): void {
    for (const [n, part] of partsOf(core).entries()) part.set(this.#parts[n]);
  }
  /** Where the parts of `core` are otherwise, in words. */
  differences(core: WasmCore): string[] {
    return partsOf(core).flatMap((part, n) => {
      const copy = this.#parts[n];
      if (Buffer.compare(part, copy) === 0) return [];
      const at = part.findIndex((byte, k) => byte !== copy[k]);
      const name = ['mailboxes and I/O APIC', 'RAM', 'memory beside RAM'][n];
      return [`${name} at 0x${at.toString(16)} is ${copy[at]} in one run, ${part[at]} in steps`];
    });
  }
}
const start = new Copy();
const afterOneRun = new Copy();

type Values = ReadonlyMap<string, bigint | number | string>;

const NAMES = (Object.keys(FIELDS) as (keyof typeof FIELDS)[]).filter((name) => !WAYS.has(name));

function valuesOf(core: WasmCore): Values {
  const values = new Map<string, bigint | number | string>();
  for (const name of NAMES) values.set(name, core.state.field(name));
  values.set('rflags', core.get('rflags'));
  values.set('retired', core.retired);
  const pieces = {
    gpr: [LAYOUT.GPR, 128],
    segments: [LAYOUT.SEG, 256],
    ymm: [LAYOUT.YMM, 512],
    fpr: [LAYOUT.FPR, 128],
  };
  for (const [name, [at, length]] of Object.entries({ ...pieces, apic: [LAYOUT.APIC, 0x400] })) {
    values.set(name, Buffer.from(core.state.bytes(at, length)).toString('hex'));
  }
  return values;
}

/** What is otherwise in steps than it was in one run, in words. */
function differences(inOneRun: Values, core: WasmCore): string[] {
  const found = afterOneRun.differences(core);
  for (const [name, value] of valuesOf(core)) {
    const other = inOneRun.get(name);
    if (other !== value) found.push(`${name} is ${other?.toString(16)} in one run, ${value.toString(16)} in steps`);
  }
  return found;
}

/** `core.run` up to the first VM exit, before the hypervisor's first instruction. */
export function runToExit(core: WasmCore, budget: number): void {
  const { state } = core;
  const recording = state.number('recordExits');
  state.setNumber('recordExits', ALL_EXITS);
  core.run(budget);
  state.setNumber('recordExits', recording);
  state.setNumber('attention', state.number('attention') & ~STOP);
}

/**
 * Lets `core` run until it is not in a guest any more, `budget` instructions at most, the first of which may be the VM entry.
 * It is left as stepping leaves it; throws where one run comes to another exit.
 */
export function runTwice(core: WasmCore, budget: number): void {
  const isInGuest = () => core.state.number('nonRoot') !== 0;
  const state = core.saveState();
  start.take(core);
  runToExit(core, 1000 + 20 * budget);
  const inOneRun = isInGuest() ? undefined : valuesOf(core);
  if (inOneRun) afterOneRun.take(core);
  start.bringBack(core);
  core.loadState(state);
  core.run(1);
  for (let n = 1; n < budget && isInGuest(); n++) core.run(1);
  if (isInGuest()) return;
  if (!inOneRun) throw new Error('the guest exits when it is stepped, and not in one run');
  const found = differences(inOneRun, core);
  if (found.length > 0) throw new Error(`one run and steps differ: ${found.join('; ')}`);
}
