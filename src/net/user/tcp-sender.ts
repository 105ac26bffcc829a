/**
 * The half of a TCP connection that sends to the guest (RFC 9293, "Data Communication"). The way to the guest loses
 * nothing, for a card without room makes us wait; what the guest itself drops is sent again, by a timer of virtual time
 * or after three equal acknowledgements. There is no congestion, hence no control of it.
 */
import { copyOf, type Saved } from '../../saved.ts';
import type { NetTimer } from '../backend.ts';
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
  now: () => bigint;
  /** Makes the one timer there is. */
  timer: (fires: () => void) => NetTimer;
  /** Sends a segment: flags, number, payload by offset in the queue. Returns false where the guest has no room. */
  emit: (flags: number, seq: number, length: number, fill: (target: Uint8Array) => void) => boolean;
  /** Most bytes of payload in one frame. */
  most: () => number;
  /** The guest does not answer any more. */
  givenUp: () => void;
}

/** The numbers of the half. */
type SenderNumbers = {
  /** Number of the first byte of the queue; before the SYN is acknowledged, of the SYN. */
  una: number;
  isSynSent: boolean;
  synFlags: number;
  isOpen: boolean;
  /** Bytes sent and, with the FIN, the most that were ever sent, from `una` on. */
  sent: number;
  high: number;
  window: number;
  hasEnded: boolean;
  isFinSent: boolean;
  isBlocked: boolean;
  duplicates: number;
  retries: number;
  since: bigint;
  /** From `since` until the timer fires, as it was when the timer was armed. */
  timeout: number;
};

export type SenderState = { numbers: SenderNumbers; mss: number; scale: number; isDone: boolean; queue: Uint8Array };

export class TcpSender implements Saved<SenderState> {
  readonly queue = new ByteQueue();
  mss = DEFAULT_MSS;
  scale = 0;
  readonly #parts: SenderParts;
  #state: SenderNumbers = {
    una: 0,
    isSynSent: false,
    synFlags: 0,
    isOpen: false,
    sent: 0,
    high: 0,
    window: 0,
    hasEnded: false,
    isFinSent: false,
    isBlocked: false,
    duplicates: 0,
    retries: 0,
    since: 0n,
    timeout: FIRST_TIMEOUT_NS,
  };
  /** The guest has acknowledged the FIN. */
  isDone = false;
  readonly #timer: NetTimer;

  constructor(parts: SenderParts, iss: number) {
    this.#parts = parts;
    this.#timer = parts.timer(() => this.#expire());
    this.#state.una = iss;
  }

  save(): SenderState {
    const { mss, scale, isDone } = this;
    return { numbers: copyOf(this.#state), mss, scale, isDone, queue: this.queue.save() };
  }

  load({ numbers, mss, scale, isDone, queue }: SenderState): void {
    this.#state = copyOf(numbers);
    Object.assign(this, { mss, scale, isDone });
    this.queue.load(queue);
  }

  /** Nothing more comes of the host. */
  get hasEnded(): boolean {
    return this.#state.hasEnded;
  }

  get isOpen(): boolean {
    return this.#state.isOpen;
  }

  /** The number of what is sent next. */
  get next(): number {
    const extra = (this.#state.isSynSent && !this.#state.isOpen ? 1 : 0) + (this.#state.isFinSent ? 1 : 0);
    return (this.#state.una + this.#state.sent + extra) >>> 0;
  }

  /** Sends a SYN, alone or with the acknowledgement of another. */
  open(flags: number): void {
    this.#state.synFlags = flags;
    this.#state.isSynSent = true;
    this.#state.high = 1;
    this.#progress();
    this.#state.isBlocked = !this.#parts.emit(flags, this.#state.una, 0, () => {});
    this.#arm();
  }

  /** Nothing more will be appended: a FIN follows the last byte. */
  end(): void {
    this.#state.hasEnded = true;
  }

  stop(): void {
    this.#timer.remove();
  }

  /** The card has room again. */
  unblock(): void {
    if (!this.#state.isBlocked) return;
    this.#state.isBlocked = false;
    if (this.#state.isOpen) this.output();
    else if (this.#state.isSynSent) this.open(this.#state.synFlags);
  }

  /** Takes the acknowledgement of a segment. Returns false if it is of what was never sent. */
  acknowledge({ ack, window, payload, flags }: Segment): boolean {
    const count = ahead(ack, this.#state.una);
    if (count > this.#state.high) return false;
    if (count < 0) return true;
    const size = flags & Flag.SYN ? window : window << this.scale;
    if (count > 0) this.#advance(count);
    else if (payload.length === 0 && size === this.#state.window && this.#state.sent > 0 && !(flags & Flag.FIN)) {
      if (++this.#state.duplicates === DUPLICATES) this.#send(0, Math.min(this.mss, this.queue.length));
    }
    this.#state.window = size;
    return true;
  }

  #advance(acknowledged: number): void {
    let count = acknowledged;
    this.#state.high -= count;
    this.#state.una = (this.#state.una + count) >>> 0;
    this.#progress();
    if (!this.#state.isOpen) {
      this.#state.isOpen = true;
      count--;
    }
    if (count > this.queue.length) {
      this.isDone = true;
      this.#state.isFinSent = false;
      count = this.queue.length;
    }
    this.queue.drop(count);
    this.#state.sent = Math.max(0, this.#state.sent - count);
  }

  #progress(): void {
    this.#state.duplicates = 0;
    this.#state.retries = 0;
    this.#state.since = this.#parts.now();
  }

  /** Sends what the guest's window and the card have room for. */
  output(): void {
    if (!this.#state.isOpen || this.#state.isBlocked || this.isDone) return;
    const { queue } = this;
    for (;;) {
      const unsent = queue.length - this.#state.sent;
      const length = Math.min(unsent, this.#state.window - this.#state.sent, this.#parts.most());
      if (length <= 0 || (length < this.mss && this.#mayWait(length < unsent))) break;
      if (!this.#send(this.#state.sent, length)) return;
      this.#state.sent += length;
      this.#state.high = Math.max(this.#state.high, this.#state.sent);
    }
    if (this.#state.hasEnded && !this.#state.isFinSent && this.#state.sent === queue.length) {
      this.#state.isBlocked = !this.#parts.emit(
        Flag.FIN | Flag.ACK,
        (this.#state.una + this.#state.sent) >>> 0,
        0,
        () => {},
      );
      if (this.#state.isBlocked) return;
      if (this.#state.sent === 0) this.#state.since = this.#parts.now();
      this.#state.isFinSent = true;
      this.#state.high = queue.length + 1;
    }
    this.#arm();
  }

  /**
   * Whether less than a segment waits for more: for a wider window while something is under way; and for more data while
   * so much is under way that the guest acknowledges it at once (RFC 9293, "Silly Window Syndrome Avoidance").
   */
  #mayWait(isCutByWindow: boolean): boolean {
    return isCutByWindow ? this.#state.sent > 0 : this.#state.sent > 2 * this.mss && !this.#state.hasEnded;
  }

  #send(offset: number, length: number): boolean {
    const flags = offset + length === this.queue.length ? Flag.ACK | Flag.PSH : Flag.ACK;
    const seq = (this.#state.una + offset) >>> 0;
    this.#state.isBlocked = !this.#parts.emit(flags, seq, length, (target) => this.queue.copy(offset, target));
    if (offset === 0) this.#state.since = this.#parts.now();
    return !this.#state.isBlocked;
  }

  get #isWaiting(): boolean {
    return !this.isDone && (!this.#state.isOpen || this.#state.isFinSent || this.queue.length > 0);
  }

  #arm(): void {
    if (this.#timer.deadline !== null || !this.#isWaiting) return;
    this.#state.since = this.#parts.now();
    this.#schedule();
  }

  #schedule(): void {
    this.#state.timeout = Math.min(MOST_TIMEOUT_NS, FIRST_TIMEOUT_NS * 2 ** this.#state.retries);
    this.#timer.arm(this.#state.since + BigInt(this.#state.timeout));
  }

  #expire(): void {
    if (!this.#isWaiting) return;
    const { now, givenUp } = this.#parts;
    const isEarly = now() - this.#state.since < BigInt(this.#state.timeout);
    if (this.#state.isBlocked) this.#state.since = now();
    if (!isEarly && !this.#state.isBlocked) {
      if (++this.#state.retries > MOST_RETRIES) {
        givenUp();
        return;
      }
      this.#state.since = now();
      this.#repeat();
    }
    if (this.#timer.deadline === null) this.#schedule();
  }

  #repeat(): void {
    if (!this.#state.isOpen)
      this.#state.isBlocked = !this.#parts.emit(this.#state.synFlags, this.#state.una, 0, () => {});
    else if (this.#state.window === 0 && this.queue.length > 0) this.#probe();
    else {
      this.#state.sent = 0;
      this.#state.isFinSent = false;
      this.output();
    }
  }

  /** One byte beyond a closed window (RFC 9293, "Zero-Window Probing"). */
  #probe(): void {
    if (this.#send(0, 1)) this.#state.high = Math.max(this.#state.high, 1);
  }
}
