/** SDM Vol. 3C, "Saving Guest State": what a VM exit writes to the guest-state area. */
import { cpu, Gpr, gpr } from '../cpu/state';
import { Efer } from '../cpu/control';
import { Dr6 } from '../cpu/debug';
import { Interruption } from '../cpu/exit';
import { modelWord } from '../cpu/features';
import { Flag } from '../cpu/flags';
import { DEBUGCTL_BTF, heldMsr, MsrSlot } from '../cpu/msr';
import { inShadow, inStackShadow, wholeRflags } from '../cpu/rflags';
import { Blocking, Capability, ENABLED_BREAKPOINT, EntryControl, ExitControl, Misc } from './controls';
import { entered, saveSegments, setEntered } from './entered';
import { saveTimer } from './time';
import { Field, field, setField } from './vmcs';

export function saveGuest(): void {
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
    if (now != entered<u32>(Field.ENTRY_CONTROLS)) {
      setEntered<u32>(Field.ENTRY_CONTROLS, now);
      setField<u32>(Field.ENTRY_CONTROLS, now);
    }
  }
  const event = field<u32>(Field.ENTRY_INTERRUPTION_INFORMATION);
  if ((event & Interruption.VALID) != 0) setField<u32>(Field.ENTRY_INTERRUPTION_INFORMATION, event & ~(<u32>Interruption.VALID));
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
  if ((cpu.efer & Efer.LMA) == 0) savePdptes();
  saveNonRegisters();
}

/** They mean something under PAE paging alone, else their fields are undefined. */
function savePdptes(): void {
  setField<u64>(Field.GUEST_PDPTE0, cpu.pdpte0);
  setField<u64>(Field.GUEST_PDPTE1, cpu.pdpte1);
  setField<u64>(Field.GUEST_PDPTE2, cpu.pdpte2);
  setField<u64>(Field.GUEST_PDPTE3, cpu.pdpte3);
}

function saveNonRegisters(): void {
  let blocking: u32 = cpu.nmiBlocked != 0 ? <u32>Blocking.NMI : 0;
  if (inShadow()) blocking |= inStackShadow() ? <u32>Blocking.MOV_SS : <u32>Blocking.STI;
  setField<u32>(Field.GUEST_INTERRUPTIBILITY_STATE, blocking);
  setField<u32>(Field.GUEST_ACTIVITY_STATE, cpu.activity);
  let debug = cpu.pendingDebug;
  if ((debug & Dr6.HITS) != 0) debug |= ENABLED_BREAKPOINT;
  // A load of SS puts its single-step trap off; VM entry would refuse the blocking without it.
  if (inStackShadow() && (cpu.rflags & Flag.TF) != 0 && (heldMsr(MsrSlot.DEBUGCTL) & DEBUGCTL_BTF) == 0) debug |= Dr6.BS;
  setField<u64>(Field.GUEST_PENDING_DEBUG_EXCEPTIONS, debug);
  saveTimer();
}
