/**
 * A root port of PCI Express (PCI-to-PCI Bridge Architecture Specification 1.2, 3.2 "PCI-to-PCI Bridge Configuration Space
 * Header Format"): a bus of its own with one slot. What its windows do not cover does not reach the device behind it.
 */
import { addExpress, ExpressType } from './express.ts';
import { Command, Config, PciFunction, type PciRange } from './function.ts';
import { Msi } from './msi.ts';

/** QEMU's generic root port. */
const VENDOR = 0x1b36;
const DEVICE = 0x000c;
const CLASS = 0x06_0400;
const HEADER_OF_A_BRIDGE = 1;

const Bridge = {
  PRIMARY: 0x18,
  SECONDARY: 0x19,
  SUBORDINATE: 0x1a,
  IO_BASE: 0x1c,
  IO_LIMIT: 0x1d,
  SECONDARY_STATUS: 0x1e,
  MEMORY_BASE: 0x20,
  MEMORY_LIMIT: 0x22,
  PREFETCHABLE_BASE: 0x24,
  PREFETCHABLE_LIMIT: 0x26,
  PREFETCHABLE_BASE_UPPER: 0x28,
  PREFETCHABLE_LIMIT_UPPER: 0x2c,
  CONTROL: 0x3e,
} as const;
const IS_64 = 1;
const CONTROL_MASK = [0x5f, 0];
export const IO_GRANULE = 0x1000;
export const MEMORY_GRANULE = 0x10_0000;

interface Window {
  first: number;
  last: number;
}

/** The functions of a bus, by slot times 8 and number. */
export type PciFunctions = Map<number, PciFunction>;

export interface RootPortWishes {
  name: string;
  slot: number;
}

export class RootPort extends PciFunction {
  readonly slot: number;
  /** What is on the bus behind it. */
  readonly behind: PciFunctions = new Map();
  readonly #listeners: (() => void)[] = [];

  constructor({ name, slot }: RootPortWishes) {
    super({ name, vendor: VENDOR, device: DEVICE, classCode: CLASS });
    this.slot = slot;
    this.bytes[Config.HEADER_TYPE] = HEADER_OF_A_BRIDGE;
    this.usePin(1);
    const changed = (): void => {
      for (const listener of this.#listeners) listener();
    };
    const word = [0xff, 0xff, 0xff, 0xff];
    this.allowWrites(Bridge.PRIMARY, [0xff, 0xff, 0xff]);
    this.allowWrites(Bridge.IO_BASE, [0xf0, 0xf0], changed);
    this.allowWrites(Bridge.MEMORY_BASE, [0xf0, 0xff, 0xf0, 0xff, 0xf0, 0xff, 0xf0, 0xff, ...word, ...word], changed);
    this.allowWrites(Bridge.CONTROL, CONTROL_MASK);
    this.bytes[Bridge.PREFETCHABLE_BASE] = IS_64;
    this.bytes[Bridge.PREFETCHABLE_LIMIT] = IS_64;
    this.watch(Config.COMMAND, 2, changed);
    new Msi(this);
  }

  /** The number of the bus behind it; 0 while nobody gave it one. */
  get secondary(): number {
    return this.bytes[Bridge.SECONDARY];
  }

  /** Shows whether something is in its slot: to be called once, when the machine's devices are there. */
  complete(): void {
    addExpress(this, { type: ExpressType.ROOT_PORT, slot: { number: this.slot, isTaken: this.behind.size > 0 } });
  }

  /** Calls back when what it passes on changes. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Whether it passes a range at `base` on to the bus behind it. */
  passes({ kind, size }: PciRange, base: number): boolean {
    const command = this.view.getUint16(Config.COMMAND, true);
    if ((command & (kind === 'io' ? Command.IO : Command.MEMORY)) === 0) return false;
    const windows = kind === 'io' ? [this.#ports] : [this.#memory, this.#prefetchable];
    return windows.some(({ first, last }) => base >= first && base + size - 1 <= last);
  }

  /** Gives the bus behind it a number, as firmware does; it has no window yet. */
  setBus(number: number): void {
    this.writeConfig(Bridge.SECONDARY, 1, number);
    this.writeConfig(Bridge.SUBORDINATE, 1, number);
    this.setWindow('io', 0xf000, 0);
    this.setWindow('memory', 0xfff0_0000, 0);
    this.writeConfig(Bridge.PREFETCHABLE_BASE, 4, 0x0000_fff0);
  }

  /** Opens a window of `size` bytes, in granules. */
  setWindow(kind: PciRange['kind'], base: number, size: number): void {
    const last = size === 0 ? 0 : base + size - 1;
    if (kind === 'io') {
      this.writeConfig(Bridge.IO_BASE, 1, base >>> 8);
      this.writeConfig(Bridge.IO_LIMIT, 1, last >>> 8);
    } else {
      this.writeConfig(Bridge.MEMORY_BASE, 2, base >>> 16);
      this.writeConfig(Bridge.MEMORY_LIMIT, 2, last >>> 16);
    }
  }

  get #ports(): Window {
    const part = (at: number): number => (this.bytes[at] & 0xf0) << 8;
    return { first: part(Bridge.IO_BASE), last: part(Bridge.IO_LIMIT) + IO_GRANULE - 1 };
  }

  get #memory(): Window {
    const part = (at: number): number => (this.view.getUint16(at, true) & 0xfff0) * 0x1_0000;
    return { first: part(Bridge.MEMORY_BASE), last: part(Bridge.MEMORY_LIMIT) + MEMORY_GRANULE - 1 };
  }

  get #prefetchable(): Window {
    const part = (at: number, upper: number): number =>
      (this.view.getUint16(at, true) & 0xfff0) * 0x1_0000 + this.view.getUint32(upper, true) * 2 ** 32;
    return {
      first: part(Bridge.PREFETCHABLE_BASE, Bridge.PREFETCHABLE_BASE_UPPER),
      last: part(Bridge.PREFETCHABLE_LIMIT, Bridge.PREFETCHABLE_LIMIT_UPPER) + MEMORY_GRANULE - 1,
    };
  }
}
