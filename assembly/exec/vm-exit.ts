/**
 * VM exits (SDM Vol. 3C, "VM Exits"): the one place that every exit passes. Saves the guest state, loads the host state;
 * counts the exit and keeps a record of it where somebody asked for one.
 */
import { cpu, Gpr, gpr, HOST_SEG, SEG, Seg, setGpr } from '../cpu/state';
import { Activity, attend, Attention, clock, Event, Pending, retired } from '../cpu/pending';
import { Cr0, Cr4, Efer } from '../cpu/control';
import { modelWord } from '../cpu/features';
import { Key, segBase, segLimit, segRights, selector, Rights, putSegment } from '../cpu/segments';
import { closeShadow, inShadow, inStackShadow, replaceRflags, setResume, wholeRflags } from '../cpu/rflags';
import { Dr6, updateDebug, updateStepping } from '../cpu/debug';
import { Flag } from '../cpu/flags';
import { heldMsr, holdMsr, MsrSlot } from '../cpu/msr';
import { Blocking, Capability, ENABLED_BREAKPOINT, EntryControl, ExitControl, Interruption, Misc, Pin, Secondary } from '../vmx/controls';
import { copySegments, entered, saveFields, saveSegments, setEntered } from '../vmx/entered';
import { Field, field, Region, setField } from '../vmx/vmcs';
import { enterRootOperation, Reason } from '../vmx/exits';
import { recordExit } from '../vmx/record';
import { Access, flushVpid, lookup } from '../mmu/tlb';
import { loadPdptes } from '../mmu/walk';
import { updateMode } from '../mmu/mode';
import { loadMsrs, storeMsrs } from './msr-lists';
import { CR0_KEPT } from './vm-entry';

const ENTRY_FAILURE: u32 = 0x80000000;
const DEBUGCTL_BTF: u64 = 2;
/** VMX-abort indicators (SDM Vol. 3C, "VMX Aborts"). */
const enum Abort { SAVE_MSRS = 1, HOST_PDPTES, LOAD_MSRS = 4, IA32E_MODE = 6 }

/** Carries out the VM exit that vmExit recorded. */
export function leaveGuest(): void {
  cpu.pending = Pending.NONE;
  const reason = field<u32>(Field.EXIT_REASON);
  // The access will be made again, and its instruction breakpoint is done with ("Saving RIP, RSP, RFLAGS, and SSP").
  const access = reason == Reason.APIC_ACCESS || reason == Reason.EPT_VIOLATION || reason == Reason.EPT_MISCONFIG || reason == Reason.PML_FULL;
  if (access && (field<u32>(Field.IDT_VECTORING_INFORMATION) & Interruption.VALID) == 0) setResume();
  recordExit(reason, codeBytes());
  saveGuest();
  if ((cpu.pinControls & Pin.VIRTUAL_NMIS) != 0) cpu.nmiBlocked = 0;
  // An NMI that exits blocks others, as one that is delivered does.
  if (reason == Reason.EXCEPTION_NMI && isNmi(field<u32>(Field.EXIT_INTERRUPTION_INFORMATION))) cpu.nmiBlocked = 1;
  cpu.monitorPa = 0;
  if (!storeMsrs(entered<u64>(Field.EXIT_MSR_STORE_ADDRESS), entered<u32>(Field.EXIT_MSR_STORE_COUNT))) abort(Abort.SAVE_MSRS);
  else loadHost();
  saveFields();
}

@inline function isNmi(information: u32): bool { return (information >> Interruption.TYPE_SHIFT & 7) == Event.NMI; }

/** A VM entry that fails after it began: no guest state is saved (SDM Vol. 3C, "VM-Entry Failures During or After Loading Guest State"). */
export function failEntry(reason: u32, qualification: u64): void {
  setField<u32>(Field.EXIT_REASON, reason | ENTRY_FAILURE);
  setField<u64>(Field.EXIT_QUALIFICATION, qualification);
  cpu.retiredEnd++;
  cpu.runEnd++;
  cpu.entryRetired = retired();
  recordExit(reason | ENTRY_FAILURE, 0);
  loadHost();
}

/** Host address of the guest's next instruction where a cached translation leads to it, else 0. */
function codeBytes(): u32 {
  return cpu.recordExits == 0 ? 0 : lookup(((cpu.modeKey & Key.FLAT) != 0 ? cpu.blockRip : segBase(Seg.CS) + cpu.blockRip) & cpu.laMask, 1, Access.EXEC);
}

/** SDM Vol. 3C, "Saving Guest State" */
function saveGuest(): void {
  const exit = entered<u32>(Field.EXIT_CONTROLS);
  setEntered<u64>(Field.GUEST_CR0, cpu.cr0);
  setEntered<u64>(Field.GUEST_CR3, cpu.cr3);
  setEntered<u64>(Field.GUEST_CR4, cpu.cr4);
  if ((exit & ExitControl.SAVE_DEBUG) != 0) {
    setEntered<u64>(Field.GUEST_DR7, cpu.dr7);
    setEntered<u64>(Field.GUEST_DEBUGCTL, heldMsr(MsrSlot.DEBUGCTL));
  }
  setField<u32>(Field.GUEST_SYSENTER_CS, <u32>cpu.sysenterCs);
  setEntered<u64>(Field.GUEST_SYSENTER_ESP, cpu.sysenterEsp);
  setEntered<u64>(Field.GUEST_SYSENTER_EIP, cpu.sysenterEip);
  if ((exit & ExitControl.SAVE_EFER) != 0) setEntered<u64>(Field.GUEST_EFER, cpu.efer);
  if ((exit & ExitControl.SAVE_PAT) != 0) setEntered<u64>(Field.GUEST_PAT, cpu.pat);
  if ((modelWord(Capability.MISC) & Misc.STORE_LMA) != 0) {
    const entry = entered<u32>(Field.ENTRY_CONTROLS) & ~(<u32>EntryControl.IA32E_GUEST);
    const now = (cpu.efer & Efer.LMA) != 0 ? entry | EntryControl.IA32E_GUEST : entry;
    setEntered<u32>(Field.ENTRY_CONTROLS, now);
    setField<u32>(Field.ENTRY_CONTROLS, now);
  }
  setField<u32>(Field.ENTRY_INTERRUPTION_INFORMATION, field<u32>(Field.ENTRY_INTERRUPTION_INFORMATION) & 0x7fffffff);
  saveSegments();
  setEntered<u64>(Field.GUEST_GDTR_BASE, cpu.gdtrBase);
  setEntered<u32>(Field.GUEST_GDTR_LIMIT, cpu.gdtrLimit);
  setEntered<u64>(Field.GUEST_IDTR_BASE, cpu.idtrBase);
  setEntered<u32>(Field.GUEST_IDTR_LIMIT, cpu.idtrLimit);
  setField<u64>(Field.GUEST_RSP, gpr(Gpr.RSP));
  setField<u64>(Field.GUEST_RIP, cpu.blockRip);
  const flags = wholeRflags();
  setField<u64>(Field.GUEST_RFLAGS, flags);
  setEntered<u64>(Field.GUEST_RFLAGS, flags);
  setField<u64>(Field.GUEST_PDPTE0, cpu.pdpte0);
  setField<u64>(Field.GUEST_PDPTE1, cpu.pdpte1);
  setField<u64>(Field.GUEST_PDPTE2, cpu.pdpte2);
  setField<u64>(Field.GUEST_PDPTE3, cpu.pdpte3);
  saveNonRegisters(exit);
}
function saveNonRegisters(exit: u32): void {
  let blocking: u32 = cpu.nmiBlocked != 0 ? <u32>Blocking.NMI : 0;
  if (inShadow()) blocking |= inStackShadow() ? <u32>Blocking.MOV_SS : <u32>Blocking.STI;
  setField<u32>(Field.GUEST_INTERRUPTIBILITY_STATE, blocking);
  setField<u32>(Field.GUEST_ACTIVITY_STATE, cpu.activity);
  let debug = cpu.pendingDebug;
  if ((debug & Dr6.HITS) != 0) debug |= ENABLED_BREAKPOINT;
  // A load of SS puts its single-step trap off; VM entry would refuse the blocking without it.
  if (inStackShadow() && (cpu.rflags & Flag.TF) != 0 && (heldMsr(MsrSlot.DEBUGCTL) & DEBUGCTL_BTF) == 0) debug |= Dr6.BS;
  setField<u64>(Field.GUEST_PENDING_DEBUG_EXCEPTIONS, debug);
  if ((exit & ExitControl.SAVE_TIMER) != 0 && (cpu.pinControls & Pin.PREEMPTION_TIMER) != 0) {
    const rate = modelWord(Capability.MISC) & Misc.TIMER_RATE;
    const left = cpu.vmxDeadline <= clock() ? 0 : ((cpu.vmxDeadline + cpu.tscOffset) >> rate) - ((clock() + cpu.tscOffset) >> rate);
    setField<u32>(Field.VMX_PREEMPTION_TIMER_VALUE, <u32>left);
  }
}

/** SDM Vol. 3C, "Loading Host State" */
function loadHost(): void {
  const exit = entered<u32>(Field.EXIT_CONTROLS);
  const long = (exit & ExitControl.HOST_64) != 0;
  const tagged = (cpu.secondaryControls & Secondary.VPID) != 0;
  enterRootOperation();
  if (!long && (cpu.efer & Efer.LMA) != 0) {
    abort(Abort.IA32E_MODE);
    return;
  }
  cpu.cr0 = (cpu.cr0 & CR0_KEPT) | (entered<u64>(Field.HOST_CR0) & ~CR0_KEPT);
  cpu.cr3 = entered<u64>(Field.HOST_CR3);
  cpu.cr4 = entered<u64>(Field.HOST_CR4) | (long ? <u64>Cr4.PAE : 0);
  if (!long) cpu.cr4 &= ~(<u64>Cr4.PCIDE);
  cpu.dr7 = 0x400;
  holdMsr(MsrSlot.DEBUGCTL, 0);
  cpu.sysenterCs = field<u32>(Field.HOST_SYSENTER_CS);
  cpu.sysenterEsp = entered<u64>(Field.HOST_SYSENTER_ESP);
  cpu.sysenterEip = entered<u64>(Field.HOST_SYSENTER_EIP);
  if ((exit & ExitControl.LOAD_EFER) != 0) cpu.efer = entered<u64>(Field.HOST_EFER);
  cpu.efer = long ? cpu.efer | (Efer.LMA | Efer.LME) : cpu.efer & ~(<u64>(Efer.LMA | Efer.LME));
  if ((exit & ExitControl.LOAD_PAT) != 0) cpu.pat = entered<u64>(Field.HOST_PAT);
  copySegments(SEG, HOST_SEG);
  loadTables();
  setGpr(Gpr.RSP, field<u64>(Field.HOST_RSP));
  cpu.blockRip = entered<u64>(Field.HOST_RIP);
  cpu.cpl = 0;
  closeShadow();
  replaceRflags(2);
  cpu.pendingDebug = 0;
  cpu.delivering = -1;
  cpu.activity = Activity.ACTIVE;
  cpu.attention &= ~(<u32>(Attention.INACTIVE | Attention.TRAP));
  if (cpu.nmiPending != 0) cpu.attention |= Attention.INTERRUPT;
  if (!tagged) flushVpid(0, true);
  updateDebug();
  updateMode();
  if (!long && (cpu.cr0 & Cr0.PG) != 0 && (cpu.cr4 & Cr4.PAE) != 0 && !loadPdptes(cpu.cr3)) {
    abort(Abort.HOST_PDPTES);
    return;
  }
  const count = entered<u32>(Field.EXIT_MSR_LOAD_COUNT);
  if (count == 0) return;
  if (loadMsrs(entered<u64>(Field.EXIT_MSR_LOAD_ADDRESS), count) != 0) abort(Abort.LOAD_MSRS);
  else updateMode();
}

/**
 * SDM Vol. 3C, "Loading Host Segment and Descriptor-Table Registers": makes the image of the segment registers that every
 * exit loads, for as long as the VM entry finds the same fields of the host state.
 */
export function prepareHost(): void {
  const long = (entered<u32>(Field.EXIT_CONTROLS) & ExitControl.HOST_64) != 0;
  const CODE: u32 = Rights.G | Rights.P | Rights.S | Rights.CODE | Rights.READABLE | Rights.ACCESSED;
  putHost(Seg.CS, entered<u32>(Field.HOST_CS_SELECTOR), 0, 0xffffffff, CODE | (long ? <u32>Rights.L : <u32>Rights.DB));
  putData(Seg.ES, 0, true);
  putData(Seg.SS, 0, !long);
  putData(Seg.DS, 0, true);
  putData(Seg.FS, entered<u64>(Field.HOST_FS_BASE), true);
  putData(Seg.GS, entered<u64>(Field.HOST_GS_BASE), true);
  putHost(Seg.LDTR, 0, 0, 0, Rights.UNUSABLE);
  putHost(Seg.TR, entered<u32>(Field.HOST_TR_SELECTOR), entered<u64>(Field.HOST_TR_BASE), 0x67, Rights.P | 11);
}
function putHost(s: u32, sel: u32, base: u64, limit: u32, rights: u32): void {
  putSegment(HOST_SEG + (s << 5), sel, base, limit, rights);
}
function putData(s: u32, base: u64, mayBeUnusable: bool): void {
  const sel = entered<u32>(Field.HOST_ES_SELECTOR + (s << 3));
  const rights: u32 = Rights.G | Rights.DB | Rights.P | Rights.S | Rights.WRITABLE | Rights.ACCESSED;
  putHost(s, sel, base, 0xffffffff, sel == 0 && mayBeUnusable ? rights | Rights.UNUSABLE : rights);
}
function loadTables(): void {
  cpu.gdtrBase = entered<u64>(Field.HOST_GDTR_BASE);
  cpu.gdtrLimit = 0xffff;
  cpu.idtrBase = entered<u64>(Field.HOST_IDTR_BASE);
  cpu.idtrLimit = 0xffff;
}

/** SDM Vol. 3C, "VMX Aborts": the processor shuts down. */
function abort(indicator: u32): void {
  store<u32>(cpu.vmcs, indicator, Region.ABORT);
  enterRootOperation();
  updateMode();
  cpu.activity = Activity.SHUTDOWN;
  attend(Attention.INACTIVE);
}
