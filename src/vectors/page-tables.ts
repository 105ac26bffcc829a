/**
 * Builder of 4-level page tables in guest RAM (SDM Vol. 3A, "4-Level Paging and 5-Level Paging").
 */
import type { GuestMemory } from '../core-types.ts';
import { PAGE_SIZE } from './layout.ts';

export const PTE = {
  PRESENT: 1n,
  WRITABLE: 2n,
  USER: 4n,
  ACCESSED: 0x20n,
  DIRTY: 0x40n,
  NO_EXECUTE: 1n << 63n,
} as const;

const FRAME_MASK = 0x000f_ffff_ffff_f000n;
const TOP_LEVEL_SHIFT = 39n;
const LAST_LEVEL_SHIFT = 12n;

export class PageTables {
  readonly #memory: GuestMemory;
  readonly root: number;
  readonly #end: number;
  #next: number;

  /** Takes `frames` cleared frames from physical address `base` on; the first becomes the root. */
  constructor(memory: GuestMemory, base: number, frames: number) {
    this.#memory = memory;
    this.root = base;
    this.#next = base + PAGE_SIZE;
    this.#end = base + frames * PAGE_SIZE;
    memory.bytes(base, frames * PAGE_SIZE).fill(0);
  }

  /** Maps one page. A and D are set beforehand, so that the processor has nothing to write here. */
  map(linear: bigint, frame: number, rights: bigint): void {
    let table = this.root;
    for (let shift = TOP_LEVEL_SHIFT; shift > LAST_LEVEL_SHIFT; shift -= 9n) table = this.#lower(table, linear, shift);
    const entry = BigInt(frame) | PTE.PRESENT | PTE.ACCESSED | PTE.DIRTY | rights;
    this.#entryView(table, linear, LAST_LEVEL_SHIFT).setBigUint64(0, entry, true);
  }

  #lower(table: number, linear: bigint, shift: bigint): number {
    const view = this.#entryView(table, linear, shift);
    const entry = view.getBigUint64(0, true);
    if (entry & PTE.PRESENT) return Number(entry & FRAME_MASK);
    if (this.#next === this.#end) throw new Error(`page tables: no frame left below 0x${this.#end.toString(16)}`);
    const frame = this.#next;
    this.#next += PAGE_SIZE;
    view.setBigUint64(0, BigInt(frame) | PTE.PRESENT | PTE.WRITABLE | PTE.USER | PTE.ACCESSED, true);
    return frame;
  }

  #entryView(table: number, linear: bigint, shift: bigint): DataView {
    const index = Number((linear >> shift) & 511n);
    const bytes = this.#memory.bytes(table + index * 8, 8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8);
  }
}
