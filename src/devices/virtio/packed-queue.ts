/**
 * The packed virtqueue (virtio 1.2, 2.8 "Packed Virtqueues"): one ring that both sides write. Whose a descriptor is, its
 * AVAIL and USED flags tell against a wrap counter that turns with every round.
 */
import { Chain, type Window } from './chain.ts';
import { DESC_BYTES, DescFlag, readDescriptor, walkPackedIndirect, windowOf } from './descriptor.ts';
import { GuestError } from './guest-memory.ts';
import { checkArea, checkSize, type QueueOptions, tableBytes, Virtqueue } from './queue.ts';

/** virtio 1.2, 2.8.14 "Event Suppression Structure Format". */
const EventFlags = { ENABLE: 0, DISABLE: 1, DESC: 2 } as const;
const WRAP = 0x8000;

type PackedRing = {
  availAt: number;
  availWrap: boolean;
  usedAt: number;
  usedWrap: boolean;
  slotsInFlight: number;
};

export class PackedQueue extends Virtqueue {
  #ring: PackedRing = { availAt: 0, availWrap: true, usedAt: 0, usedWrap: true, slotsInFlight: 0 };

  /** Throws GuestError for a layout that the specification forbids. */
  constructor(options: QueueOptions) {
    super(options);
    if (options.wasChecked) return;
    const { size, desc, driver, device } = options.layout;
    checkSize(size, false);
    checkArea(this.memory, 'descriptor ring', desc, tableBytes(size), 16);
    checkArea(this.memory, 'driver event suppression', driver, 4, 4);
    checkArea(this.memory, 'device event suppression', device, 4, 4);
  }

  wantNotifications(wanted: boolean): void {
    const { device } = this.options.layout;
    if (wanted && this.options.eventIdx) {
      this.memory.write16(device, this.#ring.availAt | (this.#ring.availWrap ? WRAP : 0));
      this.memory.write16(device + 2n, EventFlags.DESC);
    } else this.memory.write16(device + 2n, wanted ? EventFlags.ENABLE : EventFlags.DISABLE);
  }

  protected saveRing(): PackedRing {
    return { ...this.#ring };
  }

  protected loadRing(ring: PackedRing): void {
    this.#ring = { ...ring };
  }

  protected take(): Chain | null {
    if (!this.#isAvailable()) {
      if (!this.options.eventIdx) return null;
      this.wantNotifications(true);
      if (!this.#isAvailable()) return null;
    }
    const windows: Window[] = [];
    let at = this.#ring.availAt;
    for (let slots = 1; ; slots++) {
      if (this.#ring.slotsInFlight + slots > this.size) {
        throw new GuestError(`the chain at descriptor ${this.#ring.availAt} runs into descriptors in use`);
      }
      const descriptor = readDescriptor(this.memory, this.#descriptor(at), true);
      const { flags, link: id } = descriptor;
      const hasNext = (flags & DescFlag.NEXT) !== 0;
      if (flags & DescFlag.INDIRECT) {
        if (hasNext || slots > 1) throw new GuestError(`descriptor ${at} is indirect and part of a chain`);
        windows.push(...walkPackedIndirect(this.memory, descriptor, this.size, this.options.indirect));
      } else windows.push(windowOf(this.memory, descriptor));
      at = (at + 1) % this.size;
      if (!hasNext) return this.#accept(new Chain(id, windows, slots), at);
    }
  }

  protected give(chain: Chain, written: number): boolean {
    const element = this.#descriptor(this.#ring.usedAt);
    const owner = this.#ring.usedWrap ? DescFlag.AVAIL | DescFlag.USED : 0;
    this.memory.write32(element + 8n, written);
    this.memory.write16(element + 12n, chain.id);
    this.memory.write16(element + 14n, owner | (written > 0 ? DescFlag.WRITE : 0));
    this.#ring.slotsInFlight -= chain.slots;
    this.#ring.usedAt += chain.slots;
    if (this.#ring.usedAt >= this.size) {
      this.#ring.usedAt -= this.size;
      this.#ring.usedWrap = !this.#ring.usedWrap;
    }
    return this.#wantsInterrupt(chain.slots);
  }

  #descriptor(at: number): bigint {
    return this.options.layout.desc + BigInt(DESC_BYTES * at);
  }

  #isAvailable(): boolean {
    if (this.#ring.slotsInFlight === this.size) return false;
    const flags = this.memory.read16(this.#descriptor(this.#ring.availAt) + 14n);
    const avail = (flags & DescFlag.AVAIL) !== 0;
    const used = (flags & DescFlag.USED) !== 0;
    return avail === this.#ring.availWrap && used !== this.#ring.availWrap;
  }

  #accept(chain: Chain, next: number): Chain {
    if (this.#ring.availAt + chain.slots >= this.size) this.#ring.availWrap = !this.#ring.availWrap;
    this.#ring.availAt = next;
    this.#ring.slotsInFlight += chain.slots;
    return chain;
  }

  /** Whether the descriptor that the driver named is among the last `slots` ones used. */
  #wantsInterrupt(slots: number): boolean {
    const view = this.memory.view(this.options.layout.driver, 4);
    const flags = view.getUint16(2, true) & 3;
    if (flags === EventFlags.DISABLE) return false;
    if (flags !== EventFlags.DESC || !this.options.eventIdx) return true;
    const event = view.getUint16(0, true);
    const isThisRound = ((event & WRAP) !== 0) === this.#ring.usedWrap;
    const at = (event & ~WRAP) - (isThisRound ? 0 : this.size);
    return at >= this.#ring.usedAt - slots && at < this.#ring.usedAt;
  }
}
