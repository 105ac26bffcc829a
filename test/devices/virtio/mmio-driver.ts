// A driver behind the MMIO transport: brings a device up as the specification says and keeps what it was told.
import type { VirtioDevice } from '../../../src/devices/virtio/device.ts';
import { Reg, VirtioMmio } from '../../../src/devices/virtio/transport-mmio.ts';
import { PackedRing, type Part, type Ring, SplitRing, TestRam, type Used } from './driver.ts';

export const VERSION_1 = 1n << 32n;
export const PACKED = 1n << 34n;
export const INDIRECT = 1n << 28n;
export const EVENT_IDX = 1n << 29n;

export class MmioDriver {
  readonly ram = new TestRam();
  readonly rings: Ring[] = [];
  readonly log: string[] = [];
  readonly deferred: (() => void)[] = [];
  readonly mmio: VirtioMmio;
  irq = false;
  readonly #queues: number;

  constructor(device: VirtioDevice) {
    this.#queues = device.queues.length;
    this.mmio = new VirtioMmio({
      device,
      memory: this.ram,
      defer: (_name, work) => () => void this.deferred.push(work),
      log: (line) => this.log.push(line),
      irq: (level) => {
        this.irq = level;
      },
    });
  }

  get(reg: number): number {
    return this.mmio.read(reg, 4);
  }

  set(reg: number, value: number): void {
    this.mmio.write(reg, 4, value);
  }

  get offered(): bigint {
    const halves = [0, 1].map((sel) => {
      this.set(Reg.DEVICE_FEATURES_SEL, sel);
      return BigInt(this.get(Reg.DEVICE_FEATURES));
    });
    return halves[0] | (halves[1] << 32n);
  }

  /** Up to FEATURES_OK; returns the status then. */
  negotiate(features: bigint): number {
    this.set(Reg.STATUS, 0);
    this.set(Reg.STATUS, 1);
    this.set(Reg.STATUS, 3);
    for (const sel of [0, 1]) {
      this.set(Reg.DRIVER_FEATURES_SEL, sel);
      this.set(Reg.DRIVER_FEATURES, Number((features >> BigInt(32 * sel)) & 0xffffffffn));
    }
    this.set(Reg.STATUS, 11);
    return this.get(Reg.STATUS);
  }

  enable(index: number, { size, desc, driver, device }: Ring['layout']): void {
    this.set(Reg.QUEUE_SEL, index);
    this.set(Reg.QUEUE_NUM, size);
    const areas = [desc, driver, device];
    for (const [at, gpa] of areas.entries()) {
      this.set(Reg.QUEUE_DESC_LOW + 16 * at, Number(gpa & 0xffffffffn));
      this.set(Reg.QUEUE_DESC_HIGH + 16 * at, Number(gpa >> 32n));
    }
    this.set(Reg.QUEUE_READY, 1);
  }

  /** The whole initialization, every queue with `size` places. */
  up(features = 0n, size = 16): this {
    this.ram.all.fill(0, 0, 0x40000);
    this.negotiate(features | VERSION_1);
    this.rings.length = 0;
    for (let index = 0; index < this.#queues; index++) {
      const base = 0x1000 + (this.#queues > 5 ? 0x800 : 0xc000) * index;
      const ring = features & PACKED ? new PackedRing(this.ram, size, base) : new SplitRing(this.ram, size, base);
      this.rings.push(ring);
      this.enable(index, ring.layout);
    }
    this.set(Reg.STATUS, 15);
    return this;
  }

  /** Offers one chain, notifies, and returns what came back. */
  request(index: number, parts: readonly Part[]): Used[] {
    this.rings[index].offer(parts);
    this.set(Reg.QUEUE_NOTIFY, index);
    return this.rings[index].used();
  }
}
