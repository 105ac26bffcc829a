// A driver for the tests: RAM, an allocator, and the driver's side of both ring formats, honest unless told otherwise.
import type { GuestMemory } from '../../../src/core/types.ts';
import type { Chain } from '../../../src/devices/virtio/chain.ts';
import { DeviceMemory } from '../../../src/devices/virtio/guest-memory.ts';
import { PackedQueue } from '../../../src/devices/virtio/packed-queue.ts';
import type { QueueLayout, Virtqueue } from '../../../src/devices/virtio/queue.ts';
import { SplitQueue } from '../../../src/devices/virtio/split-queue.ts';

export const RAM_BYTES = 0x80000;
export const Flag = { NEXT: 1, WRITE: 2, INDIRECT: 4, AVAIL: 0x80, USED: 0x8000 } as const;

export interface Part {
  gpa: bigint;
  length: number;
  writable?: boolean;
}

export interface RingOptions {
  size?: number;
  indirect?: boolean;
  eventIdx?: boolean;
  charge?: (bytes: number) => void;
  step?: (chain: Chain) => boolean;
}

/** RAM as plain bytes, with the ranges that devices said they wrote. */
export class TestRam implements GuestMemory {
  readonly size = RAM_BYTES;
  readonly all = new Uint8Array(RAM_BYTES);
  readonly view = new DataView(this.all.buffer);
  readonly wrote: [pa: number, length: number][] = [];
  readonly device = new DeviceMemory(this, (pa, length) => this.wrote.push([pa, length]));
  #free = 0x40000;

  bytes(pa: number, length: number): Uint8Array {
    if (pa < 0 || length < 0 || pa + length > this.size) throw new RangeError(`${pa}+${length}`);
    return this.all.subarray(pa, pa + length);
  }

  /** Room for bytes, filled with them. */
  put(bytes: Uint8Array | readonly number[]): Part {
    const gpa = this.#free;
    this.all.set(bytes, gpa);
    this.#free = (gpa + bytes.length + 15) & ~15;
    return { gpa: BigInt(gpa), length: bytes.length };
  }

  room(length: number): Part {
    return { ...this.put(new Uint8Array(length)), writable: true };
  }

  at({ gpa, length }: Part): number[] {
    return [...this.all.subarray(Number(gpa), Number(gpa) + length)];
  }

  describe(table: bigint, index: number, gpa: bigint, length: number, third: number, fourth: number): void {
    const at = Number(table) + 16 * index;
    this.view.setBigUint64(at, gpa, true);
    this.view.setUint32(at + 8, length, true);
    this.view.setUint16(at + 12, third, true);
    this.view.setUint16(at + 14, fourth, true);
  }

  get16(gpa: bigint): number {
    return this.view.getUint16(Number(gpa), true);
  }

  set16(gpa: bigint, value: number): void {
    this.view.setUint16(Number(gpa), value, true);
  }

  get32(gpa: bigint): number {
    return this.view.getUint32(Number(gpa), true);
  }
}

export interface Used {
  id: number;
  written: number;
}

/** What tests of devices need of a driver, whichever the format. */
export interface Ring {
  readonly layout: QueueLayout;
  /** Makes a chain available and returns its id. */
  offer(parts: readonly Part[], how?: { indirect?: boolean }): number;
  /** Used elements since the last call. */
  used(): Used[];
}

export class SplitRing implements Ring {
  readonly layout: QueueLayout;
  readonly ram: TestRam;
  idx = 0;
  seen = 0;
  #free = 0;

  constructor(ram: TestRam, size = 8, base = 0x1000) {
    this.ram = ram;
    this.layout = { size, desc: BigInt(base), driver: BigInt(base + 0x4000), device: BigInt(base + 0x8000) };
  }

  describe(index: number, part: Part, flags: number, next: number, table = this.layout.desc): void {
    this.ram.describe(table, index, part.gpa, part.length, flags | (part.writable ? Flag.WRITE : 0), next);
  }

  offer(parts: readonly Part[], { indirect = false } = {}): number {
    const { size, desc } = this.layout;
    const head = this.#free;
    const table = indirect ? this.ram.room(16 * parts.length).gpa : desc;
    parts.forEach((part, at) => {
      const isLast = at === parts.length - 1;
      const index = indirect ? at : (head + at) % size;
      const next = indirect ? at + 1 : (head + at + 1) % size;
      this.describe(index, part, isLast ? 0 : Flag.NEXT, isLast ? 0 : next, table);
    });
    if (indirect) this.describe(head, { gpa: table, length: 16 * parts.length }, Flag.INDIRECT, 0);
    this.#free = (head + (indirect ? 1 : parts.length)) % size;
    this.avail(head);
    return head;
  }

  avail(head: number): void {
    this.ram.set16(this.layout.driver + BigInt(4 + 2 * (this.idx % this.layout.size)), head);
    this.idx = (this.idx + 1) & 0xffff;
    this.ram.set16(this.layout.driver + 2n, this.idx);
  }

  used(): Used[] {
    const out: Used[] = [];
    const idx = this.ram.get16(this.layout.device + 2n);
    for (; this.seen !== idx; this.seen = (this.seen + 1) & 0xffff) {
      const at = this.layout.device + BigInt(4 + 8 * (this.seen % this.layout.size));
      out.push({ id: this.ram.get32(at), written: this.ram.get32(at + 4n) });
    }
    return out;
  }

  setUsedEvent(value: number): void {
    this.ram.set16(this.layout.driver + BigInt(4 + 2 * this.layout.size), value);
  }

  get availEvent(): number {
    return this.ram.get16(this.layout.device + BigInt(4 + 8 * this.layout.size));
  }
}

export class PackedRing implements Ring {
  readonly layout: QueueLayout;
  readonly ram: TestRam;
  readonly #slots = new Map<number, number>();
  #at = 0;
  #wrap = true;
  #usedAt = 0;
  #usedWrap = true;
  #id = 0;

  constructor(ram: TestRam, size = 8, base = 0x1000) {
    this.ram = ram;
    this.layout = { size, desc: BigInt(base), driver: BigInt(base + 0x4000), device: BigInt(base + 0x8000) };
  }

  offer(parts: readonly Part[], { indirect = false } = {}): number {
    const id = this.#id++ % this.layout.size;
    if (indirect) {
      const table = this.ram.room(16 * parts.length);
      parts.forEach((part, at) => {
        this.ram.describe(table.gpa, at, part.gpa, part.length, 0, part.writable ? Flag.WRITE : 0);
      });
      this.raw({ gpa: table.gpa, length: table.length }, id, Flag.INDIRECT);
    } else {
      parts.forEach((part, at) => {
        this.raw(part, id, (part.writable ? Flag.WRITE : 0) | (at < parts.length - 1 ? Flag.NEXT : 0));
      });
    }
    this.#slots.set(id, indirect ? 1 : parts.length);
    return id;
  }

  /** Writes the next descriptor, available. */
  raw({ gpa, length }: Part, id: number, flags: number): void {
    const owner = this.#wrap ? Flag.AVAIL : Flag.USED;
    this.ram.describe(this.layout.desc, this.#at, gpa, length, id, flags | owner);
    this.#at = (this.#at + 1) % this.layout.size;
    if (this.#at === 0) this.#wrap = !this.#wrap;
  }

  used(): Used[] {
    const out: Used[] = [];
    for (;;) {
      const element = this.layout.desc + BigInt(16 * this.#usedAt);
      const flags = this.ram.get16(element + 14n);
      const isUsed = ((flags & Flag.AVAIL) !== 0) === this.#usedWrap && ((flags & Flag.USED) !== 0) === this.#usedWrap;
      if (!isUsed) return out;
      const id = this.ram.get16(element + 12n);
      out.push({ id, written: this.ram.get32(element + 8n) });
      this.#usedAt += this.#slots.get(id) ?? 1;
      if (this.#usedAt >= this.layout.size) {
        this.#usedAt -= this.layout.size;
        this.#usedWrap = !this.#usedWrap;
      }
    }
  }
}

export interface Rig<R extends Ring = Ring> {
  ram: TestRam;
  ring: R;
  queue: Virtqueue;
  interrupts(): number;
}

function rig<R extends Ring>(
  ram: TestRam,
  ring: R,
  Queue: typeof SplitQueue | typeof PackedQueue,
  how: RingOptions,
): Rig<R> {
  let count = 0;
  const { indirect = true, eventIdx = false, charge, step } = how;
  const rules = { indirect, eventIdx, charge, step };
  const options = { memory: ram.device, layout: ring.layout, interrupt: () => count++, ...rules };
  return { ram, ring, queue: new Queue(options), interrupts: () => count };
}

export function splitRig(how: RingOptions = {}): Rig<SplitRing> {
  const ram = new TestRam();
  return rig(ram, new SplitRing(ram, how.size), SplitQueue, how);
}

export function packedRig(how: RingOptions = {}): Rig<PackedRing> {
  const ram = new TestRam();
  return rig(ram, new PackedRing(ram, how.size), PackedQueue, how);
}
