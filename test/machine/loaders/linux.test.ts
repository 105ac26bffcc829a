// Linux bzImages: the setup header, the zero page, and images that lie.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BootState } from '../../../src/machine/boot-state.ts';
import { ImageError } from '../../../src/machine/loaders/image-error.ts';
import { type LoadRequest, loadImage } from '../../../src/machine/loaders/load.ts';
import { MemoryLayout } from '../../../src/machine/memory-layout.ts';
import { PlainMemory } from '../plain-memory.ts';

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

  it('gets its modules as one initial RAM disk behind the room it unpacks into', () => {
    const memory = new PlainMemory(4 * MIB);
    const modules = [Uint8Array.of(1, 2), Uint8Array.of(3)].map((bytes) => ({ bytes, commandLine: '' }));
    const zeroPage = Number(load(bzImage(), memory, { ...request, modules }).registers!.rsi);
    const [at, size] = [memory.u32(zeroPage + 0x218), memory.u32(zeroPage + 0x21c)];
    expect(at).toBeGreaterThanOrEqual(MIB + 0x2000);
    expect([...memory.bytes(at, size)]).toEqual([1, 2, 3]);
  });

  it.each<[string, Uint8Array, string]>([
    ['an old protocol', bzImage((v) => v.setUint16(0x206, 0x204, true)), 'boot protocol 0x204; 0x20c is the oldest'],
    ['no 64-bit entry', bzImage((v) => v.setUint16(0x236, 0, true)), 'no 64-bit entry'],
    ['no kernel', bzImage((v) => v.setUint8(0x1f1, 9)), 'ends before its kernel at 0x1400'],
    ['a header cut short', bzImage().subarray(0, 0x250), 'ends within its header (592 bytes)'],
    ['more room than there is', bzImage((v) => v.setUint32(0x260, 8 * MIB, true)), 'outside RAM (0x400000 bytes)'],
    ['a short command line', bzImage((v) => v.setUint32(0x238, 4, true)), 'has 5 bytes; this kernel takes at most 4'],
  ])('is refused for %s', (_name, image, message) => {
    expect(() => load(image)).toThrow(message);
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
