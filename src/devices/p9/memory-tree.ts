/** A tree of files in memory: what a page shares with its guest over 9P, where there is no folder of a host. */
import { check, checkOptions, isBytes, isEither, isFlag, isFunction, isInteger, isText } from '../../checks.ts';
import {
  type DirectoryEntry,
  Errno,
  type FileChanges,
  FileError,
  type FileStat,
  type FileTree,
  FileType,
  type OpenFile,
  type OpenHow,
  type Path,
  type Space,
} from './file-tree.ts';

const BLOCK = 4096;
const SECTOR = 512;
const NS_PER_MS = 1_000_000n;
const DEFAULT_LIMIT = 256 << 20;
/** What a file costs besides its contents, and each of its names besides the letters: empty ones are not without end. */
const NODE_BYTES = 512;
const NAME_BYTES = 128;
const EMPTY = new Uint8Array(0);
/** The date of what is there before a machine brings its clock: the one that a machine has at power-on. */
const POWER_ON = Date.UTC(2026, 0, 1);

interface Node {
  id: bigint;
  mode: number;
  uid: number;
  gid: number;
  links: bigint;
  /** Handles; the contents of a removed file last as long as they do. */
  opens: number;
  accessed: bigint;
  modified: bigint;
  changed: bigint;
  children?: Map<string, Node>;
  target?: string;
  /** Room for the contents; the first `size` bytes are they. */
  data: Uint8Array;
  size: number;
}

export interface MemoryTreeOptions {
  isReadOnly?: boolean;
  /** Bytes that the guest may fill, with what we hold for files, names and links; 256 MiB if absent. */
  limit?: number;
  /** Milliseconds since 1970; those of the machine's clock if absent, so that equal runs see equal dates. */
  now?: () => number;
}

const OPTIONS = { isReadOnly: isFlag, limit: isInteger(0, Number.MAX_SAFE_INTEGER), now: isFunction };

export class MemoryTree implements FileTree {
  readonly isReadOnly: boolean;
  readonly #limit: number;
  #now: () => number;
  readonly #hasOwnClock: boolean;
  #nodes = 0n;
  #used = 0;
  readonly #root: Node;

  constructor(options: MemoryTreeOptions = {}) {
    checkOptions('MemoryTree', options, OPTIONS);
    const { isReadOnly = false, limit = DEFAULT_LIMIT, now } = options;
    this.isReadOnly = isReadOnly;
    this.#limit = limit;
    this.#now = now ?? (() => POWER_ON);
    this.#hasOwnClock = now !== undefined;
    this.#root = this.#make(FileType.DIRECTORY | 0o755);
  }

  useClock(now: () => number): void {
    if (!this.#hasOwnClock) this.#now = now;
  }

  /** Writes a whole file, and makes the folders that it lies in. `path` is like 'etc/motd'. */
  put(path: string, contents: Uint8Array | string): void {
    check('MemoryTree.put: contents', contents, isEither(isBytes, isText));
    const names = namesOf(path);
    if (names.length === 0) throw new RangeError(`MemoryTree.put: '${path}' names no file`);
    for (let depth = 1; depth < names.length; depth++) {
      const folder = names.slice(0, depth);
      if (!this.#find(folder)) this.makeDirectory(folder, 0o755);
    }
    const create = { mode: 0o644, exclusive: false };
    const file = this.open(names, { read: false, write: true, truncate: true, append: false, create });
    try {
      file.write(0, typeof contents === 'string' ? new TextEncoder().encode(contents) : contents);
    } finally {
      file.close();
    }
  }

  /** A copy of a file's contents; undefined if there is no such file. */
  get(path: string): Uint8Array | undefined {
    const node = this.#find(namesOf(path));
    return node && typeOf(node) === FileType.FILE ? node.data.slice(0, node.size) : undefined;
  }

  stat(path: Path): FileStat {
    return statOf(this.#at(path));
  }

  list(path: Path): DirectoryEntry[] {
    return [...this.#folder(path)].map(([name, { id, mode }]) => ({ name, id, mode }));
  }

  open(path: Path, how: OpenHow): OpenFile {
    let node = this.#find(path);
    if (node && how.create?.exclusive) throw new FileError(Errno.EEXIST);
    if (!node && how.create) node = this.#add(path, this.#make(FileType.FILE | how.create.mode));
    if (!node) throw new FileError(Errno.ENOENT);
    if (typeOf(node) !== FileType.FILE) throw new FileError(node.children ? Errno.EISDIR : Errno.ELOOP);
    if (how.truncate && how.write) this.#resize(node, 0);
    return this.#handle(node, how);
  }

  makeDirectory(path: Path, mode: number): void {
    this.#add(path, this.#make(FileType.DIRECTORY | mode));
  }

  makeLink(path: Path, target: string): void {
    const node = this.#make(FileType.LINK | 0o777);
    node.target = target;
    this.#add(path, node);
  }

  readLink(path: Path): string {
    const { target } = this.#at(path);
    if (target === undefined) throw new FileError(Errno.EINVAL);
    return target;
  }

  link(from: Path, to: Path): void {
    const node = this.#at(from);
    if (node.children) throw new FileError(Errno.EPERM);
    this.#add(to, node, false);
    node.links++;
    node.changed = this.#time();
  }

  rename(from: Path, to: Path): void {
    const node = this.#at(from);
    const there = this.#find(to);
    if (there === node) return;
    if (there) {
      if (node.children && !there.children) throw new FileError(Errno.ENOTDIR);
      if (!node.children && there.children) throw new FileError(Errno.EISDIR);
    }
    const folder = this.#parent(to);
    if (there) this.remove(to, there.children !== undefined);
    this.#charge(nameCost(to) - nameCost(from));
    this.#parent(from).delete(name(from));
    folder.set(name(to), node);
    node.changed = this.#time();
  }

  remove(path: Path, isDirectory: boolean): void {
    const node = this.#at(path);
    const parent = this.#parent(path);
    if (isDirectory !== (node.children !== undefined)) throw new FileError(isDirectory ? Errno.ENOTDIR : Errno.EISDIR);
    if (node.children && node.children.size > 0) throw new FileError(Errno.ENOTEMPTY);
    parent.delete(name(path));
    this.#charge(-nameCost(path));
    node.links--;
    node.changed = this.#time();
    this.#release(node);
  }

  #release(node: Node): void {
    if (node.links === 0n && node.opens === 0) this.#charge(-nodeCost(node));
  }

  change(path: Path, changes: FileChanges): void {
    this.#change(this.#at(path), changes);
  }

  #change(node: Node, changes: FileChanges): void {
    const now = this.#time();
    const { mode, uid = node.uid, gid = node.gid, size, accessed, modified } = changes;
    if (size !== undefined) {
      if (typeOf(node) !== FileType.FILE) throw new FileError(node.children ? Errno.EISDIR : Errno.EINVAL);
      this.#resize(node, size);
    }
    if (mode !== undefined) node.mode = typeOf(node) | mode;
    Object.assign(node, { uid, gid, changed: now });
    if (accessed !== undefined) node.accessed = accessed === 'now' ? now : accessed;
    if (modified !== undefined) node.modified = modified === 'now' ? now : modified;
  }

  space(): Space {
    const blocks = (bytes: number): bigint => BigInt(Math.floor(Math.max(0, bytes) / BLOCK));
    const free = this.#limit - this.#used;
    return {
      blockBytes: BLOCK,
      blocks: blocks(this.#limit),
      free: blocks(free),
      files: BigInt(Math.floor(this.#limit / NODE_BYTES)),
      freeFiles: BigInt(Math.floor(Math.max(0, free) / NODE_BYTES)),
    };
  }

  #handle(node: Node, { append, read, write }: OpenHow): OpenFile {
    node.opens++;
    return {
      read: (offset, into) => {
        if (!read) throw new FileError(Errno.EBADF);
        const part = node.data.subarray(Math.min(offset, node.size), Math.min(offset + into.length, node.size));
        into.set(part);
        return part.length;
      },
      write: (offset, from) => {
        if (!write) throw new FileError(Errno.EBADF);
        const at = append ? node.size : offset;
        if (at + from.length > node.size) this.#resize(node, at + from.length);
        node.data.set(from, at);
        node.modified = node.changed = this.#time();
        return from.length;
      },
      stat: () => statOf(node),
      change: (changes) => this.#change(node, changes),
      sync: () => {},
      close: () => {
        node.opens--;
        this.#release(node);
      },
    };
  }

  /** Bytes between the old and the new end read as zeros. */
  #resize(node: Node, size: number): void {
    if (size > node.data.length) {
      const wanted = Math.max(size, Math.min(2 * node.data.length, size + (16 << 20)));
      this.#charge(wanted - node.data.length);
      const larger = new Uint8Array(wanted);
      larger.set(node.data.subarray(0, node.size));
      node.data = larger;
    } else if (size < node.size) {
      this.#charge(size - node.data.length);
      node.data = node.data.slice(0, size);
    }
    node.size = size;
    node.modified = node.changed = this.#time();
  }

  #charge(bytes: number): void {
    if (bytes > 0 && this.#used + bytes > this.#limit) throw new FileError(Errno.ENOSPC);
    this.#used += bytes;
  }

  #make(mode: number): Node {
    const now = this.#time();
    const isDirectory = (mode & FileType.MASK) === FileType.DIRECTORY;
    return {
      id: ++this.#nodes,
      mode,
      uid: 0,
      gid: 0,
      links: 1n,
      opens: 0,
      accessed: now,
      modified: now,
      changed: now,
      children: isDirectory ? new Map() : undefined,
      data: EMPTY,
      size: 0,
    };
  }

  #add(path: Path, node: Node, isNew = true): Node {
    const folder = this.#parent(path);
    if (folder.has(name(path))) throw new FileError(Errno.EEXIST);
    this.#charge(nameCost(path) + (isNew ? nodeCost(node) : 0));
    folder.set(name(path), node);
    return node;
  }

  /** Throws ENOTDIR if something on the way is no folder. */
  #find(path: Path): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const one of path) {
      if (!node) return undefined;
      if (!node.children) throw new FileError(Errno.ENOTDIR);
      node = node.children.get(one);
    }
    return node;
  }

  #at(path: Path): Node {
    const node = this.#find(path);
    if (!node) throw new FileError(Errno.ENOENT);
    return node;
  }

  #folder(path: Path): Map<string, Node> {
    const { children } = this.#at(path);
    if (!children) throw new FileError(Errno.ENOTDIR);
    return children;
  }

  #parent(path: Path): Map<string, Node> {
    if (path.length === 0) throw new FileError(Errno.EBUSY);
    return this.#folder(path.slice(0, -1));
  }

  #time(): bigint {
    return BigInt(Math.floor(this.#now())) * NS_PER_MS;
  }
}

function namesOf(path: string): string[] {
  check('MemoryTree: path', path, isText);
  const names = path.split('/').filter((part) => part !== '');
  const wrong = names.find((one) => one === '.' || one === '..' || one.includes('\0'));
  if (wrong !== undefined) throw new RangeError(`MemoryTree: path '${path}': no file is called '${wrong}'`);
  return names;
}
const name = (path: Path): string => path[path.length - 1];
const typeOf = (node: Node): number => node.mode & FileType.MASK;
const nameCost = (path: Path): number => NAME_BYTES + 2 * name(path).length;
const nodeCost = ({ data, target = '' }: Node): number => NODE_BYTES + data.length + 2 * target.length;

function statOf(node: Node): FileStat {
  const { id, mode, uid, gid, links, accessed, modified, changed } = node;
  const size = BigInt(node.target?.length ?? node.size);
  const blocks = (size + BigInt(SECTOR - 1)) / BigInt(SECTOR);
  return {
    id,
    mode,
    uid,
    gid,
    links,
    device: 0n,
    size,
    blockBytes: BigInt(BLOCK),
    blocks,
    accessed,
    modified,
    changed,
  };
}
