/** The DSDT: the devices of the board that a guest cannot find by itself, how they interrupt, and how to turn it off. */
import { SLEEP_TYPE_S5 } from '../../devices/acpi-pm.ts';
import { RCBA_BYTES } from '../../devices/pci/isa-bridge.ts';
import { isPc } from '../board/machine-type.ts';
import { FIRST_PIRQ_PIN, PIRQS, pirqOf } from '../board/pirq.ts';
import type { VirtioMmioSlot } from '../board/virtio-mmio-slots.ts';
import type { AcpiBoard, AcpiDevice } from './acpi-board.ts';
import * as aml from './aml.ts';
import { ECAM_BASE, ECAM_BYTES, PCI_MEMORY, PIRQ_LINES } from './pci-setup.ts';

/** Firmware of others puts ranges right below the I/O APIC. */
const FIRMWARE_LAST = 0xfebf_ffff;

/** "_STA (Device Status)": present, enabled, shown, functioning. */
const PRESENT = 15;

/** The AML of a board. */
export function dsdtCode(board: AcpiBoard): aml.Aml {
  const sleepType = aml.integer(SLEEP_TYPE_S5);
  return [
    ...aml.name('_S5', aml.list(sleepType, sleepType, aml.integer(0), aml.integer(0))),
    ...(board.pciSlots ? pci(board.pciSlots, board.ecam, board.rcba) : []),
    ...system([
      ...(isPc(board.machine) ? PS2 : []),
      ...board.virtioMmio.map(virtioMmio),
      ...(board.devices ?? []).map(device),
    ]),
  ];
}

/** Devices of the system bus. Firmware that reads tables stumbles over a scope with nothing in it. */
const system = (devices: readonly aml.Aml[]): aml.Aml => (devices.length > 0 ? aml.scope('\\_SB', ...devices) : []);

/** Keyboard and mouse at the keyboard controller; the ports are the keyboard's. */
const PS2 = [
  aml.device(
    'KBD',
    aml.name('_HID', aml.eisaId('PNP0303')),
    aml.name('_STA', aml.integer(PRESENT)),
    aml.name('_CRS', aml.resources(aml.io(0x60, 1), aml.io(0x64, 1), aml.irq(1))),
  ),
  aml.device(
    'MOU',
    aml.name('_HID', aml.eisaId('PNP0F13')),
    aml.name('_STA', aml.integer(PRESENT)),
    aml.name('_CRS', aml.resources(aml.irq(12))),
  ),
];

/** The PCI bus with its windows and wires; _PIC tells which controllers the guest uses. */
function pci(slots: readonly number[], ecam = ECAM_BASE, rcba?: number): aml.Aml {
  const registers = rcba === undefined ? [] : [aml.memory32(rcba, RCBA_BYTES)];
  return [
    ...aml.name('APIC', aml.integer(0)),
    ...aml.method('_PIC', 1, aml.store(aml.arg0, aml.object('APIC'))),
    ...aml.scope(
      '\\_SB',
      aml.device(
        'PCI0',
        aml.name('_HID', aml.eisaId('PNP0A08')),
        aml.name('_CID', aml.eisaId('PNP0A03')),
        aml.name('_UID', aml.integer(0)),
        aml.name('_CRS', windows(ecam)),
        ...(slots.length > 0 ? routing(slots) : []),
      ),
      aml.device(
        'ECAM',
        aml.name('_HID', aml.eisaId('PNP0C02')),
        aml.name('_CRS', aml.resources(aml.memory32(ecam, ECAM_BYTES), ...registers)),
      ),
    ),
  ];
}

/** The wires of `slots`, as the controllers in use see them. */
function routing(slots: readonly number[]): aml.Aml[] {
  const pins = Array.from({ length: PIRQS }, (_, pirq) => FIRST_PIRQ_PIN + pirq);
  return [
    aml.name('PICR', routes(slots, PIRQ_LINES)),
    aml.name('APCR', routes(slots, pins)),
    aml.method(
      '_PRT',
      0,
      aml.when(aml.object('\\APIC'), aml.giveBack(aml.object('APCR'))),
      aml.giveBack(aml.object('PICR')),
    ),
  ];
}

/** Windows where this firmware puts ranges, or after the configuration space if another one put that elsewhere. */
const windows = (ecam: number): aml.Aml =>
  aml.resources(
    aml.busNumbers(0, 0xff),
    aml.io(0xcf8, 8),
    aml.ioWindow(0, 0xcf7),
    aml.ioWindow(0xd00, 0xffff),
    aml.memoryWindow(0xa_0000, 0xb_ffff),
    ...(ecam === ECAM_BASE ? PCI_MEMORY : [{ first: ecam + ECAM_BYTES, last: FIRMWARE_LAST }]).map(({ first, last }) =>
      aml.memoryWindow(first, last),
    ),
  );

/** "_PRT (PCI Routing Table)": slot and pin of every wire, and the interrupt it arrives at. */
function routes(slots: readonly number[], interrupts: readonly number[]): aml.Aml {
  const entries = slots.flatMap((slot) =>
    Array.from({ length: PIRQS }, (_, pin) => {
      const interrupt = interrupts[pirqOf(slot, pin + 1)];
      return aml.list(aml.integer(slot * 0x1_0000 + 0xffff), aml.integer(pin), aml.integer(0), aml.integer(interrupt));
    }),
  );
  return aml.list(...entries);
}

function device({ name, hid, ports }: AcpiDevice): aml.Aml {
  return aml.device(
    name,
    aml.name('_HID', aml.string(hid)),
    aml.name('_STA', aml.integer(PRESENT)),
    aml.name('_CRS', aml.resources(aml.io(ports.base, ports.length))),
  );
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
