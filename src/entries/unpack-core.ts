/** Lets any host unpack the processor from JavaScript: no file is read, no address fetched. */
import { inflate } from '../devices/block/inflate.ts';
import { BYTES, PACKED, Z85 } from './packed-core.ts';

export async function unpackCore(): Promise<Uint8Array> {
  return inflate(bytesOf(PACKED), BYTES);
}

/** The bytes of a text in Z85. */
export function bytesOf(text: string): Uint8Array {
  const values = new Map(Array.from(Z85, (digit, value) => [digit, value]));
  const bytes = new DataView(new ArrayBuffer((text.length / 5) * 4));
  for (let at = 0; at < text.length; at += 5) {
    let word = 0;
    for (const digit of text.slice(at, at + 5)) word = word * 85 + (values.get(digit) ?? 0);
    bytes.setUint32((at / 5) * 4, word);
  }
  return new Uint8Array(bytes.buffer);
}
