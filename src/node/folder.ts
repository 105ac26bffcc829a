/**
 * A folder of the host as a tree of files. Nothing outside of it is ever touched: a symbolic link is the guest's to
 * resolve and is not followed here, neither as the last name nor on the way. On Linux the way goes through descriptors
 * of the folders, so that not even a folder that becomes a link at the wrong moment leads us out; on other
 * systems every folder is looked at before it is entered.
 */
import fs, { constants } from 'node:fs';
import { check, checkOptions, isFlag, isText } from '../checks.ts';
import {
  type DirectoryEntry,
  Errno,
  type FileChanges,
  FileError,
  type FileStat,
  type FileTree,
  type OpenFile,
  type OpenHow,
  type Path,
  type Space,
} from '../devices/p9/file-tree.ts';
import { untilError } from '../devices/p9/walk.ts';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } =
  constants;
/** Linux: a descriptor for the file itself, without opening it. */
const O_PATH = 0o10000000;
const BY_DESCRIPTOR = '/proc/self/fd';
/** Neither a link nor a pipe without a writer leads us astray. */
const SAFELY = O_NOFOLLOW | O_NONBLOCK;
/** A guest's setuid program is not one of the host. */
const MODE = 0o1777;
const NS_PER_SECOND = 1e9;
const LAST_SECOND = 2 ** 33;
/** Of a folder that is listed: more than this many are ENOMEM. */
const MOST_ENTRIES = 1 << 19;

export interface HostFolderOptions {
  isReadOnly?: boolean;
  /** Report that an owner could not be changed, instead of leaving it as it was. */
  reportsOwner?: boolean;
}

export class HostFolder implements FileTree {
  readonly isReadOnly: boolean;
  readonly #root: string;
  readonly #reportsOwner: boolean;
  readonly #usesDescriptors = process.platform === 'linux' && fs.existsSync(BY_DESCRIPTOR);
  readonly #devices = new Map<bigint, bigint>();

  /** Throws RangeError if `path` is no folder. */
  constructor(path: string, options: HostFolderOptions = {}) {
    check('HostFolder: path', path, isText);
    checkOptions('HostFolder', options, { isReadOnly: isFlag, reportsOwner: isFlag });
    const { isReadOnly = false, reportsOwner = false } = options;
    if (!fs.statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new RangeError(`${path} is no folder`);
    this.#root = fs.realpathSync(path);
    this.isReadOnly = isReadOnly;
    this.#reportsOwner = reportsOwner;
  }

  stat(path: Path): FileStat {
    return this.#at(path, (file) => this.#statOf(fs.lstatSync(file, { bigint: true })));
  }

  walk(path: Path, names: readonly string[]): FileStat[] {
    return this.#inside(path, (start, opened) => {
      const found: FileStat[] = [];
      let folder = start;
      untilError(names, found, (name) => {
        if (found.length > 0) folder = this.#enter(`${folder}/${names[found.length - 1]}`, opened);
        return this.#statOf(fs.lstatSync(`${folder}/${name}`, { bigint: true }));
      });
      return found;
    });
  }

  list(path: Path): DirectoryEntry[] {
    return this.entries(path, this.names(path)).filter(({ mode }) => mode !== 0);
  }

  names(path: Path): string[] {
    return this.#inside(path, (folder) => {
      const names: string[] = [];
      const open = fs.opendirSync(folder, { bufferSize: 256 });
      try {
        for (let entry = open.readSync(); entry; entry = open.readSync()) {
          if (names.length >= MOST_ENTRIES) throw new FileError(Errno.ENOMEM);
          names.push(entry.name);
        }
      } finally {
        open.closeSync();
      }
      return names;
    });
  }

  entries(path: Path, names: readonly string[]): DirectoryEntry[] {
    return this.#inside(path, (folder) =>
      names.map((name) => {
        const stat = fs.lstatSync(`${folder}/${name}`, { bigint: true, throwIfNoEntry: false });
        return stat ? { name, id: this.#id(stat), mode: Number(stat.mode) } : { name, id: 0n, mode: 0 };
      }),
    );
  }

  open(path: Path, { read, write, truncate, append, create }: OpenHow): OpenFile {
    const access = write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY;
    const creating = create ? O_CREAT | (create.exclusive ? O_EXCL : 0) : 0;
    const flags = access | SAFELY | creating | (truncate ? O_TRUNC : 0) | (append ? O_APPEND : 0);
    return this.#handle(this.#at(path, (file) => openFile(file, flags, create?.mode)));
  }

  makeDirectory(path: Path, mode: number): void {
    this.#at(path, (file) => fs.mkdirSync(file, mode & MODE));
  }

  makeLink(path: Path, target: string): void {
    this.#at(path, (file) => fs.symlinkSync(target, file));
  }

  readLink(path: Path): string {
    return this.#at(path, (file) => fs.readlinkSync(file));
  }

  link(from: Path, to: Path): void {
    this.#at(from, (old) => this.#at(to, (file) => fs.linkSync(old, file)));
  }

  rename(from: Path, to: Path): void {
    this.#at(from, (old) => this.#at(to, (file) => fs.renameSync(old, file)));
  }

  remove(path: Path, isDirectory: boolean): void {
    this.#at(path, (file) => (isDirectory ? fs.rmdirSync(file) : fs.unlinkSync(file)));
  }

  change(path: Path, { mode, uid = -1, gid = -1, size, accessed, modified }: FileChanges): void {
    this.#at(path, (file) => {
      if (size !== undefined) {
        const fd = openFile(file, O_WRONLY | SAFELY);
        closing(fd, () => fs.ftruncateSync(fd, size));
      }
      if (mode !== undefined) this.#changeMode(file, mode & MODE);
      if (uid >= 0 || gid >= 0) this.#tryOwner(() => fs.lchownSync(file, uid, gid));
      if (accessed === undefined && modified === undefined) return;
      const { atimeNs, mtimeNs } = fs.lstatSync(file, { bigint: true });
      fs.lutimesSync(file, seconds(accessed ?? atimeNs), seconds(modified ?? mtimeNs));
    });
  }

  space(): Space {
    const { bsize, blocks, bavail, files, ffree } = failing(() => fs.statfsSync(this.#root, { bigint: true }));
    return { blockBytes: Number(bsize), blocks, free: bavail, files, freeFiles: ffree };
  }

  #handle(fd: number): OpenFile {
    return {
      change: (changes) => failing(() => this.#changeOpen(fd, changes)),
      read: (offset, into) => failing(() => fs.readSync(fd, into, 0, into.length, offset)),
      write: (offset, from) => failing(() => fs.writeSync(fd, from, 0, from.length, offset)),
      stat: () => failing(() => this.#statOf(fs.fstatSync(fd, { bigint: true }))),
      sync: () => failing(() => fs.fsyncSync(fd)),
      close: () => failing(() => fs.closeSync(fd)),
    };
  }

  #changeOpen(fd: number, { mode, uid = -1, gid = -1, size, accessed, modified }: FileChanges): void {
    if (size !== undefined) this.#changeSize(fd, size);
    if (mode !== undefined) fs.fchmodSync(fd, mode & MODE);
    if (uid >= 0 || gid >= 0) this.#tryOwner(() => fs.fchownSync(fd, uid, gid));
    if (accessed === undefined && modified === undefined) return;
    const { atimeNs, mtimeNs } = fs.fstatSync(fd, { bigint: true });
    fs.futimesSync(fd, seconds(accessed ?? atimeNs), seconds(modified ?? mtimeNs));
  }

  /** The client has checked its user's rights, and a descriptor that only reads does not speak against them. */
  #changeSize(fd: number, size: number): void {
    try {
      fs.ftruncateSync(fd, size);
    } catch (error) {
      if (!this.#usesDescriptors || (error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
      const writer = fs.openSync(`${BY_DESCRIPTOR}/${fd}`, O_WRONLY | O_NONBLOCK);
      closing(writer, () => fs.ftruncateSync(writer, size));
    }
  }

  #changeMode(file: string, mode: number): void {
    if (!this.#usesDescriptors) {
      if (fs.lstatSync(file).isSymbolicLink()) throw new FileError(Errno.EOPNOTSUPP);
      fs.chmodSync(file, mode);
      return;
    }
    const fd = fs.openSync(file, O_PATH | O_NOFOLLOW);
    closing(fd, () => fs.chmodSync(`${BY_DESCRIPTOR}/${fd}`, mode));
  }

  #tryOwner(change: () => void): void {
    try {
      change();
    } catch (error) {
      if (this.#reportsOwner || (error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    }
  }

  /** Calls `use` with a name for the file, whose folder cannot be exchanged meanwhile. */
  #at<T>(path: Path, use: (file: string) => T): T {
    if (path.length === 0) return failing(() => use(this.#root));
    return this.#inside(path.slice(0, -1), (folder) => use(`${folder}/${path[path.length - 1]}`));
  }

  #inside<T>(path: Path, use: (folder: string, opened: number[]) => T): T {
    return failing(() => {
      const opened: number[] = [];
      try {
        return use(
          path.reduce((folder, name) => this.#enter(`${folder}/${name}`, opened), this.#root),
          opened,
        );
      } finally {
        for (const fd of opened) fs.closeSync(fd);
      }
    });
  }

  #enter(folder: string, opened: number[]): string {
    if (!this.#usesDescriptors) {
      if (!fs.lstatSync(folder).isDirectory()) throw new FileError(Errno.ENOTDIR);
      return folder;
    }
    const fd = fs.openSync(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    opened.push(fd);
    return `${BY_DESCRIPTOR}/${fd}`;
  }

  #statOf(stat: fs.BigIntStats): FileStat {
    return {
      id: this.#id(stat),
      mode: Number(stat.mode),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      links: stat.nlink,
      device: stat.rdev,
      size: stat.size,
      blockBytes: stat.blksize,
      blocks: stat.blocks,
      accessed: stat.atimeNs,
      modified: stat.mtimeNs,
      changed: stat.ctimeNs,
    };
  }

  /** File systems of the host number their files each for itself. */
  #id({ dev, ino }: fs.BigIntStats): bigint {
    const device = this.#devices.get(dev) ?? BigInt(this.#devices.size);
    this.#devices.set(dev, device);
    return BigInt.asUintN(64, ino ^ (device << 56n));
  }
}

function openFile(file: string, flags: number, mode = 0): number {
  const isNew = (flags & O_CREAT) !== 0 && fs.lstatSync(file, { throwIfNoEntry: false }) === undefined;
  const fd = fs.openSync(file, flags, mode & MODE);
  try {
    if (!fs.fstatSync(fd).isFile()) throw new FileError(Errno.EOPNOTSUPP);
    if (isNew) fs.fchmodSync(fd, mode & MODE);
    return fd;
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

function closing(fd: number, use: () => void): void {
  try {
    use();
  } finally {
    fs.closeSync(fd);
  }
}

function seconds(time: bigint | 'now'): number {
  return time === 'now' ? Date.now() / 1000 : Math.max(0, Math.min(Number(time) / NS_PER_SECOND, LAST_SECOND));
}

/** Makes the host's errors those of the tree. */
function failing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof FileError || code === undefined) throw error;
    if (code.startsWith('ERR_')) throw new FileError(Errno.EINVAL, String(error));
    throw new FileError(Errno[code as keyof typeof Errno] ?? Errno.EIO, String(error));
  }
}
