// The virtual clock: order, cancellation, and what it tells its owner.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/devices/clock.ts';
import { HandClock } from './hand-clock.ts';

describe('the virtual clock', () => {
  it('fires timers in the order of their deadlines, equal ones in the order they were scheduled', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 }), (deadlines) => {
        const clock = new HandClock();
        const fired: [number, number][] = [];
        for (const [index, deadline] of deadlines.entries()) {
          clock.schedule(deadline, () => fired.push([deadline, index]));
        }
        clock.advance(50);
        const sorted = deadlines.map((deadline, index): [number, number] => [deadline, index]);
        expect(fired).toEqual(sorted.sort(([a, i], [b, j]) => a - b || i - j));
      }),
      { seed: 1 },
    );
  });

  it('forgets cancelled timers, also as its next deadline', () => {
    const clock = new HandClock();
    const timer = clock.schedule(10, () => expect.unreachable());
    clock.schedule(20, () => {});
    timer.cancel();
    expect(clock.nextDeadline).toBe(20);
    clock.advance(30);
    expect(clock.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });

  it('fires a timer that a due timer scheduled for now', () => {
    const clock = new HandClock();
    let fired = 0;
    clock.schedule(5, () => clock.schedule(5, () => fired++));
    clock.advance(5);
    expect(fired).toBe(1);
  });

  it('reports when the next deadline moves closer and only then', () => {
    let reports = 0;
    const clock = new VirtualClock(
      () => 0,
      () => reports++,
    );
    clock.schedule(100, () => {});
    clock.schedule(200, () => {});
    expect(reports).toBe(1);
    clock.schedule(50, () => {});
    expect(reports).toBe(2);
  });

  it('refuses a deadline that is not a number', () => {
    expect(() => new HandClock().schedule(Number.NaN, () => {})).toThrow('deadline');
  });
});
