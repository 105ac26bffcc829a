/** Numbers in network byte order, and the Internet checksum (RFC 1071). */

export const get16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1];

export const get32 = (bytes: Uint8Array, at: number): number => ((get16(bytes, at) << 16) | get16(bytes, at + 2)) >>> 0;

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value & 0xffff);
}

/** Adds the 16-bit words of `bytes[start..end)` to a sum; a last odd byte counts as the high one. */
export function addWords(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  let sum = initial;
  let at = start;
  for (; at + 1 < end; at += 2) sum += (bytes[at] << 8) | bytes[at + 1];
  if (at < end) sum += bytes[at] << 8;
  return sum;
}

/** Folds a sum to 16 bits. */
export function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}

/** The sum of the pseudo header of TCP and UDP over IPv4, not inverted. */
export function pseudoHeader(source: number, destination: number, protocol: number, length: number): number {
  return fold((source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length);
}

/** Makes the checksum that an offload left undone, in place. */
export function completeChecksum(
  frame: Uint8Array,
  { checksumStart, checksumOffset }: { checksumStart: number; checksumOffset: number },
): void {
  const sum = ~fold(addWords(frame, checksumStart, frame.length)) & 0xffff;
  put16(frame, checksumStart + checksumOffset, sum === 0 ? 0xffff : sum);
}
