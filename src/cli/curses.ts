/**
 * -display curses: the guest's screen in text mode on this terminal, by the control sequences of ECMA-48, and its keys at
 * the guest's keyboard.
 */
import type { TextScreen } from '../devices/display.ts';
import type { Keyboard } from '../machine/host/input.ts';

const ESC = '\x1b';
const ENTER = `${ESC}[?1049h${ESC}[2J`;
const LEAVE = `${ESC}[0m${ESC}[?25h${ESC}[?1049l`;
/** The colours of a VGA in the order of terminals: blue and red, cyan and yellow change places. */
const ANSI = [0, 4, 2, 6, 1, 5, 3, 7];
const BRIGHT = 8;
const Sgr = { FOREGROUND: 30, BACKGROUND: 40, BRIGHTER: 60 } as const;

/** Keys that a terminal tells by a sequence, by the codes of W3C's KeyboardEvent. */
const SEQUENCES: readonly (readonly [string, string])[] = [
  [`${ESC}[A`, 'ArrowUp'],
  [`${ESC}[B`, 'ArrowDown'],
  [`${ESC}[C`, 'ArrowRight'],
  [`${ESC}[D`, 'ArrowLeft'],
  [`${ESC}OA`, 'ArrowUp'],
  [`${ESC}OB`, 'ArrowDown'],
  [`${ESC}OC`, 'ArrowRight'],
  [`${ESC}OD`, 'ArrowLeft'],
  [`${ESC}[H`, 'Home'],
  [`${ESC}[F`, 'End'],
  [`${ESC}[2~`, 'Insert'],
  [`${ESC}[3~`, 'Delete'],
  [`${ESC}[5~`, 'PageUp'],
  [`${ESC}[6~`, 'PageDown'],
  [`${ESC}OP`, 'F1'],
  [`${ESC}OQ`, 'F2'],
  [`${ESC}OR`, 'F3'],
  [`${ESC}OS`, 'F4'],
  [`${ESC}[15~`, 'F5'],
  [`${ESC}[17~`, 'F6'],
  [`${ESC}[18~`, 'F7'],
  [`${ESC}[19~`, 'F8'],
  [`${ESC}[20~`, 'F9'],
  [`${ESC}[21~`, 'F10'],
  [`${ESC}[23~`, 'F11'],
  [`${ESC}[24~`, 'F12'],
];
const LAST_CONTROL = 0x1a;
const DELETE = '\x7f';

/** Draws a screen on a terminal: what changed since the last time. */
export class TerminalScreen {
  readonly #write: (text: string) => void;
  #rows: string[] = [];
  #cursor = '';

  constructor(write: (text: string) => void) {
    this.#write = write;
    write(ENTER);
  }

  /** `screen` is null in graphics modes, of which a line tells. */
  draw(screen: TextScreen | null): void {
    const rows = screen ? rowsOf(screen) : ['(the guest shows pixels: --screenshot FILE keeps them)'];
    const cursor = screen ? cursorOf(screen) : `${ESC}[?25l`;
    const changed = rows.flatMap((row, n) =>
      row === this.#rows[n] ? [] : [`${ESC}[${n + 1};1H${row}${ESC}[0m${ESC}[K`],
    );
    if (rows.length < this.#rows.length) changed.push(`${ESC}[${rows.length + 1};1H${ESC}[J`);
    if (changed.length > 0 || cursor !== this.#cursor) this.#write(changed.join('') + cursor);
    this.#rows = rows;
    this.#cursor = cursor;
  }

  close(): void {
    this.#write(LEAVE);
  }
}

function rowsOf({ columns, rows, cells }: TextScreen): string[] {
  return Array.from({ length: rows }, (_, row) => {
    let [text, last] = ['', ''];
    for (const { character, foreground, background } of cells.slice(row * columns, (row + 1) * columns)) {
      const colours = `${ESC}[${colour(foreground, Sgr.FOREGROUND)};${colour(background, Sgr.BACKGROUND)}m`;
      text += (colours === last ? '' : colours) + (character < ' ' ? ' ' : character);
      last = colours;
    }
    return text;
  });
}

const colour = (index: number, base: number): number =>
  base + ANSI[index & 7] + ((index & BRIGHT) === 0 ? 0 : Sgr.BRIGHTER);

function cursorOf({ columns, cursor }: TextScreen): string {
  if (cursor === null) return `${ESC}[?25l`;
  return `${ESC}[${Math.floor(cursor / columns) + 1};${(cursor % columns) + 1}H${ESC}[?25h`;
}

/** Presses the keys that a terminal tells of. Characters without a key on a US keyboard are dropped. */
export function typeAt(keyboard: Keyboard, bytes: Uint8Array): void {
  let rest = new TextDecoder().decode(bytes);
  while (rest !== '') {
    const sequence = SEQUENCES.find(([text]) => rest.startsWith(text));
    const [text, code] = sequence ?? [rest[0], ''];
    rest = rest.slice(text.length);
    if (code !== '') keyboard.press(code);
    else pressCharacter(keyboard, text);
  }
}

function pressCharacter(keyboard: Keyboard, character: string): void {
  const code = character.charCodeAt(0);
  if (character === '\r') keyboard.press('Enter');
  else if (character === DELETE) keyboard.press('Backspace');
  else if (code > 0 && code <= LAST_CONTROL && !'\b\t\n'.includes(character)) {
    keyboard.press('ControlLeft', `Key${String.fromCharCode(code + 0x40)}`);
  } else if (character !== '\0') {
    try {
      keyboard.type(character);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
}
