/**
 * INIT, SIPI, NMI and external interrupts (SDM Vol. 3A, "Handling Multiple NMIs", "Masking Maskable Hardware
 * Interrupts"; Vol. 3C, "Other Causes of VM Exits"). What is taken is left pending.
 */
import { cpu, Seg } from '../cpu/state';
import { Exit, exit, Interruption, lastExit } from '../cpu/exit';
import { inGuest, Intercept, interceptBit, intercepts } from '../cpu/intercepts';
import { abandon, Activity, Attention, Event, Pending, Vector, wake } from '../cpu/pending';
import { Flag } from '../cpu/flags';
import { setSegBase, setSelector } from '../cpu/segments';
import { inShadow } from '../cpu/rflags';
import { apicAccept, apicAcceptsExtInt, apicEnabled, apicRequest, apicWrite, Reg } from '../apic/apic';
import { Signal, sipiVector, takeSignals } from '../apic/mailbox';
import { acknowledgesOnExit, hasVirtualInterrupts, hasVirtualNmis, notifiesOfPosted } from '../vmx/guest';
import { acceptVirtual, takePosted, virtualRequest } from '../vmx/virtual-apic';
import { interruptAcknowledge } from '../mmu/bus';
import { updateMode } from '../mmu/mode';
import { resetByInit } from './reset';

/** INIT, SIPI and NMI signals. In VMX operation INIT waits in the root and is a VM exit in the guest. */
export function takeSignalled(): void {
  const signals = takeSignals();
  if ((signals & Signal.NMI) != 0) cpu.nmiPending = 1;
  if ((signals & Signal.EXT_INT) != 0) cpu.extInt = 1;
  if ((signals & Signal.INIT) != 0) cpu.initPending = 1;
  if (cpu.initPending != 0 && (cpu.vmxOn == 0 || inGuest())) {
    if (!inGuest()) {
      cpu.initPending = 0;
      takeInit();
    } else if (cpu.activity != Activity.WAIT_FOR_SIPI) {
      cpu.initPending = 0;
      exitAndLook(Exit.INIT_SIGNAL, 0);
      return;
    }
  }
  if ((signals & Signal.SIPI) == 0 || cpu.activity != Activity.WAIT_FOR_SIPI) return;
  if (!inGuest()) takeSipi(sipiVector());
  else {
    exit(Exit.SIPI_SIGNAL, sipiVector());
    cpu.attention |= Attention.INTERRUPT;
  }
}

/** A VM exit with its interruption information, after which the host looks at what else has come. */
export function exitAndLook(reason: Exit, information: u32): void {
  exit(reason);
  lastExit.interruption = information;
  cpu.attention |= Attention.INTERRUPT;
}

/** Takes the NMI or interrupt of the highest priority that may be delivered now, if any. */
export function takeInterrupt(): void {
  cpu.attention &= ~(<u32>Attention.INTERRUPT);
  cpu.deferred = 0;
  if (cpu.activity == Activity.WAIT_FOR_SIPI) return;
  if (inGuest()) {
    takeInGuest();
    return;
  }
  if (cpu.activity == Activity.SHUTDOWN) return;
  const external = controllerRequests();
  const request = external ? -1 : apicRequest();
  if (cpu.nmiPending == 0 && !external && request < 0) return;
  if (waitsForShadow()) return;
  if (cpu.nmiPending != 0) {
    if (cpu.nmiBlocked == 0) {
      takeNmi();
      return;
    }
    cpu.deferred = 1;
  }
  if (!external && request < 0) return;
  if ((cpu.rflags & Flag.IF) == 0) cpu.deferred = 1;
  else take(acknowledge(external, request), Event.EXTERNAL);
}

/**
 * After VM entry: may anything be taken in the guest? What came while the processor was in VMX root operation has the
 * attention already, or was deferred.
 */
export function mayInterrupt(): bool {
  if ((cpu.deferred | cpu.nmiPending | cpu.initPending) != 0) return true;
  return waitsForWindow() || hasVirtualInterrupts();
}

/** Does the hypervisor wait for an event that could be delivered? */
@inline function waitsForWindow(): bool {
  return (cpu.intercepts & (interceptBit(Intercept.NMI_WINDOW) | interceptBit(Intercept.INTERRUPT_WINDOW))) != 0;
}
/** One more instruction, then here again. */
function waitsForShadow(): bool {
  if (!inShadow()) return false;
  cpu.attention |= Attention.INTERRUPT | Attention.SHADOW;
  return true;
}
/** Does an 8259A ask, by the INTR pin or by a message of the I/O APIC (SDM Vol. 3A, "Local Vector Table", "ExtINT")? */
function controllerRequests(): bool {
  return (cpu.intrPin != 0 && apicAcceptsExtInt()) || (cpu.extInt != 0 && apicEnabled());
}
function acknowledge(external: bool, request: i32): u32 {
  if (external) {
    cpu.extInt = 0;
    return interruptAcknowledge() & 0xff;
  }
  apicAccept(<u32>request);
  return <u32>request;
}

/** The same in a guest: events exit, open a window that the hypervisor waits for, or are delivered. */
function takeInGuest(): void {
  const nmi = cpu.nmiPending != 0 && (cpu.nmiBlocked == 0 || hasVirtualNmis());
  const nmiWindow = intercepts(Intercept.NMI_WINDOW) && cpu.nmiBlocked == 0;
  // Shutdown blocks interrupts, and what opens for them.
  const open = cpu.activity != Activity.SHUTDOWN;
  const window = open && intercepts(Intercept.INTERRUPT_WINDOW) && (cpu.rflags & Flag.IF) != 0;
  const external = open && controllerRequests();
  const request = open && !external ? apicRequest() : -1;
  const interrupt = external || request >= 0;
  const virtual = open && !intercepts(Intercept.INTERRUPT_WINDOW) ? virtualRequest() : 0;
  if (waitsForWindow() || (cpu.nmiPending != 0 && !nmi)) cpu.deferred = 1;
  if (!nmi && !nmiWindow && !window && !interrupt && virtual == 0) return;
  if (waitsForShadow()) return;
  if (nmiWindow) exitAndLook(Exit.NMI_WINDOW, 0);
  else if (nmi) {
    if (intercepts(Intercept.NMI)) {
      cpu.nmiPending = 0;
      exitAndLook(Exit.EXCEPTION_NMI, Interruption.VALID | (Event.NMI << Interruption.TYPE_SHIFT) | Vector.NMI);
    } else takeNmi();
  } else if (window) exitAndLook(Exit.INTERRUPT_WINDOW, 0);
  else if (!interrupt) takeVirtual(virtual);
  else if (intercepts(Intercept.INTERRUPT)) {
    const acknowledges = acknowledgesOnExit();
    const vector = acknowledges ? acknowledge(external, request) : 0;
    if (notifiesOfPosted(vector)) {
      apicWrite(Reg.EOI, 4, 0);
      takePosted();
      cpu.attention |= Attention.INTERRUPT;
    } else exitAndLook(Exit.EXTERNAL_INTERRUPT, acknowledges ? Interruption.VALID | vector : 0);
  } else if ((cpu.rflags & Flag.IF) == 0) cpu.deferred = 1;
  else take(acknowledge(external, request), Event.EXTERNAL);
}
/** Virtual-interrupt delivery. */
function takeVirtual(vector: u32): void {
  if ((cpu.rflags & Flag.IF) == 0) {
    cpu.deferred = 1;
    return;
  }
  acceptVirtual(vector);
  take(vector, Event.EXTERNAL);
}

function takeNmi(): void {
  cpu.nmiPending = 0;
  take(Vector.NMI, Event.NMI);
}
function take(vector: u32, type: i32): void {
  abandon(Pending.EVENT);
  cpu.vector = <i32>vector;
  cpu.errorCode = 0;
  cpu.eventType = type;
  // There may be another after it: now, or once the handler unmasks interrupts.
  cpu.deferred = 1;
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
