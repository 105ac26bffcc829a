// A bzImage that is started in real mode: where its parts lie and what its setup header is told.
import { describe, expect, it } from 'vitest';
import { loadImage } from '../../../../src/machine/firmware/loaders/load.ts';
import { MemoryLayout } from '../../../../src/machine/firmware/memory-layout.ts';
import { PlainMemory } from '../../plain-memory.ts';

const MIB = 0x10_0000;
const SETUP = 0x1_0000;
const request = { commandLine: 'k a=1', append: 'a=1', modules: [{ bytes: Uint8Array.of(1, 2, 3), commandLine: '' }] };

/** One setup sector and 300h bytes of kernel, without a 32-bit entry; protocol 2.12. */
function image(code32 = 0): Uint8Array {
  const bytes = new Uint8Array(1024 + 0x300).fill(0xcc, 1024);
  const view = new DataView(bytes.buffer);
  view.setUint8(0x1f1, 1);
  view.setUint8(0x201, 0x66);
  view.setUint32(0x202, 0x5372_6448, true);
  view.setUint16(0x206, 0x20c, true);
  view.setUint8(0x211, 1);
  view.setUint32(0x214, code32, true);
  view.setUint32(0x22c, 0x7fff_ffff, true);
  view.setUint32(0x238, 255, true);
  view.setBigUint64(0x258, BigInt(2 * MIB), true);
  view.setUint32(0x260, 0x10_0000, true);
  return bytes;
}

describe('an image without a 32-bit entry', () => {
  const memory = new PlainMemory(8 * MIB);
  const state = loadImage(memory, new MemoryLayout(memory.size), image(), request);

  it('is entered at its second sector, with all other segments at its first and a stack at their end', () => {
    expect(state).toEqual({
      mode: 16,
      entry: SETUP + 0x200,
      segments: { cs: 0x1020, data: 0x1000 },
      registers: { rsp: 0xfff0n },
    });
  });

  it('has its kernel at 1 MiB, and its RAM disk behind where the kernel moves itself to', () => {
    expect(memory.bytes(MIB, 0x300)).toEqual(new Uint8Array(0x300).fill(0xcc));
    expect(memory.u32(SETUP + 0x218)).toBe(3 * MIB);
    expect(memory.u32(SETUP + 0x21c)).toBe(3);
    expect(memory.bytes(3 * MIB, 3)).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('is told of its command line, of a heap and of a loader', () => {
    expect(new TextDecoder().decode(memory.bytes(memory.u32(SETUP + 0x228), 4))).toBe('a=1\0');
    expect(memory.bytes(SETUP + 0x210, 2)).toEqual(Uint8Array.of(0xff, 0x81));
    expect(memory.u32(SETUP + 0x224) & 0xffff).toBe(0xfc00);
  });
});

it('an image with a 32-bit entry starts in real mode where that is asked for', () => {
  const memory = new PlainMemory(8 * MIB);
  const entered = (linuxBoot?: 'image16'): number =>
    loadImage(memory, new MemoryLayout(memory.size), image(MIB), { ...request, linuxBoot }).mode;
  expect([entered(), entered('image16')]).toEqual([32, 16]);
});
