/** Pixels as a PNG file (Portable Network Graphics, third edition: "Datastream structure", "Filtering", "Compression"). */
import type { Picture } from '../../devices/display.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const BITS = 8;
const TRUECOLOUR = 2;
const POLYNOMIAL = 0xedb88320;

const CRCS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/** `head`, then red, green and blue of each pixel, `gap` zeros before each row. */
export function rgbRows({ width, height, pixels }: Picture, head: Uint8Array, gap: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(head.length + height * (gap + 3 * width));
  out.set(head);
  let to = head.length;
  for (let row = 0; row < height; row++) {
    to += gap;
    for (let at = row * width * 4; at < (row + 1) * width * 4; at += 4) {
      out.set(pixels.subarray(at, at + 3), to);
      to += 3;
    }
  }
  return out;
}

/** The picture in 24 bits a pixel: a screen has no alpha. Rejects with RangeError where there are no pixels: PNG has none. */
export async function pngOf(picture: Picture): Promise<Uint8Array> {
  const { width, height } = picture;
  if (width === 0 || height === 0) throw new RangeError(`a picture of ${width} x ${height} pixels is none`);
  // A byte before each row is its filter: "None".
  const rows = rgbRows(picture, new Uint8Array(0), 1);
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([BITS, TRUECOLOUR, 0, 0, 0], 8);
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream('deflate'));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const parts = [
    Uint8Array.from(SIGNATURE),
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', new Uint8Array(0)),
  ];
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  let crc = 0xffff_ffff;
  for (const byte of bytes.subarray(4, 8 + data.length)) crc = (crc >>> 8) ^ CRCS[(crc ^ byte) & 0xff];
  view.setUint32(8 + data.length, ~crc);
  return bytes;
}
