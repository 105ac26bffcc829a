// The MC146818: date, update cycle and its three interrupts.
import { beforeEach, describe, expect, it } from 'vitest';
import { Rtc } from '../../src/devices/rtc.ts';
import { HandClock } from './hand-clock.ts';

const SECOND = 1e9;
const [A, B, C, D] = [10, 11, 12, 13];
let clock: HandClock;
let rtc: Rtc;
let irq: boolean;

const read = (index: number): number => {
  rtc.write(0, 1, index);
  return rtc.read(1, 1);
};
const write = (index: number, value: number): void => {
  rtc.write(0, 1, index);
  rtc.write(1, 1, value);
};
const date = (): number[] => [0x32, 9, 8, 7, 4, 2, 0].map(read);

beforeEach(() => {
  clock = new HandClock();
  irq = false;
  rtc = new Rtc({ clock, irq: (level) => (irq = level), start: Date.UTC(2026, 11, 31, 23, 59, 58) });
});

describe('the real-time clock', () => {
  it('tells the date in BCD and carries it over the year', () => {
    expect(date()).toEqual([0x20, 0x26, 0x12, 0x31, 0x23, 0x59, 0x58]);
    clock.advance(3 * SECOND);
    expect(date()).toEqual([0x20, 0x27, 0x01, 0x01, 0x00, 0x00, 0x01]);
    expect(read(6)).toBe(6);
  });

  it('tells it in binary and with twelve hours when register B says so', () => {
    write(B, 4);
    expect(date()).toEqual([20, 26, 12, 31, 0x80 | 11, 59, 58]);
    clock.advance(2 * SECOND);
    expect(read(4)).toBe(12);
  });

  it('stands still under SET and goes on from what the guest wrote', () => {
    write(B, 0x82);
    clock.advance(10 * SECOND);
    expect(read(0)).toBe(0x58);
    write(0, 0x30);
    write(9, 0x30);
    write(B, 0x02);
    clock.advance(5 * SECOND);
    expect([read(0), read(9)]).toEqual([0x35, 0x30]);
  });

  it('announces an update 244 microseconds ahead', () => {
    clock.advance(SECOND - 244_001);
    expect(read(A) & 0x80).toBe(0);
    clock.advance(1);
    expect(read(A) & 0x80).toBe(0x80);
    clock.advance(244_000);
    expect(read(A) & 0x80).toBe(0);
  });

  it('interrupts periodically at the rate of register A until register C is read', () => {
    write(A, 0x26);
    write(B, 0x42);
    let interrupts = 0;
    const end = BigInt(SECOND);
    while (clock.now() < end) {
      clock.advanceTo(clock.nextDeadline < end ? clock.nextDeadline : end);
      const raised = irq;
      if (raised) interrupts++;
      expect(read(C)).toBe(raised ? 0xc0 : 0);
    }
    expect(interrupts).toBe(1024);
  });

  it('interrupts at every second, and at the alarm with its wildcards', () => {
    write(B, 0x12);
    clock.advance(SECOND);
    expect([irq, read(C)]).toEqual([true, 0x90]);
    write(B, 0x22);
    for (const [index, value] of [
      [1, 0x02],
      [3, 0xff],
      [5, 0xc0],
    ])
      write(index, value);
    clock.advance(2 * SECOND);
    expect(read(C) & 0x20).toBe(0);
    clock.advance(SECOND);
    expect(read(C) & 0xa0).toBe(0xa0);
    expect(irq).toBe(false);
  });

  it('keeps memory bytes and says that they are valid', () => {
    write(0x40, 0xa5);
    rtc.setCmos(0x41, 0x5a);
    expect([read(0x40), read(0x41), read(D)]).toEqual([0xa5, 0x5a, 0x80]);
  });
});
