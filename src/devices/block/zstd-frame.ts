/** How long a zstd frame is (RFC 8878, "Zstandard Frames"): what follows it in a sector is none of its business. */

const MAGIC_BYTES = 4;
const SINGLE_SEGMENT = 0x20;
const CHECKSUM = 4;
const DICTIONARY_BYTES = [0, 1, 2, 4];
const SIZE_BYTES = [0, 2, 4, 8];
const RUN = 1;

/** Bytes of the frame at the start; all there are, where it does not end. */
export function zstdFrameLength(bytes: Uint8Array): number {
  const descriptor = bytes[MAGIC_BYTES] ?? 0;
  const isSingle = (descriptor & SINGLE_SEGMENT) !== 0;
  const sizeBytes = SIZE_BYTES[descriptor >> 6] || (isSingle ? 1 : 0);
  let at = MAGIC_BYTES + 1 + (isSingle ? 0 : 1) + DICTIONARY_BYTES[descriptor & 3] + sizeBytes;
  for (let isLast = false; !isLast && at + 3 <= bytes.length; ) {
    const header = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
    isLast = (header & 1) !== 0;
    at += 3 + (((header >> 1) & 3) === RUN ? 1 : header >>> 3);
  }
  return Math.min(bytes.length, at + (descriptor & CHECKSUM ? 4 : 0));
}
