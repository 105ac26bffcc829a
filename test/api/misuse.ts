/** What the tests of misuse share: a machine that can be made, and what is said of what is not accepted. */
import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/index.ts';
import { fakeCore, hlt } from '../machine/fake-core.ts';

// biome-ignore lint/suspicious/noExplicitAny: what is wrong on purpose has no type
export type Anything = any;
export const wrong = (value: unknown): Anything => value;
export type Row = [what: string, misuse: () => unknown, message: RegExp];

export const kernel = Uint8Array.of(0xf4);
export const base = {
  kernel,
  flat: { address: 0x7c00, mode: 16 as const },
  memory: '1M',
  createCore: fakeCore([hlt]).createCore,
};

/** Makes a machine with other options. */
export const create = (options: unknown) => () => Machine.create({ ...base, ...(options as object) });

/** Does something to a machine with these devices. */
export const on =
  (use: (machine: Anything) => unknown, ...devices: Anything[]) =>
  async () =>
    use(await Machine.create({ ...base, devices }));

/** An error of ours that says what is wrong; never one of the language from inside. */
export function refuses(group: string, rows: readonly Row[]): void {
  describe(group, () => {
    it.each(rows)('%s: is refused in words', async (_what, misuse, message) => {
      const error = await Promise.resolve()
        .then(misuse)
        .then(
          () => new Error('accepted'),
          (failure: unknown) => failure,
        );
      expect(error).toBeInstanceOf(Error);
      expect(error).not.toBeInstanceOf(TypeError);
      expect((error as Error).message).toMatch(message);
    });
  });
}
