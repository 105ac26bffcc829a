/**
 * Moves a built core to another window. Every address of processor state in the module is a constant, "window base
 * plus something"; the build records where these constants are, in a custom section of the module itself, so that one
 * module serves every virtual processor: each gets its own copy, with the constants of its own window.
 */

/** The custom section with the list: base (u32 LEB128), count, then per site the distance from the last site * 2 + kind. */
export const RELOCATION_SECTION = 'vmlaunch.reloc';

/** How a site holds its address: a LEB128 of exactly four bytes (instructions), or four little-endian bytes (data). */
export const SiteKind = { LEB: 0, RAW: 1 } as const;

export interface Site {
  /** Byte offset in the module. */
  offset: number;
  kind: (typeof SiteKind)[keyof typeof SiteKind];
}

export interface Relocations {
  /** The window base that the module was built for. */
  window: number;
  sites: Site[];
}

export interface Section {
  id: number;
  /** Name of a custom section, otherwise empty. */
  name: string;
  /** First byte of the content (after the name of a custom section), and the first byte after it. */
  start: number;
  end: number;
}

/** A LEB128 of four bytes is canonical, signed and unsigned, for addresses from 2 MiB up to 128 MiB. */
const LOWEST = 0x200000;
const HIGHEST = 0x8000000;

const HEADER = 8;
const CUSTOM = 0;

/** The largest unsigned LEB128 of 32 bits has five bytes. Returns the value and the offset after it. */
export function readLeb(bytes: Uint8Array, offset: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[offset++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, offset];
  }
  throw new RangeError(`LEB128 before offset ${offset} is longer than 5 bytes`);
}

/** Appends `value` (unsigned, below 2^32) to `out` as LEB128. */
export function pushLeb(out: number[], value: number): void {
  for (; value >= 0x80; value = Math.floor(value / 128)) out.push((value % 128) | 0x80);
  out.push(value);
}

/** The sections of a WebAssembly binary, in file order. Throws TypeError where `bytes` is not one. */
export function sections(bytes: Uint8Array): Section[] {
  if (bytes.length < HEADER || new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) !== 0x0061736d) {
    throw new TypeError('not a WebAssembly binary: it does not begin with 00 61 73 6d');
  }
  const found: Section[] = [];
  for (let at = HEADER; at < bytes.length; ) {
    const id = bytes[at];
    let [size, start] = readLeb(bytes, at + 1);
    const end = start + size;
    if (end > bytes.length)
      throw new TypeError(`WebAssembly section ${id} ends at ${end}, the file at ${bytes.length}`);
    let name = '';
    if (id === CUSTOM) {
      [size, start] = readLeb(bytes, start);
      name = new TextDecoder().decode(bytes.subarray(start, start + size));
      start += size;
    }
    found.push({ id, name, start, end });
    at = end;
  }
  return found;
}

/** The relocation list of a built core, or undefined where it has none (test builds). */
export function readRelocations(bytes: Uint8Array): Relocations | undefined {
  const section = sections(bytes).find(({ name }) => name === RELOCATION_SECTION);
  if (!section) return undefined;
  let [window, at] = readLeb(bytes, section.start);
  let count: number;
  [count, at] = readLeb(bytes, at);
  const sites: Site[] = [];
  for (let offset = 0; count > 0; count--) {
    let step: number;
    [step, at] = readLeb(bytes, at);
    offset += step >>> 1;
    sites.push({ offset, kind: step & 1 ? SiteKind.RAW : SiteKind.LEB });
  }
  return { window, sites };
}

/** Copies `bytes` with every site moved from `list.window` to `window`. */
export function applyRelocations(bytes: Uint8Array, list: Relocations, window: number): Uint8Array {
  const moved = bytes.slice();
  const view = new DataView(moved.buffer);
  for (const { offset, kind } of list.sites) {
    if (kind === SiteKind.RAW) {
      view.setUint32(offset, view.getUint32(offset, true) - list.window + window, true);
      continue;
    }
    const value = readLeb(moved, offset)[0] - list.window + window;
    if (value < LOWEST || value >= HIGHEST) {
      throw new RangeError(
        `address 0x${value.toString(16)} is outside 0x200000..0x7ffffff, the range of a 4-byte LEB128`,
      );
    }
    for (let i = 0; i < 4; i++) moved[offset + i] = ((value >>> (7 * i)) & 0x7f) | (i < 3 ? 0x80 : 0);
  }
  return moved;
}

/**
 * The core for the window at `window` (bytes, a multiple of 64 KiB). Throws RangeError where the window does not lie in
 * 2..128 MiB, TypeError where the module was built without a relocation list.
 */
export function relocate(bytes: Uint8Array, window: number): Uint8Array {
  const list = readRelocations(bytes);
  if (!list) throw new TypeError(`the module has no '${RELOCATION_SECTION}' section: test builds cannot be relocated`);
  if (window % 0x10000 !== 0) throw new RangeError(`window 0x${window.toString(16)} is not a multiple of 0x10000`);
  return applyRelocations(bytes, list, window);
}
