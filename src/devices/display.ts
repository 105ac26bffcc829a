/** What a machine's screen may show, whichever device drives it. */

export interface TextCell {
  character: string;
  /** Indexes into `palette`. */
  foreground: number;
  background: number;
}

export interface TextScreen {
  columns: number;
  rows: number;
  /** Row by row. */
  cells: TextCell[];
  /** Cell of the cursor, null if it is hidden. */
  cursor: number | null;
  /** Sixteen CSS colours. */
  palette: string[];
}

/** Pixels of a screen, four bytes each: red, green, blue and 255. */
export interface Picture {
  width: number;
  height: number;
  pixels: Uint8ClampedArray<ArrayBuffer>;
}

/** A device that drives a screen. */
export interface Display {
  /** Whether the guest shows something through it. */
  readonly isOn: boolean;
  /** Characters, null if there are only pixels. */
  text(): TextScreen | null;
  /** The pixels of now: a copy. */
  picture(): Picture;
}
