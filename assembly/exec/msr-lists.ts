/** The MSR areas of a VMCS: lists of {index u32, reserved u32, value u64} (SDM Vol. 3C, "Loading MSRs", "Saving MSRs"). */
import { clock } from '../cpu/pending';
import { areaAddress, areaCount, MsrArea } from '../vmx/guest';
import { updateMode } from '../mmu/mode';
import { Msr } from '../cpu/msr';
import { inX2apic } from '../apic/apic';
import { hostOf, physRead, physWrite, Slot, slotFlags } from '../cpu/phys';
import { msrValue, readMsr, writeMsr } from '../ops/msr';

const ENTRY: u64 = 16;
/** Entries of a list that IA32_VMX_MISC[27:25] recommends at most; one more cannot be loaded or stored. */
const MOST: u32 = 512;
const SMM_MONITOR_CTL: u32 = 0x9b;

@inline function isX2apic(index: u32): bool { return (index & 0xffffff00) == 0x800; }

/** At VM entry: 0, or the number of the first entry, from 1, that cannot be loaded. */
export function loadEntryMsrs(): u32 { return areaCount(MsrArea.ENTRY_LOAD) == 0 ? 0 : loadMsrs(MsrArea.ENTRY_LOAD); }
/** At VM exit; false where one cannot be loaded. */
export function loadExitMsrs(): bool {
  if (areaCount(MsrArea.EXIT_LOAD) == 0) return true;
  if (loadMsrs(MsrArea.EXIT_LOAD) != 0) return false;
  updateMode();
  return true;
}
/** At VM exit; false where one cannot be stored. */
export function storeExitMsrs(): bool { return areaCount(MsrArea.EXIT_STORE) == 0 || storeMsrs(MsrArea.EXIT_STORE); }

function loadMsrs(area: MsrArea): u32 {
  const pa = areaAddress(area);
  for (let n: u32 = 0, count = areaCount(area); n < count; n++) {
    const at = pa + <u64>n * ENTRY;
    const index = physRead<u32>(at);
    const reserved = physRead<u32>(at + 4) != 0;
    if (n >= MOST || reserved || index == Msr.FS_BASE || index == Msr.GS_BASE || index == SMM_MONITOR_CTL || index == Msr.BIOS_UPDT_TRIG
      || (isX2apic(index) && inX2apic()) || !writeMsr(index, physRead<u64>(at + 8), clock())) return n + 1;
  }
  return 0;
}

function storeMsrs(area: MsrArea): bool {
  const pa = areaAddress(area);
  for (let n: u32 = 0, count = areaCount(area); n < count; n++) {
    const at = pa + <u64>n * ENTRY;
    const index = physRead<u32>(at);
    if (n >= MOST || physRead<u32>(at + 4) != 0 || (isX2apic(index) && inX2apic()) || !readMsr(index, clock())) return false;
    if (hostOf(at + 8) != 0 && slotFlags == Slot.RAM) physWrite<u64>(at + 8, msrValue);
  }
  return true;
}
