/**
 * PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM Vol. 1, "String and Text Processing Instructions"; Vol. 2B,
 * "Imm8 Control Byte Operation for PCMPESTRI / PCMPESTRM / PCMPISTRI / PCMPISTRM").
 */
import { Flag, setArithmeticFlags } from '../../cpu/flags';
import { Gpr, gpr, setGpr, YMM } from '../../cpu/state';
import { isVex, Rec } from '../../isa/record';
import { sourceOf, zero128 } from '../../isa/vector';

const enum Aggregate { ANY, RANGES, EACH, ORDERED }

@inline function element(p: u32, n: u32, format: u32): i32 {
  switch (format) {
    case 0: return load<u8>(p + n);
    case 1: return load<u16>(p + (n << 1));
    case 2: return load<i8>(p + n);
    default: return load<i16>(p + (n << 1));
  }
}
/** Elements in front of the first null. */
function implicitLength(p: u32, format: u32, most: u32): u32 {
  let n: u32 = 0;
  while (n < most && element(p, n, format) != 0) n++;
  return n;
}
/** An explicit length: its absolute value, at most `most`. */
@inline function explicitLength(value: i64, most: u32): u32 {
  const size = value < 0 ? 0 - <u64>value : <u64>value;
  return <u32>min<u64>(size, most);
}

/** IntRes1: bit j says whether element j of the second operand matches. */
function matches(a: u32, b: u32, lengthA: u32, lengthB: u32, imm: u32, most: u32): u32 {
  const format = imm & 3;
  let result: u32 = 0;
  for (let j: u32 = 0; j < most; j++) {
    let match: bool = false;
    switch ((imm >> 2) & 3) {
      case Aggregate.ANY:
        if (j < lengthB)
          for (let k: u32 = 0; k < lengthA; k++) if (element(a, k, format) == element(b, j, format)) match = true;
        break;
      case Aggregate.RANGES:
        if (j < lengthB) {
          const x = element(b, j, format);
          for (let k: u32 = 0; k + 1 < lengthA; k += 2)
            if (element(a, k, format) <= x && x <= element(a, k + 1, format)) match = true;
        }
        break;
      case Aggregate.EACH:
        match = j < lengthA && j < lengthB ? element(a, j, format) == element(b, j, format) : j >= lengthA
          && j >= lengthB;
        break;
      default:
        // What lies behind the vector's end matches: the search goes on there.
        match = true;
        for (let k: u32 = 0; k < lengthA && j + k < most; k++) {
          if (j + k >= lengthB || element(a, k, format) != element(b, j + k, format)) match = false;
        }
        break;
    }
    if (match) result |= 1 << j;
  }
  return result;
}

/** Compares, sets the flags and returns IntRes2. */
function compare(i: Rec, p: u32, lengthA: u32, lengthB: u32): u32 {
  const imm = <u32>i.imm, most: u32 = (imm & 1) != 0 ? 8 : 16;
  let result = matches(i.a, p, lengthA, lengthB, imm, most);
  if ((imm & 0x10) != 0) {
    if ((imm & 0x20) == 0) result ^= (1 << most) - 1;
    else result ^= (1 << lengthB) - 1;
  }
  let flags: u64 = 0;
  if (result != 0) flags |= Flag.CF;
  if (lengthB < most) flags |= Flag.ZF;
  if (lengthA < most) flags |= Flag.SF;
  if ((result & 1) != 0) flags |= Flag.OF;
  setArithmeticFlags(flags);
  return result;
}
function putIndex(i: Rec, result: u32): void {
  const most: u32 = (i.imm & 1) != 0 ? 8 : 16;
  if (result == 0) setGpr(Gpr.RCX, most);
  else setGpr(Gpr.RCX, (i.imm & 0x40) != 0 ? 31 - clz<u32>(result) : ctz<u32>(result));
}
function putMask(i: Rec, result: u32): void {
  v128.store(YMM, zero128());
  if (isVex(i)) v128.store(YMM, zero128(), 16);
  if ((i.imm & 0x40) == 0) store<u32>(YMM, result);
  else if ((i.imm & 1) != 0)
    for (let n: u32 = 0; n < 8; n++) store<u16>(YMM + (n << 1), ((result >> n) & 1) != 0 ? 0xffff : 0);
  else for (let n: u32 = 0; n < 16; n++) store<u8>(YMM + n, ((result >> n) & 1) != 0 ? 0xff : 0);
}
/** IntRes2 of the implicit and the explicit forms; a negative number where an event is pending. */
function implicitResult(i: Rec): i32 {
  const p = sourceOf(i, 16);
  if (p == 0) return -1;
  const format = <u32>i.imm & 3, most: u32 = (i.imm & 1) != 0 ? 8 : 16;
  return compare(i, p, implicitLength(i.a, format, most), implicitLength(p, format, most));
}
@inline function explicitResult<T>(i: Rec): i32 {
  const p = sourceOf(i, 16);
  if (p == 0) return -1;
  const most: u32 = (i.imm & 1) != 0 ? 8 : 16;
  const a = sizeof<T>() == 8 ? <i64>gpr(Gpr.RAX) : <i64><i32>gpr(Gpr.RAX);
  const b = sizeof<T>() == 8 ? <i64>gpr(Gpr.RDX) : <i64><i32>gpr(Gpr.RDX);
  return compare(i, p, explicitLength(a, most), explicitLength(b, most));
}
export function opPcmpistri(i: Rec): void {
  const result = implicitResult(i);
  if (result >= 0) putIndex(i, result);
}
export function opPcmpistrm(i: Rec): void {
  const result = implicitResult(i);
  if (result >= 0) putMask(i, result);
}
export function opPcmpestri<T>(i: Rec): void {
  const result = explicitResult<T>(i);
  if (result >= 0) putIndex(i, result);
}
export function opPcmpestrm<T>(i: Rec): void {
  const result = explicitResult<T>(i);
  if (result >= 0) putMask(i, result);
}
