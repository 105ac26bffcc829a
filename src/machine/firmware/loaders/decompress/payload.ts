/**
 * Unpacks what a bzImage carries, told apart by magic numbers (Linux Documentation/arch/x86/boot.rst, "payload_offset").
 * Each decompressor is loaded when a kernel asks for it.
 */
import type { Rest } from '../../../run/yield.ts';
import { ImageError } from '../image-error.ts';

/** A kernel beyond this is none. */
const MOST_BYTES = 0x2000_0000;
/** All but gzip, which has one anyway, are followed by the size of what they unpack to. */
const SIZE_BYTES = 4;

type Unpack = (input: Uint8Array, size: number, rest: Rest) => Uint8Array | Promise<Uint8Array>;

export interface UnpackLimits {
  /** Bytes that the kernel may have: those of the guest's memory. */
  mostBytes?: number;
  rest?: Rest;
}

interface Format {
  name: string;
  magic: readonly number[];
  /** Absent if the format is known by name only. */
  load?: () => Promise<Unpack>;
}

const FORMATS: readonly Format[] = [
  { name: 'gzip', magic: [0x1f, 0x8b], load: async () => (await import('./gzip.ts')).gunzip },
  {
    name: 'xz',
    magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
    load: async () => withoutSize((await import('./xz.ts')).unxz),
  },
  { name: 'LZ4', magic: [0x02, 0x21, 0x4c, 0x18], load: async () => withoutSize((await import('./lz4.ts')).unlz4) },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], load: async () => withoutSize((await import('./zstd.ts')).unzstd) },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68] },
  { name: 'LZMA', magic: [0x5d, 0, 0] },
  { name: 'LZO', magic: [0x89, 0x4c, 0x5a, 0x4f] },
];

/** Unpacks `payload`; if its format is unknown, says which. Throws ImageError if it is damaged or too large. */
export async function unpackPayload(
  payload: Uint8Array,
  { mostBytes = MOST_BYTES, rest = async () => {} }: UnpackLimits = {},
): Promise<Uint8Array | { unknown: string }> {
  const format = FORMATS.find(({ magic }) => magic.every((byte, index) => payload[index] === byte));
  if (!format?.load) return { unknown: format?.name ?? 'an unknown format' };
  if (payload.length < 2 * SIZE_BYTES) throw new ImageError(`the kernel's ${format.name} data are cut short`);
  const size = new DataView(payload.buffer, payload.byteOffset + payload.length - SIZE_BYTES).getUint32(0, true);
  const most = Math.min(mostBytes, MOST_BYTES);
  if (size > most) {
    const limit = most < MOST_BYTES ? `the guest has ${most} bytes of memory` : `the limit is ${most}`;
    throw new ImageError(`the kernel's ${format.name} data say they unpack to ${size} bytes; ${limit}`);
  }
  const unpack = await format.load();
  try {
    return await unpack(payload, size, rest);
  } catch (error) {
    if (error instanceof ImageError) throw new ImageError(`the kernel's compressed data are damaged: ${error.message}`);
    throw error;
  }
}

const withoutSize =
  (unpack: Unpack): Unpack =>
  (input, size, rest) =>
    unpack(input.subarray(0, -SIZE_BYTES), size, rest);
