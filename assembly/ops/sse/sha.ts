/** SHA-NI (SDM Vol. 2B, "SHA1RNDS4" and following; FIPS 180-4). Doubleword 3 of a register is the first of four. */
import { YMM } from '../../cpu/state';
import { isIntel } from '../../cpu/features';
import { isMemory, Rec } from '../../isa/record';
import { readVector, source, UNALIGNED } from '../../isa/vector';

/** The r/m operand: in memory it has to be aligned (SDM Vol. 2A, "Exceptions Type 4"), but not for AMD's processors. */
function operand(i: Rec): u32 { return isMemory(i) && !isIntel() ? readVector(i, 16, UNALIGNED) : source(i); }

@inline function dword(p: u32, n: u32): u32 { return load<u32>(p + (n << 2)); }
@inline function put(i: Rec, d3: u32, d2: u32, d1: u32, d0: u32): void {
  store<u32>(i.a, d0);
  store<u32>(i.a, d1, 4);
  store<u32>(i.a, d2, 8);
  store<u32>(i.a, d3, 12);
}

export function opSha1rnds4(i: Rec): void {
  const p = operand(i);
  if (p == 0) return;
  const kind = i.imm & 3;
  const k: u32 = kind == 0 ? 0x5a827999 : kind == 1 ? 0x6ed9eba1 : kind == 2 ? 0x8f1bbcdc : 0xca62c1d6;
  let a = dword(i.a, 3), b = dword(i.a, 2), c = dword(i.a, 1), d = dword(i.a, 0), e: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    const f = kind == 0 ? (b & c) ^ (~b & d) : kind == 2 ? (b & c) ^ (b & d) ^ (c & d) : b ^ c ^ d;
    const sum = f + rotl<u32>(a, 5) + dword(p, 3 - n) + e + k;
    e = d;
    d = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = sum;
  }
  put(i, a, b, c, d);
}
export function opSha1nexte(i: Rec): void {
  const p = operand(i);
  if (p == 0) return;
  put(i, dword(p, 3) + rotl<u32>(dword(i.a, 3), 30), dword(p, 2), dword(p, 1), dword(p, 0));
}
export function opSha1msg1(i: Rec): void {
  const p = operand(i);
  if (p == 0) return;
  const w0 = dword(i.a, 3), w1 = dword(i.a, 2), w2 = dword(i.a, 1), w3 = dword(i.a, 0), w4 = dword(p, 3),
    w5 = dword(p, 2);
  put(i, w2 ^ w0, w3 ^ w1, w4 ^ w2, w5 ^ w3);
}
export function opSha1msg2(i: Rec): void {
  const p = operand(i);
  if (p == 0) return;
  const w16 = rotl<u32>(dword(i.a, 3) ^ dword(p, 2), 1);
  const w17 = rotl<u32>(dword(i.a, 2) ^ dword(p, 1), 1);
  const w18 = rotl<u32>(dword(i.a, 1) ^ dword(p, 0), 1);
  put(i, w16, w17, w18, rotl<u32>(dword(i.a, 0) ^ w16, 1));
}

export function opSha256rnds2(i: Rec): void {
  const p = operand(i);
  if (p == 0) return;
  let a = dword(p, 3), b = dword(p, 2), e = dword(p, 1), f = dword(p, 0);
  let c = dword(i.a, 3), d = dword(i.a, 2), g = dword(i.a, 1), h = dword(i.a, 0);
  for (let n: u32 = 0; n < 2; n++) {
    const t1 = h + (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)) + ((e & f) ^ (~e & g)) + dword(<u32>YMM, n);
    const t2 = (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  put(i, a, b, e, f);
}
@inline function sigma0(w: u32): u32 { return rotr<u32>(w, 7) ^ rotr<u32>(w, 18) ^ (w >> 3); }
@inline function sigma1(w: u32): u32 { return rotr<u32>(w, 17) ^ rotr<u32>(w, 19) ^ (w >> 10); }
export function opSha256msg1(i: Rec): void {
  const p = operand(i);
  if (p == 0) return;
  const w0 = dword(i.a, 0), w1 = dword(i.a, 1), w2 = dword(i.a, 2), w3 = dword(i.a, 3);
  put(i, w3 + sigma0(dword(p, 0)), w2 + sigma0(w3), w1 + sigma0(w2), w0 + sigma0(w1));
}
export function opSha256msg2(i: Rec): void {
  const p = operand(i);
  if (p == 0) return;
  const w16 = dword(i.a, 0) + sigma1(dword(p, 2));
  const w17 = dword(i.a, 1) + sigma1(dword(p, 3));
  put(i, dword(i.a, 3) + sigma1(w17), dword(i.a, 2) + sigma1(w16), w17, w16);
}
