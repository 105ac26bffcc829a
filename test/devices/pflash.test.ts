// NOR flash by Intel's commands (28F128J3 datasheet, "Command Definitions"; JESD68.01): programming clears bits, erasing
// sets them, and the backend has it when the array is shown again.
import { beforeEach, describe, expect, it } from 'vitest';
import type { BlkBackend } from '../../src/devices/backends.ts';
import { BLOCK, Pflash } from '../../src/devices/pflash.ts';

const SIZE = 0x4000;
let array: Uint8Array;
let disk: Uint8Array;
let shown: boolean;
let flash: Pflash;

function make(isReadOnly = false): void {
  array = new Uint8Array(SIZE).fill(0xff);
  disk = array.slice();
  shown = true;
  const backend = {
    capacity: SIZE,
    isReadOnly,
    write: (offset: number, from: Uint8Array) => disk.set(from, offset),
  } as unknown as BlkBackend;
  flash = new Pflash({
    bytes: () => array,
    show: (isArray) => {
      shown = isArray;
    },
    backend,
    busy: () => {},
  });
}
beforeEach(() => make());

const command = (offset: number, ...bytes: number[]): void => {
  for (const byte of bytes) flash.write(offset, 1, byte);
};

describe('a flash chip', () => {
  it('programs a byte, is ready, and writes to its backend when the array is read again', () => {
    command(0x123, 0x10, 0x5a);
    expect(shown).toBe(false);
    expect(flash.read(0x123, 1)).toBe(0x80);
    expect(disk[0x123]).toBe(0xff);
    command(0, 0xff);
    expect(shown).toBe(true);
    expect([array[0x123], disk[0x123]]).toEqual([0x5a, 0x5a]);
  });

  it('clears bits by programming and sets them by erasing a whole block', () => {
    command(BLOCK + 4, 0x40, 0xf0, 0x40, 0x3c, 0xff);
    expect(array[BLOCK + 4]).toBe(0x30);
    command(BLOCK + 8, 0x20, 0xd0, 0xff);
    expect(array[BLOCK + 4]).toBe(0xff);
    expect(disk[BLOCK + 4]).toBe(0xff);
  });

  it('refuses an erasure that is not confirmed, with both error bits, until the status is cleared', () => {
    command(0, 0x20, 0x00);
    expect(flash.read(0, 1)).toBe(0xb0);
    command(0, 0x50, 0x70);
    expect(flash.read(0, 1)).toBe(0);
  });

  it('takes a buffer of bytes and programs it when that is confirmed', () => {
    flash.write(0x200, 1, 0xe8);
    expect(flash.read(0x200, 1) & 0x80).toBe(0x80);
    flash.write(0x200, 1, 3);
    for (const n of [0, 1, 2, 3]) flash.write(0x200 + n, 1, 0x10 + n);
    expect(array[0x200]).toBe(0xff);
    command(0x200, 0xd0, 0xff);
    expect([...array.subarray(0x200, 0x204)]).toEqual([0x10, 0x11, 0x12, 0x13]);
  });

  it('tells Intel and the device, and the geometry by CFI', () => {
    command(0, 0x90);
    expect([flash.read(0, 1), flash.read(1, 1)]).toEqual([0x89, 0x18]);
    command(0, 0x98);
    expect([16, 17, 18].map((at) => String.fromCharCode(flash.read(at, 1))).join('')).toBe('QRY');
    expect(2 ** flash.read(39, 1)).toBe(SIZE);
    expect((flash.read(45, 1) + 1) * flash.read(47, 1) * 256).toBe(SIZE);
  });

  it('keeps what it holds where its backend is read-only, and says so', () => {
    make(true);
    command(0, 0x10, 0);
    expect(flash.read(0, 1)).toBe(0x92);
    command(0, 0xff);
    expect([array[0], disk[0]]).toEqual([0xff, 0xff]);
  });
});
