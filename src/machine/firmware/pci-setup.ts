/**
 * What firmware does with the PCI bus before a kernel starts, for kernels that start without firmware: root ports get
 * buses and windows, ranges get addresses and are switched on, wires get lines of the PIC.
 */
import { Command, Config, type PciRange } from '../../devices/pci/function.ts';
import { IO_GRANULE, MEMORY_GRANULE, type RootPort } from '../../devices/pci/root-port.ts';
import type { PciBus, PciPlace } from '../board/pci-bus.ts';
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
/** Where firmware puts the chipset's registers. */
const RCBA_BASE = 0xfed1_c000;

/** What needs an address: a range, or the window of a root port. */
interface Claim {
  name: string;
  kind: PciRange['kind'];
  size: number;
  put(base: number): void;
}

/** Sets the bus up. Throws RangeError if the ranges of all devices are too much. */
export function setUpPci(pci: PciBus, elcr: { write(offset: number, width: 1, value: number): void }): void {
  pci.hostBridge.enableEcam(ECAM_BASE);
  pci.isaBridge.setUp(PIRQ_LINES, ACPI_PM_BASE, pci.isQ35 ? RCBA_BASE : undefined);
  elcr.write(1, 1, LEVELS);
  const { ports } = pci;
  for (const [index, { port }] of ports.entries()) port.setBus(1 + index);
  const windows = ports.flatMap(({ port, behind }) => windowClaims(port, behind.flatMap(claims)));
  const claimed = [...pci.places.flatMap(claims), ...windows];
  for (const kind of ['memory', 'io'] as const) {
    const { first, last } = kind === 'io' ? PCI_PORTS : PCI_MEMORY[0];
    assign(
      claimed.filter((claim) => claim.kind === kind),
      first,
      last,
    );
  }
  const behind = ports.flatMap(({ slot, behind: places }) => places.map(({ fn }) => ({ slot, fn })));
  for (const { slot, fn } of [...pci.places, ...behind]) {
    const pin = fn.readConfig(Config.INTERRUPT_PIN, 1);
    if (pin > 0) fn.writeConfig(Config.INTERRUPT_LINE, 1, PIRQ_LINES[pirqOf(slot, pin)]);
    if (fn.ranges.length > 0) fn.writeConfig(Config.COMMAND, 2, Command.IO | Command.MEMORY);
  }
  for (const { port } of ports) port.writeConfig(Config.COMMAND, 2, Command.IO | Command.MEMORY | Command.BUS_MASTER);
}

function claims({ fn }: PciPlace): Claim[] {
  return fn.ranges.map(({ index, range: { name, kind, size }, is64 }) => ({
    name,
    kind,
    size,
    put: (base) => {
      const at = Config.BAR0 + 4 * index;
      fn.writeConfig(at, 4, base);
      if (is64) fn.writeConfig(at + 4, 4, 0);
    },
  }));
}

/** One window of each kind for what lies behind a port, as large as a power of two. */
function windowClaims(port: RootPort, behind: readonly Claim[]): Claim[] {
  return (['memory', 'io'] as const).flatMap((kind) => {
    const inside = behind.filter((claim) => claim.kind === kind);
    if (inside.length === 0) return [];
    const sum = inside.reduce((total, claim) => total + claim.size, 0);
    const size = 2 ** Math.ceil(Math.log2(Math.max(sum, kind === 'io' ? IO_GRANULE : MEMORY_GRANULE)));
    const put = (base: number): void => {
      port.setWindow(kind, base, size);
      assign(inside, base, base + size - 1);
    };
    return [{ name: port.name, kind, size, put }];
  });
}

/** The largest first, so that each lies at a multiple of its size. */
function assign(wishes: readonly Claim[], first: number, last: number): void {
  let next = first;
  for (const { name, size, put } of [...wishes].sort((a, b) => b.size - a.size)) {
    if (next + size - 1 > last) throw new RangeError(`${name}: no room for ${size} bytes`);
    put(next);
    next += size;
  }
}
