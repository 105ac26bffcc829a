/**
 * The two functions that every PC of this kind has, by the registers that firmware and kernels look for: the host bridge
 * of Intel's Q35 and the ISA bridge of its ICH9 (Intel 3 Series Express Chipset and ICH9 datasheets).
 */
import { PciFunction } from './function.ts';

const INTEL = 0x8086;
const SUBSYSTEM_VENDOR = 0x1af4;
const SUBSYSTEM = 0x1100;
const MULTIFUNCTION = 0x80;

const Mch = { DEVICE: 0x29c0, PCIEXBAR: 0x60, PAM0: 0x90, SMRAM: 0x9d, ESMRAMC: 0x9e } as const;
const PAM_REGISTERS = 7;
/** Bits 35:28 of the address (bits 27 and 26 for the shorter lengths), the length, and the enable bit. */
const PCIEXBAR_MASK = [0x07, 0, 0, 0xfc, 0x0f];
const PCIEXBAR_ENABLE = 1;
const MIB = 0x10_0000;
const ECAM_BYTES = [256 * MIB, 128 * MIB, 64 * MIB];

/** Where configuration space lies in memory; null where it is switched off. */
export type Ecam = { base: number; length: number } | null;

export class HostBridge extends PciFunction {
  constructor(ecamMoved: (ecam: Ecam) => void) {
    super({
      name: 'host-bridge',
      vendor: INTEL,
      device: Mch.DEVICE,
      classCode: 0x06_0000,
      subsystemVendor: SUBSYSTEM_VENDOR,
      subsystem: SUBSYSTEM,
    });
    this.allowWrites(Mch.PCIEXBAR, PCIEXBAR_MASK, () => ecamMoved(this.ecam));
    this.allowWrites(Mch.PAM0, [0x30, ...new Array<number>(PAM_REGISTERS - 1).fill(0x33)]);
    this.allowWrites(Mch.SMRAM, [0x7f, 0xff]);
    // RAM below 1 MiB is RAM for reads and writes: what firmware would switch is on already.
    this.bytes.fill(0x33, Mch.PAM0, Mch.PAM0 + PAM_REGISTERS);
  }

  /** Says that the firmware's ROM lies below 1 MiB, as at power-on: firmware then copies itself into the RAM there. */
  showRom(): void {
    this.bytes.fill(0, Mch.PAM0, Mch.PAM0 + PAM_REGISTERS);
  }

  /** Where configuration space lies in memory now. */
  get ecam(): Ecam {
    const low = this.view.getUint32(Mch.PCIEXBAR, true);
    const length = ECAM_BYTES[(low >> 1) & 3];
    if ((low & PCIEXBAR_ENABLE) === 0 || length === undefined) return null;
    const address = (low & 0xfc00_0000) >>> 0;
    const base = this.view.getUint32(Mch.PCIEXBAR + 4, true) * 2 ** 32 + address - (address % length);
    return base === 0 ? null : { base, length };
  }

  /** Puts configuration space at `base`, as firmware does. */
  enableEcam(base: number): void {
    this.writeConfig(Mch.PCIEXBAR + 4, 4, Math.floor(base / 2 ** 32));
    this.writeConfig(Mch.PCIEXBAR, 4, (base | PCIEXBAR_ENABLE) >>> 0);
  }
}

const Lpc = {
  DEVICE: 0x2918,
  PMBASE: 0x40,
  ACPI_CONTROL: 0x44,
  PIRQA: 0x60,
  PIRQE: 0x68,
  DECODE: 0x80,
  RCBA: 0xf0,
} as const;
const PIRQ_REGISTERS = 4;
const PIRQ_OFF = 0x80;
const PIRQ_MASK = 0x8f;
const ACPI_ENABLE = 0x80;

export class IsaBridge extends PciFunction {
  /** `route` is told of every routing register of PIRQA# to PIRQD#, and of each change. */
  constructor(route: (pirq: number, register: number) => void) {
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
    this.allowWrites(Lpc.PMBASE, [0x80, 0xff]);
    this.allowWrites(Lpc.ACPI_CONTROL, [0x87]);
    this.allowWrites(Lpc.DECODE, [0x77, 0x33, 0x0f, 0x3f]);
    this.allowWrites(Lpc.RCBA, [1, 0xc0, 0xff, 0xff]);
    this.#routeAll(route);
  }

  /** Routes the wires to `lines` and shows the ports of power management at `pmBase`, as firmware does. */
  setUp(lines: readonly number[], pmBase: number): void {
    for (const [pirq, line] of lines.entries()) {
      this.writeConfig(Lpc.PIRQA + pirq, 1, line);
      this.writeConfig(Lpc.PIRQE + pirq, 1, line);
    }
    this.writeConfig(Lpc.PMBASE, 4, pmBase);
    this.writeConfig(Lpc.ACPI_CONTROL, 1, ACPI_ENABLE);
  }

  #routeAll(route: (pirq: number, register: number) => void): void {
    for (let pirq = 0; pirq < PIRQ_REGISTERS; pirq++) route(pirq, this.bytes[Lpc.PIRQA + pirq]);
  }
}
