// Kernels with a PVH entry: the ELF note, the start information, and notes that lie.
import { describe, expect, it } from 'vitest';
import { type LoadRequest, loadImage } from '../../../../src/machine/firmware/loaders/load.ts';
import { MemoryLayout } from '../../../../src/machine/firmware/memory-layout.ts';
import { PlainMemory } from '../../plain-memory.ts';
import { elfImage, littleEndianWords } from './images.ts';

const MIB = 0x10_0000;
const request: LoadRequest = { commandLine: 'vmlinux quiet', append: 'quiet', modules: [], rsdp: 0xf_0000 };
const module = (...bytes: number[]) => ({ bytes: Uint8Array.from(bytes), commandLine: `module ${bytes[0]}` });

function note(name: string, type: number, words: readonly number[]): number[] {
  const text = [...new TextEncoder().encode(`${name}\0`)];
  return [
    ...littleEndianWords([text.length, 4 * words.length, type]),
    ...text,
    ...new Uint8Array(-text.length & 3),
    ...littleEndianWords(words),
  ];
}

/** A 64-bit kernel at 1 MiB whose second program header holds its notes. */
function kernel(...notes: number[][]): Uint8Array {
  const image = elfImage(64, MIB, [
    { physical: MIB, bytes: new Uint8Array(64).fill(0xcc) },
    { physical: 2 * MIB, bytes: Uint8Array.from(notes.flat()) },
  ]);
  new DataView(image.buffer).setUint32(64 + 56, 4, true);
  return image;
}

const load = (image: Uint8Array, wishes = request, memory = new PlainMemory(4 * MIB)) => {
  const state = loadImage(memory, new MemoryLayout(memory.size), image, wishes);
  return { memory, state, info: Number(state.registers?.rbx ?? 0) };
};

describe('a kernel with a PVH note', () => {
  const entry = note('Xen', 18, [MIB + 16]);

  it('is entered there in 32-bit mode with the start information in EBX', () => {
    const { memory, state, info } = load(kernel(entry));
    expect(state).toMatchObject({ mode: 32, entry: MIB + 16 });
    expect([memory.u32(info), memory.u32(info + 4)]).toEqual([0x336e_c578, 1]);
    expect(memory.string(Number(memory.u64(info + 24)))).toBe('quiet');
    expect(memory.u64(info + 32)).toBe(0xf_0000);
    const [map, entries] = [Number(memory.u64(info + 40)), memory.u32(info + 48)];
    expect(entries).toBe(4);
    expect([memory.u64(map + 72), memory.u64(map + 80), memory.u32(map + 88)]).toEqual([MIB, 3 * MIB, 1]);
  });

  it('may give its entry in 64 bits', () => {
    expect(load(kernel(note('Xen', 18, [MIB + 8, 0]))).state.entry).toBe(MIB + 8);
  });

  it('is told each module with its command line', () => {
    const { memory, info } = load(kernel(entry), { ...request, modules: [module(1, 2, 3), module(4)] });
    expect(memory.u32(info + 12)).toBe(2);
    const list = Number(memory.u64(info + 16));
    const [at, size] = [Number(memory.u64(list + 32)), Number(memory.u64(list + 40))];
    expect([...memory.bytes(at, size)]).toEqual([4]);
    expect(memory.string(Number(memory.u64(list + 48)))).toBe('module 4');
  });

  it('that is Linux gets all modules as its one initial RAM disk', () => {
    const linux = kernel(entry, note('Linux', 0x100, [7]));
    const { memory, info } = load(linux, { ...request, modules: [module(1), module(2)] });
    expect(memory.u32(info + 12)).toBe(1);
    const list = Number(memory.u64(info + 16));
    expect([...memory.bytes(Number(memory.u64(list)), 5)]).toEqual([1, 0, 0, 0, 2]);
  });

  it.each([
    ['outside every segment', note('Xen', 18, [3 * MIB]), 'the PVH entry 0x300000 lies in no segment'],
    ['without a value', note('Xen', 18, []), 'has 0 bytes; it must have 4 or 8'],
  ])('%s is refused', (_what, bad, message) => {
    expect(() => load(kernel(bad))).toThrow(message);
  });
});

it.each([
  ['of another kind', note('Xen', 6, [MIB + 16])],
  ['of another owner', note('GNU', 18, [MIB + 16])],
  ['that are cut short', note('Xen', 18, [MIB + 16]).slice(0, -2)],
])('a kernel with notes %s is entered at its ELF entry', (_what, bytes) => {
  expect(load(kernel(bytes)).state).toEqual({ mode: 64, entry: MIB });
});
