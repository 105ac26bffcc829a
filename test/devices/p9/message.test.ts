// Messages of 9P against an encoding in Node's own buffers: numbers and texts in any order and of any length.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HEADER_BYTES, Reader, Writer } from '../../../src/devices/p9/message.ts';

type Field = { put: (out: Writer) => void; take: (of: Reader) => unknown; value: unknown; bytes: Buffer };

const number = (name: 'u8' | 'u16' | 'u32', length: number): fc.Arbitrary<Field> =>
  fc.maxSafeNat().map((random) => {
    const value = random % 2 ** (8 * length);
    const bytes = Buffer.alloc(length);
    bytes.writeUIntLE(value, 0, length);
    return { put: (out) => void out[name](value), take: (of) => of[name](), value, bytes };
  });
const field: fc.Arbitrary<Field> = fc.oneof(
  number('u8', 1),
  number('u16', 2),
  number('u32', 4),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return { put: (out: Writer) => void out.u64(value), take: (of: Reader) => of.u64(), value, bytes };
  }),
  fc.string({ unit: 'grapheme', maxLength: 255 }).map((value) => {
    const text = Buffer.from(value);
    const bytes = Buffer.concat([Buffer.from([text.length & 0xff, text.length >> 8]), text]);
    return { put: (out: Writer) => void out.text(value), take: (of: Reader) => of.text(), value, bytes };
  }),
  fc.uint8Array({ maxLength: 600 }).map((value) => ({
    put: (out: Writer) => void out.bytes(value),
    take: (of: Reader) => Uint8Array.from(of.bytes(value.length)),
    value,
    bytes: Buffer.from(value),
  })),
);

it('a message holds its fields one after the other, at whichever of them it has to grow', () => {
  const property = fc.property(fc.array(field, { maxLength: 200 }), (fields) => {
    const out = new Writer();
    for (const { put } of fields) put(out);
    const body = Buffer.concat(fields.map(({ bytes }) => bytes));
    const message = out.finish(77, 0x1234);
    const header = Buffer.from([0, 0, 0, 0, 77, 0x34, 0x12]);
    header.writeUInt32LE(HEADER_BYTES + body.length);
    expect(Buffer.concat([header, body]).equals(message)).toBe(true);
    const of = new Reader(message.subarray(HEADER_BYTES));
    for (const { take, value } of fields) expect(take(of)).toEqual(value);
  });
  fc.assert(property, { seed: 20261129, numRuns: 300 });
});
