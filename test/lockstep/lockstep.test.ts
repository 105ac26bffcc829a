/**
 * The processor against itself without caches, a million instructions of random transitions of system state. By hand:
 * tsx test/lockstep/run.ts STEPS.
 */
import { describe, expect, it } from 'vitest';
import { judge } from './judge.ts';

const STEPS = 50_000;
const TEN_MINUTES = 600_000;

describe('a processor that caches sees what one sees that forgets everything before each instruction', () => {
  it.each(Array.from({ length: 10 }, (_, n) => 1 + n))(
    'while control registers, page tables, keys, breakpoints and privilege change (seed %i)',
    async (seed) => {
      const { steps, difference } = await judge({ seed, steps: STEPS, vmx: false });
      expect(difference).toBeUndefined();
      expect(steps).toBeGreaterThanOrEqual(STEPS);
    },
    TEN_MINUTES,
  );

  it.each(Array.from({ length: 10 }, (_, n) => 1001 + n))(
    'while guests come and go that differ in what VM entry loads (seed %i)',
    async (seed) => {
      const { steps, vmExits, difference } = await judge({ seed, steps: STEPS, vmx: true });
      expect(difference).toBeUndefined();
      expect(steps).toBeGreaterThanOrEqual(STEPS);
      expect(vmExits).toBeGreaterThan(STEPS / 500);
    },
    TEN_MINUTES,
  );
});
