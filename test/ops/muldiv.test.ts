/** Multiplication and division against whole-number arithmetic of any size (SDM Vol. 2, "MUL", "IMUL", "DIV", "IDIV"). */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Flags, low, OpBench, signed } from './op-bench.ts';

const FORMS = [
  { bits: 8, prefix: '', opcode: 'f6' },
  { bits: 16, prefix: '66', opcode: 'f7' },
  { bits: 32, prefix: '', opcode: 'f7' },
  { bits: 64, prefix: '48', opcode: 'f7' },
] as const;
const DE = 0;

let bench: OpBench;
beforeAll(async () => {
  bench = await OpBench.create();
});

/** Values with many zeros and ones in a row, where carries and estimates go wrong. */
const word = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc
    .tuple(fc.integer({ min: 0, max: 64 }), fc.integer({ min: -2, max: 2 }))
    .map(([shift, delta]) => low((1n << BigInt(shift)) + BigInt(delta), 64)),
  fc.constantFrom(0n, 1n, 0x7fffffffffffffffn, 0x8000000000000000n, 0xffffffff00000000n, 0xffffffffffffffffn),
);

/** The double-width operand of `bits` as the registers hold it, high part first. */
function halves(bits: number): [bigint, bigint] {
  const [rax, rdx] = [bench.get('rax'), bench.get('rdx')];
  return bits === 8 ? [low(rax >> 8n, 8), low(rax, 8)] : [low(rdx, bits), low(rax, bits)];
}
function setDouble(bits: number, high: bigint, lowPart: bigint): { rax: bigint; rdx: bigint } {
  if (bits === 8) return { rax: low((high << 8n) | low(lowPart, 8), 16), rdx: 0x1234n };
  return { rax: low(lowPart, bits), rdx: low(high, bits) };
}

describe.each(FORMS)('$bits-bit multiplication and division', ({ bits, prefix, opcode }) => {
  const shift = BigInt(bits);
  const size = 1n << shift;

  it('MUL gives the whole product, and CF = OF where its high half is not zero', () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const { flags } = bench.run(`${prefix} ${opcode} e1`, { rax: a, rcx: b, rdx: 0 });
        const product = low(a, bits) * low(b, bits);
        expect(halves(bits)).toEqual([product >> shift, low(product, bits)]);
        expect(flags & (Flags.CF | Flags.OF)).toBe(product >> shift ? Flags.CF | Flags.OF : 0n);
      }),
    );
  });

  it('IMUL with one operand gives the whole signed product, and CF = OF where it does not fit one half', () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const { flags } = bench.run(`${prefix} ${opcode} e9`, { rax: a, rcx: b, rdx: 0 });
        const product = signed(a, bits) * signed(b, bits);
        expect(halves(bits)).toEqual([low(product >> shift, bits), low(product, bits)]);
        expect(flags & (Flags.CF | Flags.OF)).toBe(signed(product, bits) === product ? 0n : Flags.CF | Flags.OF);
      }),
    );
  });

  it('DIV gives quotient and remainder, or #DE with nothing changed where the quotient does not fit', () => {
    fc.assert(
      fc.property(word, word, word, (high, lowPart, divisor) => {
        const before = setDouble(bits, high, lowPart);
        const { vector } = bench.run(`${prefix} ${opcode} f1`, { ...before, rcx: divisor });
        const [n, d] = [low(high, bits) * size + low(lowPart, bits), low(divisor, bits)];
        if (d === 0n || n / d >= size) {
          expect([vector, bench.get('rax'), bench.get('rdx')]).toEqual([DE, before.rax, before.rdx]);
        } else {
          expect(vector).toBe(-1);
          expect(halves(bits)).toEqual([n % d, n / d]);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('IDIV truncates towards zero, the remainder has the sign of the dividend, and what does not fit is #DE', () => {
    fc.assert(
      fc.property(word, word, word, fc.boolean(), (high, lowPart, divisor, fits) => {
        const top = fits ? (low(lowPart, bits) >> (shift - 1n) ? -1n : 0n) : high;
        const before = setDouble(bits, top, lowPart);
        const { vector } = bench.run(`${prefix} ${opcode} f9`, { ...before, rcx: divisor });
        const n = signed(low(top, bits) * size + low(lowPart, bits), 2 * bits);
        const d = signed(divisor, bits);
        if (d === 0n || signed(n / d, bits) !== n / d) {
          expect([vector, bench.get('rax'), bench.get('rdx')]).toEqual([DE, before.rax, before.rdx]);
        } else {
          expect(vector).toBe(-1);
          expect(halves(bits)).toEqual([low(n % d, bits), low(n / d, bits)]);
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe('truncated and flagless products', () => {
  it('IMUL with two operands sets CF = OF where the signed product of 64 bits does not fit', () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const { flags } = bench.run('48 0f af c1', { rax: a, rcx: b });
        const product = signed(a, 64) * signed(b, 64);
        expect(bench.get('rax')).toBe(low(product, 64));
        expect(flags & (Flags.CF | Flags.OF)).toBe(signed(product, 64) === product ? 0n : Flags.CF | Flags.OF);
      }),
    );
  });

  it('MULX leaves the flags, and one register as both destinations gets the high half', () => {
    const registers = { rdx: 0xfedcba9876543210n, rcx: 0x123456789abcdef0n, rflags: 0x8d7n };
    const product = registers.rdx * registers.rcx;
    expect(bench.run('c4 e2 e3 f6 c1', registers).flags).toBe(0x8d5n);
    expect([bench.get('rax'), bench.get('rbx')]).toEqual([product >> 64n, low(product, 64)]);
    bench.run('c4 e2 fb f6 c1', registers);
    expect(bench.get('rax')).toBe(product >> 64n);
  });
});
