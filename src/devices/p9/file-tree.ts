/**
 * What a 9P server serves: a tree of files, named by paths from its root. The server has checked the names (none is
 * empty, '.', '..' or holds a slash or a NUL); a tree never follows a symbolic link, in the last name or before it.
 */

/** Names from the root; empty for the root itself. */
export type Path = readonly string[];

/** Linux's error numbers, as 9P2000.L carries them. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  EBADF: 9,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EPROTO: 71,
  EILSEQ: 84,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EDQUOT: 122,
} as const;
export type Errno = (typeof Errno)[keyof typeof Errno];

/** A request that fails with one of Linux's error numbers. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly errno: Errno;

  constructor(errno: Errno, message = `error ${errno}`) {
    super(message);
    this.errno = errno;
  }
}

/** Type bits of a mode: POSIX's S_IFMT and what it can hold. */
export const FileType = { MASK: 0o170000, DIRECTORY: 0o040000, FILE: 0o100000, LINK: 0o120000 } as const;

export interface FileStat {
  /** Unlike that of any other file of the tree, as long as the file exists. */
  id: bigint;
  mode: number;
  uid: number;
  gid: number;
  links: bigint;
  device: bigint;
  size: bigint;
  blockBytes: bigint;
  /** Of 512 bytes. */
  blocks: bigint;
  /** Nanoseconds since 1970. */
  accessed: bigint;
  modified: bigint;
  changed: bigint;
}

export type DirectoryEntry = { name: string; id: bigint; mode: number };

export interface OpenHow {
  read: boolean;
  write: boolean;
  truncate: boolean;
  append: boolean;
  /** Make the file, with this mode, where it does not exist. */
  create?: { mode: number; exclusive: boolean };
}

export interface OpenFile {
  /** Fills `into` from `offset` on; returns how many bytes there were. */
  read(offset: number, into: Uint8Array): number;
  write(offset: number, from: Uint8Array): number;
  stat(): FileStat;
  /** Changes the file that was opened, whatever its path leads to by now. */
  change(changes: FileChanges): void;
  sync(): void;
  close(): void;
}

/** What is to be changed; a time may be the tree's own. */
export interface FileChanges {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  accessed?: bigint | 'now';
  modified?: bigint | 'now';
}

export interface Space {
  blockBytes: number;
  blocks: bigint;
  free: bigint;
  files: bigint;
  freeFiles: bigint;
}

/** Every method throws FileError, and nothing else, where it cannot do what is asked. */
export interface FileTree {
  readonly isReadOnly: boolean;
  /** Called by a machine that shares the tree: milliseconds since 1970 as its guest counts them. */
  useClock?(now: () => number): void;
  stat(path: Path): FileStat;
  /**
   * What `stat` tells of each step from `path` by `names`, of which none is a dot, up to the first that leads nowhere; it
   * throws if that is the first. For trees that find a step faster from the one before.
   */
  walk?(path: Path, names: readonly string[]): FileStat[];
  list(path: Path): DirectoryEntry[];
  /**
   * The names of a list alone, and what some of them are, with mode 0 where there is no such file any more. For trees that
   * know names much faster than files: a folder is then read in pieces.
   */
  names?(path: Path): string[];
  entries?(path: Path, names: readonly string[]): DirectoryEntry[];
  /** Opens a regular file. */
  open(path: Path, how: OpenHow): OpenFile;
  makeDirectory(path: Path, mode: number): void;
  makeLink(path: Path, target: string): void;
  readLink(path: Path): string;
  /** Gives the file at `from` a second name. */
  link(from: Path, to: Path): void;
  rename(from: Path, to: Path): void;
  remove(path: Path, isDirectory: boolean): void;
  change(path: Path, changes: FileChanges): void;
  space(): Space;
}
