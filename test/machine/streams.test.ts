/** Random instruction streams on a machine full of devices: it comes back from each. By hand: tsx test/machine/streams.ts FIRST COUNT. */
import { describe, expect, it } from 'vitest';
import { MODES } from './streams/modes.ts';
import { runStream, type StreamResult } from './streams/streams.ts';

const SEEDS_OF_A_MODE = 22;
/** Of a slice, in ms, on a host that does something else as well: a hang takes longer than any test may. */
const PATIENCE = 20_000;
const MODE_MS = 240_000;

describe('a machine full of devices comes back from random instructions', () => {
  it.each(MODES.map((mode, n) => [mode, n] as const))(
    'in %s mode',
    async (mode, n) => {
      const results: StreamResult[] = [];
      for (let k = 1; k <= SEEDS_OF_A_MODE; k++) results.push(await runStream(n + MODES.length * k));
      const sum = (of: (result: StreamResult) => number): number => results.reduce((total, r) => total + of(r), 0);
      expect(new Set(results.map((r) => r.mode))).toEqual(new Set([mode]));
      expect(Math.max(...results.map(({ longest }) => longest))).toBeLessThan(PATIENCE);
      expect(sum(({ instructions }) => instructions)).toBeGreaterThan(1_000 * SEEDS_OF_A_MODE);
      expect(sum(({ ports, mmio }) => ports + mmio)).toBeGreaterThan(100 * SEEDS_OF_A_MODE);
      if (mode !== 'VMX guest') return;
      expect(results.filter(({ vmExits }) => vmExits > 0).length).toBeGreaterThan(0.8 * SEEDS_OF_A_MODE);
      expect(sum(({ vmExits }) => vmExits)).toBeGreaterThan(20 * SEEDS_OF_A_MODE);
    },
    MODE_MS,
  );
});
