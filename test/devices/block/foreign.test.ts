// Images of other formats, made by QEMU's tool and by compressors, are never taken for the bytes of a disk.
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { openDisk } from '../../../src/node/image-file.ts';
import { makeFolder } from './image-lab.ts';
import { qemuImgOk } from './qemu-img.ts';

const folder = makeFolder();
afterAll(folder.remove);

describe('an image whose format nobody named', () => {
  it.each([
    ['vmdk', [], 'VMDK'],
    ['vmdk', ['-o', 'subformat=monolithicFlat'], 'VMDK'],
    ['vdi', [], 'VDI'],
    ['vhdx', [], 'VHDX'],
    ['vpc', ['-o', 'subformat=dynamic'], 'VHD'],
    ['vpc', ['-o', 'subformat=fixed'], 'VHD'],
    ['qed', [], 'QED'],
    ['parallels', [], 'Parallels'],
  ])('is refused as what it is: %s %j', (format, options, name) => {
    const path = folder.path(`disk-${options.join('')}.${format}`);
    qemuImgOk('create', '-q', '-f', format, ...options, path, '4M');
    expect(() => openDisk(path)).toThrow(
      `${path} is in the format ${name}, which is not read here; unpack it, or make`,
    );
  });

  it('is refused where it is packed', () => {
    const path = folder.path('disk.img.gz');
    writeFileSync(path, gzipSync(new Uint8Array(4096)));
    expect(() => openDisk(path)).toThrow('is in the format gzip');
  });

  it('is a raw disk where it has no mark, and where somebody says so', () => {
    const plain = folder.path('plain.img');
    writeFileSync(plain, new Uint8Array(4096).fill(0x55));
    const disk = openDisk(plain, { isReadOnly: true });
    expect(disk.capacity).toBe(4096);
    disk.close();
    const marked = folder.path('marked.img');
    writeFileSync(marked, Buffer.concat([Buffer.from('KDMV'), Buffer.alloc(4092)]));
    const raw = openDisk(marked, { format: 'raw', isReadOnly: true });
    expect(raw.capacity).toBe(4096);
    raw.close();
  });
});
