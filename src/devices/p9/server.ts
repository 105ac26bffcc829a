/**
 * A server for 9P2000.L, the variant of 9P that Linux speaks: messages in, messages out, no transport. Whatever a client
 * sends is answered, what makes no sense with Rlerror; every request is finished when its answer is there, so that there
 * is never anything to flush.
 */
import { copyOf, type Saved } from '../../saved.ts';
import { child, type Fid, type FidState, Fids, step } from './fids.ts';
import { Errno, type FileChanges, FileError, type FileStat, type FileTree, FileType } from './file-tree.ts';
import { namedFolder, openFolder } from './folders.ts';
import { Folder, type FolderState, Listings } from './listings.ts';
import { HEADER_BYTES, Reader, Request, RLERROR, Writer } from './message.ts';
import { walk } from './walk.ts';

const VERSION = '9P2000.L';
const MAX_MESSAGE_BYTES = 1 << 20;
const MIN_MESSAGE_BYTES = 4096;
const MAX_WALK = 16;
/** Entries of a folder in one answer: each may be a system call of the host. */
const MOST_LISTED = 1024;
const MAX_TARGET_LENGTH = 4095;
const NO_TAG = 0xffff;

const Qid = { DIRECTORY: 0x80, LINK: 0x02, FILE: 0 } as const;
/** Flags of open as Linux on x86 has them. */
const Open = { ACCESS: 3, WRITE_ONLY: 1, READ_WRITE: 2, EXCL: 0o200, TRUNC: 0o1000, APPEND: 0o2000 } as const;
const AT_REMOVEDIR = 0x200;
/** The fields that getattr fills: mode to blocks. */
const GETATTR_BASIC = 0x7ffn;
// biome-ignore format: one row
const Valid = { MODE: 1, UID: 2, GID: 4, SIZE: 8, ATIME: 0x10, MTIME: 0x20, ATIME_SET: 0x80, MTIME_SET: 0x100 } as const;
const LOCK_SUCCESS = 0;
const UNLOCKED = 2;
const V9FS_MAGIC = 0x0102_1997;
const NS = 1_000_000_000n;

/** Requests that change the tree. */
const CHANGES: ReadonlySet<number> = new Set<number>([
  Request.LCREATE,
  Request.SYMLINK,
  Request.MKNOD,
  Request.RENAME,
  Request.SETATTR,
  Request.LINK,
  Request.MKDIR,
  Request.RENAMEAT,
  Request.UNLINKAT,
  Request.WRITE,
  Request.REMOVE,
]);

/** The agreed length of messages, the fids, and the folders that are being read, by their fids. */
export type P9State = { limit: number; fids: FidState[]; listings: { fid: number; folder: FolderState }[] };

export class P9Server implements Saved<P9State> {
  readonly #tree: FileTree;
  readonly #listings = new Listings();
  readonly #fids = new Fids((fid) => this.#listings.forget(fid));
  /** The longest message either side may send; 0 before the version is agreed. */
  #limit = 0;
  readonly #requests: Partial<Record<number, (of: Reader, out: Writer, limit: number) => void>> = {
    [Request.VERSION]: (of, out) => this.#version(of, out),
    [Request.ATTACH]: (of, out) => this.#attach(of, out),
    [Request.FLUSH]: (of) => void of.u16(),
    [Request.WALK]: (of, out) => this.#walk(of, out),
    [Request.STATFS]: (of, out) => this.#statfs(of, out),
    [Request.LOPEN]: (of, out) => this.#lopen(of, out),
    [Request.LCREATE]: (of, out) => this.#lcreate(of, out),
    [Request.READ]: (of, out, limit) => this.#read(of, out, limit),
    [Request.WRITE]: (of, out) => this.#write(of, out),
    [Request.READDIR]: (of, out, limit) => this.#readdir(of, out, limit),
    [Request.CLUNK]: (of) => this.#fids.clunk(of.u32()),
    [Request.REMOVE]: (of) => this.#remove(of),
    [Request.GETATTR]: (of, out) => this.#getattr(of, out),
    [Request.SETATTR]: (of) => this.#setattr(of),
    [Request.READLINK]: (of, out) => void out.text(this.#tree.readLink(this.#fid(of).path)),
    [Request.SYMLINK]: (of, out) => this.#symlink(of, out),
    [Request.MKDIR]: (of, out) => this.#mkdir(of, out),
    [Request.MKNOD]: (of, out) => this.#mknod(of, out),
    [Request.LINK]: (of) => this.#link(of),
    [Request.RENAME]: (of) => this.#rename(this.#fid(of).path, of),
    [Request.RENAMEAT]: (of) => this.#rename(this.#child(of), of),
    [Request.UNLINKAT]: (of) => this.#tree.remove(this.#child(of), (of.u32() & AT_REMOVEDIR) !== 0),
    [Request.FSYNC]: (of) => this.#fid(of).file?.sync(),
    [Request.LOCK]: (of, out) => this.#lock(of, out),
    [Request.GETLOCK]: (of, out) => this.#getlock(of, out),
  };

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /** Forgets the client. */
  reset(): void {
    this.#fids.clear();
    this.#limit = 0;
  }

  save(): P9State {
    const listings = this.#listings.all.flatMap(({ reader, folder }) => {
      const fid = this.#fids.numberOf(reader);
      return fid === undefined ? [] : [{ fid, folder: folder.save() }];
    });
    return { limit: this.#limit, fids: this.#fids.save(), listings };
  }

  load({ limit, fids, listings }: P9State): void {
    this.#limit = limit;
    this.#fids.load(fids, (path, how) => this.#tree.open(path, how));
    for (const { fid: number, folder } of listings) {
      const fid = this.#fids.get(number);
      const make = (): Folder =>
        'entries' in folder ? Folder.of(copyOf(folder.entries)) : namedFolder(this.#tree, fid.path, folder.names);
      this.#listings.of(fid, true, make);
    }
  }

  /** The answer to `message`, of `room` bytes at most. `room` is at least that of an Rlerror, 11 bytes. */
  answer(message: Uint8Array, room: number): Uint8Array {
    const { type, tag } = header(message);
    const out = new Writer();
    try {
      const size = new Reader(message).u32();
      if (size < HEADER_BYTES || size > message.length) throw new FileError(Errno.EPROTO);
      if (type !== Request.VERSION && size > this.#limit) throw new FileError(Errno.EMSGSIZE);
      if (this.#tree.isReadOnly && CHANGES.has(type)) throw new FileError(Errno.EROFS);
      const limit = Math.min(room, this.#limit || MIN_MESSAGE_BYTES);
      const answer = this.#requests[type];
      if (!answer) throw new FileError(Errno.EOPNOTSUPP);
      answer(new Reader(message.subarray(HEADER_BYTES, size)), out, limit);
      if (out.length > limit) throw new FileError(Errno.EMSGSIZE);
      return out.finish(type + 1, tag);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      return new Writer().u32(error.errno).finish(RLERROR, tag);
    }
  }

  #version(of: Reader, out: Writer): void {
    const size = of.u32();
    const isKnown = of.text() === VERSION;
    this.reset();
    if (size < MIN_MESSAGE_BYTES) throw new FileError(Errno.EMSGSIZE);
    if (isKnown) this.#limit = Math.min(size, MAX_MESSAGE_BYTES);
    out.u32(Math.min(size, MAX_MESSAGE_BYTES)).text(isKnown ? VERSION : 'unknown');
  }

  #attach(of: Reader, out: Writer): void {
    if (this.#limit === 0) throw new FileError(Errno.EPROTO);
    const number = of.u32();
    const root = this.#tree.stat([]);
    this.#fids.add(number, []);
    putQid(out, root);
  }

  #walk(of: Reader, out: Writer): void {
    const fid = this.#fid(of);
    const number = of.u32();
    const count = of.u16();
    if (count > MAX_WALK) throw new FileError(Errno.EINVAL);
    const names = Array.from({ length: count }, () => of.text());
    const found = walk(this.#tree, fid.path, names);
    const path = names.slice(0, found.length).reduce(step, fid.path);
    if (found.length === count) {
      if (this.#fids.find(number) === fid) {
        if (fid.file || fid.isFolder) throw new FileError(Errno.EBADF);
        this.#fids.lead(fid, path);
      } else this.#fids.add(number, path);
    }
    out.u16(found.length);
    for (const stat of found) putQid(out, stat);
  }

  #statfs(of: Reader, out: Writer): void {
    this.#fid(of);
    const { blockBytes, blocks, free, files, freeFiles } = this.#tree.space();
    out.u32(V9FS_MAGIC).u32(blockBytes).u64(blocks).u64(free).u64(free).u64(files).u64(freeFiles).u64(0n).u32(255);
  }

  #lopen(of: Reader, out: Writer): void {
    const fid = this.#fid(of);
    const flags = of.u32();
    const stat = this.#tree.stat(fid.path);
    const type = stat.mode & FileType.MASK;
    const how = howTo(flags);
    if (how.write && this.#tree.isReadOnly) throw new FileError(Errno.EROFS);
    if (type === FileType.DIRECTORY) {
      if (how.write) throw new FileError(Errno.EISDIR);
      fid.isFolder = true;
    } else if (type === FileType.FILE) this.#fids.open(fid, how, () => this.#tree.open(fid.path, how));
    else throw new FileError(type === FileType.LINK ? Errno.ELOOP : Errno.EOPNOTSUPP);
    putQid(out, stat);
    out.u32(0);
  }

  #lcreate(of: Reader, out: Writer): void {
    const fid = this.#fid(of);
    const path = child(fid.path, of.text());
    const flags = of.u32();
    const create = { mode: of.u32() & 0o7777, exclusive: (flags & Open.EXCL) !== 0 };
    const folder = fid.path;
    this.#fids.lead(fid, path);
    try {
      this.#fids.open(fid, howTo(flags), () => this.#tree.open(path, { ...howTo(flags), create }));
    } catch (error) {
      this.#fids.lead(fid, folder);
      throw error;
    }
    putQid(out, this.#tree.stat(path));
    out.u32(0);
  }

  #read(of: Reader, out: Writer, limit: number): void {
    const { file } = this.#fid(of);
    const offset = of.size();
    const count = of.u32();
    if (!file) throw new FileError(Errno.EBADF);
    const room = limit - HEADER_BYTES - 4;
    const bytes = new Uint8Array(Math.max(0, Math.min(count, room)));
    const length = file.read(offset, bytes);
    out.u32(length).bytes(bytes.subarray(0, length));
  }

  #write(of: Reader, out: Writer): void {
    const { file } = this.#fid(of);
    const offset = of.size();
    const bytes = of.bytes(of.u32());
    if (!file) throw new FileError(Errno.EBADF);
    out.u32(file.write(offset, bytes));
  }

  #readdir(of: Reader, out: Writer, limit: number): void {
    const fid = this.#fid(of);
    const from = of.u64();
    const count = of.u32();
    if (!fid.isFolder) throw new FileError(Errno.EBADF);
    const room = Math.min(count, limit - HEADER_BYTES - 4);
    const data = new Writer();
    const folder = this.#listings.of(fid, from === 0n, () => openFolder(this.#tree, fid.path));
    const { length } = folder.names;
    const first = from < BigInt(length) ? Number(from) : length;
    let end = HEADER_BYTES;
    for (let at = first; at < Math.min(first + MOST_LISTED, length); at++) {
      const entry = folder.entry(at);
      const { name, mode } = entry;
      putQid(data, { ...entry, modified: 0n, size: 0n });
      data
        .u64(BigInt(at + 1))
        .u8((mode & FileType.MASK) >> 12)
        .text(name);
      if (data.length - HEADER_BYTES > room) break;
      end = data.length;
    }
    if (end === HEADER_BYTES) {
      this.#listings.forget(fid);
      if (data.length > end) throw new FileError(Errno.EINVAL);
    }
    out.u32(end - HEADER_BYTES).bytes(data.finish(0, 0).subarray(HEADER_BYTES, end));
  }

  /** A removal clunks its fid, whether or not it succeeds. */
  #remove(of: Reader): void {
    const number = of.u32();
    const { path } = this.#fids.get(number);
    this.#fids.clunk(number);
    const isDirectory = (this.#tree.stat(path).mode & FileType.MASK) === FileType.DIRECTORY;
    if (path.length === 0) throw new FileError(Errno.EBUSY);
    this.#tree.remove(path, isDirectory);
  }

  #getattr(of: Reader, out: Writer): void {
    const stat = this.#stat(this.#fid(of));
    out.u64(GETATTR_BASIC);
    putQid(out, stat);
    out.u32(stat.mode).u32(stat.uid).u32(stat.gid).u64(stat.links).u64(stat.device);
    out.u64(stat.size).u64(stat.blockBytes).u64(stat.blocks);
    for (const time of [stat.accessed, stat.modified, stat.changed, 0n]) out.u64(time / NS).u64(time % NS);
    out.u64(0n).u64(0n);
  }

  #setattr(of: Reader): void {
    const fid = this.#fid(of);
    const valid = of.u32();
    const [mode, uid, gid] = [of.u32(), of.u32(), of.u32()];
    const size = valid & Valid.SIZE ? of.size() : of.bytes(8).length;
    const time = (): bigint => BigInt.asIntN(64, of.u64()) * NS + (of.u64() % NS);
    const [accessed, modified] = [time(), time()];
    const changes: FileChanges = {};
    if (valid & Valid.MODE) changes.mode = mode & 0o7777;
    if (valid & Valid.UID) changes.uid = uid;
    if (valid & Valid.GID) changes.gid = gid;
    if (valid & Valid.ATIME) changes.accessed = valid & Valid.ATIME_SET ? accessed : 'now';
    if (valid & Valid.MTIME) changes.modified = valid & Valid.MTIME_SET ? modified : 'now';
    if (valid & Valid.SIZE) changes.size = size;
    if (Object.keys(changes).length === 0) return;
    if (fid.file) fid.file.change(changes);
    else this.#tree.change(fid.path, changes);
  }

  #symlink(of: Reader, out: Writer): void {
    const path = this.#child(of);
    const target = of.text();
    if (target === '' || target.includes('\0')) throw new FileError(Errno.ENOENT);
    if (target.length > MAX_TARGET_LENGTH) throw new FileError(Errno.ENAMETOOLONG);
    this.#tree.makeLink(path, target);
    putQid(out, this.#tree.stat(path));
  }

  #mkdir(of: Reader, out: Writer): void {
    const path = this.#child(of);
    this.#tree.makeDirectory(path, of.u32() & 0o7777);
    putQid(out, this.#tree.stat(path));
  }

  /** Only regular files: a device of the host is not the guest's to make. */
  #mknod(of: Reader, out: Writer): void {
    const path = this.#child(of);
    const mode = of.u32();
    const type = mode & FileType.MASK;
    if (type !== FileType.FILE && type !== 0) throw new FileError(Errno.EPERM);
    const create = { mode: mode & 0o7777, exclusive: true };
    this.#tree.open(path, { read: false, write: true, truncate: false, append: false, create }).close();
    putQid(out, this.#tree.stat(path));
  }

  #link(of: Reader): void {
    const folder = this.#fid(of).path;
    const from = this.#fid(of).path;
    this.#tree.link(from, child(folder, of.text()));
  }

  #rename(from: readonly string[], of: Reader): void {
    const to = this.#child(of);
    if (from.length === 0) throw new FileError(Errno.EBUSY);
    if (to.length > from.length && from.every((name, at) => to[at] === name)) throw new FileError(Errno.EINVAL);
    this.#fids.checkMove(from, to);
    this.#tree.rename(from, to);
    this.#fids.moved(from, to);
  }

  /** There is one client, whose kernel keeps the locks among its programs. */
  #lock(of: Reader, out: Writer): void {
    this.#fid(of);
    out.u8(LOCK_SUCCESS);
  }

  #getlock(of: Reader, out: Writer): void {
    this.#fid(of);
    of.u8();
    out.u8(UNLOCKED).u64(of.u64()).u64(of.u64()).u32(of.u32()).text(of.text());
  }

  #fid(of: Reader): Fid {
    return this.#fids.get(of.u32());
  }

  /** A folder's fid, and the name of something in it. */
  #child(of: Reader): readonly string[] {
    return child(this.#fid(of).path, of.text());
  }

  #stat({ file, path }: Fid): FileStat {
    return file ? file.stat() : this.#tree.stat(path);
  }
}

function header(message: Uint8Array): { type: number; tag: number } {
  if (message.length < HEADER_BYTES) return { type: 0, tag: NO_TAG };
  return { type: message[4], tag: message[5] | (message[6] << 8) };
}

function howTo(flags: number) {
  const access = flags & Open.ACCESS;
  const write = access === Open.WRITE_ONLY || access === Open.READ_WRITE;
  return {
    read: access !== Open.WRITE_ONLY,
    write,
    truncate: write && (flags & Open.TRUNC) !== 0,
    append: (flags & Open.APPEND) !== 0,
  };
}

/** type[1] version[4] path[8]; the version changes with the contents. */
function putQid(out: Writer, stat: Pick<FileStat, 'id' | 'mode' | 'modified' | 'size'>): void {
  const type = stat.mode & FileType.MASK;
  out.u8(type === FileType.DIRECTORY ? Qid.DIRECTORY : type === FileType.LINK ? Qid.LINK : Qid.FILE);
  out.u32(Number(BigInt.asUintN(32, stat.modified ^ (stat.size << 8n)))).u64(stat.id);
}
