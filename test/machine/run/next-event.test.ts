// How far it is to the next event.
import { describe, expect, it } from 'vitest';
import { NEVER } from '../../../src/core/types.ts';
import { jumpOf, nsUntil } from '../../../src/machine/run/next-event.ts';

describe('the next event', () => {
  it('is the earliest, at once where it is past, and infinitely far where there is none', () => {
    expect([nsUntil(10n, 30n, 20n), nsUntil(10n, 5n), nsUntil(10n, NEVER, NEVER)]).toEqual([10, 0, Infinity]);
  });

  it('is met to the nanosecond after any time, in jumps that a number counts exactly', () => {
    const event = NEVER - 1n;
    let now = 1n;
    let jumps = 0;
    for (; now < event; jumps++) now += BigInt(jumpOf(nsUntil(now, event)));
    expect([now, jumps]).toEqual([event, 1024]);
  });
});
