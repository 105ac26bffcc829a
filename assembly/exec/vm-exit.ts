/**
 * VM exits (SDM Vol. 3C, "VM Exits"): the one place that every exit passes. Saves the guest state, loads the host state;
 * counts the exit and keeps a record of it where somebody asked for one.
 */
import { cpu, Seg } from '../cpu/state';
import { Cr0, Cr4, Efer } from '../cpu/control';
import { Exit, Interruption, lastExit, setExit } from '../cpu/exit';
import { Failure, recordExit } from '../cpu/exit-records';
import { Activity, attend, Attention, Event, Pending, retired } from '../cpu/pending';
import { setResume } from '../cpu/rflags';
import { Key, segBase } from '../cpu/segments';
import { saveFields } from '../vmx/entered';
import { writeEntryFailure, writeExit } from '../vmx/exit-fields';
import { enterRootOperation, hasVirtualNmis, isTagged } from '../vmx/guest';
import { isHostLong, loadHostRegisters } from '../vmx/host';
import { saveGuest } from '../vmx/save-guest';
import { setAbort } from '../vmx/vmcs';
import { Access, flushVpid, lookup } from '../mmu/tlb';
import { loadPdptes } from '../mmu/walk';
import { updateMode } from '../mmu/mode';
import { loadExitMsrs, storeExitMsrs } from './msr-lists';

/** VMX-abort indicators (SDM Vol. 3C, "VMX Aborts"). */
const enum Abort { SAVE_MSRS = 1, HOST_PDPTES, LOAD_MSRS = 4, IA32E_MODE = 6 }

/** Carries out the VM exit that is pending. */
export function leaveGuest(): void {
  cpu.pending = Pending.NONE;
  const reason = lastExit.reason;
  // The access will be made again, and its instruction breakpoint is done with ("Saving RIP, RSP, RFLAGS, and SSP").
  const access = reason == Exit.APIC_ACCESS || reason == Exit.EPT_VIOLATION || reason == Exit.EPT_MISCONFIG || reason == Exit.PML_FULL;
  if (access && (lastExit.vectoring & Interruption.VALID) == 0) setResume();
  recordExit(codeBytes());
  writeExit();
  saveGuest();
  if (hasVirtualNmis()) cpu.nmiBlocked = 0;
  // An NMI that exits blocks others, as one that is delivered does.
  if (reason == Exit.EXCEPTION_NMI && isNmi(lastExit.interruption)) cpu.nmiBlocked = 1;
  cpu.monitorPa = 0;
  if (storeExitMsrs()) loadHost();
  else abort(Abort.SAVE_MSRS);
  saveFields();
}

@inline function isNmi(information: u32): bool { return (information >> Interruption.TYPE_SHIFT & 7) == Event.NMI; }

/** A VM entry that fails after it began: no guest state is saved (SDM Vol. 3C, "VM-Entry Failures During or After Loading Guest State"). */
export function failEntry(reason: Exit, qualification: u64): void {
  setExit(reason | Failure.ENTRY, qualification);
  writeEntryFailure();
  cpu.retiredEnd++;
  cpu.runEnd++;
  cpu.entryRetired = retired();
  recordExit(0);
  loadHost();
}

/** Host address of the guest's next instruction where a cached translation leads to it, else 0. */
function codeBytes(): u32 {
  if (cpu.recordExits == 0) return 0;
  const base: u64 = (cpu.modeKey & Key.FLAT) != 0 ? 0 : segBase(Seg.CS);
  return lookup((base + cpu.blockRip) & cpu.laMask, 1, Access.EXEC);
}

/** SDM Vol. 3C, "Loading Host State" */
function loadHost(): void {
  const long = isHostLong();
  const tagged = isTagged();
  enterRootOperation();
  if (!long && (cpu.efer & Efer.LMA) != 0) {
    abort(Abort.IA32E_MODE);
    return;
  }
  loadHostRegisters();
  cpu.pendingDebug = 0;
  cpu.delivering = -1;
  cpu.activity = Activity.ACTIVE;
  // Of what DR7 and RFLAGS hold now nothing is armed.
  cpu.slowData = 0;
  cpu.attention &= ~(<u32>(Attention.INACTIVE | Attention.TRAP | Attention.DEBUG));
  if (cpu.nmiPending != 0) cpu.attention |= Attention.INTERRUPT;
  if (!tagged) flushVpid(0, true);
  updateMode();
  if (!long && (cpu.cr0 & Cr0.PG) != 0 && (cpu.cr4 & Cr4.PAE) != 0 && !loadPdptes(cpu.cr3)) {
    abort(Abort.HOST_PDPTES);
    return;
  }
  if (!loadExitMsrs()) abort(Abort.LOAD_MSRS);
}

/** SDM Vol. 3C, "VMX Aborts": the processor shuts down. */
function abort(indicator: Abort): void {
  setAbort(indicator);
  enterRootOperation();
  updateMode();
  cpu.activity = Activity.SHUTDOWN;
  attend(Attention.INACTIVE);
}
