/** The ISA bridge of Intel's ICH9, by the registers that firmware and kernels look for (ICH9 datasheet, "LPC Interface"). */
import type { Width } from '../../core/types.ts';
import type { Face } from '../device.ts';
import { PciFunction } from './function.ts';

const INTEL = 0x8086;
const SUBSYSTEM_VENDOR = 0x1af4;
const SUBSYSTEM = 0x1100;
const MULTIFUNCTION = 0x80;

const Lpc = {
  DEVICE: 0x2918,
  PMBASE: 0x40,
  ACPI_CONTROL: 0x44,
  PIRQA: 0x60,
  PIRQE: 0x68,
  /** "LPC_I/O_DEC" and "LPC_EN": what serial ports and others are called, and whether they are passed on. */
  DECODE: 0x80,
  ENABLES: 0x82,
  RCBA: 0xf0,
} as const;
const PIRQ_REGISTERS = 4;
const PIRQ_OFF = 0x80;
const PIRQ_MASK = 0x8f;
const ACPI_ENABLE = 0x80;
/** "LPC_EN": COMA, COMB, the keyboard controller's ports and those beside them. */
const Enable = { COM_A: 1, COM_B: 2, KEYBOARD: 0x400, MICROCONTROLLER: 0x800 } as const;
/** COM A at 3F8h, COM B at 2F8h. */
const COM_RANGES = 0x10;
const RCBA_ENABLE = 1;
export const RCBA_BYTES = 0x4000;

/** What a bridge of a q35 has more than that of a pc. */
export interface Ich9Parts {
  /** Told of every new place of power management's ports, and of the chipset's registers in memory; null for nowhere. */
  pmMoved: (base: number | null) => void;
  rcbaMoved: (base: number | null) => void;
  serialPorts: number;
}

export class IsaBridge extends PciFunction {
  /** `route` is told of every routing register of PIRQA# to PIRQD#, and of each change. */
  constructor(route: (pirq: number, register: number) => void, ich9?: Ich9Parts) {
    super({
      name: 'isa-bridge',
      vendor: INTEL,
      device: Lpc.DEVICE,
      revision: 2,
      classCode: 0x06_0100,
      subsystemVendor: SUBSYSTEM_VENDOR,
      subsystem: SUBSYSTEM,
    });
    this.bytes[0x0e] |= MULTIFUNCTION;
    const masks = new Array<number>(PIRQ_REGISTERS).fill(PIRQ_MASK);
    this.allowWrites(Lpc.PIRQA, masks, () => this.#routeAll(route));
    this.allowWrites(Lpc.PIRQE, masks);
    this.bytes.fill(PIRQ_OFF, Lpc.PIRQA, Lpc.PIRQA + PIRQ_REGISTERS);
    this.bytes.fill(PIRQ_OFF, Lpc.PIRQE, Lpc.PIRQE + PIRQ_REGISTERS);
    this.bytes[Lpc.PMBASE] = 1;
    const pmMoved = (): void => ich9?.pmMoved(this.pmBase);
    this.allowWrites(Lpc.PMBASE, [0x80, 0xff], pmMoved);
    this.allowWrites(Lpc.ACPI_CONTROL, [0x87], pmMoved);
    this.allowWrites(Lpc.DECODE, [0x77, 0x33, 0x0f, 0x3f]);
    this.allowWrites(Lpc.RCBA, [1, 0xc0, 0xff, 0xff], () => ich9?.rcbaMoved(this.rcba));
    if (ich9) this.#showSerialPorts(ich9.serialPorts);
    this.#routeAll(route);
  }

  /** Where the ports of power management are; null where they are switched off. */
  get pmBase(): number | null {
    const base = this.view.getUint16(Lpc.PMBASE, true) & 0xff80;
    return (this.bytes[Lpc.ACPI_CONTROL] & ACPI_ENABLE) !== 0 && base !== 0 ? base : null;
  }

  /** Where the chipset's registers lie in memory; null where they are switched off. */
  get rcba(): number | null {
    const value = this.view.getUint32(Lpc.RCBA, true);
    return (value & RCBA_ENABLE) !== 0 ? value - RCBA_ENABLE : null;
  }

  /** Routes the wires to `lines` and shows the ports of power management at `pmBase`, as firmware does. */
  setUp(lines: readonly number[], pmBase: number, rcba?: number): void {
    for (const [pirq, line] of lines.entries()) {
      this.writeConfig(Lpc.PIRQA + pirq, 1, line);
      this.writeConfig(Lpc.PIRQE + pirq, 1, line);
    }
    this.writeConfig(Lpc.PMBASE, 4, pmBase);
    this.writeConfig(Lpc.ACPI_CONTROL, 1, ACPI_ENABLE);
    if (rcba !== undefined) this.writeConfig(Lpc.RCBA, 4, rcba + RCBA_ENABLE);
  }

  /** Firmware would do it; what is given as `-bios` expects that it is done, as in QEMU. */
  #showSerialPorts(count: number): void {
    const ports = [Enable.COM_A, Enable.COM_B].slice(0, count).reduce((all, bit) => all | bit, 0);
    this.bytes[Lpc.DECODE] = COM_RANGES;
    this.view.setUint16(Lpc.ENABLES, ports | Enable.KEYBOARD | Enable.MICROCONTROLLER, true);
  }

  #routeAll(route: (pirq: number, register: number) => void): void {
    for (let pirq = 0; pirq < PIRQ_REGISTERS; pirq++) route(pirq, this.bytes[Lpc.PIRQA + pirq]);
  }
}

/** "Device Interrupt Route Registers" of slots 25 to 31: INTA# arrives at PIRQA#, and so on. */
const ROUTES = [0x3140, 0x3142, 0x3144, 0x3146, 0x3148, 0x314c, 0x3150];
const STRAIGHT = 0x3210;
/** "HPTC": the timer is on, at FED00000h. */
const HPET_CONFIG = { AT: 0x3404, ON: 0x80 } as const;
/** "GCS": no reset by a watchdog, as there is none. */
const GENERAL = { AT: 0x3410, NO_REBOOT: 0x20 } as const;

/** "Chipset Configuration Registers", as far as somebody reads them. They cannot be changed. */
export class ChipsetRegisters implements Face {
  readonly stateOf = null;
  readonly maxWidth = 4;
  readonly #bytes = new Uint8Array(RCBA_BYTES);

  constructor() {
    const view = new DataView(this.#bytes.buffer);
    for (const at of ROUTES) view.setUint16(at, STRAIGHT, true);
    view.setUint32(HPET_CONFIG.AT, HPET_CONFIG.ON, true);
    view.setUint32(GENERAL.AT, GENERAL.NO_REBOOT, true);
  }

  read(offset: number, width: Width): number {
    let value = 0;
    for (let n = width - 1; n >= 0; n--) value = value * 256 + this.#bytes[offset + n];
    return value;
  }

  write(): void {}
}
