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

export class Ps2Mouse extends Ps2Device {
  #settings = { ...DEFAULTS };
  #id: number = Id.PLAIN;
  #rates: number[] = [];
  #moved = { x: 0, y: 0, wheel: 0 };
  #buttons = 0;
  #hasNews = false;

  /** Moves right, down and towards the user. */
  move(x: number, y: number, wheel = 0): void {
    this.#moved.x += Math.trunc(x);
    this.#moved.y += Math.trunc(y);
    this.#moved.wheel += Math.trunc(wheel);
    this.#tell();
  }

  /** Presses or releases a button by its number in MouseEvent.button. Throws RangeError unless it is 0, 1 or 2. */
  button(button: number, isDown: boolean): void {
    const bit = BUTTON_BITS[button];
    if (bit === undefined) throw new RangeError(`mouse button ${button} does not exist: there are 0, 1 and 2`);
    this.#buttons = isDown ? this.#buttons | bit : this.#buttons & ~bit;
    this.#tell();
  }

  #tell(): void {
    if (!this.#settings.isStreaming || this.#settings.isRemote) return;
    this.#hasNews = true;
    this.ready();
  }

  protected override report(): void {
    if (!this.#hasNews) return;
    this.send(this.#packet());
    const { x, y, wheel } = this.#moved;
    this.#hasNews = x !== 0 || y !== 0 || wheel !== 0;
  }

  #packet(): number[] {
    const { x, y, wheel } = this.#moved;
    const [right, up, back] = [limit(x, 256), limit(-y, 256), limit(wheel, 8)];
    this.#moved = { x: x - right, y: y + up, wheel: this.#id === Id.WHEEL ? wheel - back : 0 };
    const bytes = [8 | this.#buttons | (right < 0 ? 0x10 : 0) | (up < 0 ? 0x20 : 0), right & 0xff, up & 0xff];
    return this.#id === Id.WHEEL ? [...bytes, back & 0xff] : bytes;
  }

  #setDefaults(): void {
    this.#settings = { ...DEFAULTS };
    this.#moved = { x: 0, y: 0, wheel: 0 };
    this.#hasNews = false;
    this.forgetEvents();
  }

  protected command(byte: number): void {
    const settings = this.#settings;
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
        this.reply(this.#id);
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
        this.#id = Id.PLAIN;
        this.reply(Reply.PASSED, this.#id);
        break;
    }
  }

  #status(): number {
    const { isRemote, isStreaming, isScaled } = this.#settings;
    return (isRemote ? 0x40 : 0) | (isStreaming ? 0x20 : 0) | (isScaled ? 0x10 : 0) | this.#buttons;
  }

  protected argument(command: number, byte: number): void {
    if (command === RESOLUTION) this.#settings.resolution = byte & 3;
    else {
      this.#settings.rate = byte;
      this.#rates = [...this.#rates, byte].slice(-KNOCK.length);
      if (this.#rates.join() === KNOCK.join()) this.#id = Id.WHEEL;
    }
  }
}
