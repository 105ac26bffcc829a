/**
 * Guest memory as the controller touches it: by addresses of queues, and by the page lists of commands (NVM Express Base
 * Specification 1.4, "Physical Region Page Entry and List"). What lies outside RAM is a data transfer error.
 */
import type { GuestMemory } from '../../core/types.ts';
import { NoAccess } from '../device.ts';
import type { Command } from './command.ts';
import { NvmeError, PAGE, Status } from './spec.ts';

const ENTRY = 8;

export class Dma {
  readonly #memory: GuestMemory;
  readonly #wrote: (pa: number, length: number) => void;

  constructor(memory: GuestMemory, wrote: (pa: number, length: number) => void) {
    this.#memory = memory;
    this.#wrote = wrote;
  }

  /** A view of guest memory, not to be kept. Throws NvmeError outside RAM. */
  view(at: number, length: number): DataView {
    const bytes = this.bytes(at, length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  bytes(at: number, length: number): Uint8Array {
    try {
      if (at + length <= Number.MAX_SAFE_INTEGER) return this.#memory.bytes(at, length);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (error instanceof NoAccess) {
        throw new NvmeError(Status.DATA_TRANSFER, `0x${at.toString(16)}+${length}: ${error.message}`);
      }
    }
    const size = this.#memory.size.toString(16);
    throw new NvmeError(Status.DATA_TRANSFER, `0x${at.toString(16)}+${length} is outside RAM (0x${size} bytes)`);
  }

  /** To be called after a change of what `view` or `bytes` gave. */
  wrote(at: number, length: number): void {
    this.#wrote(at, length);
  }

  /** The windows of guest memory that a command names, `length` bytes in all. Throws NvmeError before any is touched. */
  windows(command: Command, length: number): Window[] {
    const windows: Window[] = [];
    let left = length;
    const add = (at: number, most: number): void => {
      const part = Math.min(left, most);
      const last = windows.at(-1);
      if (last && last.at + last.length === at) last.length += part;
      else windows.push({ at, length: part });
      left -= part;
    };
    const { prp1, prp2 } = command;
    if (prp1 % 4 !== 0) throw new NvmeError(Status.PRP_OFFSET, `PRP entry 1 is 0x${prp1.toString(16)}`);
    add(prp1, PAGE - (prp1 % PAGE));
    if (left > 0 && left <= PAGE) add(aligned(prp2), PAGE);
    else if (left > 0) this.#addList(prp2, () => left, add);
    for (const { at, length: part } of windows) this.bytes(at, part);
    return windows;
  }

  /** Fills the windows from `bytes`. */
  copyOut(windows: readonly Window[], bytes: Uint8Array): void {
    let done = 0;
    for (const { at, length } of windows) {
      this.bytes(at, length).set(bytes.subarray(done, done + length));
      this.wrote(at, length);
      done += length;
    }
  }

  /** The bytes of the windows. */
  copyIn(windows: readonly Window[], length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (const window of windows) {
      bytes.set(this.bytes(window.at, window.length), done);
      done += window.length;
    }
    return bytes;
  }

  /** Every list but the first begins at the start of a page, so that each has entries: the walk ends. */
  #addList(first: number, left: () => number, add: (at: number, most: number) => void): void {
    if (first % ENTRY !== 0) throw new NvmeError(Status.PRP_OFFSET, `a PRP list is at 0x${first.toString(16)}`);
    let at = first;
    while (left() > 0) {
      const entry = addressAt(this.view(at, ENTRY), 0);
      const isLast = at % PAGE === PAGE - ENTRY;
      if (isLast && left() > PAGE) at = aligned(entry);
      else {
        add(aligned(entry), PAGE);
        at += ENTRY;
      }
    }
  }
}

export interface Window {
  at: number;
  length: number;
}

/** A 64-bit address; beyond 2^53 it is no longer exact, and outside of RAM. */
export function addressAt(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}

function aligned(at: number): number {
  if (at % PAGE !== 0) throw new NvmeError(Status.PRP_OFFSET, `a PRP entry is 0x${at.toString(16)}`);
  return at;
}
