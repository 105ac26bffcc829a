// The VGA as a driver programs it, and what it shows.
import { beforeEach, describe, expect, it } from 'vitest';
import { DISPI_PORTS, VGA_PORTS, Vga } from '../../src/devices/vga.ts';
import { drawPicture, readText } from '../../src/devices/vga-picture.ts';
import { Dispi } from '../../src/devices/vga-state.ts';
import { HandClock } from './hand-clock.ts';

const TEXT = 0x1_8000;

let clock: HandClock;
let framebuffer: Uint8Array;
let vga: Vga;

beforeEach(() => {
  clock = new HandClock();
  framebuffer = new Uint8Array(1 << 20);
  vga = new Vga({ clock, framebuffer: () => framebuffer });
});

const out = (port: number, ...values: number[]): void => {
  for (const value of values) vga.write(port - VGA_PORTS.BASE, 1, value);
};
const inp = (port: number): number => vga.read(port - VGA_PORTS.BASE, 1);
const set = (port: number, registers: Record<number, number>): void => {
  for (const [index, value] of Object.entries(registers)) {
    out(port, Number(index));
    out(port + 1, value);
  }
};
const crtc = (registers: Record<number, number>): void => set(0x3d4, registers);
const sequencer = (registers: Record<number, number>): void => set(0x3c4, registers);
const graphics = (registers: Record<number, number>): void => set(0x3ce, registers);
const poke = (offset: number, ...values: number[]): void =>
  values.forEach((value, n) => {
    vga.window.write(offset + n, 1, value);
  });
const dispi = (index: number, value: number): void => {
  vga.dispiPorts.write(0, 2, index);
  vga.dispiPorts.write(1, 2, value);
};
const readDispi = (index: number): number => {
  vga.dispiPorts.write(0, 2, index);
  return vga.dispiPorts.read(1, 2);
};
const picture = () => drawPicture(vga.state, vga.memory);
const pixel = (x: number, y: number): number[] => {
  const { width, pixels } = picture();
  return Array.from(pixels.subarray(4 * (y * width + x), 4 * (y * width + x) + 4));
};

function text(): string[] {
  const screen = readText(vga.state, vga.memory);
  if (!screen) return [];
  return Array.from({ length: screen.rows }, (_, row) =>
    screen.cells
      .slice(row * screen.columns, (row + 1) * screen.columns)
      .map((cell) => cell.character)
      .join(''),
  );
}

describe('text mode', () => {
  it('is what the machine begins in: 80 by 25, blank, grey on black', () => {
    expect(text()).toEqual(new Array(25).fill(' '.repeat(80)));
    const screen = readText(vga.state, vga.memory);
    expect(screen?.cells[0]).toEqual({ character: ' ', foreground: 7, background: 0 });
    expect(screen?.palette.slice(0, 8)).toEqual([
      '#000000', '#0000aa', '#00aa00', '#00aaaa', '#aa0000', '#aa00aa', '#aa5500', '#aaaaaa',
    ]); // biome-ignore format: the eight dark colours
    expect(screen?.cursor).toBe(0);
  });

  it('shows characters of code page 437 with their attributes', () => {
    poke(TEXT + 160, 0x41, 0x1e, 0xc9, 0x07);
    expect(text()[1].slice(0, 2)).toBe('A╔');
    expect(readText(vga.state, vga.memory)?.cells[80]).toEqual({ character: 'A', foreground: 14, background: 1 });
    expect([vga.window.read(TEXT + 160, 1), vga.window.read(TEXT + 161, 1)]).toEqual([0x41, 0x1e]);
  });

  it('scrolls by its start address and moves its cursor, which can be hidden', () => {
    poke(TEXT + 160, 0x42);
    crtc({ 13: 80, 15: 85 });
    expect(text()[0][0]).toBe('B');
    expect(readText(vga.state, vga.memory)?.cursor).toBe(5);
    crtc({ 10: 0x20 });
    expect(readText(vga.state, vga.memory)?.cursor).toBeNull();
  });

  it('draws the glyphs that were loaded into plane 2', () => {
    graphics({ 4: 2, 5: 0, 6: 4 });
    sequencer({ 2: 4, 4: 6 });
    poke(0x41 * 32, 0x80, 0x01);
    graphics({ 4: 0, 5: 0x10, 6: 0x0e });
    sequencer({ 2: 3, 4: 2 });
    poke(TEXT + 2, 0x41, 0x1f);
    expect([picture().width, picture().height]).toEqual([640, 400]);
    expect([pixel(8, 0), pixel(9, 0), pixel(15, 1)]).toEqual([
      [255, 255, 255, 255],
      [0, 0, 170, 255],
      [255, 255, 255, 255],
    ]);
  });

  it('is seen at the addresses of the colour adapter only', () => {
    poke(0, 0x41);
    poke(0x1_0000, 0x41);
    expect(text().join('').trim()).toBe('');
    expect(vga.window.read(0, 1)).toBe(0xff);
  });
});

describe('the registers', () => {
  it('of the CRTC answer at the addresses that the miscellaneous register chose', () => {
    crtc({ 15: 0x12 });
    expect([inp(0x3d5), inp(0x3b5)]).toEqual([0x12, 0xff]);
    out(0x3c2, 0x66);
    expect([inp(0x3d5), inp(0x3b5), inp(0x3cc)]).toEqual([0xff, 0x12, 0x66]);
  });

  it('0 to 7 of the CRTC are locked until bit 7 of register 0x11 is cleared, but for line compare', () => {
    crtc({ 1: 39, 7: 0xff });
    expect(readText(vga.state, vga.memory)?.columns).toBe(80);
    expect(vga.state.crtc[7]).toBe(0x1f);
    crtc({ 17: 0 });
    crtc({ 1: 39 });
    expect(readText(vga.state, vga.memory)?.columns).toBe(40);
  });

  it('of the attribute controller take index and value in turn; reading the status begins anew', () => {
    inp(0x3da);
    out(0x3c0, 0x11, 0x2a);
    out(0x3c0, 0x31);
    expect(inp(0x3c1)).toBe(0x2a);
    inp(0x3da);
    out(0x3c0, 0x20);
    expect(inp(0x3c0)).toBe(0x20);
  });

  it('of the palette count through red, green and blue', () => {
    out(0x3c8, 1);
    out(0x3c9, 1, 2, 3, 4, 5, 6);
    out(0x3c7, 1);
    expect(Array.from({ length: 6 }, () => inp(0x3c9))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('tell of the vertical retrace 60 times a second', () => {
    let retraces = 0;
    let was = 0;
    for (let n = 0; n < 10_000; n++) {
      clock.advance(100_000);
      const now = inp(0x3da) & 8;
      if (now && !was) retraces++;
      was = now;
    }
    expect(retraces).toBeGreaterThanOrEqual(59);
    expect(retraces).toBeLessThanOrEqual(60);
  });
});

describe('the four planes', () => {
  beforeEach(() => {
    graphics({ 5: 0, 6: 5, 1: 0, 8: 0xff });
    sequencer({ 2: 15, 4: 6 });
  });
  const planes = (at: number): number[] =>
    [0, 1, 2, 3].map((plane) => {
      graphics({ 4: plane });
      return vga.window.read(at, 1);
    });

  it('take a write all at once, by their mask', () => {
    sequencer({ 2: 5 });
    poke(3, 0xaa);
    expect(planes(3)).toEqual([0xaa, 7, 0xaa, 0]);
  });

  it('combine what is written with the latches under the bit mask', () => {
    poke(3, 0x0f);
    vga.window.read(3, 1);
    graphics({ 8: 0x3c, 3: 0x18 });
    poke(3, 0xff);
    expect(planes(3)).toEqual([0x33, 0x33, 0x33, 0x33]);
  });

  it('copy the latches in write mode 1 and take colours in mode 2', () => {
    graphics({ 5: 2 });
    poke(5, 0x9);
    expect(planes(5)).toEqual([0xff, 0, 0, 0xff]);
    vga.window.read(5, 1);
    graphics({ 5: 1 });
    poke(6, 0);
    expect(planes(6)).toEqual([0xff, 0, 0, 0xff]);
  });

  it('mask with what is written in write mode 3, and compare colours in read mode 1', () => {
    graphics({ 5: 0 });
    poke(7, 0);
    vga.window.read(7, 1);
    graphics({ 5: 3, 0: 6 });
    poke(7, 0xf0);
    expect(planes(7)).toEqual([0, 0xf0, 0xf0, 0]);
    graphics({ 5: 8, 2: 6, 7: 15 });
    expect(vga.window.read(7, 1)).toBe(0xf0);
  });

  it('make sixteen colours', () => {
    graphics({ 5: 2 });
    poke(0, 4);
    expect(pixel(0, 0)).toEqual([170, 0, 0, 255]);
  });
});

describe('mode 13h', () => {
  it('is a byte a pixel, 320 by 200', () => {
    graphics({ 5: 0x40, 6: 5 });
    sequencer({ 2: 15, 4: 0x0e });
    crtc({ 9: 0x41, 19: 0x28 });
    out(0x3c8, 200);
    out(0x3c9, 63, 0, 63);
    poke(320, 200);
    expect([picture().width, picture().height]).toEqual([320, 200]);
    expect(pixel(0, 1)).toEqual([255, 0, 255, 255]);
  });
});

describe('the display interface', () => {
  it('signs and tells its memory and its limits', () => {
    expect(readDispi(Dispi.ID)).toBe(0xb0c5);
    expect(readDispi(Dispi.MEMORY_64K)).toBe(16);
    dispi(Dispi.ENABLE, 2);
    expect([readDispi(Dispi.WIDTH), readDispi(Dispi.DEPTH)]).toEqual([4096, 32]);
    expect(DISPI_PORTS.BASE).toBe(0x1ce);
  });

  it.each([
    [32, [0x33, 0x22, 0x11, 0], [0x11, 0x22, 0x33, 255]],
    [24, [0x33, 0x22, 0x11], [0x11, 0x22, 0x33, 255]],
    [16, [0x1f, 0xf8], [255, 0, 255, 255]],
    [15, [0xe0, 0x03], [0, 255, 0, 255]],
    [8, [4], [170, 0, 0, 255]],
  ])('shows a framebuffer of %i bits a pixel', (depth, bytes, color) => {
    dispi(Dispi.WIDTH, 100);
    dispi(Dispi.HEIGHT, 50);
    dispi(Dispi.DEPTH, depth);
    dispi(Dispi.ENABLE, 0x41);
    framebuffer.set(bytes, (101 * depth + 7) >> 3);
    expect([picture().width, picture().height]).toEqual([100, 50]);
    if ((101 * depth) % 8 === 0) expect(pixel(1, 1)).toEqual(color);
    expect(text()).toEqual([]);
  });

  it('clears the framebuffer when it is switched on, unless it is told not to', () => {
    for (const [enable, left] of [
      [0xc1, 9],
      [0x41, 0],
    ]) {
      framebuffer[5] = 9;
      dispi(Dispi.ENABLE, 0);
      dispi(Dispi.WIDTH, 64);
      dispi(Dispi.HEIGHT, 64);
      dispi(Dispi.DEPTH, 32);
      dispi(Dispi.ENABLE, enable);
      expect(framebuffer[5]).toBe(left);
    }
  });

  it('shows a part of a larger picture, and black beyond its memory', () => {
    dispi(Dispi.WIDTH, 10);
    dispi(Dispi.HEIGHT, 10);
    dispi(Dispi.DEPTH, 32);
    dispi(Dispi.ENABLE, 0x41);
    dispi(Dispi.VIRTUAL_WIDTH, 20);
    dispi(Dispi.X, 5);
    dispi(Dispi.Y, 2);
    framebuffer.set([1, 2, 3], 4 * (2 * 20 + 5));
    expect(pixel(0, 0)).toEqual([3, 2, 1, 255]);
    dispi(Dispi.Y, 0xfff0);
    expect(pixel(0, 0)).toEqual([0, 0, 0, 255]);
  });

  it('gives the window a bank of the framebuffer', () => {
    dispi(Dispi.WIDTH, 64);
    dispi(Dispi.HEIGHT, 64);
    dispi(Dispi.DEPTH, 8);
    dispi(Dispi.ENABLE, 1);
    graphics({ 6: 5 });
    dispi(Dispi.BANK, 3);
    poke(7, 0x55);
    expect([framebuffer[3 * 0x1_0000 + 7], vga.window.read(7, 1)]).toEqual([0x55, 0x55]);
    dispi(Dispi.BANK, 0xffff);
    poke(7, 0x55);
    expect(vga.window.read(7, 1)).toBe(0xff);
  });
});
