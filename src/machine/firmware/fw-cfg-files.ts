/**
 * The fw_cfg files by which firmware learns of the machine: memory map, SMBIOS, and the ACPI tables with the orders of how to
 * place and link them (QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device"; SeaBIOS, "romfile_loader").
 */
import type { FwCfg } from '../../devices/fw-cfg.ts';
import { type AcpiTables, buildAcpi } from './acpi.ts';
import type { AcpiBoard } from './acpi-board.ts';
import { buildRsdp } from './acpi-table.ts';
import { MemoryType, memoryMap } from './memory-layout.ts';
import { buildSmbios, type SmbiosBoard, type SmbiosTexts } from './smbios.ts';

const RSDP_FILE = 'etc/acpi/rsdp';
const TABLES_FILE = 'etc/acpi/tables';
/** Files keep their lengths; the tables change theirs with what firmware did to the bus. */
const TABLES_BYTES = 0x4000;
const FILE_NAME_BYTES = 56;
const ORDER_BYTES = 128;
const Order = { ALLOCATE: 1, ADD_POINTER: 2, ADD_CHECKSUM: 3 } as const;
const Zone = { HIGH: 1, BIOS: 2 } as const;
const RSDP = { XSDT: 24, FIRST_BYTES: 20, BYTES: 36, CHECKSUM: 8, LONG_CHECKSUM: 32 } as const;
const TABLE_CHECKSUM = 9;
const E820_ENTRY = 20;
/** S3 and S4 are off, the others on. */
const SYSTEM_STATES = Uint8Array.of(0x80, 0, 0, 1, 2, 0x80);

/** What the machine's owner wants of its firmware. */
export interface FirmwareWishes {
  /** Files of fw_cfg; texts are stored without NUL. */
  fwCfg?: Readonly<Record<string, Uint8Array | string>>;
  /** Texts of the SMBIOS tables, by type and QEMU's property names. */
  smbios?: SmbiosTexts;
  /** A firmware image that the processor starts in, such as SeaBIOS, instead of a kernel. */
  bios?: Uint8Array;
}

/** Adds what any guest may read. Throws RangeError for a file name that is not possible. */
export function addBoardFiles(fwCfg: FwCfg, board: SmbiosBoard, files: FirmwareWishes['fwCfg'] = {}): void {
  for (const [name, content] of Object.entries(files)) {
    fwCfg.addFile(name, typeof content === 'string' ? new TextEncoder().encode(content) : content);
  }
  const { anchor, tables } = buildSmbios(board);
  fwCfg.addFile('etc/e820', e820(board.ramBytes));
  fwCfg.addFile('etc/system-states', SYSTEM_STATES);
  fwCfg.addFile('etc/smbios/smbios-anchor', anchor);
  fwCfg.addFile('etc/smbios/smbios-tables', tables);
}

/** Adds the ACPI tables for firmware that places them; `board` is asked when it reads them, as it moves things before. */
export function addAcpiFiles(fwCfg: FwCfg, board: () => AcpiBoard): void {
  fwCfg.addFile(RSDP_FILE, () => buildRsdp(buildAcpi(board()).xsdt));
  fwCfg.addFile(TABLES_FILE, () => {
    const file = new Uint8Array(TABLES_BYTES);
    file.set(buildAcpi(board()).bytes);
    return file;
  });
  fwCfg.addFile('etc/table-loader', () => loaderOrders(buildAcpi(board())));
}

function e820(ramBytes: number): Uint8Array {
  const ram = memoryMap(ramBytes).filter(({ type, base }) => type === MemoryType.AVAILABLE && base > 0);
  const ranges = ram.map(({ base, length }) =>
    base < 2 ** 32 ? { base: 0, length: base + length } : { base, length },
  );
  const view = new DataView(new ArrayBuffer(ranges.length * E820_ENTRY));
  for (const [index, { base, length }] of ranges.entries()) {
    view.setBigUint64(index * E820_ENTRY, BigInt(base), true);
    view.setBigUint64(index * E820_ENTRY + 8, BigInt(length), true);
    view.setUint32(index * E820_ENTRY + 16, MemoryType.AVAILABLE, true);
  }
  return new Uint8Array(view.buffer);
}

function loaderOrders({ pointers, extents }: AcpiTables): Uint8Array {
  const orders: Uint8Array[] = [];
  const order = (
    command: number,
    files: readonly string[],
    numbers: readonly [value: number, width: 1 | 4][],
  ): void => {
    const bytes = new Uint8Array(ORDER_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, command, true);
    let at = 4;
    for (const file of files) {
      bytes.set(new TextEncoder().encode(file), at);
      at += FILE_NAME_BYTES;
    }
    for (const [value, width] of numbers) {
      if (width === 4) view.setUint32(at, value, true);
      else view.setUint8(at, value);
      at += width;
    }
    orders.push(bytes);
  };
  const checksum = (file: string, at: number, start: number, length: number): void =>
    order(
      Order.ADD_CHECKSUM,
      [file],
      [at, start, length].map((value) => [value, 4]),
    );
  order(
    Order.ALLOCATE,
    [RSDP_FILE],
    [
      [16, 4],
      [Zone.BIOS, 1],
    ],
  );
  order(
    Order.ALLOCATE,
    [TABLES_FILE],
    [
      [64, 4],
      [Zone.HIGH, 1],
    ],
  );
  for (const { at, width } of pointers)
    order(
      Order.ADD_POINTER,
      [TABLES_FILE, TABLES_FILE],
      [
        [at, 4],
        [width, 1],
      ],
    );
  for (const { start, length } of extents) checksum(TABLES_FILE, start + TABLE_CHECKSUM, start, length);
  order(
    Order.ADD_POINTER,
    [RSDP_FILE, TABLES_FILE],
    [
      [RSDP.XSDT, 4],
      [8, 1],
    ],
  );
  checksum(RSDP_FILE, RSDP.CHECKSUM, 0, RSDP.FIRST_BYTES);
  checksum(RSDP_FILE, RSDP.LONG_CHECKSUM, 0, RSDP.BYTES);
  return new Uint8Array(orders.flatMap((bytes) => [...bytes]));
}
