// A 9P client for the tests: requests by name, answers as the numbers and texts they hold.

import type { FileTree } from '../../../src/devices/p9/file-tree.ts';
import { Reader, Request, RLERROR, Writer } from '../../../src/devices/p9/message.ts';
import { P9Server } from '../../../src/devices/p9/server.ts';

export const MSIZE = 8192;
export const [READ, WRITE, READ_WRITE] = [0, 1, 2];
export const [EXCL, TRUNC, APPEND] = [0o200, 0o1000, 0o2000];

export class P9Error extends Error {
  readonly errno: number;
  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export class Client {
  readonly server: P9Server;
  #fids = 1;

  constructor(tree: FileTree) {
    this.server = new P9Server(tree);
  }

  /** Speaks the version and attaches fid 0. */
  static attached(tree: FileTree): Client {
    const client = new Client(tree);
    client.version();
    client.ask(Request.ATTACH, (out) => out.u32(0).u32(0xffffffff).text('root').text('').u32(0));
    return client;
  }

  version(size = MSIZE, text = '9P2000.L'): [number, string] {
    const answer = this.ask(Request.VERSION, (out) => out.u32(size).text(text));
    return [answer.u32(), answer.text()];
  }

  /** Throws P9Error for Rlerror. */
  ask(type: number, body: (out: Writer) => void, room = MSIZE): Reader {
    const out = new Writer();
    body(out);
    const answer = this.server.answer(out.finish(type, 7), room);
    if (answer.length > room) throw new Error(`an answer of ${answer.length} bytes where ${room} fit`);
    const of = new Reader(answer);
    const [size, got, tag] = [of.u32(), of.u8(), of.u16()];
    if (size !== answer.length || tag !== 7) throw new Error(`size ${size} of ${answer.length}, tag ${tag}`);
    if (got === RLERROR) throw new P9Error(of.u32());
    if (got !== type + 1) throw new Error(`answer ${got} to ${type}`);
    return of;
  }

  /** Walks to a path like 'a/b' and returns the new fid. */
  walk(path: string, from = 0): number {
    const names = path.split('/').filter((name) => name !== '');
    const fid = this.#fids++;
    const found = this.ask(Request.WALK, (out) => {
      out.u32(from).u32(fid).u16(names.length);
      for (const name of names) out.text(name);
    }).u16();
    if (found < names.length) throw new P9Error(2);
    return fid;
  }

  clunk(fid: number): void {
    this.ask(Request.CLUNK, (out) => out.u32(fid));
  }

  /** Uses a fid for `path` and lets go of it. */
  with<T>(path: string, use: (fid: number) => T): T {
    const fid = this.walk(path);
    try {
      return use(fid);
    } finally {
      this.clunk(fid);
    }
  }

  open(fid: number, flags: number): void {
    this.ask(Request.LOPEN, (out) => out.u32(fid).u32(flags));
  }

  /** Makes a file in the folder and returns its open fid. */
  create(folder: string, name: string, flags = READ_WRITE, mode = 0o644): number {
    const fid = this.walk(folder);
    this.ask(Request.LCREATE, (out) => out.u32(fid).text(name).u32(flags).u32(mode).u32(0));
    return fid;
  }

  read(fid: number, offset: bigint, count: number, room = MSIZE): Uint8Array {
    const answer = this.ask(Request.READ, (out) => out.u32(fid).u64(offset).u32(count), room);
    return answer.bytes(answer.u32());
  }

  write(fid: number, offset: bigint, bytes: Uint8Array): number {
    return this.ask(Request.WRITE, (out) => out.u32(fid).u64(offset).u32(bytes.length).bytes(bytes)).u32();
  }

  /** The whole of a file, opened for the purpose. */
  contents(path: string): string {
    return this.with(path, (fid) => {
      this.open(fid, READ);
      return new TextDecoder().decode(this.read(fid, 0n, 4096));
    });
  }

  names(path: string, count = 4096): string[] {
    return this.with(path, (fid) => {
      this.open(fid, READ);
      const names: string[] = [];
      for (let offset = 0n; ; ) {
        const answer = this.ask(Request.READDIR, (out) => out.u32(fid).u64(offset).u32(count));
        let left = answer.u32();
        if (left === 0) return names.sort();
        while (left > 0) {
          answer.bytes(13);
          offset = answer.u64();
          answer.u8();
          const name = answer.text();
          names.push(name);
          left -= 13 + 8 + 1 + 2 + utf8(name).length;
        }
      }
    });
  }

  stat(fid: number) {
    const of = this.ask(Request.GETATTR, (out) => out.u32(fid).u64(0x7ffn));
    const [valid, type, version, id] = [of.u64(), of.u8(), of.u32(), of.u64()];
    const [mode, uid, gid, links, device, size] = [of.u32(), of.u32(), of.u32(), of.u64(), of.u64(), of.u64()];
    of.bytes(16);
    const [accessed, , modified] = [of.u64(), of.u64(), of.u64()];
    return { valid, type, version, id, mode, uid, gid, links, device, size, accessed, modified };
  }

  setattr(fid: number, valid: number, values: { mode?: number; size?: bigint; seconds?: bigint } = {}): void {
    const { mode = 0, size = 0n, seconds = 0n } = values;
    this.ask(Request.SETATTR, (out) => {
      out.u32(fid).u32(valid).u32(mode).u32(0).u32(0).u64(size).u64(seconds).u64(0n).u64(seconds).u64(0n);
    });
  }

  /** Requests that name something in a folder: mkdir, symlink, .. */
  make(type: number, folder: string, name: string, rest: (out: Writer) => void): void {
    this.with(folder, (fid) => this.ask(type, (out) => rest(out.u32(fid).text(name))));
  }

  unlink(folder: string, name: string, flags = 0): void {
    this.make(Request.UNLINKAT, folder, name, (out) => out.u32(flags));
  }

  rename(fromFolder: string, from: string, toFolder: string, to: string): void {
    this.with(toFolder, (target) => this.make(Request.RENAMEAT, fromFolder, from, (out) => out.u32(target).text(to)));
  }
}
