/**
 * The disassembler: Intel syntax as in the manuals, lower case, `mov eax, dword ptr [rbx+rcx*4+0x10]`. Numbers are
 * hexadecimal with 0x, immediates unsigned at the operand's size, displacements signed, branches absolute; a memory operand
 * names its segment only where a prefix chose another and its size only where the instruction gives it one.
 */
import type { Undecodable } from './cursor.ts';
import { type Decoded, type DecodeOptions, decode } from './decode.ts';
import { defaultSegment, type MemoryOperand, type Operand, type RegisterOperand } from './operands.ts';

export interface Disassembled {
  length: number;
  text: string;
}

/** The text of the instruction at the start of `bytes`. */
export function disassemble(bytes: Uint8Array, options: DecodeOptions): Disassembled | Undecodable {
  const decoded = decode(bytes, options);
  return 'invalid' in decoded ? decoded : { length: decoded.length, text: format(decoded) };
}

/** The text of a decoded instruction. */
export function format(insn: Decoded): string {
  const operands = insn.operands
    .filter((_, index) => isShown(insn, index))
    .map((operand) => operandText(insn, operand));
  const head = prefixText(insn) + mnemonicOf(insn);
  return operands.length > 0 ? `${head} ${operands.join(', ')}` : head;
}

/** Mnemonics that the manual spells by operand size (16, 32, 64), where the table has one row. */
// biome-ignore format: a table
const BY_OPERAND_SIZE: Record<string, readonly [string, string, string]> = {
  pusha:   ['pusha',    'pushad',   ''],
  popa:    ['popa',     'popad',    ''],
  pushf:   ['pushf',    'pushfd',   'pushfq'],
  popf:    ['popf',     'popfd',    'popfq'],
  iret:    ['iret',     'iretd',    'iretq'],
  cbw:     ['cbw',      'cwde',     'cdqe'],
  cwd:     ['cwd',      'cdq',      'cqo'],
  sysret:  ['sysret',   'sysret',   'sysretq'],
  sysexit: ['sysexit',  'sysexit',  'sysexitq'],
};

const STRING_OPS = new Set(['movs', 'cmps', 'stos', 'lods', 'scas', 'ins', 'outs']);
const SUFFIX: Record<number, string> = { 1: 'b', 2: 'w', 4: 'd', 8: 'q' };

/** The mnemonic as it is printed: with the suffix of its size where the manual has one. */
export function mnemonicOf(insn: Decoded): string {
  const { op, traits } = insn.row;
  const sized = BY_OPERAND_SIZE[op];
  if (sized) return sized[insn.operandSize === 16 ? 0 : insn.operandSize === 32 ? 1 : 2];
  if (op === 'jrcxz') return { 16: 'jcxz', 32: 'jecxz', 64: 'jrcxz' }[insn.addressSize];
  if (traits?.includes('rep') && STRING_OPS.has(op)) {
    const memory = insn.operands.find((operand) => operand.kind === 'memory');
    return op + SUFFIX[memory?.size ?? 1];
  }
  return op;
}

function prefixText(insn: Decoded): string {
  const lock = insn.lock ? 'lock ' : '';
  if (!insn.repeat || !insn.row.traits?.includes('rep')) return lock;
  if (insn.row.op === 'cmps' || insn.row.op === 'scas') return insn.repeat === 0xf3 ? 'repe ' : 'repne ';
  return insn.repeat === 0xf3 ? 'rep ' : 'repne ';
}

/** String instructions show nothing but an overridden source; their suffix says the rest. */
function isShown(insn: Decoded, index: number): boolean {
  if (!insn.row.traits?.includes('rep')) return true;
  return (insn.segment ?? 'ds') !== 'ds' && insn.row.args.split(',')[index].startsWith('X');
}

const GPR = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

/** Name of a register operand. */
export function registerName(register: RegisterOperand): string {
  const { file, number, size } = register;
  if (file === 'sreg') return SEGMENTS[number];
  if (file === 'st') return `st(${number})`;
  if (file !== 'gpr') return file + number;
  if (register.high) return `${'acdb'[number]}h`;
  if (number >= 8) return `r${number}${{ 1: 'b', 2: 'w', 4: 'd', 8: '' }[size]}`;
  if (size === 1) return number < 4 ? `${'acdb'[number]}l` : `${GPR[number]}l`;
  return { 2: '', 4: 'e', 8: 'r' }[size] + GPR[number];
}

const gprName = (number: number, size: number) => registerName({ kind: 'register', file: 'gpr', number, size });

// biome-ignore format: words
const POINTERS: Record<number, string> = {
  1: 'byte', 2: 'word', 4: 'dword', 6: 'fword', 8: 'qword', 10: 'tbyte', 16: 'xmmword', 32: 'ymmword', 64: 'zmmword',
};

const hex = (value: bigint) => `0x${value.toString(16)}`;
const signedHex = (value: bigint) => (value < 0n ? `-${hex(-value)}` : `+${hex(value)}`);

function operandText(insn: Decoded, operand: Operand): string {
  switch (operand.kind) {
    case 'register':
      return registerName(operand);
    case 'memory':
      return memoryText(insn, operand);
    case 'immediate':
      return hex(BigInt.asUintN(operand.size * 8, operand.value));
    case 'branch':
      return hex(operand.target);
    case 'far':
      return `${hex(BigInt(operand.selector))}:${hex(operand.offset)}`;
  }
}

function memoryText(insn: Decoded, memory: MemoryOperand): string {
  const pointer = POINTERS[memory.size];
  const size = pointer ? `${pointer} ptr ` : '';
  const segment = memory.segment === defaultSegment(memory) ? '' : `${memory.segment}:`;
  return `${size}${segment}[${addressText(insn, memory)}]`;
}

function addressText(insn: Decoded, memory: MemoryOperand): string {
  const bytes = insn.addressSize / 8;
  if (memory.base === 'ip' || (memory.base === undefined && memory.index === undefined)) {
    return hex(BigInt.asUintN(insn.addressSize, memory.displacement));
  }
  const parts: string[] = [];
  if (memory.base !== undefined) parts.push(gprName(memory.base, bytes));
  if (memory.index !== undefined) {
    const name = memory.indexFile === 'gpr' ? gprName(memory.index, bytes) : memory.indexFile + memory.index;
    parts.push(insn.addressSize === 16 || (memory.scale === 1 && parts.length > 0) ? name : `${name}*${memory.scale}`);
  }
  const displacement = memory.displacement === 0n ? '' : signedHex(memory.displacement);
  return parts.join('+') + displacement;
}
