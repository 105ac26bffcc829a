/** Moves of whole vectors, of their halves and of scalars. */
import { cpu, setReg, YMM } from '../../cpu/state';
import { in64 } from '../../cpu/segments';
import { State } from '../../cpu/vector-state';
import { isLong, isMemory, isVex, Rec } from '../../isa/record';
import {
  commitVector, packed1, put128, put128To, put256, readVector, sourceOf, UNALIGNED, wholeMask, wholeSize, writeVector,
  zero128,
} from '../../isa/vector';

/** Copies a whole vector between registers; VEX clears what the vector length leaves out. */
@inline function copy(i: Rec, to: u32, from: u32): void {
  const low = v128.load(from);
  if (isVex(i)) v128.store(to, isLong(i) ? v128.load(from, 16) : zero128(), 16);
  v128.store(to, low);
}
@inline function storeWhole(i: Rec, mask: u32): void {
  const p = writeVector(i, wholeSize(i), mask);
  if (p == 0) return;
  v128.store(p, v128.load(i.a));
  if (isLong(i)) v128.store(p, v128.load(i.a, 16), 16);
  commitVector(p);
}
/** A move whose destination is D; memory is aligned as `mask` says. */
@inline function move<D>(i: Rec, mask: u32): void {
  if (!isMemory(i)) {
    if (changetype<D>(0).isRm()) copy(i, i.base, i.a);
    else copy(i, i.a, i.base);
  } else if (changetype<D>(0).isRm()) storeWhole(i, mask);
  else {
    const p = readVector(i, wholeSize(i), mask);
    if (p != 0) copy(i, i.a, p);
  }
}
export function opMovdqa<D, S>(i: Rec): void { move<D>(i, wholeMask(i)); }
export function opMovaps<D, S>(i: Rec): void { opMovdqa<D, S>(i); }
export function opMovapd<D, S>(i: Rec): void { opMovdqa<D, S>(i); }
export function opMovdqu<D, S>(i: Rec): void { move<D>(i, UNALIGNED); }
export function opMovups<D, S>(i: Rec): void { opMovdqu<D, S>(i); }
export function opMovupd<D, S>(i: Rec): void { opMovdqu<D, S>(i); }
export function opLddqu(i: Rec): void {
  const p = readVector(i, wholeSize(i), UNALIGNED);
  if (p != 0) copy(i, i.a, p);
}
export function opMovntdqa(i: Rec): void {
  const p = readVector(i, wholeSize(i), wholeMask(i));
  if (p != 0) copy(i, i.a, p);
}
export function opMovntdq(i: Rec): void { storeWhole(i, wholeMask(i)); }
export function opMovntps(i: Rec): void { opMovntdq(i); }
export function opMovntpd(i: Rec): void { opMovntdq(i); }

/** Stores the scalar at `from` to memory. */
@inline function storeScalar<T>(i: Rec, from: u32): void {
  const p = writeVector(i, sizeof<T>(), UNALIGNED);
  if (p == 0) return;
  store<T>(p, load<T>(from));
  commitVector(p);
}
/** Loads a scalar from memory: the rest of the destination becomes zero. */
@inline function loadScalar<T>(i: Rec): void {
  const p = readVector(i, sizeof<T>(), UNALIGNED);
  if (p != 0) put128(i, sizeof<T>() == 4 ? v128.load32_zero(p) : v128.load64_zero(p));
}
@inline function scalar<T, D>(i: Rec): void {
  if (!isMemory(i)) {
    if (changetype<D>(0).isRm()) store<T>(i.base, load<T>(i.a));
    else store<T>(i.a, load<T>(i.base));
  } else if (changetype<D>(0).isRm()) storeScalar<T>(i, i.a);
  else loadScalar<T>(i);
}
export function opMovss<D, S>(i: Rec): void { scalar<u32, D>(i); }
export function opMovsdX<D, S>(i: Rec): void { scalar<u64, D>(i); }
export function opVmovss(i: Rec): void { loadScalar<u32>(i); }
export function opVmovsd(i: Rec): void { loadScalar<u64>(i); }
export function opVmovssStore(i: Rec): void { storeScalar<u32>(i, i.a); }
export function opVmovsdStore(i: Rec): void { storeScalar<u64>(i, i.a); }
@inline function merge<T, D>(i: Rec): void {
  const toRm = changetype<D>(0).isRm();
  const to = toRm ? i.base : i.a, value = load<T>(toRm ? i.a : i.base);
  put128To(i, to, v128.load(i.b));
  store<T>(to, value);
}
export function opVmovssMerge<D, H, S>(i: Rec): void { merge<u32, D>(i); }
export function opVmovsdMerge<D, H, S>(i: Rec): void { merge<u64, D>(i); }

// Halves: the other half comes from the first source

@inline function pair(low: u64, high: u64): v128 { return i64x2.replace_lane(i64x2.splat(low), 1, high); }
export function opMovlps(i: Rec): void {
  const p = readVector(i, 8, UNALIGNED);
  if (p != 0) put128(i, pair(load<u64>(p), load<u64>(i.b, 8)));
}
export function opMovlpd(i: Rec): void { opMovlps(i); }
export function opMovhps(i: Rec): void {
  const p = readVector(i, 8, UNALIGNED);
  if (p != 0) put128(i, pair(load<u64>(i.b), load<u64>(p)));
}
export function opMovhpd(i: Rec): void { opMovhps(i); }
export function opMovhlps(i: Rec): void { put128(i, pair(load<u64>(i.base, 8), load<u64>(i.b, 8))); }
export function opMovlhps(i: Rec): void { put128(i, pair(load<u64>(i.b), load<u64>(i.base))); }
export function opMovlpsStore(i: Rec): void { storeScalar<u64>(i, i.a); }
export function opMovlpdStore(i: Rec): void { storeScalar<u64>(i, i.a); }
export function opMovhpsStore(i: Rec): void { storeScalar<u64>(i, i.a + 8); }
export function opMovhpdStore(i: Rec): void { storeScalar<u64>(i, i.a + 8); }

class EvenTwice { @inline apply(a: v128): v128 { return v128.shuffle<u32>(a, a, 0, 0, 2, 2); } }
class OddTwice { @inline apply(a: v128): v128 { return v128.shuffle<u32>(a, a, 1, 1, 3, 3); } }
export function opMovsldup(i: Rec): void { packed1<EvenTwice>(i); }
export function opMovshdup(i: Rec): void { packed1<OddTwice>(i); }
export function opMovddup(i: Rec): void {
  const p = sourceOf(i, isLong(i) ? 32 : 8);
  if (p == 0) return;
  const low = i64x2.splat(load<u64>(p));
  if (isLong(i)) put256(i, low, i64x2.splat(load<u64>(p, 16)));
  else put128(i, low);
}

// Between XMM and general registers or memory

@inline function fromRm<T>(i: Rec): void {
  const p = sourceOf(i, sizeof<T>());
  if (p != 0) put128(i, sizeof<T>() == 4 ? v128.load32_zero(p) : v128.load64_zero(p));
}
@inline function toRm<T>(i: Rec): void {
  if (isMemory(i)) storeScalar<T>(i, i.a);
  else setReg<T>(i.base, load<T>(i.a));
}
export function opMovdToXmm(i: Rec): void { fromRm<u32>(i); }
export function opMovqToXmm(i: Rec): void { fromRm<u64>(i); }
export function opMovdFromXmm(i: Rec): void { toRm<u32>(i); }
export function opMovqFromXmm(i: Rec): void { toRm<u64>(i); }
export function opVmovd(i: Rec): void { fromRm<u32>(i); }
export function opVmovqFromGpr(i: Rec): void { fromRm<u64>(i); }
export function opVmovdToGpr(i: Rec): void { toRm<u32>(i); }
export function opVmovqToGpr(i: Rec): void { toRm<u64>(i); }
export function opVmovq(i: Rec): void { fromRm<u64>(i); }
export function opVmovqStore(i: Rec): void {
  if (isMemory(i)) storeScalar<u64>(i, i.a);
  else put128To(i, i.base, v128.load64_zero(i.a));
}
export function opMovqXmm<D, S>(i: Rec): void {
  if (changetype<D>(0).isRm()) opVmovqStore(i);
  else fromRm<u64>(i);
}

// Masks, and clearing the upper halves

export function opPmovmskbX(i: Rec): void {
  let mask = <u32>i8x16.bitmask(v128.load(i.base));
  if (isLong(i)) mask |= <u32>i8x16.bitmask(v128.load(i.base, 16)) << 16;
  store<u64>(i.a, mask);
}
export function opMovmskps(i: Rec): void {
  let mask = <u32>i32x4.bitmask(v128.load(i.base));
  if (isLong(i)) mask |= <u32>i32x4.bitmask(v128.load(i.base, 16)) << 4;
  store<u64>(i.a, mask);
}
export function opMovmskpd(i: Rec): void {
  let mask = <u32>i64x2.bitmask(v128.load(i.base));
  if (isLong(i)) mask |= <u32>i64x2.bitmask(v128.load(i.base, 16)) << 2;
  store<u64>(i.a, mask);
}
@inline function registers(): u32 { return in64() ? 16 : 8; }
export function opVzeroupper(i: Rec): void {
  for (let n: u32 = 0, count = registers(); n < count; n++) v128.store(YMM + (n << 5), zero128(), 16);
  cpu.initialized |= State.AVX;
}
export function opVzeroall(i: Rec): void {
  memory.fill(YMM, 0, registers() << 5);
  cpu.initialized |= State.SSE | State.AVX;
}

// Widening moves: each 128 bits of the result come from `step` bytes

class BytesToWords { @inline apply(a: v128): v128 { return i16x8.extend_low_i8x16_s(a); } }
class BytesToDwords { @inline apply(a: v128): v128 { return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(a)); } }
class BytesToQwords {
  @inline apply(a: v128): v128 {
    return i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(a)));
  }
}
class WordsToDwords { @inline apply(a: v128): v128 { return i32x4.extend_low_i16x8_s(a); } }
class WordsToQwords { @inline apply(a: v128): v128 { return i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(a)); } }
class DwordsToQwords { @inline apply(a: v128): v128 { return i64x2.extend_low_i32x4_s(a); } }
class ZeroBytesToWords { @inline apply(a: v128): v128 { return i16x8.extend_low_i8x16_u(a); } }
class ZeroBytesToDwords {
  @inline apply(a: v128): v128 { return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(a)); }
}
class ZeroBytesToQwords {
  @inline apply(a: v128): v128 {
    return i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(a)));
  }
}
class ZeroWordsToDwords { @inline apply(a: v128): v128 { return i32x4.extend_low_i16x8_u(a); } }
class ZeroWordsToQwords {
  @inline apply(a: v128): v128 { return i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(a)); }
}
class ZeroDwordsToQwords { @inline apply(a: v128): v128 { return i64x2.extend_low_i32x4_u(a); } }

@inline function part(p: u32, step: u32): v128 {
  return step == 8 ? v128.load64_zero(p) : step == 4 ? v128.load32_zero(p) : i16x8.splat(load<i16>(p));
}
@inline function widen<Op>(i: Rec, step: u32): void {
  const p = sourceOf(i, isLong(i) ? 2 * step : step);
  if (p == 0) return;
  const low = changetype<Op>(0).apply(part(p, step));
  if (isLong(i)) put256(i, low, changetype<Op>(0).apply(part(p + step, step)));
  else put128(i, low);
}
export function opPmovsxbw(i: Rec): void { widen<BytesToWords>(i, 8); }
export function opPmovsxbd(i: Rec): void { widen<BytesToDwords>(i, 4); }
export function opPmovsxbq(i: Rec): void { widen<BytesToQwords>(i, 2); }
export function opPmovsxwd(i: Rec): void { widen<WordsToDwords>(i, 8); }
export function opPmovsxwq(i: Rec): void { widen<WordsToQwords>(i, 4); }
export function opPmovsxdq(i: Rec): void { widen<DwordsToQwords>(i, 8); }
export function opPmovzxbw(i: Rec): void { widen<ZeroBytesToWords>(i, 8); }
export function opPmovzxbd(i: Rec): void { widen<ZeroBytesToDwords>(i, 4); }
export function opPmovzxbq(i: Rec): void { widen<ZeroBytesToQwords>(i, 2); }
export function opPmovzxwd(i: Rec): void { widen<ZeroWordsToDwords>(i, 8); }
export function opPmovzxwq(i: Rec): void { widen<ZeroWordsToQwords>(i, 4); }
export function opPmovzxdq(i: Rec): void { widen<ZeroDwordsToQwords>(i, 8); }
