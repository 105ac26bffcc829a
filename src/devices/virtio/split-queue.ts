/**
 * The split virtqueue (virtio 1.2, 2.7 "Split Virtqueues"): a descriptor table, a ring of available heads that the
 * driver writes and a ring of used ones that the device writes. Indices run freely modulo 2^16.
 */
import { Chain } from './chain.ts';
import { walkSplit } from './descriptor.ts';
import { GuestError } from './guest-memory.ts';
import { checkArea, checkSize, type QueueOptions, tableBytes, Virtqueue } from './queue.ts';

const AVAIL_NO_INTERRUPT = 1;
const USED_NO_NOTIFY = 1;

type SplitRing = { availIdx: number; usedIdx: number };

export class SplitQueue extends Virtqueue {
  #availIdx = 0;
  #usedIdx = 0;

  /** Throws GuestError for a layout that the specification forbids. */
  constructor(options: QueueOptions) {
    super(options);
    if (options.wasChecked) return;
    const { size, desc, driver, device } = options.layout;
    checkSize(size, true);
    checkArea(this.memory, 'descriptor table', desc, tableBytes(size), 16);
    checkArea(this.memory, 'available ring', driver, 6 + 2 * size, 2);
    checkArea(this.memory, 'used ring', device, 6 + 8 * size, 4);
  }

  /** virtio 1.2, 2.7.10 "Available Buffer Notification Suppression". */
  wantNotifications(wanted: boolean): void {
    const { device } = this.options.layout;
    if (!this.options.eventIdx) this.memory.write16(device, wanted ? 0 : USED_NO_NOTIFY);
    else if (wanted) this.memory.write16(device + BigInt(4 + 8 * this.size), this.#availIdx);
  }

  protected saveRing(): SplitRing {
    return { availIdx: this.#availIdx, usedIdx: this.#usedIdx };
  }

  protected loadRing({ availIdx, usedIdx }: SplitRing): void {
    this.#availIdx = availIdx;
    this.#usedIdx = usedIdx;
  }

  protected take(): Chain | null {
    if (this.#pending() === 0) {
      if (!this.options.eventIdx) return null;
      this.wantNotifications(true);
      if (this.#pending() === 0) return null;
    }
    const { desc, driver } = this.options.layout;
    const head = this.memory.read16(driver + BigInt(4 + 2 * (this.#availIdx & (this.size - 1))));
    const indirect = { allowed: this.options.indirect, inside: false, limit: this.size };
    const windows = walkSplit(this.memory, desc, this.size, head, indirect);
    const chain = new Chain(head, windows, 1);
    this.#availIdx = (this.#availIdx + 1) & 0xffff;
    return chain;
  }

  protected give(chain: Chain, written: number): boolean {
    const { device } = this.options.layout;
    const element = device + BigInt(4 + 8 * (this.#usedIdx & (this.size - 1)));
    this.memory.write32(element, chain.id);
    this.memory.write32(element + 4n, written);
    this.#usedIdx = (this.#usedIdx + 1) & 0xffff;
    this.memory.write16(device + 2n, this.#usedIdx);
    return this.#wantsInterrupt();
  }

  /** Chains made available and not yet taken. */
  #pending(): number {
    const idx = this.memory.read16(this.options.layout.driver + 2n);
    const pending = (idx - this.#availIdx) & 0xffff;
    if (pending > this.size) {
      throw new GuestError(`the available index jumps from ${this.#availIdx} to ${idx} in a queue of ${this.size}`);
    }
    return pending;
  }

  /** virtio 1.2, 2.7.7 "Used Buffer Notification Suppression". */
  #wantsInterrupt(): boolean {
    const { driver } = this.options.layout;
    if (!this.options.eventIdx) return (this.memory.read16(driver) & AVAIL_NO_INTERRUPT) === 0;
    const usedEvent = this.memory.read16(driver + BigInt(4 + 2 * this.size));
    return ((usedEvent + 1) & 0xffff) === this.#usedIdx;
  }
}
