/**
 * The board: bus, interrupt wires, the fixed devices and those of the device table. A reset builds all of them anew;
 * their backends live on.
 */
import type { Backends, BlkBackend } from '../../devices/backends.ts';
import { deferOn, scoped } from '../../devices/clock.ts';
import type { Display } from '../../devices/display.ts';
import { FIRMWARE_PORTS, FirmwareServices, MOST_FIRMWARE_DISKS } from '../../devices/firmware-services.ts';
import type { I8042 } from '../../devices/i8042.ts';
import type { PciFunction } from '../../devices/pci/function.ts';
import { PicPair } from '../../devices/pic.ts';
import { ResetControl } from '../../devices/reset.ts';
import type { VirtioDevice } from '../../devices/virtio/device.ts';
import { VirtioPci } from '../../devices/virtio/transport-pci.ts';
import type { WorkMeter } from '../../devices/work-meter.ts';
import type { HostWork } from '../../net/backend.ts';
import type { FirmwareBoard } from '../firmware/bios-data.ts';
import type { AcpiBoard, AcpiDevice } from '../firmware/dsdt.ts';
import { addAcpiFiles } from '../firmware/fw-cfg-files.ts';
import { setUpPci } from '../firmware/pci-setup.ts';
import type { HostServices } from '../host/guest-links.ts';
import { PcBus } from './bus.ts';
import type { DeviceContext, VirtioAttachment } from './device-context.ts';
import { createDevice, type DeviceSpec, partName } from './device-table.ts';
import { type ExtraMemory, FIRMWARE_REGION } from './extra-memory.ts';
import { Interrupts } from './interrupts.ts';
import { PciBus } from './pci-bus.ts';
import { buildPlatform, type Platform, type PlatformParts } from './platform.ts';
import { SHADOW_BASE, SHADOW_BYTES, ShadowMemory } from './shadow-memory.ts';
import { VirtioMmioSlots } from './virtio-mmio-slots.ts';

export interface BoardParts extends Omit<PlatformParts, 'bus' | 'pics' | 'irq' | 'pin' | 'defer' | 'charge'> {
  devices: readonly DeviceSpec[];
  backends: Backends;
  extra: ExtraMemory;
  /** Lets nanoseconds pass during an access. */
  spend: (ns: number) => void;
  /** The processor's INTR pin. */
  intr: (level: boolean) => void;
  /** A pin of the I/O APIC. */
  ioapic: (pin: number, level: boolean) => void;
  /** Delivers a message-signalled interrupt. */
  msi: (address: number, data: number) => void;
  /** The embedder's ends of devices. */
  services: HostServices;
  /** An idle guest waits for `work`. */
  busy: (work: Promise<unknown>) => void;
  host: HostWork;
  /** What devices do in a slice. */
  work: WorkMeter;
  log: (line: string) => void;
}

export class Board {
  readonly bus: PcBus;
  readonly #parts: BoardParts;
  readonly #shadow: ShadowMemory;
  #pics: PicPair;
  #platform!: Platform;
  #virtioMmio!: VirtioMmioSlots;
  #pci: PciBus | null = null;
  #displays: Display[] = [];
  #hasVga = false;
  #described: AcpiDevice[] = [];
  readonly #handles = new Map<string, object>();
  readonly #teardown: (() => void)[] = [];

  constructor(parts: BoardParts) {
    this.#parts = parts;
    this.#pics = new PicPair(parts.intr);
    this.bus = new PcBus(() => this.#pics.acknowledge(), parts.spend);
    const { bios } = parts.firmware;
    const rom = bios ? parts.extra.region(FIRMWARE_REGION, bios.length) : null;
    this.#shadow = new ShadowMemory({ memory: parts.memory, wrote: parts.wrote, rom });
    parts.extra.onConnect((cores) => this.#shadow.connect(cores));
    this.#build();
  }

  /** What devices did in this slice. */
  get work(): WorkMeter {
    return this.#parts.work;
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
    const { vcpus, machine } = this.#parts;
    return {
      vcpus,
      machine,
      hasVga: this.#hasVga,
      virtioMmio: this.#virtioMmio.slots,
      pciSlots: this.#pci?.slots,
      ecam: this.#pci?.hostBridge.ecam?.base,
      devices: this.#described,
    };
  }

  /** What our own firmware's data areas say about this board. */
  get firmware(): FirmwareBoard {
    const { serialPorts, machine, date } = this.#parts;
    const disks = this.#disks.map(({ capacity }) => capacity);
    return { serialPorts, hasVga: this.#hasVga, hasMouse: machine === 'pc', disks, date };
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
    const services = new FirmwareServices({ disks: this.#disks, memory, wrote, spend, log });
    this.#teardown.push(() => services.reset());
    this.bus.mapPorts('firmware', FIRMWARE_PORTS.BASE, FIRMWARE_PORTS.COUNT, services);
  }

  #build(): void {
    const { bus } = this;
    const parts = this.#parts;
    const interrupts = new Interrupts(this.#pics, parts.ioapic);
    bus.parts.keep('wires', interrupts);
    const irq = (line: number) => interrupts.isa(line);
    const pin = (number: number) => interrupts.pin(number);
    this.#platform = buildPlatform({
      ...parts,
      defer: deferOn(parts.clock),
      charge: (bytes) => parts.work.charge(bytes),
      bus,
      pics: this.#pics,
      irq,
      pin,
    });
    this.#virtioMmio = new VirtioMmioSlots(bus, pin);
    this.#pci = parts.machine === 'pc' ? this.#makePci(interrupts) : null;
    const context = this.#context(irq);
    this.#handles.clear();
    this.#displays = [];
    this.#hasVga = false;
    this.#described = [];
    for (const [position, spec] of parts.devices.entries()) {
      const name = partName(parts.devices, position);
      const clock = scoped(parts.clock, name);
      Object.assign(context, { position, name, clock, defer: deferOn(clock) });
      const handle = createDevice(context, spec);
      if (handle && 'id' in spec && spec.id !== undefined) this.#handles.set(spec.id, handle);
    }
    if (parts.firmware.bios) {
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
    return new PciBus({ bus: this.bus, interrupts, msi, resetControl, shadowed: (areas) => shadow.set(areas) });
  }

  /** For all devices in turn: what is the device's own is assigned before each is made. */
  #context(irq: DeviceContext['irq']): DeviceContext {
    const { bus } = this;
    const { clock, memory, wrote, backends, output, busy, host, log, end, devices, services, work } = this.#parts;
    const context: DeviceContext = {
      specs: devices,
      position: 0,
      name: '',
      services,
      describe: (device) => this.#described.push(device),
      clock,
      memory,
      wrote,
      irq,
      mapPorts: (name, base, length, device) => {
        bus.parts.keep(`${context.name}.${name}`, device);
        bus.mapPorts(name, base, length, device);
      },
      mapMmio: (name, base, length, device) => {
        bus.parts.keep(`${context.name}.${name}`, device);
        bus.mapMmio(name, base, length, device);
      },
      attachVirtio: (device, attachment) => this.#attachVirtio(context, device, attachment),
      extraMemory: (name, bytes) => this.#parts.extra.region(name, bytes),
      showOn: (display, isVga = false) => {
        this.#displays.push(display);
        this.#hasVga ||= isVga;
      },
      attachPci: (fn, address) => this.#attachPci(context, fn, address),
      drives: backends.drives ?? {},
      drive: (id) => find('drive', backends.drives, id),
      netdev: (id) => find('netdev', backends.netdevs, id),
      chardev: (id) => find('chardev', backends.chardevs, id),
      output,
      defer: deferOn(clock),
      charge: (bytes) => work.charge(bytes),
      busy,
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
    { bus, withhold, address, vectors }: VirtioAttachment = {},
  ): void {
    const { memory, wrote, log, defer, charge } = context;
    const parts = { device, memory, wrote, log, withhold, defer, charge };
    if (bus === 'pci' || (bus === undefined && this.#pci)) {
      const transport = new VirtioPci({ ...parts, vectors });
      this.#teardown.push(() => transport.reset());
      this.#attachPci(context, transport, address);
      return;
    }
    if (address !== undefined) throw new RangeError(`${device.name}: addr=${address} is for the PCI bus`);
    const transport = this.#virtioMmio.attach(parts);
    this.bus.parts.keep(context.name, transport);
    this.#teardown.push(() => transport.reset());
  }

  #attachPci(context: DeviceContext, fn: PciFunction, address?: string): void {
    if (!this.#pci) throw new RangeError(`${fn.name}: machine ${this.#parts.machine} has no PCI bus`);
    this.#pci.add(fn, address);
    this.bus.parts.keep(`${context.name}.pci`, fn);
  }
}

function find<T>(kind: string, all: Readonly<Record<string, T>> = {}, id: string): T {
  if (!Object.hasOwn(all, id)) {
    throw new RangeError(`${kind} '${id}' does not exist; there are ${Object.keys(all).join(', ') || 'none'}`);
  }
  return all[id];
}
