// ACPI fixed hardware: timer, power button, sleep control.
import { beforeEach, describe, expect, it } from 'vitest';
import { AcpiPm } from '../../src/devices/acpi-pm.ts';
import { HandClock } from './hand-clock.ts';

let clock: HandClock;
let sci: boolean;
let off: number;
let pm: AcpiPm;

beforeEach(() => {
  clock = new HandClock();
  sci = false;
  off = 0;
  pm = new AcpiPm({ clock, sci: (level) => (sci = level), powerOff: () => off++ });
});

describe('the power management timer', () => {
  it('counts at 3.579545 MHz and wraps at 32 bits', () => {
    expect(pm.read(8, 4)).toBe(0);
    clock.advance(1e9);
    expect(pm.read(8, 4)).toBe(3_579_545);
    clock.advance(1200e9);
    expect(pm.read(8, 4)).toBe((3_579_545 * 1201) % 2 ** 32);
  });
});

describe('the power button', () => {
  it('raises the SCI only where it is enabled, until its status is cleared by writing 1', () => {
    pm.pressPowerButton();
    expect([pm.read(0, 2), sci]).toEqual([0x100, false]);
    pm.write(2, 2, 0x100);
    expect(sci).toBe(true);
    pm.write(0, 2, 0x100);
    expect([pm.read(0, 2), sci]).toEqual([0, false]);
  });
});

describe('the sleep control register', () => {
  it('turns the machine off for SLP_TYP 5 with SLP_EN, and for nothing else', () => {
    pm.write(4, 2, 5 << 10);
    pm.write(4, 2, (4 << 10) | 0x2000);
    expect(off).toBe(0);
    pm.write(4, 2, (5 << 10) | 0x2000);
    expect(off).toBe(1);
  });

  it('says that ACPI mode is on, whatever is written', () => {
    pm.write(4, 2, 0);
    expect(pm.read(4, 2) & 1).toBe(1);
  });
});
