/**
 * Finds the relocation list of a core by comparing three builds that differ in nothing but the window base, and proves
 * it: the first build moved to the third base must be the third build, byte for byte.
 */
import {
  applyRelocations,
  pushLeb,
  RELOCATION_SECTION,
  type Relocations,
  readLeb,
  type Site,
  SiteKind,
  sections,
} from '../src/core/relocate.ts';

export interface Build {
  window: number;
  bytes: Uint8Array;
}

const DATA_SECTION = 11;
const IMPORT_SECTION = 2;
const MEMORY_IMPORT = 2;

interface Range {
  start: number;
  end: number;
}

/** Where the data segments' contents lie: addresses in them are four plain bytes. */
function dataContents(bytes: Uint8Array): Range[] {
  const section = sections(bytes).find(({ id }) => id === DATA_SECTION);
  if (!section) return [];
  const ranges: Range[] = [];
  let [count, at] = readLeb(bytes, section.start);
  for (; count > 0; count--) {
    const passive = bytes[at++] === 1;
    if (!passive) at = readLeb(bytes, at + 1)[1] + 1;
    const [size, start] = readLeb(bytes, at);
    at = start + size;
    ranges.push({ start, end: at });
  }
  return ranges;
}

function rawAt(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
}

function isShortLeb(bytes: Uint8Array, offset: number): boolean {
  return bytes[offset] >= 0x80 && bytes[offset + 1] >= 0x80 && bytes[offset + 2] >= 0x80 && bytes[offset + 3] < 0x80;
}

function siteAround(builds: readonly Build[], at: number, inData: boolean): Site {
  const [first] = builds;
  const site: Site = inData ? { offset: at - 2, kind: SiteKind.RAW } : { offset: at - 3, kind: SiteKind.LEB };
  const values = builds.map(({ bytes }) => (inData ? rawAt(bytes, site.offset) : readLeb(bytes, site.offset)[0]));
  const moves = builds.every(({ window, bytes }, i) => {
    return (inData || isShortLeb(bytes, site.offset)) && values[i] - values[0] === window - first.window;
  });
  if (!moves) {
    const near = builds.map(({ bytes }) => Buffer.from(bytes.subarray(at - 4, at + 4)).toString('hex')).join(' / ');
    throw new Error(`bytes around 0x${at.toString(16)} change with the window, but not as window + constant: ${near}`);
  }
  return site;
}

/**
 * The list for the first of `builds`. The bases must be multiples of 2 MiB: then of a four-byte LEB128 only the last
 * byte differs, and of a plain address the third is the first that does. Throws where a difference is anything else.
 */
export function findRelocations(builds: readonly [Build, Build, Build]): Relocations {
  const [first, second, third] = builds;
  for (const { window, bytes } of builds) {
    if (window % 0x200000 !== 0) throw new Error(`window base 0x${window.toString(16)} is not a multiple of 2 MiB`);
    if (bytes.length !== first.bytes.length) {
      throw new Error(
        `the builds differ in size (${first.bytes.length} and ${bytes.length} bytes): some constant changed width`,
      );
    }
  }
  const contents = dataContents(first.bytes);
  const sites: Site[] = [];
  for (let at = 0; at < first.bytes.length; at++) {
    if (first.bytes[at] === second.bytes[at] && first.bytes[at] === third.bytes[at]) continue;
    const site = siteAround(
      builds,
      at,
      contents.some(({ start, end }) => at >= start && at < end),
    );
    sites.push(site);
    at = site.offset + 3;
  }
  const list = { window: first.window, sites };
  const moved = applyRelocations(first.bytes, list, third.window);
  const wrong = moved.findIndex((byte, at) => byte !== third.bytes[at]);
  if (wrong >= 0)
    throw new Error(`relocation is not proven: byte 0x${wrong.toString(16)} differs from the third build`);
  return list;
}

/** `bytes` with the list appended as a custom section. */
export function withRelocations(bytes: Uint8Array, { window, sites }: Relocations): Uint8Array {
  const name = new TextEncoder().encode(RELOCATION_SECTION);
  const content: number[] = [];
  pushLeb(content, name.length);
  content.push(...name);
  pushLeb(content, window);
  pushLeb(content, sites.length);
  let last = 0;
  for (const { offset, kind } of sites) {
    pushLeb(content, (offset - last) * 2 + kind);
    last = offset;
  }
  const head: number[] = [0];
  pushLeb(head, content.length);
  return Uint8Array.from([...bytes, ...head, ...content]);
}

/**
 * Sets the least size, in pages, of the memory that the module imports. The builds are compiled with room for the
 * highest window; the module itself needs no more than its own. The LEB128 keeps its width.
 */
export function setMemoryPages(bytes: Uint8Array, pages: number): Uint8Array {
  const section = sections(bytes).find(({ id }) => id === IMPORT_SECTION);
  if (!section) throw new Error('the module imports no memory');
  let [count, at] = readLeb(bytes, section.start);
  for (; count > 0; count--) {
    for (let names = 0; names < 2; names++) {
      const [size, start] = readLeb(bytes, at);
      at = start + size;
    }
    const kind = bytes[at++];
    if (kind === MEMORY_IMPORT) {
      const changed = bytes.slice();
      const next = readLeb(bytes, at + 1)[1];
      for (let i = at + 1, rest = pages; i < next; i++, rest >>>= 7) {
        changed[i] = (rest & 0x7f) | (i < next - 1 ? 0x80 : 0);
        if (i === next - 1 && rest > 0x7f) throw new RangeError(`${pages} pages do not fit the module's memory limit`);
      }
      return changed;
    }
    if (kind === 0) at = readLeb(bytes, at)[1];
    else if (kind === 3) at += 2;
    else throw new Error(`import kind ${kind} is not expected`);
  }
  throw new Error('the module imports no memory');
}
