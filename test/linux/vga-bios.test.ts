// Debian's SeaBIOS with its VGA BIOS: the firmware sets the mode, loads its font and writes on the screen by INT 10h.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import { debianPackage } from './debian.ts';

let firmware: string;

beforeAll(() => {
  firmware = join(debianPackage('seabios'), 'usr/share/seabios');
}, 300_000);

it('SeaBIOS writes on the screen through its VGA BIOS, in glyphs of the font that it loads', async () => {
  const machine = await Machine.create({
    memory: '32M',
    bios: readFileSync(join(firmware, 'bios-256k.bin')),
    fwCfg: { 'vgaroms/vgabios.bin': readFileSync(join(firmware, 'vgabios-stdvga.bin')) },
  });
  await machine.run({ instructions: 1e8 });
  const rows = machine.screen.text();
  expect(rows[0]).toMatch(/^SeaBIOS \(version /);
  expect(rows).toContain('Booting from Hard Disk...');
  const { width, height, pixels } = machine.screen.frame();
  const inkAt = (line: number): number => {
    const points = new Uint32Array(pixels.buffer).subarray(line * width, (line + 1) * width);
    return points.filter((point) => point !== 0xff00_0000).length;
  };
  expect([width, height]).toEqual([640, 400]);
  expect(Math.max(...Array.from({ length: 16 }, (_, line) => inkAt(line)))).toBeGreaterThan(40);
  expect(Array.from({ length: 16 }, (_, line) => inkAt(384 + line)).reduce((sum, ink) => sum + ink, 0)).toBe(0);
}, 120_000);
