/**
 * NOR flash with Intel's command set, as QEMU's `cfi.pflash01`: where firmware keeps its variables. While it shows its
 * array it is memory that processors read by themselves; writes are commands, and what they write reaches the backend
 * when the array is shown again. Sources: Intel "3 Volt StrataFlash Memory" (28F128J3), "Command Definitions"; JEDEC
 * JESD68.01 "Common Flash Interface".
 */
import type { Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import type { BlkBackend } from './backends.ts';
import type { IoDevice } from './device.ts';

const Command = {
  READ_ARRAY: 0xff,
  READ_IDENTIFIER: 0x90,
  READ_QUERY: 0x98,
  READ_STATUS: 0x70,
  CLEAR_STATUS: 0x50,
  PROGRAM: 0x10,
  PROGRAM_TOO: 0x40,
  ERASE: 0x20,
  BUFFER: 0xe8,
  LOCK: 0x60,
  CONFIRM: 0xd0,
} as const;
const Status = { READY: 0x80, ERASE_ERROR: 0x20, PROGRAM_ERROR: 0x10, LOCKED: 0x02 } as const;
/** Manufacturer and device of the identifier: Intel, 28F128J3. */
const IDENTIFIER: readonly number[] = [0x89, 0x18];
/** Bytes that an erasure clears at a time. */
export const BLOCK = 0x1000;
const BUFFER_BITS = 5;
const SECTOR = 512;

export interface PflashParts {
  /** The whole array; processors read it while it is shown. */
  bytes: () => Uint8Array;
  /** Shows the array to processors, or lets every access come here. */
  show: (isArray: boolean) => void;
  backend: BlkBackend;
  /** Waits for what the backend has not done yet. */
  busy: (work: Promise<unknown>) => void;
}

type Mode = 'array' | 'status' | 'identifier' | 'query' | 'program' | 'erase' | 'count' | 'buffer' | 'confirm' | 'lock';

/** What a guest can tell apart. */
export type PflashState = {
  mode: Mode;
  /** As QEMU's and unlike the chip's, it is 0 until the first operation; OVMF knows flash by that. */
  status: number;
  /** A buffer write: where it begins, its length, what came so far by its place. */
  start: number;
  count: number;
  buffer: { [at: number]: number };
  /** What the backend has not got yet. */
  dirty: { start: number; end: number } | null;
};

export class Pflash implements IoDevice, Saved<PflashState> {
  readonly maxWidth = 4;
  readonly #parts: PflashParts;
  #state: PflashState = {
    mode: 'array',
    status: 0,
    start: 0,
    count: 0,
    buffer: {},
    dirty: null,
  };

  constructor(parts: PflashParts) {
    this.#parts = parts;
  }

  save(): PflashState {
    return copyOf(this.#state);
  }

  /** The array itself lies in memory beside RAM, which is put back with RAM. */
  load(state: PflashState): void {
    this.#state = copyOf(state);
    this.#parts.show(state.mode === 'array');
  }

  read(offset: number, width: Width): number {
    switch (this.#state.mode) {
      case 'array':
        return littleEndian(this.#parts.bytes(), offset, width);
      case 'identifier':
        return IDENTIFIER[offset & 0xff] ?? 0;
      case 'query':
        return this.#query(offset & 0xff);
      default:
        return this.#state.status;
    }
  }

  write(offset: number, width: Width, value: number): void {
    switch (this.#state.mode) {
      case 'program':
        this.#program(offset, width, value);
        this.#enter('status');
        break;
      case 'erase':
        if ((value & 0xff) === Command.CONFIRM) this.#erase(offset);
        else this.#fail(Status.ERASE_ERROR | Status.PROGRAM_ERROR);
        this.#enter('status');
        break;
      case 'count':
        this.#state.start = offset;
        this.#state.count = (value & 0xffff) + 1;
        this.#state.buffer = {};
        if (this.#state.count > 1 << BUFFER_BITS) {
          this.#fail(Status.PROGRAM_ERROR);
          this.#enter('status');
        } else this.#enter('buffer');
        break;
      case 'buffer':
        this.#take(offset, width, value);
        break;
      case 'confirm':
        if ((value & 0xff) !== Command.CONFIRM) this.#fail(Status.PROGRAM_ERROR);
        else
          for (const [n, byte] of Object.entries(this.#state.buffer))
            this.#program(this.#state.start + Number(n), 1, byte);
        this.#enter('status');
        break;
      case 'lock':
        // Blocks are never locked: both setting and clearing lock bits succeed.
        this.#state.status |= Status.READY;
        this.#enter('status');
        break;
      default:
        this.#command(value & 0xff);
    }
  }

  /** Power-on state. What was programmed stays. */
  reset(): void {
    this.#state.status = 0;
    this.#enter('array');
  }

  #command(command: number): void {
    switch (command) {
      case Command.READ_STATUS:
        this.#enter('status');
        break;
      case Command.READ_IDENTIFIER:
        this.#enter('identifier');
        break;
      case Command.READ_QUERY:
        this.#enter('query');
        break;
      case Command.PROGRAM:
      case Command.PROGRAM_TOO:
        this.#enter('program');
        break;
      case Command.ERASE:
        this.#enter('erase');
        break;
      case Command.BUFFER:
        this.#state.status |= Status.READY;
        this.#enter('count');
        break;
      case Command.LOCK:
        this.#enter('lock');
        break;
      case Command.CLEAR_STATUS:
        this.#state.status = 0;
        this.#enter('array');
        break;
      default:
        this.#enter('array');
    }
  }

  #enter(mode: Mode): void {
    const wasArray = this.#state.mode === 'array';
    this.#state.mode = mode;
    if (wasArray === (mode === 'array')) return;
    if (!wasArray) this.#writeBack();
    this.#parts.show(!wasArray);
  }

  #fail(bits: number): void {
    this.#state.status |= Status.READY | bits;
  }

  /** Programming clears bits; only an erasure sets them. */
  #program(offset: number, width: number, value: number): void {
    if (this.#parts.backend.isReadOnly) this.#fail(Status.PROGRAM_ERROR | Status.LOCKED);
    else {
      const bytes = this.#parts.bytes();
      const end = Math.min(offset + width, bytes.length);
      for (let at = offset; at < end; at++) bytes[at] &= value >>> (8 * (at - offset));
      this.#soil(offset, end);
      this.#state.status |= Status.READY;
    }
  }

  #erase(offset: number): void {
    if (this.#parts.backend.isReadOnly) this.#fail(Status.ERASE_ERROR | Status.LOCKED);
    else {
      const start = offset - (offset % BLOCK);
      this.#parts.bytes().fill(0xff, start, start + BLOCK);
      this.#soil(start, start + BLOCK);
      this.#state.status |= Status.READY;
    }
  }

  #take(offset: number, width: number, value: number): void {
    const at = offset - this.#state.start;
    if (at < 0 || at + width > this.#state.count) {
      this.#fail(Status.PROGRAM_ERROR);
      this.#enter('status');
      return;
    }
    for (let n = 0; n < width; n++) this.#state.buffer[at + n] = (value >>> (8 * n)) & 0xff;
    if (Object.keys(this.#state.buffer).length === this.#state.count) this.#enter('confirm');
  }

  #soil(start: number, end: number): void {
    const { start: first, end: last } = this.#state.dirty ?? { start, end };
    this.#state.dirty = { start: Math.min(first, start), end: Math.max(last, end) };
  }

  #writeBack(): void {
    if (!this.#state.dirty) return;
    const { backend, busy, bytes } = this.#parts;
    const start = this.#state.dirty.start - (this.#state.dirty.start % SECTOR);
    const end = Math.ceil(this.#state.dirty.end / SECTOR) * SECTOR;
    this.#state.dirty = null;
    const written = backend.write(start, bytes().slice(start, end));
    if (written) busy(written);
  }

  /** "CFI Query Structure": what tools need to find the command set and the geometry. */
  #query(index: number): number {
    const { length } = this.#parts.bytes();
    const blocks = length / BLOCK - 1;
    const table: Readonly<Record<number, number>> = {
      16: 0x51, // 'QRY'
      17: 0x52,
      18: 0x59,
      19: 1, // Intel's extended command set
      21: 0x31,
      39: Math.log2(length),
      42: BUFFER_BITS,
      44: 1, // one region of equal blocks
      45: blocks & 0xff,
      46: blocks >> 8,
      47: (BLOCK >> 8) & 0xff,
      48: BLOCK >> 16,
    };
    return table[index] ?? 0;
  }
}

function littleEndian(bytes: Uint8Array, offset: number, width: number): number {
  let value = 0;
  for (let n = width - 1; n >= 0; n--) value = value * 256 + (bytes[offset + n] ?? 0xff);
  return value;
}
