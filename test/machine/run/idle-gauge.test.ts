// Idle time of a guest for which the host works: it passes as the host's does, and jumps otherwise.
import { describe, expect, it } from 'vitest';
import { HostWorkGauge } from '../../../src/machine/run/idle-gauge.ts';

function make() {
  const passed: number[] = [];
  const clock = { ms: 1000 };
  const gauge = new HostWorkGauge(
    (ns) => passed.push(ns),
    () => clock.ms,
  );
  return { gauge, clock, passed };
}

describe('idle time', () => {
  it('jumps while the host does nothing, or only may do something', () => {
    const { gauge } = make();
    expect([gauge.sleepMs(5e9), gauge.mayCome]).toEqual([0, false]);
    const release = gauge.expect();
    expect([gauge.sleepMs(5e9), gauge.mayCome]).toEqual([0, true]);
    release();
    expect(gauge.mayCome).toBe(false);
  });

  it('is slept through while an answer is under way', () => {
    const { gauge } = make();
    const releases = [gauge.begin(), gauge.begin()];
    expect([gauge.sleepMs(200e6), gauge.mayCome]).toEqual([200, true]);
    releases[0]();
    releases[0]();
    expect(gauge.sleepMs(200e6)).toBe(200);
    releases[1]();
    expect(gauge.sleepMs(200e6)).toBe(0);
  });

  it('in pieces too short for host timers is owed until it adds up', () => {
    const { gauge } = make();
    gauge.begin();
    expect([0.4e6, 0.4e6, 0.4e6, 0.4e6].map((ns) => gauge.sleepMs(ns))).toEqual([0, 0, expect.closeTo(1.2), 0]);
  });

  it('has passed when something arrives, and when the guest wakes', async () => {
    const { gauge, clock, passed } = make();
    const release = gauge.begin();
    let wake = (): void => {};
    const sleep = gauge.during(
      new Promise((resolve) => {
        wake = resolve;
      }),
    );
    clock.ms += 30;
    gauge.arrived();
    clock.ms += 2;
    wake();
    await sleep;
    expect(passed).toEqual([30e6, 2e6]);
    clock.ms += 100;
    gauge.arrived();
    expect(passed).toHaveLength(2);
    release();
  });

  it('that was slept for another reason does not pass', async () => {
    const { gauge, clock, passed } = make();
    const sleep = gauge.during(Promise.resolve());
    clock.ms += 50;
    await sleep;
    expect(passed).toEqual([]);
  });
});
