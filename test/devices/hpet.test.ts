// The high precision event timers, driven as the specification's text says.
import { beforeEach, describe, expect, it } from 'vitest';
import { Hpet } from '../../src/devices/hpet.ts';
import { HandClock } from './hand-clock.ts';

const [CONFIGURATION, STATUS, COUNTER] = [0x10, 0x20, 0xf0];
const timer = (n: number) => ({ config: 0x100 + 0x20 * n, value: 0x108 + 0x20 * n });
const [LEVEL, INTERRUPT, PERIODIC, SET_VALUE, HALF] = [2, 4, 8, 0x40, 0x100];
const route = (pin: number): number => pin << 9;

let clock: HandClock;
let hpet: Hpet;
let edges: [pin: number, ns: number][];
let levels: Map<number, boolean>;
let legacy: boolean;

beforeEach(() => {
  clock = new HandClock();
  edges = [];
  levels = new Map();
  legacy = false;
  hpet = new Hpet({
    clock,
    pins: [2, 8, 20],
    line: (pin) => (level) => {
      if (level) edges.push([pin, Number(clock.now())]);
      levels.set(pin, level);
    },
    legacy: (isReplaced) => (legacy = isReplaced),
  });
});

const write = (offset: number, value: number): void => hpet.write(offset, 4, value);
const read = (offset: number): number => hpet.read(offset, 4);

describe('the capabilities', () => {
  it('tell of three timers, 64 bits, legacy replacement and a tick of 10 ns in femtoseconds', () => {
    const id = read(0);
    expect([id & 0xff, (id >>> 8) & 0x1f, (id >>> 13) & 1, (id >>> 15) & 1]).toEqual([1, 2, 1, 1]);
    expect(read(4)).toBe(10_000_000);
  });

  it('of a timer tell its pins, and that it is periodic and 64 bits wide', () => {
    expect(read(timer(1).config)).toBe(0x30);
    expect(read(timer(1).config + 4)).toBe(0x10_0104);
    expect(read(timer(3).config)).toBe(0);
  });
});

describe('the main counter', () => {
  it('stands until it is enabled, counts 10 ns ticks, and keeps its value when it is halted', () => {
    clock.advance(1000);
    expect(read(COUNTER)).toBe(0);
    write(CONFIGURATION, 1);
    clock.advance(1000);
    expect(read(COUNTER)).toBe(100);
    write(CONFIGURATION, 0);
    clock.advance(1000);
    expect(read(COUNTER)).toBe(100);
  });

  it('is written in halves and carries from one to the other', () => {
    write(COUNTER, 0xffff_ffff);
    write(COUNTER + 4, 7);
    write(CONFIGURATION, 1);
    clock.advance(10);
    expect([read(COUNTER), read(COUNTER + 4)]).toEqual([0, 8]);
  });

  it('reads by bytes and words too', () => {
    write(COUNTER, 0x1234_5678);
    expect([hpet.read(COUNTER + 1, 1), hpet.read(COUNTER + 2, 2)]).toEqual([0x56, 0x1234]);
  });
});

describe('a one-shot timer', () => {
  it('interrupts at the pin it is routed to when the counter meets it, once', () => {
    write(timer(2).config, INTERRUPT | route(20));
    write(timer(2).value, 50);
    write(timer(2).value + 4, 0);
    write(CONFIGURATION, 1);
    clock.advance(1e6);
    expect(edges).toEqual([[20, 500]]);
    expect(levels.get(20)).toBe(false);
  });

  it('of 32 bits comes again after a turn of the lower half', () => {
    write(timer(2).config, INTERRUPT | HALF | route(20));
    write(timer(2).value, 50);
    write(CONFIGURATION, 1);
    clock.advance(60e9);
    expect(edges).toEqual([
      [20, 500],
      [20, 500 + 2 ** 32 * 10],
    ]);
  });

  it('interrupts nobody while its interrupt is disabled or its pin is none of its own', () => {
    write(timer(2).config, route(20));
    write(timer(2).value, 50);
    write(timer(1).config, INTERRUPT | HALF | route(5));
    write(timer(1).value, 50);
    write(CONFIGURATION, 1);
    clock.advance(1e6);
    expect(edges).toEqual([]);
  });

  it('keeps a level line high until its status bit is cleared by writing 1', () => {
    write(timer(2).config, INTERRUPT | LEVEL | HALF | route(20));
    write(timer(2).value, 50);
    write(CONFIGURATION, 1);
    clock.advance(1000);
    expect([read(STATUS), levels.get(20)]).toEqual([4, true]);
    write(STATUS, 3);
    expect(levels.get(20)).toBe(true);
    write(STATUS, 4);
    expect([read(STATUS), levels.get(20)]).toEqual([0, false]);
  });
});

describe('a periodic timer', () => {
  it('takes its first match after "timer value set" and its period from the next write', () => {
    write(CONFIGURATION, 1);
    write(timer(0).config, INTERRUPT | PERIODIC | SET_VALUE | HALF | route(2));
    write(timer(0).value, 30);
    write(timer(0).value, 100);
    clock.advance(2500);
    expect(edges).toEqual([
      [2, 300],
      [2, 1300],
      [2, 2300],
    ]);
    expect(read(timer(0).value)).toBe(330);
    expect(read(timer(0).config) & SET_VALUE).toBe(0);
  });

  it('keeps its beat while its interrupt is disabled', () => {
    write(CONFIGURATION, 1);
    const config = PERIODIC | HALF | route(2);
    write(timer(0).config, INTERRUPT | SET_VALUE | config);
    write(timer(0).value, 100);
    write(timer(0).config, config);
    clock.advance(3500);
    write(timer(0).config, INTERRUPT | config);
    clock.advance(1000);
    expect(edges).toEqual([[2, 4000]]);
  });
});

describe('legacy replacement', () => {
  it('puts timers 0 and 1 on the pins of PIT and RTC and cuts these off', () => {
    for (const n of [0, 1]) {
      write(timer(n).config, INTERRUPT | HALF | route(20));
      write(timer(n).value, 10);
    }
    write(CONFIGURATION, 3);
    expect(legacy).toBe(true);
    clock.advance(1000);
    expect(edges).toEqual([
      [2, 100],
      [8, 100],
    ]);
    write(CONFIGURATION, 1);
    expect(legacy).toBe(false);
  });
});
