// Files in memory: their owner's view of them, what they cost, and whose time they bear.
import { describe, expect, it } from 'vitest';
import { MemoryTree } from '../../../src/devices/p9/memory-tree.ts';
import { Request, type Writer } from '../../../src/devices/p9/message.ts';
import { Client, utf8 } from './client.ts';

const ENOSPC = 28;
const SIZE = 8;
const MIB = 1 << 20;
const modeAndGroup = (out: Writer): void => void out.u32(0o755).u32(0);
const fails = (errno: number, work: () => unknown): void => {
  expect(work).toThrow(`errno ${errno}`);
};

/** How often `work` can be done before it fails with ENOSPC. */
function untilFull(most: number, work: (count: number) => void): number {
  for (let count = 0; count < most; count++) {
    try {
      work(count);
    } catch (error) {
      expect(error).toMatchObject({ errno: ENOSPC });
      return count;
    }
  }
  return most;
}

describe('a tree in memory', () => {
  it('is filled and read by its owner', () => {
    const tree = new MemoryTree({ now: () => 1000 });
    tree.put('etc/motd', 'welcome');
    const client = Client.attached(tree);
    expect([client.contents('etc/motd'), client.stat(0).modified]).toEqual(['welcome', 1n]);
    const fid = client.create('etc', 'answer');
    client.write(fid, 0n, utf8('42'));
    expect([tree.get('etc/answer'), tree.get('etc'), tree.get('nothing')]).toEqual([utf8('42'), undefined, undefined]);
  });

  it('does not grow beyond its limit, with names, holes, or files that are gone', () => {
    const client = Client.attached(new MemoryTree({ limit: 8192 }));
    const fid = client.create('', 'file');
    fails(ENOSPC, () => client.write(fid, 1n << 40n, utf8('x')));
    client.setattr(fid, SIZE, { size: 6000n });
    client.unlink('', 'file');
    const other = client.create('', 'other');
    fails(ENOSPC, () => client.setattr(other, SIZE, { size: 6000n }));
    client.clunk(fid);
    client.setattr(other, SIZE, { size: 6000n });
    fails(ENOSPC, () => {
      for (let i = 0; i < 100; i++) client.make(Request.MKDIR, '', `folder-${i}`, modeAndGroup);
    });
  });

  it('counts every hard link', () => {
    const tree = new MemoryTree({ limit: MIB });
    tree.put('file', 'x');
    const links = untilFull(50_000, (count) => tree.link(['file'], [`link-${count}`]));
    expect(links).toBeGreaterThan(1000);
    expect(links).toBeLessThan(MIB / 128);
  });

  it('counts the targets of symbolic links and the letters of names', () => {
    const target = 't'.repeat(4000);
    const tree = new MemoryTree({ limit: MIB });
    expect(untilFull(50_000, (count) => tree.makeLink([`${count}`], target))).toBeLessThan(MIB / 8000);
    const names = new MemoryTree({ limit: MIB });
    const long = 'n'.repeat(240);
    expect(untilFull(50_000, (count) => names.makeDirectory([`${long}${count}`], 0o755))).toBeLessThan(MIB / 992);
  });

  it('gets everything back that was removed, renamed over, or let go of', () => {
    const tree = new MemoryTree({ limit: MIB });
    const before = tree.space();
    for (let round = 0; round < 50; round++) {
      tree.put('a', 'x'.repeat(10_000));
      tree.link(['a'], ['a-second-name']);
      tree.makeLink(['link'], 't'.repeat(1000));
      tree.put('b', 'y');
      tree.rename(['a'], ['b']);
      tree.rename(['link'], ['another-name-for-the-link']);
      const how = { read: true, write: false, truncate: false, append: false };
      const open = tree.open(['b'], how);
      for (const name of ['b', 'a-second-name', 'another-name-for-the-link']) tree.remove([name], false);
      open.close();
    }
    expect(tree.space()).toEqual(before);
  });

  it('bears the time of the machine that shares it, so that equal runs see equal dates', () => {
    const tree = new MemoryTree();
    tree.put('before', '');
    const powerOn = BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n;
    expect(tree.stat(['before']).modified).toBe(powerOn);
    tree.useClock(() => Date.UTC(2030, 0, 1));
    tree.put('later', '');
    expect(tree.stat(['later']).modified).toBe(BigInt(Date.UTC(2030, 0, 1)) * 1_000_000n);
    const own = new MemoryTree({ now: () => 7 });
    own.useClock(() => 8);
    own.put('file', '');
    expect(own.stat(['file']).modified).toBe(7_000_000n);
  });
});
