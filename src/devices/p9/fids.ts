/** Fids: the numbers by which a client names the files of a tree that it walked to, and what it has open. */
import { Errno, FileError, type OpenFile, type OpenHow, type Path } from './file-tree.ts';

export interface Fid {
  path: Path;
  file?: OpenFile;
  /** How the file was opened. */
  how?: OpenHow;
  /** It is open as a folder. */
  isFolder?: boolean;
}

/**
 * A fid as it is saved: the open file of the host is its path and how it was opened. Whoever is put back opens it anew; where
 * that fails, because the file was removed or renamed by somebody else, what is done with it ends in EIO.
 */
export type FidState = {
  number: number;
  path: string[];
  isFolder: boolean;
  how: { read: boolean; write: boolean; append: boolean } | null;
};

/** More than Linux uses with a thousand of everything; bounds for what a client makes us hold. */
const MAX_FIDS = 65536;
const MAX_PATH_BYTES = 32 << 20;
/** What a name costs besides its letters, as an element of a path. */
const NAME_BYTES = 48;
const MAX_OPEN = 1000;
const MAX_PATH_LENGTH = 4096;
const MAX_NAME_BYTES = 255;

export class Fids {
  readonly #fids = new Map<number, Fid>();
  readonly #clunked: (fid: Fid) => void;
  #open = 0;
  #pathBytes = 0;

  /** Calls `clunked` with every fid that goes. */
  constructor(clunked: (fid: Fid) => void) {
    this.#clunked = clunked;
  }

  /** Throws FileError EBADF if the number is not in use. */
  get(number: number): Fid {
    const fid = this.#fids.get(number);
    if (!fid) throw new FileError(Errno.EBADF);
    return fid;
  }

  find(number: number): Fid | undefined {
    return this.#fids.get(number);
  }

  /** Throws FileError if the number is in use already, or too many are. */
  add(number: number, path: Path): void {
    if (this.#fids.has(number)) throw new FileError(Errno.EBADF);
    if (this.#fids.size >= MAX_FIDS) throw new FileError(Errno.ENFILE);
    this.#charge(bytesOf(path));
    this.#fids.set(number, { path });
  }

  /** The fid names another file. Throws FileError if its path is more than can be kept. */
  lead(fid: Fid, path: Path): void {
    this.#charge(bytesOf(path) - bytesOf(fid.path));
    fid.path = path;
  }

  open(fid: Fid, how: OpenHow, open: () => OpenFile): void {
    if (fid.file) throw new FileError(Errno.EBADF);
    if (this.#open >= MAX_OPEN) throw new FileError(Errno.EMFILE);
    fid.file = open();
    fid.how = how;
    this.#open++;
  }

  clunk(number: number): void {
    const fid = this.get(number);
    this.#fids.delete(number);
    this.#pathBytes -= bytesOf(fid.path);
    this.#clunked(fid);
    if (!fid.file) return;
    this.#open--;
    fid.file.close();
  }

  save(): FidState[] {
    return [...this.#fids].map(([number, { path, isFolder = false, file, how }]) => ({
      number,
      path: [...path],
      isFolder,
      how: file && how ? { read: how.read, write: how.write, append: how.append } : null,
    }));
  }

  /** `open` opens a file of the host again. */
  load(fids: readonly FidState[], open: (path: Path, how: OpenHow) => OpenFile): void {
    this.clear();
    for (const { number, path, isFolder, how } of fids) {
      this.add(number, [...path]);
      const fid = this.get(number);
      if (isFolder) fid.isFolder = true;
      const anew = how && { ...how, truncate: false };
      if (anew) this.open(fid, anew, () => openOrGone(() => open(fid.path, anew)));
    }
  }

  /** The number of a fid that is in use. */
  numberOf(fid: object): number | undefined {
    for (const [number, one] of this.#fids) if (one === fid) return number;
    return undefined;
  }

  clear(): void {
    for (const number of [...this.#fids.keys()]) this.clunk(number);
  }

  /** Throws FileError if the paths of what lies under `from` would be too long or too many under `to`. */
  checkMove(from: Path, to: Path): void {
    const more = bytesOf(to) - bytesOf(from);
    let sum = this.#pathBytes;
    for (const { path } of this.#fids.values()) if (isUnder(path, from)) sum += more;
    if (more > 0 && sum > MAX_PATH_BYTES) throw new FileError(Errno.ENFILE);
  }

  /** What lay under `from` lies under `to` now. */
  moved(from: Path, to: Path): void {
    for (const fid of this.#fids.values()) {
      if (!isUnder(fid.path, from)) continue;
      fid.path = [...to, ...fid.path.slice(from.length)];
      this.#pathBytes += bytesOf(to) - bytesOf(from);
    }
  }

  #charge(bytes: number): void {
    if (bytes > 0 && this.#pathBytes + bytes > MAX_PATH_BYTES) throw new FileError(Errno.ENFILE);
    this.#pathBytes += bytes;
  }
}

function openOrGone(open: () => OpenFile): OpenFile {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const gone = (): never => {
      throw new FileError(Errno.EIO);
    };
    return { read: gone, write: gone, stat: gone, change: gone, sync: gone, close: () => {} };
  }
}

const isUnder = (path: Path, folder: Path): boolean => folder.every((name, at) => path[at] === name);

/** What a path costs: every fid has one of its own. */
const bytesOf = (path: Path): number => path.reduce((sum, { length }) => sum + NAME_BYTES + 2 * length, NAME_BYTES);

/** The path of `name` in the folder `path`. Throws FileError if it cannot be the name of a file. */
export function child(path: Path, name: string): Path {
  if (name === '' || /[/\0]/.test(name)) throw new FileError(Errno.ENOENT);
  if (name === '.' || name === '..') throw new FileError(Errno.EEXIST);
  const bytes = new TextEncoder().encode(name).length;
  const length = path.reduce((sum, one) => sum + one.length + 1, bytes);
  if (bytes > MAX_NAME_BYTES || length > MAX_PATH_LENGTH) throw new FileError(Errno.ENAMETOOLONG);
  return [...path, name];
}

/** One step of a walk: '..' ends at the root. */
export function step(path: Path, name: string): Path {
  if (name === '..') return path.slice(0, -1);
  return name === '.' ? path : child(path, name);
}
