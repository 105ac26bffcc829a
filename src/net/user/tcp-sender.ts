/**
 * The half of a TCP connection that sends to the guest (RFC 9293, "Data Communication"). The way to the guest loses
 * nothing, for a card without room makes us wait; what the guest itself drops is sent again, by a timer of virtual time
 * or after three equal acknowledgements. There is no congestion, hence no control of it.
 */
import type { NetClock } from '../backend.ts';
import { ByteQueue } from './byte-queue.ts';
import { Flag, type Segment } from './segment.ts';

const FIRST_TIMEOUT_NS = 1e9;
const MOST_TIMEOUT_NS = 60e9;
const MOST_RETRIES = 12;
const DUPLICATES = 3;
export const DEFAULT_MSS = 536;

/** Signed distance of two sequence numbers. */
export const ahead = (a: number, b: number): number => (a - b) | 0;

export interface SenderParts {
  clock: NetClock;
  /** Sends a segment: flags, number, payload by offset in the queue. Returns false if the guest has no room. */
  emit: (flags: number, seq: number, length: number, fill: (target: Uint8Array) => void) => boolean;
  /** Most bytes of payload in one frame. */
  most: () => number;
  /** The guest does not answer any more. */
  givenUp: () => void;
}

export class TcpSender {
  readonly queue = new ByteQueue();
  mss = DEFAULT_MSS;
  scale = 0;
  readonly #parts: SenderParts;
  /** Number of the first byte of the queue; before the SYN is acknowledged, of the SYN. */
  #una: number;
  #isSynSent = false;
  #synFlags = 0;
  #isOpen = false;
  /** Bytes sent and, with the FIN, the most that were ever sent, from #una on. */
  #sent = 0;
  #high = 0;
  #window = 0;
  #hasEnded = false;
  #isFinSent = false;
  /** The guest has acknowledged the FIN. */
  isDone = false;
  #isBlocked = false;
  #duplicates = 0;
  #retries = 0;
  #timer: { cancel(): void } | null = null;
  #since = 0n;

  constructor(parts: SenderParts, iss: number) {
    this.#parts = parts;
    this.#una = iss;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The number of what is sent next. */
  get next(): number {
    const extra = (this.#isSynSent && !this.#isOpen ? 1 : 0) + (this.#isFinSent ? 1 : 0);
    return (this.#una + this.#sent + extra) >>> 0;
  }

  /** Sends a SYN, alone or with the acknowledgement of another. */
  open(flags: number): void {
    this.#synFlags = flags;
    this.#isSynSent = true;
    this.#high = 1;
    this.#progress();
    this.#isBlocked = !this.#parts.emit(flags, this.#una, 0, () => {});
    this.#arm();
  }

  /** Nothing more will be appended: a FIN follows the last byte. */
  end(): void {
    this.#hasEnded = true;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** The card has room again. */
  unblock(): void {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    if (this.#isOpen) this.output();
    else if (this.#isSynSent) this.open(this.#synFlags);
  }

  /** Takes the acknowledgement of a segment. Returns false if it is of what was never sent. */
  acknowledge({ ack, window, payload, flags }: Segment): boolean {
    const count = ahead(ack, this.#una);
    if (count > this.#high) return false;
    if (count < 0) return true;
    const size = flags & Flag.SYN ? window : window << this.scale;
    if (count > 0) this.#advance(count);
    else if (payload.length === 0 && size === this.#window && this.#sent > 0 && !(flags & Flag.FIN)) {
      if (++this.#duplicates === DUPLICATES) this.#send(0, Math.min(this.mss, this.queue.length));
    }
    this.#window = size;
    return true;
  }

  #advance(acknowledged: number): void {
    let count = acknowledged;
    this.#high -= count;
    this.#una = (this.#una + count) >>> 0;
    this.#progress();
    if (!this.#isOpen) {
      this.#isOpen = true;
      count--;
    }
    if (count > this.queue.length) {
      this.isDone = true;
      this.#isFinSent = false;
      count = this.queue.length;
    }
    this.queue.drop(count);
    this.#sent = Math.max(0, this.#sent - count);
  }

  #progress(): void {
    this.#duplicates = 0;
    this.#retries = 0;
    this.#since = this.#parts.clock.now();
  }

  /** Sends what the guest's window and the card have room for. */
  output(): void {
    if (!this.#isOpen || this.#isBlocked || this.isDone) return;
    const { queue } = this;
    for (;;) {
      const unsent = queue.length - this.#sent;
      const length = Math.min(unsent, this.#window - this.#sent, this.#parts.most());
      if (length <= 0 || (length < this.mss && this.#mayWait(length < unsent))) break;
      if (!this.#send(this.#sent, length)) return;
      this.#sent += length;
      this.#high = Math.max(this.#high, this.#sent);
    }
    if (this.#hasEnded && !this.#isFinSent && this.#sent === queue.length) {
      this.#isBlocked = !this.#parts.emit(Flag.FIN | Flag.ACK, (this.#una + this.#sent) >>> 0, 0, () => {});
      if (this.#isBlocked) return;
      if (this.#sent === 0) this.#since = this.#parts.clock.now();
      this.#isFinSent = true;
      this.#high = queue.length + 1;
    }
    this.#arm();
  }

  /**
   * Whether less than a segment waits for more: for a wider window while something is under way; and for more data while
   * so much is under way that the guest acknowledges it at once (RFC 9293, "Silly Window Syndrome Avoidance").
   */
  #mayWait(isCutByWindow: boolean): boolean {
    return isCutByWindow ? this.#sent > 0 : this.#sent > 2 * this.mss && !this.#hasEnded;
  }

  #send(offset: number, length: number): boolean {
    const flags = offset + length === this.queue.length ? Flag.ACK | Flag.PSH : Flag.ACK;
    const seq = (this.#una + offset) >>> 0;
    this.#isBlocked = !this.#parts.emit(flags, seq, length, (target) => this.queue.copy(offset, target));
    if (offset === 0) this.#since = this.#parts.clock.now();
    return !this.#isBlocked;
  }

  get #isWaiting(): boolean {
    return !this.isDone && (!this.#isOpen || this.#isFinSent || this.queue.length > 0);
  }

  #arm(): void {
    if (this.#timer || !this.#isWaiting) return;
    this.#since = this.#parts.clock.now();
    this.#schedule();
  }

  #schedule(): void {
    const timeout = Math.min(MOST_TIMEOUT_NS, FIRST_TIMEOUT_NS * 2 ** this.#retries);
    this.#timer = this.#parts.clock.schedule(this.#since + BigInt(timeout), () => this.#expire(timeout));
  }

  #expire(timeout: number): void {
    this.#timer = null;
    if (!this.#isWaiting) return;
    const { clock, givenUp } = this.#parts;
    const isEarly = clock.now() - this.#since < BigInt(timeout);
    if (this.#isBlocked) this.#since = clock.now();
    if (!isEarly && !this.#isBlocked) {
      if (++this.#retries > MOST_RETRIES) {
        givenUp();
        return;
      }
      this.#since = clock.now();
      this.#repeat();
    }
    if (!this.#timer) this.#schedule();
  }

  #repeat(): void {
    if (!this.#isOpen) this.#isBlocked = !this.#parts.emit(this.#synFlags, this.#una, 0, () => {});
    else if (this.#window === 0 && this.queue.length > 0) this.#probe();
    else {
      this.#sent = 0;
      this.#isFinSent = false;
      this.output();
    }
  }

  /** One byte beyond a closed window (RFC 9293, "Zero-Window Probing"). */
  #probe(): void {
    if (this.#send(0, 1)) this.#high = Math.max(this.#high, 1);
  }
}
