/** Unpacks raw deflate data (RFC 1951) of known length, at once: what browsers offer for it answers later. */

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const MAX_BITS = 15;
const END = 256;

/** Codes by length, canonical: RFC 1951, "Use of Huffman coding in the deflate format". */
interface Code {
  counts: Uint16Array;
  symbols: Uint16Array;
}

function makeCode(lengths: ArrayLike<number>): Code {
  const counts = new Uint16Array(MAX_BITS + 1);
  for (let symbol = 0; symbol < lengths.length; symbol++) counts[lengths[symbol]]++;
  counts[0] = 0;
  const starts = new Uint16Array(MAX_BITS + 2);
  for (let bits = 1; bits <= MAX_BITS; bits++) starts[bits + 1] = starts[bits] + counts[bits];
  const symbols = new Uint16Array(lengths.length);
  for (let symbol = 0; symbol < lengths.length; symbol++)
    if (lengths[symbol]) symbols[starts[lengths[symbol]]++] = symbol;
  return { counts, symbols };
}

const FIXED_LENGTHS = Array.from({ length: 288 }, (_, symbol) =>
  symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8,
);

/** Exactly `length` bytes; what the data holds behind them is ignored. Throws where it holds fewer or makes no sense. */
export function inflate(packed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let size = 0;
  let at = 0;
  let held = 0;
  let heldBits = 0;

  const bits = (count: number): number => {
    while (heldBits < count) {
      if (at >= packed.length) throw new Error('deflate data ends too early');
      held |= packed[at++] << heldBits;
      heldBits += 8;
    }
    const value = held & ((1 << count) - 1);
    held >>>= count;
    heldBits -= count;
    return value;
  };
  const symbol = ({ counts, symbols }: Code): number => {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= MAX_BITS; length++) {
      code |= bits(1);
      const count = counts[length];
      if (code - count < first) return symbols[index + code - first];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new Error('deflate data has a code that does not exist');
  };
  const stored = (): void => {
    held = 0;
    heldBits = 0;
    if (at + 4 > packed.length) throw new Error('deflate data ends too early');
    const count = packed[at] | (packed[at + 1] << 8);
    if ((packed[at + 2] | (packed[at + 3] << 8)) !== (count ^ 0xffff)) throw new Error('deflate data is damaged');
    const part = packed.subarray(at + 4, at + 4 + Math.min(count, length - size));
    out.set(part, size);
    size += part.length;
    at += 4 + count;
  };
  const dynamic = (): [Code, Code] => {
    const [literals, distances, codes] = [bits(5) + 257, bits(5) + 1, bits(4) + 4];
    const lengths = new Uint8Array(literals + distances);
    const first = new Uint8Array(19);
    for (let index = 0; index < codes; index++) first[CODE_ORDER[index]] = bits(3);
    const code = makeCode(first);
    for (let index = 0; index < lengths.length; ) {
      const what = symbol(code);
      if (what < 16) lengths[index++] = what;
      else {
        const value = what === 16 ? lengths[index - 1] : 0;
        const times = what === 16 ? 3 + bits(2) : what === 17 ? 3 + bits(3) : 11 + bits(7);
        if ((what === 16 && index === 0) || index + times > lengths.length) throw new Error('deflate data is damaged');
        lengths.fill(value, index, index + times);
        index += times;
      }
    }
    return [makeCode(lengths.subarray(0, literals)), makeCode(lengths.subarray(literals))];
  };
  const block = ([literals, distances]: [Code, Code]): void => {
    while (size < length) {
      const what = symbol(literals);
      if (what === END) return;
      if (what < END) {
        out[size++] = what;
        continue;
      }
      if (what > 285) throw new Error('deflate data has a length that does not exist');
      const count = LENGTH_BASE[what - 257] + bits(LENGTH_EXTRA[what - 257]);
      const far = symbol(distances);
      if (far > 29) throw new Error('deflate data has a distance that does not exist');
      const extra = far < 4 ? 0 : (far >> 1) - 1;
      const distance = far < 4 ? far + 1 : ((2 + (far & 1)) << extra) + 1 + bits(extra);
      if (distance > size) throw new Error('deflate data refers to before its start');
      for (const end = Math.min(length, size + count); size < end; size++) out[size] = out[size - distance];
    }
  };

  for (let isLast = false; !isLast && size < length; ) {
    isLast = bits(1) === 1;
    const type = bits(2);
    if (type === 3) throw new Error('deflate data has a block of type 3');
    if (type === 0) stored();
    else block(type === 1 ? [makeCode(FIXED_LENGTHS), makeCode(new Uint8Array(30).fill(5))] : dynamic());
  }
  if (size < length) throw new Error(`deflate data holds ${size} bytes of ${length}`);
  return out;
}
