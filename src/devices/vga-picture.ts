/** What a VGA shows: rows of characters in text mode, and pixels in every mode. */
import type { Picture, TextCell, TextScreen } from './display.ts';
import { Attr, Crtc, Dispi, Gfx, Seq, type VgaState } from './vga-state.ts';

const LOW_437 = ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼';
const HIGH_437 =
  '⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀' +
  'αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ';
const BLINKS = 8;
const CURSOR_OFF = 0x20;
const COLORS_256 = 0x40;
const FONT_BYTES = 0x2000;
const GLYPH_LINES = 32;
const OPAQUE = 0xff00_0000;

const character = (code: number): string =>
  code < 32 ? LOW_437[code] : code < 127 ? String.fromCharCode(code) : HIGH_437[code - 127];

/** The characters of text mode, null in the other modes. */
export function readText(state: VgaState, memory: Uint8Array): TextScreen | null {
  if (!state.isText) return null;
  const { columns, rows, start, pitch } = textLayout(state);
  const cells: TextCell[] = [];
  const background = state.attr[Attr.MODE] & BLINKS ? 7 : 15;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = 4 * ((start + row * pitch + column) & 0xffff);
      const attribute = memory[at + 1];
      cells.push({
        character: character(memory[at]),
        foreground: attribute & 15,
        background: (attribute >> 4) & background,
      });
    }
  }
  const place = word(state.crtc, Crtc.CURSOR_HIGH) - start;
  const [row, column] = [Math.floor(place / pitch), place % pitch];
  const isShown =
    (state.crtc[Crtc.CURSOR_START] & CURSOR_OFF) === 0 &&
    place >= 0 &&
    column < columns &&
    row < rows &&
    !state.isBlank;
  const palette = Array.from({ length: 16 }, (_, n) => `#${css(paletteColor(state, n))}`);
  return { columns, rows, cells, cursor: isShown ? row * columns + column : null, palette };
}

/** The pixels of the present mode. Characters need a font in plane 2, where a BIOS or a driver loads it. */
export function drawPicture(state: VgaState, memory: Uint8Array): Picture {
  if (state.isDispi) return drawFrame(state, memory);
  if (state.isText) return drawText(state, memory);
  return state.gfx[Gfx.MODE] & COLORS_256 ? drawColors(state, memory) : drawPlanes(state, memory);
}

const word = (registers: Uint8Array, high: number): number => (registers[high] << 8) | registers[high + 1];

function lines({ crtc }: VgaState): number {
  const overflow = crtc[Crtc.OVERFLOW];
  return (crtc[Crtc.VERTICAL_DISPLAY_END] | ((overflow & 2) << 7) | ((overflow & 0x40) << 3)) + 1;
}

/** Character height, or how often a line of graphics is shown. */
const cellHeight = ({ crtc }: VgaState): number =>
  ((crtc[Crtc.MAX_SCAN_LINE] & 31) + 1) * (crtc[Crtc.MAX_SCAN_LINE] & 0x80 ? 2 : 1);

function textLayout(state: VgaState) {
  const { crtc } = state;
  return {
    columns: crtc[Crtc.DISPLAY_END] + 1,
    rows: Math.floor(lines(state) / cellHeight(state)),
    start: word(crtc, Crtc.START_HIGH),
    pitch: Math.max(1, crtc[Crtc.OFFSET] * 2),
  };
}

/** A DAC colour as a pixel: little-endian RGBA. */
function dacColor({ dac, dacMask }: VgaState, index: number): number {
  const at = 3 * (index & dacMask);
  const wide = (six: number): number => (six << 2) | (six >> 4);
  return (OPAQUE | (wide(dac[at + 2]) << 16) | (wide(dac[at + 1]) << 8) | wide(dac[at])) >>> 0;
}

/** One of the sixteen colours, through the palette of the attribute controller. */
function paletteColor(state: VgaState, index: number): number {
  const { attr } = state;
  const select = attr[Attr.COLOR_SELECT];
  const low = attr[index] & 0x3f;
  const color = attr[Attr.MODE] & 0x80 ? (low & 15) | ((select & 15) << 4) : low | ((select & 12) << 4);
  return dacColor(state, color);
}

const css = (pixel: number): string =>
  [pixel, pixel >> 8, pixel >> 16].map((byte) => (byte & 0xff).toString(16).padStart(2, '0')).join('');

/** An empty picture and its pixels as whole numbers. */
function blank(width: number, height: number): { picture: Picture; pixels: Uint32Array } {
  const pixels = new Uint32Array(width * height).fill(OPAQUE);
  return { picture: { width, height, pixels: new Uint8ClampedArray(pixels.buffer) }, pixels };
}

function drawText(state: VgaState, memory: Uint8Array): Picture {
  const { columns, rows, start, pitch } = textLayout(state);
  const height = cellHeight(state);
  const { picture, pixels } = blank(8 * columns, height * rows);
  if (state.isBlank) return picture;
  const colors = Array.from({ length: 16 }, (_, n) => paletteColor(state, n));
  const backgrounds = state.attr[Attr.MODE] & BLINKS ? 7 : 15;
  const map = state.seq[Seq.CHARACTER_MAP];
  const font = FONT_BYTES * ((((map >> 2) & 3) << 1) | ((map >> 5) & 1));
  const cursor = readText(state, memory)?.cursor;
  const [first, last] = [state.crtc[Crtc.CURSOR_START] & 31, state.crtc[Crtc.CURSOR_END] & 31];
  for (let cell = 0; cell < columns * rows; cell++) {
    const [row, column] = [Math.floor(cell / columns), cell % columns];
    const at = 4 * ((start + row * pitch + column) & 0xffff);
    const ink = colors[memory[at + 1] & 15];
    const paper = colors[(memory[at + 1] >> 4) & backgrounds];
    for (let y = 0; y < height; y++) {
      const isCursor = cell === cursor && y >= first && y <= last;
      const bits = isCursor ? 0xff : memory[4 * (font + memory[at] * GLYPH_LINES + (y & 31)) + 2];
      const to = (row * height + y) * picture.width + 8 * column;
      for (let x = 0; x < 8; x++) pixels[to + x] = bits & (0x80 >> x) ? ink : paper;
    }
  }
  return picture;
}

/** Mode 13h and its relatives: a byte a pixel. */
function drawColors(state: VgaState, memory: Uint8Array): Picture {
  const pitch = state.crtc[Crtc.OFFSET] * 8;
  const { picture, pixels } = blank(
    (state.crtc[Crtc.DISPLAY_END] + 1) * 4,
    Math.ceil(lines(state) / cellHeight(state)),
  );
  const start = 4 * word(state.crtc, Crtc.START_HIGH);
  const colors = Uint32Array.from({ length: 256 }, (_, n) => dacColor(state, n));
  return fill(picture, pixels, (x, y) => colors[memory[start + y * pitch + x]]);
}

/** Sixteen colours in four planes. */
function drawPlanes(state: VgaState, memory: Uint8Array): Picture {
  const pitch = state.crtc[Crtc.OFFSET] * 2;
  const { picture, pixels } = blank(
    (state.crtc[Crtc.DISPLAY_END] + 1) * 8,
    Math.ceil(lines(state) / cellHeight(state)),
  );
  const start = word(state.crtc, Crtc.START_HIGH);
  const colors = Uint32Array.from({ length: 16 }, (_, n) => paletteColor(state, n));
  return fill(picture, pixels, (x, y) => {
    const at = 4 * ((start + y * pitch + (x >> 3)) & 0xffff);
    const bit = 7 - (x & 7);
    let color = 0;
    for (let plane = 0; plane < 4; plane++) color |= ((memory[at + plane] >> bit) & 1) << plane;
    return colors[color];
  });
}

/** The linear framebuffer of the display interface; what lies beyond video memory is black. */
function drawFrame(state: VgaState, memory: Uint8Array): Picture {
  const { dispi } = state;
  const { picture, pixels } = blank(Math.max(1, dispi[Dispi.WIDTH]), Math.max(1, dispi[Dispi.HEIGHT]));
  const depth = dispi[Dispi.DEPTH];
  const bytes = (depth + 7) >> 3;
  const pitch = Math.max(dispi[Dispi.VIRTUAL_WIDTH], picture.width) * bytes;
  const start = dispi[Dispi.Y] * pitch + dispi[Dispi.X] * bytes;
  const colors = Uint32Array.from({ length: 256 }, (_, n) => dacColor(state, n));
  return fill(picture, pixels, (x, y) => {
    const at = start + y * pitch + x * bytes;
    const a = memory[at] ?? 0;
    const b = memory[at + 1] ?? 0;
    if (bytes >= 3) return OPAQUE | (a << 16) | (b << 8) | (memory[at + 2] ?? 0);
    if (bytes === 1) return colors[a];
    const both = a | (b << 8);
    const greenBits = depth === 15 ? 5 : 6;
    const five = (value: number): number => ((value & 31) * 255) / 31;
    const green = (((both >> 5) & (2 ** greenBits - 1)) * 255) / (2 ** greenBits - 1);
    return OPAQUE | (five(both) << 16) | (green << 8) | five(both >> (5 + greenBits));
  });
}

function fill(picture: Picture, pixels: Uint32Array, color: (x: number, y: number) => number): Picture {
  for (let y = 0, at = 0; y < picture.height; y++) {
    for (let x = 0; x < picture.width; x++) pixels[at++] = color(x, y);
  }
  return picture;
}
