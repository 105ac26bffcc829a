// Linux bzImages: the setup header, the zero page, and images that lie.
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BootState } from '../../../../src/machine/firmware/boot-state.ts';
import { ImageError } from '../../../../src/machine/firmware/loaders/image-error.ts';
import { unpackLinux } from '../../../../src/machine/firmware/loaders/linux.ts';
import { type LoadRequest, loadImage } from '../../../../src/machine/firmware/loaders/load.ts';
import { MemoryLayout } from '../../../../src/machine/firmware/memory-layout.ts';
import { PlainMemory } from '../../plain-memory.ts';
import { elfImage, littleEndianWords } from './images.ts';
import { lz4Legacy, zstdRaw } from './packed.ts';

const MIB = 0x10_0000;
const request: LoadRequest = { commandLine: 'bzImage quiet', append: 'quiet', modules: [] };

/** One setup sector behind the boot sector, then the kernel, preferred at 1 MiB. */
const bzImage = (changes: (view: DataView) => void = () => {}): Uint8Array => {
  const image = new Uint8Array(1024 + 0x300).fill(0xcc, 1024);
  const view = new DataView(image.buffer);
  view.setUint8(0x1f1, 1);
  view.setUint8(0x201, 0x66);
  view.setUint32(0x202, 0x5372_6448, true);
  view.setUint16(0x206, 0x20f, true);
  view.setUint8(0x211, 1);
  view.setUint32(0x214, MIB, true);
  view.setUint32(0x22c, 0x7fff_ffff, true);
  view.setUint16(0x236, 1, true);
  view.setUint32(0x238, 255, true);
  view.setBigUint64(0x258, BigInt(MIB), true);
  view.setUint32(0x260, 0x2000, true);
  changes(view);
  return image;
};
const load = (image: Uint8Array, memory = new PlainMemory(4 * MIB), wishes = request): BootState =>
  loadImage(memory, new MemoryLayout(memory.size), image, wishes);

/** A bzImage that carries `payload` as its compressed kernel, told to be `length` bytes long. */
const carrying = (payload: Uint8Array, length = payload.length): Uint8Array => {
  const image = bzImage((v) => {
    v.setUint32(0x248, 0x300, true);
    v.setUint32(0x24c, length, true);
  });
  return new Uint8Array([...image, ...payload]);
};
/** Compressed bytes as the kernel's build leaves them: followed by the size of what they unpack to. */
const sized = (bytes: Uint8Array, size: number): Uint8Array => new Uint8Array([...bytes, ...littleEndianWords([size])]);

describe('the kernel inside a bzImage', () => {
  const kernel = elfImage(64, 2 * MIB, [{ physical: 2 * MIB, bytes: new Uint8Array(3000).fill(0x90) }]);
  const elf32 = elfImage(32, 2 * MIB, [{ physical: 2 * MIB, bytes: new Uint8Array(3000).fill(0x90) }]);

  it.each([
    ['gzip', gzipSync(kernel)],
    ['LZ4', sized(lz4Legacy(kernel), kernel.length)],
    ['zstd', sized(zstdRaw(kernel), kernel.length)],
  ])('is unpacked from %s', async (_name, payload) => {
    const { unpacked } = await unpackLinux(carrying(payload));
    expect(unpacked).toEqual(kernel);
  });

  it('is entered at its ELF entry in its own mode with the zero page in RSI', () => {
    const memory = new PlainMemory(4 * MIB);
    const state = load(bzImage(), memory, { ...request, unpacked: kernel });
    expect(state).toMatchObject({ mode: 64, entry: 2 * MIB });
    expect(memory.u32(Number(state.registers!.rsi) + 0x202)).toBe(0x5372_6448);
    expect(load(bzImage(), undefined, { ...request, unpacked: elf32 })).toMatchObject({ mode: 32, entry: 2 * MIB });
  });

  it.each([
    ['bzip2', [0x42, 0x5a, 0x68, 0x39, 0x31], 'compressed by bzip2, which is not known here'],
    ['LZO', [0x89, 0x4c, 0x5a, 0x4f, 0], 'compressed by LZO'],
    ['something else', [1, 2, 3, 4, 5], 'compressed by an unknown format'],
  ])('is left to unpack itself where it is compressed by %s, with a note', async (_name, payload, note) => {
    const result = await unpackLinux(carrying(Uint8Array.from(payload)));
    expect(result.unpacked).toBeUndefined();
    expect(result.note).toContain(note);
  });

  it('that the image does not tell of is left alone without a note', async () => {
    expect(await unpackLinux(bzImage())).toEqual({});
    expect(await unpackLinux(kernel)).toEqual({});
  });

  it('is refused before it is unpacked where it has more bytes than the guest', async () => {
    const image = carrying(sized(zstdRaw(kernel), 0x1000_0000));
    await expect(unpackLinux(image, { mostBytes: 0x800_0000 })).rejects.toThrow(
      'unpack to 268435456 bytes; the guest has 134217728 bytes of memory',
    );
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['ends outside the image', carrying(gzipSync(kernel), 0x10_0000), /end at 0x100300, beyond the image's/],
    ['is cut short', carrying(gzipSync(kernel).subarray(0, 40)), /gzip/],
    ['says it is huge', carrying(sized(lz4Legacy(kernel), 0x7000_0000)), /unpack to 1879048192 bytes; the limit is/],
    ['says another size', carrying(sized(lz4Legacy(kernel), kernel.length + 1)), /unpack to .* and not to/],
    ['goes on after its size', carrying(sized(lz4Legacy(kernel), 100)), /damaged: LZ4: literals leave/],
    ['is zstd only by its first bytes', carrying(sized(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1, 2), 9)), /zstd: /],
  ])('is refused where it %s', async (_what, image, message) => {
    await expect(unpackLinux(image)).rejects.toThrow(message);
    await expect(unpackLinux(image)).rejects.toThrow(ImageError);
  });
});

describe('a bzImage', () => {
  it('is entered at its 64-bit entry with the zero page in RSI', () => {
    const memory = new PlainMemory(4 * MIB);
    const state = load(bzImage(), memory);
    expect(state).toMatchObject({ mode: 64, entry: MIB + 0x200 });
    expect(memory.bytes(MIB + 0x2ff, 2)).toEqual(Uint8Array.of(0xcc, 0));
    const zeroPage = Number(state.registers!.rsi);
    expect(memory.u32(zeroPage + 0x202)).toBe(0x5372_6448);
    expect(memory.bytes(zeroPage + 0x1e8, 1)[0]).toBe(4);
    expect(memory.u64(zeroPage + 0x2d0 + 3 * 20)).toBe(MIB);
  });

  it('is told its arguments without its name', () => {
    const memory = new PlainMemory(4 * MIB);
    const zeroPage = Number(load(bzImage(), memory).registers!.rsi);
    expect(memory.string(memory.u32(zeroPage + 0x228))).toBe('quiet');
  });

  it('gets its modules as one initial RAM disk, each on a multiple of four, behind the room it unpacks into', () => {
    const memory = new PlainMemory(4 * MIB);
    const modules = [Uint8Array.of(1, 2), Uint8Array.of(3)].map((bytes) => ({ bytes, commandLine: '' }));
    const zeroPage = Number(load(bzImage(), memory, { ...request, modules }).registers!.rsi);
    const [at, size] = [memory.u32(zeroPage + 0x218), memory.u32(zeroPage + 0x21c)];
    expect(at).toBeGreaterThanOrEqual(MIB + 0x2000);
    expect([...memory.bytes(at, size)]).toEqual([1, 2, 0, 0, 3]);
  });

  it.each<[string, Uint8Array, string]>([
    ['an old protocol', bzImage((v) => v.setUint16(0x206, 0x201, true)), 'boot protocol 0x201; 0x202 is the oldest'],
    ['a place below 1 MiB', bzImage((v) => v.setUint8(0x211, 0)), 'zImage, to be loaded below 1 MiB'],
    ['no kernel', bzImage((v) => v.setUint8(0x1f1, 9)), 'ends before its kernel at 0x1400'],
    ['a header cut short', bzImage().subarray(0, 0x220), 'ends within its header (544 bytes)'],
    ['more room than there is', bzImage((v) => v.setUint32(0x260, 8 * MIB, true)), 'outside RAM (0x400000 bytes)'],
    ['a short command line', bzImage((v) => v.setUint32(0x238, 4, true)), 'has 5 bytes; this kernel takes at most 4'],
  ])('is refused for %s', (_name, image, message) => {
    expect(() => load(image)).toThrow(message);
  });

  it('without a 64-bit entry, or where told, is entered in 32-bit mode at its start', () => {
    const old = load(bzImage((v) => v.setUint16(0x236, 0, true)));
    const told = load(bzImage(), undefined, { ...request, linuxBoot: 'image32' });
    expect([old, told].map(({ mode, entry }) => ({ mode, entry }))).toEqual(Array(2).fill({ mode: 32, entry: MIB }));
  });

  it('of an older protocol lies at 1 MiB and has the limits of that protocol', () => {
    const old = (v: DataView): void => v.setUint16(0x206, 0x204, true);
    expect(load(bzImage(old))).toMatchObject({ mode: 32, entry: MIB });
    const long = { ...request, append: 'x'.repeat(256) };
    expect(() => load(bzImage(old), undefined, long)).toThrow('has 256 bytes; this kernel takes at most 255');
  });

  it('whose initial RAM disk would lie too high is refused', () => {
    const low = bzImage((v) => v.setUint32(0x22c, MIB + 0x2000, true));
    const modules = [{ bytes: new Uint8Array(2), commandLine: '' }];
    expect(() => load(low, undefined, { ...request, modules })).toThrow('ends above 0x102000');
  });

  it('never makes the loader leave RAM or throw anything but an ImageError, however its header is damaged', () => {
    const sample = bzImage();
    const change = fc.tuple(fc.integer({ min: 0x1f1, max: 0x264 }), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 5 }),
        fc.integer({ min: 0x206, max: sample.length }),
        (changes, length) => {
          const damaged = sample.slice(0, length);
          for (const [at, byte] of changes) if (at < length) damaged[at] = byte;
          try {
            load(damaged, new PlainMemory(2 * MIB));
          } catch (error) {
            expect(error).toBeInstanceOf(ImageError);
          }
        },
      ),
      { seed: 7, numRuns: 400 },
    );
  });
});
