// The host's turns in a page, where there is no setImmediate.
import { afterEach, expect, it, vi } from 'vitest';
import { yieldToHost } from '../../../src/machine/run/yield.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

it('every machine of a page comes back from the host, however many take turns', async () => {
  vi.stubGlobal('setImmediate', undefined);
  const TURNS = 20;
  const turns = [0, 0, 0];
  await Promise.all(
    turns.map(async (_, n) => {
      for (; turns[n] < TURNS; turns[n]++) await yieldToHost();
    }),
  );
  expect(turns).toEqual([TURNS, TURNS, TURNS]);
});
