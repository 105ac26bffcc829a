// Locks on images: QEMU's tools see ours and we see theirs, between processes and without the program that takes them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDisk } from '../../src/node/image-file.ts';
import { isLocked } from '../../src/node/image-lock.ts';
import { makeFolder } from '../devices/block/image-lab.ts';
import { qemuImg, qemuImgOk, qemuProgram } from '../devices/block/qemu-img.ts';

vi.setConfig({ testTimeout: 60_000 });
const folder = makeFolder();
const image = folder.path('a.qcow2');
const running: ChildProcess[] = [];
const PATH = process.env.PATH;

beforeEach(() => void qemuImgOk('create', '-q', '-f', 'qcow2', image, '8M'));
afterEach(async () => {
  process.env.PATH = PATH;
  for (const child of running.splice(0)) await ended(child);
});
afterAll(folder.remove);

async function ended(child: ChildProcess): Promise<void> {
  const isOver = child.exitCode !== null || child.signalCode !== null;
  child.kill('SIGKILL');
  if (!isOver) await once(child, 'close');
}

/** Starts a process that opens the image, and waits until it says something: then it has it open. */
async function start(program: string, ...args: string[]): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  running.push(child);
  await once(child.stdout, 'data');
  return child;
}
const qemu = (...args: string[]): Promise<ChildProcess> => start(qemuProgram('qemu-io'), '-f', 'qcow2', ...args, image);
const writer = (): Promise<ChildProcess> =>
  start(process.execPath, '--import', 'tsx', resolve(import.meta.dirname, 'writer.ts'), image);

/** Only these programs can be started from now on. */
function withPath(...programs: string[]): void {
  const bin = folder.path(`bin-${programs.join('-')}`);
  mkdirSync(bin, { recursive: true });
  for (const program of programs) symlinkSync(join('/usr/bin', program), join(bin, program));
  process.env.PATH = bin;
}

describe('an image that we write', () => {
  it("is refused by QEMU's tools, which read it with force-share only, until it is closed", () => {
    const disk = openDisk(image);
    for (const args of [['info'], ['check'], ['snapshot', '-c', 'now'], ['resize', '--shrink', '-f', 'qcow2']]) {
      const { status, text } = qemuImg(...args, image, ...(args[0] === 'resize' ? ['1M'] : []));
      expect([status, text]).toEqual([1, expect.stringMatching(/Failed to get (shared )?"\w+" lock/)]);
    }
    expect(qemuImgOk('info', '-U', image)).toContain('virtual size: 8 MiB');
    disk.close();
    expect(qemuImgOk('check', image)).toContain('No errors');
  });

  it('with file.locking=off is open to everybody', () => {
    const disk = openDisk(image, { locking: 'off' });
    expect(qemuImgOk('info', image)).toContain('virtual size: 8 MiB');
    disk.close();
  });

  it('is not opened by a second process, until the first is gone, by kill -9 too', async () => {
    const first = await writer();
    expect(() => openDisk(image)).toThrow(/a.qcow2: somebody uses it .*file.locking=off/);
    expect(() => openDisk(image, { isReadOnly: true })).toThrow(/a.qcow2: somebody writes to it/);
    await ended(first);
    openDisk(image).close();
  });
});

it('an image that we read is read by others, but not written', () => {
  const disk = openDisk(image, { isReadOnly: true });
  expect(qemuImgOk('info', image)).toContain('virtual size: 8 MiB');
  expect(qemuImg('snapshot', '-c', 'now', image).text).toMatch(/Failed to get "write" lock/);
  disk.close();
});

describe('an image that QEMU has open', () => {
  it('to write is not opened, nor is one that stands on it', async () => {
    const above = folder.path('above.qcow2');
    qemuImgOk('create', '-q', '-f', 'qcow2', '-b', image, '-F', 'qcow2', above);
    const child = await qemu();
    expect(() => openDisk(image)).toThrow(/a.qcow2: somebody uses it/);
    expect(() => openDisk(image, { isTemporary: true })).toThrow(/a.qcow2: somebody writes to it/);
    expect(() => openDisk(above)).toThrow(/a.qcow2: somebody writes to it/);
    await ended(child);
    openDisk(above).close();
  });

  it('to read is read, but not written', async () => {
    await qemu('-r');
    openDisk(image, { isReadOnly: true }).close();
    expect(() => openDisk(image)).toThrow(/a.qcow2: somebody uses it/);
  });
});

describe('without perl', () => {
  it("QEMU's locks are seen, and our processes keep each other out by flock", async () => {
    withPath('flock');
    const other = await qemu();
    expect(() => openDisk(image)).toThrow(/a.qcow2: somebody uses it/);
    await ended(other);
    const first = await writer();
    expect(() => openDisk(image)).toThrow(/a.qcow2: somebody uses it/);
    await ended(first);
    openDisk(image, { locking: 'on' }).close();
  });

  it('and without flock there is no lock: auto goes without, on is an error', () => {
    withPath();
    openDisk(image).close();
    expect(() => openDisk(image, { locking: 'on' })).toThrow(/cannot lock .*a.qcow2, as file.locking=on asks/);
  });
});

it('a lock on a byte is found in /proc/locks by device, inode and range', () => {
  const locks = [
    '1: OFDLCK ADVISORY  READ -1 fe:00:2146936 100 101',
    '2: POSIX  ADVISORY  WRITE 511 fe:00:77 1073741826 1073742335',
    '3: FLOCK  ADVISORY  WRITE 4001 fe:00:78 0 EOF',
    '4: -> POSIX  ADVISORY  WRITE 512 00:2a:79 0 EOF',
  ].join('\n');
  expect(isLocked(locks, [254, 0, 2146936], [99, 101])).toBe(true);
  expect(isLocked(locks, [254, 0, 2146936], [99, 102])).toBe(false);
  expect(isLocked(locks, [253, 0, 2146936], [101])).toBe(false);
  expect(isLocked(locks, [254, 0, 78], [101])).toBe(false);
  expect(isLocked(locks, [0, 42, 79], [201])).toBe(true);
});

it('a way of locking that does not exist is named', () => {
  writeFileSync(folder.path('a.raw'), new Uint8Array(512));
  expect(() => openDisk(folder.path('a.raw'), { locking: 'maybe' as 'on' })).toThrow(
    "locking: 'maybe' is not one of 'on', 'off'",
  );
});
