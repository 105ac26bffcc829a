/** Pictures as files: PNG (W3C "Portable Network Graphics Specification"), and PPM, as QEMU's screendump writes it. */
import { deflateSync } from 'node:zlib';
import type { Picture } from '../devices/display.ts';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const BIT_DEPTH = 8;
const TRUECOLOUR = 2;
const BYTES_PER_PIXEL = 4;
const COLOURS = 3;

/** The picture in the format that the name of its file asks for: PPM for .ppm, PNG for all others. */
export function encodePicture(picture: Picture, path: string): Uint8Array {
  return /\.ppm$/i.test(path) ? encodePpm(picture) : encodePng(picture);
}

function encodePpm(picture: Picture): Uint8Array {
  const header = new TextEncoder().encode(`P6\n${picture.width} ${picture.height}\n255\n`);
  return joined([header, ...rows(picture)]);
}

/** Throws RangeError for a picture without pixels: PNG has none. */
export function encodePng(picture: Picture): Uint8Array {
  const { width, height } = picture;
  if (width === 0 || height === 0) throw new RangeError(`a picture of ${width} x ${height} pixels is none`);
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, BIT_DEPTH);
  header.setUint8(9, TRUECOLOUR);
  const unfiltered = Uint8Array.of(0);
  const lines = joined(rows(picture).flatMap((row) => [unfiltered, row]));
  return joined([
    SIGNATURE,
    chunk('IHDR', new Uint8Array(header.buffer)),
    chunk('IDAT', deflateSync(lines)),
    chunk('IEND', new Uint8Array()),
  ]);
}

/** Red, green and blue, row by row. */
function rows({ width, height, pixels }: Picture): Uint8Array[] {
  return Array.from({ length: height }, (_, y) => {
    const row = new Uint8Array(width * COLOURS);
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * BYTES_PER_PIXEL;
      row.set(pixels.subarray(at, at + COLOURS), x * COLOURS);
    }
    return row;
  });
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = joined([new TextEncoder().encode(type), data]);
  const out = new Uint8Array(body.length + 8);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set(body, 4);
  view.setUint32(4 + body.length, crc(body));
  return out;
}

const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1;
  return value;
});

function crc(bytes: Uint8Array): number {
  let value = 0xffff_ffff;
  for (const byte of bytes) value = REMAINDERS[(value ^ byte) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
