// Images that lie: every one ends in an error that says what is wrong, at once, and never in a hang.
import { beforeEach, describe, expect, it } from 'vitest';
import { type ByteFile, MemoryFile } from '../../../src/devices/block/byte-file.ts';
import { createQcow2 } from '../../../src/devices/block/create-qcow2.ts';
import { ImageError } from '../../../src/devices/block/image-error.ts';
import { type ImageFiles, openImage } from '../../../src/devices/block/open-image.ts';
import { Qcow2Disk } from '../../../src/devices/block/qcow2.ts';
import { chances, exercise, pattern, SECTOR } from './image-lab.ts';

const CAPACITY = 2 << 20;
const CLUSTER = 0x10000;
const ROUNDS = 600;
let bytes: Uint8Array;
let view: DataView;

/** Where tables of the image lie. */
const l1 = (): number => Number(view.getBigUint64(40));
const l2 = (): number => Number(view.getBigUint64(l1()) & 0xffffffffffff00n);
const refcountTable = (): number => Number(view.getBigUint64(48));
const refcountBlock = (): number => Number(view.getBigUint64(refcountTable()));

function imageWithData(): Uint8Array {
  const file = new MemoryFile();
  createQcow2(file, { capacity: CAPACITY });
  const disk = new Qcow2Disk(file);
  disk.write(3 * CLUSTER, pattern(5 * CLUSTER));
  disk.close();
  return file.bytes.slice();
}

const opening = (isReadOnly: boolean) => () => new Qcow2Disk(new MemoryFile(bytes, { name: 'bad.qcow2', isReadOnly }));

beforeEach(() => {
  bytes = imageWithData();
  view = new DataView(bytes.buffer);
});

describe('opening an image fails with a clear error where', () => {
  it.each<[what: string, damage: () => void, message: RegExp]>([
    ['the magic is another', () => view.setUint32(0, 1), /^bad.qcow2: the magic is 0x1; qcow2 has 0x514649fb/],
    ['the version is 4', () => view.setUint32(4, 4), /version is 4; the limits are 2 and 3/],
    ['clusters have 4 GB', () => view.setUint32(20, 32), /cluster_bits is 32; the limits are 9 and 21/],
    ['clusters have 16 bytes', () => view.setUint32(20, 4), /cluster_bits is 4/],
    ['the disk is encrypted', () => view.setUint32(32, 1), /crypt_method is 1; encrypted images are not supported/],
    ['the size is absurd', () => view.setBigUint64(24, 1n << 62n), /size is 0x4000000000000000; 1 entries of the L1 /],
    ['the L1 table is absurd', () => view.setUint32(36, 0xffffffff), /l1_size is 4294967295; the limits are/],
    ['the L1 table is too long for the file', () => view.setUint32(36, 0x40000), /L1 table ends beyond the file/],
    ['the L1 table is outside', () => view.setBigUint64(40, 1n << 60n), /l1_table_offset is 0x1000000000000000; the/],
    ['the L1 table is not aligned', () => view.setBigUint64(40, 0x10200n), /l1_table_offset is 0x10200; clusters/],
    ['the refcount table is outside', () => view.setBigUint64(48, 1n << 40n), /refcount_table_offset is 0x100000/],
    ['the refcount table is absurd', () => view.setUint32(56, 0x1000), /refcount_table_clusters is 4096; the limits/],
    ['there are too many snapshots', () => view.setUint32(60, 100_000), /nb_snapshots is 100000/],
    [
      'the snapshot table is outside',
      () => {
        view.setUint32(60, 1);
        view.setBigUint64(64, 1n << 50n);
      },
      /snapshots_offset is 0x4000000000000/,
    ],
    [
      'a snapshot claims an L1 table longer than the file',
      () => {
        view.setUint32(60, 1);
        view.setBigUint64(64, BigInt(8 * CLUSTER));
        bytes.fill(0, 8 * CLUSTER, 9 * CLUSTER);
        view.setUint32(8 * CLUSTER + 8, 0x30_0000);
      },
      /snapshot 0 has 3145728 L1 entries/,
    ],
    ['the refcounts have 2^7 bits', () => view.setUint32(96, 7), /refcount_order is 7; the limit is 6/],
    ['a feature is unknown', () => view.setUint32(76, 0x40), /incompatible_features has unknown bits \(0x40\)/],
    ['the data is elsewhere', () => view.setUint32(76, 4), /external file, which is not supported/],
    ['there are subclusters', () => view.setUint32(76, 16), /extended L2 entries \(subclusters\) are not supported/],
    ['the header is longer than a cluster', () => view.setUint32(100, 0x20000), /header_length is 131072/],
    [
      'the name of the backing file is too long',
      () => {
        view.setBigUint64(8, 0x200n);
        view.setUint32(16, 5000);
      },
      /backing_file_size is 5000; the limits are 1 and 1023/,
    ],
    [
      'the name of the backing file is elsewhere',
      () => {
        view.setBigUint64(8, 1n << 40n);
        view.setUint32(16, 5);
      },
      /backing_file_offset is 0x10000000000/,
    ],
    [
      'a header extension does not end',
      () => {
        view.setUint32(104, 0xe2792aca);
        view.setUint32(108, 0xffffffff);
      },
      /header extension 0xe2792aca has 4294967295 bytes/,
    ],
    ['the file ends in the header', () => void (bytes = bytes.slice(0, 60)), /the file has 60 bytes; a qcow2 header/],
    ['the file ends behind the header', () => void (bytes = bytes.slice(0, 512)), /; the file has 0x200 bytes/],
  ])('%s', (_what, damage, message) => {
    damage();
    expect(opening(true)).toThrow(message);
    expect(opening(true)).toThrow(ImageError);
  });
});

describe('an image is not written where', () => {
  it.each<[what: string, damage: () => void, message: RegExp]>([
    ['it is marked corrupt', () => view.setUint32(76, 2), /marked corrupt and can be read only/],
    [
      'the refcount of a cluster is too low',
      () => view.setUint16(refcountBlock() + 2 * (l2() / CLUSTER), 0),
      /the refcount of cluster \d+ is 0, with 1 references to it; such an image can be read only/,
    ],
    [
      'a refcount block is outside',
      () => view.setBigUint64(refcountTable(), 1n << 44n),
      /refcount block 0 is at 0x100/,
    ],
    [
      'two entries share a refcount block',
      () => view.setBigUint64(refcountTable() + 8, BigInt(refcountBlock())),
      /the refcount of cluster \d+ is 1, with 2 references/,
    ],
    ['an L2 table is outside', () => view.setBigUint64(l1(), 1n << 50n), /an L2 table is at 0x4000000000000; the file/],
    ['an L2 table is not aligned', () => view.setBigUint64(l1(), BigInt(l2() + 512)), /clusters begin at multiples/],
    ['a cluster is outside', () => view.setBigUint64(l2() + 24, 1n << 55n), /a cluster is at 0x80000000000000; the/],
    [
      'a cluster is the L2 table itself',
      () => view.setBigUint64(l2() + 24, (1n << 63n) | BigInt(l2())),
      /is 1, with 2 references/,
    ],
  ])('%s', (_what, damage, message) => {
    damage();
    expect(opening(false)).toThrow(message);
    expect(opening(true)).not.toThrow();
  });
});

describe('reading ends in an error, and goes on elsewhere, where', () => {
  it.each<[what: string, damage: () => void, message: RegExp]>([
    [
      'a cluster is outside',
      () => view.setBigUint64(l2() + 24, 1n << 50n),
      /cluster 3 is at 0x4000000000000; the file/,
    ],
    ['a cluster is not aligned', () => view.setBigUint64(l2() + 24, 0x10200n), /cluster 3 is at 0x10200; clusters/],
    [
      'compressed data is none',
      () => view.setBigUint64(l2() + 24, (1n << 62n) | BigInt(5 * CLUSTER)),
      /^bad.qcow2: the compressed cluster at 0x50000 is damaged: deflate data/,
    ],
  ])('%s', (_what, damage, message) => {
    damage();
    const disk = opening(true)();
    expect(() => disk.read(3 * CLUSTER, new Uint8Array(512))).toThrow(message);
    const elsewhere = new Uint8Array(SECTOR);
    disk.read(4 * CLUSTER, elsewhere);
    expect(elsewhere).toEqual(pattern(2 * CLUSTER).subarray(CLUSTER, CLUSTER + SECTOR));
  });
});

describe('backing files', () => {
  const files = new Map<string, ByteFile>();
  const access: ImageFiles = {
    open: (path) => {
      const file = files.get(path);
      if (!file) throw new ImageError(`cannot open ${path}`);
      return file;
    },
    resolve: (_path, name) => name,
  };
  const add = (name: string, below?: string, format: 'raw' | 'qcow2' = 'qcow2'): void => {
    const file = new MemoryFile(new Uint8Array(0), { name });
    createQcow2(file, { capacity: CAPACITY, backing: below === undefined ? undefined : { name: below, format } });
    files.set(name, file);
  };
  beforeEach(() => files.clear());

  it('may stand on each other, and are only read', () => {
    add('base');
    new Qcow2Disk(files.get('base') as ByteFile).write(0, pattern(SECTOR));
    const base = new Qcow2Disk(files.get('base') as ByteFile);
    base.write(0, pattern(SECTOR));
    base.flush();
    add('middle', 'base');
    add('top', 'middle');
    const disk = openImage(access, 'top');
    const found = new Uint8Array(SECTOR);
    disk.read(0, found);
    expect(found).toEqual(pattern(SECTOR));
    const size = (files.get('base') as ByteFile).size;
    disk.write(0, new Uint8Array(SECTOR));
    disk.close();
    expect((files.get('base') as ByteFile).size).toBe(size);
  });

  it.each([
    ['make a loop', () => add('a', 'a'), /backing files make a loop: a -> a/],
    [
      'make a loop further down',
      () => {
        add('a', 'b');
        add('b', 'c');
        add('c', 'b');
      },
      /loop: a -> b -> c -> b/,
    ],
    [
      'are too many',
      () => {
        for (let at = 0; at < 70; at++) add(at === 0 ? 'a' : `${at}`, `${at + 1}`);
        add('70');
      },
      /the limit is 64 backing files/,
    ],
    ['are not there', () => add('a', 'gone'), /cannot open gone/],
    ['are no files', () => add('a', 'nbd://host/x'), /the backing file 'nbd:\/\/host\/x' is no path of a file/],
    [
      'have another format',
      () => {
        add('a', 'b', 'raw');
        // The name in the header extension, "Backing file format name string".
        files.get('a')?.write(104 + 8, new TextEncoder().encode('vdi'));
      },
      /'vdi'; there are raw and qcow2/,
    ],
  ])('that %s are refused', (_what, make, message) => {
    make();
    expect(() => openImage(access, 'a')).toThrow(message);
  });
});

describe('noise', () => {
  it('in an image ends in an error or in another disk, never in a hang or in an exception of ours', () => {
    const chance = chances(7);
    const good = imageWithData();
    const places = [0, l1(), l2(), refcountTable(), refcountBlock()];
    let opened = 0;
    for (let round = 0; round < ROUNDS; round++) {
      bytes = good.slice(0, chance(8) === 0 ? chance(good.length) : good.length);
      for (let count = 1 + chance(4); count > 0; count--) {
        const at = places[chance(places.length)] + chance(112);
        if (at < bytes.length) bytes[at] = chance(2) === 0 ? chance(256) : bytes[at] ^ (1 << chance(8));
      }
      try {
        const disk = opening(chance(2) === 0)();
        opened++;
        if (disk.capacity > CAPACITY) continue;
        if (disk.isReadOnly) disk.read(0, new Uint8Array(disk.capacity));
        else exercise(disk, new Uint8Array(disk.capacity), chance, 3);
        disk.close();
      } catch (error) {
        if (error instanceof ImageError || /reads differently/.test(String(error))) continue;
        throw error;
      }
    }
    expect(opened).toBeGreaterThan(ROUNDS / 10);
    expect(opened).toBeLessThan(ROUNDS);
  });
});
