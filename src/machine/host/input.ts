/** Keyboard and mouse of a machine, by the names that web pages use for keys and buttons. */
import { check, isNumber, isText } from '../../checks.ts';
import type { I8042 } from '../../devices/i8042.ts';
import { keyOf } from '../../devices/i8042-keys.ts';
import { type Doors, NO_DOORS } from '../../doors.ts';

/** Finds the controller, which every reset makes anew. */
type Access = () => I8042;

export class Keyboard {
  readonly #controller: Access;
  readonly #key: (code: string, isDown: boolean) => void;

  constructor(controller: Access, doors: Doors = NO_DOORS) {
    this.#controller = controller;
    this.#key = doors.door('keyboard', (code: string, isDown: boolean) => controller().keyboard.key(code, isDown));
  }

  /** Bit 0 Scroll Lock, bit 1 Num Lock, bit 2 Caps Lock. */
  get leds(): number {
    return this.#controller().keyboard.leds;
  }

  /** Holds a key down, by its KeyboardEvent.code; again if it repeats. Throws RangeError for a key that is not there. */
  down(code: string): void {
    this.#key(code, true);
  }

  up(code: string): void {
    this.#key(code, false);
  }

  /** Presses keys in turn and releases them in reverse: `press('ControlLeft', 'AltLeft', 'Delete')`. */
  press(...codes: readonly string[]): void {
    for (const code of codes) this.down(code);
    for (const code of codes.toReversed()) this.up(code);
  }

  /** Types text on a US layout. Throws RangeError for a character that has no key there, before typing anything. */
  type(text: string): void {
    check('keyboard.type', text, isText);
    for (const { code, shift } of Array.from(text, keyOf)) {
      if (shift) this.press('ShiftLeft', code);
      else this.press(code);
    }
  }
}

export class Mouse {
  readonly #move: (x: number, y: number, wheel: number) => void;
  readonly #button: (button: number, isDown: boolean) => void;

  constructor(controller: Access, doors: Doors = NO_DOORS) {
    this.#move = doors.door('mouse.move', (x: number, y: number, wheel: number) =>
      controller().mouse.move(x, y, wheel),
    );
    this.#button = doors.door('mouse.button', (button: number, isDown: boolean) =>
      controller().mouse.button(button, isDown),
    );
  }

  /** Moves right and down by counts, and turns the wheel towards the user. */
  move(x: number, y: number, wheel = 0): void {
    for (const [name, value] of Object.entries({ x, y, wheel })) check(`mouse.move: ${name}`, value, isNumber);
    this.#move(x, y, wheel);
  }

  /** Presses or releases a button by its number in MouseEvent.button: 0 left, 1 middle, 2 right. */
  down(button = 0): void {
    this.#button(button, true);
  }

  up(button = 0): void {
    this.#button(button, false);
  }
}
