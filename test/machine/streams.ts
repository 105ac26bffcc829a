/**
 * Random instruction streams by hand: tsx test/machine/streams.ts FIRST COUNT
 * Seeds run in a child process; one in which the event loop gets no turn for 20 seconds, or that is not over after a
 * minute, is a hang: the child is ended, and the next seed begins in another.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { MODES, type Mode } from './streams/modes.ts';
import { runStream, type StreamResult } from './streams/streams.ts';

const PATIENCE_MS = 20_000;
const SEED_MS = 60_000;
/** The event loop's turns are told this often. */
const BEAT_MS = 200;

type Message =
  | { seed: number }
  | { beat: true }
  | { seed: number; result: StreamResult }
  | { seed: number; error: string };

async function runSeeds(first: number, end: number): Promise<void> {
  const tell = (message: Message): void => void process.send?.(message);
  for (let seed = first; seed < end; seed++) {
    tell({ seed });
    let told = performance.now();
    const turn = (): void => {
      if (performance.now() - told < BEAT_MS) return;
      told = performance.now();
      tell({ beat: true });
    };
    try {
      tell({ seed, result: await runStream(seed, turn) });
    } catch (error) {
      tell({ seed, error: String((error as Error).stack) });
    }
  }
  process.disconnect();
}

class Tally {
  readonly hangs: number[] = [];
  readonly crashes: number[] = [];
  readonly ends: Record<string, number> = {};
  seeds = 0;
  instructions = 0;
  vmExits = 0;
  vmxSeeds = 0;
  vmxSeedsWithExits = 0;
  accesses = 0;
  longest = { ms: 0, seed: 0 };

  add(seed: number, { mode, instructions, vmExits, ports, mmio, longest, ends }: StreamResult): void {
    this.seeds++;
    this.instructions += instructions;
    this.vmExits += vmExits;
    this.accesses += ports + mmio;
    if (mode === 'VMX guest') {
      this.vmxSeeds++;
      if (vmExits > 0) this.vmxSeedsWithExits++;
    }
    if (longest > this.longest.ms) this.longest = { ms: longest, seed };
    for (const [end, count] of Object.entries(ends)) this.ends[end] = (this.ends[end] ?? 0) + count;
  }
}

/** Runs a child from `first` on. Resolves to the seed to go on with. */
function watchChild(first: number, end: number, tally: Tally): Promise<number> {
  const child: ChildProcess = fork(import.meta.filename, [`${first}`, `${end - first}`], {
    env: { ...process.env, STREAMS_CHILD: '1' },
  });
  let [current, began, beat] = [first, performance.now(), performance.now()];
  let [isHung, hasBegun] = [false, false];
  const watch = setInterval(() => {
    const now = performance.now();
    // A child that is not there yet is loading.
    if ((!hasBegun || now - beat < PATIENCE_MS) && now - began < SEED_MS) return;
    isHung = true;
    child.kill('SIGKILL');
  }, 1000);
  child.on('message', (message: Message) => {
    beat = performance.now();
    hasBegun = true;
    if ('beat' in message) return;
    current = message.seed;
    const mode: Mode = MODES[current % MODES.length];
    if ('result' in message) tally.add(current, message.result);
    else if ('error' in message) {
      tally.crashes.push(current);
      console.log(`seed ${current} (${mode}): ${message.error}`);
    } else began = beat;
  });
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      clearInterval(watch);
      if (code === 0) return resolve(end);
      (isHung ? tally.hangs : tally.crashes).push(current);
      console.log(
        `seed ${current} (${MODES[current % MODES.length]}): ${isHung ? 'hangs' : `process ended by ${code ?? signal}`}`,
      );
      resolve(current + 1);
    });
  });
}

const [first, count] = process.argv.slice(2).map(Number);
if (!(count > 0)) throw new Error('usage: tsx test/machine/streams.ts FIRST COUNT');
if (process.env.STREAMS_CHILD) await runSeeds(first, first + count);
else {
  const tally = new Tally();
  const began = performance.now();
  for (let seed = first; seed < first + count; ) seed = await watchChild(seed, first + count, tally);
  const { hangs, crashes, longest, ...figures } = tally;
  console.log(figures);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`${hangs.length} hangs ${hangs}, ${crashes.length} crashes ${crashes}, ${seconds} s`);
  console.log(`longest time between turns of the event loop: ${longest.ms.toFixed(0)} ms (seed ${longest.seed})`);
  process.exitCode = hangs.length + crashes.length > 0 ? 1 : 0;
}
