// ELF images, whole, wrong and damaged.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadElf, parseElf } from '../../../../src/machine/firmware/loaders/elf.ts';
import { ImageError } from '../../../../src/machine/firmware/loaders/image-error.ts';
import { MemoryLayout } from '../../../../src/machine/firmware/memory-layout.ts';
import { PlainMemory } from '../../plain-memory.ts';
import { elfImage } from './images.ts';

const MIB = 0x10_0000;
const code = Uint8Array.of(0x90, 0xf4);

const load = (image: Uint8Array, memory = new PlainMemory(4 * MIB, 0xaa)): PlainMemory => {
  loadElf(memory, new MemoryLayout(memory.size), image, parseElf(image));
  return memory;
};

const patched = (image: Uint8Array, at: number, ...bytes: number[]): Uint8Array => {
  const copy = image.slice();
  copy.set(bytes, at);
  return copy;
};

describe.each([32, 64] as const)('an ELF%i image', (bits) => {
  const image = elfImage(bits, MIB, [
    { physical: MIB, bytes: code, memoryBytes: 8 },
    { physical: 0x2000, bytes: Uint8Array.of(1, 2, 3) },
  ]);

  it('puts each segment at its physical address and clears its tail', () => {
    const memory = load(image);
    expect([...memory.bytes(MIB - 1, 10)]).toEqual([0xaa, 0x90, 0xf4, 0, 0, 0, 0, 0, 0, 0xaa]);
    expect([...memory.bytes(0x2000, 4)]).toEqual([1, 2, 3, 0xaa]);
  });

  it('is entered at the physical twin of a virtual entry, or at a physical entry', () => {
    const high = [{ physical: MIB, virtual: 0xc010_0000, bytes: code }];
    expect(parseElf(elfImage(bits, 0xc010_0001, high)).entry).toBe(MIB + 1);
    expect(parseElf(elfImage(bits, MIB + 1, high)).entry).toBe(MIB + 1);
    expect(() => parseElf(elfImage(bits, 0x5000, high))).toThrow('entry point 0x5000 lies in no segment');
  });

  it('is refused when segments overlap or leave RAM', () => {
    const overlapping = elfImage(bits, MIB, [
      { physical: MIB, bytes: code },
      { physical: MIB + 1, bytes: code },
    ]);
    expect(() => load(overlapping)).toThrow('ELF segment 1 at 0x100001+0x2 overlaps ELF segment 0');
    const outside = elfImage(bits, 4 * MIB - 1, [{ physical: 4 * MIB - 1, bytes: code }]);
    expect(() => load(outside)).toThrow('outside RAM (0x400000 bytes)');
    const huge = elfImage(bits, MIB, [{ physical: MIB, bytes: code, memoryBytes: 0xffff_ffff }]);
    expect(() => load(huge)).toThrow('outside RAM');
  });

  it('is refused when a segment is cut short or larger in the file than in memory', () => {
    expect(() => parseElf(image.subarray(0, image.length - 1))).toThrow('goes past the end of the file');
    const small = elfImage(bits, MIB, [{ physical: MIB, bytes: code, memoryBytes: 1 }]);
    expect(() => parseElf(small)).toThrow('has 0x2 bytes in the file and only 0x1 in memory');
  });

  it('is refused with the name and value of any header field that is not for this machine', () => {
    expect(() => parseElf(patched(image, 4, 3))).toThrow('ELF class 3');
    expect(() => parseElf(patched(image, 5, 2))).toThrow('data encoding 2');
    expect(() => parseElf(patched(image, 16, 1))).toThrow('ELF type 1');
    expect(() => parseElf(patched(image, 18, 40))).toThrow('ELF machine 40');
    expect(() => parseElf(patched(image, 0, 0))).toThrow('not an ELF file');
    expect(() => parseElf(image.subarray(0, 40))).toThrow('cut short');
    expect(() => parseElf(patched(image, bits === 64 ? 54 : 42, 9, 0))).toThrow('program headers of 9 bytes');
    expect(() => parseElf(patched(image, bits === 64 ? 56 : 44, 0, 1))).toThrow('256 ELF program headers');
    expect(() => parseElf(patched(image, bits === 64 ? 56 : 44, 0, 0))).toThrow('no segment to load');
  });

  it('never makes the loader write outside RAM or throw anything but an ImageError, however it is damaged', () => {
    const damage = fc.array(fc.tuple(fc.nat(image.length - 1), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(damage, fc.nat(image.length), (changes, length) => {
        const damaged = image.slice(0, length);
        for (const [at, byte] of changes) if (at < length) damaged[at] = byte;
        try {
          load(damaged, new PlainMemory(2 * MIB));
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      }),
      { seed: 7, numRuns: 400 },
    );
  });
});
