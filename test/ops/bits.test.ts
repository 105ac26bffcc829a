/** Bit strings, scans and counts, CRC32, and the bit instructions of BMI, after SDM Vol. 2. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { DATA, Flags, OpBench } from './op-bench.ts';

let bench: OpBench;
beforeAll(async () => {
  bench = await OpBench.create();
});
const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });

describe('bit strings', () => {
  it.each([
    ['BTS', 'ab', (old: bigint, bit: bigint) => old | (1n << bit)],
    ['BTR', 'b3', (old: bigint, bit: bigint) => old & ~(1n << bit)],
    ['BTC', 'bb', (old: bigint, bit: bigint) => old ^ (1n << bit)],
    ['BT', 'a3', (old: bigint) => old],
  ])('%s with a register offset reaches the words around its operand, backwards too', (_name, opcode, change) => {
    for (const offset of [0n, 63n, 64n, 200n, -1n, -64n, -65n, -1000n]) {
      const at = DATA + Number((offset >> 6n) * 8n);
      const bit = offset & 63n;
      for (const old of [0x5a5a5a5a5a5a5a5an, 0xa5a5a5a5a5a5a5a5n]) {
        bench.poke(at, old);
        const { flags } = bench.run(`48 0f ${opcode} 0b`, { rbx: DATA, rcx: BigInt.asUintN(64, offset), rflags: 0x42 });
        expect(flags).toBe(((old >> bit) & 1n) | Flags.ZF);
        expect(bench.peek(at)).toBe(change(old, bit));
      }
    }
  });

  it('a 16-bit offset is signed, and an immediate one stays inside the operand', () => {
    bench.poke(DATA - 8, 0n);
    bench.poke(DATA, 0n);
    bench.run('66 0f ab 0b', { rbx: DATA, rcx: 0xffff });
    expect(bench.peek(DATA - 8)).toBe(1n << 63n);
    bench.run('0f ba 2b 21', { rbx: DATA });
    expect(bench.peek(DATA)).toBe(2n);
  });
});

describe('scans and counts', () => {
  it('TZCNT and LZCNT of zero give the operand size and CF', () => {
    expect(bench.run('66 f3 0f bc c1', { rax: 7, rcx: 0 }).flags & (Flags.CF | Flags.ZF)).toBe(Flags.CF);
    expect(bench.get('rax')).toBe(16n);
    expect(bench.run('f3 48 0f bd c1', { rax: 7, rcx: 0 }).flags & (Flags.CF | Flags.ZF)).toBe(Flags.CF);
    expect(bench.get('rax')).toBe(64n);
  });

  it('on a processor without BMI1 and LZCNT the F3 prefix is ignored: BSF and BSR run', () => {
    bench.setFeature('bmi1', false);
    bench.setFeature('abm', false);
    bench.run('f3 0f bd c1', { rax: 7, rcx: 0x100 });
    expect(bench.get('rax')).toBe(8n);
    expect(bench.run('f3 0f bc c1', { rax: 7, rcx: 0 }).flags & Flags.ZF).toBe(Flags.ZF);
    expect(bench.get('rax')).toBe(7n);
    bench.setFeature('bmi1', true);
    bench.setFeature('abm', true);
    bench.run('f3 0f bd c1', { rcx: 0x100 });
    expect(bench.get('rax')).toBe(23n);
  });

  it('POPCNT clears every flag but ZF, PF too', () => {
    expect(bench.run('f3 48 0f b8 c1', { rcx: 0xf0f0n, rflags: 0x8d7 }).flags).toBe(0n);
    expect(bench.get('rax')).toBe(8n);
    expect(bench.run('f3 48 0f b8 c1', { rcx: 0, rflags: 0x8d7 }).flags).toBe(Flags.ZF);
  });
});

describe('CRC32', () => {
  it('gives the check value of CRC-32C, E3069283H for "123456789", whatever the operand sizes', () => {
    const digits = new TextEncoder().encode('123456789');
    bench.lab.core.memory.bytes(DATA, digits.length).set(digits);
    const sum = (steps: [string, number][]) => {
      let at = DATA;
      let crc = 0xffffffffn;
      for (const [bytes, size] of steps) {
        bench.run(bytes, { rax: crc | (0xdeadn << 32n), rbx: at });
        crc = bench.get('rax');
        at += size;
      }
      return BigInt.asUintN(32, ~crc);
    };
    const BYTE: [string, number] = ['f2 0f 38 f0 03', 1];
    expect(sum(Array(9).fill(BYTE))).toBe(0xe3069283n);
    expect(sum([['f2 48 0f 38 f1 03', 8], BYTE])).toBe(0xe3069283n);
    expect(sum([['f2 0f 38 f1 03', 4], ['66 f2 0f 38 f1 03', 2], ['66 f2 0f 38 f1 03', 2], BYTE])).toBe(0xe3069283n);
  });
});

describe('BMI2', () => {
  it('PEXT gathers what PDEP scattered', () => {
    fc.assert(
      fc.property(word, word, (value, mask) => {
        bench.run('c4 e2 f3 f5 c2', { rcx: value, rdx: mask });
        const scattered = bench.get('rax');
        const places = [...Array(64).keys()].map(BigInt).filter((n) => (mask >> n) & 1n);
        expect(scattered).toBe(places.reduce((sum, place, n) => sum | (((value >> BigInt(n)) & 1n) << place), 0n));
        bench.run('c4 e2 fa f5 c2', { rax: scattered, rdx: mask });
        expect(bench.get('rax')).toBe(value & ((1n << BigInt(places.length)) - 1n));
      }),
    );
  });
});

describe('BSWAP', () => {
  it('of 32 bits clears the upper half', () => {
    bench.run('0f c8', { rax: 0xffffffff12345678n });
    expect(bench.get('rax')).toBe(0x78563412n);
  });
});
