/** The screen as it is sent to who draws it: packed, and only if it changed. */
import type { Machine } from '../index.ts';

/** A text screen, packed: a character and an attribute (background << 4 | foreground) per cell. */
export interface TextPicture {
  kind: 'text';
  columns: number;
  rows: number;
  characters: string;
  attributes: Uint8Array;
  palette: string[];
  cursor: number | null;
}

export interface PixelPicture {
  kind: 'pixels';
  width: number;
  height: number;
  pixels: Uint8ClampedArray<ArrayBuffer>;
}

export type ScreenPicture = TextPicture | PixelPicture;

/** What each machine's screen was when it was asked for last: a text, or empty for pixels. */
const seen = new WeakMap<Machine, string>();

/** The screen if it changed since it was asked for last, or with `isFresh` as it is. */
export function pictureOf(machine: Machine, isFresh = false): ScreenPicture | null {
  const text = textPicture(machine);
  const last = isFresh ? undefined : seen.get(machine);
  if (!text) {
    seen.set(machine, '');
    const { changed, ...picture } = machine.screen.frame();
    return changed || last !== '' ? { kind: 'pixels', ...picture } : null;
  }
  const key = `${text.characters}${text.attributes.join()}${text.cursor}${text.palette.join()}`;
  seen.set(machine, key);
  return key === last ? null : text;
}

function textPicture({ screen }: Machine): TextPicture | null {
  const text = screen.cells();
  if (!text) return null;
  const { cells, ...rest } = text;
  const attributes = Uint8Array.from(cells, ({ foreground, background }) => (background << 4) | foreground);
  return { kind: 'text', ...rest, characters: cells.map(({ character }) => character).join(''), attributes };
}
