/** Reads a module's function bodies far enough to measure them: sizes, and the widest br_table of each. */
import { readLeb, sections } from '../src/core/relocate.ts';

export interface Body {
  /** Number of the body in the code section. */
  index: number;
  /** Bytes. */
  size: number;
  /** Most targets of a br_table in the body; 0 where it has none. */
  widestTable: number;
}

const CODE_SECTION = 10;
const BR_TABLE = 0x0e;

/**
 * The widest run that reads as a br_table: its opcode, a count, then `count` + 1 labels that are all below `count` + 64.
 * Found by pattern, without decoding every instruction; a false find of more than a few dozen entries cannot happen,
 * since ordinary code has no such run of small numbers.
 */
function widestTable(bytes: Uint8Array, start: number, end: number): number {
  let widest = 0;
  for (let at = start; at < end; at++) {
    if (bytes[at] !== BR_TABLE) continue;
    const [count, first] = peekLeb(bytes, at + 1, end);
    if (count <= widest || count > end - first) continue;
    let next = first;
    let valid = true;
    for (let entry = 0; entry <= count && valid; entry++) {
      const [label, after] = peekLeb(bytes, next, end);
      valid = label < count + 64 && after <= end;
      next = after;
    }
    if (valid) widest = count;
  }
  return widest;
}

function peekLeb(bytes: Uint8Array, at: number, end: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 0; at < end && shift < 28; shift += 7) {
    const byte = bytes[at++];
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return [value, at];
  }
  return [Number.POSITIVE_INFINITY, end + 1];
}

/** The bodies of the module's code section, in order. */
export function readBodies(bytes: Uint8Array): Body[] {
  const code = sections(bytes).find(({ id }) => id === CODE_SECTION);
  if (!code) return [];
  const bodies: Body[] = [];
  let [count, at] = readLeb(bytes, code.start);
  for (let index = 0; index < count; index++) {
    const [size, start] = readLeb(bytes, at);
    at = start + size;
    bodies.push({ index, size, widestTable: widestTable(bytes, start, at) });
  }
  return bodies;
}
