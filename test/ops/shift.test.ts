/** Shifts and rotates for every count against a bit-by-bit model of the manual (SDM Vol. 2, "RCL/RCR/ROL/ROR" and others). */
import { beforeAll, describe, expect, it } from 'vitest';
import { ARITHMETIC, Flags, low, OpBench, resultFlags } from './op-bench.ts';

let bench: OpBench;
beforeAll(async () => {
  bench = await OpBench.create();
});

const OPS = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'sal', 'sar'] as const;
type Op = (typeof OPS)[number];
const FORMS = [
  { bits: 8, prefix: '', opcode: 'd2' },
  { bits: 16, prefix: '66', opcode: 'd3' },
  { bits: 32, prefix: '', opcode: 'd3' },
  { bits: 64, prefix: '48', opcode: 'd3' },
] as const;
const VALUES = [1n, 0x8000000080008080n, 0x123456789abcdef0n, 0x7edcba9876543217n];

/** One step by one place: the value and CF. */
function step(op: Op, value: bigint, cf: bigint, bits: number): [bigint, bigint] {
  const top = 1n << BigInt(bits - 1);
  const [first, last] = [value & top ? 1n : 0n, value & 1n];
  switch (op) {
    case 'rol':
      return [low((value << 1n) | first, bits), first];
    case 'ror':
      return [(value >> 1n) | (last * top), last];
    case 'rcl':
      return [low((value << 1n) | cf, bits), first];
    case 'rcr':
      return [(value >> 1n) | (cf * top), last];
    case 'shr':
      return [value >> 1n, last];
    case 'sar':
      return [(value >> 1n) | (first * top), last];
    default:
      return [low(value << 1n, bits), first];
  }
}

describe.each(FORMS)('$bits-bit shifts by CL', ({ bits, prefix, opcode }) => {
  it.each(OPS)('%s moves one place at a time, count modulo 32 or 64, and a count of 0 leaves the flags', (op) => {
    const modrm = (0xc0 | (OPS.indexOf(op) << 3) | 3).toString(16);
    const top = 1n << BigInt(bits - 1);
    for (const start of VALUES) {
      for (const flags of [0n, ARITHMETIC]) {
        for (let cl = 0; cl < 256; cl += cl < 66 ? 1 : 37) {
          const count = cl & (bits === 64 ? 63 : 31);
          let [value, cf] = [low(start, bits), flags & 1n];
          for (let n = 0; n < count; n++) [value, cf] = step(op, value, cf, bits);
          const got = bench.run(`${prefix} ${opcode} ${modrm}`, { rbx: start, rcx: cl, rflags: flags | 2n });
          const upper = bits === 32 ? 0n : start - low(start, bits);
          const title = `${op} ${bits} bits of ${start.toString(16)} by ${cl} with flags ${flags.toString(16)}`;
          expect(bench.get('rbx'), title).toBe(upper | value);
          expect(got.flags & Flags.CF, title).toBe(cf);
          const shifts = !op.startsWith('r');
          const kept = count === 0 ? ARITHMETIC : shifts ? 0n : ARITHMETIC & ~(Flags.CF | Flags.OF);
          expect(got.flags & kept, title).toBe(flags & kept);
          if (count > 0 && shifts) {
            const result = Flags.SF | Flags.ZF | Flags.PF;
            expect(got.flags & result, title).toBe(resultFlags(value, bits));
          }
          if (count === 1) {
            const changed = (low(start, bits) ^ value) & top ? Flags.OF : 0n;
            expect(got.flags & Flags.OF, title).toBe(changed);
          }
        }
      }
    }
  });
});

describe('double shifts', () => {
  it('SHLD fills from the top of the second operand, and CF is the last bit out', () => {
    const { flags } = bench.run('0f a4 d8 0c', { rax: 0x12345678, rbx: 0xabcdef01 });
    expect([bench.get('rax'), flags & Flags.CF]).toEqual([0x45678abcn, 1n]);
  });
  it('SHRD fills from the bottom of the second operand', () => {
    const { flags } = bench.run('0f ac d8 0c', { rax: 0x12345678, rbx: 0xabcdef01 });
    expect([bench.get('rax'), flags & Flags.CF]).toEqual([0xf0112345n, 0n]);
  });
  it('a 64-bit double shift takes six bits of the count', () => {
    bench.run('48 0f a4 d8 68', { rax: 0x0123456789abcdefn, rbx: 0xfedcba9876543210n });
    expect(bench.get('rax')).toBe(0xabcdeffedcba9876n);
  });
  it('a count of 32 leaves a 32-bit operand and the flags, but clears the upper half of the register', () => {
    const { flags } = bench.run('0f a4 d8 20', { rax: 0xffffffff12345678n, rbx: 1, rflags: 0x8d7 });
    expect([bench.get('rax'), flags]).toEqual([0x12345678n, ARITHMETIC]);
  });
});
