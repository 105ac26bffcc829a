/** The NVM command set (NVM Express Base Specification 1.4, "NVM Command Set"): what is done to the disk. */
import type { BlkBackend } from '../backends.ts';
import { DISCARD_PIECE, DISCARD_WORK, ZEROES_WORK } from '../work-meter.ts';
import { type Command, checkNamespace } from './command.ts';
import { addressAt, type Dma, type Window } from './dma.ts';
import { ALL_NAMESPACES, BLOCK, Io, MAX_TRANSFER, NvmeError, Status } from './spec.ts';

/** Bits of command dword 12 and 11. */
const FORCE_UNIT_ACCESS = 0x4000_0000;
const DEALLOCATE = 0x0200_0000;
const DATASET_DEALLOCATE = 4;
const RANGE_BYTES = 16;

/** Work that is done, or that will be. */
export type Work = void | Promise<void>;
/** Work that is done in pieces: ranges to deallocate. */
export type Pieces = { ranges: { offset: number; length: number }[] };

export interface IoParts {
  /** False while the driver has switched the write cache off. */
  hasCache: () => boolean;
  /** Told of work that was done, in the unit of WorkMeter. */
  charge: (bytes: number) => void;
}

export class NvmCommands {
  readonly #backend: BlkBackend;
  readonly #dma: Dma;
  readonly #parts: IoParts;

  constructor(backend: BlkBackend, dma: Dma, parts: IoParts) {
    this.#backend = backend;
    this.#dma = dma;
    this.#parts = parts;
  }

  /** Does a command. Throws NvmeError, or what the backend throws. */
  perform(command: Command): Work | Pieces {
    if (command.opcode === Io.FLUSH) {
      if (command.nsid !== ALL_NAMESPACES) checkNamespace(command);
      return this.#backend.isReadOnly ? undefined : this.#backend.flush();
    }
    const work = this.#commands[command.opcode];
    if (!work) throw new NvmeError(Status.INVALID_OPCODE, `opcode ${command.opcode} of the NVM command set`);
    checkNamespace(command);
    if (command.opcode !== Io.READ && this.#backend.isReadOnly) {
      throw new NvmeError(Status.READ_ONLY, 'the disk is read-only');
    }
    return work(command);
  }

  readonly #commands: Readonly<Record<number, (command: Command) => Work | Pieces>> = {
    [Io.READ]: (command) => {
      const { offset, length } = this.#range(command);
      const windows = this.#windows(command, length);
      if (this.#backend.answersAtOnce) {
        for (const window of windows) this.#dma.wrote(window.at, window.length);
        this.#each(windows, offset, (at, bytes) => this.#backend.read(at, bytes));
        return;
      }
      const bytes = new Uint8Array(length);
      return then(this.#backend.read(offset, bytes), () => this.#dma.copyOut(windows, bytes));
    },
    [Io.WRITE]: (command) => {
      const { offset, length } = this.#range(command);
      const windows = this.#windows(command, length);
      if (this.#backend.answersAtOnce) {
        this.#each(windows, offset, (at, bytes) => this.#backend.write(at, bytes));
        return this.#written(command);
      }
      return then(this.#backend.write(offset, this.#dma.copyIn(windows, length)), () => this.#written(command));
    },
    [Io.WRITE_ZEROES]: (command) => {
      const { offset, length } = this.#range(command);
      const mayUnmap = (command.dwords[2] & DEALLOCATE) !== 0;
      this.#parts.charge(length * ZEROES_WORK);
      return then(this.#backend.writeZeroes(offset, length, mayUnmap), () => this.#written(command));
    },
    [Io.DATASET]: (command) => this.#manage(command),
  };

  #manage(command: Command): Work | Pieces {
    const count = (command.dwords[0] & 0xff) + 1;
    if ((command.dwords[1] & DATASET_DEALLOCATE) === 0) return;
    const length = RANGE_BYTES * count;
    const view = new DataView(this.#dma.copyIn(this.#dma.windows(command, length), length).buffer);
    const ranges = Array.from({ length: count }, (_, index) => {
      const at = RANGE_BYTES * index;
      return this.#place(addressAt(view, at + 8), view.getUint32(at + 4, true));
    });
    if (!this.#backend.answersAtOnce) {
      const works = ranges
        .filter((range) => range.length > 0)
        .map((range) => this.#backend.discard(range.offset, range.length));
      return Promise.all(works).then(() => {});
    }
    return { ranges };
  }

  /** Does the next piece, and returns whether there are more. */
  step({ ranges }: Pieces): boolean {
    const [range] = ranges;
    const part = Math.min(range.length, DISCARD_PIECE - (range.offset % DISCARD_PIECE));
    if (part > 0) this.#backend.discard(range.offset, part);
    this.#parts.charge(part * DISCARD_WORK);
    range.offset += part;
    range.length -= part;
    if (range.length === 0) ranges.shift();
    return ranges.length > 0;
  }

  #written(command: Command): Work {
    if ((command.dwords[2] & FORCE_UNIT_ACCESS) !== 0 || !this.#parts.hasCache()) return this.#backend.flush();
  }

  #range({ dwords }: Command): { offset: number; length: number } {
    return this.#place(dwords[1] * 2 ** 32 + dwords[0], (dwords[2] & 0xffff) + 1);
  }

  #place(block: number, blocks: number): { offset: number; length: number } {
    if (block + blocks > this.#backend.capacity / BLOCK) {
      throw new NvmeError(Status.LBA_RANGE, `blocks ${block}+${blocks} of ${this.#backend.capacity / BLOCK}`);
    }
    return { offset: block * BLOCK, length: blocks * BLOCK };
  }

  #windows(command: Command, length: number): Window[] {
    if (length > MAX_TRANSFER)
      throw new NvmeError(Status.INVALID_FIELD, `${length} bytes; the limit is ${MAX_TRANSFER}`);
    this.#parts.charge(length);
    return this.#dma.windows(command, length);
  }

  #each(windows: readonly Window[], offset: number, use: (at: number, bytes: Uint8Array) => void): void {
    let at = offset;
    for (const window of windows) {
      use(at, this.#dma.bytes(window.at, window.length));
      at += window.length;
    }
  }
}

function then(work: Work, after: () => Work): Work {
  return work instanceof Promise ? work.then(after) : after();
}
