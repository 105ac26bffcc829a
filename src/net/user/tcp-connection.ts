/**
 * One TCP connection of the guest, ended here (RFC 9293) and led on as a stream of the host's. Each side waits for the
 * other: the guest's window is what the host has not swallowed yet, and the host's stream is paused for a slow guest.
 */
import { copyOf, type Saved } from '../../saved.ts';
import type { HostWork, NetTimer } from '../backend.ts';
import { compact } from '../chunks.ts';
import type { HostSockets, HostStream, SocketAddress, StreamEvents, StreamFailure, StreamPlace } from '../sockets.ts';
import { Flag, type Segment } from './segment.ts';
import { ahead, DEFAULT_MSS, type SenderState, TcpSender } from './tcp-sender.ts';

/** Bytes on their way to the host, and as many to the guest: of one connection, and of all of them. */
const RECEIVE_ROOM = 1 << 20;
const ALL_ROOM = 64 << 20;
/** Our window scale: RECEIVE_ROOM in 16 bits. */
const SCALE = 5;
const MOST_WINDOW = 0xffff;

export interface Outgoing {
  flags: number;
  seq: number;
  ack: number;
  window: number;
  mss?: number;
  scale?: number;
}

export interface ConnectionParts {
  now: () => bigint;
  /** Makes the timer of this connection. */
  timer: (fires: () => void) => NetTimer;
  host: HostWork;
  /** Sends a segment. Returns false if the guest has no room. */
  emit: (head: Outgoing, length: number, fill: (target: Uint8Array) => void, mss: number) => boolean;
  /** What we can take in one frame, told in our SYN. */
  ourMss: number;
  /** Bytes that a stream of the host's has not sent yet. */
  buffered: (stream: HostStream | null) => number;
  /** Connections there are. */
  count: () => number;
  /** Most bytes of payload in one frame to the guest, whose segments are `mss` long. */
  most: (mss: number) => number;
  iss: number;
  /** There is nothing left to do. */
  closed: () => void;
  /** The host cannot be reached; nothing was said to the guest. */
  unreachable: () => void;
}

const nothing = (): void => {};

/** The half that receives. */
type Receiver = {
  /** The next number expected of the guest; null until its SYN came. */
  rcvNxt: number | null;
  /** Right edge of the window that was told. */
  edge: number;
  hasGuestEnded: boolean;
  mayScale: boolean;
  needsAck: boolean;
  isPaused: boolean;
  isGone: boolean;
};

export type ConnectionState = { iss: number; receiver: Receiver; sender: SenderState; place: StreamPlace };

export class TcpConnection implements StreamEvents, Saved<ConnectionState> {
  readonly #parts: ConnectionParts;
  readonly #sender: TcpSender;
  readonly #release: () => void;
  #stream: HostStream | null = null;
  #place: StreamPlace;
  /** Our initial sequence number. */
  #iss: number;
  #state: Receiver = {
    rcvNxt: null,
    edge: 0,
    hasGuestEnded: false,
    mayScale: false,
    needsAck: false,
    isPaused: false,
    isGone: false,
  };

  /** `peer` is the other end of the host's stream, which it began where `isIncoming`. */
  constructor(parts: ConnectionParts, peer: SocketAddress, isIncoming: boolean) {
    this.#parts = parts;
    this.#iss = parts.iss;
    this.#place = { peer, isIncoming, sent: 0, received: 0 };
    this.#sender = new TcpSender(
      {
        now: parts.now,
        timer: parts.timer,
        emit: (flags, seq, length, fill) => this.#emit(flags, seq, length, fill),
        most: () => parts.most(this.#sender.mss),
        givenUp: () => this.#reset(),
      },
      parts.iss,
    );
    this.#release = parts.host.begin();
  }

  save(): ConnectionState {
    const [receiver, place] = copyOf([this.#state, this.#place] as const);
    return { iss: this.#iss, receiver, sender: this.#sender.save(), place };
  }

  load({ iss, receiver, sender, place }: ConnectionState): void {
    this.#iss = iss;
    this.#state = copyOf(receiver);
    this.#sender.load(sender);
    this.#place = copyOf(place);
    if (this.#sender.hasEnded) this.#release();
  }

  /** After `load`: goes on with the stream of the host, where the host can. Returns whether it does. */
  resume(sockets: HostSockets, events: StreamEvents): boolean {
    this.#stream = sockets.resume?.(copyOf(this.#place), events) ?? null;
    return this.#stream !== null;
  }

  /** The guest asks for a connection; `stream` is on its way. */
  accept(syn: Segment, stream: HostStream): void {
    this.#stream = stream;
    this.#synchronize(syn);
  }

  /** The host asks for a connection with the guest. */
  open(stream: HostStream): void {
    this.#stream = stream;
    this.#state.mayScale = true;
    this.#sender.open(Flag.SYN);
  }

  /** Takes a segment of the guest. Answers are sent by `flush`. */
  receive(segment: Segment): void {
    const { flags } = segment;
    if (this.#state.rcvNxt === null) this.#receiveSynAck(segment);
    else if (flags & Flag.RST) {
      const distance = ahead(segment.seq, this.#state.rcvNxt);
      if (distance >= 0 && distance <= RECEIVE_ROOM) this.#vanish();
    } else if (flags & Flag.SYN) this.#state.needsAck ||= this.#sender.isOpen;
    else if (flags & Flag.ACK) this.#receiveAck(segment);
  }

  #receiveAck(segment: Segment): void {
    if (!this.#sender.acknowledge(segment)) {
      this.#state.needsAck = true;
      return;
    }
    if (!this.#sender.isOpen) return;
    this.#take(segment);
    const { queue } = this.#sender;
    if (this.#state.isPaused && queue.length < this.#share / 2) {
      this.#state.isPaused = false;
      this.#stream?.resume();
    }
    this.#sender.output();
    this.#closeIfDone();
  }

  /** Says what is to be said, and goes on after the card had no room. */
  flush(): void {
    if (this.#state.isGone) return;
    this.#sender.unblock();
    if (this.#state.needsAck) this.#acknowledge();
  }

  connected(): void {
    this.#parts.host.arrived();
    if (!this.#state.isGone && this.#state.rcvNxt !== null) this.#sender.open(Flag.SYN | Flag.ACK);
  }

  data(bytes: Uint8Array): void {
    if (this.#state.isGone) return;
    this.#parts.host.arrived();
    const { queue } = this.#sender;
    this.#place.received += bytes.length;
    queue.append(bytes);
    if (!this.#state.isPaused && queue.length > this.#share) {
      this.#state.isPaused = true;
      this.#stream?.pause();
    }
    this.#sender.output();
  }

  ended(): void {
    if (this.#state.isGone) return;
    this.#parts.host.arrived();
    this.#release();
    this.#sender.end();
    this.#sender.output();
  }

  drained(): void {
    if (this.#state.isGone || this.#state.rcvNxt === null || !this.#sender.isOpen) return;
    const told = ahead(this.#state.edge, this.#state.rcvNxt);
    if (this.#room - told < this.#share / 4) return;
    this.#parts.host.arrived();
    this.#acknowledge();
  }

  failed(why: StreamFailure): void {
    if (this.#state.isGone) return;
    this.#parts.host.arrived();
    const isConnecting = this.#state.rcvNxt !== null && this.#sender.next === this.#iss;
    if (isConnecting && why !== 'refused' && why !== 'reset') {
      this.#parts.unreachable();
      this.#remove();
    } else this.#reset(false);
  }

  /** The guest is gone: the host's side ends without a word to it, but hears out a guest that had said its last. */
  drop(): void {
    if (this.#state.hasGuestEnded) this.#stream?.finish();
    else this.#stream?.abort();
    this.#remove();
  }

  /** What this connection may hold in either direction: less where there are many. What was promised stays promised. */
  get #share(): number {
    return Math.min(RECEIVE_ROOM, Math.floor(ALL_ROOM / this.#parts.count()));
  }

  get #room(): number {
    return Math.max(0, this.#share - this.#parts.buffered(this.#stream));
  }

  #synchronize(syn: Segment): void {
    this.#state.rcvNxt = (syn.seq + 1) >>> 0;
    this.#state.edge = this.#state.rcvNxt;
    this.#state.mayScale = syn.scale !== undefined;
    this.#sender.mss = Math.max(64, syn.mss ?? DEFAULT_MSS);
    this.#sender.scale = syn.scale ?? 0;
  }

  #receiveSynAck(segment: Segment): void {
    const { flags, ack } = segment;
    const isOurs = (flags & Flag.ACK) !== 0 && ack === ((this.#iss + 1) & 0xffff_ffff) >>> 0;
    if (!isOurs) return;
    if (flags & Flag.RST) this.#vanish();
    if (!(flags & Flag.SYN) || this.#state.isGone) return;
    this.#synchronize(segment);
    this.#sender.acknowledge(segment);
    this.#state.needsAck = true;
    this.#sender.output();
  }

  #take({ seq, flags, payload }: Segment): void {
    const rcvNxt = this.#state.rcvNxt as number;
    const isFin = (flags & Flag.FIN) !== 0;
    if (payload.length === 0 && !isFin) {
      if (ahead(seq, rcvNxt) < 0) this.#state.needsAck = true;
      return;
    }
    this.#state.needsAck = true;
    const skip = ahead(rcvNxt, seq);
    if (skip < 0 || this.#state.hasGuestEnded) return;
    const end = Math.min(payload.length, ahead(this.#state.edge, seq));
    if (end > skip) {
      this.#stream?.write(compact(payload.subarray(skip, end)));
      this.#place.sent += end - skip;
      this.#state.rcvNxt = (seq + end) >>> 0;
    }
    if (isFin && this.#state.rcvNxt === (seq + payload.length) >>> 0) {
      this.#state.hasGuestEnded = true;
      this.#state.rcvNxt = (this.#state.rcvNxt + 1) >>> 0;
      this.#stream?.end();
    }
  }

  #acknowledge(): void {
    this.#state.needsAck = !this.#emit(Flag.ACK, this.#sender.next, 0, nothing);
  }

  #emit(flags: number, seq: number, length: number, fill: (target: Uint8Array) => void): boolean {
    const isSyn = (flags & Flag.SYN) !== 0;
    const scale = this.#state.mayScale ? SCALE : 0;
    const unit = isSyn ? 0 : scale;
    const rcvNxt = this.#state.rcvNxt ?? 0;
    const told = Math.max(0, ahead(this.#state.edge, rcvNxt));
    const window = Math.min(MOST_WINDOW, Math.ceil(Math.max(told, this.#room) / 2 ** unit));
    const head: Outgoing = { flags, seq, ack: rcvNxt, window };
    if (isSyn) {
      head.mss = this.#parts.ourMss;
      if (this.#state.mayScale) head.scale = SCALE;
    }
    if (!this.#parts.emit(head, length, fill, this.#sender.mss)) return false;
    this.#state.edge = (rcvNxt + Math.max(told, window << unit)) >>> 0;
    this.#state.needsAck = false;
    return true;
  }

  #closeIfDone(): void {
    if (!this.#state.hasGuestEnded || !this.#sender.isDone) return;
    if (this.#state.needsAck) this.#acknowledge();
    this.#remove();
  }

  /** The guest ended it all. */
  #vanish(): void {
    this.#stream?.abort();
    this.#remove();
  }

  /** We end it all. */
  #reset(isAborting = true): void {
    const flags = this.#state.rcvNxt === null ? Flag.RST : Flag.RST | Flag.ACK;
    this.#emit(flags, this.#sender.next, 0, nothing);
    if (isAborting) this.#stream?.abort();
    this.#remove();
  }

  #remove(): void {
    if (this.#state.isGone) return;
    this.#state.isGone = true;
    this.#sender.stop();
    this.#release();
    this.#parts.closed();
  }
}
