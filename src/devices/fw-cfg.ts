/**
 * fw_cfg, QEMU's firmware configuration, by its two ports: a 16-bit selector and a byte stream (QEMU documentation,
 * "QEMU Firmware Configuration (fw_cfg) Device"). No DMA interface; the ID register says so.
 */
import type { Width } from '../core-types.ts';
import type { IoDevice } from './device.ts';

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

export class FwCfg implements IoDevice {
  readonly maxWidth = 2;
  readonly #items = new Map<number, Uint8Array>();
  readonly #files: { name: string; bytes: Uint8Array }[] = [];
  #selected: Uint8Array = new Uint8Array(0);
  #offset = 0;

  constructor() {
    this.set(FwCfgKey.SIGNATURE, new TextEncoder().encode('QEMU'));
    this.set(FwCfgKey.ID, littleEndian(TRADITIONAL_INTERFACE, 4));
    this.#writeDirectory();
  }

  /** Defines what `key` reads as; past its end it reads as zeros, as an unknown key does from its start. */
  set(key: number, bytes: Uint8Array): void {
    this.#items.set(key, bytes);
  }

  /** Adds a named file to the directory. Throws where the name is empty, too long or taken. */
  addFile(name: string, bytes: Uint8Array): void {
    const length = new TextEncoder().encode(name).length;
    if (length === 0 || length >= NAME_BYTES) {
      throw new RangeError(`fw_cfg file name '${name}' has ${length} bytes; 1 to ${NAME_BYTES - 1} are possible`);
    }
    if (this.#files.some((file) => file.name === name)) throw new RangeError(`fw_cfg file '${name}' exists already`);
    this.#files.push({ name, bytes });
    this.set(FwCfgKey.FILE_FIRST + this.#files.length - 1, bytes);
    this.#writeDirectory();
  }

  read(offset: number, width: Width): number {
    if (width === 2) return offset === 0 ? 0 : this.#next();
    return offset === 1 ? this.#next() : 0;
  }

  write(offset: number, width: Width, value: number): void {
    if (offset !== 0 || width !== 2) return;
    this.#selected = this.#items.get(value) ?? new Uint8Array(0);
    this.#offset = 0;
  }

  #next(): number {
    return this.#offset < this.#selected.length ? this.#selected[this.#offset++] : 0;
  }

  /** A big-endian count, then per file: size (4), select key (2), reserved (2), name (56). */
  #writeDirectory(): void {
    const entryBytes = 8 + NAME_BYTES;
    const bytes = new Uint8Array(4 + this.#files.length * entryBytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, this.#files.length);
    this.#files.forEach((file, index) => {
      const at = 4 + index * entryBytes;
      view.setUint32(at, file.bytes.length);
      view.setUint16(at + 4, FwCfgKey.FILE_FIRST + index);
      bytes.set(new TextEncoder().encode(file.name), at + 8);
    });
    this.set(FwCfgKey.FILE_DIR, bytes);
  }
}
