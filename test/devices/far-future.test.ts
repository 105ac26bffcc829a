// Timers of a machine that has run for decades: as exact as on its first day (a double holds 104 days of nanoseconds).
import { beforeEach, describe, expect, it } from 'vitest';
import { AcpiPm } from '../../src/devices/acpi-pm.ts';
import { Hpet } from '../../src/devices/hpet.ts';
import { Pit } from '../../src/devices/pit.ts';
import { Rtc } from '../../src/devices/rtc.ts';
import { HandClock } from './hand-clock.ts';

const SECOND = 1_000_000_000n;
const HOUR = 3600n * SECOND;

/** Half an hour short of a whole second after 73 years, to the nanosecond. */
const START = (2n ** 61n / SECOND) * SECOND - HOUR / 2n + 1n;

describe('after 73 years', () => {
  let clock: HandClock;
  let times: bigint[];
  const rises = (level: boolean): void => {
    if (level) times.push(clock.now());
  };
  const periods = (): bigint[] => times.slice(1).map((time, n) => time - times[n]);

  beforeEach(() => {
    clock = new HandClock();
    times = [];
    clock.advanceTo(START);
  });

  it('the PIT makes 1,193,182 ticks in a second, and its periods differ by no more than rounding does', () => {
    const pit = new Pit({ clock, irq: rises });
    pit.write(3, 1, 0x34);
    pit.write(0, 1, 1193 & 0xff);
    pit.write(0, 1, 1193 >> 8);
    times = [];
    clock.advance(SECOND);
    expect([1000, 1001]).toContain(times.length);
    expect(periods().filter((ns) => ns !== 999_848n && ns !== 999_847n)).toEqual([]);
    const exact = Number(times[999] - times[0]) - (999 * 1193 * 1e9) / 1_193_182;
    expect(Math.abs(exact)).toBeLessThan(1);
  });

  it('the HPET matches every tick of 10 ns that it is told', () => {
    const hpet = new Hpet({ clock, pins: [2, 8, 20], line: () => rises, legacy: () => {} });
    for (const [at, value] of [
      [0x10, 1],
      [0x100, 0x294c],
      [0x108, 7],
      [0x108, 7],
    ])
      hpet.write(at, 4, value);
    clock.advance(700);
    expect(periods()).toEqual(Array.from({ length: times.length - 1 }, () => 70n));
    expect(times.length).toBeGreaterThanOrEqual(9);
  });

  it('the HPET meets a comparator that is years away', () => {
    const hpet = new Hpet({ clock, pins: [2, 8, 20], line: () => rises, legacy: () => {} });
    for (const [at, value] of [
      [0x10, 1],
      [0x100, 0x2804],
      [0x108, 5],
      [0x10c, 1 << 24],
    ])
      hpet.write(at, 4, value);
    clock.advance(2n ** 60n);
    expect(times).toEqual([(START / 10n + 2n ** 56n + 5n) * 10n]);
  });

  it('the RTC beats 1024 times a second, and its second is one', () => {
    const rtc = new Rtc({ clock, irq: rises, start: 0 });
    const put = (index: number, value: number): void => {
      rtc.write(0, 1, index);
      rtc.write(1, 1, value);
    };
    put(10, 0x26);
    put(11, 0x42);
    const acknowledge = (): void => {
      rtc.write(0, 1, 12);
      rtc.read(1, 1);
    };
    for (let n = 0; n < 1024; n++) {
      clock.advanceTo(clock.nextDeadline);
      acknowledge();
    }
    expect(times).toHaveLength(1024);
    expect(periods().filter((ns) => ns !== 976_562n && ns !== 976_563n)).toEqual([]);
    expect([999_023_437n, 999_023_438n]).toContain(times[1023] - times[0]);
  });

  it('the ACPI timer counts 3,579,545 in a second', () => {
    const pm = new AcpiPm({ clock, sci: () => {}, powerOff: () => {} });
    const before = pm.read(8, 4);
    clock.advance(SECOND);
    expect((pm.read(8, 4) - before + 2 ** 32) % 2 ** 32).toBe(3_579_545);
  });
});
