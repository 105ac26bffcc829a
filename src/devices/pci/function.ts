/**
 * A PCI function (PCI Local Bus Specification 3.0, chapter 6 "Configuration Space"): identity, command and status, base
 * address registers, capabilities and INTx. What a guest writes passes masks: it can move and switch ranges, never more.
 */
import type { GuestMemory, Width } from '../../core/types.ts';
import { loadAll, type Plain, type Saved, saveAll } from '../../saved.ts';
import { type Device, type Face, NoAccess } from '../device.ts';

/** Offsets in a header of type 0. */
export const Config = {
  VENDOR: 0x00,
  DEVICE: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION: 0x08,
  CLASS: 0x09,
  CACHE_LINE: 0x0c,
  LATENCY: 0x0d,
  HEADER_TYPE: 0x0e,
  BAR0: 0x10,
  SUBSYSTEM_VENDOR: 0x2c,
  SUBSYSTEM: 0x2e,
  CAPABILITIES: 0x34,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
  FIRST_FREE: 0x40,
} as const;
export const Command = { IO: 1, MEMORY: 2, BUS_MASTER: 4, INTX_DISABLE: 0x400 } as const;
/** The above, parity error response and SERR#. */
const COMMAND_WRITABLE = 0x547;
const Status = { INTERRUPT: 8, CAPABILITIES: 0x10, CLEARED_BY_ONES: 0xf900 } as const;
const MULTIFUNCTION = 0x80;
export const CONFIG_BYTES = 256;
const BARS = 6;
const FOUR_GIB = 2 ** 32;
/** Processors have no more address bits. */
const LAST_ADDRESS = 2 ** 52;

export interface PciIdentity {
  name: string;
  vendor: number;
  device: number;
  revision?: number;
  /** Base class, subclass and interface: 24 bits. */
  classCode: number;
  subsystemVendor?: number;
  subsystem?: number;
}

/** What a base address register decodes. */
export interface PciRange {
  readonly name: string;
  readonly kind: 'io' | 'memory';
  /** A power of two. */
  readonly size: number;
  readonly device: Device | Face;
  /** Told of every new place, null for none; for ranges that are more than registers. */
  readonly moved?: (base: number | null) => void;
}

/** The bus, as a function sees it. */
export interface PciHost {
  /** Puts a range at `base`, or nowhere for null. */
  place(range: PciRange, base: number | null): void;
  /** The level of the function's interrupt pin. */
  intx(level: boolean): void;
  /** A message-signalled interrupt. */
  msi(address: number, data: number): void;
}

interface Bar {
  range: PciRange;
  is64: boolean;
  base: number | null;
}

/**
 * Told that bytes were written. It says what they mean now, so that it may be told at any time: when they are put back it
 * is.
 */
type Watcher = (offset: number, width: number) => void;

/** Configuration space, the level of the pin, and the parts of the function with a state of their own. */
export type PciState = { config: Uint8Array; intx: boolean; parts: { [name: string]: Plain } };

export class PciFunction implements Saved<PciState> {
  readonly name: string;
  /** The bytes as they are read. */
  protected readonly bytes = new Uint8Array(CONFIG_BYTES);
  protected readonly view = new DataView(this.bytes.buffer);
  readonly #writable = new Uint8Array(CONFIG_BYTES);
  readonly #bars: (Bar | null)[] = new Array<Bar | null>(BARS).fill(null);
  readonly #watchers: { start: number; end: number; changed: Watcher }[] = [];
  readonly #parts = new Map<string, Saved>();
  #host: PciHost | null = null;
  #lastPointer: number = Config.CAPABILITIES;
  #nextCapability: number = Config.FIRST_FREE;
  #intx = false;
  /** Message-signalled interrupts are on: the pin is quiet. */
  #usesMessages = false;
  /** What lies beyond the 256 bytes. */
  #beyond = 0xff;

  constructor(identity: PciIdentity) {
    const { name, vendor, device, revision = 0, classCode, subsystemVendor = 0, subsystem = 0 } = identity;
    this.name = name;
    this.view.setUint16(Config.VENDOR, vendor, true);
    this.view.setUint16(Config.DEVICE, device, true);
    this.view.setUint32(Config.REVISION, revision + classCode * 256, true);
    this.view.setUint16(Config.SUBSYSTEM_VENDOR, subsystemVendor, true);
    this.view.setUint16(Config.SUBSYSTEM, subsystem, true);
    this.allowWrites(Config.COMMAND, [COMMAND_WRITABLE & 0xff, COMMAND_WRITABLE >> 8], () => this.#commandChanged());
    this.allowWrites(Config.CACHE_LINE, [0xff, 0xff]);
    this.allowWrites(Config.INTERRUPT_LINE, [0xff]);
  }

  /** Connects the function; ranges that are switched on take their places. */
  connect(host: PciHost): void {
    this.#host = host;
    this.#commandChanged();
  }

  /** The bus found other functions in the same slot. */
  setMultifunction(): void {
    this.bytes[Config.HEADER_TYPE] |= MULTIFUNCTION;
  }

  /** Ranges by the number of their register, with where their registers lie. */
  get ranges(): readonly { index: number; range: PciRange; is64: boolean }[] {
    return this.#bars.flatMap((bar, index) => (bar ? [{ index, range: bar.range, is64: bar.is64 }] : []));
  }

  /** Gives the function the extended space of PCI Express, with no capability in it: zeros. */
  extendConfig(): void {
    this.#beyond = 0;
  }

  /** Reads `width` bytes; beyond the 256 bytes of a conventional function all ones. */
  readConfig(offset: number, width: Width): number {
    let value = 0;
    for (let n = width - 1; n >= 0; n--) value = value * 256 + (this.bytes[offset + n] ?? this.#beyond);
    return value;
  }

  /** Writes what the masks let through. */
  writeConfig(offset: number, width: Width, value: number): void {
    for (let n = 0; n < width && offset + n < CONFIG_BYTES; n++) {
      const at = offset + n;
      const byte = (value >>> (8 * n)) & 0xff;
      const writable = this.#writable[at];
      this.bytes[at] = (this.bytes[at] & ~writable) | (byte & writable);
      if (at === Config.STATUS + 1) this.bytes[at] &= ~(byte & (Status.CLEARED_BY_ONES >> 8));
    }
    for (const { start, end, changed } of this.#watchers) {
      if (offset < end && offset + width > start) changed(offset, width);
    }
  }

  /** Drives the interrupt pin; `pin` 1 to 4 was announced by `usePin`. */
  setIntx(level: boolean): void {
    this.#intx = level;
    this.#updateIntx();
  }

  /** Sends a message-signalled interrupt, which is lost while the function is no bus master. */
  sendMessage(address: number, data: number): void {
    if (this.#isBusMaster) this.#host?.msi(address, data);
  }

  /**
   * Guest memory as this function reaches it: it has no other way. While the guest has not made it a bus master, every
   * access throws NoAccess.
   */
  dma(memory: GuestMemory): GuestMemory {
    return {
      size: memory.size,
      bytes: (pa, length) => {
        if (!this.#isBusMaster) throw new NoAccess(`${this.name} is no bus master`);
        return memory.bytes(pa, length);
      },
    };
  }

  /** Message-signalled interrupts were switched on or off. */
  setUsesMessages(uses: boolean): void {
    this.#usesMessages = uses;
    this.#updateIntx();
  }

  /** What subclasses add: a part of the function, which is saved with it. */
  protected keep(name: string, part: Saved): void {
    this.#parts.set(name, part);
  }

  save(): PciState {
    return { config: this.bytes.slice(), intx: this.#intx, parts: saveAll(this.#parts) };
  }

  load({ config, intx, parts }: PciState): void {
    loadAll(this.#parts, parts);
    this.bytes.set(config);
    this.#intx = intx;
    for (const { start, end, changed } of this.#watchers) changed(start, end - start);
  }

  /** Adds a capability and returns its offset. `writable` are masks for its bytes; `changed` is told of writes to it. */
  addCapability(id: number, body: readonly number[], writable: readonly number[] = [], changed?: Watcher): number {
    const at = this.#nextCapability;
    if (at + 2 + body.length > CONFIG_BYTES) throw new Error(`${this.name}: no room for capability ${id}`);
    this.#nextCapability = (at + 2 + body.length + 3) & ~3;
    this.bytes[this.#lastPointer] = at;
    this.#lastPointer = at + 1;
    this.bytes[Config.STATUS] |= Status.CAPABILITIES;
    this.bytes.set([id, 0, ...body], at);
    this.allowWrites(at + 2, writable, changed);
    return at;
  }

  /** Gives base address register `index` (and the next, for 64 bits) a range of its own. */
  addBar(index: number, range: PciRange, { is64 = false, isPrefetchable = false } = {}): void {
    const at = Config.BAR0 + 4 * index;
    const mask = FOUR_GIB - range.size;
    this.#bars[index] = { range, is64, base: null };
    const { device } = range;
    if (!('stateOf' in device)) this.keep(range.name, device);
    this.bytes[at] = range.kind === 'io' ? 1 : (is64 ? 4 : 0) | (isPrefetchable ? 8 : 0);
    const bytes = [mask, ...(is64 ? [0xffff_ffff] : [])].flatMap((word) =>
      [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff),
    );
    bytes[0] &= range.kind === 'io' ? 0xfc : 0xf0;
    this.allowWrites(at, bytes, () => this.#updateBar(index));
  }

  /** The function drives an interrupt pin: 1 for INTA# to 4. */
  protected usePin(pin: number): void {
    this.bytes[Config.INTERRUPT_PIN] = pin;
  }

  /** Lets a guest write the bits of `masks` from `at` on. */
  protected allowWrites(at: number, masks: readonly number[], changed?: Watcher): void {
    this.#writable.set(masks, at);
    if (changed) this.watch(at, masks.length, changed);
  }

  /** Tells `changed` of every write to `length` bytes from `at` on. */
  protected watch(at: number, length: number, changed: Watcher): void {
    this.#watchers.push({ start: at, end: at + length, changed });
  }

  get #isBusMaster(): boolean {
    return (this.#command & Command.BUS_MASTER) !== 0;
  }

  get #command(): number {
    return this.view.getUint16(Config.COMMAND, true);
  }

  #commandChanged(): void {
    for (const index of this.#bars.keys()) this.#updateBar(index);
    this.#updateIntx();
  }

  #updateBar(index: number): void {
    const bar = this.#bars[index];
    if (!bar || !this.#host) return;
    const base = this.#baseOf(index, bar);
    if (base === bar.base) return;
    bar.base = base;
    this.#host.place(bar.range, base);
    bar.range.moved?.(base);
  }

  #baseOf(index: number, { range, is64 }: Bar): number | null {
    const isIo = range.kind === 'io';
    if ((this.#command & (isIo ? Command.IO : Command.MEMORY)) === 0) return null;
    const at = Config.BAR0 + 4 * index;
    const low = this.view.getUint32(at, true) - (this.bytes[at] & (isIo ? 3 : 15));
    const base = low + (is64 ? this.view.getUint32(at + 4, true) * FOUR_GIB : 0);
    const limit = isIo ? 0x1_0000 : is64 ? LAST_ADDRESS : FOUR_GIB;
    return base === 0 || base + range.size > limit ? null : base;
  }

  #updateIntx(): void {
    const isAsserted = this.#intx && !this.#usesMessages;
    if (isAsserted) this.bytes[Config.STATUS] |= Status.INTERRUPT;
    else this.bytes[Config.STATUS] &= ~Status.INTERRUPT;
    this.#host?.intx(isAsserted && (this.#command & Command.INTX_DISABLE) === 0);
  }
}
