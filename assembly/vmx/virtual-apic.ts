/**
 * The virtual-APIC page and what the processor does with it for a guest (SDM Vol. 3C, "APIC Virtualization and Virtual
 * Interrupts"): accesses that are virtualized, virtual-interrupt delivery, posted interrupts. VM exits that such a write
 * causes come behind the instruction: cpu.trapExit.
 */
import { cpu } from '../cpu/state';
import { attend, Attention } from '../cpu/pending';
import { physRead, physWrite } from '../cpu/phys';
import { Primary, Secondary } from './controls';
import { hasSecondary, intercepts, Reason } from './exits';
import { entered } from './entered';
import { Field, field, setField } from './vmcs';

const enum Reg { ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ISR = 0x100, TMR = 0x180, IRR = 0x200, ESR = 0x280, ICR = 0x300, ICR_HIGH = 0x310, LVT = 0x320, TIMER_INITIAL = 0x380, TIMER_CURRENT = 0x390, DIVIDE = 0x3e0, SELF_IPI = 0x3f0 }
/** ICR bits that must be clear, or as they are, for an IPI to the sender itself: fixed, edge-triggered, shorthand self. */
const ICR_CHECKED: u32 = 0xffffb700;
const ICR_SELF: u32 = 0x40000;

@inline function page(): u64 { return entered<u64>(Field.VIRTUAL_APIC_ADDRESS); }
@inline export function virtualReg(offset: u32): u32 { return physRead<u32>(page() + offset); }
@inline function setReg(offset: u32, value: u32): void { physWrite<u32>(page() + offset, value); }
@inline export function delivers(): bool { return hasSecondary(Secondary.VIRTUAL_INTERRUPTS); }
/** Guest interrupt status: RVI in the low byte, SVI in the high one. */
@inline function requested(): u32 { return field<u32>(Field.GUEST_INTERRUPT_STATUS) & 0xff; }
@inline function inService(): u32 { return (field<u32>(Field.GUEST_INTERRUPT_STATUS) >> 8) & 0xff; }
@inline function setStatus(rvi: u32, svi: u32): void { setField<u32>(Field.GUEST_INTERRUPT_STATUS, rvi | (svi << 8)); }

/** Does the APIC-access page cover physical address `pa`? */
@inline export function inApicAccessPage(pa: u64): bool { return (pa & ~0xfff) == cpu.apicAccessPage; }

/** Is a read of `size` bytes at `offset` virtualized (SDM, "Virtualizing Reads from the APIC-Access Page")? */
export function readsVirtually(offset: u32, size: u32): bool {
  if (!intercepts(Primary.TPR_SHADOW) || (offset & 15) + size > 4) return false;
  const r = offset & 0xff0;
  if (!hasSecondary(Secondary.APIC_REGISTERS)) return r == Reg.TPR;
  return r == Reg.ID || r == Reg.VERSION || r == Reg.TPR || r == Reg.EOI || (r >= <u32>Reg.LDR && r <= <u32>Reg.ESR) || isLocal(r);
}
/** Is a write virtualized (SDM, "Virtualizing Writes to the APIC-Access Page")? */
export function writesVirtually(offset: u32, size: u32): bool {
  if (!intercepts(Primary.TPR_SHADOW) || (offset & 15) + size > 4) return false;
  const r = offset & 0xff0;
  if (r == Reg.TPR) return true;
  if (hasSecondary(Secondary.APIC_REGISTERS)) {
    return r == Reg.ID || r == Reg.EOI || r == Reg.LDR || r == Reg.DFR || r == Reg.SVR || r == Reg.ESR || isLocal(r);
  }
  return delivers() && (r == Reg.EOI || r == Reg.ICR);
}
@inline function isLocal(r: u32): bool {
  return (r >= <u32>Reg.ICR && r <= 0x370) || r == Reg.TIMER_INITIAL || r == Reg.DIVIDE;
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
      if (delivers()) {
        setReg(Reg.EOI, 0);
        endVirtualInterrupt();
      } else exitBehind(Reason.APIC_WRITE, r);
      break;
    case Reg.ICR: {
      const icr = virtualReg(Reg.ICR);
      if (delivers() && (icr & ICR_CHECKED) == ICR_SELF && (icr & 0xf0) != 0) requestVirtual(icr & 0xff);
      else exitBehind(Reason.APIC_WRITE, r);
      break;
    }
    case Reg.ICR_HIGH: setReg(r, virtualReg(r) & 0xff000000); break;
    default: exitBehind(Reason.APIC_WRITE, r);
  }
}
/** A VM exit behind the instruction. */
function exitBehind(reason: u32, qualification: u32): void {
  cpu.trapExit = reason;
  cpu.trapQualification = qualification;
  attend(Attention.INTERRUPT);
}

/** TPR virtualization, after VTPR changed. */
function tprChanged(): void {
  if (delivers()) {
    updatePpr();
    attend(Attention.INTERRUPT);
  } else if ((virtualReg(Reg.TPR) >> 4 & 15) < (entered<u32>(Field.TPR_THRESHOLD) & 15)) exitBehind(Reason.TPR_BELOW_THRESHOLD, 0);
}
/** VTPR by MOV to CR8 or WRMSR. */
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
export function endVirtualInterrupt(): void {
  const vector = inService();
  const r = bitAt(Reg.ISR, vector);
  setReg(r, virtualReg(r) & ~(1 << (vector & 31)));
  setStatus(requested(), highest(Reg.ISR));
  updatePpr();
  if ((field<u64>(Field.EOI_EXIT_BITMAP_0 + ((vector >> 6) << 3)) >> (vector & 63) & 1) != 0) exitBehind(Reason.EOI_INDUCED, vector);
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
export function virtualSelfIpi(vector: u32): void {
  setReg(Reg.SELF_IPI, vector);
  if (vector < 16) exitBehind(Reason.APIC_WRITE, Reg.SELF_IPI);
  else requestVirtual(vector);
}
/** The virtual interrupt that is recognized, 0 for none (SDM, "Evaluation of Pending Virtual Interrupts"). */
export function virtualRequest(): u32 {
  if (!delivers()) return 0;
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
  if (delivers()) updatePpr();
  else if (intercepts(Primary.TPR_SHADOW) && hasSecondary(Secondary.APIC_ACCESSES)) tprChanged();
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
