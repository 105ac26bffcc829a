/**
 * The decoder and disassembler against iced-x86, an independent one: which bytes are instructions, how long they are, what
 * they are called and what their operands are. Every known difference is named here and explained in docs/quirks.md.
 */
import {
  Code,
  CpuidFeature,
  Decoder,
  DecoderOptions,
  Formatter,
  FormatterSyntax,
  Instruction,
  MemorySizeOptions,
  Mnemonic,
} from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { type Decoded, decode } from '../../src/isa/decode.ts';
import { format, mnemonicOf } from '../../src/isa/disasm.ts';
import type { Mode } from '../../src/isa/lookup.ts';
import { rows } from '../../src/isa/opcodes.ts';
import type { Row } from '../../src/isa/table.ts';
import { arbitrary, legacy, STRIDE, vex } from './byte-strings.ts';

/** Instruction sets, by iced's names, that the processor does not have: their encodings are #UD. */
// biome-ignore format: words
const ABSENT = new Set((
  'AESKLE AMX_BF16 AMX_COMPLEX AMX_FP16 AMX_INT8 AMX_TILE AVX512BW AVX512DQ AVX512F AVX512VL AVX_IFMA ' +
  'AVX_NE_CONVERT AVX_VNNI_INT16 AVX_VNNI_INT8 CET_SS CLZERO CMPCCXADD D3NOW D3NOWEXT ENQCMD FMA4 FRED ' +
  'HLE_or_RTM HRESET INVLPGB KL LKGS MCOMMIT MONITORX MSRLIST OSS PADLOCK_ACE PADLOCK_GMI PADLOCK_PHE PADLOCK_PMM ' +
  'PADLOCK_RNG PADLOCK_UNDOC PCONFIG PTWRITE RAO_INT RDPRU RMPQUERY RTM SEV_SNP SGX1 SHA512 SM3 SM4 SMX TDX TSE ' +
  'TSXLDTRK UINTR WAITPKG WRMSRNS XOP'
).split(' '));

/** Encodings that older instructions ignore or that were NOPs before: without the feature they still are. */
const OLDER = new Set('Prefetchit0_m8 Prefetchit1_m8 Cldemote_m8 Rdsspd_r32 Rdsspq_r64 Vmgexit Vmgexit_F2'.split(' '));

/** Names that differ: ours, iced's. */
const SYNONYMS = new Map([
  [
    'nop',
    new Set(['reservednop', 'prefetch', 'prefetchw', 'prefetchit0', 'prefetchit1', 'cldemote', 'rdsspd', 'rdsspq']),
  ],
  ['xlat', new Set(['xlatb'])],
  ['vmmcall', new Set(['vmgexit'])],
  ['pcmpestrm', new Set(['pcmpestrm64'])],
  ['pcmpestri', new Set(['pcmpestri64'])],
  ['vpcmpestrm', new Set(['vpcmpestrm64'])],
  ['vpcmpestri', new Set(['vpcmpestri64'])],
]);

interface Theirs {
  readonly name: string;
  readonly mnemonic: string;
  readonly absent: boolean;
}

const theirs = new Map<number, Theirs>();
function describeTheirs(instruction: Instruction): Theirs {
  let known = theirs.get(instruction.code);
  if (!known) {
    const features = [...instruction.cpuidFeatures()].map((feature) => CpuidFeature[feature]);
    const name = Code[instruction.code];
    const absent = name === 'Skinit' || (!OLDER.has(name) && features.some((feature) => ABSENT.has(feature)));
    known = { name, mnemonic: Mnemonic[instruction.mnemonic].toLowerCase(), absent };
    theirs.set(instruction.code, known);
  }
  return known;
}

const formatter = new Formatter(FormatterSyntax.Masm);
formatter.hexPrefix = '0x';
formatter.hexSuffix = '';
formatter.uppercaseHex = false;
formatter.smallHexNumbersInDecimal = false;
formatter.spaceAfterOperandSeparator = true;
formatter.memorySizeOptions = MemorySizeOptions.Always;
formatter.usePseudoOps = false;
formatter.leadingZeros = false;
formatter.branchLeadingZeros = false;
formatter.displacementLeadingZeros = false;
formatter.preferSt0 = true;
formatter.showBranchSize = false;
formatter.masmAddDsPrefix32 = false;

/** Operands that the two spell in different ways on purpose (docs/quirks.md, "Disassembly"). */
const SPELLED_APART = new Set([
  ...'nop int3 aam aad lar lsl invlpg monitor mwait vmrun vmload vmsave invlpga'.split(' '),
  ...'fxch fcom fcomp fucom fucomp fstpnce maskmovq maskmovdqu vmaskmovdqu'.split(' '),
  ...'extractps vextractps vpinsrb vpinsrw'.split(' '),
]);

function operandsAgree(ours: Decoded, instruction: Instruction): boolean {
  const { op, fn, traits } = ours.row;
  if (SPELLED_APART.has(op) || fn === 'movToSreg') return true;
  const [left, right] = [format(ours), formatter.format(instruction)];
  if (traits?.includes('rep')) return sourceSegment(left) === sourceSegment(right);
  if (op === 'xchg') return sorted(normalise(left)) === sorted(normalise(right));
  return normalise(left) === normalise(right);
}

const sourceSegment = (text: string) => /([c-gs]s):\[[er]?si\]/.exec(text)?.[1];
const sorted = (text: string) => text.split(', ').sort().join();

/** Operands alone, without what is a matter of taste: pointer types of structures, the segment of LEA. */
function normalise(text: string): string {
  const bare = text.replace(/^((bnd|ht|hnt|xacquire|xrelease|lock|rep|repn?e|notrack|far) )+/, '');
  const space = bare.indexOf(' ');
  if (space < 0) return '';
  const operands = bare
    .slice(space + 1)
    .replace(/\bmmword ptr/, 'qword ptr')
    .replace(/\boword ptr/, 'xmmword ptr')
    .replace(/\b(tbyte|fword|fpuenv\d+|fpustate\d+) ptr /, '');
  return bare.startsWith('lea ') ? operands.replace(/\b[c-gs]s:/, '') : operands;
}

class Comparison {
  compared = 0;
  accepted = 0;
  formatted = 0;
  readonly seen = new Set<Row>();
  readonly differences = new Map<string, string>();
  readonly #instruction = new Instruction();
  readonly #mode: Mode;

  constructor(mode: Mode) {
    this.#mode = mode;
  }

  run(batches: Iterable<Uint8Array>): void {
    for (const bytes of batches) {
      const decoder = new Decoder(this.#mode, bytes, DecoderOptions.None);
      for (let at = 0; at < bytes.length; at += STRIDE) {
        decoder.position = at;
        decoder.ip = 0n;
        decoder.decodeOut(this.#instruction);
        this.#compare(bytes.subarray(at, at + STRIDE));
      }
      decoder.free();
    }
  }

  #compare(bytes: Uint8Array): void {
    this.compared++;
    const ours = decode(bytes, { mode: this.#mode });
    const difference = this.#difference(ours);
    if (!difference || this.differences.has(difference)) return;
    this.differences.set(difference, `${this.#mode}-bit ${Buffer.from(bytes).toString('hex')}`);
  }

  #difference(ours: ReturnType<typeof decode>): string | undefined {
    const instruction = this.#instruction;
    if (instruction.code === Code.INVALID) {
      return 'invalid' in ours ? undefined : `only we know ${ours.row.code} ${ours.row.op}`;
    }
    const { name, mnemonic, absent } = describeTheirs(instruction);
    if ('invalid' in ours) return absent ? undefined : `only iced knows ${name}`;
    if (absent) return `${ours.row.op} should be absent, as ${name} is`;
    if (ours.length !== instruction.length) return `${name}: length ${ours.length}, iced says ${instruction.length}`;
    const ourName = mnemonicOf(ours);
    if (ourName !== mnemonic && !SYNONYMS.get(ourName)?.has(mnemonic)) return `${name}: called ${ourName}`;
    this.seen.add(ours.row);
    this.accepted++;
    if (ourName !== mnemonic || this.accepted % 3 !== 0) return undefined;
    this.formatted++;
    if (operandsAgree(ours, instruction)) return undefined;
    return `${name}: ${format(ours)}, iced says ${formatter.format(instruction)}`;
  }
}

describe('beside iced-x86', () => {
  it.each([16, 32, 64] as const)('in %i-bit mode all encodings have one meaning', { timeout: 120_000 }, (mode) => {
    const comparison = new Comparison(mode);
    comparison.run(legacy(mode));
    comparison.run(vex(mode));
    comparison.run(arbitrary(mode, 100_000));
    expect([...comparison.differences].slice(0, 20)).toEqual([]);
    expect(comparison.compared).toBeGreaterThan(700_000);
    expect(comparison.accepted).toBeGreaterThan(300_000);
    expect(comparison.formatted).toBeGreaterThan(100_000);
    const met = rows.filter((row) => !row.traits?.includes(mode === 64 ? 'i64' : 'o64'));
    const reachable = mode === 64 ? met : met.filter((row) => row.code.startsWith('VEX') || !/ W1| B1/.test(row.code));
    expect(reachable.filter((row) => !comparison.seen.has(row)).map((row) => `${row.code} ${row.op}`)).toEqual([]);
  });
});
