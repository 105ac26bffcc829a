/**
 * MSI-X (PCI Local Bus Specification 3.0, 6.8.2 "MSI-X Capability and Table Structures"): a table of messages and their
 * pending bits, in a memory range of the function.
 */
import type { Width } from '../../core/types.ts';
import type { Saved } from '../../saved.ts';
import type { IoDevice } from '../device.ts';
import type { PciFunction } from './function.ts';

const CAPABILITY = 0x11;
const Control = { ENABLE: 0x8000, MASK_ALL: 0x4000 } as const;
const ENTRY_BYTES = 16;
const Entry = { ADDRESS: 0, UPPER: 4, DATA: 8, CONTROL: 12 } as const;
const MASKED = 1;
/** The pending bits follow the largest table that this file makes. */
const PENDING_AT = 0x800;
const MAX_VECTORS = PENDING_AT / ENTRY_BYTES;
export const MSIX_BYTES = 0x1000;

type MsixState = { table: Uint8Array; pending: Uint8Array };

export class Msix implements IoDevice, Saved<MsixState> {
  readonly maxWidth = 4;
  readonly vectors: number;
  readonly #function: PciFunction;
  readonly #table: DataView;
  readonly #pending: Uint8Array;
  #control = 0;

  /** Adds the capability, and the table behind base address register `bar`. */
  constructor(of: PciFunction, bar: number, vectors: number) {
    if (vectors < 1 || vectors > MAX_VECTORS) {
      throw new RangeError(`${of.name}: ${vectors} vectors are not possible: 1 to ${MAX_VECTORS}`);
    }
    this.vectors = vectors;
    this.#function = of;
    this.#table = new DataView(new ArrayBuffer(ENTRY_BYTES * vectors));
    this.#pending = new Uint8Array(vectors);
    for (let n = 0; n < vectors; n++) this.#table.setUint32(ENTRY_BYTES * n + Entry.CONTROL, MASKED, true);
    of.addBar(bar, { name: `${of.name}-msix`, kind: 'memory', size: MSIX_BYTES, device: this });
    const size = vectors - 1;
    const body = [size & 0xff, size >> 8, bar, 0, 0, 0, bar, PENDING_AT >> 8, 0, 0];
    const at = of.addCapability(CAPABILITY, body, [0, (Control.ENABLE | Control.MASK_ALL) >> 8], () =>
      this.#setControl(of.readConfig(at + 2, 2)),
    );
  }

  /** Its control register lies in configuration space. */
  save(): MsixState {
    return { table: new Uint8Array(this.#table.buffer.slice(0)), pending: this.#pending.slice() };
  }

  load({ table, pending }: MsixState): void {
    new Uint8Array(this.#table.buffer).set(table);
    this.#pending.set(pending);
  }

  get isEnabled(): boolean {
    return (this.#control & Control.ENABLE) !== 0;
  }

  /** Asks for the interrupt of a vector: sent now, or when its mask goes. Nothing while MSI-X is off. */
  signal(vector: number): void {
    if (!this.isEnabled || vector >= this.vectors) return;
    this.#pending[vector] = 1;
    this.#send(vector);
  }

  read(offset: number, width: Width): number {
    let value = 0;
    for (let n = width - 1; n >= 0; n--) value = value * 256 + this.#byte(offset + n);
    return value;
  }

  write(offset: number, width: Width, value: number): void {
    for (let n = 0; n < width; n++) {
      if (offset + n >= this.#table.byteLength) return;
      const isReserved = (offset + n) % ENTRY_BYTES > Entry.CONTROL;
      if (!isReserved)
        this.#table.setUint8(
          offset + n,
          (value >>> (8 * n)) & ((offset + n) % ENTRY_BYTES === Entry.CONTROL ? MASKED : 0xff),
        );
    }
    this.#send(Math.floor(offset / ENTRY_BYTES));
  }

  #byte(at: number): number {
    if (at < this.#table.byteLength) return this.#table.getUint8(at);
    let bits = 0;
    if (at >= PENDING_AT) for (let n = 0; n < 8; n++) bits |= (this.#pending[8 * (at - PENDING_AT) + n] ?? 0) << n;
    return bits;
  }

  #setControl(value: number): void {
    this.#control = value;
    this.#function.setUsesMessages(this.isEnabled);
    for (let vector = 0; vector < this.vectors; vector++) this.#send(vector);
  }

  #send(vector: number): void {
    if (!this.#pending[vector] || !this.isEnabled || (this.#control & Control.MASK_ALL) !== 0) return;
    const entry = ENTRY_BYTES * vector;
    const word = (at: number): number => this.#table.getUint32(entry + at, true);
    if ((word(Entry.CONTROL) & MASKED) !== 0) return;
    this.#pending[vector] = 0;
    if (word(Entry.UPPER) === 0) this.#function.sendMessage(word(Entry.ADDRESS), word(Entry.DATA));
  }
}
