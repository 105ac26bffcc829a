/** The host bridge of Intel's Q35, by the registers that firmware and kernels look for (Intel 3 Series Express Chipset). */
import { PciFunction } from './function.ts';

const INTEL = 0x8086;
const SUBSYSTEM_VENDOR = 0x1af4;
const SUBSYSTEM = 0x1100;

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
