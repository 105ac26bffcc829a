/**
 * A PS/2 mouse of three buttons, with a wheel once the host asks for it as Microsoft's IntelliMouse is asked: by the
 * sample rates 200, 100 and 80 in a row. Movement gathers until the last packet is read.
 */
import { Command, Ps2Device, Reply } from './i8042-device.ts';

const SCALING_1 = 0xe6;
const SCALING_2 = 0xe7;
const RESOLUTION = 0xe8;
const STATUS = 0xe9;
const STREAM = 0xea;
const READ = 0xeb;
const REMOTE = 0xf0;
const KNOCK = [200, 100, 80];
const Id = { PLAIN: 0, WHEEL: 3 } as const;
/** Buttons 0, 1 and 2 of MouseEvent.button are left, middle, right; in a packet bits 0, 2 and 1. */
const BUTTON_BITS = [1, 4, 2];
const DEFAULTS = { rate: 100, resolution: 2, isStreaming: false, isRemote: false, isScaled: false };

const limit = (value: number, most: number): number => Math.max(-most, Math.min(most - 1, value));

/** What a guest can tell apart. */
export type MouseState = {
  settings: { rate: number; resolution: number; isStreaming: boolean; isRemote: boolean; isScaled: boolean };
  id: number;
  rates: number[];
  moved: { x: number; y: number; wheel: number };
  buttons: number;
  hasNews: boolean;
};

export class Ps2Mouse extends Ps2Device<MouseState> {
  protected override own: MouseState = {
    settings: { ...DEFAULTS },
    id: Id.PLAIN,
    rates: [],
    moved: { x: 0, y: 0, wheel: 0 },
    buttons: 0,
    hasNews: false,
  };

  /** Moves right, down and towards the user. */
  move(x: number, y: number, wheel = 0): void {
    this.own.moved.x += Math.trunc(x);
    this.own.moved.y += Math.trunc(y);
    this.own.moved.wheel += Math.trunc(wheel);
    this.#tell();
  }

  /** Presses or releases a button by its number in MouseEvent.button. Throws RangeError unless it is 0, 1 or 2. */
  button(button: number, isDown: boolean): void {
    const bit = BUTTON_BITS[button];
    if (bit === undefined) throw new RangeError(`mouse button ${button} does not exist: there are 0, 1 and 2`);
    this.own.buttons = isDown ? this.own.buttons | bit : this.own.buttons & ~bit;
    this.#tell();
  }

  #tell(): void {
    if (!this.own.settings.isStreaming || this.own.settings.isRemote) return;
    this.own.hasNews = true;
    this.ready();
  }

  protected override report(): void {
    if (!this.own.hasNews) return;
    this.send(this.#packet());
    const { x, y, wheel } = this.own.moved;
    this.own.hasNews = x !== 0 || y !== 0 || wheel !== 0;
  }

  #packet(): number[] {
    const { x, y, wheel } = this.own.moved;
    const [right, up, back] = [limit(x, 256), limit(-y, 256), limit(wheel, 8)];
    this.own.moved = { x: x - right, y: y + up, wheel: this.own.id === Id.WHEEL ? wheel - back : 0 };
    const bytes = [8 | this.own.buttons | (right < 0 ? 0x10 : 0) | (up < 0 ? 0x20 : 0), right & 0xff, up & 0xff];
    return this.own.id === Id.WHEEL ? [...bytes, back & 0xff] : bytes;
  }

  #setDefaults(): void {
    this.own.settings = { ...DEFAULTS };
    this.own.moved = { x: 0, y: 0, wheel: 0 };
    this.own.hasNews = false;
    this.forgetEvents();
  }

  protected command(byte: number): void {
    const settings = this.own.settings;
    if (byte === RESOLUTION || byte === Command.RATE) {
      this.expectArgument(byte);
      return;
    }
    this.reply(Reply.ACK);
    switch (byte) {
      case SCALING_1:
      case SCALING_2:
        settings.isScaled = byte === SCALING_2;
        break;
      case STATUS:
        this.reply(this.#status(), settings.resolution, settings.rate);
        break;
      case STREAM:
      case REMOTE:
        settings.isRemote = byte === REMOTE;
        break;
      case READ:
        this.reply(...this.#packet());
        break;
      case Command.IDENTIFY:
        this.reply(this.own.id);
        break;
      case Command.ENABLE:
      case Command.DISABLE:
        settings.isStreaming = byte === Command.ENABLE;
        this.forgetEvents();
        break;
      case Command.DEFAULTS:
        this.#setDefaults();
        break;
      case Command.RESET:
        this.#setDefaults();
        this.own.id = Id.PLAIN;
        this.reply(Reply.PASSED, this.own.id);
        break;
    }
  }

  #status(): number {
    const { isRemote, isStreaming, isScaled } = this.own.settings;
    return (isRemote ? 0x40 : 0) | (isStreaming ? 0x20 : 0) | (isScaled ? 0x10 : 0) | this.own.buttons;
  }

  protected argument(command: number, byte: number): void {
    if (command === RESOLUTION) this.own.settings.resolution = byte & 3;
    else {
      this.own.settings.rate = byte;
      this.own.rates = [...this.own.rates, byte].slice(-KNOCK.length);
      if (this.own.rates.join() === KNOCK.join()) this.own.id = Id.WHEEL;
    }
  }
}
