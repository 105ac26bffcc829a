/**
 * The physical map of a processor as its memory slots say it: RAM with the holes of a PC, and memory beside RAM. Slots that
 * come first are stronger, and found sooner.
 */
import { SlotKind } from './enums.gen.ts';
import type { GuestMemory, ShadowRange } from './types.ts';

/** RAM beyond this physical address lies above 4 GiB instead: SeaBIOS puts configuration space of a Q35 here. */
const LOW_RAM_LIMIT = 0xb000_0000;
const FOUR_GIB = 0x1_0000_0000;
const MIB = 0x10_0000;
const FRAME = 0x1000;
/** Slots by what they hold: the RAM that is used most, RAM above 4 GiB, RAM below the holes, memory beside RAM .. */
const Slot = { RAM: 0, HIGH: 1, LOWEST: 2, EXTRA: 4, SHADOW: 16 } as const;
const EXTRA_SLOTS = 12;
/** .. and parts of the 256 KiB below 1 MiB, while they are not all RAM. */
const SHADOW_SLOTS = 16;
const VGA_WINDOW = { START: 0xa_0000, END: 0xc_0000 } as const;

/** How much of `ramBytes` lies at address 0 and up without a gap. */
export function lowRam(ramBytes: number): number {
  return Math.min(ramBytes, LOW_RAM_LIMIT);
}

/** Guest RAM by physical address. */
export class Ram implements GuestMemory {
  readonly #memory: WebAssembly.Memory;
  /** Linear address of the frame pool. */
  readonly pool: number;
  readonly size: number;

  constructor(memory: WebAssembly.Memory, pool: number, size: number) {
    this.#memory = memory;
    this.pool = pool;
    this.size = size;
  }

  /** Where `pa` lies in linear memory. Throws RangeError unless all of `length` bytes are RAM. */
  hostOf(pa: number, length: number): number {
    const low = lowRam(this.size);
    if (length >= 0 && pa >= 0 && pa + length <= low) return this.pool + pa;
    const offset = pa - FOUR_GIB;
    if (length >= 0 && offset >= 0 && offset + length <= this.size - low) return this.pool + low + offset;
    throw new RangeError(`physical 0x${pa.toString(16)}+${length} is outside RAM (0x${this.size.toString(16)} bytes)`);
  }

  bytes(pa: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, this.hostOf(pa, length), length);
  }
}

/** Defines slot `n` of a processor: physical `start` to `end` is `host` onwards. */
interface SlotSetter {
  setSlot(n: number, start: bigint, end: bigint, host: number, kind: number): void;
}

/** The slots of one processor. Translations are to be dropped after every change. */
export class MemorySlots {
  readonly #wasm: SlotSetter;
  readonly #ram: Ram;
  readonly #extraBytes: number;
  #hasVgaWindow = false;
  #isShadowed = false;

  constructor(wasm: SlotSetter, ram: Ram, extraBytes: number) {
    this.#wasm = wasm;
    this.#ram = ram;
    this.#extraBytes = extraBytes;
    this.#placeLowRam();
    const low = lowRam(ram.size);
    if (ram.size > low) this.#set(Slot.HIGH, FOUR_GIB, ram.size - low, ram.pool + low);
  }

  /** As Core's. */
  mapExtra(slot: number, pa: number, offset: number, length: number, access: 'ram' | 'rom'): void {
    if (!Number.isInteger(slot) || slot < 0 || slot >= EXTRA_SLOTS) {
      throw new RangeError(`memory slot ${slot}: must be from 0 to ${EXTRA_SLOTS - 1}`);
    }
    if (offset < 0 || length < 0 || offset + length > this.#extraBytes || (pa | offset | length) % FRAME !== 0) {
      throw new RangeError(
        `memory slot ${slot}: ${offset}+${length} is not in the ${this.#extraBytes} bytes beside RAM`,
      );
    }
    this.#set(Slot.EXTRA + slot, pa, length, this.#extraHost(offset), access === 'rom' ? SlotKind.ROM : SlotKind.RAM);
  }

  /** As Core's. */
  openVgaWindow(): void {
    this.#hasVgaWindow = true;
    this.#placeLowRam();
  }

  /** As Core's. */
  shadow(ranges: readonly ShadowRange[] | null): void {
    if (ranges && ranges.length > SHADOW_SLOTS) {
      throw new RangeError(`${ranges.length} ranges below 1 MiB: must be at most ${SHADOW_SLOTS}`);
    }
    this.#isShadowed = ranges !== null;
    this.#placeLowRam();
    for (let n = 0; n < SHADOW_SLOTS; n++) {
      const { pa = 0, length = 0, source = 'ram', isWritable = false } = ranges?.[n] ?? {};
      const host = source === 'ram' ? this.#ram.pool + pa : this.#extraHost(source);
      this.#set(Slot.SHADOW + n, pa, length, host, isWritable ? SlotKind.RAM : SlotKind.ROM);
    }
  }

  /** RAM up to the hole for devices, without what below 1 MiB is not RAM alone. */
  #placeLowRam(): void {
    const { pool, size } = this.#ram;
    const start = this.#isShadowed ? MIB : this.#hasVgaWindow ? VGA_WINDOW.END : 0;
    const below = start === 0 ? 0 : this.#hasVgaWindow ? VGA_WINDOW.START : VGA_WINDOW.END;
    this.#set(Slot.RAM, start, lowRam(size) - start, pool + start);
    this.#set(Slot.LOWEST, 0, below, pool);
  }

  #extraHost(offset: number): number {
    return this.#ram.pool + this.#ram.size + offset;
  }

  /** A length of 0 removes the slot. */
  #set(n: number, pa: number, length: number, host: number, kind: number = SlotKind.RAM): void {
    this.#wasm.setSlot(n, BigInt(pa), length === 0 ? 0n : BigInt(pa + length), host, kind);
  }
}
