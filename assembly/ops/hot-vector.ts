/** Bodies of the hot records of vector instructions: see src/isa/hot/vector.ts. */
import { cpu } from '../cpu/state';
import { vectorReadMiss, vectorWriteMiss } from '../isa/vector';
import { Rec } from '../isa/record';
import { hotOffset } from './hot';

const WRITE: usize = 0x4000;

@inline function entryOf(la: u64): usize { return <usize>cpu.bank + (<usize>(<u32>la >> 8) & 0x3ff0); }

/** Host pointer to the memory operand of `size` bytes, whose address must have no bit of `mask`, for reading. */
@inline export function hotVectorRead(i: Rec, size: u32, mask: u32): usize {
  const la = hotOffset(i) & cpu.laMask;
  const entry = entryOf(la);
  if (load<u64>(entry) == ((la + (size - 1)) & ~0xfff) && (<u32>la & mask) == 0) return <usize>(<u32>la + load<u32>(entry, 8));
  return vectorReadMiss(la, size, mask, i.scale >> 6);
}
/** hotVectorRead for writing; BOUNCE must be committed. */
@inline export function hotVectorWrite(i: Rec, size: u32, mask: u32): usize {
  const la = hotOffset(i) & cpu.laMask;
  const entry = entryOf(la);
  if (load<u64>(entry, WRITE) == ((la + (size - 1)) & ~0xfff) && (<u32>la & mask) == 0) return <usize>(<u32>la + load<u32>(entry, WRITE + 8));
  return vectorWriteMiss(la, size, mask, i.scale >> 6, false);
}

@inline export function hotMuludq(a: v128, b: v128): v128 {
  return i64x2.extmul_low_i32x4_u(v128.shuffle<u32>(a, a, 0, 2, 0, 2), v128.shuffle<u32>(b, b, 0, 2, 0, 2));
}
/** The doublewords at `a` that the two-bit fields of `imm` select. */
@inline export function hotShuffle(a: u32, imm: u32): v128 {
  let r = v128.load32_zero(a + ((imm & 3) << 2));
  r = i32x4.replace_lane(r, 1, load<i32>(a + (((imm >> 2) & 3) << 2)));
  r = i32x4.replace_lane(r, 2, load<i32>(a + (((imm >> 4) & 3) << 2)));
  return i32x4.replace_lane(r, 3, load<i32>(a + ((imm >> 6) << 2)));
}
