/** Draws a machine's screen on a canvas. */
import type { ScreenPicture, TextPicture } from '../worker/picture.ts';

const CELL = { WIDTH: 9, HEIGHT: 16 } as const;
const FONT = `14px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace`;

export function drawScreen(canvas: HTMLCanvasElement, picture: ScreenPicture): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  if (picture.kind === 'pixels') {
    resize(canvas, picture.width, picture.height);
    context.putImageData(new ImageData(picture.pixels, picture.width, picture.height), 0, 0);
  } else drawText(canvas, context, picture);
}

function drawText(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, picture: TextPicture): void {
  const { columns, rows, attributes, palette, cursor } = picture;
  const characters = [...picture.characters];
  resize(canvas, columns * CELL.WIDTH, rows * CELL.HEIGHT);
  context.font = FONT;
  context.textBaseline = 'middle';
  context.textAlign = 'center';
  for (const [cell, attribute] of attributes.entries()) {
    const x = (cell % columns) * CELL.WIDTH;
    const y = Math.floor(cell / columns) * CELL.HEIGHT;
    context.fillStyle = palette[attribute >> 4];
    context.fillRect(x, y, CELL.WIDTH, CELL.HEIGHT);
    context.fillStyle = palette[attribute & 15];
    if (characters[cell] !== ' ') context.fillText(characters[cell], x + CELL.WIDTH / 2, y + CELL.HEIGHT / 2 + 1);
    if (cell === cursor) context.fillRect(x, y + CELL.HEIGHT - 2, CELL.WIDTH, 2);
  }
}

function resize(canvas: HTMLCanvasElement, width: number, height: number): void {
  if (canvas.width === width && canvas.height === height) return;
  canvas.width = width;
  canvas.height = height;
}
