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

it('OVMF starts its shell from flash, and keeps variables in the second chip', async () => {
  const source = new Uint8Array(readFileSync(await buildWasm(resolve(import.meta.dirname, '../..'), 'release')));
  const read = (name: string) => new Uint8Array(readFileSync(join(debianPackage('ovmf'), 'usr/share/OVMF', name)));
  const [code, variables] = [read('OVMF_CODE.fd'), read('OVMF_VARS.fd')];
  const before = variables.slice();
  const machine = await Machine.create({
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
}, 1_800_000);
