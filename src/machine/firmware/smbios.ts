/**
 * The SMBIOS tables: what the machine says it is (DMTF DSP0134, System Management BIOS Reference Specification, version
 * 2.8). Types 0, 1, 3, 4, 16, 17, 19, 32 and 127.
 */

import { lowRam } from '../../core/memory.ts';
import type { GuestMemory } from '../../core/types.ts';
import { ImageError } from './loaders/image-error.ts';
import type { MemoryLayout } from './memory-layout.ts';

/** What may be told otherwise, by type and QEMU's property names. */
export const SMBIOS_FIELDS = {
  0: ['vendor', 'version', 'date'],
  1: ['manufacturer', 'product', 'version', 'serial', 'uuid', 'sku', 'family'],
  3: ['manufacturer', 'version', 'serial', 'asset', 'sku'],
  4: ['sock_pfx', 'manufacturer', 'version', 'serial', 'asset', 'part'],
  17: ['loc_pfx', 'manufacturer', 'serial', 'asset', 'part'],
} as const satisfies Record<number, readonly string[]>;
export type SmbiosType = keyof typeof SMBIOS_FIELDS;

/** Texts by type and field. */
export type SmbiosTexts = Partial<Record<SmbiosType, Readonly<Record<string, string>>>>;

export interface SmbiosBoard {
  ramBytes: number;
  vcpus: number;
  texts?: SmbiosTexts;
}

export interface Smbios {
  /** The entry point, whose table address is to be put in and whose checksums are to be made. */
  anchor: Uint8Array;
  tables: Uint8Array;
}

const NAME = 'vmlaunch';
const VERSION = [2, 8] as const;
const ANCHOR_BYTES = 31;
const TABLE_ADDRESS = 24;
const NO_HANDLE = 0xfffe;
const UNKNOWN = 0xffff;
const KIB = 1024;
const MIB = 0x10_0000;
const FOUR_GIB = 0x1_0000_0000;
/** Where direct boots put the tables: after those of ACPI. */
const SMBIOS_BASE = 0xf_4000;
const SMBIOS_BYTES = 0x1000;
const Handle = { CHASSIS: 0x300, ARRAY: 0x1000 } as const;
const DATE = '01/01/2026';

/** A formatted structure with its strings: little-endian fields, texts by number. */
class Structure {
  readonly #bytes: number[];
  readonly #texts: string[] = [];

  constructor(type: number, handle: number) {
    this.#bytes = [type, 0, handle & 0xff, handle >> 8];
  }
  u8(...values: number[]): this {
    this.#bytes.push(...values);
    return this;
  }
  u16(...values: number[]): this {
    for (const value of values) this.u8(value & 0xff, value >> 8);
    return this;
  }
  u32(value: number): this {
    return this.u16(value & 0xffff, value >>> 16);
  }
  u64(value: number): this {
    return this.u32(value >>> 0).u32(Math.floor(value / 2 ** 32));
  }
  /** The number of a string; 0 for none. */
  text(text = ''): this {
    if (text === '') return this.u8(0);
    this.#texts.push(text);
    return this.u8(this.#texts.length);
  }
  get bytes(): number[] {
    const strings = this.#texts.flatMap((text) => [...new TextEncoder().encode(text), 0]);
    const formatted = [...this.#bytes];
    formatted[1] = formatted.length;
    return [...formatted, ...(strings.length > 0 ? strings : [0]), 0];
  }
}

/** The tables of a machine. Throws RangeError for a UUID that is none. */
export function buildSmbios({ ramBytes, vcpus, texts = {} }: SmbiosBoard): Smbios {
  const of = (type: SmbiosType): Readonly<Record<string, string | undefined>> => texts[type] ?? {};
  const structures = [bios(of(0)), system(of(1)), chassis(of(3))];
  for (let id = 0; id < vcpus; id++) structures.push(processor(id, of(4)));
  structures.push(
    new Structure(16, Handle.ARRAY)
      .u8(1, 3, 3)
      .u32(ramBytes / KIB)
      .u16(NO_HANDLE, 1)
      .u64(0),
  );
  structures.push(memoryDevice(ramBytes, of(17)));
  const low = lowRam(ramBytes);
  structures.push(mapped(0, 0, low));
  if (ramBytes > low) structures.push(mapped(1, FOUR_GIB, ramBytes - low));
  structures.push(new Structure(32, 0x2000).u8(0, 0, 0, 0, 0, 0, 0), new Structure(127, 0x7f00));
  const all = structures.map(({ bytes }) => bytes);
  const tables = Uint8Array.from(all.flat());
  return { anchor: entryPoint(tables.length, Math.max(...all.map(({ length }) => length)), all.length), tables };
}

function bios({ vendor = NAME, version = NAME, date = DATE }: Readonly<Record<string, string | undefined>>): Structure {
  const [MAJOR, MINOR, NO_CONTROLLER] = [0, 0, 0xff];
  return new Structure(0, 0)
    .text(vendor)
    .text(version)
    .u16(0xe800)
    .text(date)
    .u8(0)
    .u64(8)
    .u8(0, 0x1c, MAJOR, MINOR, NO_CONTROLLER, NO_CONTROLLER);
}

function system(fields: Readonly<Record<string, string | undefined>>): Structure {
  const { manufacturer = NAME, product = 'PC', version = '1', serial, uuid, sku, family } = fields;
  const POWER_SWITCH = 6;
  return new Structure(1, 0x100)
    .text(manufacturer)
    .text(product)
    .text(version)
    .text(serial)
    .u8(...uuidBytes(uuid), POWER_SWITCH)
    .text(sku)
    .text(family);
}

/** The first three fields of a UUID are little-endian here. */
function uuidBytes(uuid: string | undefined): number[] {
  if (uuid === undefined) return new Array<number>(16).fill(0);
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) throw new RangeError(`'${uuid}' is no UUID`);
  const bytes = [...uuid.replaceAll('-', '').matchAll(/../g)].map(([byte]) => Number.parseInt(byte, 16));
  return [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((index) => bytes[index]);
}

function chassis(fields: Readonly<Record<string, string | undefined>>): Structure {
  const { manufacturer = NAME, version = '1', serial, asset, sku } = fields;
  const [OTHER, SAFE, UNKNOWN_SECURITY] = [1, 3, 2];
  return new Structure(3, Handle.CHASSIS)
    .text(manufacturer)
    .u8(OTHER)
    .text(version)
    .text(serial)
    .text(asset)
    .u8(SAFE, SAFE, SAFE, UNKNOWN_SECURITY)
    .u32(0)
    .u8(0, 0, 0, 0)
    .text(sku);
}

function processor(id: number, fields: Readonly<Record<string, string | undefined>>): Structure {
  const { sock_pfx = 'CPU', manufacturer = NAME, version = '1', serial, asset, part } = fields;
  const [CENTRAL, OTHER, POPULATED_ENABLED] = [3, 1, 0x41];
  return new Structure(4, 0x400 + id)
    .text(`${sock_pfx} ${id}`)
    .u8(CENTRAL, OTHER)
    .text(manufacturer)
    .u64(0)
    .text(version)
    .u8(0)
    .u16(0, 0, 0)
    .u8(POPULATED_ENABLED, OTHER)
    .u16(UNKNOWN, UNKNOWN, UNKNOWN)
    .text(serial)
    .text(asset)
    .text(part)
    .u8(1, 1, 1)
    .u16(2, OTHER);
}

function memoryDevice(ramBytes: number, fields: Readonly<Record<string, string | undefined>>): Structure {
  const { loc_pfx = 'DIMM', manufacturer = NAME, serial, asset, part } = fields;
  const [DIMM, RAM, OTHER] = [9, 7, 2];
  return new Structure(17, 0x1100)
    .u16(Handle.ARRAY, NO_HANDLE, UNKNOWN, UNKNOWN, Math.ceil(ramBytes / MIB))
    .u8(DIMM, 0)
    .text(`${loc_pfx} 0`)
    .text()
    .u8(RAM)
    .u16(OTHER, 0)
    .text(manufacturer)
    .text(serial)
    .text(asset)
    .text(part)
    .u8(0)
    .u32(0)
    .u16(0, 0, 0, 0);
}

const mapped = (index: number, start: number, length: number): Structure =>
  new Structure(19, 0x1300 + index)
    .u32(Math.min(start / KIB, 0xffff_ffff))
    .u32(Math.min((start + length) / KIB - 1, 0xffff_ffff))
    .u16(Handle.ARRAY)
    .u8(1)
    .u64(0)
    .u64(0);

function entryPoint(length: number, longest: number, count: number): Uint8Array {
  const bytes = new Uint8Array(ANCHOR_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('_SM_'));
  bytes.set([ANCHOR_BYTES, ...VERSION], 5);
  view.setUint16(8, longest, true);
  bytes.set(new TextEncoder().encode('_DMI_'), 16);
  view.setUint16(22, length, true);
  view.setUint16(28, count, true);
  bytes[30] = (VERSION[0] << 4) | VERSION[1];
  return bytes;
}

/** Writes the tables into the BIOS area. Throws ImageError if their texts are too long for it. */
export function writeSmbios(memory: GuestMemory, layout: MemoryLayout, board: SmbiosBoard): void {
  const { anchor, tables } = buildSmbios(board);
  const start = Math.ceil(ANCHOR_BYTES / 16) * 16;
  if (start + tables.length > SMBIOS_BYTES) {
    throw new ImageError(`the SMBIOS tables have ${tables.length} bytes; there is room for ${SMBIOS_BYTES - start}`);
  }
  layout.take('the SMBIOS tables', SMBIOS_BASE, SMBIOS_BYTES);
  new DataView(anchor.buffer).setUint32(TABLE_ADDRESS, SMBIOS_BASE + start, true);
  anchor[21] = negatedSum(anchor.subarray(16));
  anchor[4] = negatedSum(anchor);
  memory.bytes(SMBIOS_BASE, ANCHOR_BYTES).set(anchor);
  memory.bytes(SMBIOS_BASE + start, tables.length).set(tables);
}

const negatedSum = (bytes: Uint8Array): number => -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
