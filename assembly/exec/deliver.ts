/**
 * Event delivery (SDM Vol. 3A, "Interrupt and Exception Handling"): what becomes of the pending event. A fault on the way
 * (gates.ts) replaces the event or becomes a double fault; in a guest either may be a VM exit.
 */
import { cpu } from '../cpu/state';
import { Exit, exit, Interruption, setExitEvent, setExitLength, setExitVectoring } from '../cpu/exit';
import { inGuest } from '../cpu/intercepts';
import { abandoned, Activity, attend, Attention, Event, Pending, spend, Vector, wake } from '../cpu/pending';
import { Flag } from '../cpu/flags';
import { inRealMode } from '../cpu/segments';
import { clearResume, closeShadow, setResume } from '../cpu/rflags';
import { Dr6 } from '../cpu/debug';
import { exitsOnException } from '../vmx/intercepts';
import { updateMode, updatePrivilege } from '../mmu/mode';
import { setExt } from '../ops/descriptor';
import { clearSwitched, switched } from '../ops/task';
import { attempt, delivery, pushesErrorCode } from './gates';

@inline function isContributory(v: i32): bool { return v == Vector.DE || (v >= Vector.TS && v <= Vector.GP) || v == Vector.CP; }
@inline function isPageFault(v: i32): bool { return v == Vector.PF || v == Vector.VE; }

/** Events of one call: faults of class "benign" can follow each other without end, and the one after the last waits. */
const CHAIN: u32 = 4;

/** Delivers the pending event, and what goes wrong on the way. */
export function deliverPending(): void {
  let cpl = cpu.cpl;
  let type = cpu.eventType;
  if (cpu.injected == 0 && exitsFor(type)) return;
  cpu.iretUnblocked = 0;
  if (cpu.activity != Activity.ACTIVE) wake();
  if (type == Event.NMI) cpu.nmiBlocked = 1;
  if (type >= <i32>Event.SOFTWARE_INT && cpu.injected == 0) {
    // Such an instruction completes.
    cpu.retiredEnd++;
    cpu.runEnd++;
  }
  for (let n: u32 = 0; n < CHAIN; n++) {
    if (n > 0) spend(1);
    const first = cpu.vector;
    cpu.pending = Pending.NONE;
    cpu.delivering = first;
    clearSwitched();
    attempt(type, cpl);
    const errorPushed = delivery.hasErrorCode;
    const code = delivery.errorCode;
    cpu.injected = 0;
    if (!abandoned()) {
      cpu.delivering = -1;
      // SDM Vol. 3C, "Monitor Trap Flag": due after an event as after an instruction.
      if ((cpu.attention & Attention.TRAP) != 0) cpu.trapPending = 1;
      if (cpu.deferred != 0 && (cpu.rflags & Flag.IF) != 0) cpu.attention |= Attention.INTERRUPT;
      if (switched) updateMode();
      else updatePrivilege();
      return;
    }
    if (switched) cpl = cpu.cpl;
    cpu.cpl = cpl;
    setExt(0);
    const secondExits = cpu.pending == Pending.EVENT && exitsFor(Event.FAULT);
    if (cpu.pending != Pending.EVENT || secondExits) {
      if (cpu.pending == Pending.VM_EXIT) {
        vectoringInformation(first, type, errorPushed, code);
        if (!secondExits) {
          if ((delivery.flags & Flag.RF) != 0) setResume();
          else clearResume();
        }
      }
      updateMode();
      return;
    }
    if (type == Event.FAULT) {
      const second = cpu.vector;
      const serious = isContributory(second) || isPageFault(second);
      if (first == Vector.DF && serious) {
        shutDown();
        return;
      }
      if ((isContributory(first) && isContributory(second)) || (isPageFault(first) && serious)) {
        if (isPageFault(second)) cpu.cr2 = cpu.faultAddress;
        cpu.vector = Vector.DF;
        cpu.errorCode = 0;
        if (exitsFor(Event.FAULT)) {
          updateMode();
          return;
        }
      }
    }
    type = Event.FAULT;
  }
  cpu.delivering = -1;
  updateMode();
}

/**
 * In a guest, the exception bitmap (SDM Vol. 3C, "Exceptions"): true where the pending exception becomes a VM
 * exit instead. INT n and interrupts are none of its business.
 */
function exitsFor(type: i32): bool {
  if (!inGuest()) return false;
  if (type != Event.FAULT && type != Event.SOFTWARE_EXCEPTION && type != Event.PRIVILEGED_TRAP) return false;
  const v = <u32>cpu.vector;
  if (!exitsOnException(v, cpu.errorCode)) return false;
  const debug = v == Vector.DB;
  const qualification: u64 = v == Vector.PF ? cpu.faultAddress : debug ? cpu.pendingDebug : 0;
  cpu.pending = Pending.NONE;
  exit(Exit.EXCEPTION_NMI, qualification);
  const withCode = type == Event.FAULT && !inRealMode() && pushesErrorCode(v);
  const unblocked: u32 = cpu.iretUnblocked != 0 ? <u32>Interruption.UNBLOCKED_BY_IRET : 0;
  setExitEvent(eventInformation(v, type, withCode) | unblocked, cpu.errorCode);
  if (type != Event.FAULT) setExitLength(cpu.eventLength);
  if (type == Event.FAULT && (!debug || (cpu.pendingDebug & Dr6.BD) != 0)) setResume();
  if (debug) cpu.pendingDebug = 0;
  return true;
}

/** An event as records of exits have it. */
function eventInformation(v: u32, type: i32, withCode: bool): u32 {
  return Interruption.VALID | v | (type << Interruption.TYPE_SHIFT) | (withCode ? <u32>Interruption.ERROR_CODE : 0);
}

/** The VM exit that is pending came while an event was being delivered. */
function vectoringInformation(v: u32, type: i32, withCode: bool, code: u32): void {
  setExitVectoring(eventInformation(v, type, withCode), code);
  closeShadow();
  if (type >= Event.SOFTWARE_INT) setExitLength(cpu.eventLength);
}

/** SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)": a third fault shuts the processor down. */
function shutDown(): void {
  cpu.pending = Pending.NONE;
  cpu.delivering = -1;
  if (inGuest()) {
    exit(Exit.TRIPLE_FAULT);
    updateMode();
    return;
  }
  cpu.activity = Activity.SHUTDOWN;
  attend(Attention.INACTIVE);
  updateMode();
}

