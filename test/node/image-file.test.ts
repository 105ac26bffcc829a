// Disks in files of the host: opened by format, temporary where asked, and whole after kill -9.
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { openDisk } from '../../src/node/image-file.ts';
import { contents, makeFolder, pattern, SECTOR } from '../devices/block/image-lab.ts';
import { qemuImg, qemuImgOk } from '../devices/block/qemu-img.ts';

const CAPACITY = 1 << 20;
const folder = makeFolder();
const raw = folder.path('a.raw');
const image = folder.path('a.qcow2');
const ones = new Uint8Array(SECTOR).fill(1);

afterAll(folder.remove);
beforeEach(() => writeFileSync(raw, pattern(CAPACITY)));

const sectorAt = (bytes: Uint8Array, at: number): Uint8Array => new Uint8Array(bytes.subarray(at, at + SECTOR));

describe('a raw image', () => {
  it('is the file, whose last sector is filled up with zeros', () => {
    truncateSync(raw, CAPACITY - 100);
    const disk = openDisk(raw);
    expect(disk.capacity).toBe(CAPACITY);
    const model = pattern(CAPACITY).fill(0, CAPACITY - 100);
    expect(Buffer.compare(contents(disk), model)).toBe(0);
    disk.write(SECTOR, ones);
    disk.write(CAPACITY - SECTOR, ones);
    disk.close();
    expect(statSync(raw).size).toBe(CAPACITY);
    expect(sectorAt(readFileSync(raw), CAPACITY - SECTOR)).toEqual(ones);
  });

  it('does not fill its holes with zeros', () => {
    writeFileSync(raw, '');
    truncateSync(raw, CAPACITY);
    const disk = openDisk(raw);
    disk.write(0, ones);
    disk.writeZeroes(0, CAPACITY, false);
    disk.close();
    expect(statSync(raw).blocks * SECTOR).toBeLessThan(CAPACITY / 2);
    expect(readFileSync(raw).every((byte) => byte === 0)).toBe(true);
  });

  it('whose format was guessed does not become an image of another format', () => {
    const disk = openDisk(raw);
    const header = Uint8Array.of(0x51, 0x46, 0x49, 0xfb);
    expect(() => disk.write(0, header)).toThrow(
      /a.raw: the guest writes a qcow2 header; name the format with format=raw/,
    );
    expect(() => disk.write(2, header.subarray(2))).not.toThrow();
    expect(() => disk.write(0, header.subarray(0, 2))).toThrow(/qcow2 header/);
    disk.close();
    const named = openDisk(raw, { format: 'raw' });
    named.write(0, header);
    named.close();
    expect([...readFileSync(raw).subarray(0, 4)]).toEqual([...header]);
  });
});

it('a file is written by one disk only, by whatever name, and not read by another one meanwhile', () => {
  const link = folder.path('link.raw');
  symlinkSync(raw, link);
  const disk = openDisk(raw);
  expect(() => openDisk(link)).toThrow(/cannot open .*link.raw: another disk of this process writes to it/);
  expect(() => openDisk(link, { locking: 'off' })).toThrow(/another disk of this process writes to it/);
  expect(() => openDisk(link, { isReadOnly: true })).toThrow(/link.raw: somebody writes to it .*; file.locking=off/);
  expect(() => openDisk(link, { isTemporary: true })).toThrow(/somebody writes to it/);
  openDisk(link, { isReadOnly: true, locking: 'off' }).close();
  disk.close();
  const reader = openDisk(link, { isReadOnly: true });
  openDisk(link, { isTemporary: true }).close();
  expect(() => openDisk(link)).toThrow(/link.raw: somebody uses it/);
  reader.close();
  openDisk(link).close();
});

it.each(['isReadOnly', 'isTemporary'] as const)('a pipe is no image, and is not waited for (%s)', (how) => {
  const pipe = folder.path(`pipe-${how}`);
  execFileSync('mkfifo', [pipe]);
  expect(() => openDisk(pipe, { [how]: true })).toThrow(/pipe-.*: it is not a regular file, as images are/);
  expect(() => openDisk(pipe)).toThrow(/it is not a regular file/);
  qemuImgOk('create', '-q', '-u', '-f', 'qcow2', '-b', pipe, '-F', 'raw', image, '1M');
  expect(() => openDisk(image)).toThrow(/pipe-.*: it is not a regular file/);
});

describe('a temporary disk', () => {
  it('forgets what was written, and leaves nothing behind', () => {
    const count = (): number => readdirSync(tmpdir()).filter((name) => name.startsWith('vmlaunch-')).length;
    const before = count();
    const disk = openDisk(raw, { isTemporary: true });
    disk.write(3 * SECTOR, ones);
    disk.writeZeroes(5 * SECTOR, 2 * SECTOR, true);
    disk.write(CAPACITY - SECTOR, ones);
    const found = contents(disk);
    const model = pattern(CAPACITY);
    model.set(ones, 3 * SECTOR);
    model.fill(0, 5 * SECTOR, 7 * SECTOR);
    model.set(ones, CAPACITY - SECTOR);
    expect(Buffer.compare(found, model)).toBe(0);
    disk.close();
    expect(count()).toBe(before);
    expect(Buffer.compare(readFileSync(raw), pattern(CAPACITY))).toBe(0);
  });
});

describe('a qcow2 image', () => {
  it.each(['zlib', 'zstd'])('may be compressed by %s', (type) => {
    const bytes = pattern(CAPACITY);
    for (let at = 0; at < CAPACITY / 2; at++) bytes[at] = (at * at) >> 11;
    writeFileSync(raw, bytes);
    qemuImgOk('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', `compression_type=${type}`, raw, image);
    const disk = openDisk(image, { isReadOnly: true });
    expect(Buffer.compare(contents(disk), bytes)).toBe(0);
    disk.close();
  });

  it('finds its backing file beside itself', () => {
    qemuImgOk('create', '-q', '-f', 'qcow2', '-b', 'a.raw', '-F', 'raw', image);
    const disk = openDisk(image);
    expect(Buffer.compare(contents(disk), pattern(CAPACITY))).toBe(0);
    disk.close();
  });

  it('that is its own backing file by another name is a loop', () => {
    const link = folder.path('link.qcow2');
    symlinkSync(image, link);
    qemuImgOk('create', '-q', '-f', 'qcow2', image, String(CAPACITY));
    qemuImgOk('rebase', '-u', '-F', 'qcow2', '-b', link, image);
    expect(() => openDisk(image)).toThrow(/backing files make a loop: .*a.qcow2 -> .*link.qcow2/);
  });

  it.each([
    ['is not there', 'gone.qcow2', /cannot open .*gone.qcow2: ENOENT/],
    ['is a folder', '.', /cannot open .*: /],
  ])('that %s is named', (_what, name, message) => {
    expect(() => openDisk(folder.path(name))).toThrow(message);
  });

  it('is clean after kill -9, with everything that was flushed', async () => {
    for (const patience of [40, 333]) {
      qemuImgOk('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4096', image, String(8 * CAPACITY));
      const last = await writeUntilKilled(patience);
      const { status, text } = qemuImg('check', image);
      expect([status, status === 0 ? '' : text]).toEqual([0, '']);
      const disk = openDisk(image, { isReadOnly: true });
      const found = new Uint8Array(SECTOR);
      for (let round = Math.max(1, last - 200); round <= last; round++) {
        const at = (round * 9 * SECTOR * 7) % (disk.capacity - SECTOR);
        disk.read(at - (at % SECTOR), found);
        expect([round, found[0]]).toEqual([round, round & 0xff]);
      }
      disk.close();
    }
  }, 60_000);
});

/** Starts the writer and kills it when it has flushed `patience` times. Returns the last round that it flushed. */
function writeUntilKilled(patience: number): Promise<number> {
  const writer = spawn(process.execPath, ['--import', 'tsx', resolve(import.meta.dirname, 'writer.ts'), image], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: join(import.meta.dirname, '../..'),
  });
  let said = '';
  return new Promise((done, fail) => {
    writer.on('error', fail);
    writer.stdout.on('data', (text) => {
      said += text;
      if (said.split('\n').length > patience) writer.kill('SIGKILL');
    });
    writer.on('close', (_code, signal) => {
      const rounds = said.split('\n').slice(0, -1).map(Number);
      if (signal === 'SIGKILL' && rounds.length > 0) done(rounds.at(-1) ?? 0);
      else fail(new Error(`the writer ended by itself: ${signal}, after ${rounds.length} flushes`));
    });
  });
}
