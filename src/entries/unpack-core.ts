/** Lets any host unpack the processor from JavaScript: no file is read, no address fetched. */
import { inflate } from '../devices/block/inflate.ts';
import { BYTES, PACKED } from './packed-core.ts';

export async function unpackCore(): Promise<Uint8Array> {
  return inflate(bytesOf(PACKED), BYTES);
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
