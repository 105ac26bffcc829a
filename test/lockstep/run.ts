/**
 * The lock-step judge by hand: tsx test/lockstep/run.ts STEPS [FIRST-SEED] [--vmx|--bare]
 * Seeds of 20,000 instructions each, with and without VMX in turn, until STEPS have retired.
 */
import { judge } from './judge.ts';

const STEPS_OF_A_SEED = 20_000;
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const [wanted, first = 1] = words.map(Number);
if (!(wanted > 0)) throw new Error('usage: tsx test/lockstep/run.ts STEPS [FIRST-SEED] [--vmx|--bare]');
const only = process.argv.find((word) => word === '--vmx' || word === '--bare');

let [steps, exits, different] = [0, 0, 0];
const began = performance.now();
for (let seed = first; steps < wanted; seed++) {
  const vmx = only ? only === '--vmx' : seed % 2 === 1;
  const verdict = await judge({ seed, steps: STEPS_OF_A_SEED, vmx });
  steps += verdict.steps;
  exits += verdict.vmExits;
  if (!verdict.difference) continue;
  different++;
  console.log(verdict.difference);
}
const seconds = ((performance.now() - began) / 1000).toFixed(0);
console.log(`${steps} instructions, ${exits} VM exits, ${different} seeds that differ, ${seconds} s`);
process.exitCode = different > 0 ? 1 : 0;
