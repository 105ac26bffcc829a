/** Where memory-mapped virtio devices lie: one slot of registers after the other, four pins of the I/O APIC in turn. */
import type { IrqLine } from '../../devices/device.ts';
import { MMIO_BYTES, type MmioParts, VirtioMmio } from '../../devices/virtio/transport-mmio.ts';
import type { PcBus } from './bus.ts';

const BASE = 0xfeb0_0000;
const MAX_SLOTS = 32;
const FIRST_PIN = 16;
const PINS = 4;

/** A slot as the ACPI tables describe it. */
export interface VirtioMmioSlot {
  base: number;
  length: number;
  /** Global system interrupt. */
  gsi: number;
}

export class VirtioMmioSlots {
  readonly slots: VirtioMmioSlot[] = [];
  readonly #bus: PcBus;
  readonly #pin: (pin: number) => IrqLine;

  constructor(bus: PcBus, pin: (pin: number) => IrqLine) {
    this.#bus = bus;
    this.#pin = pin;
  }

  /** Puts a device into the next slot, as the part `name` of the machine. Throws RangeError where none is left. */
  attach(name: string, parts: Omit<MmioParts, 'irq'>): VirtioMmio {
    const index = this.slots.length;
    if (index >= MAX_SLOTS)
      throw new RangeError(`${parts.device.name}: there is room for ${MAX_SLOTS} virtio-mmio devices`);
    const slot = { base: BASE + MMIO_BYTES * index, length: MMIO_BYTES, gsi: FIRST_PIN + (index % PINS) };
    const mmio = new VirtioMmio({ ...parts, irq: this.#pin(slot.gsi) });
    this.#bus.parts.keep(name, mmio);
    this.#bus.mapMmio(parts.device.name, slot.base, slot.length, mmio);
    this.slots.push(slot);
    return mmio;
  }
}
