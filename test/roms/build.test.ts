/** The committed guest images are what their sources say. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { buildFlatRom, buildRom, FLAT_ROMS, ROMS, TOOLS_FILE, toolVersions } from '../../tools/build-roms.ts';

const folder = fileURLToPath(new URL('../../roms/', import.meta.url));
const committed = readFileSync(join(folder, TOOLS_FILE), 'utf8');
const here = toolVersions();
const SMALL = 64 * 1024;

describe('a committed guest image', () => {
  it.each(ROMS)('$name is an ELF32 file with a Multiboot header in its first 8 KiB', ({ name }) => {
    const bytes = readFileSync(join(folder, name));
    expect(bytes.subarray(0, 5)).toEqual(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1]));
    const at = bytes.subarray(0, 8192).indexOf(Buffer.from([0x02, 0xb0, 0xad, 0x1b]));
    expect(at % 4).toBe(0);
    const [magic, flags, checksum] = [0, 4, 8].map((k) => bytes.readUInt32LE(at + k));
    expect((magic + flags + checksum) >>> 0).toBe(0);
    expect(statSync(join(folder, name)).size).toBeLessThan(SMALL);
  });
});

const scratch = mkdtempSync(join(tmpdir(), 'roms-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Another compiler makes other bytes: then these are skipped, which .ci/run reports as lacking, and that it builds at all is tried. */
const isSame = here === committed;

describe('the compiler that the images were built with', () => {
  it.runIf(isSame).each(ROMS)('builds $name byte for byte', (rom) => {
    const output = join(scratch, rom.name);
    buildRom(rom, output);
    expect(readFileSync(output).equals(readFileSync(join(folder, rom.name)))).toBe(true);
  });
  it.runIf(isSame).each(FLAT_ROMS)('builds $name byte for byte', (rom) => {
    const output = join(scratch, rom.name);
    buildFlatRom(rom, output);
    expect(readFileSync(output).equals(readFileSync(join(folder, rom.name)))).toBe(true);
  });
});

if (!isSame) {
  console.warn(
    `LACKING: the roms are not compared: built with\n${committed}here is\n${here ?? 'no gcc or binutils\n'}`,
  );
  describe('another compiler or none', () => {
    it.runIf(here).each(ROMS)('builds $name without a warning', (rom) => {
      const output = join(scratch, rom.name);
      buildRom(rom, output);
      expect(statSync(output).size).toBeGreaterThan(0);
    });
  });
}
