/** The fixed devices of the board, at the ports and lines of a PC. */

import { lowRam } from '../../core/memory.ts';
import type { GuestMemory } from '../../core/types.ts';
import { ACPI_PM_PORTS, AcpiPm } from '../../devices/acpi-pm.ts';
import { type Defer, scoped, type VirtualClock } from '../../devices/clock.ts';
import type { A20Gate, Device, Face, IrqLine } from '../../devices/device.ts';
import { FpuError } from '../../devices/fpu-error.ts';
import { cString, FW_CFG_PORTS, FwCfg, FwCfgKey, littleEndian } from '../../devices/fw-cfg.ts';
import { HPET_BYTES, Hpet } from '../../devices/hpet.ts';
import { I8042 } from '../../devices/i8042.ts';
import type { PicPair } from '../../devices/pic.ts';
import { Pit } from '../../devices/pit.ts';
import { PortE9 } from '../../devices/port-e9.ts';
import { ResetControl, ShutdownPort, SystemControlA } from '../../devices/reset.ts';
import { Rtc } from '../../devices/rtc.ts';
import { Serial } from '../../devices/serial.ts';
import type { Saved } from '../../saved.ts';
import type { ConsoleSource, Outcome } from '../events.ts';
import { ACPI_PM_BASE, HPET_BASE, SCI_IRQ } from '../firmware/addresses.ts';
import { addBoardFiles, type FirmwareWishes } from '../firmware/fw-cfg-files.ts';
import type { PcBus } from './bus.ts';
import { CutLine } from './irq-lines.ts';
import { isPc, type MachineType } from './machine-type.ts';

const Irq = { PIT: 0, KEYBOARD: 1, RTC: 8, MOUSE: 12, FPU: 13 } as const;
/** Pins of the I/O APIC for the HPET's interrupts: those of PIT and RTC, and the last four. */
const HPET_PINS = [2, 8, 20, 21, 22, 23];
const SERIAL_PORTS = [
  { source: 'serial0', base: 0x3f8, irq: 4 },
  { source: 'serial1', base: 0x2f8, irq: 3 },
  { source: 'serial2', base: 0x3e8, irq: 4 },
  { source: 'serial3', base: 0x2e8, irq: 3 },
] as const;
/** Firmware leaves the serial ports at eight bits without parity. */
const LINE_CONTROL = 3;
const EIGHT_BITS = 3;
const KIB = 1024;
const MIB = 0x10_0000;

export interface PlatformParts {
  /** As of DeviceContext. */
  defer: Defer;
  charge: (bytes: number) => void;
  machine: MachineType;
  clock: VirtualClock;
  bus: PcBus;
  pics: PicPair;
  /** A new driver for an ISA interrupt line. */
  irq: (line: number) => IrqLine;
  /** A new driver for a pin of the I/O APIC alone. */
  pin: (pin: number) => IrqLine;
  /** Moves the A20 pin of every processor. */
  a20: (isOpen: boolean) => void;
  /** Moves the IGNNE# pin of every processor. */
  ignne: (asserted: boolean) => void;
  ramBytes: number;
  vcpus: number;
  commandLine: string;
  firmware: FirmwareWishes;
  memory: GuestMemory;
  /** Guest RAM was written by a device. */
  wrote: (pa: number, length: number) => void;
  serialPorts: number;
  /** Milliseconds since 1970. */
  date: number;
  /** Takes every byte of console output. */
  output: (source: ConsoleSource, byte: number) => void;
  /** Ends the run; the processor is to stop at the next instruction. */
  end: (outcome: Outcome) => void;
}

/** The devices that the machine itself speaks to. */
export interface Platform {
  pit: Pit;
  serial: readonly Serial[];
  acpi: AcpiPm;
  /** Absent on a microvm. */
  i8042: I8042 | null;
  fwCfg: FwCfg;
}

/** Makes the fixed devices and puts them on the bus. */
export function buildPlatform(parts: PlatformParts): Platform {
  const { clock, bus, pics, irq, end, output } = parts;
  const reset = (): void => end({ reason: 'reset' });
  bus.mapPorts('pic', 0x20, 2, pics.master);
  bus.mapPorts('pic2', 0xa0, 2, pics.slave);
  bus.mapPorts('elcr', 0x4d0, 2, pics.elcr);
  const pitLine = new CutLine(irq(Irq.PIT));
  const rtcLine = new CutLine(irq(Irq.RTC));
  bus.parts.keep('pit-line', pitLine);
  bus.parts.keep('rtc-line', rtcLine);
  const pit = new Pit({ clock, irq: pitLine.drive });
  bus.mapPorts('pit', 0x40, 4, pit);
  bus.mapPorts('port61', 0x61, 1, pit.controlPort);
  bus.mapPorts('rtc', 0x70, 2, makeRtc(parts, rtcLine.drive));
  const a20 = new Gate(parts.a20);
  bus.parts.keep('a20', a20);
  let i8042: I8042 | null = null;
  if (isPc(parts.machine)) {
    i8042 = new I8042({ keyboardIrq: irq(Irq.KEYBOARD), mouseIrq: irq(Irq.MOUSE), reset, a20 });
    bus.mapPorts('i8042', 0x60, 1, i8042);
    bus.mapPorts('i8042-command', 0x64, 1, offsetBy(i8042, 4));
    const hpet = new Hpet({
      clock,
      pins: HPET_PINS,
      line: (pin) => (pin === 2 ? irq(Irq.PIT) : pin === 8 ? irq(Irq.RTC) : parts.pin(pin)),
      legacy: (isReplaced) => {
        pitLine.cut(isReplaced);
        rtcLine.cut(isReplaced);
      },
    });
    bus.mapMmio('hpet', HPET_BASE, HPET_BYTES, hpet);
    const fpuError = new FpuError({ irq: irq(Irq.FPU), ignne: parts.ignne });
    bus.mapPorts('fpu-error', 0xf0, 2, fpuError);
    bus.onFerr((asserted) => fpuError.ferr(asserted));
  }
  bus.mapPorts('port92', 0x92, 1, new SystemControlA(reset, a20));
  // On a PC this port lies within those of PCI configuration space.
  if (!isPc(parts.machine)) bus.mapPorts('reset', 0xcf9, 1, new ResetControl(reset));
  bus.mapPorts('debugcon', 0xe9, 1, new PortE9((byte) => output('debugcon', byte)));
  const acpi = new AcpiPm({ clock, sci: irq(SCI_IRQ), powerOff: () => end({ reason: 'powered-off' }) });
  // On a q35 its ports go where a register of the ISA bridge says.
  if (parts.machine !== 'q35') bus.mapPorts('acpi-pm', ACPI_PM_BASE, ACPI_PM_PORTS, acpi);
  const fwCfg = makeFwCfg(parts);
  bus.mapPorts('fw_cfg', 0x510, FW_CFG_PORTS, fwCfg);
  bus.mapPorts('shutdown', 0x8900, 1, new ShutdownPort(() => end({ reason: 'powered-off' })));
  const serial = SERIAL_PORTS.slice(0, parts.serialPorts).map(({ source, base, irq: line }) => {
    const device = new Serial({ clock: scoped(clock, source), irq: irq(line), output: (byte) => output(source, byte) });
    device.write(LINE_CONTROL, 1, EIGHT_BITS);
    bus.mapPorts(source, base, 8, device);
    return device;
  });
  initialize(pics);
  return { pit, serial, acpi, i8042, fwCfg };
}

function makeFwCfg(parts: PlatformParts): FwCfg {
  const { ramBytes, vcpus, commandLine, memory, wrote, defer, charge, firmware } = parts;
  const device = new FwCfg({ memory, wrote, defer, charge });
  device.set(FwCfgKey.RAM_SIZE, littleEndian(ramBytes, 8));
  device.set(FwCfgKey.NB_CPUS, littleEndian(vcpus, 2));
  device.set(FwCfgKey.MAX_CPUS, littleEndian(vcpus, 2));
  device.set(FwCfgKey.NOGRAPHIC, littleEndian(1, 2));
  device.set(FwCfgKey.CMDLINE_SIZE, littleEndian(cString(commandLine).length, 4));
  device.set(FwCfgKey.CMDLINE_DATA, cString(commandLine));
  addBoardFiles(device, { ramBytes, vcpus, texts: firmware.smbios }, firmware.fwCfg);
  return device;
}

/** The clock with the memory sizes that a BIOS leaves in CMOS. */
function makeRtc({ clock, date, ramBytes }: PlatformParts, irq: IrqLine): Rtc {
  const rtc = new Rtc({ clock, irq, start: date });
  const word = (index: number, value: number): void => {
    rtc.setCmos(index, value & 0xff);
    rtc.setCmos(index + 1, (value >> 8) & 0xff);
  };
  const above1M = Math.min(0xffff, Math.floor((ramBytes - MIB) / KIB));
  word(0x15, 640);
  word(0x17, above1M);
  word(0x30, above1M);
  const low = lowRam(ramBytes);
  word(0x34, Math.max(0, Math.floor((low - 16 * MIB) / (64 * KIB))));
  word(0x5b, Math.floor((ramBytes - low) / (64 * KIB)));
  return rtc;
}

/** The controllers as firmware programs them: at the vectors of the first PC. Nothing is masked, and nothing asks yet. */
function initialize({ master, slave }: PicPair): void {
  for (const [pic, base, cascade] of [
    [master, 0x08, 4],
    [slave, 0x70, 2],
  ] as const) {
    pic.write(0, 1, 0x11);
    for (const word of [base, cascade, 1]) pic.write(1, 1, word);
  }
}

/** An open gate that tells `move` where it goes. */
class Gate implements A20Gate, Saved<boolean> {
  readonly #move: (isOpen: boolean) => void;
  #isOpen = true;

  constructor(move: (isOpen: boolean) => void) {
    this.#move = move;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  set isOpen(isOpen: boolean) {
    if (isOpen !== this.#isOpen) this.#move(isOpen);
    this.#isOpen = isOpen;
  }

  save(): boolean {
    return this.#isOpen;
  }

  load(isOpen: boolean): void {
    this.isOpen = isOpen;
  }
}

/** A device whose offsets begin elsewhere: the keyboard controller's ports are not neighbours. */
function offsetBy(device: Device, base: number): Face {
  return {
    stateOf: device,
    maxWidth: device.maxWidth,
    read: (offset, width) => device.read(base + offset, width),
    write: (offset, width, value) => device.write(base + offset, width, value),
  };
}
