/**
 * What a BIOS leaves in low memory: interrupt vectors, the BIOS data area and the extended one (Phoenix "System BIOS for
 * IBM PCs, Compatibles, and EISA Computers", 2nd edition; Ralf Brown's Interrupt List, "MEMORY.LST"). The offsets in the
 * extended area beyond its first byte are our firmware's own (roms/firmware/firmware.h).
 */
import { CONVENTIONAL_END } from './memory-layout.ts';
import { FIRMWARE_SEGMENT, type FirmwareEntries } from './rom.ts';

export const VECTOR_BYTES = 0x400;
export const BDA = { BASE: 0x400, BYTES: 0x100 } as const;
export const EBDA = { BASE: CONVENTIONAL_END, BYTES: 0x400 } as const;

const KIB = 1024;
const SERIAL_BASES = [0x3f8, 0x2f8, 0x3e8, 0x2e8];
/** Vectors that are data: the tables of the first two hard disks. */
const DISK_TABLES = [0x41, 0x46];
/** Programs take these for their own if they are zero. */
const USER_VECTORS = { FIRST: 0x60, LAST: 0x67 } as const;
const PIT_HZ = 1_193_182;
const MS_PER_DAY = 86_400_000;

/** "Equipment list": x87, PS/2 mouse, text of 80 columns, serial ports from bit 9 on. */
const Equipment = { FPU: 2, MOUSE: 4, COLOR_80: 0x20 } as const;
const Own = { HAS_VGA: 0x20, DISKS: 0x21, GEOMETRY: 0x40, GEOMETRY_BYTES: 16, TABLES: 0xc0 } as const;
const DISK_TABLE_BYTES = 16;
const SECTOR = 512;
const SECTORS_OF_A_TRACK = 63;
const MOST_CYLINDERS = 1024;
/** Heads that a BIOS makes up for ever larger disks. */
const HEADS = [16, 32, 64, 128, 255];

/** What the data areas say about a board. */
export interface FirmwareBoard {
  serialPorts: number;
  hasVga: boolean;
  hasMouse: boolean;
  /** Bytes of each disk. */
  disks: readonly number[];
  /** Milliseconds since 1970. */
  date: number;
}

/** Cylinders, heads and sectors of a track by which INT 13h addresses a disk of so many bytes. */
export function geometryOf(bytes: number): { cylinders: number; heads: number; sectors: number } {
  const tracks = Math.floor(bytes / SECTOR / SECTORS_OF_A_TRACK);
  const heads = HEADS.find((count) => tracks <= count * MOST_CYLINDERS) ?? 255;
  const cylinders = Math.max(1, Math.min(MOST_CYLINDERS, Math.floor(tracks / heads)));
  return { cylinders, heads, sectors: SECTORS_OF_A_TRACK };
}

/** The 256 vectors. */
export function vectorTable({ ignored, vectors }: FirmwareEntries): Uint8Array {
  const out = new DataView(new ArrayBuffer(VECTOR_BYTES));
  for (let vector = 0; vector < 256; vector++) {
    const isFree = vector >= USER_VECTORS.FIRST && vector <= USER_VECTORS.LAST;
    const offset = isFree ? 0 : (vectors.get(vector) ?? ignored);
    if (offset === 0) continue;
    out.setUint16(4 * vector, offset, true);
    out.setUint16(4 * vector + 2, FIRMWARE_SEGMENT, true);
  }
  for (const [index, vector] of DISK_TABLES.entries()) {
    out.setUint16(4 * vector, Own.TABLES + index * DISK_TABLE_BYTES, true);
    out.setUint16(4 * vector + 2, EBDA.BASE >> 4, true);
  }
  out.setUint32(4 * 0x43, 0, true);
  return new Uint8Array(out.buffer);
}

/** The BIOS data area. */
export function biosData({ serialPorts, hasVga, hasMouse, disks, date }: FirmwareBoard): Uint8Array {
  const out = new DataView(new ArrayBuffer(BDA.BYTES));
  const byte = (at: number, ...values: number[]): void => {
    for (const [index, value] of values.entries()) out.setUint8(at + index, value);
  };
  const word = (at: number, ...values: number[]): void => {
    for (const [index, value] of values.entries()) out.setUint16(at + 2 * index, value, true);
  };
  word(0x00, ...SERIAL_BASES.slice(0, serialPorts));
  word(0x0e, EBDA.BASE >> 4);
  word(0x10, Equipment.FPU | (hasMouse ? Equipment.MOUSE : 0) | Equipment.COLOR_80 | (serialPorts << 9));
  word(0x13, EBDA.BASE / KIB);
  // An empty buffer of keys.
  word(0x1a, 0x1e, 0x1e);
  word(0x80, 0x1e, 0x3e);
  // Mode 3: columns, bytes of a page; the cursor's lines; the CRTC's port and the modes that go with it.
  byte(0x49, 3);
  word(0x4a, 80, 0x1000);
  word(0x60, 0x0d0e);
  word(0x63, 0x3d4);
  byte(0x65, 0x29, 0x30);
  out.setUint32(0x6c, Math.floor(((date % MS_PER_DAY) / 1000) * (PIT_HZ / 0x1_0000)), true);
  byte(0x75, disks.length);
  // Time-outs of printers and serial ports.
  byte(0x78, 0x14, 0x14, 0x14, 0, 1, 1, 1, 1);
  // Lines of the screen less one, lines of a character, and that a VGA with 256 KiB shows them in colour.
  byte(0x84, 24);
  word(0x85, 16);
  if (hasVga) byte(0x87, 0x60, 0xf9, 0x51, 8);
  // A keyboard of 101 keys.
  byte(0x96, 0x10);
  return new Uint8Array(out.buffer);
}

/** The extended BIOS data area. */
export function extendedData({ hasVga, disks }: FirmwareBoard): Uint8Array {
  const out = new DataView(new ArrayBuffer(EBDA.BYTES));
  out.setUint8(0, EBDA.BYTES / KIB);
  out.setUint8(Own.HAS_VGA, hasVga ? 1 : 0);
  out.setUint8(Own.DISKS, disks.length);
  for (const [index, bytes] of disks.entries()) {
    const { cylinders, heads, sectors } = geometryOf(bytes);
    const at = Own.GEOMETRY + index * Own.GEOMETRY_BYTES;
    out.setBigUint64(at, BigInt(Math.floor(bytes / SECTOR)), true);
    out.setUint16(at + 8, cylinders, true);
    out.setUint16(at + 10, heads, true);
    out.setUint16(at + 12, sectors, true);
    if (index >= DISK_TABLES.length) continue;
    const table = Own.TABLES + index * DISK_TABLE_BYTES;
    out.setUint16(table, cylinders, true);
    out.setUint8(table + 2, heads);
    out.setUint16(table + 5, 0xffff, true);
    out.setUint8(table + 8, heads > 8 ? 8 : 0);
    out.setUint16(table + 12, cylinders, true);
    out.setUint8(table + 14, sectors);
  }
  return new Uint8Array(out.buffer);
}
