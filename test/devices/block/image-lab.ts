/** What tests of images share: a folder, a stream of chances with a fixed seed, and a disk that is compared with a model. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Disk } from '../../../src/devices/block/disk.ts';

export const SECTOR = 512;

/** A folder that is gone after the tests of the file. */
export function makeFolder(): { path: (name: string) => string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-images-'));
  return { path: (name) => join(folder, name), remove: () => rmSync(folder, { recursive: true }) };
}

/** Numbers below `limit`, the same for the same seed. */
export function chances(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** Bytes of which no two neighbouring sectors are equal. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = at * 7 + (at >> 9) * 3;
  return bytes;
}

/** Does `count` things to a disk, and the same to `model`; every read must find what the model has. */
export function exercise(disk: Disk, model: Uint8Array, chance: (limit: number) => number, count: number): void {
  for (let round = 0; round < count; round++) {
    const offset = chance(model.length / SECTOR) * SECTOR;
    const length = Math.min(model.length - offset, (1 + chance(chance(3) > 0 ? 16 : 600)) * SECTOR);
    const place = model.subarray(offset, offset + length);
    const what = chance(10);
    if (what < 5) {
      const bytes = new Uint8Array(length).fill(1 + chance(255));
      bytes[0] = round;
      disk.write(offset, bytes);
      place.set(bytes);
    } else if (what === 5) {
      disk.discard(offset, length);
      disk.read(offset, place);
    } else if (what === 6) {
      disk.writeZeroes(offset, length, chance(2) === 0);
      place.fill(0);
    } else if (what === 7) disk.flush();
    else {
      const found = new Uint8Array(length).fill(0xee);
      disk.read(offset, found);
      if (Buffer.compare(found, place) !== 0) throw new Error(`round ${round}: ${offset}+${length} reads differently`);
    }
  }
}

/** All bytes of a disk. */
export function contents(disk: Disk): Uint8Array {
  const bytes = new Uint8Array(disk.capacity);
  disk.read(0, bytes);
  return bytes;
}
