/**
 * What firmware does with the PCI bus before a kernel starts, for kernels that start without firmware: ranges get
 * addresses and are switched on, wires get lines of the PIC.
 */
import { Command, Config } from '../../devices/pci/function.ts';
import type { PciBus } from '../board/pci-bus.ts';
import { pirqOf } from '../board/pirq.ts';
import { ACPI_PM_BASE } from './addresses.ts';

export const ECAM_BASE = 0xe000_0000;
export const ECAM_BYTES = 0x1000_0000;
/** Where ranges go. The second window lies after the ECAM, before the virtio-mmio slots. */
export const PCI_MEMORY = [
  { first: 0xc000_0000, last: 0xdfff_ffff },
  { first: 0xf000_0000, last: 0xfeaf_ffff },
] as const;
export const PCI_PORTS = { first: 0xc000, last: 0xffff } as const;
/** Lines of the PIC for the four wires. */
export const PIRQ_LINES = [10, 10, 11, 11] as const;
const LEVELS = 0x0c;

/** Sets the bus up. Throws RangeError if the ranges of all devices are too much. */
export function setUpPci(pci: PciBus, elcr: { write(offset: number, width: 1, value: number): void }): void {
  pci.hostBridge.enableEcam(ECAM_BASE);
  pci.isaBridge.setUp(PIRQ_LINES, ACPI_PM_BASE);
  elcr.write(1, 1, LEVELS);
  let [memory, ports]: [number, number] = [PCI_MEMORY[0].first, PCI_PORTS.first];
  const requests = pci.places.flatMap(({ fn }) =>
    fn.ranges.map(({ index, range, is64 }) => ({ fn, index, range, is64 })),
  );
  for (const { fn, index, range, is64 } of requests.sort((a, b) => b.range.size - a.range.size)) {
    const at = Config.BAR0 + 4 * index;
    const last = range.kind === 'io' ? PCI_PORTS.last : PCI_MEMORY[0].last;
    const base = range.kind === 'io' ? ports : memory;
    if (base + range.size - 1 > last) throw new RangeError(`${range.name}: no room for ${range.size} bytes`);
    fn.writeConfig(at, 4, base);
    if (is64) fn.writeConfig(at + 4, 4, 0);
    if (range.kind === 'io') ports = base + range.size;
    else memory = base + range.size;
  }
  for (const { slot, fn } of pci.places) {
    const pin = fn.readConfig(Config.INTERRUPT_PIN, 1);
    if (pin > 0) fn.writeConfig(Config.INTERRUPT_LINE, 1, PIRQ_LINES[pirqOf(slot, pin)]);
    if (fn.ranges.length > 0) fn.writeConfig(Config.COMMAND, 2, Command.IO | Command.MEMORY);
  }
}
