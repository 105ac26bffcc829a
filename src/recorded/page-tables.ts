/**
 * Builder of 4-level page tables in guest RAM (SDM Vol. 3A, "4-Level Paging and 5-Level Paging").
 */
import type { GuestMemory } from '../core/types.ts';
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
const ENTRY_SIZE = 8;
const ENTRIES = PAGE_SIZE / ENTRY_SIZE;

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
    this.#writeEntry(table, indexAt(linear, LAST_LEVEL_SHIFT), entry);
  }

  #lower(table: number, linear: bigint, shift: bigint): number {
    const index = indexAt(linear, shift);
    const entry = this.#readEntry(table, index);
    if (entry & PTE.PRESENT) return Number(entry & FRAME_MASK);
    const frame = this.#allocate();
    this.#writeEntry(table, index, BigInt(frame) | PTE.PRESENT | PTE.WRITABLE | PTE.USER | PTE.ACCESSED);
    return frame;
  }

  #allocate(): number {
    if (this.#next === this.#end) throw new Error(`page tables: no frame left below 0x${this.#end.toString(16)}`);
    const frame = this.#next;
    this.#next += PAGE_SIZE;
    return frame;
  }

  #readEntry(table: number, index: number): bigint {
    return this.#view(table, index).getBigUint64(0, true);
  }

  #writeEntry(table: number, index: number, entry: bigint): void {
    this.#view(table, index).setBigUint64(0, entry, true);
  }

  #view(table: number, index: number): DataView {
    const bytes = this.#memory.bytes(table + index * ENTRY_SIZE, ENTRY_SIZE);
    return new DataView(bytes.buffer, bytes.byteOffset, ENTRY_SIZE);
  }
}

function indexAt(linear: bigint, shift: bigint): number {
  return Number((linear >> shift) & BigInt(ENTRIES - 1));
}
