/**
 * A virtio device behind memory-mapped registers (virtio 1.2, 4.2 "Virtio Over MMIO"), version 2: no legacy interface.
 * Registers are 32 bits wide and take no other access; the configuration space takes any.
 */
import type { Width } from '../../core/types.ts';
import { copyOf, type Saved } from '../../saved.ts';
import type { IoDevice, IrqLine } from '../device.ts';
import { half, withHalf } from './halves.ts';
import type { QueueLayout } from './queue.ts';
import { type TransportParts, type TransportState, VirtioTransport } from './transport.ts';

/** virtio 1.2, 4.2.2 "MMIO Device Register Layout". */
export const Reg = {
  MAGIC_VALUE: 0x000,
  VERSION: 0x004,
  DEVICE_ID: 0x008,
  VENDOR_ID: 0x00c,
  DEVICE_FEATURES: 0x010,
  DEVICE_FEATURES_SEL: 0x014,
  DRIVER_FEATURES: 0x020,
  DRIVER_FEATURES_SEL: 0x024,
  QUEUE_SEL: 0x030,
  QUEUE_NUM_MAX: 0x034,
  QUEUE_NUM: 0x038,
  QUEUE_READY: 0x044,
  QUEUE_NOTIFY: 0x050,
  INTERRUPT_STATUS: 0x060,
  INTERRUPT_ACK: 0x064,
  STATUS: 0x070,
  QUEUE_DESC_LOW: 0x080,
  QUEUE_DESC_HIGH: 0x084,
  QUEUE_DRIVER_LOW: 0x090,
  QUEUE_DRIVER_HIGH: 0x094,
  QUEUE_DEVICE_LOW: 0x0a0,
  QUEUE_DEVICE_HIGH: 0x0a4,
  SHM_LEN_LOW: 0x0b0,
  SHM_LEN_HIGH: 0x0b4,
  SHM_BASE_LOW: 0x0b8,
  SHM_BASE_HIGH: 0x0bc,
  CONFIG_GENERATION: 0x0fc,
  CONFIG: 0x100,
} as const;

/** Bytes that the registers and the configuration space take. */
export const MMIO_BYTES = 0x200;
const MAGIC = 0x74726976;
const VERSION = 2;
const VENDOR = 0x4e4c4d56;
const Interrupt = { USED_BUFFER: 1, CONFIG_CHANGE: 2 } as const;
const NO_SUCH_REGION = 0xffff_ffff;

export interface MmioParts extends TransportParts {
  irq: IrqLine;
}

/** What the driver wrote to registers, and the transport behind them. */
type MmioState = {
  layouts: QueueLayout[];
  deviceFeaturesSel: number;
  driverFeaturesSel: number;
  queueSel: number;
  interruptStatus: number;
};

export class VirtioMmio implements IoDevice, Saved<{ registers: MmioState; transport: TransportState }> {
  readonly maxWidth = 4;
  readonly #transport: VirtioTransport;
  readonly #irq: IrqLine;
  #registers: MmioState = {
    layouts: [],
    deviceFeaturesSel: 0,
    driverFeaturesSel: 0,
    queueSel: 0,
    interruptStatus: 0,
  };

  constructor(parts: MmioParts) {
    this.#irq = parts.irq;
    this.#transport = new VirtioTransport(parts, (queue) =>
      this.#setInterrupts(
        this.#registers.interruptStatus | (queue === null ? Interrupt.CONFIG_CHANGE : Interrupt.USED_BUFFER),
      ),
    );
    this.#forget();
  }

  /** Power-on reset. */
  reset(): void {
    this.#transport.reset();
    this.#forget();
  }

  save(): { registers: MmioState; transport: TransportState } {
    return { registers: copyOf(this.#registers), transport: this.#transport.save() };
  }

  load({ registers, transport }: { registers: MmioState; transport: TransportState }): void {
    this.#registers = copyOf(registers);
    this.#transport.load(transport);
  }

  read(offset: number, width: Width): number {
    if (offset >= Reg.CONFIG) return this.#transport.readConfig(offset - Reg.CONFIG, width);
    return width === 4 ? this.#readRegister(offset) : 0;
  }

  write(offset: number, width: Width, value: number): void {
    if (offset >= Reg.CONFIG) this.#transport.writeConfig(offset - Reg.CONFIG, width, value);
    else if (width === 4) this.#writeRegister(offset, value >>> 0);
  }

  #readRegister(offset: number): number {
    const transport = this.#transport;
    switch (offset) {
      case Reg.MAGIC_VALUE:
        return MAGIC;
      case Reg.VERSION:
        return VERSION;
      case Reg.DEVICE_ID:
        return transport.device.id;
      case Reg.VENDOR_ID:
        return VENDOR;
      case Reg.DEVICE_FEATURES:
        return half(transport.offered, this.#registers.deviceFeaturesSel);
      case Reg.QUEUE_NUM_MAX:
        return transport.device.queues[this.#registers.queueSel] ?? 0;
      case Reg.QUEUE_READY:
        return Number(transport.isEnabled(this.#registers.queueSel));
      case Reg.INTERRUPT_STATUS:
        return this.#registers.interruptStatus;
      case Reg.STATUS:
        return transport.status;
      case Reg.SHM_LEN_LOW:
      case Reg.SHM_LEN_HIGH:
      case Reg.SHM_BASE_LOW:
      case Reg.SHM_BASE_HIGH:
        return NO_SUCH_REGION;
      case Reg.CONFIG_GENERATION:
        return transport.configGeneration;
      default:
        return 0;
    }
  }

  #writeRegister(offset: number, value: number): void {
    switch (offset) {
      case Reg.DEVICE_FEATURES_SEL:
        this.#registers.deviceFeaturesSel = value;
        return;
      case Reg.DRIVER_FEATURES_SEL:
        this.#registers.driverFeaturesSel = value;
        return;
      case Reg.DRIVER_FEATURES:
        this.#writeDriverFeatures(value);
        return;
      case Reg.QUEUE_SEL:
        this.#registers.queueSel = value;
        return;
      case Reg.QUEUE_READY:
        this.#writeQueueReady(value);
        return;
      case Reg.QUEUE_NOTIFY:
        this.#transport.notify(value);
        return;
      case Reg.INTERRUPT_ACK:
        this.#setInterrupts(this.#registers.interruptStatus & ~value);
        return;
      case Reg.STATUS:
        this.#transport.setStatus(value & 0xff);
        if (this.#transport.status === 0) this.#forget();
        return;
      default:
        this.#writeLayout(offset, value);
    }
  }

  #writeDriverFeatures(value: number): void {
    const sel = this.#registers.driverFeaturesSel;
    if (sel <= 1) this.#transport.features = withHalf(this.#transport.features, sel, value);
  }

  #writeQueueReady(value: number): void {
    if (value & 1)
      this.#transport.enableQueue(this.#registers.queueSel, {
        ...(this.#registers.layouts[this.#registers.queueSel] ?? noLayout()),
      });
    else this.#transport.disableQueue(this.#registers.queueSel);
  }

  #writeLayout(offset: number, value: number): void {
    const layout = this.#registers.layouts[this.#registers.queueSel];
    if (!layout) return;
    if (offset === Reg.QUEUE_NUM) layout.size = value;
    const sel = offset & 4 ? 1 : 0;
    switch (offset - 4 * sel) {
      case Reg.QUEUE_DESC_LOW:
        layout.desc = withHalf(layout.desc, sel, value);
        return;
      case Reg.QUEUE_DRIVER_LOW:
        layout.driver = withHalf(layout.driver, sel, value);
        return;
      case Reg.QUEUE_DEVICE_LOW:
        layout.device = withHalf(layout.device, sel, value);
        return;
    }
  }

  #setInterrupts(status: number): void {
    this.#registers.interruptStatus = status;
    this.#irq(status !== 0);
  }

  /** virtio 1.2, 4.2.2.1 "Device Requirements: MMIO Device Register Layout": a reset clears interrupts and queues. */
  #forget(): void {
    this.#registers.layouts = this.#transport.device.queues.map(noLayout);
    this.#setInterrupts(0);
  }
}

const noLayout = (): QueueLayout => ({ size: 0, desc: 0n, driver: 0n, device: 0n });
