/** Packed integer arithmetic and comparisons that wasm has an instruction for; MMX takes the low half of them. */
import { mmx, packed } from '../../isa/vector';
import { Rec } from '../../isa/record';

class Paddb { @inline apply(a: v128, b: v128): v128 { return i8x16.add(a, b); } }
class Paddw { @inline apply(a: v128, b: v128): v128 { return i16x8.add(a, b); } }
class Paddd { @inline apply(a: v128, b: v128): v128 { return i32x4.add(a, b); } }
class Paddq { @inline apply(a: v128, b: v128): v128 { return i64x2.add(a, b); } }
class Psubb { @inline apply(a: v128, b: v128): v128 { return i8x16.sub(a, b); } }
class Psubw { @inline apply(a: v128, b: v128): v128 { return i16x8.sub(a, b); } }
class Psubd { @inline apply(a: v128, b: v128): v128 { return i32x4.sub(a, b); } }
class Psubq { @inline apply(a: v128, b: v128): v128 { return i64x2.sub(a, b); } }
class Paddsb { @inline apply(a: v128, b: v128): v128 { return i8x16.add_sat_s(a, b); } }
class Paddsw { @inline apply(a: v128, b: v128): v128 { return i16x8.add_sat_s(a, b); } }
class Paddusb { @inline apply(a: v128, b: v128): v128 { return i8x16.add_sat_u(a, b); } }
class Paddusw { @inline apply(a: v128, b: v128): v128 { return i16x8.add_sat_u(a, b); } }
class Psubsb { @inline apply(a: v128, b: v128): v128 { return i8x16.sub_sat_s(a, b); } }
class Psubsw { @inline apply(a: v128, b: v128): v128 { return i16x8.sub_sat_s(a, b); } }
class Psubusb { @inline apply(a: v128, b: v128): v128 { return i8x16.sub_sat_u(a, b); } }
class Psubusw { @inline apply(a: v128, b: v128): v128 { return i16x8.sub_sat_u(a, b); } }
class Pavgb { @inline apply(a: v128, b: v128): v128 { return i8x16.avgr_u(a, b); } }
class Pavgw { @inline apply(a: v128, b: v128): v128 { return i16x8.avgr_u(a, b); } }
class Pminub { @inline apply(a: v128, b: v128): v128 { return i8x16.min_u(a, b); } }
class Pmaxub { @inline apply(a: v128, b: v128): v128 { return i8x16.max_u(a, b); } }
class Pminsw { @inline apply(a: v128, b: v128): v128 { return i16x8.min_s(a, b); } }
class Pmaxsw { @inline apply(a: v128, b: v128): v128 { return i16x8.max_s(a, b); } }
class Pminsb { @inline apply(a: v128, b: v128): v128 { return i8x16.min_s(a, b); } }
class Pmaxsb { @inline apply(a: v128, b: v128): v128 { return i8x16.max_s(a, b); } }
class Pminuw { @inline apply(a: v128, b: v128): v128 { return i16x8.min_u(a, b); } }
class Pmaxuw { @inline apply(a: v128, b: v128): v128 { return i16x8.max_u(a, b); } }
class Pminsd { @inline apply(a: v128, b: v128): v128 { return i32x4.min_s(a, b); } }
class Pmaxsd { @inline apply(a: v128, b: v128): v128 { return i32x4.max_s(a, b); } }
class Pminud { @inline apply(a: v128, b: v128): v128 { return i32x4.min_u(a, b); } }
class Pmaxud { @inline apply(a: v128, b: v128): v128 { return i32x4.max_u(a, b); } }
class Pcmpeqb { @inline apply(a: v128, b: v128): v128 { return i8x16.eq(a, b); } }
class Pcmpeqw { @inline apply(a: v128, b: v128): v128 { return i16x8.eq(a, b); } }
class Pcmpeqd { @inline apply(a: v128, b: v128): v128 { return i32x4.eq(a, b); } }
class Pcmpgtb { @inline apply(a: v128, b: v128): v128 { return i8x16.gt_s(a, b); } }
class Pcmpgtw { @inline apply(a: v128, b: v128): v128 { return i16x8.gt_s(a, b); } }
class Pcmpgtd { @inline apply(a: v128, b: v128): v128 { return i32x4.gt_s(a, b); } }
class Pcmpeqq { @inline apply(a: v128, b: v128): v128 { return i64x2.eq(a, b); } }
class Pcmpgtq { @inline apply(a: v128, b: v128): v128 { return i64x2.gt_s(a, b); } }

export function opPaddbX(i: Rec): void { packed<Paddb>(i); }
export function opPaddwX(i: Rec): void { packed<Paddw>(i); }
export function opPadddX(i: Rec): void { packed<Paddd>(i); }
export function opPaddqX(i: Rec): void { packed<Paddq>(i); }
export function opPsubbX(i: Rec): void { packed<Psubb>(i); }
export function opPsubwX(i: Rec): void { packed<Psubw>(i); }
export function opPsubdX(i: Rec): void { packed<Psubd>(i); }
export function opPsubqX(i: Rec): void { packed<Psubq>(i); }
export function opPaddsbX(i: Rec): void { packed<Paddsb>(i); }
export function opPaddswX(i: Rec): void { packed<Paddsw>(i); }
export function opPaddusbX(i: Rec): void { packed<Paddusb>(i); }
export function opPadduswX(i: Rec): void { packed<Paddusw>(i); }
export function opPsubsbX(i: Rec): void { packed<Psubsb>(i); }
export function opPsubswX(i: Rec): void { packed<Psubsw>(i); }
export function opPsubusbX(i: Rec): void { packed<Psubusb>(i); }
export function opPsubuswX(i: Rec): void { packed<Psubusw>(i); }
export function opPavgbX(i: Rec): void { packed<Pavgb>(i); }
export function opPavgwX(i: Rec): void { packed<Pavgw>(i); }
export function opPminubX(i: Rec): void { packed<Pminub>(i); }
export function opPmaxubX(i: Rec): void { packed<Pmaxub>(i); }
export function opPminswX(i: Rec): void { packed<Pminsw>(i); }
export function opPmaxswX(i: Rec): void { packed<Pmaxsw>(i); }
export function opPminsb(i: Rec): void { packed<Pminsb>(i); }
export function opPmaxsb(i: Rec): void { packed<Pmaxsb>(i); }
export function opPminuw(i: Rec): void { packed<Pminuw>(i); }
export function opPmaxuw(i: Rec): void { packed<Pmaxuw>(i); }
export function opPminsd(i: Rec): void { packed<Pminsd>(i); }
export function opPmaxsd(i: Rec): void { packed<Pmaxsd>(i); }
export function opPminud(i: Rec): void { packed<Pminud>(i); }
export function opPmaxud(i: Rec): void { packed<Pmaxud>(i); }
export function opPcmpeqbX(i: Rec): void { packed<Pcmpeqb>(i); }
export function opPcmpeqwX(i: Rec): void { packed<Pcmpeqw>(i); }
export function opPcmpeqdX(i: Rec): void { packed<Pcmpeqd>(i); }
export function opPcmpgtbX(i: Rec): void { packed<Pcmpgtb>(i); }
export function opPcmpgtwX(i: Rec): void { packed<Pcmpgtw>(i); }
export function opPcmpgtdX(i: Rec): void { packed<Pcmpgtd>(i); }
export function opPcmpeqq(i: Rec): void { packed<Pcmpeqq>(i); }
export function opPcmpgtq(i: Rec): void { packed<Pcmpgtq>(i); }

export function opPaddb(i: Rec): void { mmx<Paddb>(i); }
export function opPaddw(i: Rec): void { mmx<Paddw>(i); }
export function opPaddd(i: Rec): void { mmx<Paddd>(i); }
export function opPaddq(i: Rec): void { mmx<Paddq>(i); }
export function opPsubb(i: Rec): void { mmx<Psubb>(i); }
export function opPsubw(i: Rec): void { mmx<Psubw>(i); }
export function opPsubd(i: Rec): void { mmx<Psubd>(i); }
export function opPsubq(i: Rec): void { mmx<Psubq>(i); }
export function opPaddsb(i: Rec): void { mmx<Paddsb>(i); }
export function opPaddsw(i: Rec): void { mmx<Paddsw>(i); }
export function opPaddusb(i: Rec): void { mmx<Paddusb>(i); }
export function opPaddusw(i: Rec): void { mmx<Paddusw>(i); }
export function opPsubsb(i: Rec): void { mmx<Psubsb>(i); }
export function opPsubsw(i: Rec): void { mmx<Psubsw>(i); }
export function opPsubusb(i: Rec): void { mmx<Psubusb>(i); }
export function opPsubusw(i: Rec): void { mmx<Psubusw>(i); }
export function opPavgb(i: Rec): void { mmx<Pavgb>(i); }
export function opPavgw(i: Rec): void { mmx<Pavgw>(i); }
export function opPminub(i: Rec): void { mmx<Pminub>(i); }
export function opPmaxub(i: Rec): void { mmx<Pmaxub>(i); }
export function opPminsw(i: Rec): void { mmx<Pminsw>(i); }
export function opPmaxsw(i: Rec): void { mmx<Pmaxsw>(i); }
export function opPcmpeqb(i: Rec): void { mmx<Pcmpeqb>(i); }
export function opPcmpeqw(i: Rec): void { mmx<Pcmpeqw>(i); }
export function opPcmpeqd(i: Rec): void { mmx<Pcmpeqd>(i); }
export function opPcmpgtb(i: Rec): void { mmx<Pcmpgtb>(i); }
export function opPcmpgtw(i: Rec): void { mmx<Pcmpgtw>(i); }
export function opPcmpgtd(i: Rec): void { mmx<Pcmpgtd>(i); }
