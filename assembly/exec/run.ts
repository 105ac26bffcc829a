/** The outer loop: runs blocks, delivers events between them, and keeps within the budget whatever the guest does. */
import { cpu } from '../cpu/state';
import { Activity, Attention, clock, Pending, retired, spend } from '../cpu/pending';
import { inGuest } from '../cpu/intercepts';
import { setResume } from '../cpu/rflags';
import { apicTimer } from '../apic/apic';
import { answerBell } from '../apic/mailbox';
import { readFrameMessages } from '../code/blocks';
import { isModeCurrent } from '../mmu/mode';
import { stepBlock } from './build';
import { blockAtRip, cachedBlock } from './lookup';
import { interpret } from './interpret.gen';
import { takeEvent, timerIsDue } from './between';
import { deliverPending } from './deliver';
import { afterStep, beforeStep, forgetHits } from './debug';
import { vmEntry } from './vm-entry';
import { leaveGuest } from './vm-exit';

/** Why run came back: src/core/types.ts. */
export const enum Stop { BUDGET, HALT, SHUTDOWN, REQUESTED, WAIT_FOR_SIPI }

/** Attention that there is something to take before the next instruction, if no shadow holds it off. */
@inline function mustLook(): bool { return (cpu.attention & (Attention.INTERRUPT | Attention.SHADOW)) == Attention.INTERRUPT; }

/** Sets the instructions until interpret must come back. */
@inline function setBudget(n: u64): void {
  const done = retired();
  cpu.budget = <i32>n;
  cpu.retiredEnd = done + n;
}

/**
 * Runs at most `budget` instructions. A turn of the loop either retires an instruction or pays one for what it did
 * instead (an event, a piece of a string instruction, a look that found nothing): whatever the guest does, it comes back.
 * What is due after the last instruction is still taken.
 */
export function run(budget: u32): Stop {
  cpu.runEnd = retired() + budget;
  while (true) {
    answerBell();
    if (cpu.apicDeadline != 0 && clock() >= cpu.apicDeadline) apicTimer();
    if (timerIsDue()) cpu.attention |= Attention.INTERRUPT;
    if (cpu.attention != 0) {
      const stop = attendTo();
      if (stop >= 0) return <Stop>stop;
    }
    const before = retired();
    const isOver = before >= cpu.runEnd;
    if (cpu.pending == Pending.NONE && !isOver && !mustLook()) execute(cpu.runEnd - before);
    if (cpu.pending != Pending.NONE || retired() == before) spend(1);
    if (cpu.pending != Pending.NONE) resolve();
    if (isOver) return Stop.BUDGET;
  }
}

/** Executes instructions, `left` at most, until something is pending or needs attention. */
function execute(left: u64): void {
  const time = clock();
  if (cpu.apicDeadline != 0) left = min<u64>(left, cpu.apicDeadline - time);
  if (cpu.vmxDeadline != 0) left = min<u64>(left, cpu.vmxDeadline - time);
  if (!ASC_NO_ASSERT) assert(isModeCurrent(), 'a writer of some register forgot updateMode, updateDebug or selectBank');
  setBudget(left);
  if ((cpu.attention & (Attention.SHADOW | Attention.DEBUG | Attention.TRAP)) != 0) {
    step();
    return;
  }
  let block = cachedBlock();
  if (block === null) block = blockAtRip();
  if (block !== null && <u64>block.count <= left && cpu.budget > 0) {
    cpu.budget -= <i32>block.count;
    interpret(block);
  } else if (cpu.pending == Pending.NONE) step();
}

/** Executes exactly one instruction, with debug events and interrupt shadows as they were before it. */
function step(): void {
  cpu.attention &= ~(Attention.SHADOW);
  if ((cpu.attention & Attention.TRAP) != 0) cpu.trapPending = 1;
  const debugging = (cpu.attention & Attention.DEBUG) != 0;
  const held = cpu.pendingDebug;
  if (debugging && beforeStep()) return;
  const block = stepBlock();
  if (block !== null) {
    setBudget(0);
    cpu.retiredEnd++;
    interpret(block);
  }
  if (!debugging) return;
  // An iteration of a string instruction traps too.
  if (cpu.pending == Pending.NONE || cpu.pending == Pending.PAUSED) afterStep();
  else forgetHits(held);
}

/** Carries out what came in the place of an instruction or between two. */
function resolve(): void {
  switch (cpu.pending) {
    case Pending.RESTART:
      cpu.pending = Pending.NONE;
      cpu.trapPending = 0;
      return;
    case Pending.PAUSED:
      cpu.pending = Pending.NONE;
      // The rest of the iterations has had its breakpoint.
      if (cpu.activity == Activity.ACTIVE) setResume();
      return;
    case Pending.EVENT: deliverPending(); break;
    case Pending.VM_ENTRY: vmEntry(); break;
    default: break;
  }
  if (cpu.pending == Pending.VM_EXIT) leaveGuest();
}

/** Serves what needs attention; a Stop, or -1 to go on. */
function attendTo(): i32 {
  cpu.attention &= ~(Attention.CODE);
  if ((cpu.attention & Attention.INTERRUPT) != 0) readFrameMessages();
  if ((cpu.attention & Attention.STOP) != 0) {
    cpu.attention &= ~(Attention.STOP);
    return Stop.REQUESTED;
  }
  if (cpu.pending == Pending.NONE) takeEvent();
  if (cpu.pending != Pending.NONE || mustLook()) return -1;
  switch (cpu.activity) {
    case Activity.ACTIVE: return -1;
    case Activity.WAIT_FOR_SIPI: return Stop.WAIT_FOR_SIPI;
    // A guest that was entered in the shutdown state waits there for what causes a VM exit.
    case Activity.SHUTDOWN: return inGuest() ? Stop.HALT : Stop.SHUTDOWN;
    default: return Stop.HALT;
  }
}
