// Multiboot 2: header tags, loading, and the tags that the kernel is given.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BootState } from '../../../../src/machine/firmware/boot-state.ts';
import { ImageError } from '../../../../src/machine/firmware/loaders/image-error.ts';
import type { BootModule } from '../../../../src/machine/firmware/loaders/multiboot.ts';
import { findMultiboot2, loadMultiboot2 } from '../../../../src/machine/firmware/loaders/multiboot2.ts';
import { MemoryLayout } from '../../../../src/machine/firmware/memory-layout.ts';
import { PlainMemory } from '../../plain-memory.ts';
import { elfImage, multiboot2Header, multiboot2Tag } from './images.ts';

const MIB = 0x10_0000;
const [REQUEST, ADDRESS, ENTRY, FRAMEBUFFER] = [1, 2, 3, 5];
const OPTIONAL = 1;

const boot = (image: Uint8Array, memory: PlainMemory, commandLine = '', modules: BootModule[] = []): BootState => {
  const layout = new MemoryLayout(memory.size);
  return loadMultiboot2(memory, layout, image, findMultiboot2(image)!, { commandLine, modules });
};
const elf = (bits: 32 | 64, tags: Uint8Array[] = []): Uint8Array =>
  elfImage(bits, MIB, [{ physical: MIB, bytes: new Uint8Array([...multiboot2Header(tags), 0xf4]) }]);
/** ELF data of these images may sit off an 8-byte boundary of the file; this pads the headers with segments. */
const aligned = (make: (pad: number) => Uint8Array): Uint8Array => {
  for (let pad = 0; pad < 8; pad++) if (findMultiboot2(make(pad))) return make(pad);
  throw new Error('no alignment found');
};
const kernel = (bits: 32 | 64): Uint8Array =>
  aligned((pad) => {
    const bytes = new Uint8Array([...new Uint8Array(pad), ...multiboot2Header([]), 0xf4]);
    return elfImage(bits, MIB, [{ physical: MIB, bytes }]);
  });

interface Tag {
  type: number;
  at: number;
  size: number;
}

const tagsAt = (memory: PlainMemory, info: number): Tag[] => {
  const tags: Tag[] = [];
  for (let at = info + 8; at < info + memory.u32(info); at += Math.ceil(memory.u32(at + 4) / 8) * 8) {
    tags.push({ type: memory.u32(at), at, size: memory.u32(at + 4) });
  }
  return tags;
};

describe('a Multiboot 2 header', () => {
  it('is found on an 8-byte boundary in the first 32 KiB', () => {
    const at = (offset: number): Uint8Array => {
      const image = new Uint8Array(40_000);
      image.set(multiboot2Header([]), offset);
      return image;
    };
    expect(findMultiboot2(at(32_752))).toEqual({ offset: 32_752 });
    expect(findMultiboot2(at(32_760))).toBeNull();
    expect(findMultiboot2(at(12))).toBeNull();
  });

  it.each([
    ['another architecture', multiboot2Header([], 4), 'architecture 4'],
    ['unknown information', multiboot2Header([multiboot2Tag(REQUEST, [6, 8])]), 'requires information 8'],
    ['an unknown tag', multiboot2Header([multiboot2Tag(77, [])]), 'requires tag 77'],
    ['an address tag too short', multiboot2Header([multiboot2Tag(ADDRESS, [1])]), 'impossible size of 12'],
    ['a header past the file', multiboot2Header([]).subarray(0, 16), 'past the end of the file'],
  ])('is refused for %s', (_name, image, message) => {
    expect(() => findMultiboot2(image)).toThrow(message);
  });

  it('may wish for what this board has not, if it says that it is optional, and for a screen', () => {
    const tags = [
      multiboot2Tag(REQUEST, [8], OPTIONAL),
      multiboot2Tag(77, [1, 2, 3], OPTIONAL),
      multiboot2Tag(FRAMEBUFFER, [1024, 768, 32]),
    ];
    expect(findMultiboot2(multiboot2Header(tags))).toEqual({ offset: 0 });
  });
});

describe('a Multiboot 2 kernel', () => {
  it.each([32, 64] as const)('as ELF%i is entered in 32-bit mode with its magic', (bits) => {
    const state = boot(kernel(bits), new PlainMemory(16 * MIB));
    expect(state).toMatchObject({ mode: 32, entry: MIB, registers: { rax: 0x36d7_6289n } });
  });

  it('finds command line, loader name, modules, memory sizes and map in aligned tags with an end', () => {
    const memory = new PlainMemory(16 * MIB);
    const modules = [{ bytes: Uint8Array.of(5, 6, 7), commandLine: 'disk' }];
    const info = Number(boot(kernel(32), memory, 'k args', modules).registers!.rbx);
    const tags = tagsAt(memory, info);
    expect(info % 8).toBe(0);
    expect(tags.map(({ type }) => type)).toEqual([1, 2, 3, 4, 6, 0]);
    const [line, name, module, sizes, map] = tags.map(({ at }) => at + 8);
    expect([memory.string(line), memory.string(name), memory.string(module + 8)]).toEqual([
      'k args',
      'vmlaunch',
      'disk',
    ]);
    expect([...memory.bytes(memory.u32(module), 3)]).toEqual([5, 6, 7]);
    expect(memory.u32(module + 4) - memory.u32(module)).toBe(3);
    expect([memory.u32(sizes), memory.u32(sizes + 4)]).toEqual([639, 15 * 1024]);
    expect([memory.u32(map), memory.u32(map + 4)]).toEqual([24, 0]);
    expect([memory.u64(map + 8), memory.u64(map + 16), memory.u32(map + 24)]).toEqual([0, 0x9_fc00, 1]);
  });

  it('is loaded by its address tag, which needs an entry tag', () => {
    const address = multiboot2Tag(ADDRESS, [MIB, MIB, 0, MIB + 0x100]);
    const header = multiboot2Header([address, multiboot2Tag(ENTRY, [MIB + 64])]);
    const image = new Uint8Array([...header, 0xf4]);
    const memory = new PlainMemory(2 * MIB, 0xaa);
    expect(boot(image, memory).entry).toBe(MIB + 64);
    expect(memory.bytes(MIB + image.length - 1, 1)[0]).toBe(0xf4);
    expect(memory.bytes(MIB + 0xff, 2)).toEqual(Uint8Array.of(0, 0xaa));
    expect(() => boot(multiboot2Header([address]), memory)).toThrow('no entry tag');
  });

  it('never makes the loader leave RAM or throw anything but an ImageError, however it is damaged', () => {
    const sample = elf(64, [multiboot2Tag(ADDRESS, [MIB, MIB, 0, 0]), multiboot2Tag(ENTRY, [MIB])]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { maxLength: 5 }), (changes) => {
        const damaged = new Uint8Array([...multiboot2Header([multiboot2Tag(REQUEST, [6])]), ...sample]);
        for (const [at, byte] of changes) damaged[at] = byte;
        try {
          if (findMultiboot2(damaged)) boot(damaged, new PlainMemory(2 * MIB));
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      }),
      { seed: 7, numRuns: 400 },
    );
  });
});
