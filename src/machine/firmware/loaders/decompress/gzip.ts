/** gzip, by the host's own decompressor. */
import { ImageError } from '../image-error.ts';

/** Unpacks a member whose output has `size` bytes. Throws ImageError if it is damaged. */
export async function gunzip(input: Uint8Array, size: number): Promise<Uint8Array> {
  const output = new Uint8Array(size);
  let to = 0;
  try {
    const stream = new Blob([input as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream('gzip'));
    const reader = stream.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (to + part.value.length > size) {
        await reader.cancel();
        throw new RangeError(`the data go on after the ${size} bytes that they are said to be`);
      }
      output.set(part.value, to);
      to += part.value.length;
    }
  } catch (error) {
    throw new ImageError(`gzip: ${error instanceof Error ? error.message : error}`);
  }
  if (to !== size) throw new ImageError(`gzip: the data unpack to ${to} bytes and not to ${size} as they say`);
  return output;
}
