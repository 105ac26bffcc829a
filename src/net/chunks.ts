/** Bytes that are kept in chunks: what a list of them costs is to be about what its bytes do, however they came. */

/** Chunks are put together up to this length. */
const SMALL = 1024;

/** The bytes, copied where they are a small part of a buffer that they would keep alive. */
export function compact(bytes: Uint8Array): Uint8Array {
  return 2 * bytes.length < bytes.buffer.byteLength ? bytes.slice() : bytes;
}

/** Adds bytes, which are the list's to keep. */
export function addChunk(chunks: Uint8Array[], bytes: Uint8Array): void {
  const last = chunks.at(-1);
  if (!last || last.length + bytes.length > SMALL) {
    chunks.push(compact(bytes));
    return;
  }
  const both = new Uint8Array(last.length + bytes.length);
  both.set(last);
  both.set(bytes, last.length);
  chunks[chunks.length - 1] = both;
}
