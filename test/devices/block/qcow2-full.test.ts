// qcow2 on a host that is full: writes are refused, and everything that was accepted is kept.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { MemoryFile } from '../../../src/devices/block/byte-file.ts';
import { Qcow2Disk } from '../../../src/devices/block/qcow2.ts';
import { FullFile } from './full-file.ts';
import { chances, contents, makeFolder, SECTOR } from './image-lab.ts';
import { qemuImg, qemuImgOk } from './qemu-img.ts';

vi.setConfig({ testTimeout: 180_000 });
const CAPACITY = 16 << 20;
const folder = makeFolder();
const image = folder.path('a.qcow2');
afterAll(folder.remove);

/** Writes here and there until the host is full, and on; keeps in `model` what was accepted. Returns the refusals. */
function fill(disk: Qcow2Disk, model: Uint8Array, rounds: number, flushes: boolean): number {
  const chance = chances(28);
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    const offset = chance(CAPACITY / SECTOR) * SECTOR;
    const bytes = new Uint8Array(Math.min(CAPACITY - offset, SECTOR * (1 + chance(40)))).fill(1 + chance(255));
    try {
      disk.write(offset, bytes);
      model.set(bytes, offset);
    } catch (error) {
      expect(String(error)).toMatch(/ENOSPC/);
      // A part of it may be there: what counts is what was accepted.
      disk.read(offset, model.subarray(offset, offset + bytes.length));
      refused++;
    }
    if (flushes && chance(20) === 0) disk.flush();
  }
  return refused;
}

describe.each(['cluster_size=64k', 'cluster_size=4k', 'cluster_size=512', 'cluster_size=4k,refcount_bits=64'])(
  'an image with %s on a full host',
  (options) => {
    it.each([
      ['a flush now and then', true],
      ['no flush until the end', false],
    ])('keeps what it accepted, with %s', (_how, flushes) => {
      qemuImgOk('create', '-q', '-f', 'qcow2', '-o', options, image, String(CAPACITY));
      const file = new FullFile(new Uint8Array(readFileSync(image)), 1500);
      const disk = new Qcow2Disk(file);
      const model = new Uint8Array(CAPACITY);
      expect(fill(disk, model, 1500, flushes)).toBeGreaterThan(50);
      disk.flush();
      const kept = contents(new Qcow2Disk(new MemoryFile(file.bytes.slice()), { isReadOnly: true }));
      expect(Buffer.compare(kept, model)).toBe(0);
      writeFileSync(image, file.bytes);
      const { status, text } = qemuImg('check', image);
      expect([status, status === 0 ? '' : text]).toEqual([0, '']);
      // With room again it goes on.
      file.room = 10_000;
      expect(fill(disk, model, 100, flushes)).toBe(0);
      disk.close();
      expect(Buffer.compare(contents(new Qcow2Disk(file, { isReadOnly: true })), model)).toBe(0);
    });
  },
);
