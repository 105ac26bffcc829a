/**
 * Decodes instruction bytes into records by the generated tables (SDM Vol. 2A, "Instruction Format"). Operand slots are
 * filled as operand.ts and the hot kinds expect them.
 */
import { cpu, CPUID, YMM, ZERO, Seg } from '../cpu/state';
import { Key } from '../cpu/segments';
import { Uses } from '../cpu/vector-state';
import { byte, d } from './decode-state';
import { decodeOperands } from './decode-operands';
import { hotFits, hotJump, kindByRule } from './decode-hot';
import { addRip, decodeMemory } from './modrm';
import { immediate, Info, Rec } from './record';
import { DESCRIPTORS, Feature, HAS_MODRM, HOT_KINDS, HOT_PAIRS, Kind, SHAPES, TREE } from './tables.gen';

/** Outcomes of decode. */
export const enum Decoded { OK, UNDEFINED, TOO_LONG }

const enum Trait { LOCK = 1, CPL0 = 2, ENDS = 4, JUMP = 8, D64 = 16, F64 = 32, PROT = 64, REP = 128, NOMOD = 256, VSIB = 512, VSIB_XMM = 4096, L1_AVX2 = 8192 }

const SHAPE: usize = 14;
/** CR0, CR2, CR3, CR4, CR8. */
const CONTROL_REGISTERS: u32 = 0x11d;
/** One byte for each Feature: 1 where the CPU model has it. */
export const FEATURE_BYTES: usize = CPUID;

/** Results of the last decode. */
export let decodedLength: u32 = 0;
/** Does an instruction end its block? SLOW: what follows is looked up anew. JUMP: it sets RIP. LINKS: it has links of its own. */
export const enum End { NONE, SLOW, JUMP, LINKS }
export let decodedEnd: End = End.NONE;
/** Extra records taken after the instruction's own (a 64-bit constant). */
@inline export function decodedExtra(): u32 { return d.extra; }

/**
 * Decodes the instruction whose bytes are at `bytes` into record `rec`, which starts `offset` bytes into its block.
 * Reads up to 15 bytes beyond what it uses; decodedLength tells how many the instruction has.
 */
export function decode(bytes: usize, rec: usize, offset: u32): Decoded {
  const r = changetype<Rec>(rec);
  const key = cpu.modeKey;
  const mode = key & Key.SIZE;
  d.at = bytes;
  d.rex = 0;
  d.segment = -1;
  d.memoryRip = false;
  d.extra = 0;
  let operand66: bool = false, address67: bool = false, lock: bool = false;
  let repeat: u32 = 0; // 2 for F3, 3 for F2
  let opcode: u32;
  while (true) {
    opcode = byte();
    if (d.at - bytes > 15) { decodedLength = 16; return Decoded.TOO_LONG; }
    if (opcode == 0x66) operand66 = true;
    else if (opcode == 0x67) address67 = true;
    else if (opcode == 0xf0) lock = true;
    else if (opcode == 0xf3) repeat = 2;
    else if (opcode == 0xf2) repeat = 3;
    else if ((opcode & 0xe7) == 0x26) { if (mode != 2) d.segment = (opcode >> 3) & 3; }
    else if ((opcode & 0xfe) == 0x64) d.segment = opcode - 0x60;
    else if (mode == 2 && (opcode & 0xf0) == 0x40) { d.rex = opcode; continue; }
    else break;
    d.rex = 0; // REX counts only right before the opcode
  }

  // Map, and VEX
  let map: u32 = 0;
  let vexL: u32 = 0;
  d.vexV = 0;
  let vex: bool = false;
  if (opcode == 0x0f) {
    opcode = byte();
    map = 1;
    if (opcode == 0x38) { map = 2; opcode = byte(); }
    else if (opcode == 0x3a) { map = 3; opcode = byte(); }
  } else if ((opcode == 0xc4 || opcode == 0xc5) && (mode == 2 || (load<u8>(d.at) & 0xc0) == 0xc0)) {
    vex = true;
    const prefixed = operand66 || repeat != 0 || lock || d.rex != 0;
    const second = byte();
    let last = second;
    d.rex = 0x40 | (((second >> 7) ^ 1) << 2);
    map = 1;
    if (opcode == 0xc4) {
      map = second & 31;
      d.rex |= (((second >> 6) & 1) ^ 1) << 1 | (((second >> 5) & 1) ^ 1);
      last = byte();
      d.rex |= (last >> 7) << 3;
    }
    if (mode != 2) d.rex &= 0x48;
    d.vexV = ((last >> 3) & (mode == 2 ? 15 : 7)) ^ (mode == 2 ? 15 : 7);
    vexL = (last >> 2) & 1;
    const pp = last & 3;
    operand66 = pp == 1;
    repeat = pp == 2 ? 2 : pp == 3 ? 3 : 0;
    opcode = byte();
    decodedLength = <u32>(d.at - bytes);
    if (prefixed || map < 1 || map > 3 || (key & Key.REAL) != 0) return Decoded.UNDEFINED;
    map += 3;
  }
  const modrm: u32 = load<u8>(d.at);
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
      case 6: answer = (d.rex >> 3) & 1; break;
      default: answer = d.rex & 1; break;
    }
    value = load<u16>(node + 2 + (answer << 1));
  }
  const hasModrm: bool = ((load<u8>(HAS_MODRM + (map << 5 | opcode >> 3)) >> (opcode & 7)) & 1) != 0;
  decodedLength = <u32>(d.at - bytes) + (hasModrm ? 1 : 0);
  if (value == 0) {
    // Groups C6 and C7 have their immediate fetched whatever the reg field says.
    if (map == 0 && (opcode & 0xfe) == 0xc6 && (modrm >> 6) == 3) decodedLength += opcode == 0xc6 ? 1 : (mode == 0) != operand66 ? 2 : 4;
    return Decoded.UNDEFINED;
  }
  let row = DESCRIPTORS + ((value - 1) << 2);
  let shape = shapeOf(row);
  const feature = load<u8>(shape, 2);
  if (feature != 0 && load<u8>(FEATURE_BYTES + feature) == 0) {
    const instead: u32 = load<u16>(shape, 12);
    if (instead == 0) return Decoded.UNDEFINED;
    row = DESCRIPTORS + ((instead - 1) << 2);
    shape = shapeOf(row);
  }
  const traits = load<u32>(shape, 4);
  if ((traits & Uses.VEX) != 0 && load<u8>(FEATURE_BYTES + Feature.AVX) == 0) return Decoded.UNDEFINED;
  if (vexL != 0 && (traits & Trait.L1_AVX2) != 0 && load<u8>(FEATURE_BYTES + Feature.AVX2) == 0) return Decoded.UNDEFINED;
  if ((traits & Trait.PROT) != 0 && (key & Key.REAL) != 0) return Decoded.UNDEFINED;

  // Sizes
  d.addressSize = mode == 2 ? (address67 ? 1 : 2) : mode == 1 ? (address67 ? 0 : 1) : (address67 ? 1 : 0);
  if (mode == 2) {
    d.size = (d.rex & 8) != 0 || (traits & Trait.F64) != 0 ? 3 : operand66 ? 1 : (traits & Trait.D64) != 0 ? 3 : 2;
  } else d.size = (mode == 1) != operand66 ? 2 : 1;
  const width = load<u8>(shape, 3);
  const sizeIndex: u32 = width == 2 ? d.size : width == 3 ? (mode == 2 && ((d.rex & 8) != 0 || (traits & Trait.F64) != 0) ? 3 : 2) : 0;

  // ModRM and the memory operand
  r.a = 0;
  r.b = opcode;
  r.base = <u32>ZERO;
  r.index = <u32>ZERO;
  r.disp = 0;
  r.scale = 0;
  r.imm = 0;
  r.offset = <u8>offset;
  d.opcode = opcode;
  d.modrm = modrm;
  d.reg = ((modrm >> 3) & 7) | ((d.rex & 4) << 1);
  d.rm = (modrm & 7) | ((d.rex & 1) << 3);
  d.isMemory = hasModrm && (modrm >> 6) != 3 && (traits & Trait.NOMOD) == 0;
  if (hasModrm) d.at++;
  if (d.isMemory) decodeMemory(r, modrm, mode);
  decodeOperands(rec, load<u8>(shape), mode);
  const isMemory = d.isMemory;
  if ((traits & (Trait.VSIB | Trait.VSIB_XMM)) != 0 && !vectorIndex(r)) return Decoded.UNDEFINED;
  if ((traits & Uses.X87) != 0) r.b = ((opcode & 7) << 8) | modrm;
  else if ((traits & (Uses.VEX | Uses.SSE | Uses.MMX)) != 0 && !d.vUsed) r.b = r.a != 0 ? r.a : r.base;
  const length = <u32>(d.at - bytes);
  decodedLength = length;
  if (length > 15) return Decoded.TOO_LONG;
  if (vex && !d.vUsed && d.vexV != 0) return Decoded.UNDEFINED;
  if (lock && !((traits & Trait.LOCK) != 0 && isMemory)) return Decoded.UNDEFINED;
  // A control register that is none is #UD before privilege is looked at.
  if (map == 1 && (opcode & 0xfd) == 0x20 && ((CONTROL_REGISTERS >> d.reg) & 1) == 0) return Decoded.UNDEFINED;
  if (d.memoryRip) addRip(r, rec, offset + length);

  decodedEnd = (traits & Trait.JUMP) != 0 ? End.JUMP : (traits & Trait.ENDS) != 0 ? End.SLOW : End.NONE;
  const chosen = d.segment >= 0 ? <u32>d.segment : (r.scale & 0x40) != 0 ? Seg.SS : Seg.DS;
  if (chosen == Seg.SS) r.scale |= 0x40;

  // A hot kind where one fits; in a core of one thread nothing comes between what LOCK holds together.
  const vector = traits & (Uses.SSE | Uses.VEX);
  const index: u32 = (vector & Uses.VEX) != 0 ? 1 + vexL : sizeIndex;
  const usable = vector == 0 || (key & ((vector & Uses.VEX) != 0 ? <u32>Key.VEX : <u32>Key.SSE)) != 0;
  const kind: u32 = usable && (!lock || !ASC_FEATURE_THREADS) ? load<u16>(HOT_PAIRS + (<usize>load<u8>(shape, 1) << 4) + (index << 1) + (isMemory ? 8 : 0)) : 0;
  if (kind != 0 && kind < <u32>Kind.FIRST_WHOLE && (key & Key.FLAT) != 0) {
    if (hotFits(r, mode, isMemory, chosen, opcode)) {
      r.kind = <u16>kind;
      if (vector != 0) {
        decodedEnd = End.NONE;
        return Decoded.OK;
      }
      if (d.pointers > 0) r.a = d.pointer0;
      r.b = d.pointer1;
      if (decodedEnd != End.NONE) {
        decodedEnd = End.LINKS;
        hotJump(r, kind, offset + length, d.relative);
      } else {
        store<u64>(immediate(r), d.immediate);
        r.kind = <u16>kindByRule(kind, r);
      }
      return Decoded.OK;
    }
  }
  const handler: u32 = load<u8>(shape + sizeIndex, 8);
  if (handler == 0) return Decoded.UNDEFINED;
  r.kind = <u16>(HOT_KINDS + load<u16>(row, 2) + handler - 1);
  // A cold record has no room for a 64-bit constant: a hot MOV serves 64-bit mode always, so this is not reached.
  if (d.wide) return Decoded.UNDEFINED;
  const flat = (key & Key.FLAT) != 0 && d.addressSize == mode && (mode == 2 ? chosen < <u32>Seg.FS : chosen <= <u32>Seg.DS && chosen != Seg.CS);
  r.info = length | (chosen << Info.SEGMENT_SHIFT) | (isMemory ? Info.MEMORY : 0) | ((d.size - 1) << Info.OPERAND_SHIFT)
    | (d.addressSize << Info.ADDRESS_SHIFT) | (lock || (isMemory && map == 0 && (opcode & 0xfe) == 0x86) ? Info.LOCK : 0) | (repeat == 2 ? Info.REP : repeat == 3 ? Info.REPNE : 0)
    | (operand66 ? Info.OPERAND_PREFIX : 0) | ((d.reg & 7) << Info.REG_SHIFT) | ((d.rex & 8) != 0 ? Info.REX_W : 0)
    | (vexL != 0 ? Info.VEX_L : 0) | (traits & (Uses.ALL | Uses.PENDING)) | (flat ? Info.FLAT : 0);
  if (kind >= <u32>Kind.FIRST_WHOLE && (flat || !isMemory)) {
    r.imm = r.kind;
    r.kind = <u16>kind;
  }
  return Decoded.OK;
}

/** What the row at `row` has in common with others. */
@inline function shapeOf(row: usize): usize { return SHAPES + <usize>load<u16>(row) * SHAPE; }

/**
 * The memory operand of a gather: the vector register with the indices is in `imm`, log2 of their scale in `scale`.
 * False where there is no SIB byte or where two of destination, index and mask are one register.
 */
function vectorIndex(r: Rec): bool {
  if (d.addressSize == 0 || (d.modrm & 7) != 4) return false;
  r.index = <u32>ZERO;
  r.imm = <i32>(<u32>YMM + (d.vsibIndex << 5));
  return d.reg != d.vsibIndex && d.reg != d.vexV && d.vsibIndex != d.vexV;
}
