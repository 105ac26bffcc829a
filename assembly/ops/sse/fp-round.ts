/** Rounding to integers in floating-point formats, and the conversions of half precision. */
import {
  commitVector, put128, put256, putScalar, readElement, source, sourceOf, UNALIGNED, writeElement, writeVector,
} from '../../isa/vector';
import { isIntel } from '../../cpu/features';
import { isLong, isMemory, Rec } from '../../isa/record';
import { between, toIntegral } from '../fp/convert';
import { begin, Format, rounding, settle } from '../fp/ieee';
import { Rc } from '../fp/soft';

const RESULT: usize = memory.data(32, 16);
const BY_MXCSR: i32 = 4, SILENT: i32 = 8;

@inline function putResult(i: Rec): void {
  if (isLong(i)) put256(i, v128.load(RESULT), v128.load(RESULT, 16));
  else put128(i, v128.load(RESULT));
}
/** The rounding control that an immediate asks for. */
@inline function control(imm: i32): u32 { return (imm & BY_MXCSR) != 0 ? rounding() : imm & 3; }
@inline function rounded(bits: u64, format: u32, imm: i32): u64 {
  return toIntegral(bits, format, control(imm), (imm & SILENT) != 0);
}

export function opRoundps(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  begin();
  for (let n: u32 = 0, end: u32 = isLong(i) ? 32 : 16; n < end; n += 4) {
    store<u32>(RESULT + n, <u32>rounded(load<u32>(p + n), Format.SINGLE, i.imm));
  }
  if (settle()) putResult(i);
}
export function opRoundpd(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  begin();
  for (let n: u32 = 0, end: u32 = isLong(i) ? 32 : 16; n < end; n += 8) {
    store<u64>(RESULT + n, rounded(load<u64>(p + n), Format.DOUBLE, i.imm));
  }
  if (settle()) putResult(i);
}
export function opRoundss(i: Rec): void {
  const p = sourceOf(i, 4);
  if (p == 0) return;
  begin();
  const r = <u32>rounded(load<u32>(p), Format.SINGLE, i.imm);
  if (settle()) putScalar<u32>(i, r);
}
export function opRoundsd(i: Rec): void {
  const p = sourceOf(i, 8);
  if (p == 0) return;
  begin();
  const r = rounded(load<u64>(p), Format.DOUBLE, i.imm);
  if (settle()) putScalar<u64>(i, r);
}

/** SDM Vol. 2A, "Exceptions Type 11": no alignment check. AMD's processors check. */
function halvesForReading(i: Rec, bytes: u32): u32 {
  if (!isMemory(i)) return i.base;
  return isIntel() ? readElement(i, bytes) : sourceOf(i, bytes);
}
function halvesForWriting(i: Rec, bytes: u32): u32 {
  if (!isMemory(i)) return i.base;
  return isIntel() ? writeElement(i, bytes) : writeVector(i, bytes, UNALIGNED);
}
export function opVcvtph2ps(i: Rec): void {
  const count: u32 = isLong(i) ? 8 : 4, p = halvesForReading(i, count << 1);
  if (p == 0) return;
  begin();
  for (let n: u32 = 0; n < count; n++) {
    store<u32>(RESULT + (n << 2), <u32>between(load<u16>(p + (n << 1)), Format.HALF, Format.SINGLE, Rc.NEAREST, false));
  }
  if (settle()) putResult(i);
}
/**
 * Half-precision results are not flushed to zero (SDM Vol. 2, "VCVTPS2PH"). Intel's processors convert, and set the
 * flags, before they find that the store faults.
 */
export function opVcvtps2ph(i: Rec): void {
  const count: u32 = isLong(i) ? 8 : 4, bytes = count << 1;
  if (!isIntel() && halvesForWriting(i, bytes) == 0) return;
  begin();
  for (let n: u32 = 0; n < count; n++) {
    const half = between(load<u32>(i.a + (n << 2)), Format.SINGLE, Format.HALF, control(i.imm), false);
    store<u16>(RESULT + (n << 1), <u16>half);
  }
  if (!settle()) return;
  const p = halvesForWriting(i, bytes);
  if (p == 0) return;
  if (!isMemory(i)) {
    v128.store(p, isLong(i) ? v128.load(RESULT) : v128.load64_zero(RESULT));
    v128.store(p, i64x2.splat(0), 16);
    return;
  }
  if (isLong(i)) v128.store(p, v128.load(RESULT));
  else store<u64>(p, load<u64>(RESULT));
  commitVector(p);
}
