/** SDM Vol. 3C, "Loading Guest State": what a VM entry reads from the VMCS, once it passed the checks. */
import { cpu, Gpr, setGpr } from '../cpu/state';
import { Cr0, Efer } from '../cpu/control';
import { Dr6, Dr7 } from '../cpu/debug';
import { Interruption } from '../cpu/exit';
import { holdMsr, MsrSlot } from '../cpu/msr';
import { Activity, Event } from '../cpu/pending';
import { closeShadow, openShadow, openStackShadow, replaceRflags } from '../cpu/rflags';
import { secondaryControls } from './check-fields';
import { Blocking, ENABLED_BREAKPOINT, EntryControl, Secondary } from './controls';
import { Clean, entered, isClean, loadSegments } from './entered';
import { hasSecondary } from './guest';
import { CR0_KEPT } from './host';
import { interceptsOf } from './intercepts';
import { Field, field, regionHost } from './vmcs';

/** What the VMCS controls takes effect, but for the translation of addresses. */
export function loadControls(): void {
  if (!isClean(Clean.CONTROLS)) cpu.guestIntercepts = interceptsOf();
  cpu.intercepts = cpu.guestIntercepts;
  cpu.pinControls = entered<u32>(Field.PIN_BASED_CONTROLS);
  cpu.primaryControls = entered<u32>(Field.PRIMARY_CONTROLS);
  cpu.secondaryControls = secondaryControls();
  cpu.exceptionBitmap = field<u32>(Field.EXCEPTION_BITMAP);
  cpu.eptKey = hasSecondary(Secondary.MODE_BASED_EXECUTE) ? EPT_KEY : 0;
  cpu.shadowVmcs = hasSecondary(Secondary.VMCS_SHADOWING) ? regionHost(entered<u64>(Field.VMCS_LINK_POINTER)) : 0;
  cpu.nonRoot = 1;
}
/** Its place in the key of a TLB bank: mmu/tlb.ts. */
const EPT_KEY: u32 = 8;
/** The EPT pointer that the guest starts with, 0 for none. */
export function eptPointer(): u64 { return hasSecondary(Secondary.EPT) ? entered<u64>(Field.EPTP) : 0; }

export function loadRegisters(): void {
  const entry = entered<u32>(Field.ENTRY_CONTROLS);
  cpu.cr0 = (cpu.cr0 & CR0_KEPT) | (entered<u64>(Field.GUEST_CR0) & ~CR0_KEPT);
  cpu.cr3 = entered<u64>(Field.GUEST_CR3);
  cpu.cr4 = entered<u64>(Field.GUEST_CR4);
  if ((entry & EntryControl.LOAD_DEBUG) != 0) {
    cpu.dr7 = (entered<u64>(Field.GUEST_DR7) & 0xffff2fff) | Dr7.ONES;
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
}
/** The PDPTE registers, which have fields for guests under EPT. */
export function loadPdpteFields(): void {
  cpu.pdpte0 = entered<u64>(Field.GUEST_PDPTE0);
  cpu.pdpte1 = entered<u64>(Field.GUEST_PDPTE1);
  cpu.pdpte2 = entered<u64>(Field.GUEST_PDPTE2);
  cpu.pdpte3 = entered<u64>(Field.GUEST_PDPTE3);
}
export function guestRflags(): u64 { return entered<u64>(Field.GUEST_RFLAGS); }

/** The event to be injected (SDM Vol. 3C, "Event Injection"): Interruption, with error code and length of the instruction. */
@inline export function injected(): u32 { return entered<u32>(Field.ENTRY_INTERRUPTION_INFORMATION); }
@inline export function injectedCode(): u32 { return entered<u32>(Field.ENTRY_EXCEPTION_ERROR_CODE); }
@inline export function injectedLength(): u32 { return entered<u32>(Field.ENTRY_INSTRUCTION_LENGTH); }

/** "Loading Guest Non-Register State" */
export function loadNonRegisters(): void {
  const blocking = entered<u32>(Field.GUEST_INTERRUPTIBILITY_STATE);
  cpu.nmiBlocked = (blocking & Blocking.NMI) != 0 ? 1 : 0;
  cpu.activity = entered<u32>(Field.GUEST_ACTIVITY_STATE);
  if ((blocking & Blocking.MOV_SS) != 0) openStackShadow();
  else if ((blocking & Blocking.STI) != 0) openShadow();
  cpu.pendingDebug = pendingDebug(blocking, injected());
}
/** "Delivery of Pending Debug Exceptions after VM Entry": most injected events, and idle states, leave none. */
function pendingDebug(blocking: u32, info: u32): u64 {
  const debug = entered<u64>(Field.GUEST_PENDING_DEBUG_EXCEPTIONS);
  if ((debug & (ENABLED_BREAKPOINT | Dr6.BS)) == 0) return 0;
  const type = (info >> Interruption.TYPE_SHIFT) & 7;
  if ((info & Interruption.VALID) == 0 || type == <u32>Event.OTHER) {
    if (cpu.activity > <u32>Activity.HLT) return 0;
  } else if ((blocking & Blocking.MOV_SS) == 0 || (type != Event.SOFTWARE_INT && type != Event.SOFTWARE_EXCEPTION)) return 0;
  return debug & (Dr6.HITS | Dr6.BS);
}
