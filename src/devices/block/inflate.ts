/** Unpacks raw deflate data (RFC 1951) of known length, by the library fflate, at once: what browsers offer answers later. */
import { Inflate } from 'fflate';

/** Bytes unpacked in one go. A byte unpacks to 1032 at most: no more work than that is done beyond what is asked for. */
const PIECE = 8192;

/** Exactly `length` bytes; what the data holds after them is ignored. Throws if it holds fewer or makes no sense. */
export function inflate(packed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let size = 0;
  const unpacking = new Inflate((part) => {
    const wanted = part.subarray(0, length - size);
    out.set(wanted, size);
    size += wanted.length;
  });
  try {
    for (let at = 0; at < packed.length && size < length; at += PIECE) {
      unpacking.push(packed.subarray(at, at + PIECE), at + PIECE >= packed.length);
    }
  } catch (error) {
    throw new Error(`deflate data: ${error instanceof Error ? error.message : error}`);
  }
  if (size < length) throw new Error(`deflate data holds ${size} bytes of ${length}`);
  return out;
}
