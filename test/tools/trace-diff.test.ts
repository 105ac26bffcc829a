// The first difference of two traces.
import { describe, expect, it } from 'vitest';
import { firstDifference, formatDifference } from '../../tools/trace-diff.ts';

async function* lines(...all: string[]): AsyncGenerator<string> {
  yield* all;
}

describe('two traces', () => {
  it('that are equal have no difference', async () => {
    expect(await firstDifference(lines('a', 'b'), lines('a', 'b'))).toBeNull();
  });

  it('differ at a line, shown behind the last equal ones', async () => {
    const found = await firstDifference(lines('a', 'b', 'c', 'x'), lines('a', 'b', 'c', 'y'), 2);
    expect(found).toEqual({ line: 4, before: ['b', 'c'], left: 'x', right: 'y' });
    expect(formatDifference(found!)).toBe('line 4:\n  b\n  c\n< x\n> y');
  });

  it('differ where one of them ends', async () => {
    const found = await firstDifference(lines('a'), lines('a', 'b'));
    expect(formatDifference(found!)).toBe('line 2:\n  a\n< (end of the trace)\n> b');
  });
});
