/** The outer loop: runs blocks, delivers events between them, and keeps within the budget whatever the guest does. */
import { cpu } from '../cpu/state';
import { Attention, clock, Pending, retired } from '../cpu/pending';
import { setResume } from '../cpu/rflags';
import { apicTimer } from '../apic/apic';
import { answerBell } from '../apic/mailbox';
import { readFrameMessages } from '../mmu/blocks';
import { isModeCurrent } from '../mmu/mode';
import { blockAtRip, cachedBlock, stepBlock } from './blocks';
import { interpret } from './interpret.gen';
import { deliverPending } from './deliver';
import { beforeStep, afterStep } from './debug';
import { takeInterrupt } from './interrupts';
import { vmEntry } from './vm-entry';
import { leaveGuest } from './vm-exit';
import { inNonRoot, Reason, vmExit } from '../vmx/exits';

/** Why run came back: src/core-types.ts. */
export const enum Stop { BUDGET, HALT, SHUTDOWN, REQUESTED, WAIT_FOR_SIPI }
export const enum Activity { ACTIVE, HLT, SHUTDOWN, WAIT_FOR_SIPI }

/** Sets the instructions until interpret must come back. */
@inline function setBudget(n: u64): void {
  const done = retired();
  cpu.budget = <i32>n;
  cpu.retiredEnd = done + n;
}

/**
 * Runs at most `budget` instructions. Deliveries of events and interrupted iterations of string instructions take from
 * the budget too, so that a guest that faults for ever comes back.
 */
export function run(budget: u32): Stop {
  cpu.runEnd = retired() + budget;
  while (true) {
    answerBell();
    if (cpu.attention != 0) {
      const stop = attendTo();
      if (stop >= 0) return <Stop>stop;
    }
    const time = retired();
    if (time >= cpu.runEnd) return Stop.BUDGET;
    // Behind a VM exit or a trap gate there may be another interrupt.
    if ((cpu.attention & (Attention.INTERRUPT | Attention.SHADOW)) == Attention.INTERRUPT) continue;
    let left = cpu.runEnd - time;
    if (cpu.apicDeadline != 0) {
      const due = cpu.apicDeadline;
      if (clock() >= due) {
        apicTimer();
        continue;
      }
      left = min<u64>(left, due - clock());
    }
    if (cpu.vmxDeadline != 0) {
      if (clock() >= cpu.vmxDeadline) {
        takeInterrupt();
        continue;
      }
      left = min<u64>(left, cpu.vmxDeadline - clock());
    }
    if (!ASC_NO_ASSERT) assert(isModeCurrent(), 'a writer of some register forgot updateMode, updateDebug or selectBank');
    setBudget(left);
    if ((cpu.attention & (Attention.SHADOW | Attention.DEBUG | Attention.TRAP)) != 0) step();
    else {
      let block = cachedBlock();
      if (block === null) block = blockAtRip();
      if (block !== null && <u64>block.count <= left && cpu.budget > 0) {
        cpu.budget -= <i32>block.count;
        interpret(changetype<usize>(block));
      } else if (cpu.pending == Pending.NONE) step();
    }
    if (cpu.pending != Pending.NONE) {
      cpu.runEnd--;
      if (cpu.pending == Pending.RESTART) {
        cpu.pending = Pending.NONE;
        if (cpu.activity == Activity.ACTIVE) setResume();
      } else {
        if (cpu.pending == Pending.EVENT) deliverPending();
        else if (cpu.pending == Pending.VM_ENTRY) vmEntry();
        if (cpu.pending == Pending.VM_EXIT) leaveGuest();
      }
    }
  }
}

/** Runs exactly one instruction, with debug events and interrupt shadows as they were before it. */
function step(): void {
  cpu.attention &= ~(Attention.SHADOW);
  const debugging = (cpu.attention & Attention.DEBUG) != 0;
  if ((cpu.attention & Attention.TRAP) != 0) cpu.trapPending = 1;
  if (debugging && beforeStep()) return;
  const block = stepBlock();
  if (block !== null) {
    setBudget(0);
    cpu.retiredEnd++;
    interpret(changetype<usize>(block));
  }
  // An iteration of a string instruction traps too, with RF set.
  if (debugging && cpu.pending == Pending.RESTART) {
    cpu.pending = Pending.NONE;
    if (cpu.activity == Activity.ACTIVE) setResume();
  }
  if (debugging && cpu.pending == Pending.NONE) afterStep(cpu.trapPending != 0);
}

/** Serves what needs attention; a Stop, or -1 to go on. */
function attendTo(): i32 {
  cpu.attention &= ~(Attention.CODE);
  if ((cpu.attention & Attention.INTERRUPT) != 0) readFrameMessages();
  if ((cpu.attention & Attention.STOP) != 0) {
    cpu.attention &= ~(Attention.STOP);
    return Stop.REQUESTED;
  }
  if (cpu.trapExit != 0) {
    const reason = cpu.trapExit;
    cpu.trapExit = 0;
    vmExit(reason, cpu.trapQualification);
    leaveGuest();
  }
  if (cpu.trapPending != 0) {
    cpu.trapPending = 0;
    vmExit(Reason.MONITOR_TRAP_FLAG);
    leaveGuest();
  }
  if ((cpu.attention & (Attention.INTERRUPT | Attention.SHADOW)) == Attention.INTERRUPT) takeInterrupt();
  switch (cpu.activity) {
    case Activity.SHUTDOWN:
      if (!inNonRoot()) return Stop.SHUTDOWN;
    // A guest that was entered in the shutdown state waits there for what causes a VM exit.
    case Activity.HLT:
      // Posted interrupts have become virtual ones.
      if ((cpu.attention & (Attention.INTERRUPT | Attention.SHADOW)) == Attention.INTERRUPT) return -1;
      // The APIC timer is the one event that can come without anybody calling.
      if (cpu.apicDeadline != 0 && clock() >= cpu.apicDeadline) {
        apicTimer();
        return -1;
      }
      return cpu.vmxDeadline != 0 && clock() >= cpu.vmxDeadline ? -1 : Stop.HALT;
    case Activity.WAIT_FOR_SIPI: return Stop.WAIT_FOR_SIPI;
    default: return -1;
  }
}
