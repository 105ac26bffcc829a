/** Zstandard, by the library fzstd; a module of its own, so that it is loaded where it is needed. */
import { decompress } from 'fzstd';
import { ImageError } from '../image-error.ts';

/** Unpacks a frame whose output has `size` bytes. Throws ImageError if it is damaged. */
export function unzstd(input: Uint8Array, size: number): Uint8Array {
  let output: Uint8Array;
  try {
    output = decompress(input, new Uint8Array(size));
  } catch (error) {
    throw new ImageError(`zstd: ${error instanceof Error ? error.message : error}`);
  }
  if (output.length !== size) {
    throw new ImageError(`zstd: the data unpack to ${output.length} bytes and not to ${size} as they say`);
  }
  return output;
}
