/** ModRM, SIB and displacement, and what is relative to RIP. */
import { CPU, ZERO } from '../cpu/state';
import { byte, d, dword, gprAddress, word } from './decode-state';
import { Rec, RECORD } from './record';
import { Kind } from './tables.gen';

/** Puts a 64-bit constant in the record behind this one. */
export function extra(rec: usize, value: u64): void {
  store<u16>(rec + RECORD, <u16>Kind.SKIP);
  store<u64>(rec + RECORD + 8, value);
  d.extra = 1;
}

/** RIP-relative: the displacement counts from the block's start, whose RIP is in the state. */
export function addRip(r: Rec, rec: usize, end: u32): void {
  r.base = <u32>(CPU + offsetof<BlockRip>('blockRip'));
  const sum = <i64>r.disp + <i64>end;
  if (sum == <i64><i32>sum) r.disp = <i32>sum;
  else {
    r.index = <u32>(rec + RECORD + 8);
    extra(rec, end);
  }
}
@unmanaged class BlockRip { blockRip: u64; }

/** ModRM, SIB and displacement (SDM Vol. 2A, "Addressing-Mode Encoding of ModR/M and SIB Bytes"). */
export function decodeMemory(r: Rec, modrm: u32, mode: u32): void {
  const mod = modrm >> 6;
  const rm = modrm & 7;
  if (d.addressSize == 0) {
    decodeMemory16(r, mod, rm);
    return;
  }
  let stack: bool = false;
  let base: u32 = rm | ((d.rex & 1) << 3);
  let wide = mod == 2;
  if (rm == 4) {
    const sib = byte();
    const index = ((sib >> 3) & 7) | ((d.rex & 2) << 2);
    base = (sib & 7) | ((d.rex & 1) << 3);
    if (index != 4) r.index = gprAddress(index);
    r.scale = <u8>(sib >> 6);
    d.vsibIndex = index;
    if ((sib & 7) == 5 && mod == 0) {
      wide = true;
      base = 16;
    }
  } else if (rm == 5 && mod == 0) {
    wide = true;
    base = 16;
    d.memoryRip = mode == 2;
  }
  if (base < 16) {
    r.base = gprAddress(base);
    stack = base == 4 || base == 5;
  }
  if (wide) r.disp = dword();
  else if (mod == 1) r.disp = <i32><i8>byte();
  if (stack) r.scale |= 0x40;
}
function decodeMemory16(r: Rec, mod: u32, rm: u32): void {
  const baseOf: u32 = rm == 0 || rm == 1 || rm == 7 ? 3 : rm == 2 || rm == 3 || rm == 6 ? 5 : rm == 4 ? 6 : 7;
  let stack = rm == 2 || rm == 3 || rm == 6;
  if (rm == 6 && mod == 0) {
    stack = false;
    r.disp = word();
  } else {
    r.base = gprAddress(baseOf);
    if (rm < 4) r.index = gprAddress((rm & 1) != 0 ? 7 : 6);
  }
  if (mod == 1) r.disp = <i32><i8>byte();
  else if (mod == 2) { r.disp = <i32><i16>word(); }
  if (stack) r.scale |= 0x40;
}
