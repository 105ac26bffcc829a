/** Pictures in the format that the name of their file asks for: PPM, as QEMU's screendump writes it, or PNG. */
import type { Picture } from '../../devices/display.ts';
import { pngOf, rgbRows } from './png.ts';

/** PPM for .ppm, PNG for all others. Rejects with RangeError where the format has no such picture. */
export async function encodePicture(picture: Picture, path: string): Promise<Uint8Array> {
  return /\.ppm$/i.test(path) ? ppmOf(picture) : pngOf(picture);
}

function ppmOf(picture: Picture): Uint8Array {
  return rgbRows(picture, new TextEncoder().encode(`P6\n${picture.width} ${picture.height}\n255\n`), 0);
}
