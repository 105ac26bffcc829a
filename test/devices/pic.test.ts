// The 8259A pair, by its data sheet: priorities, modes, commands and the spurious interrupts.
import { beforeEach, describe, expect, it } from 'vitest';
import { PicPair } from '../../src/devices/pic.ts';

let intr: boolean;
let pics: PicPair;

const [COMMAND, DATA] = [0, 1];
type Which = 'master' | 'slave';
const write = (which: Which, offset: number, value: number): void => pics[which].write(offset, 1, value);
const read = (which: Which, offset: number): number => pics[which].read(offset, 1);
const [EOI, SPECIFIC_EOI, ROTATE_EOI, READ_IRR, READ_ISR, POLL] = [0x20, 0x60, 0xa0, 0x0a, 0x0b, 0x0c];
const isr = (which: Which): number => {
  write(which, COMMAND, READ_ISR);
  return read(which, COMMAND);
};
const irr = (which: Which): number => {
  write(which, COMMAND, READ_IRR);
  return read(which, COMMAND);
};
const initialize = (which: Which, base: number, icw4 = 1, icw1 = 0x11): void => {
  write(which, COMMAND, icw1);
  write(which, DATA, base);
  if ((icw1 & 2) === 0) write(which, DATA, which === 'master' ? 4 : 2);
  if (icw1 & 1) write(which, DATA, icw4);
};
const pulse = (irq: number): void => {
  pics.setIrq(irq, false);
  pics.setIrq(irq, true);
};

beforeEach(() => {
  intr = false;
  pics = new PicPair((level) => {
    intr = level;
  });
  initialize('master', 0x20);
  initialize('slave', 0x28);
});

describe('the 8259A pair', () => {
  it('turns a line into its vector, in service until the end of interrupt', () => {
    pics.setIrq(4, true);
    expect(intr).toBe(true);
    expect(pics.acknowledge()).toBe(0x24);
    expect(intr).toBe(false);
    expect([irr('master'), isr('master')]).toEqual([0, 0x10]);
    write('master', COMMAND, EOI);
    expect(isr('master')).toBe(0);
  });

  it('takes lines of the second controller through line 2 of the first', () => {
    pics.setIrq(12, true);
    expect(pics.acknowledge()).toBe(0x2c);
    expect([isr('master'), isr('slave')]).toEqual([0x04, 0x10]);
  });

  it('does not latch a line held high twice; a new edge is needed', () => {
    pics.setIrq(3, true);
    pics.acknowledge();
    write('master', COMMAND, EOI);
    expect(intr).toBe(false);
    pulse(3);
    expect(intr).toBe(true);
  });

  it('keeps an edge that was withdrawn while interrupts were off', () => {
    for (const irq of [4, 11]) {
      pics.setIrq(irq, true);
      pics.setIrq(irq, false);
    }
    expect([pics.acknowledge(), intr]).toEqual([0x2b, false]);
    write('slave', COMMAND, EOI);
    write('master', COMMAND, EOI);
    expect(pics.acknowledge()).toBe(0x24);
  });

  it('takes back a request of the second controller that was masked', () => {
    pics.setIrq(11, true);
    write('slave', DATA, 0x08);
    expect(intr).toBe(false);
    expect(irr('slave')).toBe(0x08);
    write('slave', DATA, 0);
    expect(pics.acknowledge()).toBe(0x2b);
  });

  it('repeats a level-triggered line for as long as it is high', () => {
    pics.elcr.write(0, 1, 0x20);
    pics.setIrq(5, true);
    pics.acknowledge();
    expect(intr).toBe(false);
    write('master', COMMAND, EOI);
    expect(intr).toBe(true);
    pics.setIrq(5, false);
    expect(intr).toBe(false);
  });

  it('lets the edge/level registers change only the lines of the expansion bus', () => {
    pics.elcr.write(0, 1, 0xff);
    pics.elcr.write(1, 1, 0xff);
    expect([pics.elcr.read(0, 1), pics.elcr.read(1, 1)]).toEqual([0xf8, 0xde]);
  });

  it('treats every line as a level when ICW1 says so', () => {
    initialize('master', 0x20, 1, 0x19);
    pics.setIrq(1, true);
    pics.acknowledge();
    write('master', COMMAND, EOI);
    expect(intr).toBe(true);
  });

  it('ignores IRQ 2, which is the cascade', () => {
    pics.setIrq(2, true);
    expect(intr).toBe(false);
  });

  it('asks again for a second request of the other controller after the first is acknowledged', () => {
    initialize('master', 0x20, 3);
    initialize('slave', 0x28, 3);
    pics.setIrq(8, true);
    pics.setIrq(9, true);
    expect(pics.acknowledge()).toBe(0x28);
    expect(intr).toBe(true);
    expect(pics.acknowledge()).toBe(0x29);
    expect(intr).toBe(false);
  });
});

describe('a fresh 8259A', () => {
  it('is deaf until it is initialized', () => {
    const levels = new Set<boolean>();
    const fresh = new PicPair((level) => levels.add(level));
    fresh.setIrq(4, true);
    expect(levels.has(true)).toBe(false);
  });
});

describe('8259A spurious interrupts', () => {
  it('are IR7 without a bit in service when a level is withdrawn before INTA', () => {
    pics.elcr.write(0, 1, 0x20);
    pics.setIrq(5, true);
    pics.setIrq(5, false);
    expect(intr).toBe(false);
    expect(pics.acknowledge()).toBe(0x27);
    expect(isr('master')).toBe(0);
  });

  it('are IR15 with the cascade in service when the second controller lost its request', () => {
    pics.elcr.write(1, 1, 0x04);
    pics.setIrq(10, true);
    const vector = pics.master.acknowledge().vector;
    pics.setIrq(10, false);
    expect(vector).toBe(0x22);
    expect(pics.slave.acknowledge().vector).toBe(0x2f);
    expect([isr('master'), isr('slave')]).toEqual([0x04, 0]);
  });
});

describe('8259A priorities', () => {
  it('let a lower line interrupt a higher one and not the other way round', () => {
    pics.setIrq(3, true);
    pics.acknowledge();
    pics.setIrq(5, true);
    expect(intr).toBe(false);
    pics.setIrq(1, true);
    expect(pics.acknowledge()).toBe(0x21);
    expect(isr('master')).toBe(0x0a);
  });

  it('end the highest in service by a plain EOI, and the named one by a specific EOI', () => {
    for (const irq of [5, 3]) {
      pics.setIrq(irq, true);
      pics.acknowledge();
    }
    write('master', COMMAND, SPECIFIC_EOI | 5);
    expect(isr('master')).toBe(0x08);
    write('master', COMMAND, EOI);
    expect(isr('master')).toBe(0);
  });

  it('rotate so that the line just served is last', () => {
    pics.setIrq(0, true);
    pics.acknowledge();
    write('master', COMMAND, ROTATE_EOI);
    pulse(0);
    pics.setIrq(6, true);
    expect(pics.acknowledge()).toBe(0x26);
  });

  it('are set by naming the lowest line', () => {
    write('master', COMMAND, 0xc0 | 4);
    pics.setIrq(0, true);
    pics.setIrq(5, true);
    expect(pics.acknowledge()).toBe(0x25);
  });

  it('rotate in automatic EOI mode on request', () => {
    initialize('master', 0x20, 3);
    write('master', COMMAND, 0x80);
    pics.setIrq(0, true);
    pics.acknowledge();
    pulse(0);
    pics.setIrq(1, true);
    expect(pics.acknowledge()).toBe(0x21);
    write('master', COMMAND, 0x00);
    pulse(0);
    pulse(3);
    pics.acknowledge();
    pulse(3);
    expect(pics.acknowledge()).toBe(0x23);
  });

  it('leave nothing in service in automatic EOI mode', () => {
    initialize('master', 0x20, 3);
    pics.setIrq(0, true);
    pics.acknowledge();
    expect(isr('master')).toBe(0);
  });

  it('in special mask mode let everything pass a masked line in service', () => {
    pics.setIrq(3, true);
    pics.acknowledge();
    pics.setIrq(6, true);
    write('master', DATA, 0x08);
    expect(intr).toBe(false);
    write('master', COMMAND, 0x68);
    expect(intr).toBe(true);
    expect(pics.acknowledge()).toBe(0x26);
    write('master', COMMAND, EOI);
    expect(isr('master')).toBe(0x08);
    write('master', COMMAND, 0x48);
    write('master', COMMAND, EOI);
    expect(isr('master')).toBe(0);
  });

  it('in special fully nested mode let a higher line of the second controller in', () => {
    initialize('master', 0x20, 0x11);
    pics.setIrq(12, true);
    pics.acknowledge();
    pics.setIrq(8, true);
    expect(intr).toBe(true);
    expect(pics.acknowledge()).toBe(0x28);
  });

  it('without it hold that line back until the first controller hears the EOI', () => {
    pics.setIrq(12, true);
    pics.acknowledge();
    pics.setIrq(8, true);
    expect(intr).toBe(false);
    write('master', COMMAND, EOI);
    expect(pics.acknowledge()).toBe(0x28);
  });
});

describe('8259A commands', () => {
  it('mask lines, which stay requested', () => {
    write('master', DATA, 0x02);
    pics.setIrq(1, true);
    expect([intr, irr('master'), read('master', DATA)]).toEqual([false, 0x02, 0x02]);
    write('master', DATA, 0);
    expect(intr).toBe(true);
  });

  it('poll: the read is the acknowledgement and names the line', () => {
    write('master', COMMAND, POLL);
    expect(read('master', COMMAND)).toBe(0);
    pics.setIrq(6, true);
    write('master', COMMAND, POLL);
    expect(read('master', COMMAND)).toBe(0x86);
    expect([isr('master'), intr]).toEqual([0x40, false]);
  });

  it('start over with ICW1: masks, requests, service and special mask are gone', () => {
    write('master', DATA, 0xff);
    pics.setIrq(1, true);
    write('master', COMMAND, 0x68);
    write('master', COMMAND, 0x11);
    expect(intr).toBe(false);
    write('master', DATA, 0x40);
    write('master', DATA, 4);
    write('master', DATA, 1);
    expect([read('master', DATA), irr('master'), isr('master')]).toEqual([0, 0, 0]);
    pics.setIrq(3, true);
    expect(pics.acknowledge()).toBe(0x43);
  });

  it('skip ICW3 for a single controller and ICW4 where it is not announced', () => {
    write('master', COMMAND, 0x12);
    write('master', DATA, 0x50);
    write('master', DATA, 0xfe);
    expect(read('master', DATA)).toBe(0xfe);
    pics.setIrq(0, true);
    expect(pics.acknowledge()).toBe(0x50);
  });
});
