/** The NVMe controller as a PCI function: registers behind BAR 0, interrupts by MSI-X or INTA#. */

import { PciFunction } from '../pci/function.ts';
import { Msix } from '../pci/msix.ts';
import { NvmeController, type NvmeParts } from './controller.ts';
import { Reg } from './spec.ts';

/** The identity of QEMU's controller, which is emulated as this one is. */
const VENDOR = 0x1b36;
const DEVICE = 0x0010;
const SUBSYSTEM_VENDOR = 0x1af4;
const SUBSYSTEM = 0x1100;
/** Mass storage, non-volatile memory, NVM Express. */
const CLASS = 0x01_0802;
const REGISTERS_BAR = 0;
const MSIX_BAR = 2;
const DOORBELL_BYTES = 8;

export type NvmeOptions = Omit<NvmeParts, 'vendor' | 'signal' | 'pin'>;

export class NvmeFunction extends PciFunction {
  readonly #controller: NvmeController;

  constructor(options: NvmeOptions) {
    super({
      name: 'nvme',
      vendor: VENDOR,
      device: DEVICE,
      revision: 2,
      classCode: CLASS,
      subsystemVendor: SUBSYSTEM_VENDOR,
      subsystem: SUBSYSTEM,
    });
    this.usePin(1);
    this.#controller = new NvmeController({
      ...options,
      memory: this.dma(options.memory),
      vendor: VENDOR,
      signal: (vector) => msix.signal(vector),
      pin: (level) => this.setIntx(level),
    });
    const size = 2 ** Math.ceil(Math.log2(Reg.DOORBELLS + DOORBELL_BYTES * (options.pairs + 1)));
    const range = { name: 'nvme', kind: 'memory', size, device: this.#controller } as const;
    this.addBar(REGISTERS_BAR, range, { is64: true });
    const msix = new Msix(this, MSIX_BAR, options.pairs + 1);
  }

  /** Power-on reset: nothing more is written to memory. */
  reset(): void {
    this.#controller.reset();
  }
}
