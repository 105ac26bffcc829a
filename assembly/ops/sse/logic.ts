/** Bitwise logic on whole vectors. */
import { mmx, packed } from '../../isa/vector';
import { Rec } from '../../isa/record';

class And { @inline apply(a: v128, b: v128): v128 { return v128.and(a, b); } }
class AndNot { @inline apply(a: v128, b: v128): v128 { return v128.andnot(b, a); } }
class Or { @inline apply(a: v128, b: v128): v128 { return v128.or(a, b); } }
class Xor { @inline apply(a: v128, b: v128): v128 { return v128.xor(a, b); } }

export function opPandX(i: Rec): void { packed<And>(i); }
export function opPandnX(i: Rec): void { packed<AndNot>(i); }
export function opPorX(i: Rec): void { packed<Or>(i); }
export function opPxorX(i: Rec): void { packed<Xor>(i); }
export function opAndps(i: Rec): void { opPandX(i); }
export function opAndpd(i: Rec): void { opPandX(i); }
export function opAndnps(i: Rec): void { opPandnX(i); }
export function opAndnpd(i: Rec): void { opPandnX(i); }
export function opOrps(i: Rec): void { opPorX(i); }
export function opOrpd(i: Rec): void { opPorX(i); }
export function opXorps(i: Rec): void { opPxorX(i); }
export function opXorpd(i: Rec): void { opPxorX(i); }

export function opPand(i: Rec): void { mmx<And>(i); }
export function opPandn(i: Rec): void { mmx<AndNot>(i); }
export function opPor(i: Rec): void { mmx<Or>(i); }
export function opPxor(i: Rec): void { mmx<Xor>(i); }
