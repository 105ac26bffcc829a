/**
 * The keyboard controller of a PC (IBM "Personal Computer AT Technical Reference", "Keyboard Controller", with the second
 * port of the PS/2): a one-byte output buffer that keyboard, mouse and controller share, and the reset and A20 lines.
 */
import type { Width } from '../core/types.ts';
import { copyOf, type Saved } from '../saved.ts';
import type { A20Gate, IoDevice, IrqLine } from './device.ts';
import type { Ps2Device } from './i8042-device.ts';
import { Ps2Keyboard } from './i8042-keyboard.ts';
import { Prefix, translated } from './i8042-keys.ts';
import { Ps2Mouse } from './i8042-mouse.ts';

const Status = { FULL: 1, SYSTEM: 4, COMMAND: 8, UNLOCKED: 0x10, MOUSE: 0x20 } as const;
const Config = {
  KEYBOARD_IRQ: 1,
  MOUSE_IRQ: 2,
  SYSTEM: 4,
  NO_KEYBOARD: 0x10,
  NO_MOUSE: 0x20,
  TRANSLATE: 0x40,
} as const;
/** As firmware leaves it: both ports open, interrupts on, translation on. */
const INITIAL_CONFIG = Config.KEYBOARD_IRQ | Config.MOUSE_IRQ | Config.SYSTEM | Config.TRANSLATE;
const RESET_LINE = 1;
const A20_LINE = 2;
/** Output port bits that follow the full buffer. */
const OutputPort = { KEYBOARD: 0x10, MOUSE: 0x20 } as const;

const Command = {
  READ_CONFIG: 0x20,
  WRITE_CONFIG: 0x60,
  NO_MOUSE: 0xa7,
  MOUSE: 0xa8,
  TEST_MOUSE: 0xa9,
  TEST: 0xaa,
  TEST_KEYBOARD: 0xab,
  NO_KEYBOARD: 0xad,
  KEYBOARD: 0xae,
  READ_INPUT: 0xc0,
  READ_OUTPUT: 0xd0,
  WRITE_OUTPUT: 0xd1,
  FROM_KEYBOARD: 0xd2,
  FROM_MOUSE: 0xd3,
  TO_MOUSE: 0xd4,
  CLOSE_A20: 0xdd,
  OPEN_A20: 0xdf,
  READ_TEST: 0xe0,
  PULSE: 0xf0,
} as const;

export interface I8042Parts {
  keyboardIrq: IrqLine;
  mouseIrq: IrqLine;
  reset: () => void;
  a20: A20Gate;
}

type Output = { byte: number; isMouse: boolean };

/** What the controller itself knows. */
export type I8042ControllerState = {
  config: number;
  /** What the controller itself has to say. */
  replies: Output[];
  output: Output | null;
  lastByte: number;
  /** The command that waits for its data byte. */
  expecting: number | null;
  lastWasCommand: boolean;
};

export type I8042State = {
  controller: I8042ControllerState;
  keyboard: ReturnType<Ps2Keyboard['save']>;
  mouse: ReturnType<Ps2Mouse['save']>;
};

/** Offset 0 is port 0x60 (data), offset 4 is port 0x64 (status and command). */
export class I8042 implements IoDevice, Saved<I8042State> {
  readonly maxWidth = 1;
  readonly keyboard = new Ps2Keyboard();
  readonly mouse = new Ps2Mouse();
  readonly #parts: I8042Parts;
  #state: I8042ControllerState = {
    config: INITIAL_CONFIG,
    replies: [],
    output: null,
    lastByte: 0,
    expecting: null,
    lastWasCommand: false,
  };

  constructor(parts: I8042Parts) {
    this.#parts = parts;
    this.keyboard.ready = this.mouse.ready = () => this.#fill();
  }

  save(): I8042State {
    return { controller: copyOf(this.#state), keyboard: this.keyboard.save(), mouse: this.mouse.save() };
  }

  load({ controller, keyboard, mouse }: I8042State): void {
    this.#state = copyOf(controller);
    this.keyboard.load(keyboard);
    this.mouse.load(mouse);
  }

  read(offset: number, _width: Width): number {
    if (offset !== 0) return this.#status();
    if (this.#state.output) {
      this.#state.lastByte = this.#state.output.byte;
      this.#state.output = null;
      this.#drive();
      this.#fill();
    }
    return this.#state.lastByte;
  }

  write(offset: number, _width: Width, value: number): void {
    this.#state.lastWasCommand = offset !== 0;
    if (offset === 0) this.#data(value);
    else this.#command(value);
    this.#fill();
  }

  #status(): number {
    return (
      Status.UNLOCKED |
      (this.#state.config & Status.SYSTEM) |
      (this.#state.output ? Status.FULL : 0) |
      (this.#state.output?.isMouse ? Status.MOUSE : 0) |
      (this.#state.lastWasCommand ? Status.COMMAND : 0)
    );
  }

  #data(value: number): void {
    const command = this.#state.expecting;
    this.#state.expecting = null;
    switch (command) {
      case Command.WRITE_CONFIG:
        this.#state.config = value;
        this.#drive();
        break;
      case Command.WRITE_OUTPUT:
        this.#parts.a20.isOpen = (value & A20_LINE) !== 0;
        if ((value & RESET_LINE) === 0) this.#parts.reset();
        break;
      case Command.FROM_KEYBOARD:
      case Command.FROM_MOUSE:
        this.#reply(value, command === Command.FROM_MOUSE);
        break;
      case Command.TO_MOUSE:
        this.mouse.write(value);
        break;
      default:
        // What is sent to the keyboard opens its port.
        this.#state.config &= ~Config.NO_KEYBOARD;
        this.keyboard.write(value);
    }
  }

  #command(value: number): void {
    this.#state.expecting = null;
    if (value >= Command.PULSE && (value & RESET_LINE) === 0) this.#parts.reset();
    switch (value) {
      case Command.READ_CONFIG:
        this.#reply(this.#state.config);
        break;
      case Command.WRITE_CONFIG:
      case Command.WRITE_OUTPUT:
      case Command.FROM_KEYBOARD:
      case Command.FROM_MOUSE:
      case Command.TO_MOUSE:
        this.#state.expecting = value;
        break;
      case Command.TEST:
        this.#state.config |= Config.SYSTEM;
        this.#reply(0x55);
        break;
      case Command.TEST_MOUSE:
      case Command.TEST_KEYBOARD:
      case Command.READ_TEST:
        this.#reply(0);
        break;
      case Command.NO_MOUSE:
        this.#state.config |= Config.NO_MOUSE;
        break;
      case Command.MOUSE:
        this.#state.config &= ~Config.NO_MOUSE;
        break;
      case Command.NO_KEYBOARD:
        this.#state.config |= Config.NO_KEYBOARD;
        break;
      case Command.KEYBOARD:
        this.#state.config &= ~Config.NO_KEYBOARD;
        break;
      case Command.READ_INPUT:
        this.#reply(0x80);
        break;
      case Command.READ_OUTPUT:
        this.#reply(this.#outputPort());
        break;
      case Command.CLOSE_A20:
      case Command.OPEN_A20:
        this.#parts.a20.isOpen = value === Command.OPEN_A20;
        break;
    }
  }

  #outputPort(): number {
    const full = this.#state.output ? (this.#state.output.isMouse ? OutputPort.MOUSE : OutputPort.KEYBOARD) : 0;
    return RESET_LINE | (this.#parts.a20.isOpen ? A20_LINE : 0) | full;
  }

  #reply(byte: number, isMouse = false): void {
    this.#state.replies.push({ byte, isMouse });
  }

  /** Puts the next byte into the buffer once that is empty. */
  #fill(): void {
    this.#state.output ??= this.#state.replies.shift() ?? this.#fromKeyboard() ?? this.#fromMouse();
    this.#drive();
  }

  #fromKeyboard(): Output | null {
    if (this.#state.config & Config.NO_KEYBOARD) return null;
    let byte = this.keyboard.take();
    if (byte !== undefined && this.#state.config & Config.TRANSLATE) {
      let release = 0;
      if (byte === Prefix.RELEASE) {
        release = 0x80;
        byte = this.keyboard.take() ?? 0;
      }
      byte = translated(byte) | release;
    }
    return byte === undefined ? null : { byte, isMouse: false };
  }

  #fromMouse(): Output | null {
    const byte = this.#state.config & Config.NO_MOUSE ? undefined : (this.mouse as Ps2Device).take();
    return byte === undefined ? null : { byte, isMouse: true };
  }

  #drive(): void {
    const { keyboardIrq, mouseIrq } = this.#parts;
    keyboardIrq(this.#state.output?.isMouse === false && (this.#state.config & Config.KEYBOARD_IRQ) !== 0);
    mouseIrq(this.#state.output?.isMouse === true && (this.#state.config & Config.MOUSE_IRQ) !== 0);
  }
}
