/** Packed shifts: by one count for all elements, by a count for each, and of whole 128-bit halves by bytes. */
import { isLong, isVex, Rec } from '../../isa/record';
import { put256, putMmxTo, source, source128, sourceMmx, zero128 } from '../../isa/vector';

class Psllw { @inline apply(a: v128, n: u64): v128 { return n > 15 ? zero128() : i16x8.shl(a, <i32>n); } }
class Pslld { @inline apply(a: v128, n: u64): v128 { return n > 31 ? zero128() : i32x4.shl(a, <i32>n); } }
class Psllq { @inline apply(a: v128, n: u64): v128 { return n > 63 ? zero128() : i64x2.shl(a, <i32>n); } }
class Psrlw { @inline apply(a: v128, n: u64): v128 { return n > 15 ? zero128() : i16x8.shr_u(a, <i32>n); } }
class Psrld { @inline apply(a: v128, n: u64): v128 { return n > 31 ? zero128() : i32x4.shr_u(a, <i32>n); } }
class Psrlq { @inline apply(a: v128, n: u64): v128 { return n > 63 ? zero128() : i64x2.shr_u(a, <i32>n); } }
class Psraw { @inline apply(a: v128, n: u64): v128 { return i16x8.shr_s(a, <i32>min<u64>(n, 15)); } }
class Psrad { @inline apply(a: v128, n: u64): v128 { return i32x4.shr_s(a, <i32>min<u64>(n, 31)); } }

/** The vector at `from` shifted by `n`, to the register at `to`. */
@inline function shift<Op>(i: Rec, to: u32, from: u32, n: u64): void {
  const low = changetype<Op>(0).apply(v128.load(from), n);
  const high = isLong(i) ? changetype<Op>(0).apply(v128.load(from, 16), n) : zero128();
  v128.store(to, low);
  if (isVex(i)) v128.store(to, high, 16);
}
/** The count is the low quadword of the r/m operand. */
@inline function counted<Op>(i: Rec): void {
  const p = source128(i);
  if (p != 0) shift<Op>(i, i.a, i.b, load<u64>(p));
}
/** The destination is vvvv, for SSE the source itself. */
@inline function fixed<Op>(i: Rec): void { shift<Op>(i, i.b, i.base, <u64>(i.imm & 0xff)); }
@inline function countedMmx<Op>(i: Rec): void {
  const p = sourceMmx(i);
  if (p != 0) putMmxTo(i.a, i64x2.extract_lane(changetype<Op>(0).apply(v128.load64_zero(i.a), load<u64>(p)), 0));
}
@inline function fixedMmx<Op>(i: Rec): void {
  putMmxTo(i.base, i64x2.extract_lane(changetype<Op>(0).apply(v128.load64_zero(i.base), <u64>(i.imm & 0xff)), 0));
}

export function opPsllwX(i: Rec): void { counted<Psllw>(i); }
export function opPslldX(i: Rec): void { counted<Pslld>(i); }
export function opPsllqX(i: Rec): void { counted<Psllq>(i); }
export function opPsrlwX(i: Rec): void { counted<Psrlw>(i); }
export function opPsrldX(i: Rec): void { counted<Psrld>(i); }
export function opPsrlqX(i: Rec): void { counted<Psrlq>(i); }
export function opPsrawX(i: Rec): void { counted<Psraw>(i); }
export function opPsradX(i: Rec): void { counted<Psrad>(i); }
export function opPsllwImmX(i: Rec): void { fixed<Psllw>(i); }
export function opPslldImmX(i: Rec): void { fixed<Pslld>(i); }
export function opPsllqImmX(i: Rec): void { fixed<Psllq>(i); }
export function opPsrlwImmX(i: Rec): void { fixed<Psrlw>(i); }
export function opPsrldImmX(i: Rec): void { fixed<Psrld>(i); }
export function opPsrlqImmX(i: Rec): void { fixed<Psrlq>(i); }
export function opPsrawImmX(i: Rec): void { fixed<Psraw>(i); }
export function opPsradImmX(i: Rec): void { fixed<Psrad>(i); }
export function opPsllw(i: Rec): void { countedMmx<Psllw>(i); }
export function opPslld(i: Rec): void { countedMmx<Pslld>(i); }
export function opPsllq(i: Rec): void { countedMmx<Psllq>(i); }
export function opPsrlw(i: Rec): void { countedMmx<Psrlw>(i); }
export function opPsrld(i: Rec): void { countedMmx<Psrld>(i); }
export function opPsrlq(i: Rec): void { countedMmx<Psrlq>(i); }
export function opPsraw(i: Rec): void { countedMmx<Psraw>(i); }
export function opPsrad(i: Rec): void { countedMmx<Psrad>(i); }
export function opPsllwImm(i: Rec): void { fixedMmx<Psllw>(i); }
export function opPslldImm(i: Rec): void { fixedMmx<Pslld>(i); }
export function opPsllqImm(i: Rec): void { fixedMmx<Psllq>(i); }
export function opPsrlwImm(i: Rec): void { fixedMmx<Psrlw>(i); }
export function opPsrldImm(i: Rec): void { fixedMmx<Psrld>(i); }
export function opPsrlqImm(i: Rec): void { fixedMmx<Psrlq>(i); }
export function opPsrawImm(i: Rec): void { fixedMmx<Psraw>(i); }
export function opPsradImm(i: Rec): void { fixedMmx<Psrad>(i); }

/** Indices 0 to 15. */
@inline function ascending(): v128 { return i64x2(0x0706050403020100, 0x0f0e0d0c0b0a0908); }
/** Bytes from `n` on of the vector, zeros behind it and before it; `n` from -16 to 239. */
@inline export function bytesFrom(a: v128, n: i32): v128 {
  return i8x16.swizzle(a, i8x16.add(ascending(), i8x16.splat(<i8>n)));
}

class Psrldq { @inline apply(a: v128, n: u64): v128 { return bytesFrom(a, <i32>min<u64>(n, 16)); } }
class Pslldq { @inline apply(a: v128, n: u64): v128 { return bytesFrom(a, -<i32>min<u64>(n, 16)); } }
export function opPsrldq(i: Rec): void { fixed<Psrldq>(i); }
export function opPslldq(i: Rec): void { fixed<Pslldq>(i); }

export function opPalignrX(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const n = min(i.imm & 0xff, 32);
  const low = v128.or(bytesFrom(v128.load(p), n), bytesFrom(v128.load(i.b), n - 16));
  if (!isVex(i)) {
    v128.store(i.a, low);
    return;
  }
  const high = isLong(i) ? v128.or(bytesFrom(v128.load(p, 16), n), bytesFrom(v128.load(i.b, 16), n - 16)) : zero128();
  put256(i, low, high);
}
export function opPalignr(i: Rec): void {
  const p = sourceMmx(i);
  if (p == 0) return;
  const both = v128.shuffle<u64>(v128.load64_zero(p), v128.load64_zero(i.a), 0, 2);
  putMmxTo(i.a, i64x2.extract_lane(bytesFrom(both, min(i.imm & 0xff, 16)), 0));
}

/** Shifts each element of type T by the same element of the r/m operand. */
@inline function variable<T>(i: Rec, left: bool): void {
  const p = source(i);
  if (p == 0) return;
  const a = i.a, b = i.b, bits: u64 = sizeof<T>() * 8;
  for (let n: u32 = 0, size: u32 = isLong(i) ? 32 : 16; n < size; n += sizeof<T>()) {
    const count = sizeof<T>() == 8 ? load<u64>(p + n) : <u64>load<u32>(p + n);
    const value = load<T>(b + n);
    let result: T;
    if (isSigned<T>()) result = <T>(value >> <T>min<u64>(count, bits - 1));
    else if (count >= bits) result = 0;
    else result = left ? <T>(value << <T>count) : <T>(value >> <T>count);
    store<T>(a + n, result);
  }
  if (!isLong(i)) v128.store(a, zero128(), 16);
}
export function opVpsllvd(i: Rec): void { variable<u32>(i, true); }
export function opVpsllvq(i: Rec): void { variable<u64>(i, true); }
export function opVpsrlvd(i: Rec): void { variable<u32>(i, false); }
export function opVpsrlvq(i: Rec): void { variable<u64>(i, false); }
export function opVpsravd(i: Rec): void { variable<i32>(i, false); }
