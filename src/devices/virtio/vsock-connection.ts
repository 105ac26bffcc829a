/**
 * A stream between a port of the host and a port of the guest, as its host end sees it, with the credit that keeps either
 * side from sending more than the other has room for (virtio 1.2, 5.10.6.3 "Buffer Space Management").
 */
import { check, isBytes } from '../../checks.ts';
import { addChunk } from '../../net/chunks.ts';
import { type Header, MAX_PAYLOAD_BYTES, Op, Shutdown } from './vsock-packet.ts';

/** Room for what the guest sent and has not been taken yet. */
export const BUFFER_BYTES = 256 << 10;
/** So much must be free again before the guest is told. */
const CREDIT_STEP = BUFFER_BYTES / 4;

/** What a connection asks of its device. */
export interface VsockCarrier {
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

export class VsockConnection {
  readonly hostPort: number;
  readonly guestPort: number;
  /** To be set by the user of the connection. */
  events: VsockEvents = {};
  readonly #carrier: VsockCarrier;
  #state: 'connecting' | 'open' | 'closed';
  readonly #outgoing: Uint8Array[] = [];
  readonly #incoming: Uint8Array[] = [];
  #isPaused = false;
  /** The guest's side: its buffer, what it emptied, what we sent. */
  #peerBuffer = 0;
  #peerForwarded = 0;
  #sent = 0;
  #askedForCredit = false;
  /** Our side: bytes that came, were taken, and were taken when the guest heard of it last. */
  #received = 0;
  #forwarded = 0;
  #announced = 0;
  #isEnding = false;
  #toldEnd = false;
  #peerSendsNoMore = false;
  #sawEnd = false;
  /** The guest has forgotten the connection; only what it sent before is left to be taken. */
  #isOver = false;

  constructor(carrier: VsockCarrier, hostPort: number, guestPort: number, isOpen: boolean) {
    this.#carrier = carrier;
    this.hostPort = hostPort;
    this.guestPort = guestPort;
    this.#state = isOpen ? 'open' : 'connecting';
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Bytes given to `send` that have not gone yet. */
  get buffered(): number {
    return this.#outgoing.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** Queues bytes for the guest; what is sent to a closed connection is lost. Throws after `end`. */
  send(bytes: Uint8Array): void {
    check('vsock: send', bytes, isBytes);
    if (this.#isEnding) throw new Error('vsock: send after end');
    if (this.isClosed || this.#isOver || bytes.length === 0) return;
    this.#outgoing.push(bytes.slice());
    this.#carrier.wake(this);
  }

  /** Nothing more will be sent, when everything has gone. */
  end(): void {
    this.#isEnding = true;
    if (!this.isClosed) this.#carrier.wake(this);
  }

  /** Breaks the connection off. */
  destroy(): void {
    if (this.isClosed) return;
    if (!this.#isOver) this.#carrier.tell(this, Op.RST);
    this.close('broken');
    this.#carrier.wake(this);
  }

  /** Keeps what comes from now on, until `resume`; the guest stops when there is no room left. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
    this.#carrier.wake(this);
  }

  /** For the device: what every packet of this connection must say. */
  get credit(): { bufferBytes: number; forwarded: number } {
    this.#announced = this.#forwarded;
    return { bufferBytes: BUFFER_BYTES, forwarded: this.#forwarded };
  }

  /** For the device: the connection ended. */
  close(reason: 'finished' | 'refused' | 'broken'): void {
    if (this.isClosed) return;
    this.#state = 'closed';
    this.#outgoing.length = 0;
    this.#carrier.forget(this);
    this.events.close?.(reason);
  }

  /** For the device: the next payload of at most `room` bytes, as far as the guest's buffer allows; null if none is. */
  take(room: number): Uint8Array | null {
    const [first] = this.#outgoing;
    if (this.#state !== 'open' || !first) return null;
    const length = Math.min(first.length, room, this.#peerRoom, MAX_PAYLOAD_BYTES);
    if (length <= 0) return null;
    this.#sent = (this.#sent + length) >>> 0;
    if (length < first.length) this.#outgoing[0] = first.subarray(length);
    else {
      this.#outgoing.shift();
      if (this.#outgoing.length === 0) this.events.drain?.();
    }
    return first.subarray(0, length);
  }

  /** For the device: whether `take` has something to give. Asks for credit, or says good-bye, where it has not. */
  get isReady(): boolean {
    if (this.#state !== 'open' || this.#isOver) return false;
    if (this.#outgoing.length > 0) {
      if (this.#peerRoom > 0) return true;
      if (!this.#askedForCredit) {
        this.#askedForCredit = true;
        this.#carrier.tell(this, Op.CREDIT_REQUEST);
      }
    } else if (this.#isEnding && !this.#toldEnd) {
      this.#toldEnd = true;
      this.#carrier.tell(this, Op.SHUTDOWN, this.#peerSendsNoMore ? Shutdown.BOTH : Shutdown.SEND);
    }
    return false;
  }

  /** For the device: a packet from the guest. What makes no sense breaks the connection. */
  hear(header: Header, payload: Uint8Array): void {
    this.#peerBuffer = header.bufferBytes;
    this.#peerForwarded = header.forwarded;
    this.#askedForCredit = false;
    switch (header.op) {
      case Op.RESPONSE:
        if (this.#state !== 'connecting') this.destroy();
        else {
          this.#state = 'open';
          this.events.open?.();
        }
        break;
      case Op.RST:
        this.close(this.#state === 'connecting' ? 'refused' : this.#toldEnd ? 'finished' : 'broken');
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
        this.destroy();
    }
    this.#carrier.wake(this);
  }

  get #peerRoom(): number {
    return this.#peerBuffer - ((this.#sent - this.#peerForwarded) >>> 0);
  }

  #hearData(payload: Uint8Array): void {
    const waiting = (this.#received - this.#forwarded) >>> 0;
    if (this.#state !== 'open' || this.#peerSendsNoMore || waiting + payload.length > BUFFER_BYTES) {
      this.destroy();
      return;
    }
    this.#received = (this.#received + payload.length) >>> 0;
    if (payload.length > 0) addChunk(this.#incoming, payload);
    this.#deliver();
  }

  #hearShutdown(flags: number): void {
    if (flags & Shutdown.SEND) this.#peerSendsNoMore = true;
    this.#deliver();
    if ((flags & Shutdown.BOTH) !== Shutdown.BOTH || this.isClosed || this.#isOver) return;
    this.#isOver = true;
    this.#outgoing.length = 0;
    this.#carrier.tell(this, Op.RST);
    this.#deliver();
  }

  /** A listener may pause the connection or close it. */
  #deliver(): void {
    while (this.#incoming.length > 0 && !this.#isPaused) {
      const bytes = this.#incoming.shift() as Uint8Array;
      this.#forwarded = (this.#forwarded + bytes.length) >>> 0;
      this.events.data?.(bytes);
    }
    if (this.isClosed) return;
    if (!this.#isOver && (this.#forwarded - this.#announced) >>> 0 >= CREDIT_STEP) {
      this.#carrier.tell(this, Op.CREDIT_UPDATE);
    }
    if (this.#incoming.length > 0) return;
    if (this.#peerSendsNoMore && !this.#sawEnd) {
      this.#sawEnd = true;
      this.events.end?.();
    }
    if (this.#isOver) this.close('finished');
  }
}
