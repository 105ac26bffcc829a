/** Hand-made kernel images. */

export interface SegmentSpec {
  physical: number;
  virtual?: number;
  bytes: Uint8Array;
  memoryBytes?: number;
}

/** An ELF executable of the given class with one program header per segment, data in order behind the headers. */
export function elfImage(bits: 32 | 64, entry: number, segments: readonly SegmentSpec[]): Uint8Array {
  const is64 = bits === 64;
  const [headerBytes, entryBytes] = is64 ? [64, 56] : [52, 32];
  const dataAt = headerBytes + entryBytes * segments.length;
  const image = new Uint8Array(dataAt + segments.reduce((sum, segment) => sum + segment.bytes.length, 0));
  const view = new DataView(image.buffer);
  const word = (at: number, value: number): void => {
    if (is64) view.setBigUint64(at, BigInt(value), true);
    else view.setUint32(at, value, true);
  };
  const step = bits / 8;
  image.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, is64 ? 62 : 3, true);
  view.setUint32(20, 1, true);
  word(24, entry);
  word(24 + step, headerBytes);
  const sizesAt = 24 + 3 * step + 4;
  view.setUint16(sizesAt, headerBytes, true);
  view.setUint16(sizesAt + 2, entryBytes, true);
  view.setUint16(sizesAt + 4, segments.length, true);
  let offset = dataAt;
  segments.forEach(({ physical, virtual = physical, bytes, memoryBytes = bytes.length }, index) => {
    const at = headerBytes + index * entryBytes;
    view.setUint32(at, 1, true);
    const words = [offset, virtual, physical, bytes.length, memoryBytes];
    words.forEach((value, i) => {
      word(at + (is64 ? 8 : 4) + i * step, value);
    });
    image.set(bytes, offset);
    offset += bytes.length;
  });
  return image;
}

/** A Multiboot 1 header with its checksum; `addresses` are header, load, load end, bss end and entry. */
export function multiboot1Header(flags: number, addresses: readonly number[] = []): Uint8Array {
  const words = [0x1bad_b002, flags, -(0x1bad_b002 + flags), ...addresses];
  return littleEndianWords(words);
}

/** A Multiboot 2 header around the given tags, each padded to eight bytes; the end tag is added. */
export function multiboot2Header(tags: readonly Uint8Array[], architecture = 0): Uint8Array {
  const body = [...tags, multiboot2Tag(0, [])].flatMap((tag) => [...tag, ...new Uint8Array(-tag.length & 7)]);
  const length = 16 + body.length;
  const head = littleEndianWords([0xe852_50d6, architecture, length, -(0xe852_50d6 + architecture + length)]);
  return new Uint8Array([...head, ...body]);
}

export function multiboot2Tag(type: number, words: readonly number[], flags = 0): Uint8Array {
  return littleEndianWords([type | (flags << 16), 8 + 4 * words.length, ...words]);
}

export function littleEndianWords(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => {
    view.setUint32(4 * index, word >>> 0, true);
  });
  return bytes;
}
