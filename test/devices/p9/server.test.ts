// The 9P server over both kinds of tree: what a Linux client asks, and what no client should.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileTree } from '../../../src/devices/p9/file-tree.ts';
import { MemoryTree } from '../../../src/devices/p9/memory-tree.ts';
import { Request, type Writer } from '../../../src/devices/p9/message.ts';
import { P9Server } from '../../../src/devices/p9/server.ts';
import { HostFolder } from '../../../src/node/folder.ts';
import { APPEND, Client, EXCL, MSIZE, READ, READ_WRITE, TRUNC, utf8, WRITE } from './client.ts';

const [EPERM, ENOENT, EBADF, EBUSY, EEXIST, ENOTDIR, EISDIR, EINVAL] = [1, 2, 9, 16, 17, 20, 21, 22];
const [EFBIG, EROFS, ENAMETOOLONG, ENOTEMPTY, ELOOP, EPROTO, EILSEQ, EMSGSIZE, EOPNOTSUPP] = [
  27, 30, 36, 39, 40, 71, 84, 90, 95,
];
const REMOVEDIR = 0x200;
const [MODE, SIZE, ATIME, MTIME, ATIME_SET, MTIME_SET] = [1, 8, 0x10, 0x20, 0x80, 0x100];
const modeAndGroup = (out: Writer): void => void out.u32(0o755).u32(0);

const fails = (errno: number, work: () => unknown): void => {
  expect(work).toThrow(`errno ${errno}`);
};

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmlaunch-p9-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const trees: [string, (isReadOnly?: boolean) => FileTree][] = [
  ['memory', (isReadOnly) => new MemoryTree({ isReadOnly })],
  ['a folder of the host', (isReadOnly) => new HostFolder(folder, { isReadOnly })],
];

describe.each(trees)('a tree in %s', (_name, make) => {
  const attached = (): Client => Client.attached(make());

  it('keeps what is written to a file', () => {
    const client = attached();
    const fid = client.create('', 'hello');
    expect(client.write(fid, 0n, utf8('hello, world'))).toBe(12);
    client.write(fid, 7n, utf8('9P'));
    client.ask(Request.FSYNC, (out) => out.u32(fid).u32(0));
    client.clunk(fid);
    expect(client.contents('hello')).toBe('hello, 9Prld');
    expect(client.names('')).toEqual(['.', '..', 'hello']);
  });

  it('tells what a file is', () => {
    const client = attached();
    const fid = client.create('', 'file', READ_WRITE, 0o640);
    client.write(fid, 0n, utf8('12345'));
    expect(client.stat(fid)).toMatchObject({ valid: 0x7ffn, type: 0, mode: 0o100640, links: 1n, size: 5n });
    expect(client.stat(0)).toMatchObject({ type: 0x80, mode: expect.toSatisfy((mode) => mode >> 12 === 4) });
    expect(client.stat(0).id).not.toBe(client.stat(fid).id);
  });

  it('changes mode, size and times', () => {
    const client = attached();
    client.clunk(client.create('', 'file'));
    const stat = client.with('file', (fid) => {
      client.setattr(fid, SIZE, { size: 7n });
      client.setattr(fid, MODE, { mode: 0o104600 });
      client.setattr(fid, ATIME | MTIME | ATIME_SET | MTIME_SET, { seconds: 1_000_000_000n });
      return client.stat(fid);
    });
    expect(stat).toMatchObject({ size: 7n, accessed: 1_000_000_000n, modified: 1_000_000_000n });
    expect(stat.mode & 0o777).toBe(0o600);
    expect(client.contents('file')).toBe('\0'.repeat(7));
  });

  it('makes, renames and removes folders, and fids follow', () => {
    const client = attached();
    client.make(Request.MKDIR, '', 'a', modeAndGroup);
    client.make(Request.MKDIR, 'a', 'b', modeAndGroup);
    client.clunk(client.create('a/b', 'file'));
    const inside = client.walk('a/b/file');
    client.rename('', 'a', '', 'c');
    expect(client.stat(inside).size).toBe(0n);
    expect(client.names('c/b')).toEqual(['.', '..', 'file']);
    fails(ENOTEMPTY, () => client.unlink('c', 'b', REMOVEDIR));
    client.ask(Request.REMOVE, (out) => out.u32(inside));
    fails(EBADF, () => client.clunk(inside));
    client.unlink('c', 'b', REMOVEDIR);
    expect(client.names('c')).toEqual(['.', '..']);
  });

  it('renames over a file, but not a folder into itself', () => {
    const client = attached();
    for (const name of ['old', 'new']) {
      const fid = client.create('', name);
      client.write(fid, 0n, utf8(name));
      client.clunk(fid);
    }
    client.rename('', 'old', '', 'new');
    expect([client.names(''), client.contents('new')]).toEqual([['.', '..', 'new'], 'old']);
    client.make(Request.MKDIR, '', 'a', modeAndGroup);
    client.with('a', (a) => fails(EINVAL, () => client.ask(Request.RENAME, (out) => out.u32(a).u32(a).text('b'))));
    fails(EBUSY, () => client.with('a', (a) => client.ask(Request.RENAME, (out) => out.u32(0).u32(a).text('b'))));
  });

  it('keeps symbolic links for the client to follow', () => {
    const client = attached();
    client.make(Request.SYMLINK, '', 'link', (out) => out.text('../../etc/passwd').u32(0));
    client.with('link', (fid) => {
      expect(client.ask(Request.READLINK, (out) => out.u32(fid)).text()).toBe('../../etc/passwd');
      expect(client.stat(fid)).toMatchObject({ type: 2, size: 16n });
      fails(ELOOP, () => client.open(fid, READ));
    });
    fails(ENOTDIR, () => client.ask(Request.WALK, (out) => out.u32(client.walk('link')).u32(99).u16(1).text('x')));
  });

  it('gives a file a second name', () => {
    const client = attached();
    client.clunk(client.create('', 'one'));
    client.with('one', (fid) => client.ask(Request.LINK, (out) => out.u32(0).u32(fid).text('two')));
    client.with('two', (fid) => expect(client.stat(fid).links).toBe(2n));
    client.unlink('', 'one');
    expect(client.names('')).toEqual(['.', '..', 'two']);
  });

  it('lets an open file live on after its removal', () => {
    const client = attached();
    const fid = client.create('', 'gone');
    client.unlink('', 'gone');
    client.write(fid, 0n, utf8('still here'));
    expect([client.stat(fid).size, client.read(fid, 6n, 100)]).toEqual([10n, utf8('here')]);
    client.clunk(fid);
    fails(ENOENT, () => client.walk('gone'));
  });

  it('changes size, mode and times of an open file that was removed, as POSIX has it', () => {
    const client = attached();
    const fid = client.create('', 'gone', READ_WRITE, 0o644);
    client.write(fid, 0n, utf8('still here'));
    client.unlink('', 'gone');
    client.setattr(fid, SIZE | MTIME, { size: 5n });
    client.setattr(fid, MODE, { mode: 0o600 });
    client.setattr(fid, ATIME | MTIME | ATIME_SET | MTIME_SET, { seconds: 1_000_000_000n });
    const { size, mode, accessed, modified } = client.stat(fid);
    expect([size, mode & 0o777, accessed, modified]).toEqual([5n, 0o600, 1_000_000_000n, 1_000_000_000n]);
    expect(client.read(fid, 0n, 100)).toEqual(utf8('still'));
  });

  it('changes the file that is open, not another one that has its name by now', () => {
    const client = attached();
    const fid = client.create('', 'name', READ_WRITE, 0o644);
    client.unlink('', 'name');
    client.clunk(client.create('', 'name', READ_WRITE, 0o644));
    client.setattr(fid, MODE, { mode: 0o600 });
    client.with('name', (other) => expect(client.stat(other).mode & 0o777).toBe(0o644));
  });

  it('lets the size be changed through a fid that is open for reading', () => {
    const client = attached();
    client.clunk(client.create('', 'file'));
    const fid = client.walk('file');
    client.open(fid, READ);
    client.setattr(fid, SIZE, { size: 3n });
    expect(client.stat(fid).size).toBe(3n);
  });

  it.each([1, 2, 5, 12, 24])(
    'lists a folder of any length whose names have %i letters more than a number',
    (letters) => {
      const client = attached();
      const names: string[] = [];
      for (let count = 0; count < 40; count++) {
        names.push(`${'f'.repeat(letters)}${count}`);
        client.clunk(client.create('', names[count]));
        expect(client.names('')).toEqual(['.', '..', ...names].sort());
      }
    },
  );

  it('opens as it is told: exclusive, truncating, appending', () => {
    const client = attached();
    const fid = client.create('', 'file', WRITE);
    client.write(fid, 0n, utf8('abc'));
    fails(EBADF, () => client.read(fid, 0n, 3));
    client.clunk(fid);
    fails(EEXIST, () => client.create('', 'file', WRITE | EXCL));
    client.with('file', (again) => {
      client.open(again, WRITE | APPEND);
      client.write(again, 0n, utf8('def'));
    });
    expect(client.contents('file')).toBe('abcdef');
    client.with('file', (again) => client.open(again, READ | TRUNC));
    expect(client.contents('file')).toBe('abcdef');
    client.with('file', (again) => client.open(again, WRITE | TRUNC));
    expect(client.contents('file')).toBe('');
  });

  it('reads a folder in as many parts as its client wants', () => {
    const client = attached();
    const names = Array.from({ length: 40 }, (_, i) => `file-${i}`);
    for (const name of names) client.make(Request.MKNOD, '', name, (out) => out.u32(0o100644).u32(0).u32(0).u32(0));
    expect(client.names('', 100)).toEqual(['.', '..', ...names].sort());
    fails(EINVAL, () => client.names('', 10));
  });

  it('refuses every change where it is read-only', () => {
    const client = Client.attached(make(true));
    fails(EROFS, () => client.create('', 'file'));
    fails(EROFS, () => client.make(Request.MKDIR, '', 'a', modeAndGroup));
    fails(EROFS, () => client.setattr(0, MODE, { mode: 0o777 }));
    expect(client.names('')).toEqual(['.', '..']);
  });

  it('makes no devices', () => {
    fails(EPERM, () => attached().make(Request.MKNOD, '', 'sda', (out) => out.u32(0o60644).u32(8).u32(0).u32(0)));
  });

  it('walks to the root and no further up', () => {
    const client = attached();
    client.make(Request.MKDIR, '', 'a', modeAndGroup);
    client.with('a/../../..', (fid) => expect(client.stat(fid).id).toBe(client.stat(0).id));
  });

  it.each([
    ['../up', ENOENT],
    ['..', EEXIST],
    ['.', EEXIST],
    ['', ENOENT],
    ['a\0b', ENOENT],
    ['n'.repeat(256), ENAMETOOLONG],
  ])('makes nothing of the name %j', (name, errno) => {
    const client = attached();
    fails(errno, () => client.create('', name));
    fails(errno, () => client.make(Request.MKDIR, '', name, modeAndGroup));
    expect(client.names('')).toEqual(['.', '..']);
  });

  it('walks partly where a name is missing, and keeps the fid then', () => {
    const client = attached();
    client.make(Request.MKDIR, '', 'a', modeAndGroup);
    const found = client.ask(Request.WALK, (out) => out.u32(0).u32(50).u16(2).text('a').text('b')).u16();
    expect(found).toBe(1);
    fails(EBADF, () => client.clunk(50));
  });

  it('has room for figures of the space', () => {
    const of = attached().ask(Request.STATFS, (out) => out.u32(0));
    expect([of.u32(), of.u32() >= 512, of.u64() > 0n]).toEqual([0x01021997, true, true]);
  });

  it('answers whatever it gets, and stays within the room', () => {
    const types = [...Object.values(Request), 6, 30, 102, 255];
    const field = fc.oneof(
      fc.constantFrom('a', 'b', '..', '.', 'a/b', '').map((text) => (out: Writer) => void out.text(text)),
      fc.constantFrom(0, 1, 2, 3, 17, 0x241, 0xffffffff).map((value) => (out: Writer) => void out.u32(value)),
      fc.constantFrom(0n, 5n, 1n << 40n, (1n << 64n) - 1n).map((value) => (out: Writer) => void out.u64(value)),
      fc.nat(300).map((value) => (out: Writer) => void out.u16(value)),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => (out: Writer) => void out.bytes(bytes)),
    );
    const message = fc.record({
      type: fc.constantFrom(...types),
      fields: fc.array(field, { maxLength: 8 }),
      room: fc.constantFrom(11, 12, 30, 200, MSIZE),
    });
    const property = fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
      const client = attached();
      for (const { type, fields, room } of messages) {
        try {
          client.ask(type, (out) => fields.forEach((put) => void put(out)), room);
        } catch (error) {
          expect(String(error)).toMatch(/errno/);
        }
      }
      client.server.reset();
    });
    fc.assert(property, { seed: 20261122, numRuns: 150 });
  });
});

describe('a 9P server', () => {
  const attached = (): Client => Client.attached(new MemoryTree());

  it('agrees on the version and the shorter message', () => {
    const client = new Client(new MemoryTree());
    expect(client.version(65536)).toEqual([65536, '9P2000.L']);
    expect(client.version(0xffffffff)).toEqual([1 << 20, '9P2000.L']);
    expect(client.version(8192, '9P2000.u')).toEqual([8192, 'unknown']);
    fails(EMSGSIZE, () => client.version(1000));
  });

  it('answers nothing but the version before there is one', () => {
    const client = new Client(new MemoryTree());
    fails(EMSGSIZE, () => client.ask(Request.ATTACH, (out) => out.u32(0).u32(0).text('').text('').u32(0)));
  });

  it('refuses a walk of 17 names', () => {
    const walk = (out: Writer): void => {
      out.u32(0).u32(5).u16(17);
      for (let i = 0; i < 17; i++) out.text('..');
    };
    fails(EINVAL, () => attached().ask(Request.WALK, walk));
  });

  it.each([
    ['a header alone', [7, 0, 0, 0, Request.WALK, 1, 0], EPROTO],
    ['a size below the header', [6, 0, 0, 0, Request.CLUNK, 1, 0], EPROTO],
    ['a size beyond the message', [12, 0, 0, 0, Request.CLUNK, 1, 0, 0, 0, 0, 0], EPROTO],
    ['a message beyond the agreed size', [0, 0, 1, 0, Request.CLUNK, 1, 0, ...new Array(65536).fill(0)], EMSGSIZE],
    ['an unknown type', [7, 0, 0, 0, 99, 1, 0], EOPNOTSUPP],
    ['a fid that is not in use', [11, 0, 0, 0, Request.CLUNK, 1, 0, 9, 9, 9, 9], EBADF],
    ['a name that is no UTF-8', [18, 0, 0, 0, Request.WALK, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0xff], EPROTO],
    ['a name that is no UTF-8', [20, 0, 0, 0, Request.WALK, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0xff], EILSEQ],
  ])('answers Rlerror to %s', (_name, bytes, errno) => {
    const answer = attached().server.answer(Uint8Array.from(bytes), MSIZE);
    expect([...answer]).toEqual([11, 0, 0, 0, 7, 1, 0, errno, 0, 0, 0]);
  });

  it('answers even what is too short to have a tag', () => {
    const answer = new P9Server(new MemoryTree()).answer(new Uint8Array(3), 11);
    expect([...answer]).toEqual([11, 0, 0, 0, 7, 0xff, 0xff, EPROTO, 0, 0, 0]);
  });

  it('refuses a fid that is in use, for attach and for walk', () => {
    const client = attached();
    fails(EBADF, () => client.ask(Request.ATTACH, (out) => out.u32(0).u32(0).text('').text('').u32(0)));
    const other = client.walk('');
    fails(EBADF, () => client.ask(Request.WALK, (out) => out.u32(0).u32(other).u16(0)));
  });

  it('opens a fid once', () => {
    const client = attached();
    const fid = client.create('', 'file');
    fails(EBADF, () => client.open(fid, READ));
    fails(EISDIR, () => client.open(0, WRITE));
  });

  it('has a bound for open files', () => {
    const client = attached();
    client.clunk(client.create('', 'file'));
    const open = (): void => client.open(client.walk('file'), READ);
    for (let i = 0; i < 1000; i++) open();
    fails(24, open);
  });

  it('takes no offset that a number cannot hold', () => {
    const client = attached();
    const fid = client.create('', 'file');
    fails(EFBIG, () => client.write(fid, 1n << 63n, utf8('x')));
    fails(EFBIG, () => client.setattr(fid, SIZE, { size: 1n << 60n }));
  });

  it('forgets its fids when the version is spoken again', () => {
    const client = attached();
    client.version();
    fails(EBADF, () => client.stat(0));
  });

  it('grants every lock, since there is one client', () => {
    const client = attached();
    const fid = client.create('', 'file');
    const range = (out: Writer): Writer => out.u64(0n).u64(10n).u32(1).text('client');
    expect(client.ask(Request.LOCK, (out) => range(out.u32(fid).u8(1).u32(0))).u8()).toBe(0);
    expect(client.ask(Request.GETLOCK, (out) => range(out.u32(fid).u8(1))).u8()).toBe(2);
  });

  it('has no extended attributes', () => {
    fails(EOPNOTSUPP, () => attached().ask(30, (out) => out.u32(0).u32(1).text('user.x')));
  });
});
