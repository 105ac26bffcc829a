// What a client can make the server keep is counted in bytes.
import { describe, expect, it } from 'vitest';
import type { DirectoryEntry } from '../../../src/devices/p9/file-tree.ts';
import { Folder, Listings } from '../../../src/devices/p9/listings.ts';
import { MemoryTree } from '../../../src/devices/p9/memory-tree.ts';
import { Request } from '../../../src/devices/p9/message.ts';
import { Client, READ } from './client.ts';

const [ENOMEM, ENFILE] = [12, 23];
const MIB = 1 << 20;

const names = (count: number): string[] => Array.from({ length: count }, (_, id) => `${id}`.padStart(36, 'n'));
const entryOf = (name: string, id: number): DirectoryEntry => ({ name, id: BigInt(id), mode: 0o100644 });
const folderOf = (count: number): Folder => new Folder(names(count), () => []);

describe('listings', () => {
  it('keep the latest where they are too many, and make the others anew', () => {
    const listings = new Listings();
    const folder = folderOf(50_000); // 200 bytes each: six of them are within 64 MiB
    let made = 0;
    const make = (): Folder => {
      made++;
      return folder;
    };
    const readers = Array.from({ length: 100 }, () => ({}));
    for (const reader of readers) listings.of(reader, true, make);
    expect(listings.bytes).toBeLessThanOrEqual(64 * MIB);
    expect(listings.bytes).toBeGreaterThan(48 * MIB);
    listings.of(readers[99], false, make);
    expect(made).toBe(100);
    expect(listings.of(readers[0], false, make)).toBe(folder);
    expect(made).toBe(101);
    for (const reader of readers) listings.forget(reader);
    expect(listings.bytes).toBe(0);
  });

  it('are refused where one alone is too long', () => {
    expect(() => new Listings().of({}, true, () => folderOf(400_000))).toThrow(`error ${ENOMEM}`);
  });
});

it('a folder that many fids read is listed for each, and costs what the limit says', () => {
  const tree = new MemoryTree();
  const name = (id: number): string => `${id}`.padStart(200, 'n');
  for (let id = 0; id < 3000; id++) tree.put(name(id), '');
  let listed = 0;
  const list = tree.list.bind(tree);
  tree.list = (path) => {
    listed++;
    return list(path);
  };
  const client = Client.attached(tree);
  const next = (fid: number, from: bigint): number =>
    client.ask(Request.READDIR, (out) => out.u32(fid).u64(from).u32(8000)).u32();
  const fids = Array.from({ length: 100 }, () => client.walk(''));
  for (const fid of fids) client.open(fid, READ);
  expect(listed).toBe(0); // opening keeps nothing
  for (const fid of fids) next(fid, 0n);
  expect(listed).toBe(100);
  expect(next(fids[0], 30n)).toBeGreaterThan(0); // its listing went, and is made anew
  expect(listed).toBe(101);
  next(fids[0], 60n);
  expect(listed).toBe(101);
});

describe('a folder of a tree that knows names faster than files', () => {
  const COUNT = 5000;
  const GONE = '17'.padStart(36, 'n');
  const lazyTree = () => {
    const looks: number[] = [];
    const tree = Object.assign(new MemoryTree(), {
      names: () => names(COUNT),
      entries: (_path: unknown, wanted: readonly string[]) => {
        looks.push(wanted.length);
        return wanted.map((name) =>
          name === GONE ? { name, id: 0n, mode: 0 } : entryOf(name, Number(name.replaceAll('n', ''))),
        );
      },
    });
    return { tree, looks };
  };
  /** The names of a whole folder, the types by name, and how many files were looked at for each answer. */
  const readAll = (client: Client, looks: number[]) => {
    const fid = client.walk('');
    client.open(fid, READ);
    const types = new Map<string, number>();
    const perAnswer: number[] = [];
    for (let from = 0n; ; ) {
      looks.length = 0;
      const answer = client.ask(Request.READDIR, (out) =>
        out
          .u32(fid)
          .u64(from)
          .u32(1 << 20),
      );
      perAnswer.push(looks.reduce((sum, n) => sum + n, 0));
      const length = answer.u32();
      if (length === 0) return { types, perAnswer };
      for (let left = length; left > 0; ) {
        answer.bytes(13);
        from = answer.u64();
        const type = answer.bytes(1)[0];
        const name = answer.text();
        left -= 13 + 8 + 1 + 2 + name.length;
        types.set(name, type);
      }
    }
  };

  it('is read whole, but in answers for which few files are looked at', () => {
    const { tree, looks } = lazyTree();
    const { types, perAnswer } = readAll(Client.attached(tree), looks);
    expect([...types.keys()]).toEqual(['.', '..', ...names(COUNT)]);
    expect(Math.max(...perAnswer)).toBeLessThanOrEqual(1024);
    expect(perAnswer.reduce((sum, n) => sum + n, 0)).toBe(COUNT);
  });

  it('shows a file that went since as one of unknown type', () => {
    const { tree, looks } = lazyTree();
    const { types } = readAll(Client.attached(tree), looks);
    expect([types.get(GONE), types.get('18'.padStart(36, 'n'))]).toEqual([0, 8]); // DT_UNKNOWN, DT_REG
  });
});

describe('fids', () => {
  it('that lie deep are fewer, since each keeps its path', () => {
    const client = Client.attached(new MemoryTree());
    const names = Array.from({ length: 16 }, () => 'n'.repeat(200));
    for (let depth = 0; depth < names.length; depth++) {
      client.make(Request.MKDIR, names.slice(0, depth).join('/'), names[depth], (out) => out.u32(0o755).u32(0));
    }
    const deep = (): number => client.walk(names.join('/'));
    let count = 0;
    expect(() => {
      for (; count < 65536; count++) deep();
    }).toThrow(`errno ${ENFILE}`);
    expect(count).toBeGreaterThan(1000);
    expect(count).toBeLessThan((32 * MIB) / (16 * 400));
  });

  it('do not grow beyond it by a rename of what they lie in', () => {
    const client = Client.attached(new MemoryTree());
    const mkdir = (folder: string, name: string): void =>
      client.make(Request.MKDIR, folder, name, (out) => out.u32(0o755).u32(0));
    mkdir('', 'a');
    const long = 'n'.repeat(250);
    for (let depth = 0; depth < 15; depth++) mkdir(Array(depth).fill(long).join('/'), long);
    for (let count = 0; count < 30_000; count++) client.walk('a');
    const deep = Array(15).fill(long).join('/');
    expect(() => client.rename('', 'a', deep, 'a')).toThrow(`errno ${ENFILE}`);
    client.rename('', 'a', '', 'b');
    client.clunk(client.walk('b'));
  });
});
