/** Decimal adjustments for every AL, CF and AF, against the Operation sections of SDM Vol. 2A ("DAA", "DAS", "AAA", "AAS"). */
import { beforeAll, describe, expect, it } from 'vitest';
import { CODE, HANDLER, type Lab, protectedLab } from '../exec/lab.ts';
import { ARITHMETIC, Flags, resultFlags } from './op-bench.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await protectedLab();
});

function run(bytes: string, rax: number, flags: bigint): bigint {
  lab.set({ rip: CODE, rsp: 0x30000, rax, rflags: flags | 2n });
  lab.code(CODE, bytes);
  lab.step();
  return lab.get('rflags') & ARITHMETIC;
}
const INPUTS = Array.from({ length: 1024 }, (_, n) => ({ al: n & 0xff, cf: (n >> 8) & 1, af: n >> 9 }));
const flagsOf = (cf: number, af: number) => (cf ? Flags.CF : 0n) | (af ? Flags.AF : 0n);
const RESULT = Flags.SF | Flags.ZF | Flags.PF | Flags.CF | Flags.AF;

describe('packed decimals', () => {
  it('DAA corrects a sum digit by digit', () => {
    for (const { al, cf, af } of INPUTS) {
      let [value, carry] = [al, 0];
      const adjust = (al & 15) > 9 || af === 1;
      if (adjust) {
        carry = cf | (value + 6 > 0xff ? 1 : 0);
        value = (value + 6) & 0xff;
      }
      if (al > 0x99 || cf) [value, carry] = [(value + 0x60) & 0xff, 1];
      else carry = 0;
      const got = run('27', al, flagsOf(cf, af));
      expect([al, lab.get('rax')]).toEqual([al, BigInt(value)]);
      expect(got & RESULT).toBe(resultFlags(BigInt(value), 8) | flagsOf(carry, adjust ? 1 : 0));
    }
  });

  it('DAS corrects a difference, and keeps the borrow of its low digit in CF', () => {
    for (const { al, cf, af } of INPUTS) {
      let [value, carry] = [al, 0];
      const adjust = (al & 15) > 9 || af === 1;
      if (adjust) {
        carry = cf | (value < 6 ? 1 : 0);
        value = (value - 6) & 0xff;
      }
      if (al > 0x99 || cf) [value, carry] = [(value - 0x60) & 0xff, 1];
      const got = run('2f', al, flagsOf(cf, af));
      expect([al, lab.get('rax')]).toEqual([al, BigInt(value)]);
      expect(got & RESULT).toBe(resultFlags(BigInt(value), 8) | flagsOf(carry, adjust ? 1 : 0));
    }
  });
});

describe('unpacked decimals', () => {
  it.each([
    ['AAA adds 106H to AX', '37', 0x106],
    ['AAS takes 6 from AX and 1 from AH', '3f', -0x106],
  ])('%s where the digit is none, and clears the high half of AL', (_name, bytes, by) => {
    for (const { al, cf, af } of INPUTS) {
      const adjust = (al & 15) > 9 || af === 1;
      const ax = ((0x5500 | al) + (adjust ? by : 0)) & 0xff0f;
      const got = run(bytes, 0x5500 | al, flagsOf(cf, af));
      expect([al, lab.get('rax')]).toEqual([al, BigInt(ax)]);
      expect(got & (Flags.CF | Flags.AF)).toBe(adjust ? Flags.CF | Flags.AF : 0n);
    }
  });

  it('AAM and AAD convert in the base of their operand', () => {
    run('d4 0a', 0xff57, 0n);
    expect(lab.get('rax')).toBe(0x0807n);
    run('d5 10', 0x0807, 0n);
    expect(lab.get('rax')).toBe(0x0087n);
  });

  it('AAM in base 0 is #DE', () => {
    lab.gate32(0, HANDLER);
    run('d4 00', 0x1234, 0n);
    expect([lab.get('rip'), lab.get('rax')]).toEqual([BigInt(HANDLER), 0x1234n]);
  });
});

describe('flags as bytes', () => {
  it('SALC fills AL with CF', () => {
    run('d6', 0x1200, Flags.CF);
    expect(lab.get('rax')).toBe(0x12ffn);
    run('d6', 0x12ff, 0n);
    expect(lab.get('rax')).toBe(0x1200n);
  });

  it('LAHF and SAHF carry all but OF, with bit 1 set and bits 3 and 5 clear', () => {
    for (let ah = 0; ah < 256; ah++) {
      expect(run('9e', ah << 8, Flags.OF)).toBe(Flags.OF | (BigInt(ah) & 0xd5n));
      run('9f', 0, BigInt(ah) & 0xd5n);
      expect(lab.get('rax')).toBe(BigInt((ah & 0xd5) | 2) << 8n);
    }
  });
});
