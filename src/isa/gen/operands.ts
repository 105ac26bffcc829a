/** How operand codes reach a handler: their addressing method for the decoder and their operand class. */
import { argsOf, type Row, sizeOf, widthOf } from '../table.ts';

/** Addressing methods as the decoder of the processor knows them. Keep in step with assembly/isa/decoder.ts. */
export const METHODS = [
  'none', 'rm', 'reg', 'opcodeReg', 'vvvv', 'fixed', 'imm', 'simm8', 'immFull', 'rel', 'one', 'moffs',
  'segField', 'crField', 'segName', 'far', 'string', 'imm2', 'xmmReg', 'xmmRm', 'xmmVvvv', 'xmmIs4', 'mmReg', 'mmRm', 'st',
  'xmm0',
] as const; // biome-ignore format: words
export type Method = (typeof METHODS)[number];

const SEGMENT_NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];
const FIXED: Record<string, number> = { AL: 0, AX: 0, rAX: 0, eAX: 0, CL: 1, rCX: 1, DX: 2 };
/** Operand size codes for the decoder: 0 none, 1 byte, 2 by operand size (v), 3 y, 4 z, 5 word, 6 dword, 7 qword. */
const SIZES: Record<string, number> = { '': 0, b: 1, v: 2, y: 3, z: 4, w: 5, d: 6, q: 7 };

export interface Operand {
  method: Method;
  size: number;
  /** Register number of a fixed register or segment. */
  fixed: number;
  /** Class that the handler is instantiated with, '' where it gets none. */
  cls: '' | 'Rm' | 'A' | 'B' | 'Imm' | 'One';
}

/** The operands of a row in the order of its args. */
export function operandsOf(row: Row): Operand[] {
  let aTaken = argsOf(row).some((arg) => /^[GZVP]/.test(arg));
  let bTaken = argsOf(row).some((arg) => /^[BH]/.test(arg));
  let immediates = 0;
  return argsOf(row).map((arg): Operand => {
    const size = SIZES[sizeOf(arg)] ?? 0;
    const plain = (method: Method, cls: Operand['cls'], fixed = 0): Operand => ({ method, size, fixed, cls });
    if (SEGMENT_NAMES.includes(arg)) return plain('segName', '', SEGMENT_NAMES.indexOf(arg));
    if (arg === 'XMM0') return plain('xmm0', '');
    if (arg === 'ST0' || arg === 'STi') return plain('st', '', arg === 'ST0' ? 0 : 1);
    if (arg in FIXED) {
      const cls = aTaken ? 'B' : 'A';
      if (aTaken && bTaken) throw new Error(`opcode table: no slot for ${arg} in ${row.code}`);
      if (aTaken) bTaken = true;
      aTaken = true;
      return plain('fixed', cls, FIXED[arg]);
    }
    if (arg === '1') return plain('one', 'One');
    if (arg === 'sIb') return plain('simm8', 'Imm');
    if (arg === 'Ap') return plain('far', '');
    switch (arg[0]) {
      case 'E':
      case 'R':
        return plain('rm', 'Rm');
      case 'M':
        return plain('rm', ['b', 'w', 'd', 'v', 'y'].includes(arg.slice(1)) ? 'Rm' : '');
      case 'G':
        return plain('reg', 'A');
      case 'Z':
        return plain('opcodeReg', 'A');
      case 'B':
        return plain('vvvv', 'B');
      case 'I':
        if (immediates++ > 0) return plain('imm2', '');
        return plain(arg === 'Iv' ? 'immFull' : 'imm', 'Imm');
      case 'J':
        return plain('rel', '');
      case 'O':
        return plain('moffs', 'Rm');
      case 'S':
        return plain('segField', '');
      case 'C':
      case 'D':
        return plain('crField', '');
      case 'X':
      case 'Y':
        return plain('string', '');
      case 'V':
        return plain('xmmReg', 'A');
      case 'W':
      case 'U':
        return plain('xmmRm', 'Rm');
      case 'H':
        return plain('xmmVvvv', 'B');
      case 'L':
        return plain('xmmIs4', '');
      case 'P':
        return plain('mmReg', 'A');
      case 'Q':
      case 'N':
        return plain('mmRm', 'Rm');
    }
    throw new Error(`opcode table: unknown operand code '${arg}' in row ${row.code} ${row.op}`);
  });
}

/** Types that a row's handler is instantiated with, indexed 0: byte or sizeless, 1: 16, 2: 32, 3: 64 bits. */
export function typesOf(row: Row): (string | undefined)[] {
  const traits = row.traits ?? [];
  switch (widthOf(row)) {
    case 'b':
      return ['u8', undefined, undefined, undefined];
    case 'y':
      return [undefined, undefined, 'u32', traits.includes('i64') ? undefined : 'u64'];
    case 'v':
      return [undefined, 'u16', 'u32', traits.includes('i64') ? undefined : 'u64'];
    default:
      return ['', undefined, undefined, undefined];
  }
}
