/**
 * How an x87 instruction stores its result. Intel's processors look for exceptions that are not masked first, so that
 * such an instruction does not touch memory; AMD's look for the operand first. Either way nothing has
 * happened where it faults.
 */
import { cpu } from '../../cpu/state';
import { isIntel } from '../../cpu/features';
import { commitPointer, writePointer } from '../../isa/operand';
import { Rec } from '../../isa/record';
import { noteMemory } from './registers';

/** What is put back when the operand faults: status and pointers. */
let fsw: u32 = 0, fop: u32 = 0, fipSelector: u32 = 0, fdpSelector: u32 = 0, exceptionFop: u32 = 0,
  exceptionFdpSelector: u32 = 0;
let fip: u64 = 0, fdp: u64 = 0, exceptionFdp: u64 = 0;

/** Begins a store of `size` bytes; false with an event pending. */
export function beginStore(i: Rec, size: u32): bool {
  if (!isIntel() && writePointer(i, size, false) == 0) return false;
  fsw = cpu.fsw;
  fop = cpu.fop;
  fip = cpu.fip;
  fdp = cpu.fdp;
  fipSelector = cpu.fipSelector;
  fdpSelector = cpu.fdpSelector;
  exceptionFop = cpu.exceptionFop;
  exceptionFdp = cpu.exceptionFdp;
  exceptionFdpSelector = cpu.exceptionFdpSelector;
  noteMemory(i);
  return true;
}
/** Where the result goes, `plus` bytes on; 0 with an event pending and the state as beginStore found it. */
export function storePointer(i: Rec, size: u32, plus: u64 = 0): u32 {
  const p = writePointer(i, size, false, plus);
  if (p != 0) return p;
  cpu.fsw = fsw;
  cpu.fop = fop;
  cpu.fip = fip;
  cpu.fdp = fdp;
  cpu.fipSelector = fipSelector;
  cpu.fdpSelector = fdpSelector;
  cpu.exceptionFop = exceptionFop;
  cpu.exceptionFdp = exceptionFdp;
  cpu.exceptionFdpSelector = exceptionFdpSelector;
  return 0;
}
/**
 * Stores ten bytes, on Intel's processors in two parts of which the first stays when the second faults; false: a fault.
 */
export function storeExtended(i: Rec, low: u64, high: u32): bool {
  if (!isIntel()) {
    const whole = storePointer(i, 10);
    if (whole == 0) return false;
    store<u64>(whole, low);
    store<u16>(whole, <u16>high, 8);
    commitPointer(whole);
    return true;
  }
  const first = storePointer(i, 8);
  if (first == 0) return false;
  store<u64>(first, low);
  commitPointer(first);
  const second = storePointer(i, 2, 8);
  if (second == 0) return false;
  store<u16>(second, <u16>high);
  commitPointer(second);
  return true;
}
