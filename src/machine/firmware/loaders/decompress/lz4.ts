/** LZ4 in the legacy frame that Linux uses: a magic number, then blocks with their sizes (LZ4 Frame Format, "Legacy frame"; LZ4 Block Format). */
import type { Rest } from '../../../run/yield.ts';
import { ImageError } from '../image-error.ts';

const MAGIC_BYTES = 4;
const LEAST_MATCH = 4;
/** "Legacy frame": the size of all blocks but the last. */
const MOST_BLOCK = 8 << 20;

/** Unpacks a frame whose output has `size` bytes. Throws ImageError if it is damaged. */
export async function unlz4(input: Uint8Array, size: number, rest: Rest): Promise<Uint8Array> {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const output = new Uint8Array(size);
  let to = 0;
  for (let at = MAGIC_BYTES; at + 4 <= input.length; ) {
    const end = at + 4 + view.getUint32(at, true);
    if (end > input.length)
      throw new ImageError(`LZ4: a block ends at ${end}, beyond the ${input.length} bytes of data`);
    to = unpackBlock(input, at + 4, end, output.subarray(0, to + MOST_BLOCK), to);
    at = end;
    await rest();
  }
  if (to !== size) throw new ImageError(`LZ4: the data unpack to ${to} bytes and not to ${size} as they say`);
  return output;
}

/** Unpacks one block to `to`, where its output may refer to nothing before; returns where it ends. */
function unpackBlock(input: Uint8Array, at: number, end: number, output: Uint8Array, to: number): number {
  const start = to;
  while (at < end) {
    const token = input[at++];
    let literals = token >> 4;
    if (literals === 15) {
      let byte = 255;
      while (byte === 255 && at < end) literals += byte = input[at++];
    }
    if (at + literals > end || to + literals > output.length) throw new ImageError('LZ4: literals leave the data');
    if (literals > 32) output.set(input.subarray(at, at + literals), to);
    else for (let i = 0; i < literals; i++) output[to + i] = input[at + i];
    at += literals;
    to += literals;
    if (at >= end) break;
    const distance = input[at] | (input[at + 1] << 8);
    at += 2;
    let length = (token & 15) + LEAST_MATCH;
    if (length === 15 + LEAST_MATCH) {
      let byte = 255;
      while (byte === 255 && at < end) length += byte = input[at++];
    }
    let from = to - distance;
    if (distance === 0 || from < start || to + length > output.length)
      throw new ImageError('LZ4: a match leaves the data');
    if (distance >= length && length > 32) {
      output.copyWithin(to, from, from + length);
      to += length;
    } else for (const stop = to + length; to < stop; ) output[to++] = output[from++];
  }
  return to;
}
