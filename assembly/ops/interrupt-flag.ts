/** CLI, STI, PUSHF and POPF (SDM Vol. 3A, "Masking Maskable Hardware Interrupts"; Vol. 3B, "Virtual Interrupts"). */
import { cpu } from '../cpu/state';
import { abandoned, raise, Vector } from '../cpu/pending';
import { Flag, rflags } from '../cpu/flags';
import { inRealMode, inV86 } from '../cpu/segments';
import { Cr4 } from '../cpu/control';
import { openShadow, writeRflags } from '../cpu/rflags';
import { updateMode } from '../mmu/mode';
import { Rec } from '../isa/record';
import { changeableFlags } from './iret';
import { closeStack, openStack, pop, push } from './stack-access';

/** May the running program change IF itself? */
@inline function ownsIf(): bool { return inRealMode() || <u64>cpu.cpl <= ((cpu.rflags >> 12) & 3); }
/** Is there a VIF that stands for IF (VME in virtual-8086 mode, PVI at CPL 3)? */
function hasVif(): bool { return inV86() ? (cpu.cr4 & Cr4.VME) != 0 : cpu.cpl == 3 && (cpu.cr4 & Cr4.PVI) != 0; }

export function opCli(i: Rec): void {
  if (ownsIf()) cpu.rflags &= ~(<u64>Flag.IF);
  else if (hasVif()) cpu.rflags &= ~(<u64>Flag.VIF);
  else raise(Vector.GP, 0);
}
export function opSti(i: Rec): void {
  if (ownsIf()) {
    if ((cpu.rflags & Flag.IF) != 0) return;
    cpu.rflags |= Flag.IF;
    openShadow();
  } else if (hasVif() && (cpu.rflags & Flag.VIP) == 0) cpu.rflags |= Flag.VIF;
  else raise(Vector.GP, 0);
}

@inline function lacksIopl(): bool { return inV86() && (cpu.rflags & Flag.IOPL) != Flag.IOPL; }

export function opPushf<T>(i: Rec): void {
  let value = rflags() & ~(<u64>(Flag.VM | Flag.RF));
  if (lacksIopl()) {
    if (sizeof<T>() != 2 || (cpu.cr4 & Cr4.VME) == 0) {
      raise(Vector.GP, 0);
      return;
    }
    value = (value & ~(<u64>Flag.IF)) | Flag.IOPL | ((value & Flag.VIF) != 0 ? Flag.IF : 0);
  }
  openStack();
  push<T>(<T>value);
  if (!abandoned()) closeStack();
}

export function opPopf<T>(i: Rec): void {
  const virtualIf = lacksIopl();
  if (virtualIf && (sizeof<T>() != 2 || (cpu.cr4 & Cr4.VME) == 0)) {
    raise(Vector.GP, 0);
    return;
  }
  openStack();
  let value = <u64>pop<T>();
  if (abandoned()) return;
  let mask = changeableFlags(sizeof<T>());
  if (virtualIf) {
    if ((value & Flag.TF) != 0 || ((value & Flag.IF) != 0 && (cpu.rflags & Flag.VIP) != 0)) {
      raise(Vector.GP, 0);
      return;
    }
    mask |= Flag.VIF;
    value = (value & 0xffff) | ((value & Flag.IF) != 0 ? Flag.VIF : 0);
  }
  closeStack();
  const before = cpu.rflags;
  writeRflags(mask, value);
  if (((before ^ cpu.rflags) & Flag.AC) != 0) updateMode();
}
