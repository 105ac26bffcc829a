/**
 * VM exits that instructions cause: their length, and what the VM-exit instruction-information field says of their
 * operands (SDM Vol. 3C, "Information for VM Exits Due to Instruction Execution").
 */
import { GPR, Seg } from '../cpu/state';
import { Exit, exit, setExitLength, setExitOperands } from '../cpu/exit';
import { Intercept, intercepts } from '../cpu/intercepts';
import { clearResume } from '../cpu/rflags';
import { in64, segBase } from '../cpu/segments';
import { effectiveOffset } from '../isa/operand';
import { addressSize, isMemory, lengthOf, operandSize, Rec, segmentOf } from '../isa/record';

@inline function isRegister(address: u32): bool { return address - <u32>GPR < 0x80; }
/** Number of the general register that lies at `address`. */
@inline export function registerNumber(address: u32): u32 { return (address - <u32>GPR) >> 3; }

/** The operands of `i`: memory or register in modrm.rm, `reg2` in bits 31:28. */
export function operandInformation(i: Rec, reg2: u32 = 0): u32 {
  let info = (addressSize(i) << 7) | (reg2 << 28);
  if (!isMemory(i)) return info | (registerNumber(i.base) << 3) | (1 << 10);
  info |= segmentOf(i) << 15;
  if (isRegister(i.index)) info |= (i.scale & 3) | (registerNumber(i.index) << 18);
  else info |= 1 << 22;
  return isRegister(i.base) ? info | (registerNumber(i.base) << 23) : info | (1 << 27);
}
/** The displacement of a memory operand as the exit qualification gives it: with RIP where it is relative to RIP. */
export function displacement(i: Rec): u64 {
  if (!isMemory(i)) return 0;
  const rip: u64 = isRegister(i.base) ? 0 : load<u64>(i.base);
  return rip + <u64><i64>i.disp;
}

/** Linear address of `offset` in segment `s`, unchecked. */
export function linearOf(s: u32, offset: u64): u64 {
  if (in64()) return s == <u32>Seg.FS || s == <u32>Seg.GS ? segBase(s) + offset : offset;
  return (segBase(s) + offset) & 0xffffffff;
}
/** Linear address of the memory operand, unchecked. */
export function operandLinear(i: Rec): u64 { return linearOf(segmentOf(i), effectiveOffset(i)); }

/** A VM exit takes the place of the instruction `i`. */
export function instructionExit(i: Rec, reason: Exit, qualification: u64 = 0, operands: u32 = 0): void {
  exit(reason, qualification);
  clearResume();
  setExitLength(lengthOf(i));
  setExitOperands(operands);
}
/** True: `what` is intercepted, and `i`, whose operands need no words, causes a VM exit. */
export function exitsIf(i: Rec, what: Intercept, reason: Exit, operands: u32 = 0): bool {
  if (!intercepts(what)) return false;
  instructionExit(i, reason, 0, operands);
  return true;
}
/** True: `i` uses a descriptor-table register, and causes a VM exit. */
export function exitsOnTable(i: Rec, reason: Exit, identity: u32): bool {
  if (!intercepts(Intercept.DESCRIPTOR_TABLES)) return false;
  const size: u32 = operandSize(i) == 0 ? 0 : 1 << 11;
  instructionExit(i, reason, displacement(i), operandInformation(i, identity) | size);
  return true;
}
