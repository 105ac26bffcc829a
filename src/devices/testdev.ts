/**
 * pc-testdev, the device that kvm-unit-tests probe: a scratch register for port I/O of every width, a page-flush port
 * without effect on this machine, a port per interrupt line, and a piece of RAM that answers as MMIO.
 */
import type { Width } from '../core/types.ts';
import type { Saved } from '../saved.ts';
import type { Face, IoDevice, IrqLine } from './device.ts';

export const TESTDEV_IRQ_LINES = 24;
export const TESTDEV_IORAM_BYTES = 0x1_0000;

/** Bytes that read back as they were written: the scratch register (4 bytes) and the ioram (64 KiB). */
export class ScratchBytes implements IoDevice, Saved<Uint8Array> {
  readonly maxWidth = 4;
  readonly #view: DataView;

  constructor(size: number) {
    this.#view = new DataView(new ArrayBuffer(size));
  }

  save(): Uint8Array {
    return new Uint8Array(this.#view.buffer.slice(0));
  }

  load(bytes: Uint8Array): void {
    new Uint8Array(this.#view.buffer).set(bytes);
  }

  read(offset: number, width: Width): number {
    if (width === 1) return this.#view.getUint8(offset);
    return width === 2 ? this.#view.getUint16(offset, true) : this.#view.getUint32(offset, true);
  }

  write(offset: number, width: Width, value: number): void {
    if (width === 1) this.#view.setUint8(offset, value);
    else if (width === 2) this.#view.setUint16(offset, value, true);
    else this.#view.setUint32(offset, value, true);
  }
}

/** Port 0xe4: takes the address of a page to drop from a hypervisor's tables; nothing here caches by page. */
export class PageFlush implements Face {
  readonly stateOf = null;
  readonly maxWidth = 4;

  read(_offset: number, _width: Width): number {
    return 0;
  }

  write(_offset: number, _width: Width, _value: number): void {}
}

/** Ports 0x2000+n: line n is raised by any value but 0 and lowered by 0. The wires know their levels. */
export class IrqPorts implements Face {
  readonly stateOf = null;
  readonly maxWidth = 1;
  readonly #lines: readonly IrqLine[];

  constructor(lines: readonly IrqLine[]) {
    this.#lines = lines;
  }

  read(_offset: number, _width: Width): number {
    return 0;
  }

  write(offset: number, _width: Width, value: number): void {
    this.#lines[offset]?.(value !== 0);
  }
}
