/** Shuffles, blends, inserts, extracts and broadcasts. */
import { YMM } from '../../cpu/state';
import { isLong, isMemory, isVex, Rec } from '../../isa/record';
import {
  commitVector, packed, put128, put256, readVector, source, source128, sourceOf, UNALIGNED, writeVector, zero128,
} from '../../isa/vector';

/** Four doublewords: those at `a` and `b` that the two-bit fields of `imm` select, the first two from `a`. */
@inline function dwords(a: u32, b: u32, imm: i32): v128 {
  let r = v128.load32_zero(a + ((imm & 3) << 2));
  r = i32x4.replace_lane(r, 1, load<i32>(a + (((imm >> 2) & 3) << 2)));
  r = i32x4.replace_lane(r, 2, load<i32>(b + (((imm >> 4) & 3) << 2)));
  return i32x4.replace_lane(r, 3, load<i32>(b + (((imm >> 6) & 3) << 2)));
}
/** The four words of `a` that the two-bit fields of `imm` select, as a quadword. */
@inline function words(a: u32, imm: i32): u64 {
  return <u64>load<u16>(a + ((imm & 3) << 1)) | <u64>load<u16>(a + (((imm >> 2) & 3) << 1)) << 16
    | <u64>load<u16>(a + (((imm >> 4) & 3) << 1)) << 32 | <u64>load<u16>(a + (((imm >> 6) & 3) << 1)) << 48;
}
@inline function pair(low: u64, high: u64): v128 { return i64x2.replace_lane(i64x2.splat(low), 1, high); }

export function opPshufd(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = dwords(p, p, i.imm);
  if (isLong(i)) put256(i, low, dwords(p + 16, p + 16, i.imm));
  else put128(i, low);
}
export function opPshuflw(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = pair(words(p, i.imm), load<u64>(p, 8));
  if (isLong(i)) put256(i, low, pair(words(p + 16, i.imm), load<u64>(p, 24)));
  else put128(i, low);
}
export function opPshufhw(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = pair(load<u64>(p), words(p + 8, i.imm));
  if (isLong(i)) put256(i, low, pair(load<u64>(p, 16), words(p + 24, i.imm)));
  else put128(i, low);
}
export function opShufps(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = dwords(i.b, p, i.imm);
  if (isLong(i)) put256(i, low, dwords(i.b + 16, p + 16, i.imm));
  else put128(i, low);
}
@inline function qwords(a: u32, b: u32, imm: i32): v128 {
  return pair(load<u64>(a + ((imm & 1) << 3)), load<u64>(b + (((imm >> 1) & 1) << 3)));
}
export function opShufpd(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = qwords(i.b, p, i.imm);
  if (isLong(i)) put256(i, low, qwords(i.b + 16, p + 16, i.imm >> 2));
  else put128(i, low);
}
export function opVpermilpsImm(i: Rec): void { opPshufd(i); }
export function opVpermilpdImm(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = qwords(p, p, i.imm);
  if (isLong(i)) put256(i, low, qwords(p + 16, p + 16, i.imm >> 2));
  else put128(i, low);
}
/** Bits 1:0 of each doubleword select one of four in the same half. */
class Permilps {
  @inline apply(a: v128, b: v128): v128 {
    const chosen = i32x4.mul(v128.and(b, i32x4.splat(3)), i32x4.splat(0x04040404));
    return i8x16.swizzle(a, i32x4.add(chosen, i32x4.splat(0x03020100)));
  }
}
/** Bit 1 of each quadword selects one of two in the same half. */
class Permilpd {
  @inline apply(a: v128, b: v128): v128 {
    const high = i64x2.shr_s(i64x2.shl(b, 62), 63);
    return v128.bitselect(v128.shuffle<u64>(a, a, 1, 1), v128.shuffle<u64>(a, a, 0, 0), high);
  }
}
export function opVpermilps(i: Rec): void { packed<Permilps>(i); }
export function opVpermilpd(i: Rec): void { packed<Permilpd>(i); }
class Pshufb { @inline apply(a: v128, b: v128): v128 { return i8x16.swizzle(a, v128.and(b, i8x16.splat(<i8>0x8f))); } }
export function opPshufbX(i: Rec): void { packed<Pshufb>(i); }

// Blends

/** Elements of type T of the r/m operand where the immediate has a bit, `perHalf` of them in 128 bits. */
@inline function blend<T>(i: Rec, high: i32): void {
  const p = source(i);
  if (p == 0) return;
  const a = i.a, b = i.b;
  const perHalf: u32 = 16 / sizeof<T>();
  for (let n: u32 = 0; n < perHalf; n++) {
    const from = ((i.imm >> n) & 1) != 0 ? p : b;
    store<T>(a + n * sizeof<T>(), load<T>(from + n * sizeof<T>()));
  }
  if (!isLong(i)) {
    if (isVex(i)) v128.store(a, zero128(), 16);
    return;
  }
  for (let n: u32 = 0; n < perHalf; n++) {
    const from = ((high >> n) & 1) != 0 ? p : b;
    store<T>(a + 16 + n * sizeof<T>(), load<T>(from + 16 + n * sizeof<T>()));
  }
}
export function opBlendps(i: Rec): void { blend<u32>(i, i.imm >> 4); }
export function opBlendpd(i: Rec): void { blend<u64>(i, i.imm >> 2); }
export function opPblendw(i: Rec): void { blend<u16>(i, i.imm); }
export function opVpblendd(i: Rec): void { blend<u32>(i, i.imm >> 4); }

class SignsOfBytes { @inline apply(a: v128): v128 { return i8x16.shr_s(a, 7); } }
class SignsOfDwords { @inline apply(a: v128): v128 { return i32x4.shr_s(a, 31); } }
class SignsOfQwords { @inline apply(a: v128): v128 { return i64x2.shr_s(a, 63); } }
/** Blends by the signs of a mask register: XMM0, or with VEX the one that bits 7:4 of the immediate name. */
@inline function blendBy<Signs>(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const mask = isVex(i) ? <u32>i.imm : <u32>YMM;
  const low = v128.bitselect(v128.load(p), v128.load(i.b), changetype<Signs>(0).apply(v128.load(mask)));
  if (isLong(i))
    put256(i, low, v128.bitselect(v128.load(p, 16), v128.load(i.b, 16),
      changetype<Signs>(0).apply(v128.load(mask, 16))));
  else put128(i, low);
}
export function opPblendvb(i: Rec): void { blendBy<SignsOfBytes>(i); }
export function opBlendvps(i: Rec): void { blendBy<SignsOfDwords>(i); }
export function opBlendvpd(i: Rec): void { blendBy<SignsOfQwords>(i); }

// Inserts and extracts

@inline function insert<T>(i: Rec): void {
  const p = sourceOf(i, sizeof<T>());
  if (p == 0) return;
  const value = load<T>(p), lane = i.imm & (16 / sizeof<T>() - 1);
  put128(i, v128.load(i.b));
  store<T>(i.a + lane * sizeof<T>(), value);
}
export function opPinsrb(i: Rec): void { insert<u8>(i); }
export function opPinsrbMem(i: Rec): void { insert<u8>(i); }
export function opPinsrwX(i: Rec): void { insert<u16>(i); }
export function opPinsrwXMem(i: Rec): void { insert<u16>(i); }
export function opVpinsrwMem(i: Rec): void { insert<u16>(i); }
export function opPinsrd(i: Rec): void { insert<u32>(i); }
export function opPinsrq(i: Rec): void { insert<u64>(i); }

/** Stores element `lane` of the register at `from`; a general register gets it with zeros above. */
@inline function extract<T>(i: Rec, from: u32): void {
  const value = load<T>(from + (i.imm & (16 / sizeof<T>() - 1)) * sizeof<T>());
  if (!isMemory(i)) {
    store<u64>(i.base, <u64>value);
    return;
  }
  const p = writeVector(i, sizeof<T>(), UNALIGNED);
  if (p == 0) return;
  store<T>(p, value);
  commitVector(p);
}
export function opPextrb(i: Rec): void { extract<u8>(i, i.a); }
export function opPextrbMem(i: Rec): void { extract<u8>(i, i.a); }
export function opPextrwMem(i: Rec): void { extract<u16>(i, i.a); }
export function opPextrd(i: Rec): void { extract<u32>(i, i.a); }
export function opPextrq(i: Rec): void { extract<u64>(i, i.a); }
export function opExtractps(i: Rec): void { extract<u32>(i, i.a); }
export function opExtractpsMem(i: Rec): void { extract<u32>(i, i.a); }
/** Two encodings: from r/m to modrm.reg, and from modrm.reg to r/m. The general register is below the vectors. */
export function opPextrwX(i: Rec): void {
  const toReg = i.a < <u32>YMM;
  store<u64>(toReg ? i.a : i.base, load<u16>((toReg ? i.base : i.a) + ((i.imm & 7) << 1)));
}
export function opInsertps(i: Rec): void {
  const p = sourceOf(i, 4);
  if (p == 0) return;
  const value = load<u32>(isMemory(i) ? p : p + (((i.imm >> 6) & 3) << 2));
  put128(i, v128.load(i.b));
  store<u32>(i.a + (((i.imm >> 4) & 3) << 2), value);
  for (let n: u32 = 0; n < 4; n++) if (((i.imm >> n) & 1) != 0) store<u32>(i.a + (n << 2), 0);
}

// 128-bit halves and elements across them

export function opVinsertf128(i: Rec): void {
  const p = source128(i);
  if (p == 0) return;
  const value = v128.load(p);
  if ((i.imm & 1) != 0) put256(i, v128.load(i.b), value);
  else put256(i, value, v128.load(i.b, 16));
}
export function opVinserti128(i: Rec): void { opVinsertf128(i); }
export function opVextractf128(i: Rec): void {
  const value = v128.load(i.a + ((i.imm & 1) << 4));
  if (!isMemory(i)) {
    v128.store(i.base, value);
    v128.store(i.base, zero128(), 16);
    return;
  }
  const p = writeVector(i, 16, UNALIGNED);
  if (p == 0) return;
  v128.store(p, value);
  commitVector(p);
}
export function opVextracti128(i: Rec): void { opVextractf128(i); }
/** The half that two bits select: of the first source, of the second; bit 3 gives zero. */
@inline function half(b: u32, p: u32, select: i32): v128 {
  if ((select & 8) != 0) return zero128();
  return v128.load(((select & 2) != 0 ? p : b) + ((select & 1) << 4));
}
export function opVperm2f128(i: Rec): void {
  const p = source(i);
  if (p != 0) put256(i, half(i.b, p, i.imm), half(i.b, p, i.imm >> 4));
}
export function opVperm2i128(i: Rec): void { opVperm2f128(i); }
export function opVpermq(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = pair(load<u64>(p + ((i.imm & 3) << 3)), load<u64>(p + (((i.imm >> 2) & 3) << 3)));
  put256(i, low, pair(load<u64>(p + (((i.imm >> 4) & 3) << 3)), load<u64>(p + (((i.imm >> 6) & 3) << 3))));
}
export function opVpermpd(i: Rec): void { opVpermq(i); }
/** The four doublewords at `p` that the low bits of those at `indices` select. */
@inline function gathered(p: u32, indices: u32): v128 {
  let r = v128.load32_zero(p + ((load<u32>(indices) & 7) << 2));
  r = i32x4.replace_lane(r, 1, load<i32>(p + ((load<u32>(indices, 4) & 7) << 2)));
  r = i32x4.replace_lane(r, 2, load<i32>(p + ((load<u32>(indices, 8) & 7) << 2)));
  return i32x4.replace_lane(r, 3, load<i32>(p + ((load<u32>(indices, 12) & 7) << 2)));
}
export function opVpermd(i: Rec): void {
  const p = source(i);
  if (p != 0) put256(i, gathered(p, i.b), gathered(p, i.b + 16));
}
export function opVpermps(i: Rec): void { opVpermd(i); }

@inline function broadcast(i: Rec, value: v128): void { put256(i, value, isLong(i) ? value : zero128()); }
export function opVpbroadcastb(i: Rec): void {
  const p = sourceOf(i, 1);
  if (p != 0) broadcast(i, i8x16.splat(load<i8>(p)));
}
export function opVpbroadcastw(i: Rec): void {
  const p = sourceOf(i, 2);
  if (p != 0) broadcast(i, i16x8.splat(load<i16>(p)));
}
export function opVpbroadcastd(i: Rec): void {
  const p = sourceOf(i, 4);
  if (p != 0) broadcast(i, i32x4.splat(load<i32>(p)));
}
export function opVpbroadcastq(i: Rec): void {
  const p = sourceOf(i, 8);
  if (p != 0) broadcast(i, i64x2.splat(load<i64>(p)));
}
export function opVbroadcastss(i: Rec): void { opVpbroadcastd(i); }
export function opVbroadcastsd(i: Rec): void { opVpbroadcastq(i); }
export function opVbroadcastf128(i: Rec): void {
  const p = readVector(i, 16, UNALIGNED);
  if (p != 0) put256(i, v128.load(p), v128.load(p));
}
export function opVbroadcasti128(i: Rec): void { opVbroadcastf128(i); }
