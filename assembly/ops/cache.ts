/**
 * Cache control and ordering. The processor executes in order and memory has no cache before it, so that what remains
 * is what the manual says about the address of the line (SDM Vol. 2A, "CLFLUSH—Flush Cache Line").
 */
import { cpu } from '../cpu/state';
import { hitsDataBreakpoint } from '../cpu/debug';
import { abandoned } from '../cpu/pending';
import { Access, accessClass, lookup } from '../mmu/tlb';
import { translate } from '../mmu/walk';
import { pageFault } from '../mmu/access';
import { memoryAddress } from '../isa/operand';
import { Rec } from '../isa/record';

/** Faults and meets data breakpoints as a load of one byte would, without loading it. */
function checkLine(i: Rec): void {
  const la = memoryAddress(i, 1, false);
  if (abandoned() || lookup(la, 1, Access.READ) != 0) return;
  if (!translate(la, Access.READ, accessClass())) {
    if (!abandoned()) pageFault(la);
  } else if (cpu.slowData != 0) hitsDataBreakpoint(la, 1, false);
}
export function opClflush(i: Rec): void { checkLine(i); }
export function opClflushopt(i: Rec): void { checkLine(i); }
export function opClwb(i: Rec): void { checkLine(i); }

/** Hints do not fault. */
export function opPrefetch(i: Rec): void {}
export function opPrefetchw(i: Rec): void {}
export function opPrefetchwt1(i: Rec): void {}
export function opPrefetchnta(i: Rec): void {}
export function opPrefetcht0(i: Rec): void {}
export function opPrefetcht1(i: Rec): void {}
export function opPrefetcht2(i: Rec): void {}

export function opLfence(i: Rec): void {}
export function opMfence(i: Rec): void {}
export function opSfence(i: Rec): void {}
