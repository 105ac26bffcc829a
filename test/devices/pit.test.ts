// The 8254 as its data sheet draws it, clock by clock; and the board around it.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { NEVER } from '../../src/core/types.ts';
import { nsOfTick, Pit, ticksAt } from '../../src/devices/pit.ts';
import { PitCounter } from '../../src/devices/pit-counter.ts';
import { HandClock } from './hand-clock.ts';

const [LOW, BOTH] = [0x10, 0x30];
const mode = (n: number): number => n << 1;

/** A counter seen through its pins: the counts and the output after each clock, as the data sheet draws them. */
class Bench {
  readonly counter: PitCounter;
  tick = 0;
  #bytes = 1;

  constructor(gate = true) {
    this.counter = new PitCounter(gate);
  }

  control(word: number): void {
    this.#bytes = (word & BOTH) === BOTH ? 2 : 1;
    this.counter.control(word, this.tick);
  }

  count(...bytes: number[]): void {
    for (const byte of bytes) this.counter.write(byte, this.tick);
  }

  gate(level: boolean): void {
    this.counter.setGate(level, this.tick);
  }

  low(): number {
    this.counter.latchCount(this.tick);
    const [low] = Array.from({ length: this.#bytes }, () => this.counter.read(this.tick));
    return low;
  }

  /** `3+` is a count of 3 with OUT high after that clock, `3-` with OUT low. */
  clocks(n: number): string {
    const seen: string[] = [];
    for (let i = 0; i < n; i++) {
      this.counter.sync(++this.tick);
      seen.push(`${this.low().toString(16)}${this.counter.out ? '+' : '-'}`);
    }
    return seen.join(' ');
  }
}

describe('8254 mode 0, interrupt on terminal count', () => {
  it('raises OUT N+1 clocks after the count is written, and counts on', () => {
    const b = new Bench();
    b.control(LOW | mode(0));
    b.count(4);
    expect(b.counter.out).toBe(false);
    expect(b.clocks(7)).toBe('4- 3- 2- 1- 0+ ff+ fe+');
  });

  it('stands still while GATE is low, but loads', () => {
    const b = new Bench(false);
    b.control(LOW | mode(0));
    b.count(3);
    expect(b.clocks(3)).toBe('3- 3- 3-');
    b.gate(true);
    expect(b.clocks(4)).toBe('2- 1- 0+ ff+');
  });

  it('starts over with a new count', () => {
    const b = new Bench();
    b.control(LOW | mode(0));
    b.count(2);
    b.clocks(4);
    b.count(2);
    expect(b.clocks(3)).toBe('2- 1- 0+');
  });

  it('stops at the first byte of a two-byte count', () => {
    const b = new Bench();
    b.control(BOTH | mode(0));
    b.count(2, 0);
    b.clocks(1);
    b.count(3);
    expect(b.clocks(2)).toBe('2- 2-');
    b.count(0);
    expect(b.clocks(4)).toBe('3- 2- 1- 0+');
  });
});

describe('8254 mode 1, one-shot', () => {
  it('lowers OUT on the clock after the trigger, for N clocks', () => {
    const b = new Bench(false);
    b.control(LOW | mode(1));
    b.count(3);
    b.clocks(2);
    expect(b.counter.out).toBe(true);
    b.gate(true);
    expect(b.clocks(5)).toBe('3- 2- 1- 0+ ff+');
  });

  it('starts over with each trigger', () => {
    const b = new Bench(false);
    b.control(LOW | mode(1));
    b.count(3);
    b.gate(true);
    b.clocks(2);
    b.gate(false);
    b.gate(true);
    expect(b.clocks(4)).toBe('3- 2- 1- 0+');
  });

  it('takes a new count with the next trigger only', () => {
    const b = new Bench(false);
    b.control(LOW | mode(1));
    b.count(2);
    b.gate(true);
    b.clocks(1);
    b.count(4);
    expect(b.clocks(2)).toBe('1- 0+');
    b.gate(false);
    b.gate(true);
    expect(b.clocks(1)).toBe('4-');
  });
});

describe('8254 mode 2, rate generator', () => {
  it('lowers OUT for the last clock of every period', () => {
    const b = new Bench();
    b.control(LOW | mode(2));
    b.count(3);
    expect(b.clocks(7)).toBe('3+ 2+ 1- 3+ 2+ 1- 3+');
  });

  it('takes a new count after the current period', () => {
    const b = new Bench();
    b.control(LOW | mode(2));
    b.count(4);
    b.clocks(2);
    b.count(3);
    expect(b.clocks(6)).toBe('2+ 1- 3+ 2+ 1- 3+');
  });

  it('raises OUT while GATE is low and reloads when it rises', () => {
    const b = new Bench();
    b.control(LOW | mode(2));
    b.count(3);
    b.clocks(3);
    expect(b.counter.out).toBe(false);
    b.gate(false);
    expect(b.counter.out).toBe(true);
    b.clocks(5);
    b.gate(true);
    expect(b.clocks(3)).toBe('3+ 2+ 1-');
  });

  it('is also what the mode bits 110 mean', () => {
    const b = new Bench();
    b.control(LOW | mode(6));
    b.count(2);
    expect(b.clocks(4)).toBe('2+ 1- 2+ 1-');
  });
});

describe('8254 mode 3, square wave', () => {
  it('is high and low for half an even count', () => {
    const b = new Bench();
    b.control(LOW | mode(3));
    b.count(4);
    expect(b.clocks(8)).toBe('4+ 2+ 4- 2- 4+ 2+ 4- 2-');
  });

  it('is high one clock longer with an odd count', () => {
    const b = new Bench();
    b.control(LOW | mode(3));
    b.count(5);
    expect(b.clocks(10)).toBe('4+ 2+ 0+ 4- 2- 4+ 2+ 0+ 4- 2-');
  });

  it('takes a new count after the current half', () => {
    const b = new Bench();
    b.control(LOW | mode(3));
    b.count(8);
    b.clocks(2);
    b.count(4);
    expect(b.clocks(6)).toBe('4+ 2+ 4- 2- 4+ 2+');
  });
});

describe('8254 modes 4 and 5, strobes', () => {
  it('software triggered: OUT is low for the one clock at zero, once', () => {
    const b = new Bench();
    b.control(LOW | mode(4));
    b.count(3);
    expect(b.clocks(6)).toBe('3+ 2+ 1+ 0- ff+ fe+');
    b.counter.sync((b.tick += 0x2_0000));
    expect(b.counter.nextEvent).toBe(Number.POSITIVE_INFINITY);
  });

  it('hardware triggered: the same after each rising GATE', () => {
    const b = new Bench(false);
    b.control(LOW | mode(5));
    b.count(2);
    b.clocks(3);
    b.gate(true);
    expect(b.clocks(4)).toBe('2+ 1+ 0- ff+');
    b.gate(false);
    b.gate(true);
    expect(b.clocks(3)).toBe('2+ 1+ 0-');
  });
});

describe('8254 counters', () => {
  it('mean 65536 by 0, and 10000 in BCD', () => {
    for (const [bcd, period] of [
      [0, 65_536],
      [1, 10_000],
    ]) {
      const b = new Bench();
      b.control(BOTH | mode(0) | bcd);
      b.count(0, 0);
      b.counter.sync(period);
      expect(b.counter.out).toBe(false);
      b.counter.sync(period + 1);
      expect(b.counter.out).toBe(true);
    }
  });

  it('count in decimal when told so', () => {
    const b = new Bench();
    b.control(BOTH | mode(0) | 1);
    b.count(0x00, 0x10);
    b.counter.sync(2);
    expect([b.counter.read(2), b.counter.read(2)]).toEqual([0x99, 0x09]);
  });

  it('keep a latched count until it is read, whatever is latched meanwhile', () => {
    const b = new Bench();
    b.control(BOTH | mode(0));
    b.count(0x00, 0x02);
    b.counter.sync(2);
    b.counter.latchCount(2);
    b.counter.latchCount(100);
    expect([b.counter.read(200), b.counter.read(200)]).toEqual([0xff, 0x01]);
  });

  it('report OUT, null count, access, mode and BCD by the status latch, before a latched count', () => {
    const b = new Bench();
    b.control(BOTH | mode(3));
    b.counter.latchStatus(0);
    expect(b.counter.read(0)).toBe(0x80 | 0x40 | BOTH | mode(3));
    b.count(0x10, 0);
    b.counter.sync(1);
    b.counter.latchCount(1);
    b.counter.latchStatus(1);
    expect([b.counter.read(1), b.counter.read(1), b.counter.read(1)]).toEqual([0x80 | BOTH | mode(3), 0x10, 0]);
  });

  it('come to the same state by one long jump as by single clocks', () => {
    const step = fc.record({
      gate: fc.boolean(),
      count: fc.option(fc.integer({ min: 2, max: 12 })),
      ticks: fc.nat(40),
    });
    fc.assert(
      fc.property(fc.nat(5), fc.array(step, { maxLength: 12 }), (m, steps) => {
        const [jump, walk] = [new Bench(), new Bench()];
        for (const b of [jump, walk]) {
          b.control(LOW | mode(m));
          b.count(7);
        }
        for (const { gate, count, ticks } of steps) {
          for (const b of [jump, walk]) {
            b.gate(gate);
            if (count !== null) b.count(count);
          }
          jump.tick += ticks;
          jump.counter.sync(jump.tick);
          walk.clocks(ticks);
          expect([jump.low(), jump.counter.out]).toEqual([walk.low(), walk.counter.out]);
          expect(jump.counter.nextEvent).toBe(walk.counter.nextEvent);
        }
      }),
      { seed: 8254, numRuns: 500 },
    );
  });

  it('announce every change of OUT as their next event', () => {
    fc.assert(
      fc.property(fc.nat(5), fc.integer({ min: 2, max: 9 }), (m, count) => {
        const b = new Bench(m !== 1 && m !== 5);
        b.control(LOW | mode(m));
        b.count(count);
        b.gate(true);
        for (let i = 0; i < 40; i++) {
          const [next, before] = [b.counter.nextEvent, b.counter.out];
          b.counter.sync(++b.tick);
          if (b.counter.out !== before) expect(next).toBe(b.tick);
        }
      }),
      { seed: 8254 },
    );
  });
});

describe('the timer of the board', () => {
  let clock: HandClock;
  let pit: Pit;
  let rising: number[];
  let irq: boolean;
  const write = (offset: number, value: number): void => pit.write(offset, 1, value);

  beforeEach(() => {
    clock = new HandClock();
    rising = [];
    irq = false;
    pit = new Pit({
      clock,
      irq: (level) => {
        if (level && !irq) rising.push(ticksAt(clock.now()));
        irq = level;
      },
    });
    rising = [];
  });

  it('raises IRQ 0 once per period at 1.193182 MHz', () => {
    write(3, 0x34);
    write(0, 0xa9);
    write(0, 0x04);
    clock.advance(1e9);
    expect(rising.length).toBe(Math.floor((1_193_182 - 1) / 1193));
    expect(rising[1] - rising[0]).toBe(1193);
  });

  it('raises IRQ 0 once in mode 0 and leaves the clock without deadlines', () => {
    write(3, 0x10);
    write(0, 100);
    clock.advance(1e9);
    expect(rising).toEqual([101]);
    expect(clock.nextDeadline).toBe(NEVER);
  });

  it('gates counter 2 by port 0x61 bit 0 and shows its output in bit 5', () => {
    write(3, 0xb0);
    write(2, 10);
    write(2, 0);
    clock.advance(1e6);
    expect(pit.controlPort.read(0, 1) & 0x20).toBe(0);
    pit.controlPort.write(0, 1, 1);
    clock.advance(nsOfTick(11));
    expect(pit.controlPort.read(0, 1) & 0x21).toBe(0x21);
  });

  it('toggles the refresh bit of port 0x61 about every 15 microseconds', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 4; i++, clock.advance(15_086)) seen.add(pit.controlPort.read(0, 1) & 0x10);
    expect(seen.size).toBe(2);
  });

  it('latches several counters by one read-back command', () => {
    write(3, 0x10);
    write(3, 0x90);
    write(0, 50);
    write(2, 60);
    pit.controlPort.write(0, 1, 1);
    clock.advance(nsOfTick(5));
    write(3, 0xc0 | 0x10 | 0x02 | 0x08);
    clock.advance(1e6);
    expect([pit.read(0, 1), pit.read(2, 1)]).toEqual([46, 56]);
  });

  it('converts ticks to nanoseconds and back exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e13 }), (tick) => {
        const ns = nsOfTick(tick);
        expect([ticksAt(ns - 1n), ticksAt(ns)]).toEqual([tick - 1, tick]);
      }),
      { seed: 1 },
    );
  });
});
