/** What the parts of the decoder share while they decode one instruction. */
import { GPR } from '../cpu/state';

@unmanaged
class Decoding {
  /** Address of the next instruction byte. */
  at: usize;
  rex: u32;
  /** Operand size: 1, 2, 3 for 16, 32, 64 bits; address size: 0, 1, 2. */
  size: u32;
  addressSize: u32;
  /** Segment of an override prefix, -1 without one. */
  segment: i32;
  opcode: u32;
  modrm: u32;
  /** Register numbers: ModRM.reg and ModRM.rm with their REX bits, VEX.vvvv, and the index of the SIB byte. */
  reg: u32;
  rm: u32;
  vexV: u32;
  vsibIndex: u32;
  /** Does an operand name VEX.vvvv? */
  vUsed: bool;
  isMemory: bool;
  memoryRip: bool;
  /** Does the instruction have a constant that no 32-bit immediate holds? */
  wide: bool;
  immediate: u64;
  relative: i64;
  /** The first two register or immediate operands in order, for hot kinds, and how many there are. */
  pointer0: u32;
  pointer1: u32;
  pointers: u32;
  /** Records taken behind the instruction's own. */
  extra: u32;
}
const DECODING: usize = memory.data(128);
export const d = changetype<Decoding>(DECODING);

@inline export function byte(): u32 { const v = load<u8>(d.at); d.at++; return v; }
@inline export function word(): u32 { const v = load<u16>(d.at); d.at += 2; return v; }
@inline export function dword(): u32 { const v = load<u32>(d.at); d.at += 4; return v; }

@inline export function gprAddress(n: u32): u32 { return <u32>GPR + (n << 3); }
