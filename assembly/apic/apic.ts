/**
 * The local APIC (SDM Vol. 3A, "Advanced Programmable Interrupt Controller (APIC)"). Its registers lie at APIC as its
 * page shows them, 16 bytes apart; in x2APIC mode the same registers are MSRs.
 */
import { APIC, cpu } from '../cpu/state';
import { attend, Attention, clock } from '../cpu/pending';
import { apicIdOf, isPresent, levelVectors, logicalOf, MAX_VCPUS, postSignal, postVector, publish, Signal, takeVectors } from './mailbox';

/** Register offsets (SDM Vol. 3A, "Local APIC Register Address Map"). */
export const enum Reg {
  ID = 0x20, VERSION = 0x30, TPR = 0x80, APR = 0x90, PPR = 0xa0, EOI = 0xb0, RRD = 0xc0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0,
  ISR = 0x100, TMR = 0x180, IRR = 0x200, ESR = 0x280, CMCI = 0x2f0, ICR_LOW = 0x300, ICR_HIGH = 0x310,
  LVT_TIMER = 0x320, LVT_THERMAL = 0x330, LVT_PERFORMANCE = 0x340, LVT_LINT0 = 0x350, LVT_LINT1 = 0x360, LVT_ERROR = 0x370,
  TIMER_INITIAL = 0x380, TIMER_CURRENT = 0x390, TIMER_DIVIDE = 0x3e0, SELF_IPI = 0x3f0,
}
export const enum Delivery { FIXED, LOWEST, SMI, RESERVED, NMI, INIT, SIPI, EXT_INT }
const enum Lvt { MASKED = 0x10000, PERIODIC = 0x20000, TSC_DEADLINE = 0x40000 }
const enum Esr { SEND_ILLEGAL = 0x20, RECEIVE_ILLEGAL = 0x40, ILLEGAL_REGISTER = 0x80 }

const VERSION: u32 = 0x00050014;
/** Vectors below 16. */
const ILLEGAL: u32 = 0xffff;
const ENABLED: u64 = 0x800;
const X2APIC: u64 = 0x400;

@inline export function apicReg(offset: u32): u32 { return load<u32>(APIC + offset); }
@inline function setReg(offset: u32, value: u32): void { store<u32>(APIC + offset, value); }
@inline export function apicEnabled(): bool { return (cpu.apicBase & ENABLED) != 0; }
@inline export function inX2apic(): bool { return (cpu.apicBase & (ENABLED | X2APIC)) == (ENABLED | X2APIC); }
@inline function softwareEnabled(): bool { return (apicReg(Reg.SVR) & 0x100) != 0; }

/** Does the enabled xAPIC page cover `pa`? */
export function apicOwns(pa: u64): bool {
  return (cpu.apicBase & (ENABLED | X2APIC)) == ENABLED && (pa & ~0xfff) == (cpu.apicBase & 0x000ffffffffff000);
}

/** State after reset or INIT (SDM Vol. 3A, "Local APIC State After Power-Up or Reset"); INIT keeps the ID. */
export function resetApic(): void {
  memory.fill(APIC, 0, 0x400);
  setReg(Reg.ID, cpu.id << 24);
  setReg(Reg.VERSION, VERSION);
  setReg(Reg.DFR, 0xffffffff);
  setReg(Reg.SVR, 0xff);
  for (let r: u32 = Reg.LVT_TIMER; r <= <u32>Reg.LVT_ERROR; r += 0x10) setReg(r, Lvt.MASKED);
  setReg(Reg.CMCI, Lvt.MASKED);
  // Images are entered without firmware: the bootstrap processor finds the virtual wire that firmware would set up.
  if (cpu.id == 0) setReg(Reg.LVT_LINT0, Delivery.EXT_INT << 8);
  cpu.apicDeadline = 0;
  cpu.tscDeadline = 0;
  cpu.apicErrors = 0;
  publishApic();
}
/** Called after IA32_APIC_BASE changed: derives what x2APIC mode fixes. */
export function apicBaseChanged(): void {
  if (inX2apic()) {
    setReg(Reg.ID, cpu.id);
    setReg(Reg.LDR, ((cpu.id >> 4) << 16) | (1 << (cpu.id & 15)));
  } else if (apicEnabled() && (apicReg(Reg.ID) & 0xff000000) == 0) setReg(Reg.ID, cpu.id << 24);
  publishApic();
}
function publishApic(): void { publish(inX2apic() ? apicReg(Reg.ID) : apicReg(Reg.ID) >> 24, apicReg(Reg.LDR)); }

function highest(bank: u32): i32 {
  for (let word: i32 = 7; word >= 0; word--) {
    const bits = apicReg(bank + (<u32>word << 4));
    if (bits != 0) return (word << 5) + 31 - <i32>clz<u32>(bits);
  }
  return -1;
}
@inline function setBit(bank: u32, vector: u32): void {
  const r = bank + ((vector >> 5) << 4);
  setReg(r, apicReg(r) | (1 << (vector & 31)));
}
@inline function clearBit(bank: u32, vector: u32): void {
  const r = bank + ((vector >> 5) << 4);
  setReg(r, apicReg(r) & ~(1 << (vector & 31)));
}
function updatePpr(): void {
  const tpr = apicReg(Reg.TPR) & 0xff;
  const inService = highest(Reg.ISR);
  const isr: u32 = inService < 0 ? 0 : <u32>inService;
  setReg(Reg.PPR, (tpr >> 4) >= (isr >> 4) ? tpr : isr & 0xf0);
}

/** Takes what the mailbox holds into IRR. */
function collect(): void {
  for (let word: u32 = 0; word < 8; word++) {
    let bits = takeVectors(word);
    if (word == 0 && (bits & ILLEGAL) != 0) {
      bits &= ~ILLEGAL;
      error(Esr.RECEIVE_ILLEGAL);
    }
    if (bits == 0) continue;
    const r = Reg.IRR + (word << 4);
    setReg(r, apicReg(r) | bits);
    const tmr = Reg.TMR + (word << 4);
    setReg(tmr, (apicReg(tmr) & ~bits) | (levelVectors(word) & bits));
  }
}
/** Requests `vector` of this APIC; vectors below 16 are illegal. */
export function apicRaise(vector: u32): void {
  if (vector < 16) {
    error(Esr.RECEIVE_ILLEGAL);
    return;
  }
  setBit(Reg.IRR, vector);
  attend(Attention.INTERRUPT);
}
/** Highest request that may be delivered now, -1 for none. */
export function apicRequest(): i32 {
  if (!apicEnabled()) return -1;
  collect();
  if (!softwareEnabled()) return -1;
  const vector = highest(Reg.IRR);
  if (vector < 0) return -1;
  updatePpr();
  return (<u32>vector >> 4) > (apicReg(Reg.PPR) >> 4) ? vector : -1;
}
/** The processor takes `vector`: from request to service. */
export function apicAccept(vector: u32): void {
  clearBit(Reg.IRR, vector);
  setBit(Reg.ISR, vector);
  updatePpr();
}
/** Does an ExtINT from the PIC get through (virtual wire on LINT0, or no APIC)? */
export function apicAcceptsExtInt(): bool {
  if (!apicEnabled()) return true;
  return (apicReg(Reg.LVT_LINT0) & (Lvt.MASKED | 0x700)) == (Delivery.EXT_INT << 8);
}
/** Told of every EOI; the I/O APIC listens. */
let eoiBroadcast: (vector: u32) => void = (vector: u32): void => {};
export function listenToEoi(listener: (vector: u32) => void): void { eoiBroadcast = listener; }

function endOfInterrupt(): void {
  const vector = highest(Reg.ISR);
  if (vector < 0) return;
  clearBit(Reg.ISR, vector);
  updatePpr();
  if (vector >= 16) eoiBroadcast(<u32>vector);
  lookAgain();
}
/** A lower priority lets through what waited for it. */
@inline function lookAgain(): void { if (highest(Reg.IRR) >= 0) attend(Attention.INTERRUPT); }
/** SDM Vol. 3A, "Error Handling": the first error interrupts, and none after it before the next write to ESR. */
function error(bits: u32): void {
  const armed = cpu.apicErrors == 0;
  cpu.apicErrors |= bits;
  const lvt = apicReg(Reg.LVT_ERROR);
  if (armed && (lvt & Lvt.MASKED) == 0) apicRaise(lvt & 0xff);
}

function sendIpi(low: u32, destination: u32): void {
  const vector = low & 0xff;
  const mode = (low >> 8) & 7;
  if ((mode == Delivery.FIXED || mode == Delivery.LOWEST) && vector < 16) error(Esr.SEND_ILLEGAL);
  const shorthand = (low >> 18) & 3;
  // INIT level de-assert has no effect on current processors
  if (mode == Delivery.INIT && (low & 0xc000) == 0x8000) return;
  for (let id: u32 = 0; id < MAX_VCPUS; id++) {
    if (!isPresent(id)) continue;
    const self = id == cpu.id;
    const hit = shorthand == 0 ? addresses(id, destination, (low & 0x800) != 0) : shorthand == 1 ? self : shorthand == 2 || !self;
    if (!hit) continue;
    if (mode == Delivery.FIXED || mode == Delivery.LOWEST) postVector(id, vector);
    else if (mode == Delivery.NMI) postSignal(id, Signal.NMI, 0);
    else if (mode == Delivery.INIT) postSignal(id, Signal.INIT, 0);
    else if (mode == Delivery.SIPI) postSignal(id, Signal.SIPI, vector);
    if (mode == Delivery.LOWEST) return;
  }
}
/** Does a destination name vCPU `id` (SDM Vol. 3A, "Determining IPI Destination")? */
export function addresses(id: u32, destination: u32, logical: bool): bool {
  if (inX2apic()) {
    if (destination == 0xffffffff) return true;
    if (!logical) return apicIdOf(id) == destination;
    return (logicalOf(id) >> 16) == (destination >> 16) && (logicalOf(id) & destination & 0xffff) != 0;
  }
  const wanted = destination >> 24;
  if (wanted == 0xff) return true;
  if (!logical) return apicIdOf(id) == wanted;
  const ldr = logicalOf(id) >> 24;
  if ((apicReg(Reg.DFR) >> 28) == 15) return (ldr & wanted) != 0;
  return (ldr >> 4) == (wanted >> 4) && (ldr & wanted & 15) != 0;
}

/** log2 of the divisor of the 1 GHz timer clock. */
@inline function timerShift(): u32 {
  const d = apicReg(Reg.TIMER_DIVIDE);
  return ((d & 3) | ((d >> 1) & 4)) + 1 & 7;
}
@inline function timerMode(): u32 { return apicReg(Reg.LVT_TIMER) & (Lvt.PERIODIC | Lvt.TSC_DEADLINE); }
function startTimer(): void {
  if (timerMode() == Lvt.TSC_DEADLINE) return;
  const initial = apicReg(Reg.TIMER_INITIAL);
  cpu.apicDeadline = initial == 0 ? 0 : clock() + (<u64>initial << timerShift());
  attend(Attention.INTERRUPT);
}
function timerCurrent(): u32 {
  if (cpu.apicDeadline == 0 || timerMode() == Lvt.TSC_DEADLINE) return 0;
  const time = clock();
  return time >= cpu.apicDeadline ? 0 : <u32>((cpu.apicDeadline - time) >> timerShift());
}
/** The timer's deadline has come. */
export function apicTimer(): void {
  const lvt = apicReg(Reg.LVT_TIMER);
  if (timerMode() == Lvt.PERIODIC) {
    const period = <u64>apicReg(Reg.TIMER_INITIAL) << timerShift();
    const late = clock() - cpu.apicDeadline;
    cpu.apicDeadline += period * (late / period + 1);
  } else {
    cpu.apicDeadline = 0;
    cpu.tscDeadline = 0;
  }
  if ((lvt & Lvt.MASKED) == 0) apicRaise(lvt & 0xff);
}
/** Time that does not come, 292 years after power-up: software writes deadlines beyond it to say never. */
const FOREVER: u64 = 1 << 63;
/** Write of IA32_TSC_DEADLINE, `offset` being TSC minus the clock: 0 disarms. The counter is unsigned. */
export function setTscDeadline(tsc: u64, offset: u64): void {
  if (timerMode() != Lvt.TSC_DEADLINE) return;
  cpu.tscDeadline = tsc;
  const time = clock();
  const left = tsc - (time + offset);
  if (tsc == 0) cpu.apicDeadline = 0;
  else if (tsc <= time + offset) cpu.apicDeadline = 1;
  else cpu.apicDeadline = left < FOREVER && time + left < FOREVER ? time + left : 0;
  attend(Attention.INTERRUPT);
}
function writeLvtTimer(value: u32): void {
  const old = timerMode();
  setReg(Reg.LVT_TIMER, value);
  if (timerMode() != old && (timerMode() == Lvt.TSC_DEADLINE || old == Lvt.TSC_DEADLINE)) {
    cpu.apicDeadline = 0;
    cpu.tscDeadline = 0;
  }
}

/** Reads of the APIC page; only aligned 4-byte accesses are architectural, others get the bytes they ask for. */
export function apicRead(offset: u32, width: u32): u32 {
  const shift = (offset & 3) << 3;
  const value = (offset & 15) >= 4 ? 0 : readRegister(offset & 0xff0) >> shift;
  return width == 4 ? value : value & ((1 << (width << 3)) - 1);
}
function readRegister(r: u32): u32 {
  switch (r) {
    case Reg.PPR: updatePpr(); break;
    case Reg.TIMER_CURRENT: return timerCurrent();
    case Reg.EOI: return 0;
    default: break;
  }
  if (r >= <u32>Reg.IRR && r < <u32>Reg.ESR) collect();
  return r < 0x400 ? apicReg(r) : 0;
}
export function apicWrite(offset: u32, width: u32, value: u32): void {
  if ((offset & 15) != 0 || width != 4) return;
  writeRegister(offset, value);
}
function writeRegister(r: u32, value: u32): void {
  switch (r) {
    case Reg.ID: setReg(r, value & 0xff000000); publishApic(); break;
    case Reg.TPR: setReg(r, value & 0xff); updatePpr(); lookAgain(); break;
    case Reg.EOI: endOfInterrupt(); break;
    case Reg.LDR: setReg(r, value & 0xff000000); publishApic(); break;
    case Reg.DFR: setReg(r, value | 0x0fffffff); break;
    case Reg.SVR:
      setReg(r, value & 0x3ff);
      if (!softwareEnabled()) {
        for (let lvt: u32 = Reg.LVT_TIMER; lvt <= <u32>Reg.LVT_ERROR; lvt += 0x10) setReg(lvt, apicReg(lvt) | Lvt.MASKED);
      }
      attend(Attention.INTERRUPT);
      break;
    case Reg.ESR:
      setReg(r, cpu.apicErrors);
      cpu.apicErrors = 0;
      break;
    case Reg.ICR_LOW:
      setReg(r, value & 0xccfff & ~0x1000);
      sendIpi(value, apicReg(Reg.ICR_HIGH));
      break;
    case Reg.ICR_HIGH: setReg(r, inX2apic() ? value : value & 0xff000000); break;
    case Reg.LVT_TIMER: writeLvtTimer(maskLvt(value, 0x710ff)); break;
    case Reg.LVT_THERMAL:
    case Reg.LVT_PERFORMANCE: setReg(r, maskLvt(value, 0x117ff)); break;
    case Reg.CMCI: setReg(r, maskLvt(value, 0x117ff)); break;
    case Reg.LVT_LINT0:
    case Reg.LVT_LINT1:
      setReg(r, maskLvt(value, 0x1a7ff));
      attend(Attention.INTERRUPT);
      break;
    case Reg.LVT_ERROR: setReg(r, maskLvt(value, 0x110ff)); break;
    case Reg.TIMER_INITIAL:
      if (timerMode() == Lvt.TSC_DEADLINE) break;
      setReg(r, value);
      startTimer();
      break;
    case Reg.TIMER_DIVIDE: {
      const left = timerCurrent();
      setReg(r, value & 11);
      if (cpu.apicDeadline != 0 && timerMode() != Lvt.TSC_DEADLINE) {
        cpu.apicDeadline = clock() + (<u64>left << timerShift());
        attend(Attention.INTERRUPT);
      }
      break;
    }
    default: if (!inX2apic()) error(Esr.ILLEGAL_REGISTER); break;
  }
}
/** LVT writes while the APIC is disabled by software keep the mask bit set. */
@inline function maskLvt(value: u32, writable: u32): u32 {
  return (value & writable) | (softwareEnabled() ? 0 : <u32>Lvt.MASKED);
}

/** Is MSR 800H + `n` a register of x2APIC mode (SDM Vol. 3A, "x2APIC Register Address Space")? */
function x2apicHas(n: u32, write: bool): bool {
  const r = n << 4;
  if (r == Reg.SELF_IPI) return write;
  if (r == Reg.EOI) return write;
  if (write) return r == Reg.TPR || r == Reg.SVR || r == Reg.ESR || r == Reg.ICR_LOW || (r >= <u32>Reg.LVT_TIMER && r <= <u32>Reg.TIMER_INITIAL) || r == Reg.TIMER_DIVIDE;
  return r == Reg.ID || r == Reg.VERSION || r == Reg.TPR || r == Reg.PPR || r == Reg.LDR || r == Reg.SVR || (r >= <u32>Reg.ISR && r <= <u32>Reg.ESR) || r == Reg.ICR_LOW || (r >= <u32>Reg.LVT_TIMER && r <= <u32>Reg.TIMER_CURRENT) || r == Reg.TIMER_DIVIDE;
}
/** RDMSR of 800H + `n`. x2apicFault is set where it must be #GP(0). */
export function x2apicRead(n: u32): u64 {
  x2apicFault = !inX2apic() || !x2apicHas(n, false);
  if (x2apicFault) return 0;
  const r = n << 4;
  if (r == Reg.ICR_LOW) return <u64>apicReg(r) | (<u64>apicReg(Reg.ICR_HIGH) << 32);
  return readRegister(r);
}
export let x2apicFault: bool = false;
/** WRMSR of 800H + `n`: reserved bits are #GP(0) (x2apicFault). */
export function x2apicWrite(n: u32, value: u64): void {
  const r = n << 4;
  x2apicFault = !inX2apic() || !x2apicHas(n, true) || (value & ~x2apicWritable(r)) != 0;
  if (x2apicFault) return;
  if (r == Reg.SELF_IPI) {
    if (value < 16) error(Esr.SEND_ILLEGAL);
    apicRaise(<u32>value);
  } else if (r == Reg.ICR_LOW) {
    setReg(Reg.ICR_HIGH, <u32>(value >> 32));
    writeRegister(Reg.ICR_LOW, <u32>value);
  } else writeRegister(r, <u32>value);
}
function x2apicWritable(r: u32): u64 {
  switch (r) {
    case Reg.TPR: return 0xff;
    case Reg.EOI:
    case Reg.ESR: return 0;
    case Reg.SVR: return 0x1fff;
    case Reg.ICR_LOW: return 0xffffffff000cdfff;
    case Reg.LVT_TIMER: return 0x710ff;
    case Reg.LVT_LINT0:
    case Reg.LVT_LINT1: return 0x1f7ff;
    case Reg.LVT_ERROR: return 0x110ff;
    case Reg.CMCI:
    case Reg.LVT_THERMAL:
    case Reg.LVT_PERFORMANCE: return 0x117ff;
    case Reg.TIMER_DIVIDE: return 11;
    case Reg.SELF_IPI: return 0xff;
    default: return 0xffffffff;
  }
}

/** CR8 is TPR 7:4 (SDM Vol. 3A, "Interaction of Task Priorities between CR8 and APIC"). */
@inline export function readCr8(): u64 { return <u64>(apicReg(Reg.TPR) >> 4) & 15; }
export function writeCr8(value: u64): void { writeRegister(Reg.TPR, <u32>(value & 15) << 4); }
