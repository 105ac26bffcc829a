/**
 * The board's wires: which device answers at which port or physical address. Accesses that a device does not take whole,
 * or that straddle two ranges, are split into little-endian halves; where nobody answers, reads are all ones.
 */
import type { Bus, Width } from '../core-types.ts';
import type { IoDevice } from '../devices/device.ts';

const PORTS = 0x1_0000;
const ALL_ONES = [0, 0xff, 0xffff, 0, 0xffff_ffff] as const;

/** A range with its device, and how often it was used. */
export interface Region {
  readonly name: string;
  readonly base: number;
  readonly length: number;
  readonly device: IoDevice;
  reads: number;
  writes: number;
}

export class PcBus implements Bus {
  readonly #slots = new Uint8Array(PORTS);
  readonly #ports: (Region | null)[] = [null];
  readonly #mmio: Region[] = [];
  readonly #acknowledge: () => number;
  /** Accesses by the processor, before any splitting. */
  readonly counts = { portReads: 0, portWrites: 0, mmioReads: 0, mmioWrites: 0 };

  constructor(acknowledge: () => number) {
    this.#acknowledge = acknowledge;
  }

  /** Every range mapped so far, ports first. */
  get regions(): readonly Region[] {
    return [...this.#ports.filter((region) => region !== null), ...this.#mmio];
  }

  /** Gives ports `base` .. `base + length - 1` to a device. Throws where they are taken or no ports. */
  mapPorts(name: string, base: number, length: number, device: IoDevice): void {
    if (base < 0 || length < 1 || base + length > PORTS) {
      throw new RangeError(`ports ${hex(base)}+${length} of ${name} are outside 0x0 to 0xffff`);
    }
    for (let port = base; port < base + length; port++) {
      const owner = this.#ports[this.#slots[port]];
      if (owner) throw new RangeError(`port ${hex(port)} of ${name} belongs to ${owner.name}`);
    }
    this.#slots.fill(this.#ports.length, base, base + length);
    this.#ports.push({ name, base, length, device, reads: 0, writes: 0 });
  }

  /** Gives `length` bytes of physical addresses from `base` to a device. Throws where they are taken. */
  mapMmio(name: string, base: number, length: number, device: IoDevice): void {
    const other = this.#mmio.find((region) => base < region.base + region.length && region.base < base + length);
    if (other) throw new RangeError(`addresses ${hex(base)}+${hex(length)} of ${name} overlap those of ${other.name}`);
    this.#mmio.push({ name, base, length, device, reads: 0, writes: 0 });
  }

  /** Forgets all ranges, for a board that is built anew; the counts go on. */
  clear(): void {
    this.#slots.fill(0);
    this.#ports.length = 1;
    this.#mmio.length = 0;
  }

  portIn(port: number, width: Width): number {
    this.counts.portReads++;
    return this.#readPort(port, width);
  }

  portOut(port: number, width: Width, value: number): void {
    this.counts.portWrites++;
    this.#writePort(port, width, value);
  }

  mmioRead(pa: number, width: Width): number {
    this.counts.mmioReads++;
    return this.#readMmio(pa, width);
  }

  mmioWrite(pa: number, width: Width, value: number): void {
    this.counts.mmioWrites++;
    this.#writeMmio(pa, width, value);
  }

  interruptAcknowledge(): number {
    return this.#acknowledge();
  }

  #portRegion(port: number): Region | null {
    return this.#ports[this.#slots[port & 0xffff]];
  }

  #mmioRegion(pa: number): Region | null {
    return this.#mmio.find((region) => pa >= region.base && pa < region.base + region.length) ?? null;
  }

  #readPort(port: number, width: Width): number {
    const region = this.#portRegion(port);
    if (takesWhole(region, port, width)) return readWhole(region, port, width);
    const half = (width >> 1) as Width;
    const low = this.#readPort(port, half);
    return joined(low, this.#readPort(port + half, half), half);
  }

  #writePort(port: number, width: Width, value: number): void {
    const region = this.#portRegion(port);
    if (takesWhole(region, port, width)) {
      writeWhole(region, port, width, value);
      return;
    }
    const half = (width >> 1) as Width;
    this.#writePort(port, half, lowHalf(value, half));
    this.#writePort(port + half, half, value >>> (8 * half));
  }

  #readMmio(pa: number, width: Width): number {
    const region = this.#mmioRegion(pa);
    if (takesWhole(region, pa, width)) return readWhole(region, pa, width);
    const half = (width >> 1) as Width;
    const low = this.#readMmio(pa, half);
    return joined(low, this.#readMmio(pa + half, half), half);
  }

  #writeMmio(pa: number, width: Width, value: number): void {
    const region = this.#mmioRegion(pa);
    if (takesWhole(region, pa, width)) {
      writeWhole(region, pa, width, value);
      return;
    }
    const half = (width >> 1) as Width;
    this.#writeMmio(pa, half, lowHalf(value, half));
    this.#writeMmio(pa + half, half, value >>> (8 * half));
  }
}

/** Unclaimed accesses are split too, down to bytes: their later bytes may belong to somebody. */
function takesWhole(region: Region | null, at: number, width: Width): boolean {
  if (width === 1) return true;
  return region !== null && width <= region.device.maxWidth && at + width <= region.base + region.length;
}

function readWhole(region: Region | null, at: number, width: Width): number {
  if (region === null) return ALL_ONES[width];
  region.reads++;
  return region.device.read(at - region.base, width) >>> 0;
}

function writeWhole(region: Region | null, at: number, width: Width, value: number): void {
  if (region === null) return;
  region.writes++;
  region.device.write(at - region.base, width, value);
}

const lowHalf = (value: number, half: Width): number => (value & ALL_ONES[half]) >>> 0;

const joined = (low: number, high: number, half: Width): number => (low | (high << (8 * half))) >>> 0;

const hex = (value: number): string => `0x${value.toString(16)}`;
