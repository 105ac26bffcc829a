/** What the VMCS in charge turns on for the guest that runs, and how its time ends. */
import { cpu } from '../cpu/state';
import { ExitControl, Pin, Primary, Secondary } from './controls';
import { entered } from './entered';
import { Field } from './vmcs';

/** Is a primary or secondary control set for the running guest? Never in root operation. */
@inline export function hasPrimary(control: u32): bool { return (cpu.primaryControls & control) != 0; }
@inline export function hasSecondary(control: u32): bool { return (cpu.secondaryControls & control) != 0; }

/** Does blocking by NMI mean that of virtual NMIs, which the hypervisor injects? */
@inline export function hasVirtualNmis(): bool { return (cpu.pinControls & Pin.VIRTUAL_NMIS) != 0; }
/** Is the TPR that instructions mean the one of the virtual-APIC page? */
@inline export function hasVirtualTpr(): bool { return hasPrimary(Primary.TPR_SHADOW); }
/** Are there virtual interrupts, which the processor delivers by itself? */
@inline export function hasVirtualInterrupts(): bool { return hasSecondary(Secondary.VIRTUAL_INTERRUPTS); }
/** The VPID of the guest's translations, 0 without one. */
export function currentVpid(): u32 { return isTagged() ? entered<u16>(Field.VPID) : 0; }
/** Do translations of the guest have a tag of their own, so that entry and exit flush none? */
@inline export function isTagged(): bool { return hasSecondary(Secondary.VPID); }
/** May the guest run without paging and without protection? */
@inline export function isUnrestricted(): bool { return hasSecondary(Secondary.UNRESTRICTED); }
/** Does an interrupt that exits take its vector from the controller? */
@inline export function acknowledgesOnExit(): bool { return (entered<u32>(Field.EXIT_CONTROLS) & ExitControl.ACKNOWLEDGE) != 0; }
/** Does an interrupt with this vector mean that virtual ones were posted (SDM Vol. 3C, "Posted-Interrupt Processing")? */
export function notifiesOfPosted(vector: u32): bool {
  return (cpu.pinControls & Pin.POSTED_INTERRUPTS) != 0 &&
    vector == (entered<u32>(Field.POSTED_INTERRUPT_NOTIFICATION_VECTOR) & 0xffff);
}

/** The MSR areas of a VMCS. */
export const enum MsrArea { EXIT_STORE, EXIT_LOAD, ENTRY_LOAD }
export function areaCount(area: MsrArea): u32 {
  if (area == MsrArea.EXIT_STORE) return entered<u32>(Field.EXIT_MSR_STORE_COUNT);
  return entered<u32>(area == MsrArea.EXIT_LOAD ? Field.EXIT_MSR_LOAD_COUNT : Field.ENTRY_MSR_LOAD_COUNT);
}
export function areaAddress(area: MsrArea): u64 {
  if (area == MsrArea.EXIT_STORE) return entered<u64>(Field.EXIT_MSR_STORE_ADDRESS);
  return entered<u64>(area == MsrArea.EXIT_LOAD ? Field.EXIT_MSR_LOAD_ADDRESS : Field.ENTRY_MSR_LOAD_ADDRESS);
}

/** Nothing is intercepted and nothing of a guest is under way any more: VMX root operation, or none. */
export function enterRootOperation(): void {
  cpu.nonRoot = 0;
  cpu.intercepts = 0;
  cpu.eptKey = 0;
  cpu.pinControls = 0;
  cpu.primaryControls = 0;
  cpu.secondaryControls = 0;
  cpu.exceptionBitmap = 0;
  cpu.eptp = 0;
  cpu.contextTag = 0;
  cpu.vmxDeadline = 0;
  cpu.apicAccessPage = u64.MAX_VALUE;
  cpu.trapExit = 0;
  cpu.trapPending = 0;
  cpu.injected = 0;
  cpu.iretUnblocked = 0;
}
