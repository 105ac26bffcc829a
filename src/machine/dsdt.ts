/** The DSDT: the devices of the board that a guest cannot find by itself, and how to turn it off. */
import { SLEEP_TYPE_S5 } from '../devices/acpi-pm.ts';
import * as aml from './aml.ts';
import type { MachineType } from './options.ts';
import type { VirtioMmioSlot } from './virtio-mmio-slots.ts';

/** What the ACPI tables say about a board. */
export interface AcpiBoard {
  vcpus: number;
  machine: MachineType;
  virtioMmio: readonly VirtioMmioSlot[];
}

/** The AML of a board. */
export function dsdtCode(board: AcpiBoard): aml.Aml {
  const sleepType = aml.integer(SLEEP_TYPE_S5);
  return [
    ...aml.name('_S5', aml.list(sleepType, sleepType, aml.integer(0), aml.integer(0))),
    ...aml.scope('\\_SB', ...board.virtioMmio.map(virtioMmio)),
  ];
}

/** Linux and others know a virtio-mmio device by this ID. */
function virtioMmio({ base, length, gsi }: VirtioMmioSlot, index: number): aml.Aml {
  return aml.device(
    `VR${index.toString(16).toUpperCase().padStart(2, '0')}`,
    aml.name('_HID', aml.string('LNRO0005')),
    aml.name('_UID', aml.integer(index)),
    aml.name('_CRS', aml.resources(aml.memory32(base, length), aml.interrupt(gsi))),
  );
}
