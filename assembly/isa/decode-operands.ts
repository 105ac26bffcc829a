/**
 * Fills a record's operand slots by the addressing methods of its row: general registers as addresses in `a` (modrm.reg),
 * `b` (vvvv) and `base` (modrm.rm), vector and MMX registers likewise, immediates in `imm`.
 */
import { FPR, GPR, YMM } from '../cpu/state';
import { byte, d, dword, gprAddress, word } from './decode-state';
import { extra } from './modrm';
import { immediate, Rec, RECORD } from './record';
import { PATTERNS } from './tables.gen';

/** src/isa/gen/operands.ts, METHODS. */
const enum Method {
  NONE, RM, REG, OPCODE_REG, VVVV, FIXED, IMM, SIMM8, IMM_FULL, REL, ONE, MOFFS,
  SEG_FIELD, CR_FIELD, SEG_NAME, FAR, STRING, IMM2, XMM_REG, XMM_RM, XMM_VVVV, XMM_IS4, MM_REG, MM_RM, ST, XMM0,
}
const enum Size { NONE, BYTE, V, Y, Z, WORD, DWORD, QWORD }

const PATTERN: usize = 13;

/** Byte registers: without REX, 4 to 7 are AH CH DH BH. */
@inline function byteAddress(n: u32): u32 { return d.rex == 0 && n >= 4 && n < 8 ? <u32>GPR + ((n - 4) << 3) + 1 : <u32>GPR + (n << 3); }

/** Reads the operands of a row with pattern number `n` into `rec`. */
export function decodeOperands(rec: usize, n: u32, mode: u32): void {
  const r = changetype<Rec>(rec);
  const pattern = PATTERNS + <usize>n * PATTERN;
  const count: u32 = load<u8>(pattern);
  d.pointers = 0;
  d.pointer0 = 0;
  d.pointer1 = 0;
  d.vUsed = false;
  d.wide = false;
  d.relative = 0;
  d.immediate = 0;
  for (let n: u32 = 0; n < count; n++) {
    const method: u32 = load<u8>(pattern + n, 1);
    const operandSize: u32 = load<u8>(pattern + n, 5);
    const fixed: u32 = load<u8>(pattern + n, 9);
    let pointer: u32 = 0;
    switch (method) {
      case Method.RM:
        if (!d.isMemory) {
          pointer = operandSize == Size.BYTE ? byteAddress(d.rm) : gprAddress(d.rm);
          r.base = pointer;
        }
        break;
      case Method.REG:
        pointer = operandSize == Size.BYTE ? byteAddress(d.reg) : gprAddress(d.reg);
        r.a = pointer;
        break;
      case Method.OPCODE_REG: {
        const number = (d.opcode & 7) | ((d.rex & 1) << 3);
        pointer = operandSize == Size.BYTE ? byteAddress(number) : gprAddress(number);
        r.a = pointer;
        break;
      }
      case Method.VVVV:
        d.vUsed = true;
        pointer = gprAddress(d.vexV);
        r.b = pointer;
        break;
      case Method.FIXED:
        pointer = <u32>GPR + ((fixed & 0x7f) << 3);
        if ((fixed & 0x80) != 0) r.b = pointer;
        else r.a = pointer;
        break;
      case Method.IMM:
        if (operandSize == Size.BYTE) r.imm = <i32><i8>byte();
        else if (operandSize == Size.WORD) { r.imm = <i32><i16>word(); }
        else if (d.size == 1) { r.imm = <i32><i16>word(); }
        else r.imm = dword();
        d.immediate = <u64><i64>r.imm;
        pointer = <u32>immediate(r);
        break;
      case Method.SIMM8:
        r.imm = <i32><i8>byte();
        d.immediate = <u64><i64>r.imm;
        pointer = <u32>immediate(r);
        break;
      case Method.IMM_FULL:
        if (d.size == 3) {
          d.immediate = load<u64>(d.at);
          d.at += 8;
          d.wide = d.immediate != <u64><i64><i32>d.immediate;
          r.imm = <i32>d.immediate;
        } else {
          if (d.size == 1) { r.imm = <i32><i16>word(); }
          else r.imm = dword();
          d.immediate = <u64><i64>r.imm;
        }
        pointer = <u32>immediate(r);
        break;
      case Method.REL:
        if (operandSize == Size.BYTE) d.relative = <i64><i8>byte();
        else if (d.size == 1) { d.relative = <i64><i16>word(); }
        else d.relative = <i64><i32>dword();
        r.imm = <i32>d.relative;
        break;
      case Method.ONE:
        d.immediate = 1;
        pointer = <u32>immediate(r);
        break;
      case Method.MOFFS:
        d.isMemory = true;
        if (d.addressSize == 2) {
          const offset64 = load<u64>(d.at);
          d.at += 8;
          if (offset64 == <u64><i64><i32>offset64) r.disp = <i32>offset64;
          else {
            r.index = <u32>(rec + RECORD + 8);
            extra(rec, offset64);
          }
        } else if (d.addressSize == 1) r.disp = dword();
        else { r.disp = word(); }
        break;
      case Method.SEG_FIELD:
        r.b = (d.modrm >> 3) & 7;
        break;
      case Method.CR_FIELD:
        r.b = d.reg;
        break;
      case Method.SEG_NAME:
        r.b = fixed;
        break;
      case Method.FAR:
        if (d.size == 1) { r.imm = word(); }
        else r.imm = dword();
        r.b = word();
        break;
      case Method.IMM2:
        r.disp = byte();
        break;
      case Method.XMM_REG:
        r.a = <u32>YMM + (d.reg << 5);
        break;
      case Method.XMM_RM:
        if (!d.isMemory) r.base = <u32>YMM + (d.rm << 5);
        break;
      case Method.XMM_VVVV:
        d.vUsed = true;
        r.b = <u32>YMM + (d.vexV << 5);
        break;
      case Method.XMM_IS4:
        r.imm = <i32>(<u32>YMM + ((byte() >> 4 & (mode == 2 ? 15 : 7)) << 5));
        break;
      case Method.MM_REG:
        r.a = <u32>FPR + (((d.modrm >> 3) & 7) << 4);
        break;
      case Method.MM_RM:
        if (!d.isMemory) r.base = <u32>FPR + ((d.modrm & 7) << 4);
        break;
      default:
        break;
    }
    if (pointer != 0) {
      d.pointers++;
      if (d.pointers == 1) d.pointer0 = pointer;
      else if (d.pointers == 2) d.pointer1 = pointer;
    }
  }
}
