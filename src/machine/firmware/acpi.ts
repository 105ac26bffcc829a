/**
 * The ACPI tables of the board (ACPI 6.5, chapter 5 "ACPI Software Programming Model"): RSDP, XSDT, FADT, MADT, HPET,
 * MCFG, SPCR, DBG2 and the DSDT.
 */
import type { GuestMemory } from '../../core/types.ts';
import { HPET_ID } from '../../devices/hpet.ts';
import { isPc } from '../board/machine-type.ts';
import type { AcpiBoard } from './acpi-board.ts';
import { dbg2, spcr } from './acpi-serial.ts';
import { buildRsdp, checksum, Table, table } from './acpi-table.ts';
import { ACPI_PM_BASE, HPET_BASE, SCI_IRQ } from './addresses.ts';
import { dsdtCode } from './dsdt.ts';
import type { MemoryLayout } from './memory-layout.ts';
import { ECAM_BASE, ECAM_BYTES } from './pci-setup.ts';

/** Where guests search for the RSDP: the BIOS area, on a 16-byte boundary. */
export const ACPI_BASE = 0xf_0000;
const ACPI_BYTES = 0x4000;
/** The tables to which the root pointer leads. */
const TABLES = 64;
const RESET_PORT = 0xcf9;
const RESET_VALUE = 6;
const LOCAL_APIC = 0xfee0_0000;
const IO_APIC = 0xfec0_0000;
/** Configuration space of a bus. */
const BUS_BYTES = 0x10_0000;

const FADT_BYTES = 276;
const FADT_REVISION = 6;
/** "Fixed ACPI Description Table Fixed Feature Flags": WBINVD, PROC_C1, SLP_BUTTON absent, RTC fixed absent, TMR_VAL_EXT, RESET_REG_SUP. */
const FADT_FLAGS = 1 | (1 << 2) | (1 << 5) | (1 << 6) | (1 << 8) | (1 << 10);
/** "IA-PC Boot Architecture Flags". */
const BootArch = { LEGACY_DEVICES: 1, I8042: 2, NO_VGA: 4 } as const;
const MadtType = { LOCAL_APIC: 0, IO_APIC: 1, OVERRIDE: 2, LOCAL_NMI: 4 } as const;
const ACTIVE_HIGH_LEVEL = 0xd;

function madt(vcpus: number): number[] {
  const body = new Table().u32(LOCAL_APIC).u32(1);
  for (let id = 0; id < vcpus; id++) body.u8(MadtType.LOCAL_APIC, 8, id, id).u32(1);
  body.u8(MadtType.IO_APIC, 12, 0, 0).u32(IO_APIC).u32(0);
  body.u8(MadtType.OVERRIDE, 10, 0, 0).u32(2).u16(0);
  body.u8(MadtType.OVERRIDE, 10, 0, SCI_IRQ).u32(SCI_IRQ).u16(ACTIVE_HIGH_LEVEL);
  body.u8(MadtType.LOCAL_NMI, 6, 0xff).u16(0).u8(1);
  return table('APIC', 4, body.bytes);
}

/** "IA-PC High Precision Event Timer Table": block id, address, number, least ticks of a period, page protection. */
function hpet(): number[] {
  return table('HPET', 1, new Table().u32(HPET_ID).u8(0, 64, 0, 0).u64(HPET_BASE).u8(0).u16(128).u8(0).bytes);
}

/** "PCI Express Memory-mapped Configuration Space base address description table" (PCI Firmware Specification 3.2). */
function mcfg(ecam = ECAM_BASE): number[] {
  const lastBus = ECAM_BYTES / BUS_BYTES - 1;
  return table('MCFG', 1, new Table().u64(0).u64(ecam).u16(0).u8(0, lastBus).u32(0).bytes);
}

function fadt(dsdtAt: number, { machine, hasVga, pmBase = ACPI_PM_BASE }: AcpiBoard): number[] {
  const bootArch = BootArch.LEGACY_DEVICES | (hasVga ? 0 : BootArch.NO_VGA) | (isPc(machine) ? BootArch.I8042 : 0);
  const body = new Array<number>(FADT_BYTES - 36).fill(0);
  const put = (at: number, from: Table): void => {
    body.splice(at - 36, from.bytes.length, ...from.bytes);
  };
  put(40, new Table().u32(dsdtAt));
  put(46, new Table().u16(SCI_IRQ));
  put(56, new Table().u32(pmBase));
  put(64, new Table().u32(pmBase + 4));
  put(76, new Table().u32(pmBase + 8));
  put(88, new Table().u8(4, 2, 0, 4));
  put(96, new Table().u16(0xfff).u16(0xfff));
  put(108, new Table().u8(0x32).u16(bootArch));
  put(112, new Table().u32(FADT_FLAGS).port(RESET_PORT, 8).u8(RESET_VALUE));
  put(140, new Table().u64(dsdtAt).port(pmBase, 32));
  put(172, new Table().port(pmBase + 4, 16));
  put(208, new Table().port(pmBase + 8, 32));
  return table('FACP', FADT_REVISION, body);
}

/** The tables without a place yet. */
export interface AcpiTables {
  bytes: Uint8Array;
  /** Where addresses stand, and in how many bytes. They count from the start of `bytes`. */
  pointers: readonly { at: number; width: 4 | 8 }[];
  /** Each table; its checksum is its tenth byte. */
  extents: readonly { start: number; length: number }[];
  /** Where the XSDT is. */
  xsdt: number;
}

const CHECKSUM = 9;

/** All tables but the root pointer. */
export function buildAcpi(board: AcpiBoard): AcpiTables {
  const all: number[] = [];
  const extents: { start: number; length: number }[] = [];
  const pointers: { at: number; width: 4 | 8 }[] = [];
  const place = (bytes: readonly number[]): number => {
    while (all.length % 16 !== 0) all.push(0);
    const start = all.length;
    all.push(...bytes);
    extents.push({ start, length: bytes.length });
    return start;
  };
  const dsdtAt = place(table('DSDT', 2, dsdtCode(board)));
  const fadtAt = place(fadt(dsdtAt, board));
  pointers.push({ at: fadtAt + 40, width: 4 }, { at: fadtAt + 140, width: 8 });
  const others = [
    madt(board.vcpus),
    ...(isPc(board.machine) ? [hpet(), mcfg(board.ecam)] : []),
    ...(board.hasSerialConsole ? [spcr(), dbg2()] : []),
  ];
  const tables = [fadtAt, ...others.map(place)];
  const xsdt = new Table();
  for (const at of tables) xsdt.u64(at);
  const xsdtAt = place(table('XSDT', 1, xsdt.bytes));
  tables.forEach((_, index) => {
    pointers.push({ at: xsdtAt + 36 + 8 * index, width: 8 });
  });
  return { bytes: Uint8Array.from(all), pointers, extents, xsdt: xsdtAt };
}

/** Writes the tables into the BIOS area; returns the address of the RSDP. */
export function writeAcpi(memory: GuestMemory, layout: MemoryLayout, board: AcpiBoard): number {
  layout.take('the ACPI tables', ACPI_BASE, ACPI_BYTES);
  const out = memory.bytes(ACPI_BASE, ACPI_BYTES);
  out.fill(0);
  const { bytes, pointers, extents, xsdt } = buildAcpi(board);
  const base = ACPI_BASE + TABLES;
  const view = new DataView(bytes.buffer);
  for (const { at } of pointers) view.setUint32(at, view.getUint32(at, true) + base, true);
  for (const { start, length } of extents) {
    bytes[start + CHECKSUM] = 0;
    bytes[start + CHECKSUM] = checksum([...bytes.subarray(start, start + length)]);
  }
  out.set(bytes, TABLES);
  out.set(buildRsdp(base + xsdt), 0);
  return ACPI_BASE;
}
