/** The VEC1 reader against files written here by hand, field by field, from the format's description. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openVectors } from '../../src/recorded/reader.ts';

class Writer {
  readonly bytes: number[] = [];

  le(size: number, value: number | bigint): this {
    for (let k = 0; k < size; k++)
      this.bytes.push(Number((BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * k)) & 0xffn));
    return this;
  }

  text(lengthSize: number, text: string): this {
    this.le(lengthSize, text.length);
    this.bytes.push(...Buffer.from(text, 'latin1'));
    return this;
  }

  fill(length: number, value: number): this {
    for (let k = 0; k < length; k++) this.bytes.push(value);
    return this;
  }
}

const MEM_BASE = 0x10000700;

function background(w: Writer): void {
  for (let k = 0; k < 16; k++) w.le(8, 0x1000 + k);
  w.le(4, 0x202).le(4, 0x1f80).fill(512, 0x11).le(2, 0x37f).le(2, 0).le(1, 0xff).fill(80, 0x22).fill(256, 0x33);
}

function header(mode: number, count: number): Writer {
  const w = new Writer();
  w.bytes.push(...Buffer.from('VEC1'));
  w.le(2, 1).le(1, mode).le(1, 1).le(4, count).le(4, 0x20000000).le(4, 0x10000000).le(4, 0x8000);
  w.text(1, 'int-alu').le(2, 2).text(1, 'add r32,r32').text(1, 'add m32,r32');
  background(w);
  return w;
}

function completedCase(): Writer {
  const w = new Writer();
  w.le(2, 1).le(1, 0).le(1, 0).le(1, 0).le(1, 0).le(2, 0).le(4, 2);
  w.le(2, 0x8d5).le(2, 0xffff).le(2, 0x8000).le(1, 1).le(2, 0x702).le(2, 3);
  w.le(4, MEM_BASE).le(2, 0x123).le(1, 2).le(2, 0xc801);
  w.le(1, 1 | 2)
    .le(2, 0b1001)
    .le(8, 5n)
    .le(8, 0xffff_ffff_ffff_fff0n)
    .le(4, 0x203);
  w.le(1, 1 | 64)
    .le(2, 1)
    .le(8, 9n)
    .le(1, 1)
    .le(2, 0x704)
    .le(2, 2)
    .le(2, 0xbbaa);
  return w.text(2, 'add eax, ecx');
}

function faultCase(outcome: number): Writer {
  const w = new Writer();
  w.le(2, 0).le(1, 0).le(1, 0).le(1, outcome).le(1, 14).le(2, 7).le(4, -3).le(8, 0x10001000n);
  w.le(2, 0x8d5).le(2, 0xffff).le(2, 0).le(1, 0).le(4, MEM_BASE).le(2, 0).le(1, 1).le(1, 0x90);
  return w.le(1, 0).le(1, 0).text(2, 'nop');
}

function file(mode: number, ...cases: Writer[]): Uint8Array {
  const w = header(mode, cases.length);
  for (const c of cases) w.le(2, c.bytes.length).bytes.push(...c.bytes);
  return Uint8Array.from(w.bytes);
}

describe('a VEC1 file', () => {
  it('gives its group, mode, pages and forms', () => {
    const opened = openVectors(file(64));
    expect(opened).toMatchObject({ group: 'int-alu', mode: 64, count: 0, codePage: 0x20000000, lowPage: 0x8000 });
    expect(opened.forms).toEqual(['add r32,r32', 'add m32,r32']);
  });

  it("is read gzip'ed as well as plain", () => {
    expect(openVectors(gzipSync(file(64))).group).toBe('int-alu');
  });

  it('starts a case from its background and its own differences', () => {
    const [c] = openVectors(file(64, completedCase())).cases();
    expect(c).toMatchObject({ form: 'add m32,r32', text: 'add eax, ecx', rip: 2, fault: undefined, codeOffset: 0x123 });
    expect(c.initial.gpr[0]).toBe(5n);
    expect(c.initial.gpr[1]).toBe(0x1001n);
    expect(c.initial.gpr[3]).toBe(0xffff_ffff_ffff_fff0n);
    expect(c.initial.rflags).toBe(0x203);
    expect(c.initial.page[0x6ff]).toBe(0);
    expect(c.initial.page[0x700]).toBe(0x33);
  });

  it('ends a case with the differences from where it started', () => {
    const [c] = openVectors(file(64, completedCase())).cases();
    expect(c.final.gpr[0]).toBe(9n);
    expect(c.final.gpr[3]).toBe(0xffff_ffff_ffff_fff0n);
    expect([...c.final.page.subarray(0x703, 0x707)]).toEqual([0x33, 0xaa, 0xbb, 0x33]);
    expect(c.memIgnore).toEqual([{ offset: 0x702, length: 3 }]);
  });

  it('tells a page fault with its address, unless CR2 need not match', () => {
    const faults = Array.from(openVectors(file(32, faultCase(1), faultCase(3))).cases(), (c) => c.fault);
    expect(faults).toEqual([
      { vector: 14, errorCode: 7, cr2: 0x10001000n },
      { vector: 14, errorCode: 7, cr2: undefined },
    ]);
  });

  it('stores 32-bit registers in 4 bytes in mode 32', () => {
    const w = new Writer();
    w.le(2, 0).le(1, 0).le(1, 0).le(1, 0).le(1, 0).le(2, 0).le(4, 1).le(2, 0).le(2, 0).le(2, 0).le(1, 0);
    w.le(4, MEM_BASE).le(2, 0).le(1, 1).le(1, 0x90).le(1, 1).le(2, 2).le(4, 0xfffffff0).le(1, 0).text(2, 'nop');
    const [c] = openVectors(file(32, w)).cases();
    expect(c.initial.gpr[1]).toBe(0xfffffff0n);
  });
});

describe('a damaged VEC1 file', () => {
  const all = (bytes: Uint8Array) => [...openVectors(bytes, 'x.vec').cases()];
  const good = file(64, completedCase());

  it('is refused when the magic differs', () => {
    expect(() => all(Uint8Array.from([...Buffer.from('ELF?'), ...good.subarray(4)]))).toThrow(
      "x.vec: not a VEC1 file (it starts with 'ELF?')",
    );
  });

  it('is refused when its mode is neither 32 nor 64', () => {
    expect(() => all(file(16))).toThrow('x.vec: mode 16, only 32 and 64 exist');
  });

  it('is refused when it is cut off', () => {
    expect(() => all(good.subarray(0, good.length - 1))).toThrow(/x\.vec: ends at byte \d+/);
  });

  it('is refused when bytes follow the last case', () => {
    expect(() => all(Uint8Array.from([...good, 0, 0]))).toThrow('x.vec: 2 bytes after the last case');
  });

  it('is refused when a case is longer than it says', () => {
    const short = completedCase();
    const bytes = file(64, short);
    bytes[bytes.length - short.bytes.length - 2] -= 1;
    expect(() => all(bytes)).toThrow(/x\.vec: case 0 has \d+ bytes, \d+ were read/);
  });
});
