/** SDM Vol. 3C, "Loading Host State": what a VM exit reads from the host-state area. */
import { cpu, Gpr, HOST_SEG, SEG, Seg, setGpr } from '../cpu/state';
import { Cr0, Cr4, Efer } from '../cpu/control';
import { Dr7 } from '../cpu/debug';
import { holdMsr, MsrSlot } from '../cpu/msr';
import { clearRflags, closeShadow } from '../cpu/rflags';
import { putSegment, Rights } from '../cpu/segments';
import { ExitControl } from './controls';
import { copySegments, entered } from './entered';
import { Field, field } from './vmcs';

/** CR0 bits that VM entry and VM exit leave as they are: ET, NW, CD and the reserved ones. */
export const CR0_KEPT: u64 = ~(<u64>(Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS | Cr0.NE | Cr0.WP | Cr0.AM | <u64>Cr0.PG));

/** Is the host in 64-bit mode? */
@inline export function isHostLong(): bool { return (entered<u32>(Field.EXIT_CONTROLS) & ExitControl.HOST_64) != 0; }

export function loadHostRegisters(): void {
  const exit = entered<u32>(Field.EXIT_CONTROLS);
  const long = isHostLong();
  cpu.cr0 = (cpu.cr0 & CR0_KEPT) | (entered<u64>(Field.HOST_CR0) & ~CR0_KEPT);
  cpu.cr3 = entered<u64>(Field.HOST_CR3);
  cpu.cr4 = entered<u64>(Field.HOST_CR4) | (long ? <u64>Cr4.PAE : 0);
  if (!long) cpu.cr4 &= ~(<u64>Cr4.PCIDE);
  cpu.dr7 = Dr7.ONES;
  holdMsr(MsrSlot.DEBUGCTL, 0);
  cpu.sysenterCs = field<u32>(Field.HOST_SYSENTER_CS);
  cpu.sysenterEsp = entered<u64>(Field.HOST_SYSENTER_ESP);
  cpu.sysenterEip = entered<u64>(Field.HOST_SYSENTER_EIP);
  if ((exit & ExitControl.LOAD_EFER) != 0) cpu.efer = entered<u64>(Field.HOST_EFER);
  cpu.efer = long ? cpu.efer | (Efer.LMA | Efer.LME) : cpu.efer & ~(<u64>(Efer.LMA | Efer.LME));
  if ((exit & ExitControl.LOAD_PAT) != 0) cpu.pat = entered<u64>(Field.HOST_PAT);
  copySegments(SEG, HOST_SEG);
  cpu.gdtrBase = entered<u64>(Field.HOST_GDTR_BASE);
  cpu.gdtrLimit = 0xffff;
  cpu.idtrBase = entered<u64>(Field.HOST_IDTR_BASE);
  cpu.idtrLimit = 0xffff;
  setGpr(Gpr.RSP, field<u64>(Field.HOST_RSP));
  cpu.blockRip = entered<u64>(Field.HOST_RIP);
  cpu.cpl = 0;
  closeShadow();
  clearRflags();
}

/**
 * "Loading Host Segment and Descriptor-Table Registers": makes the image of the segment registers that every exit loads, for
 * as long as the VM entry finds the same fields of the host state.
 */
export function prepareHost(): void {
  const long = isHostLong();
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
