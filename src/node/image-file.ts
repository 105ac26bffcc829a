/** Disk images in files of the host: opened, read and written at once. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { constants, inflateRawSync } from 'node:zlib';
import { check, checkOptions, isFlag, isOneOf, isText } from '../checks.ts';
import type { ByteFile } from '../devices/block/byte-file.ts';
import type { Disk } from '../devices/block/disk.ts';
import { ImageError } from '../devices/block/image-error.ts';
import { IMAGE_OPTIONS, type ImageFiles, type ImageOptions, openImage } from '../devices/block/open-image.ts';
import { OverlayDisk } from '../devices/block/overlay.ts';
import { unzstd } from '../machine/firmware/loaders/decompress/zstd.ts';
import { LOCKINGS, type Locking, lockImage } from './image-lock.ts';

const { O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants;
/** Files that this process writes: two disks on one image would destroy it. */
const written = new Set<string>();

class HostFile implements ByteFile {
  readonly name: string;
  readonly id: string;
  readonly isReadOnly: boolean;
  #size: number;
  readonly #file: number;
  readonly #locking: Locking;

  constructor(file: number, name: string, isReadOnly: boolean, locking: Locking = 'off') {
    const { dev, ino, size } = fs.fstatSync(file);
    this.name = name;
    this.id = `${dev}:${ino}`;
    this.isReadOnly = isReadOnly;
    this.#size = size;
    this.#file = file;
    this.#locking = locking;
    if (isReadOnly) return;
    if (written.has(this.id)) {
      fs.closeSync(file);
      throw new ImageError(`cannot open ${name}: another disk of this process writes to it`);
    }
    written.add(this.id);
  }

  get size(): number {
    return this.#size;
  }

  lock(): void {
    if (this.#locking === 'off') return;
    const lock = lockImage(this.#file, this.isReadOnly);
    if (lock === 'taken') {
      throw new ImageError(
        `cannot open ${this.name}: somebody ${this.isReadOnly ? 'writes to' : 'uses'} it (another process such as ` +
          'vmlaunch or QEMU, or another disk of this one); file.locking=off opens it all the same, at your risk',
      );
    }
    if (lock === 'impossible' && this.#locking === 'on') {
      throw new ImageError(
        `cannot lock ${this.name}, as file.locking=on asks: neither perl nor flock can be started here`,
      );
    }
  }

  read(offset: number, into: Uint8Array): void {
    let done = 0;
    while (done < into.length) {
      const count = fs.readSync(this.#file, into, done, into.length - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    into.fill(0, done);
  }

  write(offset: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; ) {
      done += fs.writeSync(this.#file, from, done, from.length - done, offset + done);
    }
    this.#size = Math.max(this.#size, offset + from.length);
  }

  flush(): void {
    fs.fdatasyncSync(this.#file);
  }

  close(): void {
    if (!this.isReadOnly) written.delete(this.id);
    fs.closeSync(this.#file);
  }
}

/** Opens a file that exists, without waiting for the other end of what is a pipe. Throws ImageError that names it. */
function openFile(path: string, isReadOnly: boolean, locking: Locking): ByteFile {
  let file: number;
  try {
    file = fs.openSync(path, (isReadOnly ? O_RDONLY : O_RDWR) | (O_NONBLOCK ?? 0));
  } catch (error) {
    throw new ImageError(`cannot open ${path}: ${(error as Error).message}`);
  }
  if (fs.fstatSync(file).isFile()) return new HostFile(file, path, isReadOnly, locking);
  fs.closeSync(file);
  throw new ImageError(`cannot open ${path}: it is not a regular file, as images are`);
}

const resolve: ImageFiles['resolve'] = (path, name) => (isAbsolute(name) ? name : join(dirname(path), name));

/** A file that is gone when it is closed, or when the process ends. */
function scratchFile(): ByteFile {
  const folder = fs.mkdtempSync(join(tmpdir(), 'vmlaunch-'));
  const path = join(folder, 'scratch');
  try {
    return new HostFile(fs.openSync(path, 'wx+'), path, false);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Node stops at the end of the data, whatever follows. */
function unzlib(packed: Uint8Array, length: number): Uint8Array {
  const bytes = inflateRawSync(packed, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: length });
  if (bytes.length !== length) throw new ImageError(`it holds ${bytes.length} bytes of ${length}`);
  return bytes;
}

export interface DiskOptions extends ImageOptions {
  /** Writes are forgotten at the end. */
  isTemporary?: boolean;
  /** A flush does not wait for the medium: the disk is lost with the host, but not with this process. */
  isUnsafe?: boolean;
  /** A lock against other processes, as QEMU's; 'auto' if absent: where the host has one. */
  locking?: Locking;
}

const DISK_OPTIONS = { ...IMAGE_OPTIONS, isTemporary: isFlag, isUnsafe: isFlag, locking: isOneOf(...LOCKINGS) };

/** Opens a disk image. Throws ImageError if that is not possible. */
export function openDisk(path: string, options: DiskOptions = {}): Disk {
  check('openDisk: path', path, isText);
  checkOptions('openDisk', options, DISK_OPTIONS);
  const { isTemporary, isUnsafe, locking = 'auto', ...rest } = options;
  const open = (name: string, isReadOnly: boolean): ByteFile => {
    const file = openFile(name, isReadOnly, locking);
    return isUnsafe ? Object.assign(file, { flush: () => {} }) : file;
  };
  const disk = openImage({ open, resolve }, path, {
    unzlib,
    unzstd,
    ...rest,
    isReadOnly: rest.isReadOnly || isTemporary,
  });
  return isTemporary ? new OverlayDisk(disk, scratchFile()) : disk;
}
