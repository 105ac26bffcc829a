/**
 * Interleaving, narrowing and horizontal sums, which take two vectors apart; their MMX forms work on
 * both operands at once.
 */
import { packed, putMmx, sourceMmx } from '../../isa/vector';
import { Rec } from '../../isa/record';

@inline function evenWords(a: v128, b: v128): v128 { return v128.shuffle<u16>(a, b, 0, 2, 4, 6, 8, 10, 12, 14); }
@inline function oddWords(a: v128, b: v128): v128 { return v128.shuffle<u16>(a, b, 1, 3, 5, 7, 9, 11, 13, 15); }
@inline function evenDwords(a: v128, b: v128): v128 { return v128.shuffle<u32>(a, b, 0, 2, 4, 6); }
@inline function oddDwords(a: v128, b: v128): v128 { return v128.shuffle<u32>(a, b, 1, 3, 5, 7); }

class Punpcklbw { @inline apply(a: v128, b: v128): v128 { return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4,
  20, 5, 21, 6, 22, 7, 23); } }
class Punpcklwd { @inline apply(a: v128, b: v128): v128 { return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11); } }
class Punpckldq { @inline apply(a: v128, b: v128): v128 { return v128.shuffle<u32>(a, b, 0, 4, 1, 5); } }
class Punpcklqdq { @inline apply(a: v128, b: v128): v128 { return v128.shuffle<u64>(a, b, 0, 2); } }
class Punpckhbw { @inline apply(a: v128, b: v128): v128 { return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27,
  12, 28, 13, 29, 14, 30, 15, 31); } }
class Punpckhwd { @inline apply(a: v128, b: v128): v128 { return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7,
  15); } }
class Punpckhdq { @inline apply(a: v128, b: v128): v128 { return v128.shuffle<u32>(a, b, 2, 6, 3, 7); } }
class Punpckhqdq { @inline apply(a: v128, b: v128): v128 { return v128.shuffle<u64>(a, b, 1, 3); } }
class Packsswb { @inline apply(a: v128, b: v128): v128 { return i8x16.narrow_i16x8_s(a, b); } }
class Packuswb { @inline apply(a: v128, b: v128): v128 { return i8x16.narrow_i16x8_u(a, b); } }
class Packssdw { @inline apply(a: v128, b: v128): v128 { return i16x8.narrow_i32x4_s(a, b); } }
class Phaddw { @inline apply(a: v128, b: v128): v128 { return i16x8.add(evenWords(a, b), oddWords(a, b)); } }
class Phaddd { @inline apply(a: v128, b: v128): v128 { return i32x4.add(evenDwords(a, b), oddDwords(a, b)); } }
class Phaddsw { @inline apply(a: v128, b: v128): v128 { return i16x8.add_sat_s(evenWords(a, b), oddWords(a, b)); } }
class Phsubw { @inline apply(a: v128, b: v128): v128 { return i16x8.sub(evenWords(a, b), oddWords(a, b)); } }
class Phsubd { @inline apply(a: v128, b: v128): v128 { return i32x4.sub(evenDwords(a, b), oddDwords(a, b)); } }
class Phsubsw { @inline apply(a: v128, b: v128): v128 { return i16x8.sub_sat_s(evenWords(a, b), oddWords(a, b)); } }
class Packusdw { @inline apply(a: v128, b: v128): v128 { return i16x8.narrow_i32x4_u(a, b); } }

export function opPunpcklbwX(i: Rec): void { packed<Punpcklbw>(i); }
export function opPunpcklwdX(i: Rec): void { packed<Punpcklwd>(i); }
export function opPunpckldqX(i: Rec): void { packed<Punpckldq>(i); }
export function opPunpcklqdq(i: Rec): void { packed<Punpcklqdq>(i); }
export function opPunpckhbwX(i: Rec): void { packed<Punpckhbw>(i); }
export function opPunpckhwdX(i: Rec): void { packed<Punpckhwd>(i); }
export function opPunpckhdqX(i: Rec): void { packed<Punpckhdq>(i); }
export function opPunpckhqdq(i: Rec): void { packed<Punpckhqdq>(i); }
export function opPacksswbX(i: Rec): void { packed<Packsswb>(i); }
export function opPackuswbX(i: Rec): void { packed<Packuswb>(i); }
export function opPackssdwX(i: Rec): void { packed<Packssdw>(i); }
export function opPhaddwX(i: Rec): void { packed<Phaddw>(i); }
export function opPhadddX(i: Rec): void { packed<Phaddd>(i); }
export function opPhaddswX(i: Rec): void { packed<Phaddsw>(i); }
export function opPhsubwX(i: Rec): void { packed<Phsubw>(i); }
export function opPhsubdX(i: Rec): void { packed<Phsubd>(i); }
export function opPhsubswX(i: Rec): void { packed<Phsubsw>(i); }
export function opPackusdw(i: Rec): void { packed<Packusdw>(i); }
export function opUnpcklps(i: Rec): void { opPunpckldqX(i); }
export function opUnpckhps(i: Rec): void { opPunpckhdqX(i); }
export function opUnpcklpd(i: Rec): void { opPunpcklqdq(i); }
export function opUnpckhpd(i: Rec): void { opPunpckhqdq(i); }

/** MMX: the 128-bit operation on both operands in one register. */
@inline function joined<Op>(i: Rec): void {
  const p = sourceMmx(i);
  if (p == 0) return;
  const both = v128.shuffle<u64>(v128.load64_zero(i.a), v128.load64_zero(p), 0, 2);
  putMmx(i, i64x2.extract_lane(changetype<Op>(0).apply(both, both), 0));
}
/** MMX: the low halves interleaved; memory operands have 32 bits. */
@inline function low<Op>(i: Rec): void {
  const p = sourceMmx(i, 4);
  if (p == 0) return;
  putMmx(i, i64x2.extract_lane(changetype<Op>(0).apply(v128.load64_zero(i.a), v128.load32_zero(p)), 0));
}
/** MMX: the high halves interleaved are the upper half of what interleaves all. */
@inline function high<LowOp>(i: Rec): void {
  const p = sourceMmx(i);
  if (p == 0) return;
  putMmx(i, i64x2.extract_lane(changetype<LowOp>(0).apply(v128.load64_zero(i.a), v128.load64_zero(p)), 1));
}
export function opPacksswb(i: Rec): void { joined<Packsswb>(i); }
export function opPackuswb(i: Rec): void { joined<Packuswb>(i); }
export function opPackssdw(i: Rec): void { joined<Packssdw>(i); }
export function opPhaddw(i: Rec): void { joined<Phaddw>(i); }
export function opPhaddd(i: Rec): void { joined<Phaddd>(i); }
export function opPhaddsw(i: Rec): void { joined<Phaddsw>(i); }
export function opPhsubw(i: Rec): void { joined<Phsubw>(i); }
export function opPhsubd(i: Rec): void { joined<Phsubd>(i); }
export function opPhsubsw(i: Rec): void { joined<Phsubsw>(i); }
export function opPunpcklbw(i: Rec): void { low<Punpcklbw>(i); }
export function opPunpcklwd(i: Rec): void { low<Punpcklwd>(i); }
export function opPunpckldq(i: Rec): void { low<Punpckldq>(i); }
export function opPunpckhbw(i: Rec): void { high<Punpcklbw>(i); }
export function opPunpckhwd(i: Rec): void { high<Punpcklwd>(i); }
export function opPunpckhdq(i: Rec): void { high<Punpckldq>(i); }
