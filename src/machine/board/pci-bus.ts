/**
 * The PCI bus of the board: configuration space by ports ("Configuration Mechanism #1") and in memory ("PCI Express
 * Enhanced Configuration Access Mechanism"), slots, and the wires between functions and the board. Beside bus 0 there is one
 * behind each root port.
 */
import type { Width } from '../../core/types.ts';
import type { Device, Face } from '../../devices/device.ts';
import { addExpress, ExpressType } from '../../devices/pci/express.ts';
import { Config, type PciFunction, type PciRange } from '../../devices/pci/function.ts';
import { type Ecam, HostBridge, type ShadowArea } from '../../devices/pci/host-bridge.ts';
import { ChipsetRegisters, IsaBridge, RCBA_BYTES } from '../../devices/pci/isa-bridge.ts';
import { type PciFunctions, RootPort } from '../../devices/pci/root-port.ts';
import type { Plain } from '../../saved.ts';
import type { Movable, PcBus } from './bus.ts';
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
  /** What a q35 has more: the ports of power management, to be put where the ISA bridge says. */
  q35?: { pm: Device; pmBytes: number; serialPorts: number };
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
  readonly #functions: PciFunctions = new Map();
  readonly #rootPorts: RootPort[] = [];
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
    this.isaBridge = new IsaBridge((pirq, register) => this.#pirqs.route(pirq, register), this.#ich9());
    parts.bus.parts.keep('host-bridge', this.hostBridge);
    parts.bus.parts.keep('isa-bridge', this.isaBridge);
    this.#put(0, this.hostBridge);
    this.#put(ISA_SLOT, this.isaBridge);
    parts.bus.mapPorts('pci-config', ADDRESS_PORT, 8, this.#ports());
  }

  get isQ35(): boolean {
    return this.#parts.q35 !== undefined;
  }

  /** Every function of bus 0, in the order of their places. */
  get places(): readonly PciPlace[] {
    return placesOf(this.#functions);
  }

  /** Every root port with its slot and the functions behind it. */
  get ports(): readonly { port: RootPort; slot: number; behind: readonly PciPlace[] }[] {
    return this.places.flatMap(({ fn, slot }) =>
      fn instanceof RootPort ? [{ port: fn, slot, behind: placesOf(fn.behind) }] : [],
    );
  }

  /** Slots whose functions drive interrupt pins. */
  get slots(): number[] {
    const withPins = this.places.filter(({ fn }) => fn.readConfig(Config.INTERRUPT_PIN, 1) > 0);
    return [...new Set(withPins.map(({ slot }) => slot))];
  }

  /** Puts a function at `address` ('SLOT' or 'SLOT.FUNCTION', hexadecimal), of bus 0 or behind `port`; else where room is. */
  add(fn: PciFunction, address?: string, port?: RootPort): void {
    const functions = port ? port.behind : this.#functions;
    const [slot, number] = address === undefined ? [port ? 0 : this.#freeSlot(fn), 0] : parseAddress(fn, address);
    if (port && slot > 0) throw new RangeError(`${fn.name}: addr=${address}: ${port.name} has slot 0 only`);
    const other = functions.get(slot * FUNCTIONS + number);
    if (other) throw new RangeError(`${fn.name}: PCI address ${slot.toString(16)}.${number} belongs to ${other.name}`);
    if (fn instanceof RootPort) this.#rootPorts.push(fn);
    functions.set(slot * FUNCTIONS + number, fn);
    if (port) this.#connectBehind(fn, port);
    else this.#connect(fn, slot);
    if (number > 0) functions.get(slot * FUNCTIONS)?.setMultifunction();
    else if (placesOf(functions).some((place) => place.slot === slot && place.number > 0)) fn.setMultifunction();
  }

  /** All functions are there. */
  complete(): void {
    for (const port of this.#rootPorts) port.complete();
  }

  #put(slot: number, fn: PciFunction): void {
    this.#functions.set(slot * FUNCTIONS, fn);
    this.#connect(fn, slot);
  }

  #connect(fn: PciFunction, slot: number): void {
    const movers = this.#movers(fn);
    fn.connect({
      place: (range, base) => movers.get(range)?.move(base, range.size),
      intx: this.#wire(fn, slot),
      msi: this.#parts.msi,
    });
  }

  /** A range lies where it wants to as long as the port passes it on. */
  #connectBehind(fn: PciFunction, port: RootPort): void {
    const slot = placesOf(this.#functions).find((place) => place.fn === port)?.slot ?? 0;
    const movers = this.#movers(fn);
    const wanted = new Map<PciRange, number | null>();
    const place = (range: PciRange, base: number | null): void => {
      wanted.set(range, base);
      movers.get(range)?.move(base !== null && port.passes(range, base) ? base : null, range.size);
    };
    port.onChange(() => {
      for (const [range, base] of wanted) place(range, base);
    });
    addExpress(fn, { type: ExpressType.ENDPOINT });
    fn.connect({ place, intx: this.#wire(fn, slot), msi: this.#parts.msi });
  }

  #movers(fn: PciFunction): Map<PciRange, Movable> {
    const { bus } = this.#parts;
    return new Map(
      fn.ranges.map(({ range }) => [
        range,
        bus.movable(range.kind === 'io' ? 'ports' : 'memory', range.name, range.device),
      ]),
    );
  }

  /** Behind a bridge the pins of slot 0 are those of the bridge. */
  #wire(fn: PciFunction, slot: number): (level: boolean) => void {
    const pin = fn.readConfig(Config.INTERRUPT_PIN, 1);
    return pin === 0 ? () => {} : this.#pirqs.input(slot, pin);
  }

  #ich9(): ConstructorParameters<typeof IsaBridge>[1] {
    const { bus, q35 } = this.#parts;
    if (!q35) return undefined;
    bus.parts.keep('acpi-pm', q35.pm);
    const pm = bus.movable('ports', 'acpi-pm', q35.pm);
    const registers = bus.movable('memory', 'chipset', new ChipsetRegisters());
    return {
      pmMoved: (base) => pm.move(base, q35.pmBytes),
      rcbaMoved: (base) => registers.move(base, RCBA_BYTES),
      serialPorts: q35.serialPorts,
    };
  }

  /** The function at a place of configuration space: bus, slot and number in 16 bits. */
  #at(place: number): PciFunction | undefined {
    const number = place >> 8;
    if (number === 0) return this.#functions.get(place);
    return this.#rootPorts.find(({ secondary }) => secondary === number)?.behind.get(place & 0xff);
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
    return address & ENABLE ? this.#at((address >> 8) & 0xffff) : undefined;
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
    const target = (offset: number): PciFunction | undefined => this.#at(Math.floor(offset / SPACE_BYTES));
    return {
      maxWidth: 4,
      stateOf: null,
      read: (offset, width) => target(offset)?.readConfig(offset % SPACE_BYTES, width) ?? ALL_ONES[width],
      write: (offset, width: Width, value) => target(offset)?.writeConfig(offset % SPACE_BYTES, width, value),
    };
  }
}

/** In their order. */
function placesOf(functions: PciFunctions): PciPlace[] {
  return [...functions.entries()].sort(([a], [b]) => a - b).map(([at, fn]) => ({ slot: at >> 3, number: at & 7, fn }));
}

function parseAddress(fn: PciFunction, address: string): [slot: number, number: number] {
  const match = /^([0-9a-f]{1,2})(?:\.([0-7]))?$/i.exec(address);
  const slot = match ? Number.parseInt(match[1], 16) : SLOTS;
  if (!match || slot >= SLOTS) {
    throw new RangeError(`${fn.name}: '${address}' is no PCI address: a slot up to 1f, or slot.function`);
  }
  return [slot, Number(match[2] ?? 0)];
}
