/** Vector instructions that set flags, search, or work on MXCSR. */
import { cpu } from '../../cpu/state';
import { Flag, setArithmeticFlags } from '../../cpu/flags';
import { abandoned, raise, Vector } from '../../cpu/pending';
import { isLong, Rec } from '../../isa/record';
import { put128, put256, source, zero128 } from '../../isa/vector';

/** ZF: no bit of `mask` is set in both operands; CF: none is set in the r/m operand alone. */
@inline function test(i: Rec, mask: v128): void {
  const p = source(i);
  if (p == 0) return;
  let both = v128.and(v128.load(i.a), v128.load(p)), alone = v128.andnot(v128.load(p), v128.load(i.a));
  if (isLong(i)) {
    both = v128.or(both, v128.and(v128.load(i.a, 16), v128.load(p, 16)));
    alone = v128.or(alone, v128.andnot(v128.load(p, 16), v128.load(i.a, 16)));
  }
  let flags: u64 = 0;
  if (!v128.any_true(v128.and(both, mask))) flags |= Flag.ZF;
  if (!v128.any_true(v128.and(alone, mask))) flags |= Flag.CF;
  setArithmeticFlags(flags);
}
export function opPtest(i: Rec): void { test(i, i64x2.splat(-1)); }
export function opVtestps(i: Rec): void { test(i, i32x4.splat(<i32>0x80000000)); }
export function opVtestpd(i: Rec): void { test(i, i64x2.splat(i64.MIN_VALUE)); }

export function opPhminposuw(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  let least: u32 = load<u16>(p), at: u32 = 0;
  for (let n: u32 = 1; n < 8; n++) {
    const word: u32 = load<u16>(p + (n << 1));
    if (word < least) {
      least = word;
      at = n;
    }
  }
  put128(i, i32x4.replace_lane(zero128(), 0, least | at << 16));
}

/** Eight sums of the absolute differences of four bytes: a window that moves over `a` against a fixed group of `b`. */
function differences(a: u32, b: u32, imm: i32): v128 {
  const from = a + (imm & 4), group = b + ((imm & 3) << 2);
  let r = zero128();
  for (let k: u32 = 0; k < 4; k++) {
    const x = i16x8.extend_low_i8x16_u(v128.load64_zero(from + k));
    r = i16x8.add(r, i16x8.abs(i16x8.sub(x, i16x8.splat(<i16>load<u8>(group + k)))));
  }
  return r;
}
export function opMpsadbw(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const low = differences(i.b, p, i.imm);
  if (isLong(i)) put256(i, low, differences(i.b + 16, p + 16, i.imm >> 3));
  else put128(i, low);
}

const RESERVED: u32 = 0xffff0000;

export function opLdmxcsr<S>(i: Rec): void {
  const value = changetype<S>(0).read<u32>(i);
  if (abandoned()) return;
  if ((value & RESERVED) != 0) raise(Vector.GP, 0);
  else cpu.mxcsr = value;
}
export function opStmxcsr<D>(i: Rec): void { changetype<D>(0).write<u32>(i, cpu.mxcsr); }
