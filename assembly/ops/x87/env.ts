/**
 * FLDENV, FNSTENV, FNSAVE, FRSTOR: the x87 environment in memory, in 16 and 32-bit forms of real and protected mode
 * (SDM Vol. 1, "Saving the x87 FPU's State with FSTENV/FNSTENV and FSAVE/FNSAVE").
 */
import { cpu, FPR } from '../../cpu/state';
import { abandoned } from '../../cpu/pending';
import { in64, inProtected } from '../../cpu/segments';
import { checkAlignment } from '../../mmu/access';
import { memoryAddress } from '../../isa/operand';
import { operandSize, Rec } from '../../isa/record';
import { copyIn, copyOut } from '../linear-copy';
import { Fsw, initFpu, setControlWord, updateSummary } from './control';
import { Kind, left, unpackSt } from './number';
import {
  dataSelector, loadPointers, shownCodeSelector, shownDataPointer, shownDataSelector, shownOpcode,
} from './pointers';
import { isEmpty, physical } from './registers';

const image: usize = memory.data(112, 8);
const REGISTERS: u32 = 80;

/** Tags of all registers, two bits each by physical number: valid, zero, special, empty. */
function fullTags(): u32 {
  let tags: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) {
    let tag: u32 = 3;
    if (!isEmpty(n)) {
      unpackSt(left, n);
      tag = left.kind == Kind.ZERO ? 1 : left.kind == Kind.NORMAL && !left.denormal ? 0 : 2;
    }
    tags |= tag << (physical(n) << 1);
  }
  return tags;
}
@inline function is16(i: Rec): bool { return operandSize(i) == 0; }
@inline function environmentSize(i: Rec): u32 { return is16(i) ? 14 : 28; }
/**
 * Linear address of the image; its alignment is that of the environment's words (SDM Vol. 3A, "Alignment Check
 * Exception (#AC)").
 */
function imageAddress(i: Rec, size: u32, write: bool): u64 {
  const la = memoryAddress(i, size, write);
  if (!abandoned()) checkAlignment(la, is16(i) ? 2 : 4);
  return la;
}

/** Puts the environment at the start of the image. */
function build(i: Rec): void {
  const protectedMode = inProtected() || in64();
  const ip = <u32>cpu.fip, dp = <u32>shownDataPointer(), opcode = shownOpcode();
  const linearIp = ip + (cpu.fipSelector << 4), linearDp = dp + (dataSelector() << 4);
  if (is16(i)) {
    store<u16>(image, <u16>cpu.fcw);
    store<u16>(image, <u16>cpu.fsw, 2);
    store<u16>(image, <u16>fullTags(), 4);
    store<u16>(image, <u16>(protectedMode ? ip : linearIp), 6);
    store<u16>(image, <u16>(protectedMode ? shownCodeSelector() : ((linearIp >> 4) & 0xf000) | opcode), 8);
    store<u16>(image, <u16>(protectedMode ? dp : linearDp), 10);
    store<u16>(image, <u16>(protectedMode ? shownDataSelector() : (linearDp >> 4) & 0xf000), 12);
    return;
  }
  store<u32>(image, 0xffff0000 | cpu.fcw);
  store<u32>(image, 0xffff0000 | cpu.fsw, 4);
  store<u32>(image, 0xffff0000 | fullTags(), 8);
  if (protectedMode) {
    store<u32>(image, ip, 12);
    store<u32>(image, (opcode << 16) | shownCodeSelector(), 16);
    store<u32>(image, dp, 20);
    store<u32>(image, 0xffff0000 | shownDataSelector(), 24);
  } else {
    store<u32>(image, 0xffff0000 | (linearIp & 0xffff), 12);
    store<u32>(image, ((linearIp >> 16) << 12) | opcode, 16);
    store<u32>(image, 0xffff0000 | (linearDp & 0xffff), 20);
    store<u32>(image, (linearDp >> 16) << 12, 24);
  }
}
function take(i: Rec): void {
  const protectedMode = inProtected() || in64();
  let tags: u32;
  if (is16(i)) {
    setControlWord(load<u16>(image));
    cpu.fsw = load<u16>(image, 2);
    tags = load<u16>(image, 4);
    const high = <u32>load<u16>(image, 8), highData = <u32>load<u16>(image, 12);
    cpu.fip = <u32>load<u16>(image, 6) | (protectedMode ? 0 : (high & 0xf000) << 4);
    cpu.fdp = <u32>load<u16>(image, 10) | (protectedMode ? 0 : (highData & 0xf000) << 4);
    cpu.fipSelector = protectedMode ? high : 0;
    cpu.fdpSelector = protectedMode ? highData : 0;
    cpu.fop = protectedMode ? 0 : high & 0x7ff;
  } else {
    setControlWord(load<u16>(image));
    cpu.fsw = load<u16>(image, 4);
    tags = load<u16>(image, 8);
    const high = load<u32>(image, 16), highData = load<u32>(image, 24);
    cpu.fip = protectedMode ? load<u32>(image, 12) : <u32>load<u16>(image, 12) | ((high << 4) & 0xffff0000);
    cpu.fdp = protectedMode ? load<u32>(image, 20) : <u32>load<u16>(image, 20) | ((highData << 4) & 0xffff0000);
    cpu.fipSelector = protectedMode ? high & 0xffff : 0;
    cpu.fdpSelector = protectedMode ? highData & 0xffff : 0;
    cpu.fop = (protectedMode ? high >> 16 : high) & 0x7ff;
  }
  loadPointers();
  cpu.ftw = 0;
  for (let n: u32 = 0; n < 8; n++) if (((tags >> (n << 1)) & 3) != 3) cpu.ftw |= 1 << n;
  updateSummary();
}

export function opFnstenv(i: Rec): void {
  const size = environmentSize(i);
  const la = imageAddress(i, size, true);
  if (abandoned()) return;
  build(i);
  if (copyOut(la, image, size)) cpu.fcw |= Fsw.EXCEPTIONS;
  updateSummary();
}
export function opFldenv(i: Rec): void {
  const size = environmentSize(i);
  const la = imageAddress(i, size, false);
  if (!abandoned() && copyIn(la, image, size)) take(i);
}
export function opFnsave(i: Rec): void {
  const size = environmentSize(i);
  const la = imageAddress(i, size + REGISTERS, true);
  if (abandoned()) return;
  build(i);
  for (let n: u32 = 0; n < 8; n++) memory.copy(image + size + 10 * n, FPR + (physical(n) << 4), 10);
  if (copyOut(la, image, size + REGISTERS)) initFpu();
}
export function opFrstor(i: Rec): void {
  const size = environmentSize(i);
  const la = imageAddress(i, size + REGISTERS, false);
  if (abandoned() || !copyIn(la, image, size + REGISTERS)) return;
  take(i);
  for (let n: u32 = 0; n < 8; n++) memory.copy(FPR + (physical(n) << 4), image + size + 10 * n, 10);
}
