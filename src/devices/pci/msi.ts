/** MSI with one vector (PCI Local Bus Specification 3.0, 6.8.1 "MSI Capability Structure"), addresses of 64 bits. */
import type { PciFunction } from './function.ts';

const CAPABILITY = 5;
const Control = { ENABLE: 1, IS_64: 0x80 } as const;
const At = { CONTROL: 2, ADDRESS: 4, UPPER: 8, DATA: 12 } as const;

export class Msi {
  readonly #function: PciFunction;
  readonly #at: number;

  /** Adds the capability. */
  constructor(of: PciFunction) {
    this.#function = of;
    const word = [0xff, 0xff, 0xff, 0xff];
    const body = [Control.IS_64, ...new Array<number>(11).fill(0)];
    this.#at = of.addCapability(
      CAPABILITY,
      body,
      [Control.ENABLE, 0, 0xfc, 0xff, 0xff, 0xff, ...word, 0xff, 0xff],
      () => of.setUsesMessages(this.isEnabled),
    );
  }

  get isEnabled(): boolean {
    return (this.#function.readConfig(this.#at + At.CONTROL, 1) & Control.ENABLE) !== 0;
  }

  /** Sends the message; nothing while MSI is off. */
  signal(): void {
    const of = this.#function;
    if (!this.isEnabled || of.readConfig(this.#at + At.UPPER, 4) !== 0) return;
    of.sendMessage(of.readConfig(this.#at + At.ADDRESS, 4), of.readConfig(this.#at + At.DATA, 2));
  }
}
