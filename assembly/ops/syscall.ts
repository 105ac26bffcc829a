/**
 * Fast system calls (SDM Vol. 3A, "Fast System Calls in 64-Bit Mode" and "Performing Fast Calls to System Procedures").
 */
import { cpu, Gpr, gpr, Seg, setGpr } from '../cpu/state';
import { raise, Vector } from '../cpu/pending';
import { Flag, rflags } from '../cpu/flags';
import { isIntel } from '../cpu/features';
import {
  in64, inLongMode, inProtected, inRealMode, isCanonical, segBase, setSegBase, setSegment,
} from '../cpu/segments';
import { resumeFlag, writeRflags } from '../cpu/rflags';
import { Dr6, setStepTrap, updateStepping } from '../cpu/debug';
import { Efer } from '../cpu/control';
import { updatePrivilege } from '../mmu/mode';
import { nextRip, Rec } from '../isa/record';

const enum Flat { CODE64 = 0xa09b, CODE32 = 0xc09b, DATA = 0xc093, USER = 0x60 }

/** Enters flat segments of privilege `cpl`, whatever the descriptor tables hold. */
function enterFlat(cs: u32, ss: u32, code: u32, cpl: u32): void {
  const user: u32 = cpl == 3 ? Flat.USER : 0;
  setSegment(Seg.CS, (cs & 0xfffc) | cpl, 0, 0xffffffff, code | user);
  setSegment(Seg.SS, (ss & 0xfffc) | cpl, 0, 0xffffffff, Flat.DATA | user);
  cpu.cpl = cpl;
}

/**
 * May SYSCALL and SYSRET run here? Intel's processors know them in 64-bit mode only, AMD's in all of protected mode.
 */
function hasSyscall(): bool {
  if ((cpu.efer & Efer.SCE) != 0 && (in64() || (!isIntel() && inProtected()))) return true;
  raise(Vector.UD);
  return false;
}

export function opSyscall(i: Rec): void {
  if (!hasSyscall()) return;
  const sel = <u32>(cpu.star >> 32) & 0xffff;
  const next = nextRip(i);
  setGpr(Gpr.RCX, next);
  if (inLongMode()) {
    setGpr(Gpr.R11, rflags() | (resumeFlag() ? <u64>Flag.RF : 0));
    cpu.blockRip = in64() ? cpu.lstar : cpu.cstar;
    writeRflags(cpu.sfmask | Flag.RF, 0);
    enterFlat(sel, (sel & 0xfffc) + 8, Flat.CODE64, 0);
  } else {
    cpu.blockRip = cpu.star & 0xffffffff;
    writeRflags(Flag.IF | Flag.RF, 0);
    enterFlat(sel, (sel & 0xfffc) + 8, Flat.CODE32, 0);
  }
  // TF counts as it is after SYSCALL and SYSRET, so that a system call is one step.
  if ((cpu.rflags & Flag.TF) == 0) setStepTrap(false);
  updatePrivilege();
}

export function opSysret<T>(i: Rec): void {
  if (!hasSyscall()) return;
  const target = gpr(Gpr.RCX);
  if (cpu.cpl != 0 || (sizeof<T>() == 8 && isIntel() && !isCanonical(target))) {
    raise(Vector.GP, 0);
    return;
  }
  const sel = <u32>(cpu.star >> 48);
  cpu.blockRip = <u64><T>target;
  if (inLongMode()) writeRflags(0xffffffff, gpr(Gpr.R11) & 0x3c7fd7);
  else writeRflags(Flag.IF, Flag.IF);
  setStepTrap(false);
  if ((cpu.rflags & Flag.TF) != 0) {
    cpu.pendingDebug |= Dr6.BS;
    updateStepping();
  }
  enterFlat(sizeof<T>() == 8 ? sel + 16 : sel, sel + 8, sizeof<T>() == 8 ? Flat.CODE64 : Flat.CODE32, 3);
  updatePrivilege();
}

export function opSysenter(i: Rec): void {
  const sel = <u32>cpu.sysenterCs & 0xfffc;
  if (inRealMode() || sel == 0) {
    raise(Vector.GP, 0);
    return;
  }
  writeRflags(Flag.VM | Flag.IF | Flag.RF, 0);
  const long = inLongMode();
  setGpr(Gpr.RSP, long ? cpu.sysenterEsp : cpu.sysenterEsp & 0xffffffff);
  cpu.blockRip = long ? cpu.sysenterEip : cpu.sysenterEip & 0xffffffff;
  enterFlat(sel, sel + 8, long ? Flat.CODE64 : Flat.CODE32, 0);
  updatePrivilege();
}

export function opSysexit<T>(i: Rec): void {
  const sel = <u32>cpu.sysenterCs & 0xfffc;
  const rip = gpr(Gpr.RDX), rsp = gpr(Gpr.RCX);
  const wide = sizeof<T>() == 8;
  if (inRealMode() || sel == 0 || (wide && (!isCanonical(rip) || !isCanonical(rsp)))) {
    raise(Vector.GP, 0);
    return;
  }
  setGpr(Gpr.RSP, <u64><T>rsp);
  cpu.blockRip = <u64><T>rip;
  const cs = wide ? sel + 32 : sel + 16;
  enterFlat(cs, cs + 8, wide ? Flat.CODE64 : Flat.CODE32, 3);
  updatePrivilege();
}

export function opSwapgs(i: Rec): void {
  const base = segBase(Seg.GS);
  setSegBase(Seg.GS, cpu.kernelGsBase);
  cpu.kernelGsBase = base;
}
