/** The screen of a machine: as text for tests and terminals, as pixels for a canvas or a picture file. */
import type { Vga } from '../devices/vga.ts';
import { drawPicture, type Picture, readText, type TextScreen } from '../devices/vga-picture.ts';

export interface Frame extends Picture {
  /** Whether it differs from the frame before. */
  changed: boolean;
}

export class Screen {
  readonly #vga: () => Vga;
  #last: Picture | null = null;

  constructor(vga: () => Vga) {
    this.#vga = vga;
  }

  /** Characters with their colours and the cursor; null in graphics modes. */
  cells(): TextScreen | null {
    const vga = this.#vga();
    return readText(vga.state, vga.memory);
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
    const vga = this.#vga();
    const picture = drawPicture(vga.state, vga.memory);
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
