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

/** Parts of memory that the PAM registers speak of: a large one, and twelve small ones, two in a register. */
const PAM_SMALL = { START: 0xc_0000, BYTES: 0x4000 } as const;
const PAM_LARGE = { START: 0xf_0000, END: MIB } as const;
const Pam = { READ: 1, WRITE: 2, BOTH: 0x33, HIGH: 4 } as const;

/** Where configuration space lies in memory; null if it is switched off. */
export type Ecam = { base: number; length: number } | null;

/** A part of the memory below 1 MiB: whether reads and writes go to the RAM there. */
export interface ShadowArea {
  readonly start: number;
  readonly end: number;
  readonly isRead: boolean;
  readonly isWritten: boolean;
}

export class HostBridge extends PciFunction {
  readonly #shadowed: (areas: readonly ShadowArea[]) => void;

  /** Tells of every new place of configuration space, and of every change to what memory below 1 MiB is. */
  constructor(ecamMoved: (ecam: Ecam) => void, shadowed: (areas: readonly ShadowArea[]) => void) {
    super({
      name: 'host-bridge',
      vendor: INTEL,
      device: Mch.DEVICE,
      classCode: 0x06_0000,
      subsystemVendor: SUBSYSTEM_VENDOR,
      subsystem: SUBSYSTEM,
    });
    this.allowWrites(Mch.PCIEXBAR, PCIEXBAR_MASK, () => ecamMoved(this.ecam));
    this.#shadowed = shadowed;
    const small = new Array<number>(PAM_REGISTERS - 1).fill(Pam.BOTH);
    this.allowWrites(Mch.PAM0, [Pam.BOTH & 0xf0, ...small], () => shadowed(this.shadow));
    this.allowWrites(Mch.SMRAM, [0x7f, 0xff]);
    this.#setPam(Pam.BOTH);
  }

  /** Lets the firmware's ROM lie below 1 MiB, as at power-on: firmware then copies itself into the RAM there. */
  showRom(): void {
    this.#setPam(0);
  }

  /** "PAM0" to "PAM6 - Programmable Attribute Map", with neighbours of one kind as one area. */
  get shadow(): ShadowArea[] {
    const areas: ShadowArea[] = [];
    const add = (start: number, end: number, bits: number): void => {
      const [isRead, isWritten] = [(bits & Pam.READ) !== 0, (bits & Pam.WRITE) !== 0];
      const last = areas.at(-1);
      if (last && last.isRead === isRead && last.isWritten === isWritten) areas[areas.length - 1] = { ...last, end };
      else areas.push({ start, end, isRead, isWritten });
    };
    for (let n = 0; n < 2 * (PAM_REGISTERS - 1); n++) {
      const start = PAM_SMALL.START + n * PAM_SMALL.BYTES;
      add(start, start + PAM_SMALL.BYTES, this.bytes[Mch.PAM0 + 1 + (n >> 1)] >> (n & 1 ? Pam.HIGH : 0));
    }
    add(PAM_LARGE.START, PAM_LARGE.END, this.bytes[Mch.PAM0] >> Pam.HIGH);
    return areas;
  }

  #setPam(value: number): void {
    this.bytes.fill(value, Mch.PAM0, Mch.PAM0 + PAM_REGISTERS);
    this.#shadowed(this.shadow);
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
