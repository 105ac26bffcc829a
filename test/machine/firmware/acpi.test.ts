// The ACPI tables: found from the root pointer, each with a good checksum and the numbers of the board.
import { expect, it } from 'vitest';
import { writeAcpi } from '../../../src/machine/firmware/acpi.ts';
import type { AcpiBoard } from '../../../src/machine/firmware/acpi-board.ts';
import { ACPI_PM_BASE } from '../../../src/machine/firmware/addresses.ts';
import { MemoryLayout } from '../../../src/machine/firmware/memory-layout.ts';
import { PlainMemory } from '../plain-memory.ts';

const MIB = 0x10_0000;

function build(vcpus: number, more: Partial<AcpiBoard> = {}) {
  const memory = new PlainMemory(2 * MIB);
  const rsdp = writeAcpi(memory, new MemoryLayout(2 * MIB), {
    vcpus,
    machine: 'pc',
    virtioMmio: [],
    devices: [],
    ...more,
  });
  const view = (at: number, length: number) => {
    const bytes = memory.bytes(at, length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  };
  const text = (at: number, length: number) => new TextDecoder().decode(memory.bytes(at, length));
  const sum = (at: number, length: number) => memory.bytes(at, length).reduce((total, byte) => total + byte, 0) & 0xff;
  const xsdt = Number(view(rsdp, 36).getBigUint64(24, true));
  const tables = new Map<string, number>();
  for (let n = 36; n < view(xsdt, 8).getUint32(4, true); n += 8) {
    const at = Number(view(xsdt, n + 8).getBigUint64(n, true));
    tables.set(text(at, 4), at);
  }
  return { rsdp, xsdt, tables, view, text, sum };
}

it('the root pointer has both checksums and leads to the XSDT', () => {
  const { rsdp, xsdt, text, sum } = build(1);
  expect(rsdp % 16).toBe(0);
  expect(text(rsdp, 8)).toBe('RSD PTR ');
  expect([sum(rsdp, 20), sum(rsdp, 36)]).toEqual([0, 0]);
  expect(text(xsdt, 4)).toBe('XSDT');
});

it('every table has its length and checksum', () => {
  const { tables, view, text, sum, xsdt } = build(2);
  const fadt = tables.get('FACP') ?? 0;
  const dsdt = view(fadt, 276).getUint32(40, true);
  expect(text(dsdt, 4)).toBe('DSDT');
  for (const at of [xsdt, dsdt, ...tables.values()]) expect(sum(at, view(at, 8).getUint32(4, true))).toBe(0);
});

it('the FADT gives ports and lengths of the fixed hardware', () => {
  const { tables, view } = build(1);
  const fadt = view(tables.get('FACP') ?? 0, 276);
  expect([56, 64, 76].map((at) => fadt.getUint32(at, true))).toEqual([
    ACPI_PM_BASE,
    ACPI_PM_BASE + 4,
    ACPI_PM_BASE + 8,
  ]);
  expect([88, 89, 91].map((at) => fadt.getUint8(at))).toEqual([4, 2, 4]);
  expect(fadt.getUint16(46, true)).toBe(9);
});

it('the MADT lists each processor, the I/O APIC and the timer at pin 2', () => {
  const { tables, view } = build(3);
  const at = tables.get('APIC') ?? 0;
  const madt = view(at, view(at, 8).getUint32(4, true));
  const entries: number[][] = [];
  for (let n = 44; n < madt.byteLength; n += madt.getUint8(n + 1)) {
    entries.push(Array.from({ length: madt.getUint8(n + 1) }, (_, k) => madt.getUint8(n + k)));
  }
  expect(entries.filter(([type]) => type === 0).map((entry) => entry[3])).toEqual([0, 1, 2]);
  expect(entries.filter(([type]) => type === 1)).toEqual([[1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]]);
  expect(entries).toContainEqual([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
});

it('the DSDT names each memory-mapped virtio device with its registers and interrupt', () => {
  const { tables, view } = build(1, { virtioMmio: [{ base: 0xfeb0_0200, length: 0x200, gsi: 17 }] });
  const dsdt = view(view(tables.get('FACP') ?? 0, 276).getUint32(40, true), 8);
  const bytes = [...new Uint8Array(dsdt.buffer, dsdt.byteOffset, dsdt.getUint32(4, true))];
  const text = String.fromCharCode(...bytes);
  expect(text).toContain('VR00');
  expect(text).toContain('_HID\rLNRO0005\0');
  const memory32 = [0x86, 9, 0, 1, 0x00, 0x02, 0xb0, 0xfe, 0x00, 0x02, 0, 0];
  const interrupt = [0x89, 6, 0, 0xd, 1, 17, 0, 0, 0];
  expect(text).toContain(String.fromCharCode(...memory32, ...interrupt, 0x79, 0));
});

it('SPCR and DBG2 name the first serial port where there is one, and nobody else does', () => {
  expect([...build(1).tables.keys()].filter((name) => /SPCR|DBG2/.test(name))).toEqual([]);
  const { tables, view } = build(1, { machine: 'q35', hasSerialConsole: true });
  // "Serial Port Console Redirection Table": interface, address, interrupt kinds, line, its number, 115200 baud, ANSI.
  const spcr = view(tables.get('SPCR') ?? 0, 80);
  expect([spcr.getUint32(4, true), spcr.getUint8(8), spcr.getUint8(36)]).toEqual([80, 2, 0]);
  expect([spcr.getUint32(40, true), spcr.getBigUint64(44, true)]).toEqual([0x0100_0801, 0x3f8n]);
  expect([52, 53, 58, 62].map((at) => spcr.getUint8(at))).toEqual([3, 4, 7, 3]);
  expect([spcr.getUint32(54, true), spcr.getUint32(64, true)]).toEqual([4, 0xffff_ffff]);
  // "Debug Port Table 2": one device, a serial port of type 16550 with its registers and their number.
  const at = tables.get('DBG2') ?? 0;
  const dbg2 = view(at, view(at, 8).getUint32(4, true));
  const device = dbg2.getUint32(36, true);
  const word = (offset: number): number => dbg2.getUint16(device + offset, true);
  expect([dbg2.getUint32(40, true), word(1), word(12), word(14)]).toEqual([1, dbg2.byteLength - device, 0x8000, 0]);
  expect(dbg2.getBigUint64(device + word(18) + 4, true)).toBe(0x3f8n);
  expect(dbg2.getUint32(device + word(20), true)).toBe(8);
});

it('the FADT of a q35 says where the ports of power management were put', () => {
  const { tables, view } = build(1, { machine: 'q35', pmBase: 0x400 });
  const fadt = view(tables.get('FACP') ?? 0, 276);
  expect([56, 64, 76].map((at) => fadt.getUint32(at, true))).toEqual([0x400, 0x404, 0x408]);
  expect([152, 176, 212].map((at) => fadt.getBigUint64(at, true))).toEqual([0x400n, 0x404n, 0x408n]);
});

it('the FADT denies a keyboard controller where there is none', () => {
  const flags = (['pc', 'microvm'] as const).map((machine) => {
    const { tables, view } = build(1, { machine });
    return view(tables.get('FACP') ?? 0, 276).getUint16(109, true) & 2;
  });
  expect(flags).toEqual([2, 0]);
});
