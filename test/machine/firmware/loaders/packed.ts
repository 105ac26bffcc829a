/** Compressed forms that need no compressor: everything as literals. */
import { littleEndianWords } from './images.ts';

/** A legacy LZ4 frame of one block. */
export function lz4Legacy(bytes: Uint8Array): Uint8Array {
  const more: number[] = [];
  let rest = bytes.length - 15;
  for (; rest >= 255; rest -= 255) more.push(255);
  const block = [0xf0, ...more, rest, ...bytes];
  return new Uint8Array([...littleEndianWords([0x184c_2102, block.length]), ...block]);
}

/** A zstd frame of one raw block (RFC 8878, 3.1.1). */
export function zstdRaw(bytes: Uint8Array): Uint8Array {
  const size = bytes.length - 256;
  const header = (bytes.length << 3) | 1;
  return new Uint8Array([
    ...[0x28, 0xb5, 0x2f, 0xfd, 0x60, size & 0xff, size >> 8],
    ...[header & 0xff, (header >> 8) & 0xff, header >> 16],
    ...bytes,
  ]);
}
