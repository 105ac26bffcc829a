// The SMBIOS tables, read as a guest reads them: entry point with checksums, structures with lengths and strings.
import { describe, expect, it } from 'vitest';
import { MemoryLayout } from '../../../src/machine/firmware/memory-layout.ts';
import { type SmbiosTexts, writeSmbios } from '../../../src/machine/firmware/smbios.ts';
import { PlainMemory } from '../plain-memory.ts';

const MIB = 0x10_0000;

interface Structure {
  type: number;
  bytes: DataView;
  strings: string[];
}

function read(texts?: SmbiosTexts, vcpus = 1) {
  const memory = new PlainMemory(2 * MIB);
  writeSmbios(memory, new MemoryLayout(memory.size), { ramBytes: 256 * MIB, vcpus, texts });
  let anchor = 0xf_0000;
  while (new TextDecoder().decode(memory.bytes(anchor, 4)) !== '_SM_') anchor += 16;
  const sum = (at: number, length: number) => memory.bytes(at, length).reduce((total, byte) => total + byte, 0) & 0xff;
  const entry = new DataView(memory.bytes(anchor, 31).buffer, memory.bytes(anchor, 31).byteOffset, 31);
  const [length, start, count] = [entry.getUint16(22, true), entry.getUint32(24, true), entry.getUint16(28, true)];
  const table = memory.bytes(start, length);
  const structures: Structure[] = [];
  let at = 0;
  while (at < length) {
    const formatted = table[at + 1];
    let end = at + formatted;
    while (table[end] !== 0 || table[end + 1] !== 0) end++;
    const text = new TextDecoder().decode(table.subarray(at + formatted, end));
    structures.push({
      type: table[at],
      bytes: new DataView(table.buffer, table.byteOffset + at, formatted),
      strings: text === '' ? [] : text.split('\0'),
    });
    at = end + 2;
  }
  return { sums: [sum(anchor, 31), sum(anchor + 16, 15)], count, structures };
}

describe('the SMBIOS tables', () => {
  it('have two good checksums and as many structures as they say', () => {
    const { sums, count, structures } = read();
    expect(sums).toEqual([0, 0]);
    expect(count).toBe(structures.length);
    expect(structures.map(({ type }) => type)).toEqual([0, 1, 3, 4, 16, 17, 19, 32, 127]);
  });

  it('have structures of the lengths of version 2.8', () => {
    const lengths = new Map(read().structures.map(({ type, bytes }) => [type, bytes.byteLength]));
    expect([...lengths]).toEqual([
      [0, 0x18],
      [1, 0x1b],
      [3, 0x16],
      [4, 0x2a],
      [16, 0x17],
      [17, 0x28],
      [19, 0x1f],
      [32, 0x0b],
      [127, 4],
    ]);
  });

  it('tell memory and processors', () => {
    const { structures } = read(undefined, 3);
    expect(structures.filter(({ type }) => type === 4).map(({ strings }) => strings[0])).toEqual([
      'CPU 0',
      'CPU 1',
      'CPU 2',
    ]);
    const device = structures.find(({ type }) => type === 17)!;
    expect(device.bytes.getUint16(0x0c, true)).toBe(256);
    const mapped = structures.find(({ type }) => type === 19)!;
    expect([mapped.bytes.getUint32(4, true), mapped.bytes.getUint32(8, true)]).toEqual([0, 256 * 1024 - 1]);
  });

  it('tell what they are told to tell', () => {
    const uuid = '00112233-4455-6677-8899-aabbccddeeff';
    const system = read({ 1: { manufacturer: 'Some', serial: 'S 1', uuid } }).structures[1];
    expect(system.strings).toEqual(['Some', 'PC', '1', 'S 1']);
    expect(
      [...Array(16).keys()]
        .map((n) =>
          system.bytes
            .getUint8(8 + n)
            .toString(16)
            .padStart(2, '0'),
        )
        .join(''),
    ).toBe('33221100554477668899aabbccddeeff');
  });

  it('refuse a UUID that is none, and texts that do not fit', () => {
    expect(() => read({ 1: { uuid: '0011' } })).toThrow("'0011' is no UUID");
    expect(() => read({ 0: { vendor: 'x'.repeat(5000) } })).toThrow('SMBIOS tables have');
  });
});
