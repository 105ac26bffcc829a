/**
 * Block device (virtio 1.2, 5.2 "Block Device"). A request that cannot be done ends with a status byte; only a chain in
 * which there is no room for that byte, or no whole header, is the driver's error. Backends may answer later.
 */
import type { Width } from '../../core/types.ts';
import { type Doors, NO_DOORS } from '../../doors.ts';
import type { Plain } from '../../saved.ts';
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
/** A request that is done in pieces, and how many of its bytes are done. */
type Job = { type: number; offset: number; length: number; mayUnmap: boolean; done: number };
/** A piece that ends at a multiple of `piece`; each charges `work` for a byte, as the chain did for the first. */
const PIECES: Readonly<Record<number, { piece: number; work: number }>> = {
  [BlkRequest.IN]: { piece: PIECE, work: 1 },
  [BlkRequest.OUT]: { piece: PIECE, work: 1 },
  [BlkRequest.DISCARD]: { piece: DISCARD_PIECE, work: DISCARD_WORK },
  [BlkRequest.WRITE_ZEROES]: { piece: ZEROES_PIECE, work: ZEROES_WORK },
};

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
  doors?: Doors;
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
  /** Requests that the backend has not answered, by their chains: what is done with the answer. */
  readonly #answers = new Map<number, (status: Outcome) => void>();
  readonly #answered: (chain: number, status: Outcome) => void;

  constructor(
    backend: BlkBackend,
    { serial = '', onError = () => {}, busy = () => {}, doors = NO_DOORS }: BlkOptions = {},
  ) {
    const { SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE, RO, DISCARD, WRITE_ZEROES } = BlkFeature;
    this.#backend = backend;
    this.#serial = new Uint8Array(ID_BYTES);
    this.#serial.set(new TextEncoder().encode(serial).subarray(0, ID_BYTES));
    this.#onError = onError;
    this.#busy = busy;
    this.#answered = doors.door('answer', (chain: number, status: Outcome) => {
      this.#answers.get(chain)?.(status);
    });
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
    const outcome = this.#attempt(() => this.#perform(chain));
    if (typeof outcome === 'object' && 'done' in outcome) queue.work(chain, outcome);
    else this.#settle(queue, chain, outcome);
  }

  step(queue: Virtqueue, chain: Chain, rest: Plain): boolean {
    const outcome = this.#attempt(() => this.#piece(queue, chain, rest as Job));
    if (outcome !== null) this.#settle(queue, chain, outcome);
    return outcome === null;
  }

  /** What is in flight is saved with the queue. Throws Error while the backend is at work: the machine waits for that. */
  save(): null {
    if (this.#answers.size > 0) throw new Error(`${this.name}: the disk is at work`);
    return null;
  }

  load(): void {}

  #settle(queue: Virtqueue, chain: Chain, outcome: Outcome | Promise<Outcome>): void {
    const finish = (status: Outcome): void => {
      const skipped = chain.skip(chain.writable - 1 - chain.written);
      chain.write(Uint8Array.of(status));
      queue.push(chain, skipped > 0 ? 0 : chain.written);
    };
    if (typeof outcome === 'number') {
      finish(outcome);
      return;
    }
    const take = (status: Outcome): void => {
      if (this.#answers.get(chain.id) === take) this.#answers.delete(chain.id);
      this.#host?.attempt(() => finish(status));
    };
    this.#answers.set(chain.id, take);
    const done = outcome.catch((error) => this.#fail(error));
    // A chain of before a reset has lost its place to one of the same number: nobody hears of its end.
    this.#busy(
      done.then((status) => (this.#answers.get(chain.id) === take ? this.#answered(chain.id, status) : undefined)),
    );
  }

  #fail(error: unknown): Outcome {
    this.#onError(error);
    return BlkStatus.IOERR;
  }

  #attempt<T>(work: () => T): T | Outcome {
    try {
      return work();
    } catch (error) {
      if (error instanceof GuestError) throw error;
      return this.#fail(error);
    }
  }

  #perform(chain: Chain): Outcome | Promise<Outcome> | Job {
    const header = chain.read(HEADER_BYTES);
    const view = new DataView(header.buffer);
    const type = view.getUint32(0, true);
    const sector = view.getBigUint64(8, true);
    switch (type) {
      case BlkRequest.IN:
        return this.#read(chain, sector);
      case BlkRequest.OUT:
        return this.#write(chain, sector);
      case BlkRequest.FLUSH:
        return this.#then(this.#backend.flush());
      case BlkRequest.GET_ID:
        chain.write(this.#serial.subarray(0, chain.writable - 1));
        return BlkStatus.OK;
      case BlkRequest.DISCARD:
      case BlkRequest.WRITE_ZEROES:
        return this.#clear(chain, type);
      default:
        return BlkStatus.UNSUPP;
    }
  }

  #read(chain: Chain, sector: bigint): Outcome | Promise<Outcome> | Job {
    const length = chain.writable - 1;
    if (!this.#isWithin(sector, length)) return BlkStatus.IOERR;
    const offset = Number(sector) * SECTOR;
    if (this.#backend.answersAtOnce) return { type: BlkRequest.IN, offset, length, mayUnmap: false, done: 0 };
    const data = new Uint8Array(length);
    return this.#then(this.#backend.read(offset, data), () => chain.write(data));
  }

  #write(chain: Chain, sector: bigint): Outcome | Promise<Outcome> | Job {
    if (this.#backend.isReadOnly || !this.#isWithin(sector, chain.unread)) return BlkStatus.IOERR;
    const offset = Number(sector) * SECTOR;
    const length = chain.unread;
    if (!this.#backend.answersAtOnce) return this.#changed(this.#backend.write(offset, chain.read(length)));
    return { type: BlkRequest.OUT, offset, length, mayUnmap: false, done: 0 };
  }

  /** One range, as the configuration's max_discard_seg and max_write_zeroes_seg say. */
  #clear(chain: Chain, type: number): Outcome | Promise<Outcome> | Job {
    const isZeroes = type === BlkRequest.WRITE_ZEROES;
    if (this.#backend.isReadOnly) return BlkStatus.IOERR;
    if (chain.unread !== RANGE_BYTES) return BlkStatus.UNSUPP;
    const view = new DataView(chain.read(RANGE_BYTES).buffer);
    const sector = view.getBigUint64(0, true);
    const sectors = view.getUint32(8, true);
    const flags = view.getUint32(12, true);
    if ((flags & ~(isZeroes ? UNMAP : 0)) !== 0) return BlkStatus.UNSUPP;
    if (sectors > MAX_RANGE_SECTORS || !this.#isInside(sector, sectors)) return BlkStatus.IOERR;
    const [offset, length] = [Number(sector) * SECTOR, sectors * SECTOR];
    const mayUnmap = (flags & UNMAP) !== 0;
    if (this.#backend.answersAtOnce) return { type, offset, length, mayUnmap, done: 0 };
    if (!isZeroes) return this.#then(this.#backend.discard(offset, length));
    return this.#changed(this.#backend.writeZeroes(offset, length, mayUnmap));
  }

  /** The next piece of a request, where the backend answers at once; null where more follow. */
  #piece(queue: Virtqueue, chain: Chain, job: Job): Outcome | Promise<Outcome> | null {
    const { type, offset, length } = job;
    const { piece, work } = PIECES[type];
    const at = offset + job.done;
    const part = Math.min(length - job.done, piece - (at % piece));
    if (part > 0) this.#transfer(chain, job, at, part);
    job.done += part;
    if (job.done === length) {
      const changes = type === BlkRequest.OUT || type === BlkRequest.WRITE_ZEROES;
      return changes ? this.#changed() : BlkStatus.OK;
    }
    queue.charge(part * work);
    return null;
  }

  #transfer(chain: Chain, { type, mayUnmap }: Job, at: number, length: number): void {
    const backend = this.#backend;
    switch (type) {
      case BlkRequest.IN:
        chain.scatter(length, (window, within) => backend.read(at + within, window));
        break;
      case BlkRequest.OUT:
        chain.gather(length, (window, within) => backend.write(at + within, window));
        break;
      case BlkRequest.DISCARD:
        backend.discard(at, length);
        break;
      case BlkRequest.WRITE_ZEROES:
        backend.writeZeroes(at, length, mayUnmap);
        break;
    }
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
