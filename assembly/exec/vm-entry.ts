/**
 * VM entry once VMLAUNCH or VMRESUME found controls and host state in order (SDM Vol. 3C, "VM Entries"): loads the guest
 * state, injects an event, or becomes a VM exit that says why not.
 */
import { cpu, Gpr, setGpr } from '../cpu/state';
import { Activity, attend, Attention, clock, Event, Pending, Vector } from '../cpu/pending';
import { Cr0, Efer } from '../cpu/control';
import { modelWord } from '../cpu/features';
import { Flag } from '../cpu/flags';
import { closeShadow, openShadow, openStackShadow, replaceRflags, setResume } from '../cpu/rflags';
import { Dr6, updateDebug, updateStepping } from '../cpu/debug';
import { holdMsr, MsrSlot } from '../cpu/msr';
import { secondaryControls } from '../vmx/check-fields';
import { checkGuest, entryQualification } from '../vmx/check-guest';
import { Blocking, Capability, ENABLED_BREAKPOINT, EntryControl, Interruption, Misc, Pin, Primary, Secondary } from '../vmx/controls';
import { hasSecondary, Reason } from '../vmx/exits';
import { recordEntry } from '../vmx/record';
import { delivers, enterVirtualApic } from '../vmx/virtual-apic';
import { Rule } from '../vmx/fields.gen';
import { Clean, entered, isClean, loadSegments, setClean } from '../vmx/entered';
import { Field, field, Region, regionHost } from '../vmx/vmcs';
import { flushVpid } from '../mmu/tlb';
import { forgetDirty, useEptPointer } from '../mmu/ept';
import { loadPdptes } from '../mmu/walk';
import { updateMode } from '../mmu/mode';
import { deliverPending } from './deliver';
import { mayInterrupt } from './interrupts';
import { loadMsrs } from './msr-lists';
import { failEntry, prepareHost } from './vm-exit';

/** CR0 bits that VM entry and VM exit leave as they are: ET, NW, CD and the reserved ones. */
export const CR0_KEPT: u64 = ~(<u64>(Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS | Cr0.NE | Cr0.WP | Cr0.AM | <u64>Cr0.PG));
/** Types of injected events that name no exception of their own: a pending MTF VM exit. */
const OTHER_EVENT: u32 = 7;

/** Enters the guest of the current VMCS. */
export function vmEntry(): void {
  cpu.pending = Pending.NONE;
  if (!isClean(Clean.HOST)) prepareHost();
  const rule = checkGuest();
  if (rule != Rule.NONE) {
    cpu.brokenRule = rule;
    failEntry(Reason.INVALID_STATE, entryQualification);
    return;
  }
  loadControls();
  loadRegisters();
  const failed = loadMsrs(entered<u64>(Field.ENTRY_MSR_LOAD_ADDRESS), entered<u32>(Field.ENTRY_MSR_LOAD_COUNT));
  if (failed != 0) {
    failEntry(Reason.MSR_LOAD_FAIL, failed);
    return;
  }
  store<u32>(cpu.vmcs, 1, Region.LAUNCHED);
  setClean();
  cpu.retiredEnd++;
  cpu.runEnd++;
  // RF is for the guest's first instruction.
  if ((entered<u64>(Field.GUEST_RFLAGS) & Flag.RF) != 0) setResume();
  cpu.pauseAt = 0;
  // SDM Vol. 3C, "Clearing Address-Range Monitoring".
  cpu.monitorPa = 0;
  recordEntry();
  enterVirtualApic();
  startTimer();
  beginGuest();
}

/** What the VMCS controls takes effect: address translation, intercepts. */
function loadControls(): void {
  cpu.pinControls = entered<u32>(Field.PIN_BASED_CONTROLS);
  cpu.primaryControls = entered<u32>(Field.PRIMARY_CONTROLS);
  cpu.secondaryControls = secondaryControls();
  cpu.exceptionBitmap = field<u32>(Field.EXCEPTION_BITMAP);
  useEptPointer(hasSecondary(Secondary.EPT) ? entered<u64>(Field.EPTP) : 0);
  cpu.shadowVmcs = hasSecondary(Secondary.VMCS_SHADOWING) ? regionHost(entered<u64>(Field.VMCS_LINK_POINTER)) : 0;
  cpu.nonRoot = 1;
}

function loadRegisters(): void {
  const entry = entered<u32>(Field.ENTRY_CONTROLS);
  cpu.cr0 = (cpu.cr0 & CR0_KEPT) | (entered<u64>(Field.GUEST_CR0) & ~CR0_KEPT);
  cpu.cr3 = entered<u64>(Field.GUEST_CR3);
  cpu.cr4 = entered<u64>(Field.GUEST_CR4);
  if ((entry & EntryControl.LOAD_DEBUG) != 0) {
    cpu.dr7 = (entered<u64>(Field.GUEST_DR7) & 0xffff2fff) | 0x400;
    holdMsr(MsrSlot.DEBUGCTL, entered<u64>(Field.GUEST_DEBUGCTL));
  }
  cpu.sysenterCs = field<u32>(Field.GUEST_SYSENTER_CS);
  cpu.sysenterEsp = entered<u64>(Field.GUEST_SYSENTER_ESP);
  cpu.sysenterEip = entered<u64>(Field.GUEST_SYSENTER_EIP);
  if ((entry & EntryControl.LOAD_EFER) != 0) cpu.efer = entered<u64>(Field.GUEST_EFER);
  else {
    const long: u64 = (entry & EntryControl.IA32E_GUEST) != 0 ? Efer.LMA | Efer.LME : 0;
    const kept: u64 = (cpu.cr0 & Cr0.PG) != 0 ? ~<u64>(Efer.LMA | Efer.LME) : ~<u64>Efer.LMA;
    cpu.efer = (cpu.efer & kept) | (long & ~kept);
  }
  if ((entry & EntryControl.LOAD_PAT) != 0) cpu.pat = entered<u64>(Field.GUEST_PAT);
  loadSegments();
  cpu.gdtrBase = entered<u64>(Field.GUEST_GDTR_BASE);
  cpu.gdtrLimit = entered<u32>(Field.GUEST_GDTR_LIMIT);
  cpu.idtrBase = entered<u64>(Field.GUEST_IDTR_BASE);
  cpu.idtrLimit = entered<u32>(Field.GUEST_IDTR_LIMIT);
  setGpr(Gpr.RSP, field<u64>(Field.GUEST_RSP));
  cpu.blockRip = entered<u64>(Field.GUEST_RIP);
  closeShadow();
  replaceRflags(entered<u64>(Field.GUEST_RFLAGS));
  loadPagePointers();
  if ((cpu.secondaryControls & Secondary.VPID) == 0) {
    flushVpid(0, true);
    forgetDirty();
  }
  updateDebug();
  updateMode();
}
/** PDPTE registers: from their fields under EPT, else from memory, where checkGuest looked at them. */
function loadPagePointers(): void {
  if (cpu.eptp != 0) {
    cpu.pdpte0 = entered<u64>(Field.GUEST_PDPTE0);
    cpu.pdpte1 = entered<u64>(Field.GUEST_PDPTE1);
    cpu.pdpte2 = entered<u64>(Field.GUEST_PDPTE2);
    cpu.pdpte3 = entered<u64>(Field.GUEST_PDPTE3);
  } else if ((cpu.efer & Efer.LMA) == 0) loadPdptes(cpu.cr3);
}

/** SDM Vol. 3C, "VMX-Preemption Timer": it counts down whenever a bit of the TSC changes. */
function startTimer(): void {
  cpu.vmxDeadline = 0;
  if ((cpu.pinControls & Pin.PREEMPTION_TIMER) == 0) return;
  const rate = modelWord(Capability.MISC) & Misc.TIMER_RATE;
  const tsc = clock() + cpu.tscOffset;
  cpu.vmxDeadline = (((tsc >> rate) + field<u32>(Field.VMX_PREEMPTION_TIMER_VALUE)) << rate) - cpu.tscOffset;
  if (cpu.vmxDeadline < clock() || cpu.vmxDeadline == 0) cpu.vmxDeadline = max<u64>(clock(), 1);
}

/** SDM Vol. 3C, "Delivery of Pending Debug Exceptions after VM Entry": most injected events, and idle states, leave none. */
function pendingDebug(blocking: u32, info: u32): u64 {
  const debug = entered<u64>(Field.GUEST_PENDING_DEBUG_EXCEPTIONS);
  if ((debug & (ENABLED_BREAKPOINT | Dr6.BS)) == 0) return 0;
  const type = (info >> Interruption.TYPE_SHIFT) & 7;
  if ((info & Interruption.VALID) == 0 || type == OTHER_EVENT) {
    if (cpu.activity > <u32>Activity.HLT) return 0;
  } else if ((blocking & Blocking.MOV_SS) == 0 || (type != Event.SOFTWARE_INT && type != Event.SOFTWARE_EXCEPTION)) return 0;
  return debug & (Dr6.HITS | Dr6.BS);
}

/** Non-register state and the injected event (SDM Vol. 3C, "Event Injection"). */
function beginGuest(): void {
  const blocking = entered<u32>(Field.GUEST_INTERRUPTIBILITY_STATE);
  const info = entered<u32>(Field.ENTRY_INTERRUPTION_INFORMATION);
  cpu.nmiBlocked = (blocking & Blocking.NMI) != 0 ? 1 : 0;
  cpu.activity = entered<u32>(Field.GUEST_ACTIVITY_STATE);
  if ((blocking & Blocking.MOV_SS) != 0) openStackShadow();
  else if ((blocking & Blocking.STI) != 0) openShadow();
  cpu.pendingDebug = pendingDebug(blocking, info);
  updateStepping();
  if (mayInterrupt()) cpu.attention |= Attention.INTERRUPT;
  if (cpu.activity != Activity.ACTIVE) cpu.attention |= Attention.INACTIVE;
  if ((cpu.primaryControls & Primary.MONITOR_TRAP) != 0) attend(Attention.TRAP);
  if ((info & Interruption.VALID) == 0) return;
  const type = (info >> Interruption.TYPE_SHIFT) & 7;
  if (type == OTHER_EVENT) {
    cpu.trapPending = 1;
    attend(Attention.TRAP);
  } else inject(<i32>(info & Interruption.VECTOR), <i32>type, (info & Interruption.ERROR_CODE) != 0);
}
function inject(vector: i32, type: i32, hasErrorCode: bool): void {
  cpu.pending = Pending.EVENT;
  cpu.vector = vector;
  cpu.eventType = type;
  cpu.errorCode = hasErrorCode ? entered<u32>(Field.ENTRY_EXCEPTION_ERROR_CODE) : 0;
  cpu.eventLength = entered<u32>(Field.ENTRY_INSTRUCTION_LENGTH);
  if (vector == Vector.PF && type == Event.FAULT) cpu.faultAddress = cpu.cr2;
  cpu.injected = hasErrorCode ? 2 : 1;
  deliverPending();
}
