/** What keyboard and mouse have in common behind the controller: bytes both ways, one at a time (IBM PS/2 protocol). */

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

export abstract class Ps2Device {
  /** Called when there are new bytes to take. */
  ready: () => void = () => {};
  #replies: number[] = [];
  #events: number[] = [];
  #last = 0;
  #argumentOf: number | null = null;

  /** The next byte for the host, undefined if there is none. Replies go before events. */
  take(): number | undefined {
    if (this.#replies.length === 0 && this.#events.length === 0) this.report();
    const byte = this.#replies.shift() ?? this.#events.shift();
    this.#last = byte ?? this.#last;
    return byte;
  }

  /** A byte from the host: a command, or the argument of the last one. */
  write(byte: number): void {
    const command = this.#argumentOf;
    this.#argumentOf = null;
    if (command !== null && byte < FIRST_COMMAND) {
      this.reply(Reply.ACK);
      this.argument(command, byte);
    } else if (byte === RESEND) this.reply(this.#last);
    else this.command(byte);
    this.ready();
  }

  /** Queues events, all of them or none. */
  protected send(bytes: readonly number[]): void {
    if (this.#events.length + bytes.length <= MOST_EVENTS) this.#events.push(...bytes);
  }

  protected reply(...bytes: number[]): void {
    this.#replies.push(...bytes);
  }

  protected expectArgument(command: number): void {
    this.reply(Reply.ACK);
    this.#argumentOf = command;
  }

  protected forgetEvents(): void {
    this.#events = [];
  }

  /** Sends what has gathered, if the device gathers. */
  protected report(): void {}

  protected abstract command(byte: number): void;
  protected abstract argument(command: number, byte: number): void;
}
