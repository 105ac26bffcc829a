/**
 * Decodes instruction bytes into records by the generated tables (SDM Vol. 2A, "Instruction Format"). Operand slots are
 * filled as operand.ts and the hot kinds expect them.
 */
import { cpu, CPU, CPUID, FPR, GPR, YMM, ZERO, SEG, Seg } from '../cpu/state';
import { Key } from '../cpu/segments';
import { Info, Rec, RECORD } from './record';
import { DESCRIPTORS, Feature, FUSION_COUNT, FUSIONS, HAS_MODRM, HOT_KINDS, Kind, TREE } from './tables.gen';

/** Outcomes of decode. */
export const enum Decoded { OK, UNDEFINED, TOO_LONG }

/** src/isa/gen/operands.ts, METHODS. */
const enum Method {
  NONE, RM, REG, OPCODE_REG, VVVV, FIXED, IMM, SIMM8, IMM_FULL, REL, ONE, MOFFS,
  SEG_FIELD, CR_FIELD, SEG_NAME, FAR, STRING, IMM2, XMM_REG, XMM_RM, XMM_VVVV, XMM_IS4, MM_REG, MM_RM, ST, XMM0,
}
const enum Size { NONE, BYTE, V, Y, Z, WORD, DWORD, QWORD }
const enum Trait { LOCK = 1, CPL0 = 2, ENDS = 4, JUMP = 8, D64 = 16, F64 = 32, PROT = 64, REP = 128, NOMOD = 256, VSIB = 512 }

const DESCRIPTOR: usize = 48;
/** One byte for each Feature: 1 where the CPU model has it. */
export const FEATURE_BYTES: usize = CPUID;

/** Results of the last decode. */
export let decodedLength: u32 = 0;
/** Does the instruction end a block: 0 no, 1 falls through, 2 sets RIP itself, 3 links of its own. */
export let decodedEnd: u32 = 0;
/** Extra records taken behind the instruction's own (a 64-bit constant). */
export let decodedExtra: u32 = 0;

let at: usize = 0;
@inline function byte(): u32 { const v = load<u8>(at); at++; return v; }
@inline function dword(): u32 { const v = load<u32>(at); at += 4; return v; }

let rex: u32 = 0;
let size: u32 = 0; // operand size: 1, 2, 3 for 16, 32, 64 bits
let addressSize: u32 = 0; // 0, 1, 2
let segment: i32 = -1;
let memoryRip: bool = false;

@inline function gprAddress(n: u32): u32 { return <u32>GPR + (n << 3); }
/** Byte registers: without REX, 4 to 7 are AH CH DH BH. */
@inline function byteAddress(n: u32): u32 { return rex == 0 && n >= 4 && n < 8 ? <u32>GPR + ((n - 4) << 3) + 1 : <u32>GPR + (n << 3); }

/**
 * Decodes the instruction whose bytes are at `bytes` into record `rec`, which starts `offset` bytes into its block.
 * Reads up to 15 bytes beyond what it uses; decodedLength tells how many the instruction has.
 */
export function decode(bytes: usize, rec: usize, offset: u32): Decoded {
  const r = changetype<Rec>(rec);
  const key = cpu.modeKey;
  const mode = key & Key.SIZE;
  at = bytes;
  rex = 0;
  segment = -1;
  memoryRip = false;
  decodedExtra = 0;
  let operand66: bool = false, address67: bool = false, lock: bool = false;
  let repeat: u32 = 0; // 2 for F3, 3 for F2
  let opcode: u32;
  while (true) {
    opcode = byte();
    if (at - bytes > 15) { decodedLength = 16; return Decoded.TOO_LONG; }
    if (opcode == 0x66) operand66 = true;
    else if (opcode == 0x67) address67 = true;
    else if (opcode == 0xf0) lock = true;
    else if (opcode == 0xf3) repeat = 2;
    else if (opcode == 0xf2) repeat = 3;
    else if ((opcode & 0xe7) == 0x26) { if (mode != 2) segment = (opcode >> 3) & 3; }
    else if ((opcode & 0xfe) == 0x64) segment = opcode - 0x60;
    else if (mode == 2 && (opcode & 0xf0) == 0x40) { rex = opcode; continue; }
    else break;
    rex = 0; // REX counts only right before the opcode
  }

  // Map, and VEX
  let map: u32 = 0;
  let vexV: u32 = 0, vexL: u32 = 0;
  let vex: bool = false;
  if (opcode == 0x0f) {
    opcode = byte();
    map = 1;
    if (opcode == 0x38) { map = 2; opcode = byte(); }
    else if (opcode == 0x3a) { map = 3; opcode = byte(); }
  } else if ((opcode == 0xc4 || opcode == 0xc5) && (mode == 2 || (load<u8>(at) & 0xc0) == 0xc0)) {
    vex = true;
    const prefixed = operand66 || repeat != 0 || lock || rex != 0;
    const second = byte();
    let last = second;
    rex = 0x40 | (((second >> 7) ^ 1) << 2);
    map = 1;
    if (opcode == 0xc4) {
      map = second & 31;
      rex |= (((second >> 6) & 1) ^ 1) << 1 | (((second >> 5) & 1) ^ 1);
      last = byte();
      rex |= (last >> 7) << 3;
    }
    if (mode != 2) rex &= 0x48;
    vexV = ((last >> 3) & 15) ^ 15;
    if (mode != 2) vexV &= 7;
    vexL = (last >> 2) & 1;
    const pp = last & 3;
    operand66 = pp == 1;
    repeat = pp == 2 ? 2 : pp == 3 ? 3 : 0;
    opcode = byte();
    decodedLength = <u32>(at - bytes);
    if (prefixed || map < 1 || map > 3 || (key & Key.REAL) != 0) return Decoded.UNDEFINED;
    map += 3;
  }
  const modrm: u32 = load<u8>(at);
  const prefix: u32 = repeat != 0 ? repeat : operand66 ? 1 : 0;

  // Walk the decision tree
  let value: u32 = load<u16>(TREE + ((map << 8 | opcode) << 1));
  while (value >= 0x8000) {
    const node = TREE + ((value & 0x7fff) << 1);
    let answer: u32 = 0;
    switch (load<u16>(node)) {
      case 0: answer = mode == 2 ? 1 : 0; break;
      case 1: answer = vexL; break;
      case 2: answer = (modrm >> 3) & 7; break;
      case 3: answer = (modrm >> 6) == 3 ? 1 : 0; break;
      case 4: answer = modrm & 7; break;
      case 5: answer = prefix; break;
      case 6: answer = (rex >> 3) & 1; break;
      default: answer = rex & 1; break;
    }
    value = load<u16>(node + 2 + (answer << 1));
  }
  const hasModrm: bool = load<u8>(HAS_MODRM + (map << 8 | opcode)) != 0;
  decodedLength = <u32>(at - bytes) + (hasModrm ? 1 : 0);
  if (value == 0) return Decoded.UNDEFINED;
  let row = DESCRIPTORS + <usize>(value - 1) * DESCRIPTOR;
  const feature = load<u8>(row, 14);
  if (feature != 0 && load<u8>(FEATURE_BYTES + feature) == 0) {
    const instead: u32 = load<u16>(row, 20);
    if (instead == 0) return Decoded.UNDEFINED;
    row = DESCRIPTORS + <usize>(instead - 1) * DESCRIPTOR;
  }
  const traits = load<u32>(row, 16);
  if ((traits & Trait.PROT) != 0 && (key & Key.REAL) != 0) return Decoded.UNDEFINED;

  // Sizes
  addressSize = mode == 2 ? (address67 ? 1 : 2) : mode == 1 ? (address67 ? 0 : 1) : (address67 ? 1 : 0);
  if (mode == 2) {
    size = (rex & 8) != 0 || (traits & Trait.F64) != 0 ? 3 : operand66 ? 1 : (traits & Trait.D64) != 0 ? 3 : 2;
  } else size = (mode == 1) != operand66 ? 2 : 1;
  const width = load<u8>(row, 13);
  const sizeIndex: u32 = width == 2 ? size : width == 3 ? (mode == 2 && ((rex & 8) != 0 || (traits & Trait.F64) != 0) ? 3 : 2) : 0;

  // ModRM and the memory operand
  r.a = 0;
  r.b = opcode;
  r.base = <u32>ZERO;
  r.index = <u32>ZERO;
  r.disp = 0;
  r.scale = 0;
  r.imm = 0;
  r.offset = <u8>offset;
  let isMemory: bool = false;
  if (hasModrm) {
    at++;
    if ((modrm >> 6) != 3 && (traits & Trait.NOMOD) == 0) {
      isMemory = true;
      decodeMemory(r, modrm, mode);
    }
  }
  const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
  const rm = (modrm & 7) | ((rex & 1) << 3);

  // Operands
  const count: u32 = load<u8>(row);
  let pointer0: u32 = 0, pointer1: u32 = 0; // register or immediate operands in order, for hot kinds
  let pointers: u32 = 0;
  let vUsed: bool = false;
  let relative: i64 = 0;
  let immediate64: u64 = 0, wide: bool = false;
  for (let n: u32 = 0; n < count; n++) {
    const method: u32 = load<u8>(row + n, 1);
    const operandSize: u32 = load<u8>(row + n, 5);
    const fixed: u32 = load<u8>(row + n, 9);
    let pointer: u32 = 0;
    switch (method) {
      case Method.RM:
        if (!isMemory) {
          pointer = operandSize == Size.BYTE ? byteAddress(rm) : gprAddress(rm);
          r.base = pointer;
        }
        break;
      case Method.REG:
        pointer = operandSize == Size.BYTE ? byteAddress(reg) : gprAddress(reg);
        r.a = pointer;
        break;
      case Method.OPCODE_REG: {
        const number = (opcode & 7) | ((rex & 1) << 3);
        pointer = operandSize == Size.BYTE ? byteAddress(number) : gprAddress(number);
        r.a = pointer;
        break;
      }
      case Method.VVVV:
        vUsed = true;
        pointer = gprAddress(vexV);
        r.b = pointer;
        break;
      case Method.FIXED:
        pointer = <u32>GPR + ((fixed & 0x7f) << 3);
        if ((fixed & 0x80) != 0) r.b = pointer;
        else r.a = pointer;
        break;
      case Method.IMM:
        if (operandSize == Size.BYTE) r.imm = <i32><i8>byte();
        else if (operandSize == Size.WORD) { r.imm = <i32><i16>load<u16>(at); at += 2; }
        else if (size == 1) { r.imm = <i32><i16>load<u16>(at); at += 2; }
        else r.imm = dword();
        immediate64 = <u64><i64>r.imm;
        pointer = <u32>rec + 24;
        break;
      case Method.SIMM8:
        r.imm = <i32><i8>byte();
        immediate64 = <u64><i64>r.imm;
        pointer = <u32>rec + 24;
        break;
      case Method.IMM_FULL:
        if (size == 3) {
          immediate64 = load<u64>(at);
          at += 8;
          wide = immediate64 != <u64><i64><i32>immediate64;
          r.imm = <i32>immediate64;
        } else {
          if (size == 1) { r.imm = <i32><i16>load<u16>(at); at += 2; }
          else r.imm = dword();
          immediate64 = <u64><i64>r.imm;
        }
        pointer = <u32>rec + 24;
        break;
      case Method.REL:
        if (operandSize == Size.BYTE) relative = <i64><i8>byte();
        else if (size == 1) { relative = <i64><i16>load<u16>(at); at += 2; }
        else relative = <i64><i32>dword();
        r.imm = <i32>relative;
        break;
      case Method.ONE:
        immediate64 = 1;
        pointer = <u32>rec + 24;
        break;
      case Method.MOFFS:
        isMemory = true;
        if (addressSize == 2) {
          const offset64 = load<u64>(at);
          at += 8;
          if (offset64 == <u64><i64><i32>offset64) r.disp = <i32>offset64;
          else {
            r.index = <u32>(rec + RECORD + 8);
            extra(rec, offset64);
          }
        } else if (addressSize == 1) r.disp = dword();
        else { r.disp = load<u16>(at); at += 2; }
        break;
      case Method.SEG_FIELD:
        r.b = (modrm >> 3) & 7;
        break;
      case Method.CR_FIELD:
        r.b = reg;
        break;
      case Method.SEG_NAME:
        r.b = fixed;
        break;
      case Method.FAR:
        if (size == 1) { r.imm = load<u16>(at); at += 2; }
        else r.imm = dword();
        r.b = load<u16>(at);
        at += 2;
        break;
      case Method.IMM2:
        r.disp = byte();
        break;
      case Method.XMM_REG:
        r.a = <u32>YMM + (reg << 5);
        break;
      case Method.XMM_RM:
        if (!isMemory) r.base = <u32>YMM + (rm << 5);
        break;
      case Method.XMM_VVVV:
        vUsed = true;
        r.b = <u32>YMM + (vexV << 5);
        break;
      case Method.XMM_IS4:
        r.imm = byte();
        break;
      case Method.MM_REG:
        r.a = <u32>FPR + (((modrm >> 3) & 7) << 4);
        break;
      case Method.MM_RM:
        if (!isMemory) r.base = <u32>FPR + ((modrm & 7) << 4);
        break;
      default:
        break;
    }
    if (pointer != 0) {
      if (pointers++ == 0) pointer0 = pointer;
      else if (pointers == 2) pointer1 = pointer;
    }
  }
  const length = <u32>(at - bytes);
  decodedLength = length;
  if (length > 15) return Decoded.TOO_LONG;
  if (vex && !vUsed && vexV != 0) return Decoded.UNDEFINED;
  if (lock && !((traits & Trait.LOCK) != 0 && isMemory)) return Decoded.UNDEFINED;
  if (memoryRip) addRip(r, rec, offset + length);

  decodedEnd = (traits & Trait.JUMP) != 0 ? 2 : (traits & Trait.ENDS) != 0 ? 1 : 0;
  const chosen = segment >= 0 ? <u32>segment : defaultSegment(r, mode);
  if (chosen == Seg.SS) r.scale |= 0x40;

  // A hot kind where one fits
  if ((key & Key.FLAT) != 0 && !lock) {
    const kind: u32 = isMemory ? load<u16>(row + (sizeIndex << 1), 40) : load<u16>(row + (sizeIndex << 1), 32);
    if (kind != 0 && hotFits(r, row, mode, isMemory, chosen, opcode)) {
      r.kind = <u16>kind;
      if (pointers > 0) r.a = pointer0;
      r.b = pointer1;
      if (decodedEnd != 0) hotJump(rec, kind, offset + length, relative);
      else store<u64>(rec, immediate64, 24);
      return Decoded.OK;
    }
  }
  const handler: u32 = load<u16>(row + (sizeIndex << 1), 24);
  if (handler == 0) return Decoded.UNDEFINED;
  r.kind = <u16>(HOT_KINDS + handler - 1);
  if (wide) {
    // A cold record has no room for the constant: a hot MOV serves 64-bit mode always, so this is not reached.
    return Decoded.UNDEFINED;
  }
  r.info = length | (chosen << Info.SEGMENT_SHIFT) | (isMemory ? Info.MEMORY : 0) | ((size - 1) << Info.OPERAND_SHIFT)
    | (addressSize << Info.ADDRESS_SHIFT) | (lock || (isMemory && map == 0 && (opcode & 0xfe) == 0x86) ? Info.LOCK : 0) | (repeat == 2 ? Info.REP : repeat == 3 ? Info.REPNE : 0)
    | (operand66 ? Info.OPERAND_PREFIX : 0) | ((reg & 7) << Info.REG_SHIFT) | ((rex & 8) != 0 ? Info.REX_W : 0)
    | (vexL != 0 ? Info.VEX_L : 0);
  return Decoded.OK;
}

@inline function defaultSegment(r: Rec, mode: u32): u32 { return (r.scale & 0x40) != 0 ? Seg.SS : Seg.DS; }

/** Puts a 64-bit constant in the record behind this one. */
function extra(rec: usize, value: u64): void {
  store<u16>(rec + RECORD, <u16>Kind.SKIP);
  store<u64>(rec + RECORD + 8, value);
  decodedExtra = 1;
}

/** RIP-relative: the displacement counts from the block's start, whose RIP is in the state. */
function addRip(r: Rec, rec: usize, end: u32): void {
  r.base = <u32>(CPU + offsetof<BlockRip>('blockRip'));
  const sum = <i64>r.disp + <i64>end;
  if (sum == <i64><i32>sum) r.disp = <i32>sum;
  else {
    r.index = <u32>(rec + RECORD + 8);
    extra(rec, end);
  }
}
@unmanaged class BlockRip { blockRip: u64; }

/** ModRM, SIB and displacement (SDM Vol. 2A, "Addressing-Mode Encoding of ModR/M and SIB Bytes"). */
function decodeMemory(r: Rec, modrm: u32, mode: u32): void {
  const mod = modrm >> 6;
  const rm = modrm & 7;
  if (addressSize == 0) {
    decodeMemory16(r, mod, rm);
    return;
  }
  let stack: bool = false;
  let base: u32 = rm | ((rex & 1) << 3);
  let wide = mod == 2;
  if (rm == 4) {
    const sib = byte();
    const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
    base = (sib & 7) | ((rex & 1) << 3);
    if (index != 4) {
      r.index = gprAddress(index);
      r.scale = <u8>(sib >> 6);
    }
    vsibIndex = index;
    vsibScale = sib >> 6;
    if ((sib & 7) == 5 && mod == 0) {
      wide = true;
      base = 16;
    }
  } else if (rm == 5 && mod == 0) {
    wide = true;
    base = 16;
    memoryRip = mode == 2;
  }
  if (base < 16) {
    r.base = gprAddress(base);
    stack = base == 4 || base == 5;
  }
  if (wide) r.disp = dword();
  else if (mod == 1) r.disp = <i32><i8>byte();
  if (stack) r.scale |= 0x40;
}
/** Index register and scale of the last SIB byte, for vector indices. */
export let vsibIndex: u32 = 0;
export let vsibScale: u32 = 0;

function decodeMemory16(r: Rec, mod: u32, rm: u32): void {
  const baseOf: u32 = rm == 0 || rm == 1 || rm == 7 ? 3 : rm == 2 || rm == 3 || rm == 6 ? 5 : rm == 4 ? 6 : 7;
  let stack = rm == 2 || rm == 3 || rm == 6;
  if (rm == 6 && mod == 0) {
    stack = false;
    r.disp = load<u16>(at);
    at += 2;
  } else {
    r.base = gprAddress(baseOf);
    if (rm < 4) r.index = gprAddress((rm & 1) != 0 ? 7 : 6);
  }
  if (mod == 1) r.disp = <i32><i8>byte();
  else if (mod == 2) { r.disp = <i32><i16>load<u16>(at); at += 2; }
  if (stack) r.scale |= 0x40;
}

/** Can the hot kind compute this operand? FS and GS bases take the place of an absent index in 64-bit mode. */
function hotFits(r: Rec, row: usize, mode: u32, isMemory: bool, chosen: u32, opcode: u32): bool {
  if (mode != 2 && size == 3) return false;
  if (!isMemory) return true;
  if (addressSize != mode) return false;
  if (opcode == 0x8d) return true;
  if (mode == 2) {
    if (segment < 4) {
      // the stack bit selects #SS; overrides of CS, DS, ES, SS are ignored
      return true;
    }
    if (r.index != <u32>ZERO) return false;
    r.index = <u32>SEG + (chosen << 5);
    r.scale = r.scale & 0x40;
    return true;
  }
  return chosen != Seg.CS && chosen != Seg.FS && chosen != Seg.GS;
}

/** Fills the links of a hot jump: {delta, chain} taken and not taken, relative to the block's start. */
function hotJump(rec: usize, kind: u32, end: u32, relative: i64): void {
  decodedEnd = 3;
  if (kind >= <u32>Kind.JCC_FIRST || kind == Kind.JMP) {
    store<i32>(rec, <i32>(relative + end), 4);
    store<u32>(rec, 0, 8);
    store<i32>(rec, <i32>end, 12);
    store<u32>(rec, 0, 16);
  } else {
    if (kind == Kind.CALL_32 || kind == Kind.CALL_64) {
      store<i32>(rec, <i32>(relative + end), 4);
      store<u32>(rec, 0, 8);
    }
    store<u32>(rec, end, 24);
  }
}

/**
 * Joins a compare or test at `before` with the conditional jump at `rec` into one record, the links into the next.
 * True when there is such a kind.
 */
export function fuse(before: usize, rec: usize): bool {
  const first: u32 = load<u16>(before);
  const condition = conditionOfJump(load<u16>(rec));
  if (condition < 0) return false;
  for (let n: u32 = 0; n < FUSION_COUNT; n++) {
    const f = FUSIONS + n * 6;
    if (load<u16>(f) == first && load<u16>(f, 2) == condition) {
      store<u16>(before, load<u16>(f, 4));
      return true;
    }
  }
  return false;
}
/** Condition of a hot Jcc kind, -1 for other kinds: the kinds of a condition are jcc, setcc, cmov32, cmov64. */
@inline function conditionOfJump(kind: u32): i32 {
  if (kind < <u32>Kind.JCC_FIRST || kind >= <u32>Kind.JCC_FIRST + 64 || ((kind - Kind.JCC_FIRST) & 3) != 0) return -1;
  return (kind - Kind.JCC_FIRST) >> 2;
}
