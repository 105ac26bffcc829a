// Hot rows say of flags and memory what iced-x86, an independent decoder, says of the instructions that they stand for.
import { Decoder, DecoderOptions, InstructionInfoFactory, OpAccess, RflagsBits } from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { HOT, kindOf, plainOf } from '../../../src/isa/hot/index.ts';
import { ALL_FLAGS, CONDITIONS, type Flags, mayLeave } from '../../../src/isa/hot/row.ts';

const ALU = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'];
const SHIFTS: Record<string, number> = { rol: 0, ror: 1, shl: 4, shr: 5, sar: 7 };
/** An instruction for each row, in hexadecimal: 64-bit mode, operands EAX or RAX, ECX and memory at RSI. */
const SAMPLES: [name: string, bytes: string][] = (['32', '64'] as const).flatMap((bits): [string, string][] => {
  const rex = bits === '64' ? '48' : '';
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  return [
    ...ALU.flatMap((op, n): [string, string][] => [
      [`${op}_r${bits}`, `${rex}${hex(8 * n + 1)}c8`],
      [`${op}_rm${bits}`, `${rex}${hex(8 * n + 3)}06`],
      [`${op}_mr${bits}`, `${rex}${hex(8 * n + 1)}06`],
    ]),
    [`test_r${bits}`, `${rex}85c8`],
    [`test_mr${bits}`, `${rex}8506`],
    ...Object.entries(SHIFTS).map(([op, n]): [string, string] => [
      `${op}_r${bits}`,
      `${rex}c1${hex(0xc0 | (n << 3))}03`,
    ]),
    [`imul2_r${bits}`, `${rex}0fafc1`],
    [`imul2_rm${bits}`, `${rex}0faf06`],
    [`imul3_r${bits}`, `${rex}69c178563412`],
    [`imul3_rm${bits}`, `${rex}690678563412`],
    [`mov_r${bits}`, `${rex}89c8`],
    [`mov_rm${bits}`, `${rex}8b06`],
    [`mov_mr${bits}`, `${rex}8906`],
    [`lea_rm${bits}`, `${rex}8d4605`],
    [`inc_r${bits}`, `${rex}ffc0`],
    [`dec_r${bits}`, `${rex}ffc8`],
    [`inc_mr${bits}`, `${rex}ff06`],
    [`dec_mr${bits}`, `${rex}ff0e`],
    [`not_r${bits}`, `${rex}f7d0`],
    [`neg_r${bits}`, `${rex}f7d8`],
    [`cbw_${bits}`, `${rex}98`],
    [`cwd_${bits}`, `${rex}99`],
    ...CONDITIONS.flatMap((condition, n): [string, string][] => [
      [`cmov_${condition}${bits}`, `${rex}0f${hex(0x40 | n)}c1`],
    ]),
  ];
});
SAMPLES.push(
  ['movzxB_r32', '0fb6c1'],
  ['movzxB_rm32', '0fb606'],
  ['movsxd_rm64', '486306'],
  ['push_r64', '50'],
  ['pop_r64', '58'],
  ['call_64', 'e800000000'],
  ['call_r64', 'ffd0'],
  ['call_m64', 'ff16'],
  ['jmp_m64', 'ff26'],
  ['ret_64', 'c3'],
  ['jmp', 'eb00'],
  ...CONDITIONS.flatMap((condition, n): [string, string][] => [
    [`jcc_${condition}`, `7${n.toString(16)}00`],
    [`setcc_${condition}`, `0f9${n.toString(16)}c0`],
  ]),
);
/** Names of the flags by our letters. */
const LETTERS: [Flags, number][] = [
  ['C', RflagsBits.CF], ['P', RflagsBits.PF], ['A', RflagsBits.AF],
  ['Z', RflagsBits.ZF], ['S', RflagsBits.SF], ['O', RflagsBits.OF],
]; // biome-ignore format: pairs
const lettersOf = (bits: number): Flags =>
  LETTERS.filter(([, bit]) => bits & bit)
    .map(([letter]) => letter)
    .join('');
const sorted = (flags: Flags): Flags => [...ALL_FLAGS].filter((flag) => flags.includes(flag)).join('');

const factory = new InstructionInfoFactory();
function icedOf(bytes: string) {
  const code = Uint8Array.from(bytes.match(/../g)!, (byte) => Number.parseInt(byte, 16));
  const instruction = new Decoder(64, code, DecoderOptions.None).decode();
  const accesses = factory
    .info(instruction)
    .usedMemory()
    .map(({ access }) => access);
  const reads = accesses.some((access) => [OpAccess.Read, OpAccess.CondRead, OpAccess.ReadWrite].includes(access));
  const writes = accesses.some((access) => [OpAccess.Write, OpAccess.CondWrite, OpAccess.ReadWrite].includes(access));
  return {
    reads: lettersOf(instruction.rflagsRead),
    writes: lettersOf(instruction.rflagsModified),
    memory: reads && writes ? 'both' : reads ? 'read' : writes ? 'write' : 'none',
  };
}

describe('hot rows', () => {
  it.each(SAMPLES)('%s does with flags and memory what %s does', (name, bytes) => {
    const row = HOT[kindOf(name)];
    expect(row.name).toBe(name);
    const { reads, writes } = row.flags;
    expect({ reads: sorted(reads), writes: sorted(writes), memory: row.memory }).toEqual(icedOf(bytes));
  });

  it('that touch memory may fault, and those that write it may leave the block', () => {
    for (const row of HOT) {
      if (row.memory !== 'none') expect(row.faults, row.name).toBe(true);
      if (row.memory === 'write' || row.memory === 'both') expect(mayLeave(row), row.name).toBe(true);
    }
  });

  it('of refined kinds do what their plain kinds do, but for flags that are left', () => {
    for (const row of HOT) {
      const plain = HOT[plainOf(row.name)];
      const own = { ...row, name: plain.name, flags: plain.flags };
      for (const extra of ['quiet', 'near', 'joined'] as const) delete own[extra];
      expect(own).toEqual(plain);
      if (!row.quiet) expect(row.flags).toEqual(plain.flags);
      else expect(row.flags).toEqual({ reads: '', writes: '' });
    }
  });
});
