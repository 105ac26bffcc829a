/** Debug registers (SDM Vol. 3B, "Debug Registers"). */
import { cpu } from './state';
import { Flag } from './flags';
import { attend, Attention } from './pending';

/** Bits of DR6 and DR7. */
export const enum Dr6 { HITS = 15, BD = 0x2000, BS = 0x4000, BT = 0x8000, ONES = 0xffff0ff0 }
export const enum Dr7 { ENABLES = 0xff, GD = 0x2000, ONES = 0x400 }
/** Kinds of breakpoints: the R/W fields of DR7. */
export const enum Watch { EXECUTE, WRITE, IO, ACCESS }

@inline export function breakpoint(n: u32): u64 {
  return n == 0 ? cpu.dr0 : n == 1 ? cpu.dr1 : n == 2 ? cpu.dr2 : cpu.dr3;
}
@inline export function isEnabled(n: u32): bool { return (<u32>cpu.dr7 >> (n << 1) & 3) != 0; }
@inline export function kindOf(n: u32): u32 { return <u32>(cpu.dr7 >> (16 + (n << 2))) & 3; }
/** Bytes that breakpoint `n` covers. */
@inline export function lengthOf(n: u32): u32 {
  const field = <u32>(cpu.dr7 >> (18 + (n << 2))) & 3;
  return field == 2 ? 8 : field + 1;
}

/** Steps instruction by instruction while TF is set, a breakpoint is enabled or a debug trap waits. */
export function updateStepping(): void {
  if ((cpu.rflags & Flag.TF) != 0 || (cpu.dr7 & Dr7.ENABLES) != 0 || cpu.pendingDebug != 0) attend(Attention.DEBUG);
  else cpu.attention &= ~(<u32>Attention.DEBUG);
}

/**
 * Does TF trap after the running instruction? Set before it by the step, and by instructions with rules of their own.
 */
export let stepTrap: bool = false;
export function setStepTrap(traps: bool): void { stepTrap = traps; }

/** Breakpoints of the kinds in `kinds` (bit n: Watch n) that `size` bytes at `address` touch, in DR6's places. */
export function breakpointsAt(kinds: u32, address: u64, size: u32): u32 {
  let hits: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    if ((kinds >> kindOf(n) & 1) == 0) continue;
    const length = lengthOf(n);
    const start = breakpoint(n) & ~(<u64>length - 1);
    if (address + size > start && address < start + length) hits |= 1 << n;
  }
  return hits;
}
/** Those of `hits` that are enabled. */
export function enabledOf(hits: u32): u32 {
  let enabled: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) if (isEnabled(n)) enabled |= hits & (1 << n);
  return enabled;
}
/** Notes the breakpoints that were hit, to be reported after the instruction if one of them is enabled. */
function note(hits: u32): void { if (enabledOf(hits) != 0) cpu.pendingDebug |= hits; }

/** Notes in pendingDebug which data breakpoints an access of `size` bytes at `la` matches. */
export function hitsDataBreakpoint(la: u64, size: u32, write: bool): void {
  note(breakpointsAt(write ? (1 << Watch.WRITE) | (1 << Watch.ACCESS) : 1 << Watch.ACCESS, la, size));
}
/** Notes in pendingDebug which I/O breakpoints an access of `size` bytes at `port` matches: for IN, OUT, INS, OUTS. */
export function hitsPortBreakpoint(port: u32, size: u32): void {
  const DE: u64 = 8;
  if ((cpu.dr7 & Dr7.ENABLES) != 0 && (cpu.cr4 & DE) != 0) note(breakpointsAt(1 << Watch.IO, port, size));
}

/** 1 where a data breakpoint is armed: every access must be compared with it, so that no page may be in the TLB. */
export function watchesData(): u32 {
  if ((cpu.dr7 & Dr7.ENABLES) == 0) return 0;
  for (let n: u32 = 0; n < 4; n++) if (isEnabled(n) && (kindOf(n) & 1) != 0) return 1;
  return 0;
}
/** To be called after any change of DR0 to DR7, and selectBank (or updateMode) after it. */
export function updateDebug(): void {
  cpu.slowData = watchesData();
  updateStepping();
}
