/**
 * The .xz file format as kernels use it: one stream of blocks through LZMA2 and, before it, the filter for x86 code
 * (The .xz File Format, sections 2 to 5). CRC32 checks are verified, others skipped.
 */
import type { Rest } from '../../../run/yield.ts';
import { ImageError } from '../image-error.ts';
import { Lzma2Decoder } from './lzma2.ts';

const STREAM_HEADER_BYTES = 12;
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const CHECK_CRC32 = 1;
/** Bytes after which a pass over all of them rests. */
const PIECE = 1 << 20;
const Filter = { X86: 4, LZMA2: 0x21 } as const;
const HAS_PACKED_SIZE = 0x40;
const HAS_SIZE = 0x80;

/** Unpacks a stream whose output has `size` bytes. Throws ImageError if it is damaged or uses other filters. */
export async function unxz(input: Uint8Array, size: number, rest: Rest): Promise<Uint8Array> {
  if (input.length < STREAM_HEADER_BYTES) throw new ImageError('xz: the data are cut short');
  const check = input[7] & 15;
  const output = new Uint8Array(size);
  let at = STREAM_HEADER_BYTES;
  let to = 0;
  while (at < input.length && input[at] !== 0) {
    const { end, isX86 } = readBlockHeader(input, at);
    const decoder = new Lzma2Decoder(input, end, output, to);
    while (decoder.next()) await rest();
    const block = output.subarray(to, decoder.to);
    if (isX86) await unfilterX86(block, rest);
    at = end + Math.ceil((decoder.at - end) / 4) * 4;
    if (check === CHECK_CRC32 && (at + 4 > input.length || readU32(input, at) !== (await crc32(block, rest)))) {
      throw new ImageError('xz: the checksum of the data is wrong');
    }
    at += CHECK_BYTES[check];
    to = decoder.to;
  }
  if (to !== size) throw new ImageError(`xz: the data unpack to ${to} bytes and not to ${size} as they say`);
  return output;
}

/** Returns where the block's data begin, and whether the filter for x86 code was used. */
function readBlockHeader(input: Uint8Array, start: number): { end: number; isX86: boolean } {
  const end = start + (input[start] + 1) * 4;
  if (end > input.length) throw new ImageError('xz: a block header is cut short');
  if (crcOf(input.subarray(start, end - 4)) !== readU32(input, end - 4)) {
    throw new ImageError('xz: the checksum of a block header is wrong');
  }
  const flags = input[start + 1];
  let at = start + 2;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; at < end - 4; scale *= 128) {
      const byte = input[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new ImageError('xz: a number leaves its block header');
  };
  if (flags & HAS_PACKED_SIZE) number();
  if (flags & HAS_SIZE) number();
  const filters: number[] = [];
  for (let i = 0; i <= (flags & 3); i++) {
    filters.push(number());
    const propertyBytes = number();
    at += propertyBytes;
  }
  const isX86 = filters.length === 2 && filters[0] === Filter.X86;
  if (filters.at(-1) !== Filter.LZMA2 || filters.length > (isX86 ? 2 : 1)) {
    throw new ImageError(`xz: the filters ${filters.join(', ')} are not known; LZMA2 (33) and x86 (4) before it are`);
  }
  return { end, isX86 };
}

const isEnd = (byte: number): boolean => byte === 0 || byte === 0xff;
/** By the positions, of the last three bytes, at which an opcode was seen: whether code may follow, and how far back the last was. */
const MAY_FOLLOW = [true, true, true, false, true, false, false, false];
const DISTANCE = [0, 1, 2, 2, 3, 3, 3, 3];

/** Makes the targets of CALL and JMP relative again (section 5.3.2, "Branch/Call/Jump Filters for Executables"). */
async function unfilterX86(code: Uint8Array, rest: Rest): Promise<void> {
  let seen = 0;
  let last = -1;
  for (let i = 0, restAt = PIECE; i + 4 < code.length; i++) {
    if (i > restAt) {
      await rest();
      restAt += PIECE;
    }
    if ((code[i] & 0xfe) !== 0xe8) continue;
    const gap = i - last;
    last = i;
    seen = gap > 3 ? 0 : (seen << (gap - 1)) & 7;
    const isMisled = seen !== 0 && (!MAY_FOLLOW[seen] || isEnd(code[i + 4 - DISTANCE[seen]]));
    if (isMisled || !isEnd(code[i + 4])) {
      seen = (seen << 1) | 1;
      continue;
    }
    let source = readU32(code, i + 1) | 0;
    let target: number;
    for (;;) {
      target = (source - (i + 5)) | 0;
      if (seen === 0) break;
      const shift = DISTANCE[seen] * 8;
      if (!isEnd((target >>> (24 - shift)) & 0xff)) break;
      source = target ^ (2 ** (32 - shift) - 1);
    }
    target = (target << 7) >> 7;
    code[i + 1] = target;
    code[i + 2] = target >> 8;
    code[i + 3] = target >> 16;
    code[i + 4] = target >> 24;
    i += 4;
  }
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let i = 0; i < 8; i++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1;
  return value;
});

function crcOf(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]) & 0xff];
  return ~crc >>> 0;
}

async function crc32(bytes: Uint8Array, rest: Rest): Promise<number> {
  let crc = 0;
  for (let at = 0; at < bytes.length; at += PIECE, await rest()) crc = crcOf(bytes.subarray(at, at + PIECE), crc);
  return crc;
}
