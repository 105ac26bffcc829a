/** What keyboard and mouse have in common behind the controller: bytes both ways, one at a time (IBM PS/2 protocol). */
import { copyOf, type Plain, type Saved } from '../saved.ts';

export const Reply = { ACK: 0xfa, RESEND: 0xfe, PASSED: 0xaa } as const;
/** Commands that both know. */
export const Command = {
  IDENTIFY: 0xf2,
  RATE: 0xf3,
  ENABLE: 0xf4,
  DISABLE: 0xf5,
  DEFAULTS: 0xf6,
  RESET: 0xff,
} as const;
const RESEND = 0xfe;
const FIRST_COMMAND = 0xe0;
/** A guest that never reads does not pile up more. */
const MOST_EVENTS = 1 << 16;

/** What is under way between the device and its host. */
export type Ps2State = {
  replies: number[];
  events: number[];
  last: number;
  argumentOf: number | null;
};

export abstract class Ps2Device<Own extends Plain = Plain> implements Saved<{ link: Ps2State; own: Own }> {
  /** Called when bytes came in that somebody may take. */
  ready: () => void = () => {};
  #state: Ps2State = {
    replies: [],
    events: [],
    last: 0,
    argumentOf: null,
  };

  /** What the device itself knows. */
  protected abstract own: Own;

  save(): { link: Ps2State; own: Own } {
    return copyOf({ link: this.#state, own: this.own });
  }

  load(state: { link: Ps2State; own: Own }): void {
    const { link, own } = copyOf(state);
    this.#state = link;
    this.own = own;
  }

  /** The next byte for the host, undefined if there is none. Replies go before events. */
  take(): number | undefined {
    if (this.#state.replies.length === 0 && this.#state.events.length === 0) this.report();
    const byte = this.#state.replies.shift() ?? this.#state.events.shift();
    this.#state.last = byte ?? this.#state.last;
    return byte;
  }

  /** A byte from the host: a command, or the argument of the last one. */
  write(byte: number): void {
    const command = this.#state.argumentOf;
    this.#state.argumentOf = null;
    if (command !== null && byte < FIRST_COMMAND) {
      this.reply(Reply.ACK);
      this.argument(command, byte);
    } else if (byte === RESEND) this.reply(this.#state.last);
    else this.command(byte);
    this.ready();
  }

  /** Queues events, all of them or none. */
  protected send(bytes: readonly number[]): void {
    if (this.#state.events.length + bytes.length <= MOST_EVENTS) this.#state.events.push(...bytes);
  }

  protected reply(...bytes: number[]): void {
    this.#state.replies.push(...bytes);
  }

  protected expectArgument(command: number): void {
    this.reply(Reply.ACK);
    this.#state.argumentOf = command;
  }

  protected forgetEvents(): void {
    this.#state.events = [];
  }

  /** Sends what has gathered, if the device gathers. */
  protected report(): void {}

  protected abstract command(byte: number): void;
  protected abstract argument(command: number, byte: number): void;
}
