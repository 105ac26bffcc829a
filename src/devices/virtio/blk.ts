/**
 * Block device (virtio 1.2, 5.2 "Block Device"). A request that cannot be done ends with a status byte; only a chain in
 * which there is no room for that byte, or no whole header, is the driver's error. Backends may answer later.
 */
import type { Width } from '../../core/types.ts';
import type { BlkBackend } from '../backends.ts';
import { DISCARD_PIECE, DISCARD_WORK, PIECE, ZEROES_PIECE, ZEROES_WORK } from '../work-meter.ts';
import type { Chain } from './chain.ts';
import type { VirtioDevice, VirtioHost } from './device.ts';
import { GuestError } from './guest-memory.ts';
import type { Virtqueue } from './queue.ts';

/** virtio 1.2, 5.2.3 "Feature bits". */
export const BlkFeature = {
  SEG_MAX: 1n << 2n,
  RO: 1n << 5n,
  BLK_SIZE: 1n << 6n,
  FLUSH: 1n << 9n,
  TOPOLOGY: 1n << 10n,
  CONFIG_WCE: 1n << 11n,
  DISCARD: 1n << 13n,
  WRITE_ZEROES: 1n << 14n,
} as const;

/** virtio 1.2, 5.2.6 "Device Operation". */
export const BlkRequest = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;
export const BlkStatus = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;
type Outcome = (typeof BlkStatus)[keyof typeof BlkStatus];
/** Does the next piece of a request; null if more follow. */
type Pieces = () => Outcome | Promise<Outcome> | null;

const SECTOR = 512;
const HEADER_BYTES = 16;
const ID_BYTES = 20;
const RANGE_BYTES = 16;
const UNMAP = 1;
const SEG_MAX = 254;
/** The longest transfer in one request: a host buffer of this size is what a driver can make us allocate. */
const MAX_TRANSFER_BYTES = 64 << 20;
const MAX_RANGE_SECTORS = 0x40_0000;
const CONFIG_BYTES = 60;
const CONFIG_WRITEBACK = 32;

/** virtio 1.2, 5.2.4 "Device configuration layout". */
function configOf(capacity: number): Uint8Array {
  const config = new Uint8Array(CONFIG_BYTES);
  const view = new DataView(config.buffer);
  view.setBigUint64(0, BigInt(Math.floor(capacity / SECTOR)), true);
  view.setUint32(12, SEG_MAX, true);
  view.setUint32(20, SECTOR, true);
  view.setUint16(26, 1, true);
  config[CONFIG_WRITEBACK] = 1;
  const discard = [MAX_RANGE_SECTORS, 1, 1];
  const writeZeroes = [MAX_RANGE_SECTORS, 1];
  for (const [at, value] of [...discard, ...writeZeroes].entries()) view.setUint32(36 + 4 * at, value, true);
  config[56] = 1;
  return config;
}

export interface BlkOptions {
  /** What GET_ID answers, cut after 20 bytes. */
  serial?: string;
  /** Told of what the backend failed with, once per failure. */
  onError?: (error: unknown) => void;
  /** Told of work that the guest waits for. */
  busy?: (work: Promise<unknown>) => void;
}

export class VirtioBlk implements VirtioDevice {
  readonly id = 2;
  readonly name = 'virtio-blk';
  readonly queues = [256];
  readonly features: bigint;
  readonly config: Uint8Array;
  readonly #backend: BlkBackend;
  readonly #serial: Uint8Array;
  readonly #onError: (error: unknown) => void;
  readonly #busy: (work: Promise<unknown>) => void;
  #host: VirtioHost | null = null;

  constructor(backend: BlkBackend, { serial = '', onError = () => {}, busy = () => {} }: BlkOptions = {}) {
    const { SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE, RO, DISCARD, WRITE_ZEROES } = BlkFeature;
    this.#backend = backend;
    this.#serial = new Uint8Array(ID_BYTES);
    this.#serial.set(new TextEncoder().encode(serial).subarray(0, ID_BYTES));
    this.#onError = onError;
    this.#busy = busy;
    const always = SEG_MAX | BLK_SIZE | FLUSH | TOPOLOGY;
    this.features = always | (backend.isReadOnly ? RO : CONFIG_WCE | DISCARD | WRITE_ZEROES);
    this.config = configOf(backend.capacity);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  notify(_index: number, queue: Virtqueue): void {
    for (let chain = queue.pop(); chain; chain = queue.pop()) this.#serve(queue, chain);
  }

  writeConfig(offset: number, width: Width, value: number): void {
    const canChoose = (this.#negotiated & BlkFeature.CONFIG_WCE) !== 0n;
    if (canChoose && offset === CONFIG_WRITEBACK && width === 1) this.config[CONFIG_WRITEBACK] = value & 1;
  }

  reset(): void {
    this.config[CONFIG_WRITEBACK] = 1;
  }

  get #negotiated(): bigint {
    return this.#host?.features ?? 0n;
  }

  /** virtio 1.2, 5.2.6.2 "Device Requirements: Device Operation": a driver that cannot flush expects writes to be stable. */
  get #isWriteThrough(): boolean {
    return (this.#negotiated & BlkFeature.FLUSH) === 0n || this.config[CONFIG_WRITEBACK] === 0;
  }

  #serve(queue: Virtqueue, chain: Chain): void {
    if (chain.writable === 0) throw new GuestError(`block request ${chain.id} has no room for its status`);
    if (chain.readable < HEADER_BYTES) {
      throw new GuestError(`block request ${chain.id} has a header of ${chain.readable} bytes of ${HEADER_BYTES}`);
    }
    const finish = (status: Outcome): void => {
      const skipped = chain.skip(chain.writable - 1 - chain.written);
      chain.write(Uint8Array.of(status));
      queue.push(chain, skipped > 0 ? 0 : chain.written);
    };
    const fail = (error: unknown): Outcome => {
      this.#onError(error);
      return BlkStatus.IOERR;
    };
    const attempt = <T>(work: () => T): T | Outcome => {
      try {
        return work();
      } catch (error) {
        if (error instanceof GuestError) throw error;
        return fail(error);
      }
    };
    const settle = (outcome: Outcome | Promise<Outcome>): void => {
      if (typeof outcome === 'number') finish(outcome);
      else this.#busy(outcome.catch(fail).then((status) => this.#host?.attempt(() => finish(status))));
    };
    const outcome = attempt(() => this.#perform(chain, queue));
    if (typeof outcome !== 'function') {
      settle(outcome);
      return;
    }
    queue.work(() => {
      const piece = attempt(outcome);
      if (piece !== null) settle(piece);
      return piece === null;
    });
  }

  #perform(chain: Chain, queue: Virtqueue): Outcome | Promise<Outcome> | Pieces {
    const header = chain.read(HEADER_BYTES);
    const view = new DataView(header.buffer);
    const type = view.getUint32(0, true);
    const sector = view.getBigUint64(8, true);
    switch (type) {
      case BlkRequest.IN:
        return this.#read(chain, sector, queue);
      case BlkRequest.OUT:
        return this.#write(chain, sector, queue);
      case BlkRequest.FLUSH:
        return this.#then(this.#backend.flush());
      case BlkRequest.GET_ID:
        chain.write(this.#serial.subarray(0, chain.writable - 1));
        return BlkStatus.OK;
      case BlkRequest.DISCARD:
      case BlkRequest.WRITE_ZEROES:
        return this.#clear(chain, type === BlkRequest.WRITE_ZEROES, queue);
      default:
        return BlkStatus.UNSUPP;
    }
  }

  #read(chain: Chain, sector: bigint, queue: Virtqueue): Outcome | Promise<Outcome> | Pieces {
    const length = chain.writable - 1;
    if (!this.#isWithin(sector, length)) return BlkStatus.IOERR;
    const offset = Number(sector) * SECTOR;
    if (this.#backend.answersAtOnce) {
      const fill = (at: number, part: number): void => {
        chain.scatter(part, (window, within) => this.#backend.read(at + within, window));
      };
      return inPieces(queue, { offset, length, piece: PIECE, work: 1 }, fill, () => BlkStatus.OK);
    }
    const data = new Uint8Array(length);
    return this.#then(this.#backend.read(offset, data), () => chain.write(data));
  }

  #write(chain: Chain, sector: bigint, queue: Virtqueue): Outcome | Promise<Outcome> | Pieces {
    if (this.#backend.isReadOnly || !this.#isWithin(sector, chain.unread)) return BlkStatus.IOERR;
    const offset = Number(sector) * SECTOR;
    const length = chain.unread;
    if (!this.#backend.answersAtOnce) return this.#changed(this.#backend.write(offset, chain.read(length)));
    const take = (at: number, part: number): void => {
      chain.gather(part, (window, within) => this.#backend.write(at + within, window));
    };
    return inPieces(queue, { offset, length, piece: PIECE, work: 1 }, take, () => this.#changed());
  }

  /** One range, as the configuration's max_discard_seg and max_write_zeroes_seg say. */
  #clear(chain: Chain, isZeroes: boolean, queue: Virtqueue): Outcome | Promise<Outcome> | Pieces {
    if (this.#backend.isReadOnly) return BlkStatus.IOERR;
    if (chain.unread !== RANGE_BYTES) return BlkStatus.UNSUPP;
    const view = new DataView(chain.read(RANGE_BYTES).buffer);
    const sector = view.getBigUint64(0, true);
    const sectors = view.getUint32(8, true);
    const flags = view.getUint32(12, true);
    if ((flags & ~(isZeroes ? UNMAP : 0)) !== 0) return BlkStatus.UNSUPP;
    if (sectors > MAX_RANGE_SECTORS || !this.#isInside(sector, sectors)) return BlkStatus.IOERR;
    const [offset, length] = [Number(sector) * SECTOR, sectors * SECTOR];
    const clear = (at: number, part: number): void | Promise<void> =>
      isZeroes ? this.#backend.writeZeroes(at, part, (flags & UNMAP) !== 0) : this.#backend.discard(at, part);
    const end = (work?: void | Promise<void>) => (isZeroes ? this.#changed(work) : this.#then(work));
    if (!this.#backend.answersAtOnce) return end(clear(offset, length));
    const [piece, work] = isZeroes ? [ZEROES_PIECE, ZEROES_WORK] : [DISCARD_PIECE, DISCARD_WORK];
    return inPieces(queue, { offset, length, piece, work }, clear, () => end());
  }

  #isWithin(sector: bigint, length: number): boolean {
    return length % SECTOR === 0 && length <= MAX_TRANSFER_BYTES && this.#isInside(sector, length / SECTOR);
  }

  #isInside(sector: bigint, sectors: number): boolean {
    return sector + BigInt(sectors) <= BigInt(Math.floor(this.#backend.capacity / SECTOR));
  }

  /** The end of a request that changed the disk. */
  #changed(work?: void | Promise<void>): Outcome | Promise<Outcome> {
    if (!this.#isWriteThrough) return this.#then(work);
    if (!(work instanceof Promise)) return this.#then(this.#backend.flush());
    return this.#then(work.then(() => this.#backend.flush()));
  }

  #then(work: void | Promise<void>, after: () => void = () => {}): Outcome | Promise<Outcome> {
    const finish = (): Outcome => {
      after();
      return BlkStatus.OK;
    };
    return work instanceof Promise ? work.then(finish) : finish();
  }
}

/** A request as pieces that end at multiples of `piece`; each charges `work` for a byte, as the chain did for the first. */
function inPieces(
  queue: Virtqueue,
  { offset, length, piece, work }: { offset: number; length: number; piece: number; work: number },
  perform: (at: number, part: number) => void,
  end: () => Outcome | Promise<Outcome>,
): Pieces {
  let done = 0;
  return () => {
    const at = offset + done;
    const part = Math.min(length - done, piece - (at % piece));
    if (part > 0) perform(at, part);
    done += part;
    if (done === length) return end();
    queue.charge(part * work);
    return null;
  };
}
