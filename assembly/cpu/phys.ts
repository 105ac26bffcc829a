/**
 * The physical map: which physical addresses are memory, and where in linear memory they lie. Everything else is MMIO.
 * PHYS_MAP holds up to 32 slots of {start u64, length u64, host u32, flags u32}, looked up in order. Writes to what is
 * not RAM go to the bus.
 */
import { cpu, PHYS_MAP } from './state';

export const enum Slot { RAM = 1, ROM = 2 }

const SLOT: usize = 32;

/** Defines slot `n`: physical [start, end) is `host` onwards; end 0 removes it. */
export function setSlot(n: u32, start: u64, end: u64, host: u32, flags: u32): void {
  const s = PHYS_MAP + n * SLOT;
  store<u64>(s, start);
  store<u64>(s, end > start ? end - start : 0, 8);
  store<u32>(s, host, 16);
  store<u32>(s, flags, 20);
  cpu.mapEnd = max(cpu.mapEnd, <u32>(s + SLOT));
}

/** Slot flags of the last hostOf. */
export let slotFlags: u32 = 0;

/**
 * Linear-memory address of `size` bytes at physical address `pa`, 0 where there is no memory, or not for all of them.
 */
export function hostOf(pa: u64, size: u64 = 1): u32 {
  for (let s = PHYS_MAP, end = <usize>cpu.mapEnd; s < end; s += SLOT) {
    const offset = pa - load<u64>(s), length = load<u64>(s, 8);
    if (offset >= length) continue;
    if (length - offset < size) break;
    slotFlags = load<u32>(s, 20);
    return load<u32>(s, 16) + <u32>offset;
  }
  slotFlags = 0;
  return 0;
}

/** Reads memory at `pa` for the page walker; all ones where there is none. */
@inline export function physRead<T>(pa: u64): T {
  const host = hostOf(pa & cpu.a20Mask, sizeof<T>());
  return host != 0 ? load<T>(host) : <T>-1;
}
@inline export function physWrite<T>(pa: u64, value: T): void {
  const host = hostOf(pa & cpu.a20Mask, sizeof<T>());
  if (host != 0 && slotFlags == Slot.RAM) store<T>(host, value);
}
