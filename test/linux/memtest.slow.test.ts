// Debian's memtest86+ finds the memory that is there and finishes a pass over 32 MB without an error.
// Most of its 200 thousand million instructions wait for bits to fade.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import { buildWasm } from '../../tools/build-wasm.ts';
import { debianPackage } from './debian.ts';

const SLICE = 1e9;
const MOST_SLICES = 300;

it('memtest86+ finishes a pass on 32 MB', async () => {
  const source = new Uint8Array(readFileSync(await buildWasm(resolve(import.meta.dirname, '../..'), 'release')));
  const kernel = new Uint8Array(readFileSync(join(debianPackage('memtest86+'), 'boot/memtest86+x64.bin')));
  const machine = await Machine.create({ memory: '32M', source, kernel, append: 'nopause nosmp' });
  let screen = '';
  for (let slice = 0; slice < MOST_SLICES && !/Pass: +1/.test(screen); slice++) {
    expect((await machine.run({ instructions: SLICE })).reason).toBe('limit');
    screen = [machine.screen.text()].flat().join('\n');
  }
  expect(screen).toContain('Memory  :   32MB');
  expect(screen).toMatch(/Pass: +1 +Errors: 0/);
}, 3_600_000);
