/**
 * The board's wires: which device answers at which port or physical address. Accesses that a device does not take whole,
 * or that straddle two ranges, are split into little-endian halves; where nobody answers, reads are all ones.
 */
import type { Bus, Width } from '../../core/types.ts';
import type { Device, Face, IoDevice } from '../../devices/device.ts';
import { type AccessTimes, accessTimes, type Space } from './access-times.ts';
import { Parts } from './parts.ts';
import { RangeMap } from './range-map.ts';

/** Nobody answers the INTA cycle: the data bus floats. */
const SPURIOUS = 0xff;
const PORTS = 0x1_0000;
/** As many ranges of ports as a byte can number. */
const MAX_PORT_RANGES = 255;
const ALL_ONES = [0, 0xff, 0xffff, 0, 0xffff_ffff] as const;
const NO_PORT = accessTimes('ports', null);
const NO_MEMORY = accessTimes('memory', null);

/** A range with its device, and how often it was used. */
export interface Region {
  readonly name: string;
  readonly base: number;
  readonly length: number;
  readonly device: IoDevice;
  readonly times: AccessTimes;
  reads: number;
  writes: number;
}

/** Who says which interrupt raised INTR. */
export interface InterruptController {
  acknowledge(): number;
}

/** Accesses by a processor, before any splitting. */
export interface AccessCounts {
  portReads: number;
  portWrites: number;
  mmioReads: number;
  mmioWrites: number;
}

/** A range that comes and goes, as the guest programs it. */
export interface Movable {
  /** Puts the range at `base`, or nowhere for null. Where a fixed range or an earlier one lies, that one answers. */
  move(base: number | null, length?: number): void;
}

export class PcBus implements Bus {
  /** Who has a state. */
  readonly parts = new Parts();
  readonly #slots = new Uint8Array(PORTS);
  /** Fixed ranges, and movable ones where they are now: the first are the strongest. */
  readonly #ports: Region[] = [];
  readonly #memory: Region[] = [];
  readonly #movable: Record<Space, { region: Region | null }[]> = { ports: [], memory: [] };
  #portRegions: readonly Region[] = [];
  readonly #mmio = new RangeMap<Region>();
  readonly #spend: (ns: number) => void;
  #interrupts: InterruptController | null = null;
  /** Who listens to the processor's FERR# pin. */
  #ferr: ((asserted: boolean) => void) | null = null;
  /** Those of the processor that runs now: whoever runs another puts its own here. */
  counts: AccessCounts = { portReads: 0, portWrites: 0, mmioReads: 0, mmioWrites: 0 };

  /** `spend` lets nanoseconds pass for the processor that runs. */
  constructor(spend: (ns: number) => void = () => {}) {
    this.#spend = spend;
  }

  /** Every range mapped now, ports first. */
  get regions(): readonly Region[] {
    return [...this.#all('ports'), ...this.#all('memory')];
  }

  /** Gives ports `base` .. `base + length - 1` to a device. Throws where they are taken or no ports. */
  mapPorts(name: string, base: number, length: number, device: Device | Face): void {
    if (base < 0 || length < 1 || base + length > PORTS) {
      throw new RangeError(`ports ${hex(base)}+${length} of ${name} are outside 0x0 to 0xffff`);
    }
    const owner = this.#ports.find((region) => base < region.base + region.length && region.base < base + length);
    if (owner) throw new RangeError(`port ${hex(Math.max(base, owner.base))} of ${name} belongs to ${owner.name}`);
    this.parts.keep(name, device);
    this.#ports.push({ name, base, length, device, times: accessTimes('ports', name), reads: 0, writes: 0 });
    this.#changed('ports');
  }

  /** Gives `length` bytes of physical addresses from `base` to a device. Throws where they are taken. */
  mapMmio(name: string, base: number, length: number, device: Device | Face): void {
    const other = this.#memory.find((region) => base < region.base + region.length && region.base < base + length);
    if (other) throw new RangeError(`addresses ${hex(base)}+${hex(length)} of ${name} overlap those of ${other.name}`);
    this.parts.keep(name, device);
    this.#memory.push({ name, base, length, device, times: accessTimes('memory', name), reads: 0, writes: 0 });
    this.#changed('memory');
  }

  /** A range that lies nowhere yet. */
  movable(space: Space, name: string, device: IoDevice): Movable {
    const entry: { region: Region | null } = { region: null };
    this.#movable[space].push(entry);
    const times = accessTimes(space, name);
    return {
      move: (base, length = 0) => {
        const { reads = 0, writes = 0 } = entry.region ?? {};
        entry.region = base === null ? null : { name, base, length, device, times, reads, writes };
        this.#changed(space);
      },
    };
  }

  /** Connects the controller that answers the INTA cycle. */
  onAcknowledge(controller: InterruptController): void {
    this.#interrupts = controller;
  }

  /** Connects the processor's FERR# pin. */
  onFerr(listener: (asserted: boolean) => void): void {
    this.#ferr = listener;
  }

  ferr(asserted: boolean): void {
    this.#ferr?.(asserted);
  }

  /** Forgets all ranges and parts, for a board that is built anew; the counts go on. */
  clear(): void {
    this.parts.clear();
    for (const space of ['ports', 'memory'] as const) {
      this.#movable[space].length = 0;
      (space === 'ports' ? this.#ports : this.#memory).length = 0;
      this.#changed(space);
    }
  }

  #all(space: Space): readonly Region[] {
    const fixed = space === 'ports' ? this.#ports : this.#memory;
    return [...fixed, ...this.#movable[space].flatMap(({ region }) => region ?? [])];
  }

  #changed(space: Space): void {
    const regions = this.#all(space);
    if (space === 'memory') {
      this.#mmio.set(regions);
      return;
    }
    this.#portRegions = regions.slice(0, MAX_PORT_RANGES);
    this.#slots.fill(0);
    for (const [index, { base, length }] of [...this.#portRegions.entries()].reverse()) {
      this.#slots.fill(index + 1, base, base + length);
    }
  }

  // A device sees the time at which an access begins: what it says is never ahead of the processor's own clock.

  portIn(port: number, width: Width): number {
    this.counts.portReads++;
    const value = this.#readPort(port, width);
    this.#spend((this.#portRegion(port)?.times ?? NO_PORT).read);
    return value;
  }

  portOut(port: number, width: Width, value: number): void {
    this.counts.portWrites++;
    this.#writePort(port, width, value);
    this.#spend((this.#portRegion(port)?.times ?? NO_PORT).write);
  }

  mmioRead(pa: number, width: Width): number {
    this.counts.mmioReads++;
    const value = this.#readMmio(pa, width);
    this.#spend((this.#mmioRegion(pa)?.times ?? NO_MEMORY).read);
    return value;
  }

  mmioWrite(pa: number, width: Width, value: number): void {
    this.counts.mmioWrites++;
    this.#writeMmio(pa, width, value);
    this.#spend((this.#mmioRegion(pa)?.times ?? NO_MEMORY).write);
  }

  interruptAcknowledge(): number {
    return this.#interrupts?.acknowledge() ?? SPURIOUS;
  }

  #portRegion(port: number): Region | null {
    const slot = this.#slots[port & 0xffff];
    return slot === 0 ? null : this.#portRegions[slot - 1];
  }

  #mmioRegion(pa: number): Region | null {
    return this.#mmio.find(pa);
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
