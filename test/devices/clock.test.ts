// The virtual clock: order, cancellation, and what it tells its owner.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NEVER } from '../../src/core/types.ts';
import { cyclesAt, nsOfCycle, VirtualClock } from '../../src/devices/clock.ts';
import { HandClock } from './hand-clock.ts';

describe('the virtual clock', () => {
  it('fires timers in the order of their deadlines, equal ones in the order they were scheduled', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 }), (deadlines) => {
        const clock = new HandClock();
        const fired: [number, number][] = [];
        for (const [index, deadline] of deadlines.entries()) {
          clock.timer(`${index}`, () => fired.push([deadline, index])).arm(BigInt(deadline));
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
    const timer = clock.timer('cancelled', () => expect.unreachable());
    timer.arm(10n);
    clock.timer('other', () => {}).arm(20n);
    timer.cancel();
    expect(clock.nextDeadline).toBe(20n);
    clock.advance(30);
    expect(clock.nextDeadline).toBe(NEVER);
  });

  it.each([5n, 3n])('leaves a timer that a due timer scheduled for %i, at 5, to the next call', (deadline) => {
    const clock = new VirtualClock(() => 5n);
    const fired: string[] = [];
    const again = (): void => {
      fired.push('again');
      timer.arm(deadline);
    };
    const timer = clock.timer('again', again);
    timer.arm(4n);
    clock.runDue();
    expect([fired, clock.nextDeadline]).toEqual([['again'], deadline]);
    clock.runDue();
    expect(fired).toHaveLength(2);
  });

  it('reports when the next deadline moves closer and only then', () => {
    let reports = 0;
    const clock = new VirtualClock(
      () => 0n,
      () => reports++,
    );
    clock.timer('a', () => {}).arm(100n);
    clock.timer('b', () => {}).arm(200n);
    expect(reports).toBe(1);
    clock.timer('c', () => {}).arm(50n);
    expect(reports).toBe(2);
  });

  it.each([1n, 32_768n, 1_193_182n, 3_579_545n])('counts cycles of %i Hz exactly, however late it is', (hz) => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: (NEVER * hz) / 1_000_000_000n }), (cycle) => {
        const ns = nsOfCycle(cycle, hz);
        expect([cyclesAt(ns - 1n, hz), cyclesAt(ns, hz)]).toEqual([cycle - 1n, cycle]);
      }),
      { seed: 25 },
    );
  });

  it('has no deadline in a time that no machine lives to see', () => {
    const clock = new HandClock();
    clock.timer('never', () => expect.unreachable()).arm(NEVER);
    expect(clock.nextDeadline).toBe(NEVER);
    clock.timer('late', () => {}).arm(NEVER - 1n);
    expect(clock.nextDeadline).toBe(NEVER - 1n);
  });
});
