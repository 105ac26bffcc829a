/**
 * One TCP connection of the guest, ended here (RFC 9293) and led on as a stream of the host's. Each side waits for the
 * other: the guest's window is what the host has not swallowed yet, and the host's stream is paused for a slow guest.
 */
import type { HostWork } from '../backend.ts';
import { compact } from '../chunks.ts';
import type { HostStream, StreamEvents, StreamFailure } from '../sockets.ts';
import { Flag, type Segment } from './segment.ts';
import { ahead, DEFAULT_MSS, TcpSender } from './tcp-sender.ts';

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
  clock: ConstructorParameters<typeof TcpSender>[0]['clock'];
  host: HostWork;
  /** Sends a segment. Returns false if the guest has no room. */
  emit: (head: Outgoing, length: number, fill: (target: Uint8Array) => void, mss: number) => boolean;
  /** What we can take in one frame, told in our SYN. */
  ourMss: number;
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

export class TcpConnection implements StreamEvents {
  readonly #parts: ConnectionParts;
  readonly #sender: TcpSender;
  readonly #release: () => void;
  #stream: HostStream | null = null;
  /** The next number expected of the guest; null until its SYN came. */
  #rcvNxt: number | null = null;
  /** Right edge of the window that was told. */
  #edge = 0;
  #hasGuestEnded = false;
  #mayScale = false;
  #needsAck = false;
  #isPaused = false;
  #isGone = false;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#sender = new TcpSender(
      {
        clock: parts.clock,
        emit: (flags, seq, length, fill) => this.#emit(flags, seq, length, fill),
        most: () => parts.most(this.#sender.mss),
        givenUp: () => this.#reset(),
      },
      parts.iss,
    );
    this.#release = parts.host.begin();
  }

  /** The guest asks for a connection; `stream` is on its way. */
  accept(syn: Segment, stream: HostStream): void {
    this.#stream = stream;
    this.#synchronize(syn);
  }

  /** The host asks for a connection with the guest. */
  open(stream: HostStream): void {
    this.#stream = stream;
    this.#mayScale = true;
    this.#sender.open(Flag.SYN);
  }

  /** Takes a segment of the guest. Answers are sent by `flush`. */
  receive(segment: Segment): void {
    const { flags } = segment;
    if (this.#rcvNxt === null) this.#receiveSynAck(segment);
    else if (flags & Flag.RST) {
      const distance = ahead(segment.seq, this.#rcvNxt);
      if (distance >= 0 && distance <= RECEIVE_ROOM) this.#vanish();
    } else if (flags & Flag.SYN) this.#needsAck ||= this.#sender.isOpen;
    else if (flags & Flag.ACK) this.#receiveAck(segment);
  }

  #receiveAck(segment: Segment): void {
    if (!this.#sender.acknowledge(segment)) {
      this.#needsAck = true;
      return;
    }
    if (!this.#sender.isOpen) return;
    this.#take(segment);
    const { queue } = this.#sender;
    if (this.#isPaused && queue.length < this.#share / 2) {
      this.#isPaused = false;
      this.#stream?.resume();
    }
    this.#sender.output();
    this.#closeIfDone();
  }

  /** Says what is to be said, and goes on after the card had no room. */
  flush(): void {
    if (this.#isGone) return;
    this.#sender.unblock();
    if (this.#needsAck) this.#acknowledge();
  }

  connected(): void {
    this.#parts.host.arrived();
    if (!this.#isGone && this.#rcvNxt !== null) this.#sender.open(Flag.SYN | Flag.ACK);
  }

  data(bytes: Uint8Array): void {
    if (this.#isGone) return;
    this.#parts.host.arrived();
    const { queue } = this.#sender;
    queue.append(bytes);
    if (!this.#isPaused && queue.length > this.#share) {
      this.#isPaused = true;
      this.#stream?.pause();
    }
    this.#sender.output();
  }

  ended(): void {
    if (this.#isGone) return;
    this.#parts.host.arrived();
    this.#release();
    this.#sender.end();
    this.#sender.output();
  }

  drained(): void {
    if (this.#isGone || this.#rcvNxt === null || !this.#sender.isOpen) return;
    const told = ahead(this.#edge, this.#rcvNxt);
    if (this.#room - told < this.#share / 4) return;
    this.#parts.host.arrived();
    this.#acknowledge();
  }

  failed(why: StreamFailure): void {
    if (this.#isGone) return;
    this.#parts.host.arrived();
    const isConnecting = this.#rcvNxt !== null && this.#sender.next === this.#parts.iss;
    if (isConnecting && why !== 'refused' && why !== 'reset') {
      this.#parts.unreachable();
      this.#remove();
    } else this.#reset(false);
  }

  /** The guest is gone: the host's side ends without a word to it, but hears out a guest that had said its last. */
  drop(): void {
    if (this.#hasGuestEnded) this.#stream?.finish();
    else this.#stream?.abort();
    this.#remove();
  }

  /** What this connection may hold in either direction: less where there are many. What was promised stays promised. */
  get #share(): number {
    return Math.min(RECEIVE_ROOM, Math.floor(ALL_ROOM / this.#parts.count()));
  }

  get #room(): number {
    return Math.max(0, this.#share - (this.#stream?.buffered ?? 0));
  }

  #synchronize(syn: Segment): void {
    this.#rcvNxt = (syn.seq + 1) >>> 0;
    this.#edge = this.#rcvNxt;
    this.#mayScale = syn.scale !== undefined;
    this.#sender.mss = Math.max(64, syn.mss ?? DEFAULT_MSS);
    this.#sender.scale = syn.scale ?? 0;
  }

  #receiveSynAck(segment: Segment): void {
    const { flags, ack } = segment;
    const isOurs = (flags & Flag.ACK) !== 0 && ack === ((this.#parts.iss + 1) & 0xffff_ffff) >>> 0;
    if (!isOurs) return;
    if (flags & Flag.RST) this.#vanish();
    if (!(flags & Flag.SYN) || this.#isGone) return;
    this.#synchronize(segment);
    this.#sender.acknowledge(segment);
    this.#needsAck = true;
    this.#sender.output();
  }

  #take({ seq, flags, payload }: Segment): void {
    const rcvNxt = this.#rcvNxt as number;
    const isFin = (flags & Flag.FIN) !== 0;
    if (payload.length === 0 && !isFin) {
      if (ahead(seq, rcvNxt) < 0) this.#needsAck = true;
      return;
    }
    this.#needsAck = true;
    const skip = ahead(rcvNxt, seq);
    if (skip < 0 || this.#hasGuestEnded) return;
    const end = Math.min(payload.length, ahead(this.#edge, seq));
    if (end > skip) {
      this.#stream?.write(compact(payload.subarray(skip, end)));
      this.#rcvNxt = (seq + end) >>> 0;
    }
    if (isFin && this.#rcvNxt === (seq + payload.length) >>> 0) {
      this.#hasGuestEnded = true;
      this.#rcvNxt = (this.#rcvNxt + 1) >>> 0;
      this.#stream?.end();
    }
  }

  #acknowledge(): void {
    this.#needsAck = !this.#emit(Flag.ACK, this.#sender.next, 0, nothing);
  }

  #emit(flags: number, seq: number, length: number, fill: (target: Uint8Array) => void): boolean {
    const isSyn = (flags & Flag.SYN) !== 0;
    const scale = this.#mayScale ? SCALE : 0;
    const unit = isSyn ? 0 : scale;
    const rcvNxt = this.#rcvNxt ?? 0;
    const told = Math.max(0, ahead(this.#edge, rcvNxt));
    const window = Math.min(MOST_WINDOW, Math.ceil(Math.max(told, this.#room) / 2 ** unit));
    const head: Outgoing = { flags, seq, ack: rcvNxt, window };
    if (isSyn) {
      head.mss = this.#parts.ourMss;
      if (this.#mayScale) head.scale = SCALE;
    }
    if (!this.#parts.emit(head, length, fill, this.#sender.mss)) return false;
    this.#edge = (rcvNxt + Math.max(told, window << unit)) >>> 0;
    this.#needsAck = false;
    return true;
  }

  #closeIfDone(): void {
    if (!this.#hasGuestEnded || !this.#sender.isDone) return;
    if (this.#needsAck) this.#acknowledge();
    this.#remove();
  }

  /** The guest ended it all. */
  #vanish(): void {
    this.#stream?.abort();
    this.#remove();
  }

  /** We end it all. */
  #reset(isAborting = true): void {
    const flags = this.#rcvNxt === null ? Flag.RST : Flag.RST | Flag.ACK;
    this.#emit(flags, this.#sender.next, 0, nothing);
    if (isAborting) this.#stream?.abort();
    this.#remove();
  }

  #remove(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#sender.stop();
    this.#release();
    this.#parts.closed();
  }
}
