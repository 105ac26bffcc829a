/** Deflate data as Node's zlib writes it, too long, too short, and damaged. */
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { inflate } from '../../../src/devices/block/inflate.ts';
import { chances, pattern } from './image-lab.ts';

const ROUNDS = 600;
const text = pattern(50_000).map((byte) => byte & 0x1f);

function pack(bytes: Uint8Array, options = {}): Uint8Array {
  return new Uint8Array(deflateRawSync(bytes, options));
}

describe('deflate data', () => {
  it.each([
    ['of stored blocks', { level: 0 }],
    ['with the fixed code', { strategy: 4 }],
    ['with codes of its own', { level: 9 }],
  ])('%s unpacks to what was packed', (_what, options) => {
    expect(Buffer.compare(inflate(pack(text, options), text.length), text)).toBe(0);
  });

  it('unpacks to as much as is asked for, whatever follows', () => {
    const sector = new Uint8Array(pack(text).length + 512);
    sector.set(pack(text));
    expect(Buffer.compare(inflate(sector, text.length), text)).toBe(0);
    expect(inflate(sector, 100)).toEqual(text.subarray(0, 100));
  });

  it('that unpacks to far more than is asked for is not looked at any further', () => {
    const zeros = pack(new Uint8Array(9 << 20));
    expect(zeros.length).toBeGreaterThan(8500);
    zeros.fill(0xff, 8500);
    expect(inflate(zeros, 512)).toEqual(new Uint8Array(512));
    expect(() => inflate(zeros, 9 << 20)).toThrow(/deflate data/);
  });

  it.each([
    ['ends too early', pack(text).subarray(0, -20), 'deflate data: unexpected EOF'],
    ['holds less than is asked for', pack(text.subarray(0, 10)), 'deflate data holds 10 bytes of 50000'],
    ['is empty', new Uint8Array(0), 'deflate data holds 0 bytes of 50000'],
    ['has a block of type 3', new Uint8Array([7]), 'deflate data: invalid block type'],
  ])('that %s is refused', (_what, packed, message) => {
    expect(() => inflate(packed, text.length)).toThrow(message);
  });

  it('with noise in it ends in an error or in bytes', () => {
    const chance = chances(9);
    const packed = pack(text.subarray(0, 5000));
    for (let round = 0; round < ROUNDS; round++) {
      const noisy = packed.slice(0, chance(4) === 0 ? chance(packed.length) : packed.length);
      for (let count = chance(4); count >= 0; count--) noisy[chance(noisy.length)] = chance(256);
      try {
        expect(inflate(noisy, 5000).length).toBe(5000);
      } catch (error) {
        expect(String(error)).toMatch(/deflate data/);
      }
    }
  });
});
