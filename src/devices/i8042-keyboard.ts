/**
 * A PS/2 keyboard of 102 keys (IBM "Keyboards (101- and 102-Key)"): scan code set 2, which the controller translates. A
 * key that is held does not repeat by itself: the host's keyboard does, and each repetition is another `key`.
 */
import { Command, Ps2Device, Reply } from './i8042-device.ts';
import { scanCodes } from './i8042-keys.ts';

const LEDS = 0xed;
const ECHO = 0xee;
const SCAN_CODE_SET = 0xf0;
const FIRST_SET3 = 0xf7;
const SET_2 = 2;
const ID = [0xab, 0x83];

/** Whether keys are reported, and which lights are on. */
export type KeyboardState = { scans: boolean; leds: number };

export class Ps2Keyboard extends Ps2Device<KeyboardState> {
  protected override own: KeyboardState = { scans: true, leds: 0 };

  /** Bit 0 Scroll Lock, bit 1 Num Lock, bit 2 Caps Lock. */
  get leds(): number {
    return this.own.leds;
  }

  /** Presses or releases a key, by its KeyboardEvent.code. Throws RangeError if there is none of that name. */
  key(code: string, isDown: boolean): void {
    const codes = scanCodes(code, isDown);
    if (!this.own.scans) return;
    this.send(codes);
    this.ready();
  }

  protected command(byte: number): void {
    switch (byte) {
      case LEDS:
      case SCAN_CODE_SET:
      case Command.RATE:
        this.expectArgument(byte);
        return;
      case ECHO:
        this.reply(ECHO);
        return;
      case Command.IDENTIFY:
        this.reply(Reply.ACK, ...ID);
        return;
      case Command.ENABLE:
      case Command.DISABLE:
      case Command.DEFAULTS:
      case Command.RESET:
        this.forgetEvents();
        this.own.scans = byte !== Command.DISABLE;
        this.reply(Reply.ACK);
        if (byte !== Command.RESET) return;
        this.own.leds = 0;
        this.reply(Reply.PASSED);
        return;
      default:
        // The key types of set 3 make no difference.
        this.reply(byte >= FIRST_SET3 ? Reply.ACK : Reply.RESEND);
    }
  }

  protected argument(command: number, byte: number): void {
    if (command === LEDS) this.own.leds = byte & 7;
    else if (command === SCAN_CODE_SET && byte === 0) this.reply(SET_2);
  }
}
