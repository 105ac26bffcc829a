/** FMA: a * b + c with one rounding. The digits name the operands' order: 132, 213, 231. */
import { isLong, Rec } from '../../isa/record';
import { put128, put256, source, sourceOf } from '../../isa/vector';
import { isNearest, isQuick } from '../fp/fast';
import { exact, fits, fused32x4, fused64x2 } from '../fp/fast-fused';
import { fused, Fused } from '../fp/fused';
import { begin, Format, settle, use } from '../fp/ieee';

/** Results before they are committed. */
const RESULT: usize = memory.data(32, 16);

const enum Order { O132, O213, O231 }

/** The signs that a variant changes in the addend. */
@inline function addendSigns(format: u32, variant: u32): v128 {
  const even: u64 = (variant & Fused.C_EVEN) != 0 ? 1 : 0, odd: u64 = (variant & Fused.C_ODD) != 0 ? 1 : 0;
  if (format == Format.SINGLE) return i64x2.splat(<i64>(even << 31 | odd << 63));
  return i64x2.replace_lane(i64x2.splat(<i64>(even << 63)), 1, <i64>(odd << 63));
}
@inline function productSigns(format: u32, variant: u32): v128 {
  if ((variant & Fused.PRODUCT) == 0) return i64x2.splat(0);
  return format == Format.SINGLE ? i32x4.splat(1 << 31) : i64x2.splat(i64.MIN_VALUE);
}
/** 128 bits of results from those at a, b and c; `bytes` of them count. */
function half(format: u32, variant: u32, a: u32, b: u32, c: u32, bytes: u32, to: usize): void {
  if (isNearest()) {
    let x: v128, y: v128, z: v128;
    if (bytes == 16) {
      x = v128.load(a);
      y = v128.load(b);
      z = v128.load(c);
    } else if (format == Format.DOUBLE) {
      x = v128.load64_splat(a);
      y = v128.load64_splat(b);
      z = v128.load64_splat(c);
    } else {
      x = v128.load32_splat(a);
      y = v128.load32_splat(b);
      z = v128.load32_splat(c);
    }
    x = v128.xor(x, productSigns(format, variant));
    z = v128.xor(z, addendSigns(format, variant));
    const r = format == Format.DOUBLE ? fused64x2(x, y, z) : fused32x4(x, y, z);
    if (fits && (exact || isQuick())) {
      v128.store(to, r);
      return;
    }
  }
  use(format);
  if (format == Format.DOUBLE) {
    for (let n: u32 = 0; n < bytes; n += 8) {
      store<u64>(to + n, fused(variant, load<u64>(a + n), load<u64>(b + n), load<u64>(c + n), n >> 3));
    }
  } else {
    for (let n: u32 = 0; n < bytes; n += 4) {
      store<u32>(to + n, <u32>fused(variant, load<u32>(a + n), load<u32>(b + n), load<u32>(c + n), n >> 2));
    }
  }
}
/** Lanes of `bytes` in total, at `p` the r/m operand's. */
function compute(i: Rec, p: u32, format: u32, order: u32, variant: u32, bytes: u32): void {
  const a = order == Order.O132 ? i.a : i.b;
  const b = order == Order.O213 ? i.a : p;
  const c = order == Order.O132 ? i.b : order == Order.O213 ? p : i.a;
  begin();
  half(format, variant, a, b, c, min<u32>(bytes, 16), RESULT);
  if (bytes == 32) half(format, variant, a + 16, b + 16, c + 16, 16, RESULT + 16);
}
function packed(i: Rec, format: u32, order: u32, variant: u32): void {
  const p = source(i);
  if (p == 0) return;
  compute(i, p, format, order, variant, isLong(i) ? 32 : 16);
  if (!settle()) return;
  if (isLong(i)) put256(i, v128.load(RESULT), v128.load(RESULT, 16));
  else put128(i, v128.load(RESULT));
}
/** The rest of the destination's 128 bits stays. */
function scalar(i: Rec, format: u32, order: u32, variant: u32): void {
  const bytes: u32 = format == Format.DOUBLE ? 8 : 4;
  const p = sourceOf(i, bytes);
  if (p == 0) return;
  compute(i, p, format, order, variant, bytes);
  if (!settle()) return;
  if (format == Format.DOUBLE) store<u64>(i.a, load<u64>(RESULT));
  else store<u32>(i.a, load<u32>(RESULT));
  v128.store(i.a, i64x2.splat(0), 16);
}

export function opVfmadd132ps(i: Rec): void { packed(i, Format.SINGLE, Order.O132, Fused.ADD); }
export function opVfmadd132pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O132, Fused.ADD); }
export function opVfmadd132ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O132, Fused.ADD); }
export function opVfmadd132sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O132, Fused.ADD); }
export function opVfmadd213ps(i: Rec): void { packed(i, Format.SINGLE, Order.O213, Fused.ADD); }
export function opVfmadd213pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O213, Fused.ADD); }
export function opVfmadd213ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O213, Fused.ADD); }
export function opVfmadd213sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O213, Fused.ADD); }
export function opVfmadd231ps(i: Rec): void { packed(i, Format.SINGLE, Order.O231, Fused.ADD); }
export function opVfmadd231pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O231, Fused.ADD); }
export function opVfmadd231ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O231, Fused.ADD); }
export function opVfmadd231sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O231, Fused.ADD); }
export function opVfmsub132ps(i: Rec): void { packed(i, Format.SINGLE, Order.O132, Fused.SUB); }
export function opVfmsub132pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O132, Fused.SUB); }
export function opVfmsub132ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O132, Fused.SUB); }
export function opVfmsub132sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O132, Fused.SUB); }
export function opVfmsub213ps(i: Rec): void { packed(i, Format.SINGLE, Order.O213, Fused.SUB); }
export function opVfmsub213pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O213, Fused.SUB); }
export function opVfmsub213ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O213, Fused.SUB); }
export function opVfmsub213sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O213, Fused.SUB); }
export function opVfmsub231ps(i: Rec): void { packed(i, Format.SINGLE, Order.O231, Fused.SUB); }
export function opVfmsub231pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O231, Fused.SUB); }
export function opVfmsub231ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O231, Fused.SUB); }
export function opVfmsub231sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O231, Fused.SUB); }
export function opVfnmadd132ps(i: Rec): void { packed(i, Format.SINGLE, Order.O132, Fused.PRODUCT); }
export function opVfnmadd132pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O132, Fused.PRODUCT); }
export function opVfnmadd132ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O132, Fused.PRODUCT); }
export function opVfnmadd132sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O132, Fused.PRODUCT); }
export function opVfnmadd213ps(i: Rec): void { packed(i, Format.SINGLE, Order.O213, Fused.PRODUCT); }
export function opVfnmadd213pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O213, Fused.PRODUCT); }
export function opVfnmadd213ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O213, Fused.PRODUCT); }
export function opVfnmadd213sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O213, Fused.PRODUCT); }
export function opVfnmadd231ps(i: Rec): void { packed(i, Format.SINGLE, Order.O231, Fused.PRODUCT); }
export function opVfnmadd231pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O231, Fused.PRODUCT); }
export function opVfnmadd231ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O231, Fused.PRODUCT); }
export function opVfnmadd231sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O231, Fused.PRODUCT); }
export function opVfnmsub132ps(i: Rec): void { packed(i, Format.SINGLE, Order.O132, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub132pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O132, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub132ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O132, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub132sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O132, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub213ps(i: Rec): void { packed(i, Format.SINGLE, Order.O213, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub213pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O213, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub213ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O213, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub213sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O213, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub231ps(i: Rec): void { packed(i, Format.SINGLE, Order.O231, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub231pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O231, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub231ss(i: Rec): void { scalar(i, Format.SINGLE, Order.O231, Fused.PRODUCT | Fused.SUB); }
export function opVfnmsub231sd(i: Rec): void { scalar(i, Format.DOUBLE, Order.O231, Fused.PRODUCT | Fused.SUB); }
export function opVfmaddsub132ps(i: Rec): void { packed(i, Format.SINGLE, Order.O132, Fused.C_EVEN); }
export function opVfmaddsub132pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O132, Fused.C_EVEN); }
export function opVfmaddsub213ps(i: Rec): void { packed(i, Format.SINGLE, Order.O213, Fused.C_EVEN); }
export function opVfmaddsub213pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O213, Fused.C_EVEN); }
export function opVfmaddsub231ps(i: Rec): void { packed(i, Format.SINGLE, Order.O231, Fused.C_EVEN); }
export function opVfmaddsub231pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O231, Fused.C_EVEN); }
export function opVfmsubadd132ps(i: Rec): void { packed(i, Format.SINGLE, Order.O132, Fused.C_ODD); }
export function opVfmsubadd132pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O132, Fused.C_ODD); }
export function opVfmsubadd213ps(i: Rec): void { packed(i, Format.SINGLE, Order.O213, Fused.C_ODD); }
export function opVfmsubadd213pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O213, Fused.C_ODD); }
export function opVfmsubadd231ps(i: Rec): void { packed(i, Format.SINGLE, Order.O231, Fused.C_ODD); }
export function opVfmsubadd231pd(i: Rec): void { packed(i, Format.DOUBLE, Order.O231, Fused.C_ODD); }
