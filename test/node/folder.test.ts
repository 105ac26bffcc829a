// A shared folder: whatever the guest asks for, nothing outside of the folder is read or changed.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FileError } from '../../src/devices/p9/file-tree.ts';
import { HostFolder } from '../../src/node/folder.ts';

const READ = { read: true, write: false, truncate: false, append: false };
const CREATE = { ...READ, write: true, create: { mode: 0o644, exclusive: false } };

let outside = '';
let tree: HostFolder;
beforeEach(() => {
  outside = fs.mkdtempSync(join(tmpdir(), 'vmlaunch-folder-'));
  fs.mkdirSync(join(outside, 'shared'));
  fs.mkdirSync(join(outside, 'private'));
  fs.writeFileSync(join(outside, 'private/secret'), 'secret');
  tree = new HostFolder(join(outside, 'shared'));
});
afterEach(() => {
  fs.rmSync(outside, { recursive: true });
});

const snapshot = (): string =>
  fs
    .readdirSync(join(outside, 'private'))
    .map((name) => {
      const { mode, mtimeMs, uid } = fs.lstatSync(join(outside, 'private', name));
      return [name, mode, mtimeMs, uid, fs.readFileSync(join(outside, 'private', name), 'utf8')].join();
    })
    .join('\n');

describe('a walk', () => {
  const deep = Array.from({ length: 40 }, (_, n) => `level${n}`);

  it('finds what each step would, up to the first that leads nowhere', () => {
    fs.mkdirSync(join(outside, 'shared/a/b'), { recursive: true });
    fs.writeFileSync(join(outside, 'shared/a/b/file'), 'x');
    tree.makeLink(['a', 'way'], '../../private');
    const each = [['a'], ['a', 'b'], ['a', 'b', 'file']].map((path) => tree.stat(path));
    expect(tree.walk([], ['a', 'b', 'file'])).toEqual(each);
    expect(tree.walk(['a'], ['b', 'file', 'x'])).toEqual(each.slice(1));
    expect(tree.walk([], ['a', 'gone', 'b'])).toEqual(each.slice(0, 1));
    expect(tree.walk(['a'], ['way', 'secret'])).toEqual([tree.stat(['a', 'way'])]);
    expect(() => tree.walk(['a'], ['gone', 'b'])).toThrow(FileError);
  });

  it('opens every folder on its way once', () => {
    fs.mkdirSync(join(outside, 'shared', ...deep), { recursive: true });
    const open = vi.spyOn(fs, 'openSync');
    expect(tree.walk(deep.slice(0, 24), deep.slice(24))).toHaveLength(16);
    expect(open.mock.calls.length).toBeLessThanOrEqual(40);
    open.mockRestore();
  });
});

describe('a folder of the host', () => {
  it('is not left through a link to a folder outside', () => {
    tree.makeLink(['way'], '../private');
    const before = snapshot();
    const path = ['way', 'secret'];
    const tries: (() => unknown)[] = [
      () => tree.stat(path),
      () => tree.open(path, READ),
      () => tree.open(['way', 'new'], CREATE),
      () => tree.list(['way']),
      () => tree.makeDirectory(['way', 'new'], 0o755),
      () => tree.makeLink(['way', 'new'], 'x'),
      () => tree.readLink(path),
      () => tree.link(path, ['stolen']),
      () => tree.rename(path, ['stolen']),
      () => tree.rename(['way'], ['way', 'new']),
      () => tree.remove(path, false),
      () => tree.change(path, { mode: 0o777 }),
    ];
    for (const attempt of tries) expect(attempt).toThrow(FileError);
    expect(snapshot()).toBe(before);
    expect(fs.readdirSync(join(outside, 'shared'))).toEqual(['way']);
  });

  it('is not left through a link to a file outside', () => {
    tree.makeLink(['way'], '../private/secret');
    const before = snapshot();
    expect(() => tree.open(['way'], READ)).toThrow(FileError);
    expect(() => tree.open(['way'], CREATE)).toThrow(FileError);
    expect(() => tree.change(['way'], { size: 0 })).toThrow(FileError);
    expect(() => tree.change(['way'], { mode: 0o777 })).toThrow(FileError);
    tree.change(['way'], { uid: 12345, modified: 0n, accessed: 'now' });
    tree.link(['way'], ['other']);
    expect(fs.lstatSync(join(outside, 'shared/other')).isSymbolicLink()).toBe(true);
    expect(snapshot()).toBe(before);
  });

  it('is named by a link itself without harm', () => {
    fs.symlinkSync(join(outside, 'shared'), join(outside, 'link'));
    const linked = new HostFolder(join(outside, 'link'));
    linked.open(['file'], CREATE).close();
    expect(tree.list([]).map(({ name }) => name)).toEqual(['file']);
  });

  it('passes no setuid bits on', () => {
    tree.open(['file'], { ...CREATE, create: { mode: 0o6755, exclusive: true } }).close();
    tree.change(['file'], { mode: 0o6711 });
    expect(fs.statSync(join(outside, 'shared/file')).mode & 0o7777).toBe(0o711);
  });

  it('does not wait for a pipe', () => {
    execFileSync('mkfifo', [join(outside, 'shared/pipe')]);
    expect(() => tree.open(['pipe'], READ)).toThrow(FileError);
  });

  it('closes every descriptor it opened on the way', () => {
    tree.makeDirectory(['a'], 0o755);
    tree.makeDirectory(['a', 'b'], 0o755);
    const count = (): number => (fs.existsSync('/proc/self/fd') ? fs.readdirSync('/proc/self/fd').length : 0);
    const before = count();
    for (let i = 0; i < 10; i++) {
      tree.open(['a', 'b', 'file'], CREATE).close();
      expect(() => tree.stat(['a', 'b', 'file', 'c', 'd'])).toThrow(FileError);
      expect(() => tree.stat(['a', 'x', 'y'])).toThrow(FileError);
    }
    expect(count()).toBe(before);
  });

  it('must exist', () => {
    expect(() => new HostFolder(join(outside, 'nothing'))).toThrow('nothing is no folder');
    expect(() => new HostFolder(join(outside, 'private/secret'))).toThrow(/is no folder/);
  });
});
