/**
 * Images of any size between linear memory and the host, for the instructions that save and restore state. Their parts
 * have no alignment check; an instruction that has one makes it first.
 */
import { commitPointer } from '../isa/operand';
import { readUnaligned, writeUnaligned } from '../mmu/access';
import { Access, lookup } from '../mmu/tlb';

const PIECE: u32 = 16;

/** Checks all pages of [la, la + size) for writing, so that a store in parts cannot stop half way. */
export function probeWrite(la: u64, size: u32): bool {
  for (let done: u32 = 0; done < size; done += 0x1000 - (<u32>(la + done) & 0xfff)) {
    const at = la + done;
    if (lookup(at, 1, Access.WRITE) == 0 && writeUnaligned(at, 1, 0, true) == 0) return false;
  }
  return true;
}
/** Copies `size` bytes from `host` to linear memory; false with an event pending and nothing written. */
export function copyOut(la: u64, host: usize, size: u32): bool {
  if (!probeWrite(la, size)) return false;
  for (let n: u32 = 0; n < size; n += PIECE) {
    const width = min<u32>(PIECE, size - n);
    let p = lookup(la + n, width, Access.WRITE);
    if (p == 0) p = writeUnaligned(la + n, width, 0, false);
    if (p == 0) return false;
    memory.copy(p, host + n, width);
    commitPointer(p);
  }
  return true;
}
/** Copies `size` bytes from linear memory to `host`; false with an event pending. */
export function copyIn(la: u64, host: usize, size: u32): bool {
  for (let n: u32 = 0; n < size; n += PIECE) {
    const width = min<u32>(PIECE, size - n);
    let p = lookup(la + n, width, Access.READ);
    if (p == 0) p = readUnaligned(la + n, width, 0);
    if (p == 0) return false;
    memory.copy(host + n, p, width);
  }
  return true;
}
