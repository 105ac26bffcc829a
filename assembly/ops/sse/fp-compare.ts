/** Minimum, maximum and comparison. Their results are exact: only NaNs and denormals need the slow path. */
import { Flag, setArithmeticFlags } from '../../cpu/flags';
import { isLong, isVex, Rec } from '../../isa/record';
import { put128, put256, putScalar, source, sourceOf, zero128 } from '../../isa/vector';
import { accepted, Op, Relation, relation } from '../fp/binary';
import { isOrdinary, isOrdinary128 } from '../fp/fast';
import { begin, settle, use } from '../fp/ieee';
import { formatOf, slow, slow128 } from '../fp/slow';

/** Minimum, maximum, or a comparison by predicate, in each lane of 128 bits. */
@inline function lanes<T>(op: u32, a: v128, b: v128): v128 {
  if (!isOrdinary128<T>(a) || !isOrdinary128<T>(b)) return slow128(op, formatOf<T>(), a, b);
  if (op == Op.MIN) return v128.pmin<T>(b, a);
  if (op == Op.MAX) return v128.pmax<T>(b, a);
  const relations = accepted(op - Op.CMP);
  let r = zero128();
  if ((relations & Relation.LESS) != 0) r = v128.lt<T>(a, b);
  if ((relations & Relation.EQUAL) != 0) r = v128.or(r, v128.eq<T>(a, b));
  if ((relations & Relation.GREATER) != 0) r = v128.or(r, v128.gt<T>(a, b));
  return r;
}
function packed<T>(i: Rec, op: u32): void {
  const p = source(i);
  if (p == 0) return;
  begin();
  const low = lanes<T>(op, v128.load(i.b), v128.load(p));
  const high = isLong(i) ? lanes<T>(op, v128.load(i.b, 16), v128.load(p, 16)) : zero128();
  if (!settle()) return;
  if (isLong(i)) put256(i, low, high);
  else put128(i, low);
}
@inline function scalar<T, Bits>(i: Rec, op: u32): void {
  const p = sourceOf(i, sizeof<T>());
  if (p == 0) return;
  const a = load<T>(i.b), b = load<T>(p);
  if ((op == Op.MIN || op == Op.MAX) && isOrdinary<T>(a) && isOrdinary<T>(b)) {
    putScalar<T>(i, op == Op.MIN ? (a < b ? a : b) : a > b ? a : b);
    return;
  }
  begin();
  const r = <Bits>slow(op, formatOf<T>(), load<Bits>(i.b), load<Bits>(p));
  if (settle()) putScalar<Bits>(i, r);
}
function scalar32(i: Rec, op: u32): void { scalar<f32, u32>(i, op); }
function scalar64(i: Rec, op: u32): void { scalar<f64, u64>(i, op); }
export function opMinps(i: Rec): void { packed<f32>(i, Op.MIN); }
export function opMinpd(i: Rec): void { packed<f64>(i, Op.MIN); }
export function opMinss(i: Rec): void { scalar32(i, Op.MIN); }
export function opMinsd(i: Rec): void { scalar64(i, Op.MIN); }
export function opMaxps(i: Rec): void { packed<f32>(i, Op.MAX); }
export function opMaxpd(i: Rec): void { packed<f64>(i, Op.MAX); }
export function opMaxss(i: Rec): void { scalar32(i, Op.MAX); }
export function opMaxsd(i: Rec): void { scalar64(i, Op.MAX); }

/** The predicate of a comparison: SSE has 8 of them, VEX 32; the rest of the immediate is reserved. */
@inline function comparison(i: Rec): u32 { return Op.CMP + (<u32>i.imm & (isVex(i) ? 31 : 7)); }
export function opCmpps(i: Rec): void { packed<f32>(i, comparison(i)); }
export function opCmppd(i: Rec): void { packed<f64>(i, comparison(i)); }
export function opCmpss(i: Rec): void { scalar32(i, comparison(i)); }
export function opCmpsdX(i: Rec): void { scalar64(i, comparison(i)); }

/** CF: less or unordered; ZF: equal or unordered; PF: unordered. */
@inline function flagsOf(found: u32): u64 {
  switch (found) {
    case Relation.LESS: return Flag.CF;
    case Relation.EQUAL: return Flag.ZF;
    case Relation.GREATER: return 0;
    default: return Flag.CF | Flag.ZF | Flag.PF;
  }
}
@inline function compareScalars<T, Bits>(i: Rec, signals: bool): void {
  const p = sourceOf(i, sizeof<T>());
  if (p == 0) return;
  const a = load<T>(i.a), b = load<T>(p);
  if (isOrdinary<T>(a) && isOrdinary<T>(b)) {
    setArithmeticFlags(a < b ? Flag.CF : a == b ? Flag.ZF : 0);
    return;
  }
  begin();
  use(formatOf<T>());
  const found = relation(load<Bits>(i.a), load<Bits>(p), signals);
  if (settle()) setArithmeticFlags(flagsOf(found));
}
export function opComiss(i: Rec): void { compareScalars<f32, u32>(i, true); }
export function opComisd(i: Rec): void { compareScalars<f64, u64>(i, true); }
export function opUcomiss(i: Rec): void { compareScalars<f32, u32>(i, false); }
export function opUcomisd(i: Rec): void { compareScalars<f64, u64>(i, false); }
