/** The screen of a machine: as text for tests and terminals, as pixels for a canvas or a picture file. */
import type { Display, Picture, TextScreen } from '../../devices/display.ts';

export interface Frame extends Picture {
  /** Whether it differs from the frame before. */
  changed: boolean;
}

export class Screen {
  readonly #display: () => Display;
  #last: Picture | null = null;

  constructor(display: () => Display) {
    this.#display = display;
  }

  /** Characters with their colours and the cursor; null in graphics modes. */
  cells(): TextScreen | null {
    return this.#display().text();
  }

  /** Rows of text without blanks at their ends; none in graphics modes. */
  text(): string[] {
    const screen = this.cells();
    if (!screen) return [];
    const { columns, rows, cells } = screen;
    return Array.from({ length: rows }, (_, row) =>
      cells
        .slice(row * columns, (row + 1) * columns)
        .map(({ character }) => character)
        .join('')
        .trimEnd(),
    );
  }

  /** The pixels of now. In text mode their shapes are those of the font that the guest loaded; without one use `cells`. */
  frame(): Frame {
    const picture = this.#display().picture();
    const changed = this.#last === null || !areEqual(this.#last, picture);
    this.#last = picture;
    return { ...picture, changed };
  }
}

function areEqual(one: Picture, other: Picture): boolean {
  if (one.width !== other.width || one.height !== other.height) return false;
  const [left, right] = [new Uint32Array(one.pixels.buffer), new Uint32Array(other.pixels.buffer)];
  return left.every((pixel, n) => pixel === right[n]);
}
