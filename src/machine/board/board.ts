/**
 * The board: bus, interrupt wires, the fixed devices and those of the device table. A reset builds all of them anew;
 * their backends live on.
 */
import type { Core } from '../../core/types.ts';
import { ACPI_PM_PORTS } from '../../devices/acpi-pm.ts';
import type { Backends, BlkBackend } from '../../devices/backends.ts';
import { deferOn, scoped } from '../../devices/clock.ts';
import type { Display } from '../../devices/display.ts';
import { FIRMWARE_PORTS, FirmwareServices, MOST_FIRMWARE_DISKS } from '../../devices/firmware-services.ts';
import type { I8042 } from '../../devices/i8042.ts';
import type { PciFunction } from '../../devices/pci/function.ts';
import { RootPort } from '../../devices/pci/root-port.ts';
import { PicPair } from '../../devices/pic.ts';
import { ResetControl } from '../../devices/reset.ts';
import type { VirtioDevice } from '../../devices/virtio/device.ts';
import { VirtioPci } from '../../devices/virtio/transport-pci.ts';
import type { WorkMeter } from '../../devices/work-meter.ts';
import { type Doors, doorsOf } from '../../doors.ts';
import type { HostWork } from '../../net/backend.ts';
import { loadAll, type Plain, type Saved, saveAll } from '../../saved.ts';
import type { AcpiBoard, AcpiDevice } from '../firmware/acpi-board.ts';
import type { FirmwareBoard } from '../firmware/bios-data.ts';
import { addAcpiFiles } from '../firmware/fw-cfg-files.ts';
import { setUpPci } from '../firmware/pci-setup.ts';
import type { GuestLinks } from '../host/guest-links.ts';
import type { PcBus } from './bus.ts';
import type { DeviceContext, PciWish, VirtioAttachment } from './device-context.ts';
import { createDevice, type DeviceSpec, partName } from './device-table.ts';
import type { ExtraMemory, ExtraRegion } from './extra-memory.ts';
import { Interrupts } from './interrupts.ts';
import { isPc } from './machine-type.ts';
import { PciBus } from './pci-bus.ts';
import { buildPlatform, type Platform, type PlatformParts } from './platform.ts';
import { SHADOW_BASE, SHADOW_BYTES, ShadowMemory } from './shadow-memory.ts';
import { VirtioMmioSlots } from './virtio-mmio-slots.ts';

/** QEMU's names of the bus that every board has. */
const ROOT_BUSES = ['pci.0', 'pcie.0'];

export interface BoardParts extends Omit<PlatformParts, 'pics' | 'irq' | 'pin' | 'defer' | 'charge'> {
  cores: readonly Core[];
  devices: readonly DeviceSpec[];
  backends: Backends;
  extra: ExtraMemory;
  hasVga: boolean;
  /** Lets nanoseconds pass during an access. */
  spend: (ns: number) => void;
  /** The firmware that the processor starts in; null for our own. */
  rom: ExtraRegion | null;
  /** The processor's INTR pin. */
  intr: (level: boolean) => void;
  /** A pin of the I/O APIC. */
  ioapic: (pin: number, level: boolean) => void;
  /** Delivers a message-signalled interrupt. */
  msi: (address: number, data: number) => void;
  /** The embedder's ends of devices. */
  links: GuestLinks;
  /** An idle guest waits for `work`. */
  busy: (work: Promise<unknown>) => void;
  host: HostWork;
  doors: Doors;
  /** What devices do in a slice. */
  work: WorkMeter;
  log: (line: string) => void;
}

/** The parts by their names, where memory beside RAM appears, and the embedder's ends. */
type BoardState = {
  parts: { [name: string]: Plain };
  places: ReturnType<ExtraMemory['save']>;
  links: ReturnType<GuestLinks['save']>;
};

export class Board implements Saved<BoardState> {
  readonly #parts: BoardParts;
  readonly #shadow: ShadowMemory;
  #pics: PicPair;
  #platform!: Platform;
  #virtioMmio!: VirtioMmioSlots;
  #pci: PciBus | null = null;
  #displays: Display[] = [];
  #described: AcpiDevice[] = [];
  readonly #handles = new Map<string, object>();
  readonly #teardown: (() => void)[] = [];

  constructor(parts: BoardParts) {
    this.#parts = parts;
    this.#pics = new PicPair(parts.intr);
    this.#shadow = new ShadowMemory(parts);
    this.#build();
  }

  get bus(): PcBus {
    return this.#parts.bus;
  }

  /** Puts every device back to its power-on state. */
  reset(): void {
    for (const callback of this.#teardown.splice(0)) callback();
    this.#parts.clock.clear();
    this.#parts.intr(false);
    this.#pics = new PicPair(this.#parts.intr);
    this.bus.clear();
    this.#build();
  }

  save(): BoardState {
    const { extra, links, bus } = this.#parts;
    return { parts: saveAll(bus.parts.all), places: extra.save(), links: links.save() };
  }

  /** Throws Error where the state is of another board. */
  load({ parts, places, links }: BoardState): void {
    this.#parts.links.load(links);
    this.#parts.extra.load(places);
    loadAll(this.bus.parts.all, parts);
  }

  /** Queues bytes for serial port `port`. Throws RangeError where there is none. */
  send(port: number, bytes: Iterable<number>): void {
    const { serial } = this.#platform;
    if (!serial[port]) throw new RangeError(`serial port ${port} does not exist: the machine has ${serial.length}`);
    serial[port].send(bytes);
  }

  /** Presses the power button. Returns whether the guest wants to hear of it. */
  pressPowerButton(): boolean {
    this.#platform.acpi.pressPowerButton();
    return this.#platform.acpi.hearsPowerButton;
  }

  /** The keyboard controller, until the next reset. Throws RangeError where there is none. */
  get i8042(): I8042 {
    const { i8042 } = this.#platform;
    if (!i8042) throw new RangeError(`machine '${this.#parts.machine}' has neither keyboard nor mouse`);
    return i8042;
  }

  /** What the screen shows, until the next reset. Throws RangeError where there is none. */
  get display(): Display {
    const display = this.#displays.findLast(({ isOn }) => isOn) ?? this.#displays[0];
    if (!display) throw new RangeError('the machine has no screen: it was made without a VGA');
    return display;
  }

  /** What the device with this id may be driven by. */
  device(id: string): object | undefined {
    return this.#handles.get(id);
  }

  /** What the ACPI tables say about this board. */
  get acpi(): AcpiBoard {
    const { vcpus, machine, serialPorts, hasVga } = this.#parts;
    const isQ35 = machine === 'q35';
    return {
      vcpus,
      machine,
      hasSerialConsole: isQ35 && serialPorts > 0,
      pmBase: (isQ35 && this.#pci?.isaBridge.pmBase) || undefined,
      rcba: (isQ35 && this.#pci?.isaBridge.rcba) || undefined,
      hasVga,
      virtioMmio: this.#virtioMmio.slots,
      pciSlots: this.#pci?.slots,
      ecam: this.#pci?.hostBridge.ecam?.base,
      devices: this.#described,
    };
  }

  /** What our own firmware's data areas say about this board. */
  get firmware(): FirmwareBoard {
    const { serialPorts, machine, date, hasVga } = this.#parts;
    const disks = this.#disks.map(({ capacity }) => capacity);
    return { serialPorts, hasVga, hasMouse: isPc(machine), disks, date };
  }

  /** Lets the timer tick 18.2 times a second, as a BIOS does. */
  startTicks(): void {
    const { pit } = this.#platform;
    pit.write(3, 1, 0x36);
    pit.write(0, 1, 0);
    pit.write(0, 1, 0);
  }

  /** The disks in the order of their devices, as many as firmware of our own numbers. */
  get #disks(): BlkBackend[] {
    const { devices, backends } = this.#parts;
    return devices
      .flatMap((spec) => ('drive' in spec ? find('drive', backends.drives, spec.drive) : []))
      .slice(0, MOST_FIRMWARE_DISKS);
  }

  #addFirmware(): void {
    const { memory, wrote, spend, log } = this.#parts;
    const services = new FirmwareServices({ disks: this.#disks, memory, wrote, spend, log, doors: this.#parts.doors });
    this.#teardown.push(() => services.reset());
    this.bus.mapPorts('firmware', FIRMWARE_PORTS.BASE, FIRMWARE_PORTS.COUNT, services);
  }

  #build(): void {
    const parts = this.#parts;
    const { bus, rom } = parts;
    bus.onAcknowledge(this.#pics);
    const interrupts = new Interrupts(this.#pics, parts.ioapic);
    bus.parts.keep('wires', interrupts);
    const irq = (line: number) => interrupts.isa(line);
    const pin = (number: number) => interrupts.pin(number);
    this.#platform = buildPlatform({
      ...parts,
      defer: deferOn(parts.clock),
      charge: (bytes) => parts.work.charge(bytes),
      pics: this.#pics,
      irq,
      pin,
    });
    this.#virtioMmio = new VirtioMmioSlots(bus, pin);
    this.#pci = isPc(parts.machine) ? this.#makePci(interrupts) : null;
    this.#handles.clear();
    this.#displays = [];
    this.#described = [];
    for (const [position, spec] of parts.devices.entries()) {
      const handle = createDevice(this.#context(irq, position), spec);
      if (handle && 'id' in spec && spec.id !== undefined) this.#handles.set(spec.id, handle);
    }
    this.#pci?.complete();
    if (rom) {
      addAcpiFiles(this.#platform.fwCfg, () => this.acpi);
      this.#pci?.hostBridge.showRom();
    } else {
      this.#addFirmware();
      if (this.#pci) setUpPci(this.#pci, this.#pics.elcr);
    }
  }

  #makePci(interrupts: Interrupts): PciBus {
    const { msi, end } = this.#parts;
    const shadow = this.#shadow;
    const resetControl = new ResetControl(() => end({ reason: 'reset' }));
    this.bus.mapMmio('shadow-ram', SHADOW_BASE, SHADOW_BYTES, shadow);
    const { machine, serialPorts } = this.#parts;
    const q35 = machine === 'q35' ? { pm: this.#platform.acpi, pmBytes: ACPI_PM_PORTS, serialPorts } : undefined;
    return new PciBus({ bus: this.bus, interrupts, msi, resetControl, shadowed: (areas) => shadow.set(areas), q35 });
  }

  /** What the device at `position` may use. */
  #context(irq: DeviceContext['irq'], position: number): DeviceContext {
    const { bus } = this;
    const { machine, memory, wrote, backends, output, busy, host, log, end, devices, links, work } = this.#parts;
    const name = partName(devices, position);
    const clock = scoped(this.#parts.clock, name);
    const context: DeviceContext = {
      machine,
      specs: devices,
      position,
      name,
      links,
      describe: (device) => this.#described.push(device),
      clock,
      memory,
      wrote,
      irq,
      mapPorts: (range, base, length, device) => {
        bus.parts.keep(`${name}.${range}`, device);
        bus.mapPorts(range, base, length, device);
      },
      mapMmio: (range, base, length, device) => {
        bus.parts.keep(`${name}.${range}`, device);
        bus.mapMmio(range, base, length, device);
      },
      attachVirtio: (device, attachment) => this.#attachVirtio(context, device, attachment),
      extraMemory: (name, bytes) => this.#parts.extra.region(name, bytes),
      showOn: (display) => this.#displays.push(display),
      attachPci: (fn, place) => this.#attachPci(context, fn, place),
      drives: backends.drives ?? {},
      drive: (id) => find('drive', backends.drives, id),
      netdev: (id) => find('netdev', backends.netdevs, id),
      chardev: (id) => find('chardev', backends.chardevs, id),
      output,
      defer: deferOn(clock),
      charge: (bytes) => work.charge(bytes),
      busy,
      doors: doorsOf(this.#parts.doors, name),
      host,
      onReset: (callback) => this.#teardown.push(callback),
      log,
      end,
    };
    return context;
  }

  #attachVirtio(
    context: DeviceContext,
    device: VirtioDevice,
    { transport: kind, withhold, vectors, ...place }: VirtioAttachment = {},
  ): void {
    const { memory, wrote, log, defer, charge } = context;
    const parts = { device, memory, wrote, log, withhold, defer, charge };
    if (kind === 'pci' || (kind === undefined && this.#pci)) {
      const transport = new VirtioPci({ ...parts, vectors });
      this.#teardown.push(() => transport.reset());
      this.#attachPci(context, transport, place);
      return;
    }
    const [key, value] = Object.entries(place).find(([, wish]) => wish !== undefined) ?? [];
    if (key) throw new RangeError(`${device.name}: ${key}=${value} is for the PCI bus`);
    const transport = this.#virtioMmio.attach(`${context.name}.mmio`, parts);
    this.#teardown.push(() => transport.reset());
  }

  #attachPci({ name }: DeviceContext, fn: PciFunction, { addr, bus }: PciWish = {}): void {
    if (!this.#pci) throw new RangeError(`${fn.name}: machine ${this.#parts.machine} has no PCI bus`);
    this.#pci.add(fn, addr, bus === undefined || ROOT_BUSES.includes(bus) ? undefined : this.#rootPort(fn, bus));
    this.bus.parts.keep(`${name}.pci`, fn);
  }

  #rootPort(fn: PciFunction, id: string): RootPort {
    const port = this.#handles.get(id);
    if (port instanceof RootPort) return port;
    throw new RangeError(`${fn.name}: bus=${id}: there is no pcie-root-port with this id before it`);
  }
}

function find<T>(kind: string, all: Readonly<Record<string, T>> = {}, id: string): T {
  if (!Object.hasOwn(all, id)) {
    throw new RangeError(`${kind} '${id}' does not exist; there are ${Object.keys(all).join(', ') || 'none'}`);
  }
  return all[id];
}
