// -display curses: what a terminal is sent for a screen, and the keys that its bytes are.
import { describe, expect, it } from 'vitest';
import { TerminalScreen, typeAt } from '../../src/cli/curses.ts';
import type { TextScreen } from '../../src/devices/display.ts';
import type { Keyboard } from '../../src/machine/host/input.ts';

const GREY = 7;
const screenOf = (rows: readonly string[], cursor: number | null = null, foreground = GREY): TextScreen => ({
  columns: rows[0].length,
  rows: rows.length,
  cells: [...rows.join('')].map((character) => ({ character, foreground, background: 0 })),
  cursor,
  palette: [],
});

describe('a screen on a terminal', () => {
  it('is drawn once, then where it changes', () => {
    const sent: string[] = [];
    const screen = new TerminalScreen((text) => sent.push(text));
    screen.draw(screenOf(['ab', 'cd'], 3));
    expect(sent.splice(0)).toEqual([
      '\x1b[?1049h\x1b[2J',
      '\x1b[1;1H\x1b[37;40mab\x1b[0m\x1b[K\x1b[2;1H\x1b[37;40mcd\x1b[0m\x1b[K\x1b[2;2H\x1b[?25h',
    ]);
    screen.draw(screenOf(['ab', 'cd'], 3));
    expect(sent).toEqual([]);
    screen.draw(screenOf(['ab', 'cX'], null));
    expect(sent.splice(0)).toEqual(['\x1b[2;1H\x1b[37;40mcX\x1b[0m\x1b[K\x1b[?25l']);
    screen.close();
    expect(sent).toEqual(['\x1b[0m\x1b[?25h\x1b[?1049l']);
  });

  it.each([
    // A VGA's blue, red and bright yellow; ECMA-48's are 34, 31 and 93.
    [1, 34],
    [4, 31],
    [14, 93],
  ])('has colour %i of a VGA as %i', (vga, sgr) => {
    let sent = '';
    new TerminalScreen((text) => {
      sent += text;
    }).draw(screenOf(['x'], null, vga));
    expect(sent).toContain(`\x1b[${sgr};40mx`);
  });

  it('says so where there are only pixels', () => {
    let sent = '';
    new TerminalScreen((text) => {
      sent += text;
    }).draw(null);
    expect(sent).toContain('--screenshot FILE');
  });
});

describe('what a terminal sends', () => {
  const keysOf = (text: string): string[] => {
    const keys: string[] = [];
    const keyboard = {
      press: (...codes: string[]) => keys.push(codes.join('+')),
      type: (character: string) => keys.push(`'${character}'`),
    };
    typeAt(keyboard as unknown as Keyboard, new TextEncoder().encode(text));
    return keys;
  };

  it.each([
    ['ls\r', ["'l'", "'s'", 'Enter']],
    ['\x1b[A\x1bOB', ['ArrowUp', 'ArrowDown']],
    ['\x1b[3~\x7f', ['Delete', 'Backspace']],
    ['\x03\x1a', ['ControlLeft+KeyC', 'ControlLeft+KeyZ']],
    ['\t', ["'\t'"]],
    ['\x1b[15~', ['F5']],
  ])('%j is keys', (text, keys) => {
    expect(keysOf(text)).toEqual(keys);
  });
});
