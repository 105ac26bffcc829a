/**
 * Descriptors and the tables of them that both ring formats share. A descriptor is read once, whole, and only the copy
 * is believed; every walk ends after as many steps as the table has places.
 */
import { Window } from './chain.ts';
import { type DeviceMemory, GuestError } from './guest-memory.ts';

/** virtio 1.2, 2.7.5 "The Virtqueue Descriptor Table" and 2.8.1 "Driver and Device Ring Wrap Counters". */
export const DescFlag = { NEXT: 1, WRITE: 2, INDIRECT: 4, AVAIL: 1 << 7, USED: 1 << 15 } as const;
export const DESC_BYTES = 16;

/** In a split ring `tail` is flags, next; in a packed ring it is buffer ID, flags. */
export interface Descriptor {
  gpa: bigint;
  length: number;
  flags: number;
  /** `next` (split) or the buffer ID (packed). */
  link: number;
}

/** Indirect tables of a small queue may be longer than the queue: Linux makes such ones. */
const MIN_INDIRECT_LIMIT = 1024;

const pick = (view: DataView, at: number, isPacked: boolean): Descriptor => ({
  gpa: view.getBigUint64(at, true),
  length: view.getUint32(at + 8, true),
  flags: view.getUint16(at + (isPacked ? 14 : 12), true),
  link: view.getUint16(at + (isPacked ? 12 : 14), true),
});

export function readDescriptor(memory: DeviceMemory, gpa: bigint, isPacked: boolean): Descriptor {
  return pick(memory.view(gpa, DESC_BYTES), 0, isPacked);
}

export function windowOf(memory: DeviceMemory, { gpa, length, flags }: Descriptor): Window {
  return new Window(memory, gpa, length, (flags & DescFlag.WRITE) !== 0);
}

/**
 * The windows of a split chain that starts at `head` of a table of `entries` descriptors (virtio 1.2, 2.7.5.3
 * "Indirect Descriptors": direct descriptors may come before one indirect table). Throws GuestError for a broken chain.
 */
export function walkSplit(
  memory: DeviceMemory,
  table: bigint,
  entries: number,
  head: number,
  indirect: { allowed: boolean; inside: boolean; limit: number },
): Window[] {
  const windows: Window[] = [];
  let index = head;
  for (let steps = 0; ; steps++) {
    if (index >= entries) throw new GuestError(`descriptor ${index} is past the table of ${entries}`);
    if (steps === entries) throw new GuestError(`the chain at descriptor ${head} loops`);
    if (steps === indirect.limit) throw new GuestError(`the chain has more than ${indirect.limit} descriptors`);
    const descriptor = readDescriptor(memory, table + BigInt(DESC_BYTES * index), false);
    if (descriptor.flags & DescFlag.INDIRECT) {
      if (indirect.inside) throw new GuestError(`descriptor ${index} is indirect inside an indirect table`);
      if (descriptor.flags & DescFlag.NEXT) throw new GuestError(`descriptor ${index} is indirect and has a next one`);
      const inner = indirectEntries(memory, descriptor, indirect.allowed);
      const limit = Math.max(entries, MIN_INDIRECT_LIMIT);
      return windows.concat(walkSplit(memory, descriptor.gpa, inner, 0, { allowed: false, inside: true, limit }));
    }
    windows.push(windowOf(memory, descriptor));
    if (!(descriptor.flags & DescFlag.NEXT)) return windows;
    index = descriptor.link;
  }
}

/** The windows of a packed indirect table, start to end (2.8.7 "Indirect Flag: Scatter-Gather Support"). */
export function walkPackedIndirect(memory: DeviceMemory, table: Descriptor, size: number, allowed: boolean): Window[] {
  const entries = indirectEntries(memory, table, allowed);
  const limit = Math.max(size, MIN_INDIRECT_LIMIT);
  if (entries > limit) throw new GuestError(`the indirect table has ${entries} descriptors; the limit is ${limit}`);
  const view = memory.view(table.gpa, table.length);
  return Array.from({ length: entries }, (_, index) => pick(view, DESC_BYTES * index, true)).map((inner, index) => {
    if (inner.flags & DescFlag.INDIRECT) {
      throw new GuestError(`descriptor ${index} is indirect inside an indirect table`);
    }
    return windowOf(memory, inner);
  });
}

function indirectEntries(memory: DeviceMemory, { gpa, length }: Descriptor, allowed: boolean): number {
  if (!allowed) throw new GuestError('an indirect descriptor, but VIRTIO_F_INDIRECT_DESC was not negotiated');
  if (length === 0 || length % DESC_BYTES !== 0) {
    throw new GuestError(`an indirect table of ${length} bytes: must be a multiple of ${DESC_BYTES}`);
  }
  memory.bytes(gpa, length);
  return length / DESC_BYTES;
}
