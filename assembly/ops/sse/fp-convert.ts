/** Conversions between singles, doubles and integers. */
import { cpu } from '../../cpu/state';
import { abandoned } from '../../cpu/pending';
import { enterMmx } from '../../cpu/vector-state';
import { A, Rm } from '../../isa/operand';
import { isLong, isMemory, Rec } from '../../isa/record';
import { put128, put256, putMmx, putScalar, source, sourceMmx, sourceOf } from '../../isa/vector';
import { fromInt, toDouble, toInt32, toInt64, toSingle } from '../fp/convert';
import { begin, Format, Mxcsr, rounding, settle } from '../fp/ieee';
import { Rc } from '../fp/soft';

/** Results before they are committed: source and destination may be one register. */
const RESULT: usize = memory.data(32, 16);

@inline function putResult(i: Rec): void {
  if (isLong(i)) put256(i, v128.load(RESULT), v128.load(RESULT, 16));
  else put128(i, v128.load(RESULT));
}
@inline function putHalf(i: Rec): void { put128(i, v128.load64_zero(RESULT)); }
@inline function flush(): bool { return (cpu.mxcsr & Mxcsr.FTZ) != 0; }
/** Lanes of doubles in the vector length. */
@inline function doubles(i: Rec): u32 { return isLong(i) ? 4 : 2; }
@inline function singles(i: Rec): u32 { return isLong(i) ? 8 : 4; }
@inline function load64(p: u32, n: u32): u64 { return load<u64>(p + (n << 3)); }
@inline function load32(p: u32, n: u32): u32 { return load<u32>(p + (n << 2)); }
@inline function result64(n: u32, value: u64): void { store<u64>(RESULT + (n << 3), value); }
@inline function result32(n: u32, value: u32): void { store<u32>(RESULT + (n << 2), value); }

/** Lanes of singles to 32-bit integers; of doubles too, whose results fill half a vector. */
function singlesToInts(p: u32, count: u32, rc: u32): void {
  for (let n: u32 = 0; n < count; n++) result32(n, toInt32(load32(p, n), Format.SINGLE, rc));
}
function doublesToInts(p: u32, count: u32, rc: u32): void {
  for (let n: u32 = 0; n < count; n++) result32(n, toInt32(load64(p, n), Format.DOUBLE, rc));
}
function packedToInts(i: Rec, rc: u32): void {
  const p = source(i);
  if (p == 0) return;
  begin();
  singlesToInts(p, singles(i), rc);
  if (settle()) putResult(i);
}
function packedDoublesToInts(i: Rec, rc: u32): void {
  const p = source(i);
  if (p == 0) return;
  begin();
  doublesToInts(p, doubles(i), rc);
  if (!settle()) return;
  if (isLong(i)) put128(i, v128.load(RESULT));
  else putHalf(i);
}
export function opCvtps2dq(i: Rec): void { packedToInts(i, rounding()); }
export function opCvttps2dq(i: Rec): void { packedToInts(i, Rc.ZERO); }
export function opCvtpd2dq(i: Rec): void { packedDoublesToInts(i, rounding()); }
export function opCvttpd2dq(i: Rec): void { packedDoublesToInts(i, Rc.ZERO); }

/** The MMX forms. Processors have entered MMX state when they raise #XM. */
function toMmx(i: Rec, format: u32, rc: u32): void {
  const p = format == Format.DOUBLE ? source(i) : sourceOf(i, 8);
  if (p == 0) return;
  begin();
  if (format == Format.DOUBLE) doublesToInts(p, 2, rc);
  else singlesToInts(p, 2, rc);
  if (settle()) putMmx(i, load<u64>(RESULT));
  else enterMmx();
}
export function opCvtps2pi(i: Rec): void { toMmx(i, Format.SINGLE, rounding()); }
export function opCvttps2pi(i: Rec): void { toMmx(i, Format.SINGLE, Rc.ZERO); }
export function opCvtpd2pi(i: Rec): void { toMmx(i, Format.DOUBLE, rounding()); }
export function opCvttpd2pi(i: Rec): void { toMmx(i, Format.DOUBLE, Rc.ZERO); }
export function opCvtpi2ps(i: Rec): void {
  const p = sourceMmx(i);
  if (p == 0) return;
  begin();
  for (let n: u32 = 0; n < 2; n++) result32(n, <u32>fromInt(<i32>load32(p, n), Format.SINGLE));
  if (settle()) store<u64>(i.a, load<u64>(RESULT));
  else if (!isMemory(i)) enterMmx();
}
export function opCvtpi2pd(i: Rec): void {
  const p = sourceMmx(i);
  if (p != 0) v128.store(i.a, f64x2.convert_low_i32x4_s(v128.load64_zero(p)));
}

export function opCvtdq2ps(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  begin();
  for (let n: u32 = 0, count = singles(i); n < count; n++) result32(n, <u32>fromInt(<i32>load32(p, n), Format.SINGLE));
  if (settle()) putResult(i);
}
export function opCvtdq2pd(i: Rec): void {
  const p = sourceOf(i, isLong(i) ? 16 : 8);
  if (p == 0) return;
  const low = f64x2.convert_low_i32x4_s(v128.load64_zero(p));
  if (isLong(i)) put256(i, low, f64x2.convert_low_i32x4_s(v128.load64_zero(p, 8)));
  else put128(i, low);
}
export function opCvtps2pd(i: Rec): void {
  const count = doubles(i), p = sourceOf(i, count << 2);
  if (p == 0) return;
  begin();
  for (let n: u32 = 0; n < count; n++) result64(n, toDouble(load32(p, n)));
  if (settle()) putResult(i);
}
export function opCvtpd2ps(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  begin();
  for (let n: u32 = 0, count = doubles(i); n < count; n++) {
    result32(n, toSingle(load64(p, n), rounding(), flush()));
  }
  if (!settle()) return;
  if (isLong(i)) put128(i, v128.load(RESULT));
  else putHalf(i);
}
export function opCvtss2sd(i: Rec): void {
  const p = sourceOf(i, 4);
  if (p == 0) return;
  begin();
  const r = toDouble(load<u32>(p));
  if (settle()) putScalar<u64>(i, r);
}
export function opCvtsd2ss(i: Rec): void {
  const p = sourceOf(i, 8);
  if (p == 0) return;
  begin();
  const r = toSingle(load<u64>(p), rounding(), flush());
  if (settle()) putScalar<u32>(i, r);
}

/** T: the general operand's type. */
@inline function toGeneral<T>(i: Rec, format: u32, rc: u32): void {
  const p = sourceOf(i, format == Format.DOUBLE ? 8 : 4);
  if (p == 0) return;
  begin();
  const bits = format == Format.DOUBLE ? load<u64>(p) : <u64>load<u32>(p);
  const r = sizeof<T>() == 8 ? <T>toInt64(bits, format, rc) : <T>toInt32(bits, format, rc);
  if (settle()) changetype<A>(0).write<T>(i, r);
}
export function opCvtss2si<T>(i: Rec): void { toGeneral<T>(i, Format.SINGLE, rounding()); }
export function opCvttss2si<T>(i: Rec): void { toGeneral<T>(i, Format.SINGLE, Rc.ZERO); }
export function opCvtsd2si<T>(i: Rec): void { toGeneral<T>(i, Format.DOUBLE, rounding()); }
export function opCvttsd2si<T>(i: Rec): void { toGeneral<T>(i, Format.DOUBLE, Rc.ZERO); }

@inline function signed<T>(i: Rec): i64 {
  const value = changetype<Rm>(0).read<T>(i);
  return sizeof<T>() == 8 ? <i64>value : <i64><i32>value;
}
export function opCvtsi2ss<T>(i: Rec): void {
  const value = signed<T>(i);
  if (abandoned()) return;
  begin();
  const r = <u32>fromInt(value, Format.SINGLE);
  if (settle()) putScalar<u32>(i, r);
}
export function opCvtsi2sd<T>(i: Rec): void {
  const value = signed<T>(i);
  if (abandoned()) return;
  if (sizeof<T>() == 4) {
    putScalar<f64>(i, <f64>value);
    return;
  }
  begin();
  const r = fromInt(value, Format.DOUBLE);
  if (settle()) putScalar<u64>(i, r);
}
