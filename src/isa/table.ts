/**
 * The notation of the opcode table and its reader. A row is written as the SDM writes it (Vol. 2A, "Instruction Column in
 * the Opcode Summary Table"; operand codes of Vol. 2D, "Codes for Addressing Method" and "Codes for Operand Type").
 *
 * `code`, in this order, everything but the opcode optional:
 *
 *   NP 66 F3 F2   the mandatory prefix that selects the row (NP: none of 66, F3, F2; NFx: neither F3 nor F2). A row
 *                 without one takes every prefix that no row with the same opcode, ModRM and W asks for.
 *   VEX.L.p.m.W   instead of it: L0 L1 Lx LZ LIG, then NP 66 F3 F2, then the map 0F 0F38 0F3A, then W0, W1 or nothing.
 *   0F, 0F 38..   the map of an encoding without VEX
 *   xx, xx+       the opcode; with + its low three bits are a register
 *   /0../7 (xx)   the reg field of ModRM; all of ModRM
 *   m r           mod is not 3; mod is 3
 *   W0 W1 B0 B1   REX.W or VEX.W; REX.B
 *
 * Where two rows match, the one that asks for more wins. An encoding without a row is #UD.
 */

export type Trait =
  | 'lock' // LOCK is legal with a memory destination
  | 'cpl0' // #GP(0) outside CPL 0
  | 'ends' // ends a decoded block and falls through
  | 'jump' // ends a decoded block and sets RIP itself
  | 'i64' // #UD in 64-bit mode
  | 'o64' // #UD outside 64-bit mode
  | 'd64' // operand size is 64 in 64-bit mode unless 66 makes it 16
  | 'f64' // operand size is 64 in 64-bit mode, whatever the prefixes say
  | 'prot' // #UD in real-address and virtual-8086 mode
  | 'rep' // string instruction: F3 and F2 repeat it
  | 'nomod' // the mod field is ignored and taken as 3
  | 'vsib' // memory operand with a vector index of the vector length
  | 'vsibx' // memory operand whose index is an XMM register at every vector length
  | 'l1avx2'; // with VEX.L = 1 the feature is avx2

/** A CPUID feature by QEMU's name. */
// biome-ignore format: words
export type Feature =
  | 'fpu' | 'tsc' | 'msr' | 'cx8' | 'sep' | 'cmov' | 'clflush' | 'mmx' | 'fxsr' | 'sse' | 'sse2'
  | 'pni' | 'pclmulqdq' | 'monitor' | 'vmx' | 'ssse3' | 'fma' | 'cx16' | 'sse4_1' | 'sse4_2' | 'movbe' | 'popcnt'
  | 'aes' | 'xsave' | 'avx' | 'f16c' | 'rdrand' | 'syscall' | 'rdtscp' | 'lahf_lm' | 'svm' | 'abm' | 'sse4a'
  | 'fsgsbase' | 'bmi1' | 'avx2' | 'bmi2' | 'invpcid' | 'rdseed' | 'adx' | 'smap' | 'clflushopt' | 'clwb' | 'sha_ni'
  | 'pku' | 'gfni' | 'vaes' | 'vpclmulqdq' | 'rdpid' | 'movdiri' | 'movdir64b' | 'serialize' | 'wbnoinvd'
  | 'xsaveopt' | 'xsavec' | 'xsaves' | 'rdpmc' | 'avx-vnni' | '3dnowprefetch'
  | 'intel'; // no bit: what Intel's processors take and AMD's do not

export interface Row {
  readonly code: string;
  /** Mnemonic. */
  readonly op: string;
  /** Handler where it is not the mnemonic's: two rows of one mnemonic that do two things, or sixteen that do one. */
  readonly fn?: string;
  /** Operand codes, comma-separated. */
  readonly args: string;
  /** Operand size that instantiates the handler, where `widthOf` would guess wrong. */
  readonly w?: Width;
  readonly traits?: readonly Trait[];
  /** #UD unless CPUID offers it. */
  readonly feature?: Feature;
  /** With `feature` off the prefix is ignored, as on the processors before it. */
  readonly fallback?: true;
}

export type Width = 'b' | 'v' | 'y' | '-';
export type Prefix = 'NP' | 'NFx' | '66' | 'F3' | 'F2';
export type OpcodeMap = '' | '0F' | '0F38' | '0F3A';

export interface Code {
  readonly vex: boolean;
  /** Vector length of a VEX row: L0 128 bits, L1 256, Lx both; LZ must be 0 and LIG is ignored, without a meaning. */
  readonly l?: 'L0' | 'L1' | 'Lx' | 'LZ' | 'LIG';
  readonly prefix?: Prefix;
  readonly map: OpcodeMap;
  readonly opcode: number;
  /** The low three bits of the opcode are a register: the row covers eight opcodes. */
  readonly plus: boolean;
  readonly reg?: number;
  readonly modrm?: number;
  readonly mod?: 'm' | 'r';
  readonly w?: 0 | 1;
  readonly b?: 0 | 1;
}

const GRAMMAR =
  /^(?:VEX\.(?<l>L0|L1|Lx|LZ|LIG)\.(?<vp>NP|66|F3|F2)\.(?<vm>0F|0F38|0F3A)(?:\.W(?<vw>[01]))? |(?:(?<p>NP|NFx|66|F3|F2) )?(?:(?<m>0F(?: 38| 3A)?) )?)(?<op>[0-9A-F]{2})(?<plus>\+)?(?: \/(?<reg>[0-7])| \((?<modrm>[0-9A-F]{2})\))?(?: (?<mod>[mr]))?(?: W(?<w>[01]))?(?: B(?<b>[01]))?$/;

/** Reads the `code` of a row; throws on what the notation does not know. */
export function parseCode(code: string): Code {
  const found = GRAMMAR.exec(code)?.groups;
  if (!found) throw new Error(`opcode table: cannot read the code '${code}'`);
  const bit = (text: string | undefined) => (text === undefined ? undefined : (Number(text) as 0 | 1));
  return {
    vex: found.l !== undefined,
    l: found.l as Code['l'],
    prefix: (found.vp ?? found.p) as Prefix | undefined,
    map: (found.vm ?? (found.m ?? '').replace(' ', '')) as OpcodeMap,
    opcode: Number.parseInt(found.op, 16),
    plus: found.plus !== undefined,
    reg: found.reg === undefined ? undefined : Number(found.reg),
    modrm: found.modrm === undefined ? undefined : Number.parseInt(found.modrm, 16),
    mod: found.mod as Code['mod'],
    w: bit(found.vw ?? found.w),
    b: bit(found.b),
  };
}

/** How many choices a row makes: where two rows match an encoding, the higher one is meant. */
export function specificity(code: Code): number {
  const choices = [code.prefix, code.reg, code.modrm, code.mod, code.w, code.b];
  return choices.filter((choice) => choice !== undefined).length + (code.plus ? 0 : 1);
}

/** The operand codes of a row. */
export function argsOf(row: Row): string[] {
  return row.args === '' ? [] : row.args.split(',');
}

/** Size letter of an operand code: b w d q v z y and so on, '' where it has none (M, 1). */
export function sizeOf(arg: string): string {
  const fixed = FIXED_SIZES[arg];
  if (fixed !== undefined) return fixed;
  if (arg === 'sIb') return 'v';
  return /^[A-Z](.*)$/.exec(arg)?.[1] ?? '';
}

// biome-ignore format: words
const FIXED_SIZES: Record<string, string> = {
  AL: 'b', CL: 'b', AX: 'w', DX: 'w', eAX: 'z', rAX: 'v', rCX: 'v', '1': '',
  ES: '', CS: '', SS: '', DS: '', FS: '', GS: '', ST0: '', STi: '', XMM0: 'x',
};

/**
 * Operand size that instantiates the handler: that of the first v, z or y operand, else b where a general register or
 * memory operand of an integer instruction is a byte.
 */
export function widthOf(row: Row): Width {
  if (row.w) return row.w;
  const sizes = argsOf(row).map(sizeOf);
  const sized = sizes.find((size) => size === 'v' || size === 'z' || size === 'y');
  if (sized) return sized === 'y' ? 'y' : 'v';
  if (argsOf(row).some((arg) => /^[VWHULPQN][a-z]/.test(arg))) return '-';
  return sizes.includes('b') ? 'b' : '-';
}

/** Name of a row's handler without its `op` prefix. */
export function handlerOf(row: Row): string {
  return row.fn ?? row.op;
}

/** True where ModRM follows the opcode. */
export function hasModrm(row: Row): boolean {
  const code = parseCode(row.code);
  if (code.reg !== undefined || code.modrm !== undefined || code.mod !== undefined) return true;
  return argsOf(row).some((arg) => /^[EGMRSCDVWUPQN][a-z]/.test(arg) && !SEGMENT_OR_REGISTER.has(arg));
}

const SEGMENT_OR_REGISTER = new Set(['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'CL', 'DX', 'ST0', 'STi']);
