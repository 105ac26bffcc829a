/**
 * A virtio device as a PCI function (virtio 1.2, 4.1 "Virtio Over PCI Bus"), without the legacy interface: structures in
 * one memory range that capabilities point to, notification by MSI-X or INTx.
 */
import type { Width } from '../../core/types.ts';
import type { Face } from '../device.ts';
import { CONFIG_BYTES, PciFunction } from '../pci/function.ts';
import { Msix } from '../pci/msix.ts';
import { CommonConfig, NO_VECTOR } from './pci-common.ts';
import { type TransportParts, VirtioTransport } from './transport.ts';

const VENDOR = 0x1af4;
/** virtio 1.2, 4.1.2 "PCI Device Discovery". */
const FIRST_DEVICE = 0x1040;
const REVISION = 1;
const SUBSYSTEM = 0x1100;
const VENDOR_CAPABILITY = 9;
/** virtio 1.2, 4.1.4 "Virtio Structure PCI Capabilities". */
const Capability = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;
const Interrupt = { QUEUE: 1, CONFIG: 2 } as const;

/** The range of base address register 0: a page per structure, the last for notifications. */
const PAGE = 0x1000;
const Page = { COMMON: 0, ISR: 1, DEVICE: 2, NOTIFY: 3 } as const;
const STRUCTURES_BYTES = 4 * PAGE;
const STRUCTURES_BAR = 0;
const MSIX_BAR = 1;
const NOTIFY_MULTIPLIER = 4;
/** virtio 1.2, 4.1.4.9 "PCI configuration access capability": offsets in it. */
const Window = { BAR: 4, OFFSET: 8, LENGTH: 12, DATA: 16 } as const;

/** Base class and subclass by device type, as kernels and firmware show them; "other" for the rest. */
const CLASSES: Record<number, number> = { 1: 0x02_0000, 2: 0x01_0000, 3: 0x07_8000, 16: 0x03_8000, 18: 0x09_8000 };
const OTHER_CLASS = 0xff_0000;

export interface PciParts extends TransportParts {
  /** MSI-X vectors; one per queue and one for the configuration if absent, none for 0. */
  vectors?: number;
}

/** Vectors that the table of one page has room for. */
const MAX_VECTORS = 128;

export class VirtioPci extends PciFunction {
  readonly #transport: VirtioTransport;
  readonly #common: CommonConfig;
  readonly #msix: Msix | null;
  readonly #structures: Face;
  readonly #windowAt: number;
  #isr = 0;

  constructor(parts: PciParts) {
    const { device, vectors = Math.min(MAX_VECTORS, device.queues.length + 1) } = parts;
    super({
      name: device.name,
      vendor: VENDOR,
      device: FIRST_DEVICE + device.id,
      revision: REVISION,
      classCode: CLASSES[device.id] ?? OTHER_CLASS,
      subsystemVendor: VENDOR,
      subsystem: SUBSYSTEM,
    });
    this.usePin(1);
    const memory = this.dma(parts.memory);
    this.#transport = new VirtioTransport({ ...parts, memory }, (queue) => this.#signal(queue));
    this.#common = new CommonConfig(this.#transport, vectors, () => this.#forget());
    this.keep('transport', this.#transport);
    this.keep('common', this.#common);
    this.keep('isr', {
      save: () => this.#isr,
      load: (isr) => {
        this.#isr = isr as number;
      },
    });
    this.#structures = {
      maxWidth: 4,
      stateOf: null,
      read: (offset, width) => this.#read(offset, width),
      write: (offset, width, value) => this.#write(offset, width, value),
    };
    this.addBar(STRUCTURES_BAR, {
      name: device.name,
      kind: 'memory',
      size: STRUCTURES_BYTES,
      device: this.#structures,
    });
    this.#msix = vectors > 0 ? new Msix(this, MSIX_BAR, vectors) : null;
    this.#point(Capability.COMMON, Page.COMMON);
    this.#point(Capability.ISR, Page.ISR);
    if (device.config.length > 0) this.#point(Capability.DEVICE, Page.DEVICE);
    this.#point(Capability.NOTIFY, Page.NOTIFY, [NOTIFY_MULTIPLIER, 0, 0, 0]);
    this.#windowAt = this.#addWindow();
  }

  /** Power-on reset of the device: chains in hand are gone. */
  reset(): void {
    this.#transport.reset();
    this.#forget();
  }

  override readConfig(offset: number, width: Width): number {
    if (this.#isWindow(offset, width)) return this.#throughWindow((at) => this.#structures.read(at, width), width);
    return super.readConfig(offset, width);
  }

  override writeConfig(offset: number, width: Width, value: number): void {
    if (this.#isWindow(offset, width)) this.#throughWindow((at) => this.#structures.write(at, width, value), width);
    else super.writeConfig(offset, width, value);
  }

  #point(type: number, page: number, more: readonly number[] = []): void {
    const length = 16 + more.length;
    const bar = [length, type, STRUCTURES_BAR, 0, 0, 0];
    this.addCapability(VENDOR_CAPABILITY, [...bar, 0, (page * PAGE) >> 8, 0, 0, 0, PAGE >> 8, 0, 0, ...more]);
  }

  #addWindow(): number {
    const body = [20, Capability.PCI, ...new Array<number>(16).fill(0)];
    const word = [0xff, 0xff, 0xff, 0xff];
    return this.addCapability(VENDOR_CAPABILITY, body, [0, 0, 0xff, 0, 0, 0, ...word, ...word]);
  }

  #isWindow(offset: number, width: number): boolean {
    const data = this.#windowAt + Window.DATA;
    return offset < data + 4 && offset + width > data && offset < CONFIG_BYTES;
  }

  /** An access of the length and at the place that the driver wrote to the capability; nothing if they make no sense. */
  #throughWindow(access: (at: number) => unknown, width: Width): number {
    const field = (at: number): number => super.readConfig(this.#windowAt + at, 4);
    const offset = field(Window.OFFSET);
    const isPossible =
      (field(Window.BAR) & 0xff) === STRUCTURES_BAR &&
      field(Window.LENGTH) === width &&
      offset % width === 0 &&
      offset + width <= STRUCTURES_BYTES;
    const value = isPossible ? access(offset) : 0;
    return typeof value === 'number' ? value : 0;
  }

  #read(offset: number, width: Width): number {
    const at = offset % PAGE;
    switch (Math.floor(offset / PAGE)) {
      case Page.COMMON:
        return this.#common.read(at, width);
      case Page.ISR:
        return at === 0 ? this.#takeIsr() : 0;
      case Page.DEVICE:
        return this.#transport.readConfig(at, width);
      default:
        return 0;
    }
  }

  #write(offset: number, width: Width, value: number): void {
    const at = offset % PAGE;
    switch (Math.floor(offset / PAGE)) {
      case Page.COMMON:
        this.#common.write(at, width, value);
        return;
      case Page.DEVICE:
        this.#transport.writeConfig(at, width, value);
        return;
      case Page.NOTIFY:
        this.#transport.notify(Math.floor(at / NOTIFY_MULTIPLIER));
        return;
    }
  }

  #takeIsr(): number {
    const isr = this.#isr;
    this.#isr = 0;
    this.setIntx(false);
    return isr;
  }

  #signal(queue: number | null): void {
    if (this.#msix?.isEnabled) {
      const vector = queue === null ? this.#common.configVector : this.#common.queueVectors[queue];
      if (vector !== NO_VECTOR) this.#msix.signal(vector);
      return;
    }
    this.#isr |= queue === null ? Interrupt.CONFIG : Interrupt.QUEUE;
    this.setIntx(true);
  }

  #forget(): void {
    this.#common.forget();
    this.#takeIsr();
  }
}
