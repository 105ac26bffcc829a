/**
 * The PCI bus of the board: configuration space by ports ("Configuration Mechanism #1") and in memory ("PCI Express
 * Enhanced Configuration Access Mechanism"), slots, and the wires between functions and the board. There is bus 0 only.
 */
import type { Width } from '../../core/types.ts';
import type { Device, Face } from '../../devices/device.ts';
import { type Ecam, HostBridge, IsaBridge, type ShadowArea } from '../../devices/pci/chipset.ts';
import type { PciFunction } from '../../devices/pci/function.ts';
import { Config } from '../../devices/pci/function.ts';
import type { Plain } from '../../saved.ts';
import type { PcBus } from './bus.ts';
import type { Interrupts } from './interrupts.ts';
import { Pirqs } from './pirq.ts';

const ADDRESS_PORT = 0xcf8;
const DATA_OFFSET = 4;
const RESET_OFFSET = 1;
const ENABLE = 0x8000_0000;
const SLOTS = 32;
const FUNCTIONS = 8;
const FIRST_SLOT = 1;
/** The slot of the ISA bridge. */
const ISA_SLOT = 31;
const ALL_ONES = [0, 0xff, 0xffff, 0, 0xffff_ffff] as const;
const BUS_BYTES = 0x10_0000;
const SPACE_BYTES = 0x1000;

export interface PciBusParts {
  bus: PcBus;
  interrupts: Interrupts;
  /** Delivers a message to the local APICs. */
  msi: (address: number, data: number) => void;
  /** The reset register, which lies within the ports of configuration space. */
  resetControl: Device;
  /** Told what memory below 1 MiB is now. */
  shadowed: (areas: readonly ShadowArea[]) => void;
}

/** A function and its place. */
export interface PciPlace {
  slot: number;
  number: number;
  fn: PciFunction;
}

export class PciBus {
  readonly hostBridge: HostBridge;
  readonly isaBridge: IsaBridge;
  readonly #parts: PciBusParts;
  readonly #functions = new Map<number, PciFunction>();
  readonly #pirqs: Pirqs;
  /** CONFIG_ADDRESS. */
  #address = 0;

  constructor(parts: PciBusParts) {
    this.#parts = parts;
    this.#pirqs = new Pirqs(parts.interrupts);
    parts.bus.parts.keep('pirqs', this.#pirqs);
    const ecam = parts.bus.movable('memory', 'pci-ecam', this.#ecam());
    const moved = (place: Ecam): void => ecam.move(place?.base ?? null, place?.length);
    this.hostBridge = new HostBridge(moved, parts.shadowed);
    this.isaBridge = new IsaBridge((pirq, register) => this.#pirqs.route(pirq, register));
    parts.bus.parts.keep('host-bridge', this.hostBridge);
    parts.bus.parts.keep('isa-bridge', this.isaBridge);
    this.#put(0, 0, this.hostBridge);
    this.#put(ISA_SLOT, 0, this.isaBridge);
    parts.bus.mapPorts('pci-config', ADDRESS_PORT, 8, this.#ports());
  }

  /** Every function, in the order of their places. */
  get places(): readonly PciPlace[] {
    return [...this.#functions.entries()]
      .sort(([a], [b]) => a - b)
      .map(([at, fn]) => ({ slot: at >> 3, number: at & 7, fn }));
  }

  /** Slots whose functions drive interrupt pins. */
  get slots(): number[] {
    const withPins = this.places.filter(({ fn }) => fn.readConfig(Config.INTERRUPT_PIN, 1) > 0);
    return [...new Set(withPins.map(({ slot }) => slot))];
  }

  /** Puts a function at `address` ('SLOT' or 'SLOT.FUNCTION', hexadecimal) or into the next free slot. */
  add(fn: PciFunction, address?: string): void {
    const [slot, number] = address === undefined ? [this.#freeSlot(fn), 0] : parseAddress(fn, address);
    const other = this.#functions.get(slot * FUNCTIONS + number);
    if (other) throw new RangeError(`${fn.name}: PCI address ${slot.toString(16)}.${number} belongs to ${other.name}`);
    this.#put(slot, number, fn);
    if (number > 0) this.#functions.get(slot * FUNCTIONS)?.setMultifunction();
    else if (this.places.some((place) => place.slot === slot && place.number > 0)) fn.setMultifunction();
  }

  #put(slot: number, number: number, fn: PciFunction): void {
    this.#functions.set(slot * FUNCTIONS + number, fn);
    const { bus, msi } = this.#parts;
    const pin = fn.readConfig(Config.INTERRUPT_PIN, 1);
    const movers = new Map(
      fn.ranges.map(({ range }) => [
        range,
        bus.movable(range.kind === 'io' ? 'ports' : 'memory', range.name, range.device),
      ]),
    );
    fn.connect({
      place: (range, base) => movers.get(range)?.move(base, range.size),
      intx: pin === 0 ? () => {} : this.#pirqs.input(slot, pin),
      msi,
    });
  }

  #freeSlot(fn: PciFunction): number {
    for (let slot = FIRST_SLOT; slot < ISA_SLOT; slot++) {
      if (!this.places.some((place) => place.slot === slot)) return slot;
    }
    throw new RangeError(`${fn.name}: all ${ISA_SLOT - FIRST_SLOT} PCI slots are taken`);
  }

  /** The function that the address port names. */
  get #target(): PciFunction | undefined {
    const address = this.#address;
    return address & ENABLE && (address & 0xff_0000) === 0 ? this.#functions.get((address >> 8) & 0xff) : undefined;
  }

  #ports(): Device {
    const { resetControl } = this.#parts;
    return {
      maxWidth: 4,
      read: (offset, width) => {
        if (offset >= DATA_OFFSET) {
          return this.#target?.readConfig((this.#address & 0xfc) + offset - DATA_OFFSET, width) ?? ALL_ONES[width];
        }
        if (offset === RESET_OFFSET && width === 1) return resetControl.read(0, 1);
        return width === 4 ? this.#address >>> 0 : ALL_ONES[width];
      },
      write: (offset, width, value) => {
        if (offset >= DATA_OFFSET) {
          this.#target?.writeConfig((this.#address & 0xfc) + offset - DATA_OFFSET, width, value);
        } else if (offset === RESET_OFFSET && width === 1) resetControl.write(0, 1, value);
        else if (width === 4) this.#address = value;
      },
      save: () => ({ address: this.#address, reset: resetControl.save() }),
      load: (state) => {
        const { address, reset } = state as { address: number; reset: Plain };
        this.#address = address;
        resetControl.load(reset);
      },
    };
  }

  #ecam(): Face {
    const target = (offset: number): PciFunction | undefined =>
      offset < BUS_BYTES ? this.#functions.get(Math.floor(offset / SPACE_BYTES)) : undefined;
    return {
      maxWidth: 4,
      stateOf: null,
      read: (offset, width) => target(offset)?.readConfig(offset % SPACE_BYTES, width) ?? ALL_ONES[width],
      write: (offset, width: Width, value) => target(offset)?.writeConfig(offset % SPACE_BYTES, width, value),
    };
  }
}

function parseAddress(fn: PciFunction, address: string): [slot: number, number: number] {
  const match = /^([0-9a-f]{1,2})(?:\.([0-7]))?$/i.exec(address);
  const slot = match ? Number.parseInt(match[1], 16) : SLOTS;
  if (!match || slot >= SLOTS) {
    throw new RangeError(`${fn.name}: '${address}' is no PCI address: a slot up to 1f, or slot.function`);
  }
  return [slot, Number(match[2] ?? 0)];
}
