/** Add, subtract, multiply, divide, square root, minimum and maximum. */
import { isLong, Rec } from '../../isa/record';
import { put128, put256, putScalar, source, sourceOf, zero128 } from '../../isa/vector';
import { Op } from '../fp/binary';
import {
  clear32, clear32x4, clear64, clear64x2, exact32, exact64, isNearest, isQuick, plain, plain128,
} from '../fp/fast';
import { begin, settle } from '../fp/ieee';
import { formatOf, slow, slow128 } from '../fp/slow';

class Add {
  @inline op(): u32 { return Op.ADD; }
  @inline one<T>(a: T, b: T): T { return a + b; }
  @inline all<T>(a: v128, b: v128): v128 { return v128.add<T>(a, b); }
}
class Sub {
  @inline op(): u32 { return Op.SUB; }
  @inline one<T>(a: T, b: T): T { return a - b; }
  @inline all<T>(a: v128, b: v128): v128 { return v128.sub<T>(a, b); }
}
class Mul {
  @inline op(): u32 { return Op.MUL; }
  @inline one<T>(a: T, b: T): T { return a * b; }
  @inline all<T>(a: v128, b: v128): v128 { return v128.mul<T>(a, b); }
}
class Div {
  @inline op(): u32 { return Op.DIV; }
  @inline one<T>(a: T, b: T): T { return a / b; }
  @inline all<T>(a: v128, b: v128): v128 { return v128.div<T>(a, b); }
}
class Sqrt {
  @inline op(): u32 { return Op.SQRT; }
  @inline one<T>(a: T, b: T): T { return sqrt<T>(b); }
  @inline all<T>(a: v128, b: v128): v128 { return v128.sqrt<T>(b); }
}
/** Subtracts in even lanes, adds in odd ones. */
class AddSub {
  @inline op(): u32 { return Op.ADDSUB; }
  @inline all<T>(a: v128, b: v128): v128 {
    return v128.add<T>(a, v128.xor(b, sizeof<T>() == 8 ? i64x2(i64.MIN_VALUE, 0) : i64x2.splat(0x8000_0000)));
  }
}

@inline function clearOf<T>(op: u32, a: T, b: T, r: T): bool {
  return sizeof<T>() == 8 ? clear64(op, a, b, r) : clear32(op, a, b, r);
}
@inline function exactOf<T>(op: u32, a: T, b: T, r: T): bool {
  return sizeof<T>() == 8 ? exact64(op, a, b, r) : exact32(op, a, b, r);
}
@inline function clear128Of<T>(op: u32, a: v128, b: v128, r: v128): bool {
  return sizeof<T>() == 8 ? clear64x2(op, a, b, r) : clear32x4(op, a, b, r);
}

/** DEST := a OP b in each lane of 128 bits; the flags are left to settle(). */
@inline function lanes<O, T>(a: v128, b: v128): v128 {
  const op = changetype<O>(0).op();
  if (isQuick()) {
    const r = changetype<O>(0).all<T>(a, b);
    if (plain128<T>(a, b, r) || clear128Of<T>(op, a, b, r)) return r;
  }
  return slow128(op, formatOf<T>(), a, b);
}
@inline function packed<O, T>(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  begin();
  const low = lanes<O, T>(v128.load(i.b), v128.load(p));
  if (!isLong(i)) {
    if (settle()) put128(i, low);
    return;
  }
  const high = lanes<O, T>(v128.load(i.b, 16), v128.load(p, 16));
  if (settle()) put256(i, low, high);
}
/** packed() with one source: the lanes' first operand does not count. */
@inline function packed1<O, T>(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  begin();
  const low = lanes<O, T>(v128.load(p), v128.load(p));
  if (!isLong(i)) {
    if (settle()) put128(i, low);
    return;
  }
  const high = lanes<O, T>(v128.load(p, 16), v128.load(p, 16));
  if (settle()) put256(i, low, high);
}
@inline function scalar<O, T>(i: Rec): void {
  const p = sourceOf(i, sizeof<T>());
  if (p == 0) return;
  const op = changetype<O>(0).op();
  const b = load<T>(p);
  const a = op == Op.SQRT ? b : load<T>(i.b);
  if (isQuick()) {
    const r = changetype<O>(0).one<T>(a, b);
    if (plain<T>(a, b, r) || clearOf<T>(op, a, b, r)) {
      putScalar<T>(i, r);
      return;
    }
  } else if (isNearest()) {
    const r = changetype<O>(0).one<T>(a, b);
    if (plain<T>(a, b, r) && exactOf<T>(op, a, b, r)) {
      putScalar<T>(i, r);
      return;
    }
  }
  slowScalar<T>(i, op, p);
}
function slowScalar<T>(i: Rec, op: u32, p: u32): void {
  begin();
  if (sizeof<T>() == 8) {
    const r = slow(op, formatOf<T>(), load<u64>(i.b), load<u64>(p));
    if (settle()) putScalar<u64>(i, r);
  } else {
    const r = <u32>slow(op, formatOf<T>(), load<u32>(i.b), load<u32>(p));
    if (settle()) putScalar<u32>(i, r);
  }
}

export function opAddps(i: Rec): void { packed<Add, f32>(i); }
export function opAddpd(i: Rec): void { packed<Add, f64>(i); }
export function opAddss(i: Rec): void { scalar<Add, f32>(i); }
export function opAddsd(i: Rec): void { scalar<Add, f64>(i); }
export function opSubps(i: Rec): void { packed<Sub, f32>(i); }
export function opSubpd(i: Rec): void { packed<Sub, f64>(i); }
export function opSubss(i: Rec): void { scalar<Sub, f32>(i); }
export function opSubsd(i: Rec): void { scalar<Sub, f64>(i); }
export function opMulps(i: Rec): void { packed<Mul, f32>(i); }
export function opMulpd(i: Rec): void { packed<Mul, f64>(i); }
export function opMulss(i: Rec): void { scalar<Mul, f32>(i); }
export function opMulsd(i: Rec): void { scalar<Mul, f64>(i); }
export function opDivps(i: Rec): void { packed<Div, f32>(i); }
export function opDivpd(i: Rec): void { packed<Div, f64>(i); }
export function opDivss(i: Rec): void { scalar<Div, f32>(i); }
export function opDivsd(i: Rec): void { scalar<Div, f64>(i); }
export function opSqrtps(i: Rec): void { packed1<Sqrt, f32>(i); }
export function opSqrtpd(i: Rec): void { packed1<Sqrt, f64>(i); }
export function opSqrtss(i: Rec): void { scalar<Sqrt, f32>(i); }
export function opSqrtsd(i: Rec): void { scalar<Sqrt, f64>(i); }
export function opAddsubps(i: Rec): void { packed<AddSub, f32>(i); }
export function opAddsubpd(i: Rec): void { packed<AddSub, f64>(i); }

/** DEST := a's pairs of lanes, then b's, added or subtracted within each pair. */
@inline function horizontal<O, T>(a: v128, b: v128): v128 {
  return sizeof<T>() == 8
    ? lanes<O, T>(i64x2.shuffle(a, b, 0, 2), i64x2.shuffle(a, b, 1, 3))
    : lanes<O, T>(i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.shuffle(a, b, 1, 3, 5, 7));
}
@inline function pairs<O, T>(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  begin();
  const low = horizontal<O, T>(v128.load(i.b), v128.load(p));
  const high = isLong(i) ? horizontal<O, T>(v128.load(i.b, 16), v128.load(p, 16)) : zero128();
  if (!settle()) return;
  if (isLong(i)) put256(i, low, high);
  else put128(i, low);
}
export function opHaddps(i: Rec): void { pairs<Add, f32>(i); }
export function opHaddpd(i: Rec): void { pairs<Add, f64>(i); }
export function opHsubps(i: Rec): void { pairs<Sub, f32>(i); }
export function opHsubpd(i: Rec): void { pairs<Sub, f64>(i); }
