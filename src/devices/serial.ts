/**
 * A 16550A UART (National Semiconductor PC16550D data sheet). Transmission takes no time: the holding register is empty
 * again at once. Input from the host waits in a queue and enters the receiver at the speed of the line, when the guest
 * has read what was there.
 */
import type { Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import type { Clock, Timer } from './clock.ts';
import type { IoDevice, IrqLine } from './device.ts';

const Ier = { RECEIVED: 1, THR_EMPTY: 2, LINE_STATUS: 4, MODEM_STATUS: 8 } as const;
const Iir = { MODEM_STATUS: 0, NONE: 1, THR_EMPTY: 2, RECEIVED: 4, LINE_STATUS: 6, TIMEOUT: 12, FIFOS: 0xc0 } as const;
const Lcr = { BREAK: 0x40, DLAB: 0x80 } as const;
const Mcr = { DTR: 1, RTS: 2, OUT1: 4, OUT2: 8, LOOP: 0x10 } as const;
const Fcr = { ENABLE: 1, CLEAR_RECEIVER: 2 } as const;
/** Line status; the error bits keep their places when they travel with a character. */
export const Lsr = {
  DATA_READY: 1,
  OVERRUN: 2,
  PARITY: 4,
  FRAMING: 8,
  BREAK: 0x10,
  THR_EMPTY: 0x20,
  IDLE: 0x40,
  FIFO_ERROR: 0x80,
} as const;
/** Modem status: the four lines; their change bits are the low half. */
export const Msr = { CTS: 0x10, DSR: 0x20, RI: 0x40, DCD: 0x80 } as const;

const FIFO_BYTES = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14];
const CHARACTER_ERRORS = Lsr.PARITY | Lsr.FRAMING | Lsr.BREAK;
const CRYSTAL_HZ = 1_843_200;
const BITS_PER_CHARACTER = 10;
const RESET_DIVISOR = 12;

export interface SerialParts {
  irq: IrqLine;
  clock: Clock;
  /** Receives every byte that leaves the UART. */
  output: (byte: number) => void;
}

/** What a guest can tell apart. */
export type SerialState = {
  /** Host bytes on their way, oldest first from `hostAt`. */
  host: number[];
  hostAt: number;
  /** Received characters with their error bits above bit 8. */
  received: number[];
  timedOut: boolean;
  overrun: boolean;
  thrInterrupt: boolean;
  irqLevel: boolean;
  divisor: number;
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  scratch: number;
  modemLines: number;
  modemChanges: number;
};

export class Serial implements IoDevice, Saved<SerialState> {
  readonly maxWidth = 1;
  readonly #parts: SerialParts;
  #state: SerialState = {
    host: [],
    hostAt: 0,
    received: [],
    timedOut: false,
    overrun: false,
    thrInterrupt: false,
    irqLevel: false,
    divisor: RESET_DIVISOR,
    ier: 0,
    fcr: 0,
    lcr: 0,
    mcr: 0,
    scratch: 0,
    modemLines: Msr.CTS | Msr.DSR | Msr.DCD,
    modemChanges: 0,
  };
  readonly #arrival: Timer;
  readonly #timeout: Timer;

  constructor(parts: SerialParts) {
    this.#parts = parts;
    this.#arrival = parts.clock.timer('arrival', () => this.#arrive());
    this.#timeout = parts.clock.timer('timeout', () => {
      this.#state.timedOut = true;
      this.#update();
    });
  }

  /** Queues bytes for the guest to receive. */
  send(bytes: Iterable<number>): void {
    for (const byte of bytes) this.#state.host.push(byte & 0xff);
    if (this.#arrival.deadline === null && this.#state.received.length === 0) this.#arrive();
  }

  /** The far end holds the line low: a zero character with the break and framing flags. */
  sendBreak(): void {
    this.#receive(0 | ((Lsr.BREAK | Lsr.FRAMING) << 8));
  }

  /** Sets the modem input lines (a combination of `Msr` bits); at first CTS, DSR and DCD are active. */
  setModemLines(lines: number): void {
    const before = this.#modemStatus();
    this.#state.modemLines = lines & 0xf0;
    this.#noteModemChange(before);
    this.#update();
  }

  save(): SerialState {
    return copyOf(this.#state);
  }

  load(state: SerialState): void {
    this.#state = copyOf(state);
  }

  read(offset: number, _width: Width): number {
    switch (offset) {
      case 0:
        return this.#dlab ? this.#state.divisor & 0xff : this.#readReceiver();
      case 1:
        return this.#dlab ? this.#state.divisor >> 8 : this.#state.ier;
      case 2:
        return this.#readIdentification();
      case 3:
        return this.#state.lcr;
      case 4:
        return this.#state.mcr;
      case 5:
        return this.#readLineStatus();
      case 6:
        return this.#readModemStatus();
      default:
        return this.#state.scratch;
    }
  }

  write(offset: number, _width: Width, value: number): void {
    switch (offset) {
      case 0:
        if (this.#dlab) this.#state.divisor = (this.#state.divisor & 0xff00) | value;
        else this.#transmit(value);
        break;
      case 1:
        if (this.#dlab) this.#state.divisor = (this.#state.divisor & 0x00ff) | (value << 8);
        else this.#enableInterrupts(value);
        break;
      case 2:
        this.#controlFifo(value);
        break;
      case 3:
        this.#controlLine(value);
        break;
      case 4:
        this.#controlModem(value);
        break;
      case 7:
        this.#state.scratch = value;
        return;
    }
    this.#update();
  }

  get #dlab(): boolean {
    return (this.#state.lcr & Lcr.DLAB) !== 0;
  }

  get #loop(): boolean {
    return (this.#state.mcr & Mcr.LOOP) !== 0;
  }

  get #fifos(): boolean {
    return (this.#state.fcr & Fcr.ENABLE) !== 0;
  }

  get #characterNs(): number {
    const divisor = Math.max(this.#state.divisor, 1);
    return Math.ceil((BITS_PER_CHARACTER * 16 * divisor * 1e9) / CRYSTAL_HZ);
  }

  #characterMask(): number {
    return 0xff >> (3 - (this.#state.lcr & 3));
  }

  #transmit(value: number): void {
    this.#state.thrInterrupt = false;
    this.#update();
    const character = value & this.#characterMask();
    if (this.#loop) this.#receive(character);
    else this.#parts.output(character);
    this.#state.thrInterrupt = true;
  }

  #enableInterrupts(value: number): void {
    const newlyEnabled = value & ~this.#state.ier;
    this.#state.ier = value & 0x0f;
    if (newlyEnabled & Ier.THR_EMPTY) this.#state.thrInterrupt = true;
  }

  #controlFifo(value: number): void {
    const toggles = ((value ^ this.#state.fcr) & Fcr.ENABLE) !== 0;
    if (toggles || value & Fcr.CLEAR_RECEIVER) this.#clearReceiver();
    this.#state.fcr = value & Fcr.ENABLE ? value & 0xc9 : 0;
  }

  #controlLine(value: number): void {
    const startsBreak = (value & ~this.#state.lcr & Lcr.BREAK) !== 0;
    this.#state.lcr = value;
    if (startsBreak && this.#loop) this.sendBreak();
  }

  #controlModem(value: number): void {
    const before = this.#modemStatus();
    this.#state.mcr = value & 0x1f;
    this.#noteModemChange(before);
    this.#expectArrival();
  }

  /** In loopback the modem inputs are the modem control outputs. */
  #modemStatus(): number {
    if (!this.#loop) return this.#state.modemLines;
    const { DTR, RTS, OUT1, OUT2 } = Mcr;
    const wires = [
      [RTS, Msr.CTS],
      [DTR, Msr.DSR],
      [OUT1, Msr.RI],
      [OUT2, Msr.DCD],
    ];
    return wires.reduce((lines, [output, input]) => lines | (this.#state.mcr & output ? input : 0), 0);
  }

  /** CTS, DSR and DCD report any change; RI reports its trailing edge alone. */
  #noteModemChange(before: number): void {
    const now = this.#modemStatus();
    const changed = (before ^ now) & ~(now & Msr.RI);
    this.#state.modemChanges |= changed >> 4;
  }

  #readModemStatus(): number {
    const value = this.#modemStatus() | this.#state.modemChanges;
    this.#state.modemChanges = 0;
    this.#update();
    return value;
  }

  #lineStatus(): number {
    let status: number = Lsr.THR_EMPTY | Lsr.IDLE;
    if (this.#state.received.length > 0) status |= Lsr.DATA_READY | (this.#state.received[0] >> 8);
    if (this.#state.overrun) status |= Lsr.OVERRUN;
    if (this.#state.received.length > 0 && this.#fifos && this.#state.received.some((one) => one > 0xff))
      status |= Lsr.FIFO_ERROR;
    return status;
  }

  #readLineStatus(): number {
    const status = this.#lineStatus();
    this.#state.overrun = false;
    if (this.#state.received.length > 0) this.#state.received[0] &= 0xff;
    this.#update();
    return status;
  }

  #readIdentification(): number {
    const source = this.#interruptSource();
    if (source === Iir.THR_EMPTY) this.#state.thrInterrupt = false;
    this.#update();
    return source | (this.#fifos ? Iir.FIFOS : 0);
  }

  #readReceiver(): number {
    const character = this.#state.received.shift() ?? 0;
    this.#restartTimeout();
    this.#update();
    this.#expectArrival();
    return character & 0xff;
  }

  /** The next host byte comes one character time after the receiver ran empty. */
  #expectArrival(): void {
    if (this.#loop || this.#arrival.deadline !== null) return;
    if (this.#state.received.length > 0 || this.#state.hostAt === this.#state.host.length) return;
    this.#arrival.arm(this.#parts.clock.now() + BigInt(Math.ceil(this.#characterNs)));
  }

  /** Moves as many host bytes into the receiver as it holds; in loopback the receiver is cut off from the line. */
  #arrive(): void {
    if (this.#loop) return;
    const room = (this.#fifos ? FIFO_BYTES : 1) - this.#state.received.length;
    for (let i = 0; i < room && this.#state.hostAt < this.#state.host.length; i++) {
      this.#state.received.push(this.#state.host[this.#state.hostAt++] & this.#characterMask());
    }
    if (this.#state.hostAt === this.#state.host.length) {
      this.#state.host = [];
      this.#state.hostAt = 0;
    }
    this.#restartTimeout();
    this.#update();
  }

  /** A full FIFO keeps what it has and loses the newcomer; without FIFOs the newcomer replaces what was there. */
  #receive(character: number): void {
    const capacity = this.#fifos ? FIFO_BYTES : 1;
    if (this.#state.received.length < capacity) this.#state.received.push(character);
    else {
      this.#state.overrun = true;
      if (!this.#fifos) this.#state.received[0] = character;
    }
    this.#restartTimeout();
    this.#update();
  }

  #clearReceiver(): void {
    this.#state.received = [];
    this.#restartTimeout();
    this.#expectArrival();
  }

  /** "FIFO Interrupt Mode Operation": data below the trigger level report themselves after four character times. */
  #restartTimeout(): void {
    this.#state.timedOut = false;
    this.#timeout.cancel();
    if (!this.#fifos || this.#state.received.length === 0) return;
    this.#timeout.arm(this.#parts.clock.now() + BigInt(Math.ceil(4 * this.#characterNs)));
  }

  #reachesTrigger(): boolean {
    const trigger = this.#fifos ? TRIGGER_LEVELS[this.#state.fcr >> 6] : 1;
    return this.#state.received.length >= trigger;
  }

  /** The data sheet's table "Interrupt Control Functions", highest priority first. */
  #interruptSource(): number {
    if (this.#state.ier === 0) return Iir.NONE;
    const errors = this.#lineStatus() & (Lsr.OVERRUN | CHARACTER_ERRORS);
    if (this.#state.ier & Ier.LINE_STATUS && errors) return Iir.LINE_STATUS;
    if (this.#state.ier & Ier.RECEIVED && this.#reachesTrigger()) return Iir.RECEIVED;
    if (this.#state.ier & Ier.RECEIVED && this.#state.timedOut) return Iir.TIMEOUT;
    if (this.#state.ier & Ier.THR_EMPTY && this.#state.thrInterrupt) return Iir.THR_EMPTY;
    if (this.#state.ier & Ier.MODEM_STATUS && this.#state.modemChanges) return Iir.MODEM_STATUS;
    return Iir.NONE;
  }

  /** On a PC the OUT2 pin, inactive in loopback, connects the interrupt to the bus. */
  #update(): void {
    const isConnected = (this.#state.mcr & (Mcr.OUT2 | Mcr.LOOP)) === Mcr.OUT2;
    const level = isConnected && this.#interruptSource() !== Iir.NONE;
    if (level === this.#state.irqLevel) return;
    this.#state.irqLevel = level;
    this.#parts.irq(level);
  }
}
