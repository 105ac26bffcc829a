/**
 * INIT, SIPI, NMI and external interrupts, taken between instructions in the order of SDM Vol. 3A, "Priority Among
 * Concurrent Events".
 */
import { cpu, Seg } from '../cpu/state';
import { Attention, Event, Pending, retired, Vector } from '../cpu/pending';
import { Flag } from '../cpu/flags';
import { setSegBase, setSelector } from '../cpu/segments';
import { inShadow } from '../cpu/rflags';
import { apicAccept, apicAcceptsExtInt, apicRequest } from '../apic/apic';
import { Signal, sipiVector, takeSignals } from '../apic/mailbox';
import { interruptAcknowledge } from '../mmu/bus';
import { updateMode } from '../mmu/mode';
import { deliverPending, wake } from './deliver';
import { resetByInit } from './reset';
import { Activity } from './run';

/** Takes the highest-priority event that may be delivered now, if any. */
export function takeInterrupt(): void {
  cpu.attention &= ~(<u32>Attention.INTERRUPT);
  cpu.deferred = 0;
  const signals = takeSignals();
  if ((signals & Signal.INIT) != 0) takeInit();
  if ((signals & Signal.SIPI) != 0 && cpu.activity == Activity.WAIT_FOR_SIPI) takeSipi(sipiVector());
  if ((signals & Signal.NMI) != 0) cpu.nmiPending = 1;
  if (cpu.activity == Activity.WAIT_FOR_SIPI || cpu.activity == Activity.SHUTDOWN) return;
  const external = cpu.intrPin != 0 && apicAcceptsExtInt();
  const request = external ? -1 : apicRequest();
  if (cpu.nmiPending == 0 && !external && request < 0) return;
  if (inShadow()) {
    // One more instruction, then here again.
    cpu.attention |= Attention.INTERRUPT | Attention.SHADOW;
    return;
  }
  if (cpu.nmiPending != 0) {
    if (cpu.nmiBlocked == 0) {
      cpu.nmiPending = 0;
      take(Vector.NMI, Event.NMI);
      return;
    }
    cpu.deferred = 1;
  }
  if (!external && request < 0) return;
  if ((cpu.rflags & Flag.IF) == 0) {
    cpu.deferred = 1;
    return;
  }
  if (external) take(interruptAcknowledge() & 0xff, Event.EXTERNAL);
  else {
    apicAccept(<u32>request);
    take(<u32>request, Event.EXTERNAL);
  }
}

function take(vector: u32, type: i32): void {
  if (cpu.activity == Activity.HLT) wake();
  cpu.pending = Pending.EVENT;
  cpu.vector = <i32>vector;
  cpu.errorCode = 0;
  cpu.eventType = type;
  if (cpu.runEnd > retired()) cpu.runEnd--;
  deliverPending();
  // There may be another behind it: now, or once the handler unmasks interrupts.
  if ((cpu.rflags & Flag.IF) != 0) cpu.attention |= Attention.INTERRUPT;
  else cpu.deferred = 1;
}

/** The bootstrap processor starts at the reset vector, the others wait (SDM Vol. 3A, "MP Initialization Protocol"). */
function takeInit(): void {
  const BSP: u64 = 0x100;
  resetByInit();
  if ((cpu.apicBase & BSP) != 0) return;
  cpu.activity = Activity.WAIT_FOR_SIPI;
  cpu.attention |= Attention.INACTIVE;
}
function takeSipi(vector: u32): void {
  wake();
  setSelector(Seg.CS, vector << 8);
  setSegBase(Seg.CS, <u64>vector << 12);
  cpu.blockRip = 0;
  updateMode();
}
