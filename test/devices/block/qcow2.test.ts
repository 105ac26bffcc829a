// qcow2 images that QEMU's tool made are read and written, and what we wrote is judged by the tool.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MemoryFile } from '../../../src/devices/block/byte-file.ts';
import { createQcow2 } from '../../../src/devices/block/create-qcow2.ts';
import { Qcow2Disk, type Qcow2Options } from '../../../src/devices/block/qcow2.ts';
import { ramDisk } from '../../../src/devices/block/raw.ts';
import { chances, contents, exercise, makeFolder, pattern, SECTOR } from './image-lab.ts';
import { LoggedFile } from './logged-file.ts';
import { qemuImg, qemuImgOk } from './qemu-img.ts';

const CAPACITY = 4 << 20;
const BACKING = pattern(CAPACITY - 100 * SECTOR);
const folder = makeFolder();
const image = folder.path('a.qcow2');
const backing = folder.path('backing.raw');
const CHECKS = 2;
/** The tool is started up to eighty times in a test. */
vi.setConfig({ testTimeout: 180_000 });

beforeAll(() => writeFileSync(backing, BACKING));
afterAll(folder.remove);

const backingDisk = () => ramDisk(BACKING, { isReadOnly: true });
const load = (): Uint8Array => new Uint8Array(readFileSync(image));
const open = (bytes: Uint8Array, options: Qcow2Options = {}) => new Qcow2Disk(new MemoryFile(bytes), options);

function create(options: string, ...args: string[]): void {
  qemuImgOk('create', '-q', '-f', 'qcow2', '-o', options, ...args, image, String(CAPACITY));
}

/** Writes the image and lets the tool judge: it must find neither an error nor a leak. */
function expectClean(bytes: Uint8Array): void {
  writeFileSync(image, bytes);
  const { status, text } = qemuImg('check', '-f', 'qcow2', image);
  expect([status, status === 0 ? '' : text]).toEqual([0, '']);
}

/** What the tool reads in an image. */
function convert(bytes: Uint8Array): Uint8Array {
  writeFileSync(image, bytes);
  qemuImgOk('convert', '-f', 'qcow2', '-O', 'raw', image, folder.path('out.raw'));
  return new Uint8Array(readFileSync(folder.path('out.raw')));
}

/** Exercises the image in the file, compares it with what the tool reads, and looks at crashes on the way. */
function judge(model: Uint8Array, options: Qcow2Options, seed: number): void {
  const chance = chances(seed);
  const file = new LoggedFile(load());
  const disk = new Qcow2Disk(file, options);
  exercise(disk, model, chance, 100);
  disk.close();
  expect(Buffer.compare(convert(file.bytes), model)).toBe(0);
  expectClean(file.bytes);
  for (let round = 0; round < CHECKS; round++) {
    const at = chance(file.events.length);
    expectClean(file.killedAfter(at));
    expectClean(file.powerLostAfter(at, () => chance(2) === 0));
  }
}

describe.each([
  'compat=1.1',
  'compat=0.10',
  'cluster_size=512',
  'cluster_size=4096,refcount_bits=1',
  'cluster_size=4096,refcount_bits=64',
  'cluster_size=2M,refcount_bits=8',
  'cluster_size=1024,refcount_bits=32',
  'refcount_bits=4,lazy_refcounts=on',
])('an image with %s', (options) => {
  it('is what the tool reads, and clean after a crash', () => {
    create(options);
    judge(new Uint8Array(CAPACITY), {}, 1);
  });

  it('stands on a backing file that ends before it', () => {
    create(options, '-b', backing, '-F', 'raw');
    const model = new Uint8Array(CAPACITY);
    model.set(BACKING);
    judge(model, { backing: backingDisk() }, 2);
  });

  it('may hold compressed clusters', () => {
    qemuImgOk('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, backing, image);
    qemuImgOk('resize', image, String(CAPACITY));
    const model = new Uint8Array(CAPACITY);
    model.set(BACKING);
    expect(Buffer.compare(contents(open(load(), { isReadOnly: true })), model)).toBe(0);
    judge(model, {}, 3);
  });
});

describe('an image', () => {
  it.each(['compat=1.1', 'compat=0.10', 'cluster_size=1024,refcount_bits=2'])(
    'with %s keeps the contents of its snapshots',
    (options) => {
      create(options);
      const then = new Uint8Array(CAPACITY);
      const first = new MemoryFile(load());
      const disk = new Qcow2Disk(first);
      exercise(disk, then, chances(4), 30);
      disk.close();
      writeFileSync(image, first.bytes);
      qemuImgOk('snapshot', '-c', 'before', image);
      judge(then.slice(), {}, 5);
      const snapshot = open(load(), { snapshot: 'before' });
      expect([snapshot.isReadOnly, snapshot.header.snapshots.map(({ name }) => name)]).toEqual([true, ['before']]);
      expect(Buffer.compare(contents(snapshot), then)).toBe(0);
    },
  );

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 40])('opens after qemu-img snapshot -c with a name of %i letters', (letters) => {
    for (const isEmpty of [true, false]) {
      create('compat=1.1');
      if (!isEmpty) qemuImgOk('convert', '-f', 'raw', '-O', 'qcow2', backing, image);
      const name = 's'.repeat(letters);
      qemuImgOk('snapshot', '-c', name, image);
      const file = new MemoryFile(load());
      const disk = new Qcow2Disk(file);
      expect(disk.header.snapshots.map((snapshot) => snapshot.name)).toEqual([name]);
      disk.write(SECTOR, BACKING.subarray(0, SECTOR));
      disk.close();
      expectClean(file.bytes);
      expect(qemuImgOk('snapshot', '-l', image)).toContain(name);
    }
  });

  it('that its last user left dirty is repaired when it is opened to be written', () => {
    create('lazy_refcounts=on');
    const file = new MemoryFile(load());
    const disk = new Qcow2Disk(file);
    disk.write(0, BACKING);
    disk.close();
    const bytes = file.bytes.slice();
    const view = new DataView(bytes.buffer);
    const block = Number(view.getBigUint64(Number(view.getBigUint64(48))));
    bytes.fill(0, block + 20, block + 60);
    view.setUint32(76, 1);
    writeFileSync(image, bytes);
    expect(qemuImg('check', image).status).toBe(2);
    const repaired = new MemoryFile(bytes);
    new Qcow2Disk(repaired).close();
    expectClean(repaired.bytes);
    expect(Buffer.compare(convert(repaired.bytes).subarray(0, BACKING.length), BACKING)).toBe(0);
  });

  it('is clean after a crash at any point, and has what was flushed before', () => {
    const file = new LoggedFile(new Uint8Array(0));
    createQcow2(file, { capacity: CAPACITY });
    const start = file.events.length;
    const disk = new Qcow2Disk(file);
    const flushed: [events: number, sector: number][] = [[start, 0]];
    for (let sector = 1; sector < 40; sector++) {
      disk.write((sector * CAPACITY) / 128, new Uint8Array(SECTOR).fill(sector));
      if (sector % 4 === 0) {
        disk.flush();
        flushed.push([file.events.length, sector]);
      }
    }
    const chance = chances(6);
    for (let round = 0; round < 40; round++) {
      const at = start + chance(file.events.length - start);
      const left = round % 2 === 0 ? file.killedAfter(at) : file.powerLostAfter(at, () => chance(2) === 0);
      expectClean(left);
      const found = contents(open(left, { isReadOnly: true }));
      const last = flushed.findLast(([events]) => events <= at)?.[1] ?? 0;
      for (let sector = 1; sector <= last; sector++) expect(found[(sector * CAPACITY) / 128]).toBe(sector);
    }
  });

  it('made by us is as the tool would have it', () => {
    for (const capacity of [0, 512, CAPACITY, 2 ** 45]) {
      const file = new MemoryFile();
      createQcow2(file, { capacity });
      expectClean(file.bytes);
      expect(JSON.parse(qemuImgOk('info', '--output=json', image))['virtual-size']).toBe(capacity);
    }
    const file = new MemoryFile();
    createQcow2(file, { capacity: CAPACITY, backing: { name: backing, format: 'raw' } });
    expect(Buffer.compare(convert(file.bytes).subarray(0, BACKING.length), BACKING)).toBe(0);
  });

  it('does not grow when the same clusters are written, discarded and flushed again and again', () => {
    const file = new MemoryFile();
    createQcow2(file, { capacity: CAPACITY });
    const disk = new Qcow2Disk(file);
    const sizes = Array.from({ length: 40 }, () => {
      disk.write(0, BACKING.subarray(0, 1 << 20));
      disk.flush();
      disk.discard(0, 1 << 20);
      disk.flush();
      return file.size;
    });
    expect(new Set(sizes.slice(4)).size).toBe(1);
  });

  it('writes in place once its clusters are allocated: a flush then changes no table', () => {
    const file = new LoggedFile(new Uint8Array(0));
    createQcow2(file, { capacity: CAPACITY });
    const disk = new Qcow2Disk(file);
    disk.write(0, BACKING);
    disk.flush();
    const before = file.events.length;
    disk.write(SECTOR, BACKING.subarray(0, SECTOR));
    disk.flush();
    expect(file.events.slice(before).map((event) => (event === 'flush' ? event : event.bytes.length))).toEqual([
      SECTOR,
      'flush',
    ]);
  });

  it('keeps its last commit when the medium fails, and takes no more writes', () => {
    const file = new LoggedFile(new Uint8Array(0));
    createQcow2(file, { capacity: CAPACITY });
    const disk = new Qcow2Disk(file);
    disk.write(0, BACKING.subarray(0, SECTOR));
    disk.flush();
    const write = file.write.bind(file);
    disk.write(1 << 20, BACKING);
    let left = 2;
    Object.assign(file, {
      write(offset: number, from: Uint8Array) {
        if (left-- === 0) throw new Error('no space left');
        write(offset, from);
      },
    });
    expect(() => disk.flush()).toThrow('no space left');
    expect(() => disk.write(0, BACKING)).toThrow('no space left');
    expect(() => disk.close()).toThrow('no space left');
    expectClean(file.bytes);
    expect(convert(file.bytes).subarray(0, SECTOR)).toEqual(BACKING.subarray(0, SECTOR));
  });
});
