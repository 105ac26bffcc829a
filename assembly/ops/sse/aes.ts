/**
 * AES and GFNI: arithmetic on bytes in GF(2^8) with the polynomial 11BH (FIPS 197; SDM Vol. 1, "Programming with
 * GFNI").
 */
import { packed, packed1, put128, source } from '../../isa/vector';
import { isLong, isVex, Rec } from '../../isa/record';
import { put256, zero128 } from '../../isa/vector';

/** The S-box, its inverse, and multiplicative inverses. */
const SBOX: usize = memory.data<u8>([
  99, 124, 119, 123, 242, 107, 111, 197, 48, 1, 103, 43, 254, 215, 171, 118, 202, 130, 201, 125, 250, 89, 71, 240,
  173, 212, 162, 175, 156, 164, 114, 192, 183, 253, 147, 38, 54, 63, 247, 204, 52, 165, 229, 241, 113, 216, 49, 21,
  4, 199, 35, 195, 24, 150, 5, 154, 7, 18, 128, 226, 235, 39, 178, 117, 9, 131, 44, 26, 27, 110, 90, 160,
  82, 59, 214, 179, 41, 227, 47, 132, 83, 209, 0, 237, 32, 252, 177, 91, 106, 203, 190, 57, 74, 76, 88, 207,
  208, 239, 170, 251, 67, 77, 51, 133, 69, 249, 2, 127, 80, 60, 159, 168, 81, 163, 64, 143, 146, 157, 56, 245,
  188, 182, 218, 33, 16, 255, 243, 210, 205, 12, 19, 236, 95, 151, 68, 23, 196, 167, 126, 61, 100, 93, 25, 115,
  96, 129, 79, 220, 34, 42, 144, 136, 70, 238, 184, 20, 222, 94, 11, 219, 224, 50, 58, 10, 73, 6, 36, 92,
  194, 211, 172, 98, 145, 149, 228, 121, 231, 200, 55, 109, 141, 213, 78, 169, 108, 86, 244, 234, 101, 122, 174, 8,
  186, 120, 37, 46, 28, 166, 180, 198, 232, 221, 116, 31, 75, 189, 139, 138, 112, 62, 181, 102, 72, 3, 246, 14,
  97, 53, 87, 185, 134, 193, 29, 158, 225, 248, 152, 17, 105, 217, 142, 148, 155, 30, 135, 233, 206, 85, 40, 223,
  140, 161, 137, 13, 191, 230, 66, 104, 65, 153, 45, 15, 176, 84, 187, 22,
]);
const INVERSE_SBOX: usize = memory.data<u8>([
  82, 9, 106, 213, 48, 54, 165, 56, 191, 64, 163, 158, 129, 243, 215, 251, 124, 227, 57, 130, 155, 47, 255, 135,
  52, 142, 67, 68, 196, 222, 233, 203, 84, 123, 148, 50, 166, 194, 35, 61, 238, 76, 149, 11, 66, 250, 195, 78,
  8, 46, 161, 102, 40, 217, 36, 178, 118, 91, 162, 73, 109, 139, 209, 37, 114, 248, 246, 100, 134, 104, 152, 22,
  212, 164, 92, 204, 93, 101, 182, 146, 108, 112, 72, 80, 253, 237, 185, 218, 94, 21, 70, 87, 167, 141, 157, 132,
  144, 216, 171, 0, 140, 188, 211, 10, 247, 228, 88, 5, 184, 179, 69, 6, 208, 44, 30, 143, 202, 63, 15, 2,
  193, 175, 189, 3, 1, 19, 138, 107, 58, 145, 17, 65, 79, 103, 220, 234, 151, 242, 207, 206, 240, 180, 230, 115,
  150, 172, 116, 34, 231, 173, 53, 133, 226, 249, 55, 232, 28, 117, 223, 110, 71, 241, 26, 113, 29, 41, 197, 137,
  111, 183, 98, 14, 170, 24, 190, 27, 252, 86, 62, 75, 198, 210, 121, 32, 154, 219, 192, 254, 120, 205, 90, 244,
  31, 221, 168, 51, 136, 7, 199, 49, 177, 18, 16, 89, 39, 128, 236, 95, 96, 81, 127, 169, 25, 181, 74, 13,
  45, 229, 122, 159, 147, 201, 156, 239, 160, 224, 59, 77, 174, 42, 245, 176, 200, 235, 187, 60, 131, 83, 153, 97,
  23, 43, 4, 126, 186, 119, 214, 38, 225, 105, 20, 99, 85, 33, 12, 125,
]);
const RECIPROCAL: usize = memory.data<u8>([
  0, 1, 141, 246, 203, 82, 123, 209, 232, 79, 41, 192, 176, 225, 229, 199, 116, 180, 170, 75, 153, 43, 96, 95,
  88, 63, 253, 204, 255, 64, 238, 178, 58, 110, 90, 241, 85, 77, 168, 201, 193, 10, 152, 21, 48, 68, 162, 194,
  44, 69, 146, 108, 243, 57, 102, 66, 242, 53, 32, 111, 119, 187, 89, 25, 29, 254, 55, 103, 45, 49, 245, 105,
  167, 100, 171, 19, 84, 37, 233, 9, 237, 92, 5, 202, 76, 36, 135, 191, 24, 62, 34, 240, 81, 236, 97, 23,
  22, 94, 175, 211, 73, 166, 54, 67, 244, 71, 145, 223, 51, 147, 33, 59, 121, 183, 151, 133, 16, 181, 186, 60,
  182, 112, 208, 6, 161, 250, 129, 130, 131, 126, 127, 128, 150, 115, 190, 86, 155, 158, 149, 217, 247, 2, 185, 164,
  222, 106, 50, 109, 216, 138, 132, 114, 42, 20, 159, 136, 249, 220, 137, 154, 251, 124, 46, 195, 143, 184, 101, 72,
  38, 200, 18, 74, 206, 231, 210, 98, 12, 224, 31, 239, 17, 117, 120, 113, 165, 142, 118, 61, 189, 188, 134, 87,
  11, 40, 47, 163, 218, 212, 228, 15, 169, 39, 83, 4, 27, 252, 172, 230, 122, 7, 174, 99, 197, 219, 226, 234,
  148, 139, 196, 213, 157, 248, 144, 107, 177, 13, 214, 235, 198, 14, 207, 173, 8, 78, 215, 227, 93, 80, 30, 179,
  91, 35, 56, 52, 104, 70, 3, 140, 221, 156, 125, 160, 205, 26, 65, 28,
]);
const SCRATCH: usize = memory.data(16);

/** Every byte replaced by the one that `table` has for it. */
function substitute(a: v128, table: usize): v128 {
  v128.store(SCRATCH, a);
  for (let n: usize = 0; n < 16; n++) store<u8>(SCRATCH + n, load<u8>(table + load<u8>(SCRATCH + n)));
  return v128.load(SCRATCH);
}
@inline function shiftRows(a: v128): v128 {
  return v128.shuffle<u8>(a, a, 0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11);
}
@inline function unshiftRows(a: v128): v128 {
  return v128.shuffle<u8>(a, a, 0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3);
}
/** Every byte times 2. */
@inline function twice(a: v128): v128 {
  return v128.xor(i8x16.shl(a, 1), v128.and(i8x16.shr_s(a, 7), i8x16.splat(0x1b)));
}
@inline function turned1(a: v128): v128 {
  return v128.shuffle<u8>(a, a, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
}
@inline function turned2(a: v128): v128 {
  return v128.shuffle<u8>(a, a, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}
function mixColumns(a: v128): v128 {
  const b = v128.xor(a, turned1(a));
  return v128.xor(v128.xor(twice(b), turned1(a)), turned2(b));
}
/** The inverse matrix is the matrix times {5, 0, 4, 0}. */
function unmixColumns(a: v128): v128 { return mixColumns(v128.xor(a, twice(twice(v128.xor(a, turned2(a)))))); }

class Aesenc { @inline apply(a: v128, key: v128): v128 { return v128.xor(mixColumns(substitute(shiftRows(a), SBOX)),
  key); } }
class Aesenclast { @inline apply(a: v128, key: v128): v128 { return v128.xor(substitute(shiftRows(a), SBOX), key); } }
class Aesdec { @inline apply(a: v128, key: v128): v128 { return v128.xor(unmixColumns(substitute(unshiftRows(a),
  INVERSE_SBOX)), key); } }
class Aesdeclast { @inline apply(a: v128, key: v128): v128 { return v128.xor(substitute(unshiftRows(a), INVERSE_SBOX),
  key); } }
class Aesimc { @inline apply(a: v128): v128 { return unmixColumns(a); } }
export function opAesenc(i: Rec): void { packed<Aesenc>(i); }
export function opAesenclast(i: Rec): void { packed<Aesenclast>(i); }
export function opAesdec(i: Rec): void { packed<Aesdec>(i); }
export function opAesdeclast(i: Rec): void { packed<Aesdeclast>(i); }
export function opAesimc(i: Rec): void { packed1<Aesimc>(i); }
export function opAeskeygenassist(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const s = substitute(v128.load(p), SBOX);
  const x1 = i32x4.extract_lane(s, 1), x3 = i32x4.extract_lane(s, 3), constant = i.imm & 0xff;
  put128(i, i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(x1), 1, rotr<i32>(x1, 8) ^ constant),
    2, x3), 3, rotr<i32>(x3, 8) ^ constant));
}

/** Byte by byte product. */
function product(a: v128, b: v128): v128 {
  let r = zero128();
  for (let n = 7; n >= 0; n--) r = v128.xor(twice(r), v128.and(a, i8x16.shr_s(i8x16.shl(b, 7 - n), 7)));
  return r;
}
class Gf2p8mulb { @inline apply(a: v128, b: v128): v128 { return product(a, b); } }
export function opGf2p8mulb(i: Rec): void { packed<Gf2p8mulb>(i); }

/** A bit matrix (bytes 7 to 0 are its rows) times a byte. */
function times(matrix: u64, x: u32): u32 {
  let r: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) r |= (popcnt<u32>(<u32>(matrix >> (56 - 8 * n)) & x) & 1) << n;
  return r;
}
/**
 * 16 bytes at `from`, each through `table` where there is one, times the matrix of its quadword, plus `add`, to `to`.
 */
function affine(to: u32, from: u32, matrices: u32, table: usize, add: u32): void {
  for (let n: u32 = 0; n < 16; n++) {
    const x: u32 = load<u8>(from + n);
    store<u8>(SCRATCH + n, <u8>(times(load<u64>(matrices + (n & 8)), table != 0 ? <u32>load<u8>(table + x) : x) ^ add));
  }
  v128.store(to, v128.load(SCRATCH));
}
@inline function affineAll(i: Rec, table: usize): void {
  const p = source(i);
  if (p == 0) return;
  if (isLong(i)) affine(i.a + 16, i.b + 16, p + 16, table, i.imm);
  affine(i.a, i.b, p, table, i.imm);
  if (isVex(i) && !isLong(i)) v128.store(i.a, zero128(), 16);
}
export function opGf2p8affineqb(i: Rec): void { affineAll(i, 0); }
export function opGf2p8affineinvqb(i: Rec): void { affineAll(i, RECIPROCAL); }

// Carry-less products

const EVERY_FOURTH: u64 = 0x1111111111111111;

/**
 * Product of 32-bit numbers without carries: with only every fourth bit set at most eight ones meet at a place of an
 * integer product, and their carries end in the three places above, which are then cleared.
 */
function carryless32(x: u64, y: u64): u64 {
  const x0 = x & EVERY_FOURTH, x1 = x & (EVERY_FOURTH << 1), x2 = x & (EVERY_FOURTH << 2), x3 = x & (EVERY_FOURTH << 3);
  const y0 = y & EVERY_FOURTH, y1 = y & (EVERY_FOURTH << 1), y2 = y & (EVERY_FOURTH << 2), y3 = y & (EVERY_FOURTH << 3);
  const z0 = (x0 * y0) ^ (x1 * y3) ^ (x2 * y2) ^ (x3 * y1);
  const z1 = (x0 * y1) ^ (x1 * y0) ^ (x2 * y3) ^ (x3 * y2);
  const z2 = (x0 * y2) ^ (x1 * y1) ^ (x2 * y0) ^ (x3 * y3);
  const z3 = (x0 * y3) ^ (x1 * y2) ^ (x2 * y1) ^ (x3 * y0);
  return (z0 & EVERY_FOURTH) | (z1 & (EVERY_FOURTH << 1)) | (z2 & (EVERY_FOURTH << 2)) | (z3 & (EVERY_FOURTH << 3));
}
/** 64-bit numbers by Karatsuba's three products. */
function carryless(x: u64, y: u64): v128 {
  const low = carryless32(x & 0xffffffff, y & 0xffffffff), high = carryless32(x >> 32, y >> 32);
  const middle = carryless32((x ^ (x >> 32)) & 0xffffffff, (y ^ (y >> 32)) & 0xffffffff) ^ low ^ high;
  return i64x2.replace_lane(i64x2.splat(low ^ (middle << 32)), 1, high ^ (middle >> 32));
}
/** The quadwords that bits 0 and 4 of the immediate select, multiplied. */
export function opPclmulqdq(i: Rec): void {
  const p = source(i);
  if (p == 0) return;
  const x = i.b + ((i.imm & 1) << 3), y = p + ((i.imm & 16) >> 1);
  const low = carryless(load<u64>(x), load<u64>(y));
  if (isLong(i)) put256(i, low, carryless(load<u64>(x, 16), load<u64>(y, 16)));
  else put128(i, low);
}
