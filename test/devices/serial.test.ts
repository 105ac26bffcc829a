// The 16550A by its data sheet: registers, FIFOs, interrupts, modem lines and loopback.
import { beforeEach, describe, expect, it } from 'vitest';
import { Lsr, Msr, Serial } from '../../src/devices/serial.ts';
import { HandClock } from './hand-clock.ts';

const [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7];
const FCR = IIR;
const DLAB = 0x80;
const [OUT2, LOOP] = [8, 0x10];
const CHARACTER_NS_AT_115200 = 86_806;

let clock: HandClock;
let serial: Serial;
let sent: number[];
let irq: boolean;
let edges: number;

const read = (offset: number): number => serial.read(offset, 1);
const write = (offset: number, value: number): void => serial.write(offset, 1, value);
const setDivisor = (divisor: number): void => {
  write(LCR, DLAB | 3);
  write(0, divisor & 0xff);
  write(1, divisor >> 8);
  write(LCR, 3);
};

beforeEach(() => {
  clock = new HandClock();
  sent = [];
  irq = false;
  edges = 0;
  serial = new Serial({
    clock,
    irq: (level) => {
      if (level && !irq) edges++;
      irq = level;
    },
    output: (byte) => sent.push(byte),
  });
  setDivisor(1);
});

describe('the 16550 register file', () => {
  it('is reset as the table "UART Reset Configuration" says', () => {
    const fresh = new Serial({ clock: new HandClock(), irq: () => {}, output: () => {} });
    const registers = [IER, IIR, LCR, MCR, LSR].map((offset) => fresh.read(offset, 1));
    expect(registers).toEqual([0, 1, 0, 0, Lsr.THR_EMPTY | Lsr.IDLE]);
  });

  it('shows the divisor latch instead of data and interrupt enable while DLAB is set', () => {
    write(IER, 5);
    setDivisor(0x1234);
    write(LCR, DLAB);
    expect([read(0), read(1)]).toEqual([0x34, 0x12]);
    write(LCR, 3);
    expect(read(IER)).toBe(5);
    expect(sent).toEqual([]);
  });

  it('keeps the scratch byte and the defined bits of IER and MCR only', () => {
    for (const offset of [SCR, IER, MCR]) write(offset, 0xff);
    expect([read(SCR), read(IER), read(MCR)]).toEqual([0xff, 0x0f, 0x1f]);
  });

  it('names itself a 16550A by IIR bits 7:6 once FIFOs are enabled', () => {
    expect(read(IIR) >> 6).toBe(0);
    write(FCR, 1);
    expect(read(IIR) >> 6).toBe(3);
  });

  it('transmits as many bits as the word length says', () => {
    write(LCR, 2);
    write(0, 0xff);
    write(LCR, 3);
    write(0, 0xff);
    expect(sent).toEqual([0x7f, 0xff]);
  });
});

describe('the 16550 receiver', () => {
  it('delivers queued bytes in order and clears data ready at the end', () => {
    serial.send([1, 2, 3]);
    const got: number[] = [];
    for (let i = 0; i < 3; i++) {
      expect(read(LSR) & Lsr.DATA_READY).toBe(Lsr.DATA_READY);
      got.push(read(RBR));
      clock.advance(CHARACTER_NS_AT_115200);
    }
    expect(got).toEqual([1, 2, 3]);
    expect(read(LSR) & Lsr.DATA_READY).toBe(0);
  });

  it('receives the next character no sooner than one character time after the last was read', () => {
    serial.send([1, 2]);
    read(RBR);
    clock.advance(CHARACTER_NS_AT_115200 - 1);
    expect(read(LSR) & Lsr.DATA_READY).toBe(0);
    clock.advance(1);
    expect(read(RBR)).toBe(2);
  });

  it.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])('with FCR %#x interrupts at %i characters', (fcr, level) => {
    write(FCR, fcr);
    write(MCR, OUT2 | LOOP);
    write(IER, 1);
    for (let i = 1; i <= level; i++) {
      expect(read(IIR) & 15).toBe(1);
      write(0, i);
    }
    expect(read(IIR) & 15).toBe(4);
    read(RBR);
    expect(read(IIR) & 15).toBe(1);
  });

  it('reports data below the trigger level by a timeout after four character times', () => {
    write(FCR, 0xc1);
    write(IER, 1);
    write(MCR, OUT2);
    serial.send([0x41]);
    clock.advance(4 * CHARACTER_NS_AT_115200 - 1);
    expect(irq).toBe(false);
    clock.advance(1);
    expect(irq).toBe(true);
    expect(read(IIR)).toBe(0xcc);
    expect(read(RBR)).toBe(0x41);
    expect(irq).toBe(false);
  });

  it('without FIFOs replaces the unread character and flags the overrun until LSR is read', () => {
    write(MCR, LOOP);
    write(0, 1);
    write(0, 2);
    expect(read(LSR) & Lsr.OVERRUN).toBe(Lsr.OVERRUN);
    expect(read(LSR) & Lsr.OVERRUN).toBe(0);
    expect(read(RBR)).toBe(2);
  });

  it('with FIFOs keeps sixteen characters and loses the seventeenth', () => {
    write(FCR, 1);
    write(MCR, LOOP);
    for (let i = 0; i < 17; i++) write(0, i);
    expect(read(LSR) & Lsr.OVERRUN).toBe(Lsr.OVERRUN);
    expect(Array.from({ length: 16 }, () => read(RBR))).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(read(LSR) & Lsr.DATA_READY).toBe(0);
  });

  it('shows the error bits of a character when it is at the head, and the summary bit before', () => {
    write(FCR, 1);
    serial.send([7]);
    serial.sendBreak();
    expect(read(LSR) & 0x9e).toBe(Lsr.FIFO_ERROR);
    read(RBR);
    expect(read(LSR) & 0x9e).toBe(Lsr.FIFO_ERROR | Lsr.BREAK | Lsr.FRAMING);
    expect(read(LSR) & 0x9e).toBe(0);
    expect(read(RBR)).toBe(0);
  });

  it('loses what it holds when FCR clears the receiver or toggles the FIFOs', () => {
    write(MCR, LOOP);
    write(FCR, 1);
    write(0, 1);
    write(FCR, 3);
    expect(read(LSR) & Lsr.DATA_READY).toBe(0);
    write(0, 1);
    write(FCR, 0);
    expect(read(LSR) & Lsr.DATA_READY).toBe(0);
  });

  it('loses no host byte, however many are sent at once', () => {
    write(FCR, 1);
    const bytes = Array.from({ length: 100 }, (_, i) => i);
    serial.send(bytes);
    const got: number[] = [];
    while (got.length < 100) {
      if (read(LSR) & Lsr.DATA_READY) got.push(read(RBR));
      else clock.advance(CHARACTER_NS_AT_115200);
    }
    expect(got).toEqual(bytes);
  });
});

describe('16550 interrupts', () => {
  it('come in the order line status, data, transmitter, modem status', () => {
    write(MCR, LOOP);
    write(IER, 0x0f);
    write(0, 1);
    write(0, 2);
    write(MCR, LOOP | 2);
    const source = (): number => read(IIR) & 15;
    expect(source()).toBe(6);
    read(LSR);
    expect(source()).toBe(4);
    read(RBR);
    expect(source()).toBe(2);
    expect(source()).toBe(0);
    read(MSR);
    expect(source()).toBe(1);
  });

  it('report an empty transmitter as soon as it is enabled, once per IIR read', () => {
    write(MCR, OUT2);
    write(IER, 2);
    expect(irq).toBe(true);
    expect(read(IIR)).toBe(2);
    expect(irq).toBe(false);
    expect(read(IIR)).toBe(1);
    write(IER, 0);
    write(IER, 2);
    expect(read(IIR)).toBe(2);
  });

  it('make a new edge for every byte written', () => {
    write(MCR, OUT2);
    write(IER, 2);
    const before = edges;
    write(0, 65);
    write(0, 66);
    expect(edges - before).toBe(2);
  });

  it('reach the bus only through OUT2, which loopback disconnects', () => {
    write(IER, 2);
    expect(irq).toBe(false);
    write(MCR, OUT2);
    expect(irq).toBe(true);
    write(MCR, OUT2 | LOOP);
    expect(irq).toBe(false);
  });

  it('fall and rise between two characters that arrive one after the other', () => {
    write(MCR, OUT2);
    write(IER, 1);
    serial.send([1, 2]);
    read(RBR);
    clock.advance(CHARACTER_NS_AT_115200);
    expect(edges).toBe(2);
  });
});

describe('16550 modem lines', () => {
  it('are CTS, DSR and DCD at first, without a change to report', () => {
    expect(read(MSR)).toBe(Msr.CTS | Msr.DSR | Msr.DCD);
  });

  it.each([
    ['DTR', 1, Msr.DSR],
    ['RTS', 2, Msr.CTS],
    ['OUT1', 4, Msr.RI],
    ['OUT2', 8, Msr.DCD],
  ])('loop %s back', (_name, output, input) => {
    write(MCR, LOOP | output);
    expect(read(MSR) & 0xf0).toBe(input);
  });

  it('report changes once; RI reports its trailing edge only', () => {
    serial.setModemLines(Msr.CTS | Msr.RI);
    expect(read(MSR)).toBe(Msr.CTS | Msr.RI | 0x0a);
    serial.setModemLines(Msr.CTS);
    expect(read(MSR)).toBe(Msr.CTS | 0x04);
    expect(read(MSR)).toBe(Msr.CTS);
  });

  it('send nothing out in loopback and keep host input waiting', () => {
    write(MCR, LOOP);
    serial.send([9]);
    write(0, 5);
    expect(sent).toEqual([]);
    expect(read(RBR)).toBe(5);
    write(MCR, 0);
    clock.advance(CHARACTER_NS_AT_115200);
    expect(read(RBR)).toBe(9);
  });

  it('loop a break back as a zero character with its flags', () => {
    write(MCR, LOOP);
    write(LCR, 0x43);
    expect(read(LSR) & (Lsr.BREAK | Lsr.FRAMING | Lsr.DATA_READY)).toBe(Lsr.BREAK | Lsr.FRAMING | Lsr.DATA_READY);
    expect(read(RBR)).toBe(0);
  });
});
