/**
 * fw_cfg, QEMU's firmware configuration: a 16-bit selector, a byte stream, and a DMA interface that copies items into guest
 * memory (QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device"). Items are for reading; writes are errors.
 */
import type { GuestMemory, Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import type { Defer } from './clock.ts';
import type { IoDevice } from './device.ts';
import { TURN_WORK } from './work-meter.ts';

/** Ports from the selector to the end of the DMA address. */
export const FW_CFG_PORTS = 12;

/** Selector keys. */
export const FwCfgKey = {
  SIGNATURE: 0x00,
  ID: 0x01,
  RAM_SIZE: 0x03,
  NOGRAPHIC: 0x04,
  NB_CPUS: 0x05,
  KERNEL_ADDR: 0x07,
  KERNEL_SIZE: 0x08,
  INITRD_ADDR: 0x0a,
  INITRD_SIZE: 0x0b,
  MAX_CPUS: 0x0f,
  KERNEL_ENTRY: 0x10,
  KERNEL_DATA: 0x11,
  INITRD_DATA: 0x12,
  CMDLINE_ADDR: 0x13,
  CMDLINE_SIZE: 0x14,
  CMDLINE_DATA: 0x15,
  FILE_DIR: 0x19,
  FILE_FIRST: 0x20,
} as const;

const NAME_BYTES = 56;
const TRADITIONAL_INTERFACE = 1;
const DMA_INTERFACE = 2;
const DMA_OFFSET = 4;
const DMA_SIGNATURE = 0x51454d5520434647n;
const DMA_REQUEST_BYTES = 16;
const Dma = { ERROR: 1, READ: 2, SKIP: 4, SELECT: 8, WRITE: 16 } as const;

/** What an item reads as; a function is asked at every selection, and its answer has the same length every time. */
export type FwCfgItem = Uint8Array | (() => Uint8Array);

/** Where DMA goes. */
export interface FwCfgMemory {
  memory: GuestMemory;
  /** Guest RAM was written. */
  wrote: (pa: number, length: number) => void;
  /** Runs the rest of a long transfer a little later; where absent it is done at once. */
  defer?: Defer;
  /** Told of work that was done, in the unit of WorkMeter. */
  charge?: (bytes: number) => void;
}

/** Little-endian bytes of an integer item, as fw_cfg stores all of them but the file directory. */
export function littleEndian(value: number | bigint, bytes: 2 | 4 | 8): Uint8Array {
  const out = new Uint8Array(bytes);
  let rest = BigInt(value);
  for (let i = 0; i < bytes; i++) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}

/** The NUL-terminated bytes of a string item. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** A transfer by DMA: where its request lies, what is to be copied where, and how much of that is done. */
type Move = { request: number; source: Uint8Array; address: number; length: number; done: number };

/** Which item is read and from where; the bytes are those of the selection, for an item may read otherwise the next time. */
export type FwCfgState = { selected: Uint8Array; offset: number; addressHigh: number; moving: Move | null };

export class FwCfg implements IoDevice, Saved<FwCfgState> {
  readonly maxWidth = 4;
  readonly #target: FwCfgMemory | null;
  readonly #items = new Map<number, FwCfgItem>();
  readonly #files: { name: string; length: number }[] = [];
  #selected: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #addressHigh = 0;
  /** A transfer goes on: another is not begun. */
  #moving: Move | null = null;
  readonly #moveOn: () => void;

  /** Without `target` there is no DMA interface, and the ID register says so. */
  constructor(target: FwCfgMemory | null = null) {
    this.#target = target;
    const turn = (): void => {
      if (target) this.#move(target);
    };
    this.#moveOn = target?.defer?.('fw_cfg', turn) ?? turn;
    this.set(FwCfgKey.SIGNATURE, new TextEncoder().encode('QEMU'));
    this.set(FwCfgKey.ID, littleEndian(TRADITIONAL_INTERFACE | (target ? DMA_INTERFACE : 0), 4));
    this.#writeDirectory();
  }

  /** Defines what `key` reads as; past its end it reads as zeros, as an unknown key does from its start. */
  set(key: number, item: FwCfgItem): void {
    this.#items.set(key, item);
  }

  /** Adds a named file to the directory. Throws if the name is empty, too long or taken. */
  addFile(name: string, item: FwCfgItem): void {
    const length = new TextEncoder().encode(name).length;
    if (length === 0 || length >= NAME_BYTES) {
      throw new RangeError(`fw_cfg file name '${name}' has ${length} bytes; 1 to ${NAME_BYTES - 1} are possible`);
    }
    if (this.#files.some((file) => file.name === name)) throw new RangeError(`fw_cfg file '${name}' exists already`);
    this.#files.push({ name, length: read(item).length });
    this.set(FwCfgKey.FILE_FIRST + this.#files.length - 1, item);
    this.#writeDirectory();
  }

  save(): FwCfgState {
    const [selected, offset, addressHigh, moving] = [this.#selected, this.#offset, this.#addressHigh, this.#moving];
    return copyOf({ selected, offset, addressHigh, moving });
  }

  load(state: FwCfgState): void {
    const { selected, offset, addressHigh, moving } = copyOf(state);
    this.#selected = selected;
    this.#offset = offset;
    this.#addressHigh = addressHigh;
    this.#moving = moving;
  }

  read(offset: number, width: Width): number {
    if (offset >= DMA_OFFSET) return this.#target ? signature(offset - DMA_OFFSET, width) : 0;
    if (width === 2) return offset === 0 ? 0 : this.#next();
    return width === 1 && offset === 1 ? this.#next() : 0;
  }

  write(offset: number, width: Width, value: number): void {
    if (offset === 0 && width === 2) this.#select(value);
    if (width !== 4 || !this.#target) return;
    if (offset === DMA_OFFSET) this.#addressHigh = swap(value);
    if (offset === DMA_OFFSET + 4) {
      const address = this.#addressHigh * 2 ** 32 + swap(value);
      this.#addressHigh = 0;
      if (!this.#moving) this.#transfer(this.#target, address);
    }
  }

  #select(key: number): void {
    this.#selected = read(this.#items.get(key) ?? new Uint8Array(0));
    this.#offset = 0;
  }

  #next(): number {
    return this.#offset < this.#selected.length ? this.#selected[this.#offset++] : 0;
  }

  /**
   * One request: big-endian control, length and address. Its control field ends as 0, or as the error bit: the guest waits
   * for that.
   */
  #transfer(target: FwCfgMemory, at: number): void {
    const { memory, wrote } = target;
    const request = bytesOrNull(memory, at, DMA_REQUEST_BYTES);
    if (!request) return;
    const view = new DataView(request.buffer, request.byteOffset, DMA_REQUEST_BYTES);
    const control = view.getUint32(0);
    const length = view.getUint32(4);
    const address = Number(view.getBigUint64(8));
    if (control & Dma.SELECT) this.#select(control >>> 16);
    let isDone = (control & Dma.WRITE) === 0;
    if (isDone && control & Dma.READ) {
      if (bytesOrNull(memory, address, length)) {
        const source = this.#selected.subarray(this.#offset, this.#offset + length);
        this.#offset += source.length;
        this.#moving = { request: at, source, address, length, done: 0 };
        this.#move(target);
        return;
      }
      isDone = length === 0;
    }
    if (isDone && control & Dma.SKIP) this.#offset = Math.min(this.#offset + length, this.#selected.length);
    answer(memory, wrote, at, isDone ? 0 : Dma.ERROR);
  }

  /** Copies what is to be moved, and zeros behind it, in turns. */
  #move(target: FwCfgMemory): void {
    const { memory, wrote, charge = () => {} } = target;
    const moving = this.#moving;
    if (!moving) return;
    const part = Math.min(TURN_WORK, moving.length - moving.done);
    memory
      .bytes(moving.address + moving.done, part)
      .fill(0)
      .set(moving.source.subarray(moving.done, moving.done + part));
    wrote(moving.address + moving.done, part);
    charge(part);
    moving.done += part;
    if (moving.done < moving.length) {
      this.#moveOn();
      return;
    }
    this.#moving = null;
    answer(memory, wrote, moving.request, 0);
  }

  /** A big-endian count, then per file: size (4), select key (2), reserved (2), name (56). */
  #writeDirectory(): void {
    const entryBytes = 8 + NAME_BYTES;
    const bytes = new Uint8Array(4 + this.#files.length * entryBytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, this.#files.length);
    this.#files.forEach((file, index) => {
      const at = 4 + index * entryBytes;
      view.setUint32(at, file.length);
      view.setUint16(at + 4, FwCfgKey.FILE_FIRST + index);
      bytes.set(new TextEncoder().encode(file.name), at + 8);
    });
    this.set(FwCfgKey.FILE_DIR, bytes);
  }
}

const read = (item: FwCfgItem): Uint8Array => (typeof item === 'function' ? item() : item);

/** The register is big-endian: its first byte in memory is the highest. */
function signature(offset: number, width: Width): number {
  const rest = DMA_SIGNATURE >> BigInt(8 * (8 - offset - width));
  const value = Number(rest & 0xffff_ffffn);
  return width === 4 ? swap(value) : width === 2 ? swap(value << 16) & 0xffff : value & 0xff;
}

function swap(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

/** Writes the control field of a request. */
function answer(memory: GuestMemory, wrote: FwCfgMemory['wrote'], at: number, control: number): void {
  const bytes = memory.bytes(at, DMA_REQUEST_BYTES);
  new DataView(bytes.buffer, bytes.byteOffset, DMA_REQUEST_BYTES).setUint32(0, control);
  wrote(at, DMA_REQUEST_BYTES);
}

function bytesOrNull(memory: GuestMemory, pa: number, length: number): Uint8Array | null {
  try {
    return memory.bytes(pa, length);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
