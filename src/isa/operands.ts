/**
 * Operand codes to operands (SDM Vol. 2D, "Codes for Addressing Method" and "Codes for Operand Type"). Beyond the manual's
 * letters the table has: size n (a register of the address size), xh xq xo (a half, a quarter, an eighth of the vector),
 * ST0 and STi, and memory sizes t (80-bit real), oq (64 bytes), s p a as in the manual.
 */
import type { Cursor, SegmentOverride } from './cursor.ts';
import type { Entry } from './lookup.ts';
import { argsOf, type Row, sizeOf } from './table.ts';

export type RegisterFile = 'gpr' | 'sreg' | 'cr' | 'dr' | 'mm' | 'xmm' | 'ymm' | 'st';

export interface RegisterOperand {
  kind: 'register';
  file: RegisterFile;
  number: number;
  /** Bytes. */
  size: number;
  /** AH, CH, DH, BH: `number` is 0..3. */
  high?: true;
}

export interface MemoryOperand {
  kind: 'memory';
  /** Bytes; 0 where the instruction has its own idea (descriptors, XSAVE areas, LEA). */
  size: number;
  segment: SegmentOverride;
  base?: number | 'ip';
  index?: number;
  indexFile: 'gpr' | 'xmm' | 'ymm';
  scale: 1 | 2 | 4 | 8;
  /** Sign-extended, except for an address without registers, which is cut to the address size. */
  displacement: bigint;
}

export type Operand =
  | RegisterOperand
  | MemoryOperand
  | { kind: 'immediate'; value: bigint; size: number }
  | { kind: 'branch'; target: bigint; size: number }
  | { kind: 'far'; selector: number; offset: bigint; size: number };

/** Reads all operands after ModRM, undefined where they do not exist (CS as a destination, CR5). */
export type OperandReader = (at: Cursor) => Operand[] | undefined;

const readers = new WeakMap<Row, OperandReader>();

/** The reader of a row's operands. */
export function operandReader(entry: Entry): OperandReader {
  const known = readers.get(entry.row);
  if (known) return known;
  const args = argsOf(entry.row);
  const usesVvvv = args.some((arg) => /^[BH][a-z]/.test(arg));
  const vsib = vsibOf(entry.row);
  const needsModrm = entry.modrm;
  const reader: OperandReader = (at) => {
    if (at.vex && !usesVvvv && at.vvvv !== 0) return undefined;
    const memory = needsModrm && at.modrm < 0xc0 ? readMemory(at, vsib) : undefined;
    if (vsib && memory?.index === undefined) return undefined;
    const operands: Operand[] = [];
    for (const arg of args) {
      const operand = readOperand(at, arg, memory);
      if (!operand) return undefined;
      operands.push(operand);
    }
    // The displacement of a RIP-relative operand counts from the end, which immediates move.
    if (memory?.base === 'ip') memory.displacement += at.ip + BigInt(at.position);
    return isLegal(entry.row, operands) ? operands : undefined;
  };
  readers.set(entry.row, reader);
  return reader;
}

function vsibOf(row: Row): Vsib {
  if (row.traits?.includes('vsibx')) return 'xmm';
  return row.traits?.includes('vsib') ? 'by length' : undefined;
}

/** What no notation says: MOV to CS is #UD; a gather needs three different registers. */
function isLegal(row: Row, operands: Operand[]): boolean {
  if (row.fn === 'movToSreg') return (operands[0] as RegisterOperand).number !== 1;
  if (!vsibOf(row)) return true;
  const [data, memory, mask] = operands as [RegisterOperand, MemoryOperand, RegisterOperand];
  return data.number !== memory.index && mask.number !== memory.index && data.number !== mask.number;
}

function readOperand(at: Cursor, arg: string, memory: MemoryOperand | undefined): Operand | undefined {
  const fixed = FIXED[arg];
  if (fixed) return fixed(at);
  const letter = arg === 'sIb' ? 'sI' : arg[0];
  const size = sizeOf(arg);
  const read = LETTERS[letter];
  if (!read) throw new Error(`opcode table: unknown operand code '${arg}'`);
  return read(at, size, memory);
}

/** Bytes of an operand size letter. */
export function bytesOf(at: Cursor, size: string): number {
  switch (size) {
    case 'b':
      return 1;
    case 'w':
      return 2;
    case 'd':
    case 'ss':
      return 4;
    case 'q':
    case 'sd':
      return 8;
    case 't':
      return 10;
    case 'dq':
      return 16;
    case 'qq':
      return 32;
    case 'oq':
      return 64;
    case 'v':
      return at.operandSize / 8;
    case 'z':
      return at.operandSize === 16 ? 2 : 4;
    case 'y':
      return at.operandSize === 64 ? 8 : 4;
    case 'n':
      return at.addressSize / 8;
    case 'x':
    case 'ps':
    case 'pd':
      return 16 << at.l;
    case 'xh':
      return 8 << at.l;
    case 'xq':
      return 4 << at.l;
    case 'xo':
      return 2 << at.l;
    case 'a':
      return at.operandSize === 16 ? 4 : 8;
    case 'p':
      return 2 + at.operandSize / 8;
    case 's':
      return at.operandSize === 64 ? 10 : 6;
    case '':
      return 0;
    default:
      throw new Error(`opcode table: unknown operand size '${size}'`);
  }
}

function gpr(at: Cursor, number: number, size: string): RegisterOperand {
  const bytes = bytesOf(at, size);
  if (bytes === 1 && at.rex === 0 && !at.vex && number >= 4 && number < 8) {
    return { kind: 'register', file: 'gpr', number: number - 4, size: 1, high: true };
  }
  return { kind: 'register', file: 'gpr', number, size: bytes };
}

function vector(at: Cursor, number: number, size: string): RegisterOperand {
  const isWide = size === 'qq' || ((size === 'x' || size === 'ps' || size === 'pd') && at.l === 1);
  return { kind: 'register', file: isWide ? 'ymm' : 'xmm', number, size: isWide ? 32 : 16 };
}

const mmx = (number: number): RegisterOperand => ({ kind: 'register', file: 'mm', number: number & 7, size: 8 });
const sreg = (number: number): RegisterOperand => ({ kind: 'register', file: 'sreg', number, size: 2 });
const st = (number: number): RegisterOperand => ({ kind: 'register', file: 'st', number, size: 10 });
const reg = (at: Cursor) => ((at.modrm >> 3) & 7) | at.r;
const rm = (at: Cursor) => (at.modrm & 7) | at.b;
const vvvv = (at: Cursor) => (at.mode === 64 ? at.vvvv : at.vvvv & 7);
const sized = (at: Cursor, memory: MemoryOperand, size: string) => {
  memory.size = bytesOf(at, size);
  return memory;
};

type Read = (at: Cursor, size: string, memory: MemoryOperand | undefined) => Operand | undefined;

const LETTERS: Record<string, Read> = {
  E: (at, size, memory) => (memory ? sized(at, memory, size) : gpr(at, rm(at), size)),
  M: (at, size, memory) => memory && sized(at, memory, size),
  R: (at, size) => gpr(at, rm(at), size),
  G: (at, size) => gpr(at, reg(at), size),
  Z: (at, size) => gpr(at, (at.opcode & 7) | at.b, size),
  B: (at, size) => gpr(at, vvvv(at), size),
  S: (at) => ((at.modrm & 0x38) < 0x30 ? sreg((at.modrm >> 3) & 7) : undefined),
  C: (at) => controlRegister(at),
  D: (at) =>
    reg(at) < 8 ? { kind: 'register', file: 'dr', number: reg(at), size: at.mode === 64 ? 8 : 4 } : undefined,
  V: (at, size) => vector(at, reg(at), size),
  W: (at, size, memory) => (memory ? sized(at, memory, size) : vector(at, rm(at), size)),
  U: (at, size) => vector(at, rm(at), size),
  H: (at, size) => vector(at, vvvv(at), size),
  L: (at, size) => vector(at, (at.u8() >> 4) & (at.mode === 64 ? 15 : 7), size),
  P: (at) => mmx(reg(at)),
  Q: (at, size, memory) => (memory ? sized(at, memory, size) : mmx(rm(at))),
  N: (at) => mmx(rm(at)),
  I: (at, size) => immediate(at, bytesOf(at, size), size === 'z' ? at.operandSize / 8 : bytesOf(at, size)),
  sI: (at) => immediate(at, 1, at.operandSize / 8),
  J: (at, size) => branch(at, bytesOf(at, size)),
  A: (at) => far(at),
  O: (at, size) => ({ ...NO_MEMORY, segment: at.segment ?? 'ds', size: bytesOf(at, size), displacement: moffs(at) }),
  X: (at, size) => ({ ...NO_MEMORY, segment: at.segment ?? 'ds', base: 6, size: bytesOf(at, size) }),
  Y: (at, size) => ({ ...NO_MEMORY, segment: 'es', base: 7, size: bytesOf(at, size) }),
};

const accumulator = (at: Cursor, size: string): Operand => ({
  kind: 'register',
  file: 'gpr',
  number: 0,
  size: bytesOf(at, size),
});

const FIXED: Record<string, (at: Cursor) => Operand> = {
  AL: (at) => accumulator(at, 'b'),
  AX: (at) => accumulator(at, 'w'),
  eAX: (at) => accumulator(at, 'z'),
  rAX: (at) => accumulator(at, 'v'),
  CL: () => ({ kind: 'register', file: 'gpr', number: 1, size: 1 }),
  DX: () => ({ kind: 'register', file: 'gpr', number: 2, size: 2 }),
  '1': () => ({ kind: 'immediate', value: 1n, size: 1 }),
  ES: () => sreg(0),
  CS: () => sreg(1),
  SS: () => sreg(2),
  DS: () => sreg(3),
  FS: () => sreg(4),
  GS: () => sreg(5),
  ST0: () => st(0),
  STi: (at) => st(at.modrm & 7),
  XMM0: () => ({ kind: 'register', file: 'xmm', number: 0, size: 16 }),
};

function controlRegister(at: Cursor): Operand | undefined {
  const number = reg(at);
  const exists = number === 0 || (number >= 2 && number <= 4) || (number === 8 && at.mode === 64);
  return exists ? { kind: 'register', file: 'cr', number, size: at.mode === 64 ? 8 : 4 } : undefined;
}

/** An immediate of `bytes`, sign-extended to `size`; only MOV to a register has one of eight bytes (Iv). */
function immediate(at: Cursor, bytes: number, size: number): Operand {
  const value = bytes === 8 ? at.unsigned(8) : BigInt(at.signed(bytes as 1 | 2 | 4));
  return { kind: 'immediate', value, size };
}

function branch(at: Cursor, bytes: number): Operand {
  const displacement = BigInt(at.signed(bytes as 1 | 2 | 4));
  const target = BigInt.asUintN(at.operandSize, at.ip + BigInt(at.position) + displacement);
  return { kind: 'branch', target, size: at.operandSize / 8 };
}

function far(at: Cursor): Operand {
  const size = at.operandSize === 16 ? 2 : 4;
  const offset = at.unsigned(size);
  return { kind: 'far', selector: Number(at.unsigned(2)), offset, size };
}

const moffs = (at: Cursor): bigint => at.unsigned((at.addressSize / 8) as 2 | 4 | 8);

const NO_MEMORY: MemoryOperand = {
  kind: 'memory',
  size: 0,
  segment: 'ds',
  indexFile: 'gpr',
  scale: 1,
  displacement: 0n,
};

/** Base and index of 16-bit addressing, by rm (SDM Vol. 2A, "16-Bit Addressing Forms with the ModR/M Byte"). */
const PAIRS: readonly (readonly [number, number?])[] = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]];

/** Whether the index of a SIB byte is a vector register, and which. */
type Vsib = 'xmm' | 'by length' | undefined;

function readMemory(at: Cursor, vsib: Vsib): MemoryOperand | undefined {
  const memory: MemoryOperand = { ...NO_MEMORY };
  const mod = at.modrm >> 6;
  const low = at.modrm & 7;
  if (at.addressSize === 16) {
    if (vsib) return undefined;
    if (mod === 0 && low === 6) memory.displacement = BigInt(at.signed(2) & 0xffff);
    else [memory.base, memory.index] = PAIRS[low];
    if (mod !== 0) memory.displacement = BigInt(at.signed(mod as 1 | 2));
  } else {
    if (low === 4) readSib(at, memory, mod, vsib);
    else if (mod === 0 && low === 5) memory.base = at.mode === 64 ? 'ip' : undefined;
    else memory.base = low | at.b;
    const isLong = mod === 2 || (mod === 0 && (memory.base === undefined || memory.base === 'ip'));
    if (isLong) memory.displacement = BigInt(at.signed(4));
    else if (mod === 1) memory.displacement = BigInt(at.signed(1));
  }
  memory.segment = at.segment ?? defaultSegment(memory);
  return memory;
}

/** The segment of a memory operand without a prefix: SS where the base is rSP or rBP; ES is never a matter of choice. */
export function defaultSegment(memory: MemoryOperand): SegmentOverride {
  return memory.base === 4 || memory.base === 5 ? 'ss' : 'ds';
}

function readSib(at: Cursor, memory: MemoryOperand, mod: number, vsib: Vsib): void {
  const sib = at.u8();
  const index = ((sib >> 3) & 7) | at.x;
  if (vsib || index !== 4) memory.index = index;
  if (vsib) memory.indexFile = vsib === 'by length' && at.l ? 'ymm' : 'xmm';
  memory.scale = (1 << (sib >> 6)) as 1 | 2 | 4 | 8;
  if ((sib & 7) !== 5 || mod !== 0) memory.base = (sib & 7) | at.b;
}
