/** Opens an image with everything below it: the format is found out where it is not named, and backing files are opened. */
import { check, checkOptions, isFlag, isFunction, isObject, isOneOf, isText } from '../../checks.ts';
import type { ByteFile } from './byte-file.ts';
import type { Disk } from './disk.ts';
import { foreignFormat } from './foreign.ts';
import { ImageError } from './image-error.ts';
import { Qcow2Disk, type Unpack } from './qcow2.ts';
import { isQcow2, readHeader } from './qcow2-header.ts';
import { RawDisk } from './raw.ts';

/** The files that images may be in. */
export interface ImageFiles {
  open(path: string, isReadOnly: boolean): ByteFile;
  /** The path of a backing file that the image at `path` calls `name`. */
  resolve(path: string, name: string): string;
}

export interface ImageOptions {
  /** Found out if absent. */
  format?: 'raw' | 'qcow2';
  isReadOnly?: boolean;
  /** Name or id of an internal snapshot of a qcow2 image; read-only. */
  snapshot?: string;
  /** Unpack clusters; zlib is known here without. */
  unzlib?: Unpack;
  unzstd?: Unpack;
}

/** For an image that cannot be opened as what it is. */
const WAYS_OUT =
  'unpack it, or make a qcow2 image of it by qemu-img convert -O qcow2; format=raw takes its bytes as they are';
/** Backing files below each other. */
const MAX_DEPTH = 64;
const FORMATS = ['raw', 'qcow2'] as const;
export const IMAGE_OPTIONS = {
  format: isOneOf(...FORMATS),
  isReadOnly: isFlag,
  snapshot: isText,
  unzlib: isFunction,
  unzstd: isFunction,
};

/** Throws ImageError for what is wrong with an image, and what `files` throws. Whatever was opened is closed then. */
export function openImage(files: ImageFiles, path: string, options: ImageOptions = {}): Disk {
  check('openImage: files', files, isObject(['open', 'resolve']));
  check('openImage: path', path, isText);
  checkOptions('openImage', options, IMAGE_OPTIONS);
  return openAbove([], files, path, options);
}

function openAbove(above: readonly ByteFile[], files: ImageFiles, path: string, options: ImageOptions): Disk {
  const { isReadOnly = false, snapshot, unzlib, unzstd } = options;
  const file = files.open(path, isReadOnly || snapshot !== undefined);
  let backing: Disk | null = null;
  try {
    const chain = [...above, file];
    const names = chain.map(({ name }) => name).join(' -> ');
    if (above.some(({ id }) => id === file.id)) throw new ImageError(`backing files make a loop: ${names}`);
    if (chain.length > MAX_DEPTH) throw new ImageError(`${names}: the limit is ${MAX_DEPTH} backing files`);
    file.lock?.();
    const format = options.format ?? (isQcow2(file) ? 'qcow2' : 'raw');
    if (format === 'raw') {
      if (snapshot !== undefined) throw new ImageError(`${path}: a raw image has no snapshot '${snapshot}'`);
      const isGuessed = options.format === undefined;
      const foreign = isGuessed ? foreignFormat(file) : null;
      if (foreign) throw new ImageError(`${path} is in the format ${foreign}, which is not read here; ${WAYS_OUT}`);
      return new RawDisk(file, { isReadOnly, isGuessed });
    }
    const { backingName, backingFormat } = readHeader(file);
    if (backingName !== null) {
      const below = { format: checkFormat(path, backingFormat), isReadOnly: true, unzlib, unzstd };
      backing = openAbove(chain, files, files.resolve(path, checkName(path, backingName)), below);
    }
    return new Qcow2Disk(file, { isReadOnly, backing, snapshot, unzlib, unzstd });
  } catch (error) {
    file.close();
    backing?.close();
    throw error;
  }
}

function checkFormat(path: string, name: string | null): ImageOptions['format'] {
  const format = FORMATS.find((one) => one === name);
  if (!format && name !== null) {
    throw new ImageError(`${path}: the format of its backing file is '${name}'; there are ${FORMATS.join(' and ')}`);
  }
  return format;
}

function checkName(path: string, name: string): string {
  if (name.startsWith('file:')) return name.slice(5);
  if (/^(json|[a-z][a-z0-9+.-]+):/i.test(name)) {
    throw new ImageError(`${path}: the backing file '${name}' is no path of a file`);
  }
  return name;
}
