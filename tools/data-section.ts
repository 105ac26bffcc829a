/**
 * Makes the data section of a release smaller. The compiler keeps an object for each function whose address is taken, and
 * the array of handlers is a list of 1,400 such objects; but the interpreter only asks where in the module's table the
 * first is. And memory is zero where nothing is written to it.
 */
import { pushLeb, readLeb, sections } from '../src/core/relocate.ts';

interface Segment {
  address: number;
  content: Uint8Array;
}

const CUSTOM_SECTION = 0;
const DATA_SECTION = 11;
const DATA_COUNT_SECTION = 12;
const I32_CONST = 0x41;
const END = 0x0b;
/** Header of the compiler's objects: five words, the last of them the size of what follows. */
const HEADER = 20;
const FUNCTION_SIZE = 8;
/** An array of at least as many functions is the array of handlers. */
const LEAST_HANDLERS = 256;
/** Zeros between two segments that cost less than the head of another one. */
const SMALL_GAP = 8;

function readSegments(bytes: Uint8Array, start: number): Segment[] {
  const segments: Segment[] = [];
  let [count, at] = readLeb(bytes, start);
  for (; count > 0; count--) {
    if (bytes[at] !== 0 || bytes[at + 1] !== I32_CONST)
      throw new Error(`data segment at ${at} is not a plain active one`);
    const [address, afterAddress] = readLeb(bytes, at + 2);
    const [size, content] = readLeb(bytes, afterAddress + 1);
    segments.push({ address, content: bytes.subarray(content, content + size) });
    at = content + size;
  }
  return segments.sort((a, b) => a.address - b.address);
}

function words(content: Uint8Array): Uint32Array {
  return new Uint32Array(content.slice(HEADER, HEADER + 4 * ((content.length - HEADER) >> 2)).buffer);
}
function objectSize(content: Uint8Array): number {
  return content.length < HEADER ? 0 : new DataView(content.buffer, content.byteOffset).getUint32(HEADER - 4, true);
}

/** The segments with the array of handlers cut to its first entry. Throws where there are several such arrays. */
function withFirstHandler(segments: readonly Segment[]): Segment[] {
  const functions = new Map<number, Segment>();
  for (const segment of segments) {
    if (objectSize(segment.content) === FUNCTION_SIZE) functions.set(segment.address + HEADER, segment);
  }
  const arrays = segments.filter(({ content }) => {
    const count = objectSize(content) >> 2;
    return (
      count >= LEAST_HANDLERS &&
      words(content)
        .subarray(0, count)
        .every((word) => functions.has(word))
    );
  });
  if (arrays.length === 0) return [...segments];
  if (arrays.length > 1) throw new Error(`${arrays.length} arrays of functions in the module: which has the handlers?`);
  const [array] = arrays;
  const others = words(array.content).subarray(1, objectSize(array.content) >> 2);
  const gone = new Set(Array.from(others, (word) => functions.get(word)));
  const kept = segments.filter((segment) => !gone.has(segment) && segment !== array);
  kept.push({ address: array.address, content: array.content.subarray(0, HEADER + 4) });
  return kept.sort((a, b) => a.address - b.address);
}

/** Bytes of the word at `at` that are not all zero, 0 where they are; words are aligned, so an address counts as a whole. */
function wordAt({ address, content }: Segment, at: number): number {
  const end = Math.min(content.length, at + 4 - ((address + at) % 4));
  return content.subarray(at, end).some((byte) => byte !== 0) ? end - at : 0;
}

/** The same memory without zeros at the ends of segments, in as few segments as make it small. */
function packed(segments: readonly Segment[]): Segment[] {
  const result: Segment[] = [];
  for (const segment of segments) {
    const { address, content } = segment;
    let first = -1;
    let end = 0;
    for (let at = 0; at < content.length; at += 4 - ((address + at) % 4)) {
      const used = wordAt(segment, at);
      if (used === 0) continue;
      if (first < 0) first = at;
      end = at + used;
    }
    if (first < 0) continue;
    const part = { address: address + first, content: content.subarray(first, end) };
    const last = result.at(-1);
    const gap = last ? part.address - last.address - last.content.length : -1;
    if (last && gap >= 0 && gap <= SMALL_GAP) {
      last.content = Uint8Array.from([...last.content, ...new Array(gap).fill(0), ...part.content]);
    } else result.push(part);
  }
  return result;
}

/** `bytes` with the smallest data section that gives the same memory, but for the handlers behind the first. */
export function shrinkData(bytes: Uint8Array): Uint8Array {
  const all = sections(bytes);
  const data = all.find(({ id }) => id === DATA_SECTION);
  if (!data) return bytes;
  const segments = packed(withFirstHandler(readSegments(bytes, data.start)));
  const content: number[] = [];
  pushLeb(content, segments.length);
  for (const segment of segments) {
    content.push(0, I32_CONST);
    pushLeb(content, segment.address);
    content.push(END);
    pushLeb(content, segment.content.length);
    for (const byte of segment.content) content.push(byte);
  }
  const out: number[] = [...bytes.subarray(0, 8)];
  for (const { id, start, end } of all) {
    if (id === CUSTOM_SECTION) throw new Error('shrinkData is for modules without custom sections');
    const body =
      id === DATA_SECTION ? content : id === DATA_COUNT_SECTION ? leb(segments.length) : bytes.subarray(start, end);
    out.push(id);
    pushLeb(out, body.length);
    for (const byte of body) out.push(byte);
  }
  return Uint8Array.from(out);
}
function leb(value: number): number[] {
  const out: number[] = [];
  pushLeb(out, value);
  return out;
}
