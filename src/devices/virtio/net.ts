/**
 * Network device with one pair of queues and a control queue (virtio 1.2, 5.1 "Network Device"). Checksums that the
 * driver left undone are made here, unless the backend takes such frames; then it takes long TCP segments uncut, too.
 * Frames to the guest are never dropped for want of buffers: the backend is told to wait.
 */

import { type Doors, NO_DOORS } from '../../doors.ts';
import type { HostWork, NetBackend, NetCard, NetClock, NetTimer, Offload } from '../../net/backend.ts';
import { completeChecksum } from '../../net/bytes.ts';
import { copyOf, type Plain } from '../../saved.ts';
import type { Chain } from './chain.ts';
import type { VirtioDevice, VirtioHost } from './device.ts';
import { GuestError } from './guest-memory.ts';
import { type FilterState, NetFilter } from './net-filter.ts';
import { makeHeader, NET_HEADER_BYTES, readHeader } from './net-header.ts';
import type { Virtqueue } from './queue.ts';

/** virtio 1.2, 5.1.3 "Feature bits". */
export const NetFeature = {
  CSUM: 1n << 0n,
  GUEST_CSUM: 1n << 1n,
  MTU: 1n << 3n,
  MAC: 1n << 5n,
  GUEST_TSO4: 1n << 7n,
  HOST_TSO4: 1n << 11n,
  MRG_RXBUF: 1n << 15n,
  STATUS: 1n << 16n,
  CTRL_VQ: 1n << 17n,
  CTRL_RX: 1n << 18n,
  CTRL_MAC_ADDR: 1n << 23n,
} as const;

export const NetQueue = { RECEIVE: 0, TRANSMIT: 1, CONTROL: 2 } as const;
/** virtio 1.2, 5.1.4 "Device configuration layout": mac, status, max_virtqueue_pairs, mtu. */
const CONFIG = { STATUS: 6, PAIRS: 8, MTU: 10, BYTES: 12 } as const;
const LINK_UP = 1;
const ETHERNET_HEADER = 14;
const MOST_FRAME = 0x1_0000 + ETHERNET_HEADER;
const MOST_COMMAND = 0x4000;
const ACK = { OK: 0, ERR: 1 } as const;
/** As network cards moderate their interrupts. */
const GATHER_NS = 50_000;
/** After so many lonely rounds nothing is gathered any more, but once in so many rounds, as a trial. */
const LONELY_ROUNDS = 8;
/** Who received as much since its last frame answers a stream, which need not hear at once. */
const STREAM_BYTES = 16 << 10;
const DEFAULT_MTU = 1500;
const LEAST_MTU = 68;
const MOST_MTU = 65535;

export interface NetOptions {
  backend: NetBackend;
  clock: NetClock;
  host: HostWork;
  doors?: Doors;
  /** Six bytes; the first must be even. */
  mac: Uint8Array;
  /** 68 to 65535; 1500 if absent. */
  mtu?: number;
  /** Features that the driver is not offered. */
  withhold?: bigint;
  /**
   * Nanoseconds from a notification until frames are taken, so that more of them come together, where they do; 0 for at
   * once.
   */
  gatherNs?: number;
}

export type NetState = {
  /** Ids of the chains in hand. */
  inHand: number[];
  isStarved: boolean;
  lonelyRounds: number;
  receivedBytes: number;
  filter: FilterState;
  /** What is at the other end of the cable, where it has a state: the machine's own networks have. */
  backend: Plain;
};

export class VirtioNet implements VirtioDevice, NetCard {
  readonly id = 1;
  readonly name = 'virtio-net';
  readonly queues = [256, 256, 64];
  readonly features: bigint;
  readonly config = new Uint8Array(CONFIG.BYTES);
  readonly clock: NetClock;
  readonly host: HostWork;
  readonly doors: Doors;
  /** Frames of the guest that made no sense; frames for it that came while it had no driver, or that had no room. */
  readonly dropped = { malformed: 0, unheard: 0, oversized: 0 };
  readonly #backend: NetBackend;
  readonly #enter: (frame: Uint8Array, offload: Offload | null) => boolean;
  readonly #plug: (isUp: boolean) => void;
  readonly #filter: NetFilter;
  readonly #mac: Uint8Array;
  #virtio!: VirtioHost;
  /** Taken from the receive queue for a frame that needs more of them. */
  #inHand: Chain[] = [];
  #isStarved = false;
  readonly #gatherNs: number;
  /** Armed while frames are waited for. */
  readonly #gathering: NetTimer;
  /** Rounds in a row that brought a single frame, of a guest that seems to wait for the answer. */
  #lonelyRounds = 0;
  /** Bytes for the guest since its last frame. */
  #receivedBytes = 0;

  /** Throws RangeError where the address or the MTU is none. */
  constructor(options: NetOptions) {
    const { backend, clock, host, doors = NO_DOORS, mac } = options;
    const { mtu = DEFAULT_MTU, withhold = 0n, gatherNs = GATHER_NS } = options;
    if (mac.length !== 6 || mac[0] & 1) throw new RangeError(`MAC address ${[...mac]} is none of one card`);
    if (!Number.isInteger(mtu) || mtu < LEAST_MTU || mtu > MOST_MTU) {
      throw new RangeError(`an MTU of ${mtu} is not possible: ${LEAST_MTU} to ${MOST_MTU}`);
    }
    const { CSUM, GUEST_CSUM, HOST_TSO4, GUEST_TSO4 } = NetFeature;
    const without =
      withhold |
      (withhold & CSUM || !backend.takesOffload ? HOST_TSO4 : 0n) |
      (withhold & GUEST_CSUM ? GUEST_TSO4 : 0n);
    this.features = Object.values(NetFeature).reduce((all, bit) => all | bit, 0n) & ~without;
    this.clock = clock;
    this.host = host;
    this.doors = doors;
    this.#enter = doors.door('frame', (frame: Uint8Array, offload: Offload | null) =>
      this.#take(frame, offload ?? undefined),
    );
    this.#plug = doors.door('link', (isUp: boolean) => this.#setLink(isUp));
    this.#backend = backend;
    this.#gatherNs = gatherNs;
    this.#gathering = clock.timer('transmit', () => {
      const queue = this.#virtio.queue(NetQueue.TRANSMIT);
      if (queue) this.#virtio.attempt(() => this.#transmitAll(queue));
    });
    this.#mac = mac.slice();
    this.config.set(mac);
    this.config[CONFIG.STATUS] = LINK_UP;
    this.config[CONFIG.PAIRS] = 1;
    new DataView(this.config.buffer).setUint16(CONFIG.MTU, mtu, true);
    this.#filter = new NetFilter(this.config.subarray(0, 6));
  }

  get takes(): NetCard['takes'] {
    return { checksum: this.#has(NetFeature.GUEST_CSUM), segments: this.#has(NetFeature.GUEST_TSO4) };
  }

  attach(host: VirtioHost): void {
    this.#virtio = host;
    this.#backend.attach(this);
  }

  start(): void {
    this.#filter.reset(this.#has(NetFeature.CTRL_RX));
  }

  reset(): void {
    this.#inHand = [];
    this.#isStarved = false;
    this.#gathering.cancel();
    this.#lonelyRounds = 0;
    this.#receivedBytes = 0;
    this.config.set(this.#mac);
  }

  save(): NetState {
    return {
      inHand: this.#inHand.map(({ id }) => id),
      isStarved: this.#isStarved,
      lonelyRounds: this.#lonelyRounds,
      receivedBytes: this.#receivedBytes,
      filter: this.#filter.save(),
      backend: this.#backend.save?.(this) ?? null,
    };
  }

  load({ inHand, isStarved, lonelyRounds, receivedBytes, filter, backend }: NetState): void {
    const queue = this.#virtio.queue(NetQueue.RECEIVE);
    this.#inHand = inHand.flatMap((id) => queue?.chain(id) ?? []);
    this.#isStarved = isStarved;
    this.#lonelyRounds = lonelyRounds;
    this.#receivedBytes = receivedBytes;
    this.#filter.load(filter);
    if (backend !== null) this.#backend.load?.(this, copyOf(backend));
  }

  setLink(isUp: boolean): void {
    this.#plug(isUp);
  }

  #setLink(isUp: boolean): void {
    if (isUp === (this.config[CONFIG.STATUS] === LINK_UP)) return;
    this.config[CONFIG.STATUS] = isUp ? LINK_UP : 0;
    this.#virtio.configChanged();
  }

  notify(index: number, queue: Virtqueue): void {
    if (index === NetQueue.TRANSMIT) this.#gather(queue);
    else if (index === NetQueue.CONTROL) this.#control(queue);
    else if (this.#isStarved) {
      this.#isStarved = false;
      this.#backend.ready?.();
    }
  }

  /** A frame comes from outside, but where its network is a part of the machine. */
  receive(frame: Uint8Array, offload?: Offload): boolean {
    return this.#backend.usesDoors ? this.#take(frame, offload) : this.#enter(frame, offload ?? null);
  }

  #take(frame: Uint8Array, offload?: Offload): boolean {
    const queue = this.#virtio.queue(NetQueue.RECEIVE);
    if (!queue || this.config[CONFIG.STATUS] !== LINK_UP) {
      this.dropped.unheard++;
      return true;
    }
    if (!this.#filter.wants(frame)) return true;
    let isTaken = true;
    this.#virtio.attempt(() => {
      queue.beginTurn();
      isTaken = this.#fill(queue, frame, offload);
      this.#isStarved ||= !isTaken;
    });
    return isTaken;
  }

  #has(feature: bigint): boolean {
    return (this.#virtio.features & feature) !== 0n;
  }

  /** virtio 1.2, 5.1.6.4 "Processing of Incoming Packets". */
  #fill(queue: Virtqueue, frame: Uint8Array, offload?: Offload): boolean {
    const needed = NET_HEADER_BYTES + frame.length;
    const chains = this.#inHand;
    const most = this.#has(NetFeature.MRG_RXBUF) ? queue.size : 1;
    let room = chains.reduce((sum, chain) => sum + chain.writable, 0);
    while (room < needed) {
      if (chains.length === most) {
        this.dropped.oversized++;
        return true;
      }
      const chain = queue.pop();
      if (!chain) return false;
      if (chain.writable < NET_HEADER_BYTES) {
        throw new GuestError(`receive buffer ${chain.id} has ${chain.writable} writable bytes of ${NET_HEADER_BYTES}`);
      }
      chains.push(chain);
      room += chain.writable;
    }
    this.#inHand = [];
    this.#receivedBytes += frame.length;
    chains[0].write(makeHeader(offload, chains.length));
    let done = 0;
    for (const chain of chains) {
      done += chain.write(done === 0 ? frame : frame.subarray(done));
      queue.push(chain, chain.written);
    }
    return true;
  }

  #gather(queue: Virtqueue): void {
    if (this.#gathering.deadline !== null) return;
    const isTrial = this.#lonelyRounds % LONELY_ROUNDS === 0;
    if (this.#gatherNs === 0 || (this.#lonelyRounds > LONELY_ROUNDS && !isTrial)) {
      this.#transmit(queue);
      return;
    }
    queue.wantNotifications(false);
    this.#gathering.arm(this.clock.now() + BigInt(this.#gatherNs));
  }

  #transmitAll(queue: Virtqueue): void {
    queue.wantNotifications(true);
    queue.beginTurn();
    this.#transmit(queue);
    if (queue.isExhausted) this.#gather(queue);
  }

  /** virtio 1.2, 5.1.6.2 "Packet Transmission". */
  #transmit(queue: Virtqueue): void {
    let frames = 0;
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      const bytes = chain.readable - NET_HEADER_BYTES;
      if (bytes < ETHERNET_HEADER || bytes > MOST_FRAME) {
        throw new GuestError(`frame ${chain.id} has ${bytes} bytes: must be from ${ETHERNET_HEADER} to ${MOST_FRAME}`);
      }
      const header = chain.read(NET_HEADER_BYTES);
      const frame = chain.read(bytes);
      queue.push(chain, 0);
      frames++;
      const offload = this.#has(NetFeature.CSUM) ? readHeader(header, bytes, this.#has(NetFeature.HOST_TSO4)) : null;
      if (offload === 'malformed') this.dropped.malformed++;
      else if (this.config[CONFIG.STATUS] === LINK_UP) this.#send(frame, offload);
    }
    if (frames > 0) {
      this.#lonelyRounds = frames > 1 || this.#receivedBytes > STREAM_BYTES ? 0 : this.#lonelyRounds + 1;
      this.#receivedBytes = 0;
    }
    this.#backend.flush?.();
  }

  #send(frame: Uint8Array, offload: Offload | null): void {
    if (offload && !this.#backend.takesOffload) completeChecksum(frame, offload);
    this.#backend.send(frame, (this.#backend.takesOffload && offload) || undefined);
  }

  #control(queue: Virtqueue): void {
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      if (chain.readable < 2 || chain.readable > MOST_COMMAND || chain.writable < 1) {
        throw new GuestError(
          `command ${chain.id} has ${chain.readable} bytes and room for ${chain.writable}: must be 2 to ${MOST_COMMAND}, and 1`,
        );
      }
      chain.write(Uint8Array.of(this.#filter.command(chain.read(chain.readable)) ? ACK.OK : ACK.ERR));
      queue.push(chain, 1);
    }
  }
}
