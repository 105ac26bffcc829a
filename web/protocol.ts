/** What the page and the worker that runs its machine say to each other. */
import type { Outcome, Report } from '../src/index.ts';

export interface StartOptions {
  kernel: Uint8Array;
  initrd?: Uint8Array;
  append: string;
  memory: string;
  cpu?: string;
  clock: 'host' | 'vm';
}

export type ToWorker =
  | { type: 'start'; options: StartOptions }
  | { type: 'input'; text: string }
  | { type: 'key'; code: string; isDown: boolean }
  | { type: 'mouse'; x: number; y: number; wheel: number }
  | { type: 'button'; button: number; isDown: boolean }
  /** Whether somebody looks at the screen. */
  | { type: 'watch'; isOn: boolean }
  | { type: 'power' }
  | { type: 'stop' };

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

export type FromWorker =
  | { type: 'started' }
  | { type: 'console'; text: string }
  | { type: 'screen'; picture: TextPicture | PixelPicture }
  | { type: 'report'; report: Report }
  | { type: 'ended'; outcome: Outcome; report: Report }
  | { type: 'problem'; message: string };
