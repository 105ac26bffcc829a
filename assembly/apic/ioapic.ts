/**
 * The I/O APIC (Intel 82093AA datasheet): 24 pins, each with a redirection entry that says which vector goes to which
 * local APIC. All vCPUs share it, so its state lies in memory that all share:
 *
 *   0 register select | 4 ID | 8 levels of the pins | 16 24 redirection entries of 8 bytes
 *
 *   63:56        17     16    15       14          13     12          11        10:8      7:0
 *   destination  -      mask  trigger  remote IRR  low    pending     logical   delivery  vector
 */
import { IOAPIC } from '../cpu/window';
import { addresses, Delivery, inX2apic } from './apic';
import { isPresent, MAX_VCPUS, postSignal, postVector, Signal } from './mailbox';

const BASE: u64 = 0xfec00000;
const PINS: u32 = 24;
const VERSION: u32 = 0x00170011;
const SELECT: usize = IOAPIC;
const ID: usize = IOAPIC + 4;
const LEVELS: usize = IOAPIC + 8;
const ENTRIES: usize = IOAPIC + 16;
const enum Entry { LOGICAL = 0x800, REMOTE_IRR = 0x4000, LEVEL = 0x8000, MASKED = 0x10000 }
const READ_ONLY: u32 = 0x1000 | Entry.REMOTE_IRR;
const LOW_BITS: u32 = 0x1ffff;

@inline function entryAt(pin: u32): usize { return ENTRIES + (pin << 3); }

/** Power-on state: every pin masked. */
export function resetIoapic(): void {
  memory.fill(IOAPIC, 0, 16 + PINS * 8);
  for (let pin: u32 = 0; pin < PINS; pin++) store<u32>(entryAt(pin), Entry.MASKED);
}

@inline export function ioapicOwns(pa: u64): bool { return (pa & ~0xfff) == BASE; }

export function ioapicRead(offset: u32): u32 {
  if (offset == 0) return load<u32>(SELECT);
  if (offset != 0x10) return 0;
  const register = load<u32>(SELECT);
  if (register == 0) return load<u32>(ID);
  if (register == 1) return VERSION;
  if (register == 2) return load<u32>(ID);
  const n = register - 0x10;
  return register >= 0x10 && n < PINS * 2 ? load<u32>(ENTRIES + (n << 2)) : 0;
}

export function ioapicWrite(offset: u32, value: u32): void {
  if (offset == 0) {
    store<u32>(SELECT, value & 0xff);
    return;
  }
  if (offset != 0x10) return;
  const register = load<u32>(SELECT);
  if (register == 0) store<u32>(ID, value & 0x0f000000);
  const n = register - 0x10;
  if (register < 0x10 || n >= PINS * 2) return;
  const at = ENTRIES + (n << 2);
  if ((n & 1) != 0) {
    store<u32>(at, value & 0xff000000);
    return;
  }
  let low = (value & LOW_BITS & ~READ_ONLY) | (load<u32>(at) & READ_ONLY);
  // An edge-triggered entry has no remote IRR: writing one as edge and back clears it.
  if ((low & Entry.LEVEL) == 0) low &= ~(<u32>Entry.REMOTE_IRR);
  store<u32>(at, low);
  const pin = n >> 1;
  if ((low & Entry.LEVEL) != 0 && (load<u32>(LEVELS) & (1 << pin)) != 0) request(pin);
}

/** A device drives `pin`. */
export function setIoapicPin(pin: u32, level: bool): void {
  if (pin >= PINS) return;
  const before = load<u32>(LEVELS);
  const bit: u32 = 1 << pin;
  store<u32>(LEVELS, level ? before | bit : before & ~bit);
  if (level && ((before & bit) == 0 || (load<u32>(entryAt(pin)) & Entry.LEVEL) != 0)) request(pin);
}

/** A local APIC ended `vector`: level-triggered pins whose line is still high ask again. */
export function ioapicEoi(vector: u32): void {
  for (let pin: u32 = 0; pin < PINS; pin++) {
    const at = entryAt(pin);
    const low = load<u32>(at);
    if ((low & (Entry.LEVEL | Entry.REMOTE_IRR)) != (Entry.LEVEL | Entry.REMOTE_IRR) || (low & 0xff) != vector)
      continue;
    store<u32>(at, low & ~(<u32>Entry.REMOTE_IRR));
    if ((load<u32>(LEVELS) & (1 << pin)) != 0) request(pin);
  }
}

/** Sends the interrupt of `pin` unless it is masked or a level-triggered one is still in service. */
function request(pin: u32): void {
  const at = entryAt(pin);
  const low = load<u32>(at);
  if ((low & Entry.MASKED) != 0) return;
  if ((low & Entry.LEVEL) != 0) {
    if ((low & Entry.REMOTE_IRR) != 0) return;
    store<u32>(at, low | Entry.REMOTE_IRR);
  }
  send(low, load<u32>(at, 4));
}

/**
 * A message-signalled interrupt (SDM Vol. 3A, "Message Signalled Interrupts"): a write of `data` to `address`, the low
 * half of it. Messages are taken as edges; addresses other than FEEXXXXXH do nothing.
 */
export function deliverMsi(address: u32, data: u32): void {
  if ((address & 0xfff00000) == 0xfee00000) send((data & 0x7ff) | ((address & 4) << 9), (address & 0xff000) << 12);
}

/** Sends what the low bits of a redirection entry say to the destination in bits 31:24 of `high`. */
function send(low: u32, high: u32): void {
  const mode = (low >> 8) & 7;
  const destination = inX2apic() ? high >> 24 : high;
  for (let id: u32 = 0; id < MAX_VCPUS; id++) {
    if (!isPresent(id) || !addresses(id, destination, (low & Entry.LOGICAL) != 0)) continue;
    if (mode == Delivery.FIXED || mode == Delivery.LOWEST) postVector(id, low & 0xff, (low & Entry.LEVEL) != 0);
    else if (mode == Delivery.NMI) postSignal(id, Signal.NMI, 0);
    else if (mode == Delivery.INIT) postSignal(id, Signal.INIT, 0);
    else if (mode == Delivery.EXT_INT) postSignal(id, Signal.EXT_INT, 0);
    if (mode == Delivery.LOWEST) return;
  }
}
