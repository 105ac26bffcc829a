/**
 * Single bits, bit scans and counts, byte swap, CRC32. A bit offset in a register reaches memory beyond the operand: it
 * is a signed index from the operand's address (SDM Vol. 2A, "BT").
 */
import { isIntel } from '../cpu/features';
import { abandoned } from '../cpu/pending';
import { Flag, flagsLogic, flagsNotZero, ovf, setArithmeticFlags, setCf, signExtend } from '../cpu/flags';
import { isMemory, Rec } from '../isa/record';
import { readPointer } from '../isa/operand';

const enum Bit { SET, RESET, COMPLEMENT }

@inline function changed<T>(op: Bit, value: T, bit: u32): T {
  const mask = <T>((<u64>1) << bit);
  return <T>(op == Bit.SET ? value | mask : op == Bit.RESET ? value & ~mask : value ^ mask);
}
@inline function bitOf<T>(value: T, bit: u32): u64 { return (<u64>value >> bit) & 1; }

export function opBt<T, D, S>(i: Rec): void {
  const bit = <u32>changetype<S>(0).read<T>(i) & (8 * sizeof<T>() - 1);
  const value = changetype<D>(0).read<T>(i);
  if (abandoned()) return;
  setCf(bitOf<T>(value, bit));
}
@inline function change<T, D, S>(op: Bit, i: Rec, plus: u64 = 0): void {
  const bit = <u32>changetype<S>(0).read<T>(i) & (8 * sizeof<T>() - 1);
  const value = changetype<D>(0).rmw<T>(i, plus);
  if (abandoned()) return;
  changetype<D>(0).commit<T>(i, changed<T>(op, value, bit));
  if (abandoned()) return;
  setCf(bitOf<T>(value, bit));
}
export function opBts<T, D, S>(i: Rec): void { change<T, D, S>(Bit.SET, i); }
export function opBtr<T, D, S>(i: Rec): void { change<T, D, S>(Bit.RESET, i); }
export function opBtc<T, D, S>(i: Rec): void { change<T, D, S>(Bit.COMPLEMENT, i); }

/** Bytes from the operand's address to the word that holds bit `offset`. */
@inline function wordOffset<T>(offset: T): u64 {
  const wide = <i64>signExtend<T>(offset);
  return <u64>((wide >> 3) & -<i64>sizeof<T>());
}
export function opBtString<T, D, S>(i: Rec): void {
  if (!isMemory(i)) {
    opBt<T, D, S>(i);
    return;
  }
  const offset = changetype<S>(0).read<T>(i);
  const p = readPointer(i, sizeof<T>(), wordOffset<T>(offset));
  if (p == 0) return;
  setCf(bitOf<T>(load<T>(p), <u32>offset & (8 * sizeof<T>() - 1)));
}
@inline function changeString<T, D, S>(op: Bit, i: Rec): void {
  change<T, D, S>(op, i, wordOffset<T>(changetype<S>(0).read<T>(i)));
}
export function opBtsString<T, D, S>(i: Rec): void { changeString<T, D, S>(Bit.SET, i); }
export function opBtrString<T, D, S>(i: Rec): void { changeString<T, D, S>(Bit.RESET, i); }
export function opBtcString<T, D, S>(i: Rec): void { changeString<T, D, S>(Bit.COMPLEMENT, i); }

/**
 * BSF and BSR leave the destination alone where the source is 0, and the flags beside ZF are those of the index, on
 * every processor so far.
 */
@inline function scan<T, D, S>(forward: bool, i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  if (value == 0) {
    flagsLogic<T>(value);
    return;
  }
  const index = forward ? ctz<u64>(<u64>value) : 63 - clz<u64>(<u64>value);
  changetype<D>(0).write<T>(i, <T>index);
  flagsNotZero<T>(<T>index, 0, 0);
}
export function opBsf<T, D, S>(i: Rec): void { scan<T, D, S>(true, i); }
export function opBsr<T, D, S>(i: Rec): void { scan<T, D, S>(false, i); }

/**
 * TZCNT and LZCNT: CF where the source is 0. OF, which is undefined, stays on AMD's processors; SF, AF
 * and PF are clear.
 */
@inline function count<T, D, S>(trailing: bool, i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  const bits: u64 = 8 * sizeof<T>();
  const zeros = value == 0 ? bits : trailing ? ctz<u64>(<u64>value) : clz<u64>(<u64>value) - (64 - bits);
  changetype<D>(0).write<T>(i, <T>zeros);
  const overflow: u64 = isIntel() ? 0 : ovf() << 11;
  setArithmeticFlags(overflow | (value == 0 ? <u64>Flag.CF : 0) | (zeros == 0 ? <u64>Flag.ZF : 0));
}
export function opTzcnt<T, D, S>(i: Rec): void { count<T, D, S>(true, i); }
export function opLzcnt<T, D, S>(i: Rec): void { count<T, D, S>(false, i); }

export function opPopcnt<T, D, S>(i: Rec): void {
  const value = changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  changetype<D>(0).write<T>(i, <T>popcnt<u64>(<u64>value));
  setArithmeticFlags(value == 0 ? <u64>Flag.ZF : 0);
}

/** A 16-bit BSWAP, which the manual leaves undefined, gives 0 on every processor so far. */
export function opBswap<T, D>(i: Rec): void {
  const value = changetype<D>(0).read<T>(i);
  changetype<D>(0).write<T>(i, sizeof<T>() == 2 ? <T>0 : bswap<T>(value));
}

/** Remainders of the sixteen nibbles by the polynomial 11EDC6F41H, bits reflected. */
const CRC32C: usize = memory.data<u32>([
  0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
  0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
]);
function crc32c(sum: u32, value: u64, nibbles: u32): u32 {
  sum ^= <u32>value;
  let rest = nibbles;
  if (rest == 16) {
    for (; rest > 8; rest--) sum = (sum >> 4) ^ load<u32>(CRC32C + ((sum & 15) << 2));
    sum ^= <u32>(value >> 32);
  }
  for (; rest > 0; rest--) sum = (sum >> 4) ^ load<u32>(CRC32C + ((sum & 15) << 2));
  return sum;
}
/** The destination has 32 bits whatever the source has, zero-extended. */
export function opCrc32<T, D, S>(i: Rec): void {
  const value = <u64>changetype<S>(0).read<T>(i);
  if (abandoned()) return;
  changetype<D>(0).write<u32>(i, crc32c(changetype<D>(0).read<u32>(i), value, 2 * sizeof<T>()));
}
