// ACPI's own compiler understands our tables, and makes the same bytes of what it read in them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildAcpi } from '../../../src/machine/firmware/acpi.ts';
import type { AcpiBoard } from '../../../src/machine/firmware/acpi-board.ts';
import { debianPackage } from '../../linux/debian.ts';

const CHECKSUM = 9;
/** Who made the table. */
const COMPILER = { START: 28, END: 36 } as const;

let iasl: string;
let folder: string;

beforeAll(() => {
  iasl = join(debianPackage('acpica-tools'), 'usr/bin/iasl');
  folder = mkdtempSync(join(tmpdir(), 'vmlaunch-acpi-'));
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]): string => execFileSync(iasl, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });

/** The bytes of a table without those that depend on its maker. */
function essence(table: Uint8Array): Buffer {
  const bytes = Buffer.from(table);
  bytes[CHECKSUM] = 0;
  return bytes.fill(0, COMPILER.START, COMPILER.END);
}

const slots = [1, 2].map((n) => ({ base: 0xfeb0_0000 + 0x200 * n, length: 0x200, gsi: 16 + n }));
const events = { name: 'PEVT', hid: 'QEMU0001', ports: { base: 0x505, length: 1 } };

it.each<[string, AcpiBoard]>([
  ['a pc', { vcpus: 1, machine: 'pc', virtioMmio: [], pciSlots: [] }],
  [
    'a pc with everything',
    { vcpus: 8, machine: 'pc', virtioMmio: slots, pciSlots: [1, 2, 30], hasVga: true, devices: [events] },
  ],
  [
    'a pc with the layout of other firmware',
    { vcpus: 1, machine: 'pc', virtioMmio: [], pciSlots: [3], ecam: 0xb000_0000 },
  ],
  [
    'a q35',
    {
      ...{ vcpus: 1, machine: 'q35', virtioMmio: [], pciSlots: [1, 4], hasVga: true, hasSerialConsole: true },
      ...{ pmBase: 0x400, rcba: 0xfed1_c000 },
    },
  ],
  ['a microvm', { vcpus: 1, machine: 'microvm', virtioMmio: [] }],
  ['a microvm with devices', { vcpus: 2, machine: 'microvm', virtioMmio: slots, devices: [events] }],
])('the tables of %s are read and written back without a word', (_what, board) => {
  const { bytes, extents } = buildAcpi(board);
  expect(extents.length).toBeGreaterThan(3);
  for (const { start, length } of extents) {
    const table = bytes.subarray(start, start + length);
    writeFileSync(join(folder, 'table.dat'), table);
    run('-d', 'table.dat');
    expect(run('-oa', '-p', 'again', 'table.dsl')).toContain('Compilation successful. 0 Errors, 0 Warnings, 0 Remarks');
    expect(essence(readFileSync(join(folder, 'again.aml')))).toEqual(essence(table));
  }
});
