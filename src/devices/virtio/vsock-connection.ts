/**
 * A stream between a port of the host and a port of the guest, as its host end sees it, with the credit that keeps either
 * side from sending more than the other has room for (virtio 1.2, 5.10.6.3 "Buffer Space Management").
 */
import { check, isBytes } from '../../checks.ts';
import { addChunk } from '../../net/chunks.ts';
import { copyOf, type Saved } from '../../saved.ts';
import { type Header, MAX_PAYLOAD_BYTES, Op, Shutdown } from './vsock-packet.ts';

/** Room for what the guest sent and has not been taken yet. */
export const BUFFER_BYTES = 256 << 10;
/** So much must be free again before the guest is told. */
const CREDIT_STEP = BUFFER_BYTES / 4;

/** What a connection asks of its device. */
export type VsockAction = 'send' | 'end' | 'destroy' | 'pause' | 'resume';

export interface VsockCarrier {
  /** The host's end does something: comes back as `perform`. */
  act(connection: VsockConnection, action: VsockAction, bytes?: Uint8Array): void;
  /** Sends a packet without payload. */
  tell(connection: VsockConnection, op: Op, flags?: number): void;
  /** There is something to send, or room for it now. */
  wake(connection: VsockConnection): void;
  forget(connection: VsockConnection): void;
}

export interface VsockEvents {
  /** The guest accepted. */
  open?: () => void;
  /** The bytes are the listener's to keep. */
  data?: (bytes: Uint8Array) => void;
  /** The guest will send no more. */
  end?: () => void;
  /** Everything given to `send` has gone. */
  drain?: () => void;
  /** It is over: in good order, or because the guest refused, broke it off, broke the rules or was reset. */
  close?: (reason: 'finished' | 'refused' | 'broken') => void;
}

/**
 * Both sides' numbers, and the bytes under way. The host's end is whoever listens: when a connection is put back, it is handed
 * to the listener of its port as a new one would be, and broken off where nobody listens.
 */
export type VsockConnectionState = {
  phase: 'connecting' | 'open' | 'closed';
  outgoing: Uint8Array[];
  incoming: Uint8Array[];
  isPaused: boolean;
  /** The guest's side: its buffer, what it emptied, what we sent. */
  peerBuffer: number;
  peerForwarded: number;
  sent: number;
  askedForCredit: boolean;
  /** Our side: bytes that came, were taken, and were taken when the guest heard of it last. */
  received: number;
  forwarded: number;
  announced: number;
  isEnding: boolean;
  toldEnd: boolean;
  peerSendsNoMore: boolean;
  sawEnd: boolean;
  /** The guest has forgotten the connection; only what it sent before is left to be taken. */
  isOver: boolean;
};

export class VsockConnection implements Saved<VsockConnectionState> {
  readonly hostPort: number;
  readonly guestPort: number;
  /** To be set by the user of the connection. */
  events: VsockEvents = {};
  readonly #carrier: VsockCarrier;
  #state: VsockConnectionState = {
    phase: 'connecting',
    outgoing: [],
    incoming: [],
    isPaused: false,
    peerBuffer: 0,
    peerForwarded: 0,
    sent: 0,
    askedForCredit: false,
    received: 0,
    forwarded: 0,
    announced: 0,
    isEnding: false,
    toldEnd: false,
    peerSendsNoMore: false,
    sawEnd: false,
    isOver: false,
  };

  constructor(carrier: VsockCarrier, hostPort: number, guestPort: number, isOpen: boolean) {
    this.#carrier = carrier;
    this.hostPort = hostPort;
    this.guestPort = guestPort;
    this.#state.phase = isOpen ? 'open' : 'connecting';
  }

  save(): VsockConnectionState {
    return copyOf(this.#state);
  }

  load(state: VsockConnectionState): void {
    this.#state = copyOf(state);
  }

  get isClosed(): boolean {
    return this.#state.phase === 'closed';
  }

  /** Bytes given to `send` that have not gone yet. */
  get buffered(): number {
    return this.#state.outgoing.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** Queues bytes for the guest; what is sent to a closed connection is lost. Throws after `end`. */
  send(bytes: Uint8Array): void {
    check('vsock: send', bytes, isBytes);
    if (this.#state.isEnding) throw new Error('vsock: send after end');
    if (this.isClosed || this.#state.isOver || bytes.length === 0) return;
    this.#carrier.act(this, 'send', bytes);
  }

  /** Nothing more will be sent, when everything has gone. */
  end(): void {
    if (this.isClosed) this.#state.isEnding = true;
    else this.#carrier.act(this, 'end');
  }

  /** Breaks the connection off. */
  destroy(): void {
    if (!this.isClosed) this.#carrier.act(this, 'destroy');
  }

  #break(): void {
    if (this.isClosed) return;
    if (!this.#state.isOver) this.#carrier.tell(this, Op.RST);
    this.close('broken');
    this.#carrier.wake(this);
  }

  /** Keeps what comes from now on, until `resume`; the guest stops when there is no room left. */
  pause(): void {
    if (this.isClosed) this.#state.isPaused = true;
    else this.#carrier.act(this, 'pause');
  }

  resume(): void {
    if (this.isClosed) this.perform('resume');
    else this.#carrier.act(this, 'resume');
  }

  /** For the device: what the host's end does, now that it came in by the door. */
  perform(action: VsockAction, bytes: Uint8Array = new Uint8Array(0)): void {
    switch (action) {
      case 'send':
        this.#state.outgoing.push(bytes.slice());
        break;
      case 'end':
        this.#state.isEnding = true;
        break;
      case 'destroy':
        this.#break();
        return;
      case 'pause':
        this.#state.isPaused = true;
        return;
      case 'resume':
        this.#state.isPaused = false;
        this.#deliver();
        break;
    }
    this.#carrier.wake(this);
  }

  /** For the device: what every packet of this connection must say. */
  get credit(): { bufferBytes: number; forwarded: number } {
    this.#state.announced = this.#state.forwarded;
    return { bufferBytes: BUFFER_BYTES, forwarded: this.#state.forwarded };
  }

  /** For the device: the connection ended. */
  close(reason: 'finished' | 'refused' | 'broken'): void {
    if (this.isClosed) return;
    this.#state.phase = 'closed';
    this.#state.outgoing.length = 0;
    this.#carrier.forget(this);
    this.events.close?.(reason);
  }

  /** For the device: the next payload of at most `room` bytes, as far as the guest's buffer allows; null if none is. */
  take(room: number): Uint8Array | null {
    const [first] = this.#state.outgoing;
    if (this.#state.phase !== 'open' || !first) return null;
    const length = Math.min(first.length, room, this.#peerRoom, MAX_PAYLOAD_BYTES);
    if (length <= 0) return null;
    this.#state.sent = (this.#state.sent + length) >>> 0;
    if (length < first.length) this.#state.outgoing[0] = first.subarray(length);
    else {
      this.#state.outgoing.shift();
      if (this.#state.outgoing.length === 0) this.events.drain?.();
    }
    return first.subarray(0, length);
  }

  /** For the device: whether `take` has something to give. Asks for credit, or says good-bye, where it has not. */
  get isReady(): boolean {
    if (this.#state.phase !== 'open' || this.#state.isOver) return false;
    if (this.#state.outgoing.length > 0) {
      if (this.#peerRoom > 0) return true;
      if (!this.#state.askedForCredit) {
        this.#state.askedForCredit = true;
        this.#carrier.tell(this, Op.CREDIT_REQUEST);
      }
    } else if (this.#state.isEnding && !this.#state.toldEnd) {
      this.#state.toldEnd = true;
      this.#carrier.tell(this, Op.SHUTDOWN, this.#state.peerSendsNoMore ? Shutdown.BOTH : Shutdown.SEND);
    }
    return false;
  }

  /** For the device: a packet from the guest. What makes no sense breaks the connection. */
  hear(header: Header, payload: Uint8Array): void {
    this.#state.peerBuffer = header.bufferBytes;
    this.#state.peerForwarded = header.forwarded;
    this.#state.askedForCredit = false;
    switch (header.op) {
      case Op.RESPONSE:
        if (this.#state.phase !== 'connecting') this.#break();
        else {
          this.#state.phase = 'open';
          this.events.open?.();
        }
        break;
      case Op.RST:
        this.close(this.#state.phase === 'connecting' ? 'refused' : this.#state.toldEnd ? 'finished' : 'broken');
        break;
      case Op.SHUTDOWN:
        this.#hearShutdown(header.flags);
        break;
      case Op.RW:
        this.#hearData(payload);
        break;
      case Op.CREDIT_UPDATE:
        break;
      case Op.CREDIT_REQUEST:
        this.#carrier.tell(this, Op.CREDIT_UPDATE);
        break;
      default:
        this.#break();
    }
    this.#carrier.wake(this);
  }

  get #peerRoom(): number {
    return this.#state.peerBuffer - ((this.#state.sent - this.#state.peerForwarded) >>> 0);
  }

  #hearData(payload: Uint8Array): void {
    const waiting = (this.#state.received - this.#state.forwarded) >>> 0;
    if (this.#state.phase !== 'open' || this.#state.peerSendsNoMore || waiting + payload.length > BUFFER_BYTES) {
      this.#break();
      return;
    }
    this.#state.received = (this.#state.received + payload.length) >>> 0;
    if (payload.length > 0) addChunk(this.#state.incoming, payload);
    this.#deliver();
  }

  #hearShutdown(flags: number): void {
    if (flags & Shutdown.SEND) this.#state.peerSendsNoMore = true;
    this.#deliver();
    if ((flags & Shutdown.BOTH) !== Shutdown.BOTH || this.isClosed || this.#state.isOver) return;
    this.#state.isOver = true;
    this.#state.outgoing.length = 0;
    this.#carrier.tell(this, Op.RST);
    this.#deliver();
  }

  /** A listener may pause the connection or close it. */
  #deliver(): void {
    while (this.#state.incoming.length > 0 && !this.#state.isPaused) {
      const bytes = this.#state.incoming.shift() as Uint8Array;
      this.#state.forwarded = (this.#state.forwarded + bytes.length) >>> 0;
      this.events.data?.(bytes);
    }
    if (this.isClosed) return;
    if (!this.#state.isOver && (this.#state.forwarded - this.#state.announced) >>> 0 >= CREDIT_STEP) {
      this.#carrier.tell(this, Op.CREDIT_UPDATE);
    }
    if (this.#state.incoming.length > 0) return;
    if (this.#state.peerSendsNoMore && !this.#state.sawEnd) {
      this.#state.sawEnd = true;
      this.events.end?.();
    }
    if (this.#state.isOver) this.close('finished');
  }
}
