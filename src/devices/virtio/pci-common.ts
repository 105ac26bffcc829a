/** The common configuration structure (virtio 1.2, 4.1.4.3 "Common configuration structure layout"). */
import type { Width } from '../../core/types.ts';
import { copyOf, type Saved } from '../../saved.ts';
import { half, withHalf } from './halves.ts';
import type { QueueLayout } from './queue.ts';
import type { VirtioTransport } from './transport.ts';

const Field = {
  DEVICE_FEATURE_SELECT: 0,
  DEVICE_FEATURE: 4,
  DRIVER_FEATURE_SELECT: 8,
  DRIVER_FEATURE: 12,
  CONFIG_MSIX_VECTOR: 16,
  NUM_QUEUES: 18,
  DEVICE_STATUS: 20,
  CONFIG_GENERATION: 21,
  QUEUE_SELECT: 22,
  QUEUE_SIZE: 24,
  QUEUE_MSIX_VECTOR: 26,
  QUEUE_ENABLE: 28,
  QUEUE_NOTIFY_OFF: 30,
  QUEUE_DESC: 32,
  QUEUE_DRIVER: 40,
  QUEUE_DEVICE: 48,
  END: 56,
} as const;

/** VIRTIO_MSI_NO_VECTOR. */
export const NO_VECTOR = 0xffff;
const AREAS = ['desc', 'driver', 'device'] as const;

export type CommonState = {
  configVector: number;
  queueVectors: number[];
  layouts: QueueLayout[];
  deviceSelect: number;
  driverSelect: number;
  queueSelect: number;
};

export class CommonConfig implements Saved<CommonState> {
  configVector = NO_VECTOR;
  queueVectors: number[] = [];
  readonly #transport: VirtioTransport;
  readonly #vectors: number;
  readonly #afterReset: () => void;
  #layouts: QueueLayout[] = [];
  #deviceSelect = 0;
  #driverSelect = 0;
  #queueSelect = 0;

  /** `vectors` is how many there are; `afterReset` is called when the driver reset the device. */
  constructor(transport: VirtioTransport, vectors: number, afterReset: () => void) {
    this.#transport = transport;
    this.#vectors = vectors;
    this.#afterReset = afterReset;
    this.forget();
  }

  /** What a reset forgets. */
  forget(): void {
    const { queues } = this.#transport.device;
    this.configVector = NO_VECTOR;
    this.queueVectors = queues.map(() => NO_VECTOR);
    this.#layouts = queues.map((size) => ({ size, desc: 0n, driver: 0n, device: 0n }));
  }

  save(): CommonState {
    const { configVector, queueVectors } = this;
    const [deviceSelect, driverSelect, queueSelect] = [this.#deviceSelect, this.#driverSelect, this.#queueSelect];
    return copyOf({ configVector, queueVectors, layouts: this.#layouts, deviceSelect, driverSelect, queueSelect });
  }

  load(state: CommonState): void {
    const { configVector, queueVectors, layouts, deviceSelect, driverSelect, queueSelect } = copyOf(state);
    this.configVector = configVector;
    this.queueVectors = queueVectors;
    this.#layouts = layouts;
    this.#deviceSelect = deviceSelect;
    this.#driverSelect = driverSelect;
    this.#queueSelect = queueSelect;
  }

  read(offset: number, width: Width): number {
    let value = 0;
    for (let at = offset + width - 1; at >= offset; at--) {
      value = value * 256 + ((this.#word(at & ~3) >>> (8 * (at & 3))) & 0xff);
    }
    return value;
  }

  write(offset: number, width: Width, value: number): void {
    if (width === 4) this.#write32(offset, value >>> 0);
    else if (width === 2) this.#write16(offset, value & 0xffff);
    else if (offset === Field.DEVICE_STATUS) {
      this.#transport.setStatus(value & 0xff);
      if (this.#transport.status === 0) this.#afterReset();
    }
  }

  #word(at: number): number {
    const transport = this.#transport;
    const queue = this.#queueSelect;
    const layout = this.#layouts[queue];
    switch (at) {
      case Field.DEVICE_FEATURE_SELECT:
        return this.#deviceSelect;
      case Field.DEVICE_FEATURE:
        return half(transport.offered, this.#deviceSelect);
      case Field.DRIVER_FEATURE_SELECT:
        return this.#driverSelect;
      case Field.DRIVER_FEATURE:
        return half(transport.features, this.#driverSelect);
      case Field.CONFIG_MSIX_VECTOR:
        return this.configVector | (this.#layouts.length << 16);
      case Field.DEVICE_STATUS:
        return transport.status | (transport.configGeneration << 8) | (queue << 16);
      case Field.QUEUE_SIZE:
        return (layout?.size ?? 0) | ((this.queueVectors[queue] ?? NO_VECTOR) << 16);
      case Field.QUEUE_ENABLE:
        return Number(transport.isEnabled(queue)) | ((layout ? queue : 0) << 16);
    }
    const area = AREAS[(at - Field.QUEUE_DESC) >> 3];
    return layout && area && at < Field.END ? half(layout[area], (at >> 2) & 1) : 0;
  }

  #write32(offset: number, value: number): void {
    switch (offset) {
      case Field.DEVICE_FEATURE_SELECT:
        this.#deviceSelect = value;
        return;
      case Field.DRIVER_FEATURE_SELECT:
        this.#driverSelect = value;
        return;
      case Field.DRIVER_FEATURE:
        if (this.#driverSelect <= 1) {
          this.#transport.features = withHalf(this.#transport.features, this.#driverSelect, value);
        }
        return;
    }
    const layout = this.#layouts[this.#queueSelect];
    const area = AREAS[(offset - Field.QUEUE_DESC) >> 3];
    if (layout && area && (offset & 3) === 0) layout[area] = withHalf(layout[area], (offset >> 2) & 1, value);
  }

  #write16(offset: number, value: number): void {
    const queue = this.#queueSelect;
    const layout = this.#layouts[queue];
    switch (offset) {
      case Field.CONFIG_MSIX_VECTOR:
        this.configVector = this.#vector(value);
        return;
      case Field.QUEUE_SELECT:
        this.#queueSelect = value;
        return;
      case Field.QUEUE_SIZE:
        if (layout) layout.size = value;
        return;
      case Field.QUEUE_MSIX_VECTOR:
        if (layout) this.queueVectors[queue] = this.#vector(value);
        return;
      case Field.QUEUE_ENABLE:
        if (value === 1)
          this.#transport.enableQueue(queue, { ...(layout ?? { size: 0, desc: 0n, driver: 0n, device: 0n }) });
        return;
    }
  }

  /** A vector that does not exist is no vector, as the driver reads back. */
  #vector(value: number): number {
    return value < this.#vectors ? value : NO_VECTOR;
  }
}
