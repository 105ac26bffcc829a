// What a client can make the server keep is counted in bytes.
import { describe, expect, it } from 'vitest';
import type { DirectoryEntry } from '../../../src/devices/p9/file-tree.ts';
import { Listings } from '../../../src/devices/p9/listings.ts';
import { MemoryTree } from '../../../src/devices/p9/memory-tree.ts';
import { Request } from '../../../src/devices/p9/message.ts';
import { Client, READ } from './client.ts';

const [ENOMEM, ENFILE] = [12, 23];
const MIB = 1 << 20;

const entries = (count: number): DirectoryEntry[] =>
  Array.from({ length: count }, (_, id) => ({ name: `${id}`.padStart(36, 'n'), id: BigInt(id), mode: 0o100644 }));

describe('listings', () => {
  it('keep the latest where they are too many, and make the others anew', () => {
    const listings = new Listings();
    const folder = entries(50_000); // 200 bytes each: six of them are within 64 MiB
    let made = 0;
    const make = (): DirectoryEntry[] => {
      made++;
      return folder;
    };
    const readers = Array.from({ length: 100 }, () => ({}));
    for (const reader of readers) listings.of(reader, true, make);
    expect(listings.bytes).toBeLessThanOrEqual(64 * MIB);
    expect(listings.bytes).toBeGreaterThan(48 * MIB);
    listings.of(readers[99], false, make);
    expect(made).toBe(100);
    expect(listings.of(readers[0], false, make)).toHaveLength(50_000);
    expect(made).toBe(101);
    for (const reader of readers) listings.forget(reader);
    expect(listings.bytes).toBe(0);
  });

  it('are refused where one alone is too long', () => {
    expect(() => new Listings().of({}, true, () => entries(400_000))).toThrow(`error ${ENOMEM}`);
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
