/** The board: which devices there are, at which ports and lines, as on a PC. */

import { ACPI_PM_PORTS, AcpiPm } from '../devices/acpi-pm.ts';
import type { VirtualClock } from '../devices/clock.ts';
import { DebugExit } from '../devices/debug-exit.ts';
import { cString, FwCfg, FwCfgKey, littleEndian } from '../devices/fw-cfg.ts';
import { PicPair } from '../devices/pic.ts';
import { Pit } from '../devices/pit.ts';
import { PortE9 } from '../devices/port-e9.ts';
import { KeyboardController, ResetControl, ShutdownPort, SystemControlA } from '../devices/reset.ts';
import { Rtc } from '../devices/rtc.ts';
import { Serial } from '../devices/serial.ts';
import { IrqPorts, PageFlush, ScratchBytes, TESTDEV_IORAM_BYTES, TESTDEV_IRQ_LINES } from '../devices/testdev.ts';
import { ACPI_PM_BASE, SCI_IRQ } from './acpi.ts';
import { PcBus } from './bus.ts';
import type { ConsoleSource, Outcome } from './events.ts';
import { IrqLines } from './irq-lines.ts';
import type { DeviceSpec } from './options.ts';

const Irq = { PIT: 0, RTC: 8 } as const;
/** The timer's line arrives at another pin of the I/O APIC, as the ACPI tables say. */
const PIT_PIN = 2;
const SERIAL_PORTS = [
  { source: 'serial0', base: 0x3f8, irq: 4 },
  { source: 'serial1', base: 0x2f8, irq: 3 },
  { source: 'serial2', base: 0x3e8, irq: 4 },
  { source: 'serial3', base: 0x2e8, irq: 3 },
] as const;
/** Firmware leaves the serial ports at eight bits without parity. */
const LINE_CONTROL = 3;
const EIGHT_BITS = 3;
const DEBUG_EXIT = { BASE: 0x501, SIZE: 2 } as const;
const TESTDEV = { SCRATCH: 0xe0, FLUSH: 0xe4, BYTE: 0xe8, LINES: 0x2000, IORAM: 0xff00_0000 } as const;
const KIB = 1024;
const MIB = 0x10_0000;

export interface BoardParts {
  clock: VirtualClock;
  ramBytes: number;
  vcpus: number;
  commandLine: string;
  devices: readonly DeviceSpec[];
  serialPorts: number;
  /** Milliseconds since 1970. */
  date: number;
  /** The processor's INTR pin. */
  intr: (level: boolean) => void;
  /** A pin of the I/O APIC. */
  ioapic: (pin: number, level: boolean) => void;
  /** Takes every byte of console output. */
  output: (source: ConsoleSource, byte: number) => void;
  /** Ends the run; the processor is to stop at the next instruction. */
  end: (outcome: Outcome) => void;
}

/** The devices of a machine on their bus. `reset` builds them anew. */
export class Board {
  readonly bus: PcBus;
  readonly #parts: BoardParts;
  #pics: PicPair;
  #serial: Serial[] = [];
  #acpi!: AcpiPm;

  constructor(parts: BoardParts) {
    this.#parts = parts;
    this.#pics = new PicPair(parts.intr);
    this.bus = new PcBus(() => this.#pics.acknowledge());
    this.#build();
  }

  /** Puts every device back to its power-on state. */
  reset(): void {
    this.#parts.clock.clear();
    this.#parts.intr(false);
    this.#pics = new PicPair(this.#parts.intr);
    this.bus.clear();
    this.#build();
  }

  /** Queues bytes for serial port `port`. Throws RangeError where there is none. */
  send(port: number, bytes: Iterable<number>): void {
    const serial = this.#serial[port];
    if (!serial) throw new RangeError(`serial port ${port} does not exist: the machine has ${this.#serial.length}`);
    serial.send(bytes);
  }

  /** Presses the power button. */
  pressPowerButton(): void {
    this.#acpi.pressPowerButton();
  }

  #build(): void {
    const { bus } = this;
    const { clock, end, output } = this.#parts;
    const pics = this.#pics;
    const lines = new IrqLines((irq, level) => {
      pics.setIrq(irq, level);
      this.#parts.ioapic(irq === Irq.PIT ? PIT_PIN : irq, level);
    });
    const reset = (): void => end({ reason: 'reset' });

    bus.mapPorts('pic', 0x20, 2, pics.master);
    bus.mapPorts('pic2', 0xa0, 2, pics.slave);
    bus.mapPorts('elcr', 0x4d0, 2, pics.elcr);
    const pit = new Pit({ clock, irq: lines.input(Irq.PIT) });
    bus.mapPorts('pit', 0x40, 4, pit);
    bus.mapPorts('port61', 0x61, 1, pit.controlPort);
    bus.mapPorts('rtc', 0x70, 2, this.#rtc(lines));
    const keyboard = new KeyboardController(reset);
    bus.mapPorts('i8042', 0x60, 1, keyboard);
    bus.mapPorts('i8042-command', 0x64, 1, offsetBy(keyboard, 4));
    bus.mapPorts('port92', 0x92, 1, new SystemControlA(reset));
    bus.mapPorts('reset', 0xcf9, 1, new ResetControl(reset));
    bus.mapPorts('debugcon', 0xe9, 1, new PortE9((byte) => output('debugcon', byte)));
    this.#acpi = new AcpiPm({ clock, sci: lines.input(SCI_IRQ), powerOff: () => end({ reason: 'powered-off' }) });
    bus.mapPorts('acpi-pm', ACPI_PM_BASE, ACPI_PM_PORTS, this.#acpi);
    bus.mapPorts('fw_cfg', 0x510, 2, this.#fwCfg());
    bus.mapPorts('shutdown', 0x8900, 1, new ShutdownPort(() => end({ reason: 'powered-off' })));
    this.#serial = SERIAL_PORTS.slice(0, this.#parts.serialPorts).map(({ source, base, irq }) => {
      const serial = new Serial({ clock, irq: lines.input(irq), output: (byte) => output(source, byte) });
      serial.write(LINE_CONTROL, 1, EIGHT_BITS);
      bus.mapPorts(source, base, 8, serial);
      return serial;
    });
    initialize(pics);
    for (const device of this.#parts.devices) this.#add(device, lines);
  }

  #add(device: DeviceSpec, lines: IrqLines): void {
    const { bus } = this;
    switch (device.type) {
      case 'isa-debug-exit': {
        const { iobase = DEBUG_EXIT.BASE, iosize = DEBUG_EXIT.SIZE } = device;
        const exit = new DebugExit((code) => this.#parts.end({ reason: 'debug-exit', code }));
        bus.mapPorts('isa-debug-exit', iobase, iosize, exit);
        break;
      }
      case 'custom':
        bus.mapPorts(device.name, device.iobase, device.iosize, device.device);
        break;
      case 'pc-testdev': {
        const inputs = Array.from({ length: TESTDEV_IRQ_LINES }, (_, irq) => (irq < 16 ? lines.input(irq) : () => {}));
        bus.mapPorts('testdev', TESTDEV.SCRATCH, 4, new ScratchBytes(4));
        bus.mapPorts('testdev-flush', TESTDEV.FLUSH, 4, new PageFlush());
        bus.mapPorts('testdev-byte', TESTDEV.BYTE, 1, new ScratchBytes(1));
        bus.mapPorts('testdev-irq', TESTDEV.LINES, TESTDEV_IRQ_LINES, new IrqPorts(inputs));
        bus.mapMmio('testdev-ioram', TESTDEV.IORAM, TESTDEV_IORAM_BYTES, new ScratchBytes(TESTDEV_IORAM_BYTES));
        break;
      }
      default:
        throw new RangeError(
          `device '${(device as { type: string }).type}' is unknown: there are isa-debug-exit and pc-testdev`,
        );
    }
  }

  #fwCfg(): FwCfg {
    const { ramBytes, vcpus, commandLine } = this.#parts;
    const device = new FwCfg();
    device.set(FwCfgKey.RAM_SIZE, littleEndian(ramBytes, 8));
    device.set(FwCfgKey.NB_CPUS, littleEndian(vcpus, 2));
    device.set(FwCfgKey.MAX_CPUS, littleEndian(vcpus, 2));
    device.set(FwCfgKey.NOGRAPHIC, littleEndian(1, 2));
    device.set(FwCfgKey.CMDLINE_SIZE, littleEndian(cString(commandLine).length, 4));
    device.set(FwCfgKey.CMDLINE_DATA, cString(commandLine));
    return device;
  }

  /** The clock with the memory sizes that a BIOS leaves in CMOS. */
  #rtc(lines: IrqLines): Rtc {
    const { clock, date, ramBytes } = this.#parts;
    const rtc = new Rtc({ clock, irq: lines.input(Irq.RTC), start: date });
    const word = (index: number, value: number): void => {
      rtc.setCmos(index, value & 0xff);
      rtc.setCmos(index + 1, (value >> 8) & 0xff);
    };
    const above1M = Math.min(0xffff, Math.floor((ramBytes - MIB) / KIB));
    word(0x15, 640);
    word(0x17, above1M);
    word(0x30, above1M);
    word(0x34, Math.max(0, Math.floor((ramBytes - 16 * MIB) / (64 * KIB))));
    return rtc;
  }
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

/** A device whose offsets begin elsewhere: the keyboard controller's ports are not neighbours. */
function offsetBy(device: KeyboardController, base: number): Pick<KeyboardController, 'maxWidth' | 'read' | 'write'> {
  return {
    maxWidth: device.maxWidth,
    read: (offset, width) => device.read(base + offset, width),
    write: (offset, width, value) => device.write(base + offset, width, value),
  };
}
