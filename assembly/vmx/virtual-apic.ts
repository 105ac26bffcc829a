/**
 * The virtual-APIC page and what the processor does with it for a guest (SDM Vol. 3C, "APIC Virtualization and Virtual
 * Interrupts"): accesses that are virtualized, virtual-interrupt delivery, posted interrupts. VM exits that such a write
 * causes come after the instruction (exitAfter).
 */
import { cpu } from '../cpu/state';
import { Exit, exitAfter } from '../cpu/exit';
import { Msr } from '../cpu/msr';
import { attend, Attention } from '../cpu/pending';
import { physRead, physWrite } from '../cpu/phys';
import { Reg } from '../apic/apic';
import { Secondary } from './controls';
import { entered } from './entered';
import { hasSecondary, hasVirtualInterrupts, hasVirtualTpr } from './guest';
import { Field, field, setField } from './vmcs';

/** ICR bits that must be clear, or as they are, for an IPI to the sender itself: fixed, edge-triggered, shorthand self. */
const ICR_CHECKED: u32 = 0xffffb700;
const ICR_SELF: u32 = 0x40000;

@inline function page(): u64 { return entered<u64>(Field.VIRTUAL_APIC_ADDRESS); }
@inline function virtualReg(offset: u32): u32 { return physRead<u32>(page() + offset); }
@inline function setReg(offset: u32, value: u32): void { physWrite<u32>(page() + offset, value); }
/** Guest interrupt status: RVI in the low byte, SVI in the high one. */
@inline function requested(): u32 { return field<u32>(Field.GUEST_INTERRUPT_STATUS) & 0xff; }
@inline function inService(): u32 { return (field<u32>(Field.GUEST_INTERRUPT_STATUS) >> 8) & 0xff; }
@inline function setStatus(rvi: u32, svi: u32): void { setField<u32>(Field.GUEST_INTERRUPT_STATUS, rvi | (svi << 8)); }

/** Does the APIC-access page cover physical address `pa`? */
@inline export function inApicAccessPage(pa: u64): bool { return (pa & ~0xfff) == cpu.apicAccessPage; }

/** Is a read of `size` bytes at `offset` virtualized (SDM, "Virtualizing Reads from the APIC-Access Page")? */
export function readsVirtually(offset: u32, size: u32): bool {
  if (!hasVirtualTpr() || (offset & 15) + size > 4) return false;
  const r = offset & 0xff0;
  if (!hasSecondary(Secondary.APIC_REGISTERS)) return r == Reg.TPR;
  return r == Reg.ID || r == Reg.VERSION || r == Reg.TPR || r == Reg.EOI || (r >= <u32>Reg.LDR && r <= <u32>Reg.ESR) || isLocal(r);
}
/** Is a write virtualized (SDM, "Virtualizing Writes to the APIC-Access Page")? */
export function writesVirtually(offset: u32, size: u32): bool {
  if (!hasVirtualTpr() || (offset & 15) + size > 4) return false;
  const r = offset & 0xff0;
  if (r == Reg.TPR) return true;
  if (hasSecondary(Secondary.APIC_REGISTERS)) {
    return r == Reg.ID || r == Reg.EOI || r == Reg.LDR || r == Reg.DFR || r == Reg.SVR || r == Reg.ESR || isLocal(r);
  }
  return hasVirtualInterrupts() && (r == Reg.EOI || r == Reg.ICR_LOW);
}
@inline function isLocal(r: u32): bool {
  return (r >= <u32>Reg.ICR_LOW && r <= 0x370) || r == Reg.TIMER_INITIAL || r == Reg.TIMER_DIVIDE;
}

/** Bytes of the virtual-APIC page for a virtualized read. */
export function virtualRead(offset: u32, width: u32): u32 {
  const value = virtualReg(offset & 0xffc) >> ((offset & 3) << 3);
  return width == 4 ? value : value & ((1 << (width << 3)) - 1);
}
/** A virtualized write, and what follows from it. */
export function virtualWrite(offset: u32, width: u32, value: u32): void {
  if (width == 4) physWrite<u32>(page() + offset, value);
  else if (width == 2) physWrite<u16>(page() + offset, <u16>value);
  else physWrite<u8>(page() + offset, <u8>value);
  written(offset & 0xff0);
}
/** APIC-write emulation (SDM, "APIC-Write Emulation"). */
function written(r: u32): void {
  switch (r) {
    case Reg.TPR:
      setReg(Reg.TPR, virtualReg(Reg.TPR) & 0xff);
      tprChanged();
      break;
    case Reg.EOI:
      if (hasVirtualInterrupts()) {
        setReg(Reg.EOI, 0);
        endVirtualInterrupt();
      } else exitAfter(Exit.APIC_WRITE, r);
      break;
    case Reg.ICR_LOW: {
      const icr = virtualReg(Reg.ICR_LOW);
      if (hasVirtualInterrupts() && (icr & ICR_CHECKED) == ICR_SELF && (icr & 0xf0) != 0) requestVirtual(icr & 0xff);
      else exitAfter(Exit.APIC_WRITE, r);
      break;
    }
    case Reg.ICR_HIGH: setReg(r, virtualReg(r) & 0xff000000); break;
    default: exitAfter(Exit.APIC_WRITE, r);
  }
}

/** TPR virtualization, after VTPR changed. */
function tprChanged(): void {
  if (hasVirtualInterrupts()) {
    updatePpr();
    attend(Attention.INTERRUPT);
  } else if ((virtualReg(Reg.TPR) >> 4 & 15) < (entered<u32>(Field.TPR_THRESHOLD) & 15)) exitAfter(Exit.TPR_BELOW_THRESHOLD, 0);
}
/** VTPR, read and written by instructions for CR8 and by RDMSR and WRMSR. */
export function virtualTpr(): u32 { return virtualReg(Reg.TPR); }
export function setVirtualTpr(value: u32): void {
  setReg(Reg.TPR, value);
  tprChanged();
}
/** PPR virtualization. */
function updatePpr(): void {
  const tpr = virtualReg(Reg.TPR) & 0xff;
  const svi = inService();
  setReg(Reg.PPR, (tpr >> 4) >= (svi >> 4) ? tpr : svi & 0xf0);
}
function bitAt(bank: u32, vector: u32): u32 { return bank + ((vector >> 5) << 4); }
function highest(bank: u32): u32 {
  for (let word: i32 = 7; word >= 0; word--) {
    const bits = virtualReg(bank + (<u32>word << 4));
    if (bits != 0) return (<u32>word << 5) + 31 - <u32>clz<u32>(bits);
  }
  return 0;
}

/** EOI virtualization; the EOI-exit bitmap may make it a VM exit. */
function endVirtualInterrupt(): void {
  const vector = inService();
  const r = bitAt(Reg.ISR, vector);
  setReg(r, virtualReg(r) & ~(1 << (vector & 31)));
  setStatus(requested(), highest(Reg.ISR));
  updatePpr();
  if ((field<u64>(Field.EOI_EXIT_BITMAP_0 + ((vector >> 6) << 3)) >> (vector & 63) & 1) != 0) exitAfter(Exit.EOI_INDUCED, vector);
  else attend(Attention.INTERRUPT);
}
/** Self-IPI virtualization, and every other request of a virtual interrupt. */
function requestVirtual(vector: u32): void {
  const r = bitAt(Reg.IRR, vector);
  setReg(r, virtualReg(r) | (1 << (vector & 31)));
  setStatus(max(requested(), vector), inService());
  attend(Attention.INTERRUPT);
}
/** WRMSR to the self-IPI register. */
function virtualSelfIpi(vector: u32): void {
  setReg(Reg.SELF_IPI, vector);
  if (vector < 16) exitAfter(Exit.APIC_WRITE, Reg.SELF_IPI);
  else requestVirtual(vector);
}
/** The virtual interrupt that is recognized, 0 for none (SDM, "Evaluation of Pending Virtual Interrupts"). */
export function virtualRequest(): u32 {
  if (!hasVirtualInterrupts()) return 0;
  const rvi = requested();
  return (rvi >> 4) > (virtualReg(Reg.PPR) >> 4 & 15) ? rvi : 0;
}
/** Virtual-interrupt delivery: from request to service. */
export function acceptVirtual(vector: u32): void {
  const isr = bitAt(Reg.ISR, vector), irr = bitAt(Reg.IRR, vector);
  setReg(isr, virtualReg(isr) | (1 << (vector & 31)));
  setReg(Reg.PPR, vector & 0xf0);
  setReg(irr, virtualReg(irr) & ~(1 << (vector & 31)));
  setStatus(highest(Reg.IRR), vector);
}

/** At VM entry: PPR virtualization, or the TPR threshold. */
export function enterVirtualApic(): void {
  cpu.apicAccessPage = hasSecondary(Secondary.APIC_ACCESSES) ? entered<u64>(Field.APIC_ACCESS_ADDRESS) : u64.MAX_VALUE;
  if (hasVirtualInterrupts()) updatePpr();
  else if (hasVirtualTpr() && hasSecondary(Secondary.APIC_ACCESSES)) tprChanged();
}

/** Posted-interrupt processing: the requests of the descriptor become virtual ones. */
export function takePosted(): void {
  const d = entered<u64>(Field.POSTED_INTERRUPT_DESCRIPTOR_ADDRESS);
  physWrite<u64>(d + 32, physRead<u64>(d + 32) & ~1);
  let top: u32 = 0;
  for (let word: u32 = 0; word < 8; word++) {
    const bits = physRead<u32>(d + (word << 2));
    if (bits == 0) continue;
    physWrite<u32>(d + (word << 2), 0);
    const r = Reg.IRR + (word << 4);
    setReg(r, virtualReg(r) | bits);
    top = (word << 5) + 31 - <u32>clz<u32>(bits);
  }
  setStatus(max(requested(), top), inService());
}

const enum X2apic { TPR = 0x808, EOI = 0x80b, SELF_IPI = 0x83f }

/** Does the page serve MSR `index` of x2APIC mode (SDM Vol. 3C, "Virtualizing MSR-Based APIC Accesses")? */
export function readsVirtualMsr(index: u32): bool {
  if (!hasSecondary(Secondary.X2APIC_MODE) || index - Msr.X2APIC >= 0x100) return false;
  return index == X2apic.TPR || hasSecondary(Secondary.APIC_REGISTERS);
}
export function virtualMsr(index: u32): u64 {
  const offset = (index & 0xff) << 4;
  return <u64>virtualReg(offset) | (<u64>virtualReg(offset + 4) << 32);
}
export function writesVirtualMsr(index: u32): bool {
  if (!hasSecondary(Secondary.X2APIC_MODE)) return false;
  return index == X2apic.TPR || (hasVirtualInterrupts() && (index == X2apic.EOI || index == X2apic.SELF_IPI));
}
/** False: the value is #GP(0). */
export function writeVirtualMsr(index: u32, value: u64): bool {
  if (value > (index == X2apic.EOI ? 0 : 0xff)) return false;
  if (index == X2apic.TPR) setVirtualTpr(<u32>value);
  else if (index == X2apic.EOI) endVirtualInterrupt();
  else virtualSelfIpi(<u32>value);
  return true;
}
