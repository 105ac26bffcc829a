// Debian's OVMF in two flash chips, as -drive if=pflash gives them: it comes to its shell, and its variables are written.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { ramDisk } from '../../src/index.ts';
import { Machine } from '../../src/machine/machine.ts';
import { buildWasm } from '../../tools/build-wasm.ts';
import { debianPackage } from '../linux/debian.ts';

const SLICE = 200_000_000;
const MOST_SLICES = 60;

/**
 * The larger build's PEI runs in 32-bit mode and maps all that the processor can address by 2 MiB pages, 256 MiB of tables
 * for the 46 bits of `max`: that is more than this machine's memory. QEMU says 40 bits unless it is told otherwise.
 */
it.each([
  ['pc', 'OVMF_CODE.fd', 'OVMF_VARS.fd', 'max'],
  ['q35', 'OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd', 'max,phys-bits=40'],
] as const)(
  'OVMF starts its shell from flash on a %s, and keeps variables in the second chip: %s',
  async (...row) => {
    const [type, codeFile, variablesFile, cpu] = row;
    const source = new Uint8Array(readFileSync(await buildWasm(resolve(import.meta.dirname, '../..'), 'release')));
    const read = (name: string) => new Uint8Array(readFileSync(join(debianPackage('ovmf'), 'usr/share/OVMF', name)));
    const [code, variables] = [read(codeFile), read(variablesFile)];
    const before = variables.slice();
    const machine = await Machine.create({
      machine: type,
      cpu,
      memory: '256M',
      source,
      devices: [
        { type: 'pflash', drive: 'code' },
        { type: 'pflash', drive: 'vars', unit: 1 },
      ],
      drives: { code: ramDisk(code), vars: ramDisk(variables) },
    });
    let text = '';
    machine.on('console', (part) => {
      text += part;
    });
    for (let slice = 0; slice < MOST_SLICES && !text.includes('Shell>'); slice++) {
      expect((await machine.run({ instructions: SLICE })).reason).toBe('limit');
    }
    expect(text).toContain('UEFI Interactive Shell');
    expect(text).toContain('Shell>');
    expect(Buffer.compare(variables, before)).not.toBe(0);
  },
  1_800_000,
);
