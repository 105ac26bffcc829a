/** The slow path lane by lane: operands as vectors or scalars, exact arithmetic on each. */
import { compute } from './binary';
import { Format, use } from './ieee';

/** Operands between vectors and lanes: 16 bytes each. */
const A: usize = memory.data(48, 16);
const B: usize = A + 16;

@inline export function formatOf<T>(): u32 { return sizeof<T>() == 8 ? Format.DOUBLE : Format.SINGLE; }

/** One operation on 128 bits of lanes of `format`; the flags gather in ieee.ts. */
export function slow128(op: u32, format: u32, a: v128, b: v128): v128 {
  v128.store(A, a);
  v128.store(B, b);
  use(format);
  if (format == Format.DOUBLE) {
    for (let n: u32 = 0; n < 16; n += 8) store<u64>(A + n, compute(op, load<u64>(A + n), load<u64>(B + n), n >> 3));
  } else {
    for (let n: u32 = 0; n < 16; n += 4) store<u32>(A + n, <u32>compute(op, load<u32>(A + n), load<u32>(B + n), n >> 2));
  }
  return v128.load(A);
}
/** One operation on one lane's bits. */
export function slow(op: u32, format: u32, a: u64, b: u64): u64 {
  use(format);
  return compute(op, a, b, 0);
}
