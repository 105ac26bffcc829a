/** What the ACPI tables are written from. */
import type { MachineType } from '../board/machine-type.ts';
import type { VirtioMmioSlot } from '../board/virtio-mmio-slots.ts';

/** A device at ports, which the guest finds by its ID. */
export interface AcpiDevice {
  /** Four letters. */
  name: string;
  hid: string;
  ports: { base: number; length: number };
}

/** What the ACPI tables say about a board. */
export interface AcpiBoard {
  vcpus: number;
  machine: MachineType;
  hasVga?: boolean;
  virtioMmio: readonly VirtioMmioSlot[];
  /** PCI slots whose functions drive interrupt pins; absent if there is no PCI bus. */
  pciSlots?: readonly number[];
  /** Where configuration space lies in memory; where this firmware puts it if absent. */
  ecam?: number;
  devices?: readonly AcpiDevice[];
  /** Tell guests that their console is the first serial port. */
  hasSerialConsole?: boolean;
  /** The ports of power management; where this firmware puts them if absent. */
  pmBase?: number;
  /** Where the chipset's own registers lie; they are not spoken of if absent. */
  rcba?: number;
}
