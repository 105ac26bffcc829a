/** What a device of the table may use of the machine while it is made, and afterwards through what it was given. */
import type { GuestMemory } from '../../core/types.ts';
import type { BlkBackend, CharBackend, NetBackend } from '../../devices/backends.ts';
import type { Clock, Defer } from '../../devices/clock.ts';
import type { Device, Face, IrqLine } from '../../devices/device.ts';
import type { Display } from '../../devices/display.ts';
import type { PciFunction } from '../../devices/pci/function.ts';
import type { VirtioDevice } from '../../devices/virtio/device.ts';
import type { Doors } from '../../doors.ts';
import type { HostWork } from '../../net/backend.ts';
import type { ConsoleSource, Outcome } from '../events.ts';
import type { AcpiDevice } from '../firmware/acpi-board.ts';
import type { GuestLinks } from '../host/guest-links.ts';
import type { ExtraRegion } from './extra-memory.ts';
import type { MachineType } from './machine-type.ts';

/** Where a function goes: by QEMU's properties. */
export interface PciWish {
  /** The slot, as SLOT or SLOT.FUNCTION in hexadecimal; the next free one where absent. */
  addr?: string;
  /** The id of the root port that it goes behind. */
  bus?: string;
}

export interface VirtioAttachment extends PciWish {
  /** The transport; the machine's natural one where absent. */
  transport?: 'pci' | 'mmio';
  /** Features of the transport that the driver is not offered. */
  withhold?: bigint;
  /** On PCI: vectors for MSI-X, 0 for none; one per queue and one more where absent. */
  vectors?: number;
}

export interface DeviceContext {
  readonly machine: MachineType;
  /** All devices wished for, and which of them is being made: some are parts of others. */
  readonly specs: readonly { readonly type: string }[];
  readonly position: number;
  /** What the device is called among the parts of the machine: `virtio-net[0]`. */
  readonly name: string;
  /** The embedder's ends of devices. */
  readonly links: GuestLinks;
  /** The device's own: its timers are called `virtio-net[0].NAME`. */
  readonly clock: Clock;
  /** Guest RAM. */
  readonly memory: GuestMemory;
  /** To be called after a write to guest RAM: decoded code there is forgotten by every processor. */
  wrote(pa: number, length: number): void;
  /** A new driver for an interrupt line of the ISA bus, 0 to 15. */
  irq(line: number): IrqLine;
  /** Gives ports or physical addresses to a device. Throws RangeError where they are taken. */
  mapPorts(name: string, base: number, length: number, device: Device | Face): void;
  mapMmio(name: string, base: number, length: number, device: Device | Face): void;
  /** Tells the guest about a device by the ACPI tables. */
  describe(device: AcpiDevice): void;
  /** Puts a virtio device on its transport. */
  attachVirtio(device: VirtioDevice, attachment?: VirtioAttachment): void;
  /** Puts a function on a PCI bus. */
  attachPci(fn: PciFunction, place?: PciWish): void;
  /** Memory beside RAM, by a name that only this device has. */
  extraMemory(name: string, bytes: number): ExtraRegion;
  /** The device drives the machine's screen while it is on and no later one is. */
  showOn(display: Display): void;
  /** Backends by id. Throw RangeError that names what exists. */
  drive(id: string): BlkBackend;
  readonly drives: Readonly<Record<string, BlkBackend>>;
  netdev(id: string): NetBackend;
  chardev(id: string): CharBackend;
  /** Console output. */
  output(source: ConsoleSource, byte: number): void;
  /** What comes back does `work` a little later, not within the guest's access; `name` is that of its timer. */
  defer: Defer;
  /** Counts work done for the guest, in the unit of WorkMeter. */
  charge(bytes: number): void;
  /** While `work` goes on an idle guest waits for it, and its time stands still. */
  busy(work: Promise<unknown>): void;
  /** By which whatever comes from outside reaches the device: they are called `virtio-net[0].NAME`. */
  readonly doors: Doors;
  /** For devices whose answers come from outside of the machine, nobody knows when. */
  readonly host: HostWork;
  /** Called before the machine is reset and this device is made anew: to let go of backends. */
  onReset(callback: () => void): void;
  /** One line for people about what went wrong. */
  log(line: string): void;
  /** Ends the run. */
  end(outcome: Outcome): void;
}
