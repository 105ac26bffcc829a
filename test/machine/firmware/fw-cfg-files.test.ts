// What firmware reads by fw_cfg: its orders, carried out as SeaBIOS does, leave ACPI tables that hold together.
import { expect, it } from 'vitest';
import { FwCfg, FwCfgKey } from '../../../src/devices/fw-cfg.ts';
import type { AcpiBoard } from '../../../src/machine/firmware/acpi-board.ts';
import { addAcpiFiles, addBoardFiles } from '../../../src/machine/firmware/fw-cfg-files.ts';

const MIB = 0x10_0000;
const GIB = 1024 * MIB;
const board: AcpiBoard = { vcpus: 2, machine: 'pc', virtioMmio: [], pciSlots: [1] };

function files(device: FwCfg): Map<string, DataView> {
  const read = (key: number, length: number): DataView => {
    device.write(0, 2, key);
    return new DataView(Uint8Array.from({ length }, () => device.read(1, 1)).buffer);
  };
  const count = read(FwCfgKey.FILE_DIR, 4).getUint32(0);
  const directory = read(FwCfgKey.FILE_DIR, 4 + 64 * count);
  return new Map(
    Array.from({ length: count }, (_, index) => {
      const at = 4 + 64 * index;
      return [text(directory, at + 8), read(directory.getUint16(at + 4), directory.getUint32(at))];
    }),
  );
}

function text(view: DataView, at: number): string {
  let end = at;
  while (view.getUint8(end) !== 0) end++;
  return new TextDecoder().decode(new Uint8Array(view.buffer, at, end - at));
}

const sum = (view: DataView, start: number, length: number): number =>
  new Uint8Array(view.buffer, start, length).reduce((total, byte) => total + byte, 0) & 0xff;

it('the orders place and link the ACPI tables', () => {
  const device = new FwCfg();
  addAcpiFiles(device, () => board);
  const all = files(device);
  const orders = all.get('etc/table-loader')!;
  const places = new Map<string, number>();
  for (let at = 0; at < orders.byteLength; at += 128) {
    const name = text(orders, at + 4);
    const file = all.get(name)!;
    const word = (offset: number): number => orders.getUint32(at + offset, true);
    switch (word(0)) {
      case 1:
        places.set(name, name === 'etc/acpi/rsdp' ? 0xf_1230 : 0x7ff_c000);
        expect([word(60), orders.getUint8(at + 64)]).toEqual(name === 'etc/acpi/rsdp' ? [16, 2] : [64, 1]);
        break;
      case 2:
        file.setUint32(word(116), file.getUint32(word(116), true) + places.get(text(orders, at + 60))!, true);
        break;
      case 3:
        file.setUint8(word(60), file.getUint8(word(60)) - sum(file, word(64), word(68)));
        break;
      default:
        expect.unreachable();
    }
  }
  const tables = all.get('etc/acpi/tables')!;
  const rsdp = all.get('etc/acpi/rsdp')!;
  expect([sum(rsdp, 0, 20), sum(rsdp, 0, 36)]).toEqual([0, 0]);
  const base = places.get('etc/acpi/tables')!;
  const table = (address: number): { name: string; at: number } => {
    const at = address - base;
    expect(sum(tables, at, tables.getUint32(at + 4, true))).toBe(0);
    return { name: new TextDecoder().decode(new Uint8Array(tables.buffer, at, 4)), at };
  };
  const xsdt = table(rsdp.getUint32(24, true));
  const names: string[] = [];
  for (let at = xsdt.at + 36; at < xsdt.at + tables.getUint32(xsdt.at + 4, true); at += 8) {
    const { name, at: start } = table(tables.getUint32(at, true));
    names.push(name);
    if (name === 'FACP') names.push(table(tables.getUint32(start + 40, true)).name);
  }
  expect([xsdt.name, ...names]).toEqual(['XSDT', 'FACP', 'DSDT', 'APIC', 'HPET', 'MCFG']);
});

it('the tables say where firmware put configuration space, in a file of the same length', () => {
  const device = new FwCfg();
  let ecam = 0xe000_0000;
  addAcpiFiles(device, () => ({ ...board, ecam }));
  const before = files(device).get('etc/acpi/tables')!;
  ecam = 0xb000_0000;
  const after = files(device).get('etc/acpi/tables')!;
  expect(after.byteLength).toBe(before.byteLength);
  const bytes = Buffer.from(after.buffer);
  expect(bytes.readUInt32LE(bytes.indexOf('MCFG') + 44)).toBe(0xb000_0000);
});

it('memory is told in e820 entries without the holes of a PC', () => {
  const device = new FwCfg();
  addBoardFiles(device, { ramBytes: 4 * GIB - 16 * MIB, vcpus: 1 }, { 'opt/test': 'text' });
  const all = files(device);
  const map = all.get('etc/e820')!;
  expect(map.byteLength).toBe(40);
  expect([0, 8, 20, 28].map((at) => Number(map.getBigUint64(at, true)))).toEqual([
    0,
    2816 * MIB,
    4 * GIB,
    (4096 - 16 - 2816) * MIB,
  ]);
  expect(all.get('opt/test')!.byteLength).toBe(4);
  expect(all.has('etc/smbios/smbios-anchor')).toBe(true);
});
