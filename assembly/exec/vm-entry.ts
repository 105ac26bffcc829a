/**
 * VM entry once it was found that it may begin (SDM Vol. 3C, "VM Entries"): loads the guest state, injects an event, or
 * becomes a VM exit that says why not.
 */
import { cpu } from '../cpu/state';
import { Efer } from '../cpu/control';
import { updateDebug, updateStepping } from '../cpu/debug';
import { Exit, Interruption } from '../cpu/exit';
import { recordEntry } from '../cpu/exit-records';
import { Flag } from '../cpu/flags';
import { Intercept, intercepts } from '../cpu/intercepts';
import { Activity, attend, Attention, Event, Pending, Vector } from '../cpu/pending';
import { setResume } from '../cpu/rflags';
import { checkGuest, entryQualification } from '../vmx/check-guest';
import { Clean, isClean, setClean } from '../vmx/entered';
import { Rule } from '../vmx/fields.gen';
import { isTagged } from '../vmx/guest';
import { prepareHost } from '../vmx/host';
import {
  eptPointer, guestRflags, injected, injectedCode, injectedLength, loadControls, loadNonRegisters, loadPdpteFields, loadRegisters,
} from '../vmx/load-guest';
import { startTimer } from '../vmx/time';
import { enterVirtualApic } from '../vmx/virtual-apic';
import { setLaunched } from '../vmx/vmcs';
import { flushVpid } from '../mmu/tlb';
import { forgetDirty, useEptPointer } from '../mmu/ept';
import { loadPdptes } from '../mmu/walk';
import { updateMode } from '../mmu/mode';
import { deliverPending } from './deliver';
import { mayInterrupt } from './interrupts';
import { areKeptCurrent } from './kept';
import { loadEntryMsrs } from './msr-lists';
import { failEntry } from './vm-exit';

/** Carries out the VM entry that beginEntry left pending. */
export function vmEntry(): void {
  cpu.pending = Pending.NONE;
  if (!ASC_NO_ASSERT) assert(areKeptCurrent(), 'something kept since the last VM entry that its key does not guard');
  if (!isClean(Clean.HOST)) prepareHost();
  const rule = checkGuest();
  if (rule != Rule.NONE) {
    cpu.brokenRule = rule;
    failEntry(Exit.INVALID_STATE, entryQualification);
    return;
  }
  loadControls();
  useEptPointer(eptPointer());
  loadRegisters();
  loadPagePointers();
  if (!isTagged()) {
    flushVpid(0, true);
    forgetDirty();
  }
  updateDebug();
  updateMode();
  const failed = loadEntryMsrs();
  if (failed != 0) {
    failEntry(Exit.MSR_LOAD_FAIL, failed);
    return;
  }
  setLaunched();
  setClean();
  cpu.retiredEnd++;
  cpu.runEnd++;
  // RF is for the guest's first instruction.
  if ((guestRflags() & Flag.RF) != 0) setResume();
  cpu.pauseAt = 0;
  // SDM Vol. 3C, "Clearing Address-Range Monitoring".
  cpu.monitorPa = 0;
  recordEntry();
  enterVirtualApic();
  startTimer();
  beginGuest();
}

/** PDPTE registers: from their fields under EPT, else from memory, where checkGuest looked at them. */
function loadPagePointers(): void {
  if (cpu.eptp != 0) loadPdpteFields();
  else if ((cpu.efer & Efer.LMA) == 0) loadPdptes(cpu.cr3);
}

/** What the guest begins with: non-register state, and the injected event. */
function beginGuest(): void {
  loadNonRegisters();
  updateStepping();
  if (mayInterrupt()) cpu.attention |= Attention.INTERRUPT;
  if (cpu.activity != Activity.ACTIVE) cpu.attention |= Attention.INACTIVE;
  if (intercepts(Intercept.STEP)) attend(Attention.TRAP);
  const info = injected();
  if ((info & Interruption.VALID) == 0) return;
  const type = (info >> Interruption.TYPE_SHIFT) & 7;
  if (type == <u32>Event.OTHER) {
    cpu.trapPending = 1;
    attend(Attention.TRAP);
  } else inject(<i32>(info & Interruption.VECTOR), <i32>type, (info & Interruption.ERROR_CODE) != 0);
}
function inject(vector: i32, type: i32, hasErrorCode: bool): void {
  cpu.pending = Pending.EVENT;
  cpu.vector = vector;
  cpu.eventType = type;
  cpu.errorCode = hasErrorCode ? injectedCode() : 0;
  cpu.eventLength = injectedLength();
  if (vector == Vector.PF && type == Event.FAULT) cpu.faultAddress = cpu.cr2;
  cpu.injected = hasErrorCode ? 2 : 1;
  deliverPending();
}
