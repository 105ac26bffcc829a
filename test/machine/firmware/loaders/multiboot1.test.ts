// Multiboot 1: finding the header, loading, and what the kernel is told.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BootState } from '../../../../src/machine/firmware/boot-state.ts';
import { ImageError } from '../../../../src/machine/firmware/loaders/image-error.ts';
import type { BootModule } from '../../../../src/machine/firmware/loaders/multiboot.ts';
import { findMultiboot1, loadMultiboot1 } from '../../../../src/machine/firmware/loaders/multiboot1.ts';
import { MemoryLayout } from '../../../../src/machine/firmware/memory-layout.ts';
import { PlainMemory } from '../../plain-memory.ts';
import { elfImage, multiboot1Header } from './images.ts';

const MIB = 0x10_0000;
const ADDRESSES = 0x1_0000;

const boot = (image: Uint8Array, memory: PlainMemory, commandLine = '', modules: BootModule[] = []): BootState => {
  const layout = new MemoryLayout(memory.size);
  return loadMultiboot1(memory, layout, image, findMultiboot1(image)!, { commandLine, modules });
};

/** A kernel at 1 MiB whose header comes first: 32 bytes of header, then code. */
const flat = (loadEnd: number, bssEnd: number, entry = MIB + 32): Uint8Array =>
  new Uint8Array([...multiboot1Header(ADDRESSES, [MIB, MIB, loadEnd, bssEnd, entry]), 0xf4, 1, 2, 3]);
const elf = elfImage(32, MIB, [{ physical: MIB, bytes: new Uint8Array([...multiboot1Header(0), 0xf4]) }]);

describe('a Multiboot 1 header', () => {
  it('is found on a 4-byte boundary in the first 8 KiB, with a right checksum', () => {
    const at = (offset: number, header = multiboot1Header(3)): Uint8Array => {
      const image = new Uint8Array(10_000);
      image.set(header, offset);
      return image;
    };
    expect(findMultiboot1(at(8180))).toEqual({ offset: 8180, flags: 3 });
    expect(findMultiboot1(at(8184))).toBeNull();
    expect(findMultiboot1(at(6))).toBeNull();
    const wrong = multiboot1Header(3);
    wrong[8] ^= 1;
    expect(findMultiboot1(at(0, wrong))).toBeNull();
    expect(findMultiboot1(new Uint8Array(5))).toBeNull();
  });

  it('is refused when it requires what the specification does not define', () => {
    expect(() => findMultiboot1(multiboot1Header(0x18))).toThrow('requires features 0x18');
  });

  it('is refused when its address fields are cut off', () => {
    expect(() => findMultiboot1(multiboot1Header(ADDRESSES))).toThrow('cut short');
  });
});

describe('a Multiboot 1 kernel', () => {
  it('is entered in 32-bit mode with the magic in EAX and the information in EBX', () => {
    const state = boot(elf, new PlainMemory(16 * MIB));
    expect(state).toMatchObject({ mode: 32, entry: MIB, registers: { rax: 0x2bad_b002n } });
  });

  it('finds memory sizes, map, command line and loader name without asking', () => {
    const memory = new PlainMemory(16 * MIB);
    const info = Number(boot(elf, memory, 'kernel.flat one two').registers!.rbx);
    expect(memory.u32(info) & 0x24d).toBe(0x24d);
    expect([memory.u32(info + 4), memory.u32(info + 8)]).toEqual([639, 15 * 1024]);
    expect(memory.string(memory.u32(info + 16))).toBe('kernel.flat one two');
    expect(memory.string(memory.u32(info + 64))).toBe('vmlaunch');
    const [length, map] = [memory.u32(info + 44), memory.u32(info + 48)];
    const available: [number, number][] = [];
    for (let at = map; at < map + length; at += memory.u32(at) + 4) {
      if (memory.u32(at + 20) === 1) available.push([memory.u64(at + 4), memory.u64(at + 12)]);
    }
    expect(available).toEqual([
      [0, 0x9_fc00],
      [MIB, 15 * MIB],
    ]);
  });

  it('gets its modules on pages of their own behind the image, with their names', () => {
    const memory = new PlainMemory(16 * MIB);
    const modules = [
      { bytes: Uint8Array.of(1, 2, 3), commandLine: 'a.bin x' },
      { bytes: new Uint8Array(5000).fill(9), commandLine: 'b.bin' },
    ];
    const info = Number(boot(elf, memory, '', modules).registers!.rbx);
    expect(memory.u32(info + 20)).toBe(2);
    const list = memory.u32(info + 24);
    const entries = [0, 1].map((i) => [0, 4, 8].map((at) => memory.u32(list + 16 * i + at)));
    expect(entries.map(([start, end]) => end - start)).toEqual([3, 5000]);
    expect(entries.every(([start]) => start % 4096 === 0 && start > MIB + 12)).toBe(true);
    expect(entries.map(([, , name]) => memory.string(name))).toEqual(['a.bin x', 'b.bin']);
    expect([...memory.bytes(entries[0][0], 3)]).toEqual([1, 2, 3]);
    expect(memory.bytes(entries[1][0], 5000).every((byte) => byte === 9)).toBe(true);
  });

  it('keeps the information clear of an image in low memory', () => {
    const memory = new PlainMemory(16 * MIB);
    const low = elfImage(32, 0x4000, [
      { physical: 0x4000, bytes: new Uint8Array([...multiboot1Header(0), 0xf4]), memoryBytes: 0x9_b000 },
    ]);
    const info = Number(boot(low, memory).registers!.rbx);
    expect(info + 120 <= 0x4000 || info >= 0x9_f000).toBe(true);
  });
});

describe('a Multiboot 1 image with address fields', () => {
  it('is loaded by them, its bss cleared', () => {
    const memory = new PlainMemory(16 * MIB, 0xaa);
    expect(boot(flat(MIB + 34, MIB + 40), memory).entry).toBe(MIB + 32);
    expect([...memory.bytes(MIB + 32, 9)]).toEqual([0xf4, 1, 0, 0, 0, 0, 0, 0, 0xaa]);
  });

  it('is loaded to the end of the file where the load end is 0', () => {
    const memory = new PlainMemory(16 * MIB, 0xaa);
    boot(flat(0, 0), memory);
    expect([...memory.bytes(MIB + 32, 5)]).toEqual([0xf4, 1, 2, 3, 0xaa]);
  });

  it.each([
    ['a load end past the file', flat(MIB + 37, 0), 'needs 0x25 bytes of file, which has 0x24'],
    ['a load end before its start', flat(MIB - 1, 0), 'not after its start'],
    ['an entry outside', flat(0, 0, MIB + 36), 'entry 0x100024 is outside the image'],
    ['a bss past RAM', flat(0, 0xf000_0000), 'outside RAM'],
    [
      'a load address above its header',
      multiboot1Header(ADDRESSES, [MIB, MIB + 4, 0, 0, MIB + 4]),
      'does not fit header address',
    ],
    ['neither addresses nor ELF', multiboot1Header(0), 'the file is no ELF'],
  ])('is refused for %s', (_name, image, message) => {
    expect(() => boot(image, new PlainMemory(16 * MIB))).toThrow(message);
  });

  it('never makes the loader leave RAM or throw anything but an ImageError, whatever the fields are', () => {
    const word = fc.oneof(fc.integer({ min: MIB - 64, max: MIB + 64 }), fc.nat(0xffff_ffff));
    fc.assert(
      fc.property(fc.array(word, { minLength: 5, maxLength: 5 }), (fields) => {
        const image = new Uint8Array([...multiboot1Header(ADDRESSES, fields), 1, 2, 3, 4]);
        try {
          boot(image, new PlainMemory(2 * MIB));
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});
