// Pictures as files, read back by the definition of their formats.
import { crc32, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodePicture } from '../../../src/machine/host/picture-file.ts';

const picture = {
  width: 2,
  height: 2,
  pixels: Uint8ClampedArray.of(1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255, 10, 11, 12, 255),
};

interface Chunk {
  type: string;
  data: Uint8Array;
}

function chunksOf(file: Uint8Array): Chunk[] {
  const view = new DataView(file.buffer, file.byteOffset);
  const chunks: Chunk[] = [];
  for (let at = 8; at < file.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    expect(view.getUint32(at + 8 + length), type).toBe(crc32(file.subarray(at + 4, at + 8 + length)));
    chunks.push({ type, data: file.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

describe('a picture', () => {
  it('as PNG has its pixels in one filtered row after the other', async () => {
    const file = await encodePicture(picture, 'screen.png');
    expect([...file.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const [header, data, end] = chunksOf(file);
    expect([header.type, data.type, end.type]).toEqual(['IHDR', 'IDAT', 'IEND']);
    expect([...header.data]).toEqual([0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
    expect([...inflateSync(data.data)]).toEqual([0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12]);
  });

  it('as PPM is a header and bytes', async () => {
    const file = await encodePicture(picture, 'screen.ppm');
    expect(Buffer.from(file).toString('latin1')).toBe(
      `P6\n2 2\n255\n${String.fromCharCode(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)}`,
    );
  });

  it('without pixels is refused', async () => {
    await expect(encodePicture({ ...picture, width: 0 }, 'a.png')).rejects.toThrow('0 x 2 pixels');
  });
});
